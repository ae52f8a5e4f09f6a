"""Settings of runs that were made before `task` was a setting: every family had all sections."""

from pathlib import Path

import pytest
import yaml

from signlib.errors import SettingsError
from signlib.settings import aliases, config, presets
from signlib.settings.registry import TASKS, all_presets

RESULTS = Path(__file__).parents[2] / "results"
PUBLISHED = sorted(RESULTS.glob("*/*/settings.yaml"))
TASK_OF_FOLDER = {
    "asl-letters-small": "landmarks",
    "baseline-neighbour": "baseline",
    "baseline-svm": "baseline",
    "dgs-30-small": "landmarks",
    "landmarks-one-shot": "landmarks",
    "nw-ucla-nano": "graph",
    "stitched-compact": "sentences",
}

# Tasks that came later: each of their runs has its task in its settings.
LATER = {"baseline"}

EMPTY = """
fusion: {modalities: [], kind: weighted, width: 384, heads: 6, landmarks: ''}
frozen: {fusion: '', inputs: [visual, landmarks], landmarks: seed, store: ''}
gcn: {variant: '', streams: [joint, velocity, bone], head: seed}
ctc: {network: '', input: streams, width: 512, phases: []}
phonology: {network: '', form: corrected, pretext: codes}
model: {layout: cls, width: 128}
action: {bodies: 2, frames: 64}
rgb: {weights: '', width: 768}
"""
"""What stood in every old run, whatever its family; sections in short."""

OLD = {
    "landmarks": """
preset: landmarks/seed
seed: 5
model: {layout: seed, width: 96, heads: 4, stem_stride: 1, streams: [point]}
features: {frames: 16}
""",
    "modalities": """
preset: autsl/rgb+skeleton
fusion: {modalities: [rgb, skeleton], kind: gated, landmarks: stores/autsl}
rgb: {width: 48, heads: 2}
model: {layout: seed, stem_stride: 1}
features: {frames: 16}
""",
    "frozen": """
preset: wlasl/seed
fusion: {landmarks: stores/wlasl}
frozen: {fusion: concat, landmarks: seed, width: 64, store: stores/siglip}
features: {dominant: false, frames: 16}
augment: {mirror: 0.0}
training: {mirror_at_test: false}
""",
    "graph": """
preset: ntu60/nano
gcn: {variant: nano, head: seed, streams: [joint, bone]}
action: {frames: 32}
training: {rates: {network.head: 0.5}}
""",
    "sentences": """
preset: phoenix/hybrid
ctc: {network: hybrid, phases: [5, 50, 20, 10], width: 64}
features: {frames: 0}
""",
    "phonology": """
preset: phonology/pretraining-seed
phonology: {network: pretext, form: seed, pretext: seed}
training: {label_smoothing: 0.0, mirror_at_test: false}
""",
}
"""Hand-written settings of one old run a family: what differed from the rest."""

WORDS_NOW = {
    "landmarks": {"preset": "landmarks/original", "model.layout": "original", "seed": 5},
    "modalities": {
        "preset": "autsl/rgb+skeleton",
        "model.layout": "original",
        "fusion.modalities": ["rgb", "skeleton"],
        "data.landmarks": "stores/autsl",
        "rgb.width": 48,
    },
    "frozen": {
        "preset": "wlasl/original",
        "frozen.landmarks": "original",
        "frozen.store": "stores/siglip",
        "data.landmarks": "stores/wlasl",
    },
    "graph": {
        "preset": "ntu60/nano",
        "gcn.head": "original",
        "gcn.streams": ["joint", "bone"],
        "action.frames": 32,
        "training.rates": {"network.head": 0.5},
    },
    "sentences": {"preset": "phoenix/hybrid", "ctc.network": "hybrid", "ctc.width": 64},
    "phonology": {
        "preset": "phonology/pretraining-original",
        "phonology.form": "original",
        "phonology.pretext": "original",
    },
}
IGNORED = {
    "nw-ucla/nano": {"data.validation_by"},
    "stitched/compact": {"ctc.part_heads", "ctc.part_widths"},
}
"""What published runs say that no network of theirs ever read."""
every_family = pytest.mark.parametrize("task", OLD)


def old_settings(task, more=None):
    """The text of an old run: all sections, those of its family filled."""
    content = yaml.safe_load(EMPTY)
    for part in (yaml.safe_load(OLD[task]), more or {}):
        for key, value in part.items():
            section = content.get(key)
            content[key] = section | value if isinstance(section, dict) else value
    return yaml.safe_dump(content, sort_keys=False)


def flat_yaml(text):
    """Dotted keys and values of a YAML text, rates as one value."""
    pairs = {}
    for key, value in yaml.safe_load(text).items():
        for name, each in value.items() if isinstance(value, dict) else [(None, value)]:
            pairs[f"{key}.{name}" if name else key] = each
    return pairs


def test_every_published_run_is_looked_at():
    assert {path.parent.parent.name for path in PUBLISHED} == set(TASK_OF_FOLDER)
    assert set(OLD) == set(TASKS) - LATER


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_the_settings_of_a_published_run_are_read(path):
    text = path.read_text(encoding="utf-8")
    settings = config.from_yaml(text)
    assert settings.task == TASK_OF_FOLDER[path.parent.parent.name]
    assert type(settings) is TASKS[settings.task].settings
    # Every value that the run had is still there, in the words of today.
    said = dict(aliases.current(key, value) for key, value in flat_yaml(text).items())
    values = config.flat(settings)
    ignored = config.read(text)[1]
    kept = set(said) & set(values) - set(ignored)
    assert {key: values[key] for key in kept} == {key: said[key] for key in kept}
    # What came later than the run has its default; what is left out belongs to other tasks.
    defaults = config.flat(TASKS[settings.task].settings())
    assert {key: values[key] for key in set(values) - kept} == {
        key: defaults[key] for key in set(values) - kept
    }
    others = set().union(*(config.entries(row.settings) for row in TASKS.values()))
    assert set(said) - kept <= others - set(values) | set(ignored)
    assert {key: said[key] for key in ignored} == ignored
    assert ignored.keys() == IGNORED.get(settings.preset, set())
    assert config.from_yaml(config.to_yaml(settings)) == settings


@every_family
def test_an_old_run_has_the_task_that_its_settings_tell(task):
    settings = config.from_yaml(old_settings(task))
    assert settings.task == task
    assert type(settings) is TASKS[task].settings


@every_family
def test_old_words_become_those_of_today(task):
    settings = config.from_yaml(old_settings(task))
    values = config.flat(settings)
    assert {key: values[key] for key in WORDS_NOW[task]} == WORDS_NOW[task]
    assert "seed" not in [value for value in values.values() if isinstance(value, str)]
    assert settings.preset in all_presets()
    # Written again, they are a run of today, and the same settings.
    text = config.to_yaml(settings)
    assert f"task: {task}\n" in text
    assert config.from_yaml(text) == settings


@every_family
def test_sections_of_other_families_are_left_out(task):
    text = old_settings(task)
    settings = config.from_yaml(text)
    other_marks = {mark for mark, owner in aliases.TASK_MARKS.items() if owner != task}
    assert other_marks <= set(flat_yaml(text))
    assert not other_marks & set(config.flat(settings))
    # What is left out was of no use to the family: the same without it is the same.
    alone = yaml.safe_load(OLD[task])
    assert config.from_yaml(yaml.safe_dump(alone)) == settings


@every_family
def test_today_a_section_of_another_family_is_refused(task):
    # `gcn` belongs to one task; every other task has `ctc` to refuse.
    other = "ctc" if task == "graph" else "gcn"
    text = old_settings(task, {"task": task})
    with pytest.raises(SettingsError, match="belongs to task"):
        config.from_yaml(text)
    with pytest.raises(SettingsError, match=rf"'{other}\.dropout' belongs to task"):
        config.from_yaml(f"task: {task}\n{other}: {{dropout: 0.1}}")


@every_family
@pytest.mark.parametrize("more", [{"data": {"nope": 1}}, {"gcn": {"nope": 1}}, {"nope": 1}])
def test_an_unknown_key_of_an_old_run_is_still_refused(task, more):
    with pytest.raises(SettingsError, match=r"cannot be read: setting '.*nope' is unknown"):
        config.from_yaml(old_settings(task, more))


@every_family
def test_an_impossible_value_of_an_old_run_is_still_refused(task):
    with pytest.raises(SettingsError, match=r"training\.epochs=0 is outside"):
        config.from_yaml(old_settings(task, {"training": {"epochs": 0}}))


@pytest.mark.parametrize(("old", "new"), aliases.RENAMED_PRESETS.items())
@pytest.mark.parametrize("mode", ["smoke", "full"])
def test_the_old_name_of_a_preset_gives_the_same_settings(old, new, mode):
    assert new in all_presets()
    assert old not in all_presets()
    assert presets.build(old, mode) == presets.build(new, mode)
    assert presets.build(old, mode).preset == new


@pytest.mark.parametrize(
    ("override", "task"),
    [
        ("model.layout=seed", "landmarks"),
        ("phonology.form=seed", "phonology"),
        ("phonology.pretext=seed", "phonology"),
        ("gcn.head=seed", "graph"),
        ("frozen.landmarks=seed", "frozen"),
    ],
)
def test_the_old_value_of_a_setting_is_read_on_the_command_line(override, task):
    name = {
        "landmarks": "landmarks/original",
        "phonology": "phonology/pretraining",
        "graph": "ntu60/nano",
        "frozen": "wlasl/concat",
    }[task]
    key = override.partition("=")[0]
    settings = presets.build(name, overrides=[override])
    assert config.flat(settings)[key] == "original"
    assert settings == presets.build(name, overrides=[f"{key}=original"])


def test_the_old_key_of_the_landmarks_beside_pictures_is_read():
    settings = presets.build("autsl/rgb+skeleton", overrides=["fusion.landmarks=stores/autsl"])
    assert settings.data.landmarks == "stores/autsl"
    assert settings == presets.build(
        "autsl/rgb+skeleton", overrides=["data.landmarks=stores/autsl"]
    )


def test_a_preset_that_is_no_text_is_refused():
    with pytest.raises(SettingsError, match=r"preset=\['a'\] is not possible"):
        config.build({"preset": ["a"]})
    with pytest.raises(SettingsError, match="cannot be read: preset="):
        config.from_yaml("preset: [a]")
