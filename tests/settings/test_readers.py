"""No setting is ignored: what the task or network does not read is refused by name.

Small runs are trained on settings that note who looks at them. Each key of each task is then read
by the code, or refused when it is changed. Where code is handed a value that it does not use (of a
section that is passed on whole), a second run with all of these values changed must compute the
same.
"""

import dataclasses
import re
import shutil
import sys
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from signlib.errors import SettingsError
from signlib.experiments.experiment import train
from signlib.settings import config, presets
from signlib.settings.base import Settings
from signlib.settings.fields import AllBetween, Between, OneOf, SomeOf, limit_of
from signlib.settings.registry import TASKS

ROOT = Path(__file__).parents[2]
CLIPS = "data.glosses=3 data.signers=4 data.repetitions=1"
TINY = (
    f"training.threads=1 training.accelerator=cpu training.batch_size=4 training.epochs=1 {CLIPS}"
)
ENCODER = "model.width=8 model.intermediate=8 model.layers=1 model.heads=2"
SIGNS = f"{TINY} features.joints=hands features.frames=8"
PICTURES = f"{TINY} pictures.size=32 pictures.frames=4 fusion.width=8"
SENTENCES = (
    f"{TINY} data.repetitions=3 data.shortest=1 data.longest=2 ctc.width=8 ctc.beam=2"
    " ctc.alphas=[0.3] ctc.betas=[1.0] features.joints=hands+pose"
)
PARTS = "ctc.part_widths=[4,4,4] ctc.part_heads=2"
CASES = {
    "landmarks": f"landmarks/small {SIGNS} {ENCODER}",
    "landmarks, raw, by folds": f"landmarks/small {SIGNS} {ENCODER} features.normalise=false"
    " features.coordinates=2 data.split=folds data.folds=2 training.optimizer=sgd"
    " training.schedule=constant training.warmup=0 training.effective_batch=8"
    " model.stem_blocks=0",
    "landmarks, original": f"landmarks/original {SIGNS} {ENCODER} data.validation=0.3"
    " training.warmup_epochs=1 training.epochs=2",
    "baseline": f"baseline/svm {CLIPS} features.joints=hands features.frames=8",
    "baseline, raw": f"baseline/neighbour {CLIPS} features.joints=hands features.frames=8"
    " features.normalise=false",
    "baseline, phonology": f"baseline/svm {CLIPS} baseline.reads=phonology features.frames=8",
    "graph": "ntu60/nano training.threads=1 training.batch_size=4 data.glosses=2 data.signers=3"
    " data.validation=0 data.split=folds data.folds=2 gcn.streams=[joint] action.frames=8"
    " training.epochs=3",
    "modalities": f"generated/rgb+depth+skeleton {PICTURES} {ENCODER} features.joints=hands"
    " fusion.kind=cross-attention fusion.heads=2",
    "colour": f"generated/rgb {PICTURES}",
    "modalities, landmarks": f"generated/skeleton {TINY} {ENCODER} fusion.width=8",
    "frozen": f"wlasl/concat {SIGNS} frozen.frames=4 frozen.width=8",
    "frozen, visual": f"wlasl/concat {TINY} frozen.inputs=[visual] frozen.frames=4 frozen.width=8",
    "frozen, our encoder": f"wlasl/encoder {SIGNS} {ENCODER} frozen.inputs=[landmarks]"
    " frozen.width=8",
    "phonology": f"phonology/pooled {TINY} phonology.width=8",
    "phonology, ctc": f"phonology/ctc {TINY} phonology.width=8",
    "pretext": f"phonology/pretraining {TINY} phonology.width=8 phonology.projection=8"
    " phonology.codebooks=[4,4,4,4,4]",
    "pretext, original": f"phonology/pretraining-original {TINY} phonology.width=8"
    " phonology.projection=8 phonology.codebooks=[4,4,4,4,4]",
    "compact": f"sentences/compact {SENTENCES} ctc.heads=2 ctc.layers=1",
    "hierarchical": f"sentences/hierarchical {SENTENCES} ctc.order=0 ctc.short_signs=0"
    " ctc.time_mask=0 ctc.focal_share=0".replace(" ctc.alphas=[0.3] ctc.betas=[1.0]", ""),
    "hierarchical, crossmodal": f"sentences/hierarchical {SENTENCES} ctc.crossmodal=true {PARTS}",
    "hybrid": f"sentences/hybrid {SENTENCES} {PARTS} ctc.heads=2 ctc.attention=linear",
    "hybrid, linformer": f"sentences/hybrid {SENTENCES} {PARTS} ctc.heads=2"
    " ctc.attention=linformer ctc.seq_len_limit=64 ctc.rank=4",
    "teacher on dynamics": f"phoenix/teacher {SENTENCES} ctc.heads=2 ctc.phases=[]",
    "cnn-lstm on components": f"phoenix/cnn-lstm {SENTENCES} ctc.reduce=8 ctc.phases=[1,1,1,1]"
    " training.epochs=4",
}
# Read where these small runs do not get: the file that reads it, by name.
ELSEWHERE = {
    "preset": "experiments/experiment.py",
    "mode": "experiments/experiment.py",
    "data.root": "corpora/corpus.py",
    "data.annotations": "corpora/wlasl.py",
    "data.cut": "corpora/clips.py",
    "data.landmarks": "corpora/clips.py",
    "data.split_type": "corpora/corpus.py",
    "data.validation": "corpora/splits.py",
    "data.fold_seed": "corpora/splits.py",
    "data.validation_by": "corpora/splits.py",
    "data.sentences": "corpora/stitched.py",
    "data.hardness": "corpora/generated.py",
    "data.seed": "corpora/generated.py",
    "data.glosses": "corpora/generated.py",
    "data.signers": "corpora/generated.py",
    "data.repetitions": "corpora/generated.py",
    "ctc.nan_steps": "training/sentences.py",
}
# What idle settings do beside nothing: their task refuses them or what they name, they would break
# it, or (a fusion of one branch, an encoder beside it) they draw random weights that nobody uses.
LOOKED_AT = {
    "features.dominant",
    "training.teacher",
    "augment.mixup",
    "ctc.reduce",
    "frozen.fusion",
    "frozen.landmarks",
}


# Possible values of what is no number and no choice, or has to go with another setting.
SPECIAL = {
    "data.skeleton": "mediapipe-75",
    "features.joints": "hands",
    "data.test_signers": ["signer1"],
    "training.milestones": [1],
    **dict.fromkeys(("fusion.heads", "frozen.heads", "model.heads", "ctc.heads"), 1),
}


def noting(settings: Settings, read: set[str], prefix: str = "") -> Settings:
    """The same object, which adds to `read` each key that code outside `settings/` looks at."""
    for entry in dataclasses.fields(settings):
        value = getattr(settings, entry.name)
        if dataclasses.is_dataclass(value):
            noting(value, read, f"{prefix}{entry.name}.")
    kind = type(settings)
    names = {entry.name for entry in dataclasses.fields(kind)}

    def look(self: Any, name: str) -> Any:
        reader = sys._getframe(1).f_globals.get("__name__", "")
        if name in names and re.match(r"signlib\.(?!settings)", reader):
            read.add(f"{prefix}{name}")
        return object.__getattribute__(self, name)

    settings.__class__ = type(kind.__name__, (kind,), {"__getattribute__": look})
    return settings


def built(case: str) -> Settings:
    name, *overrides = CASES[case].split()
    return presets.build(name, "smoke", overrides=overrides)


def idle_keys(settings: Settings) -> Iterator[str]:
    """Keys that the declarations call unread with these settings."""
    for key, conditions in config.readers(type(settings)).items():
        if not all(each.holds(lambda other: attrgetter(other)(settings)) for each in conditions):
            yield key


def another(settings: Settings, key: str) -> Any:
    """A possible value of a setting that is not the one it has."""
    entry, value = config.entries(type(settings))[key], attrgetter(key)(settings)
    if key in SPECIAL:
        return SPECIAL[key]
    match limit_of(entry):
        case Between(low, high):
            step = 1 if isinstance(value, int) else (high - low) / 1000
            return value + step if value + step <= high else value - step
        case OneOf(choices):
            return next(choice for choice in choices if choice != value)
        case SomeOf(choices):
            return [choice for choice in choices if [choice] != value][:1]
        case AllBetween(low, high, _):
            return [number + 1 for number in value]
    if isinstance(value, bool):
        return not value
    return f"{value}x"


@pytest.fixture
def _in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The kept runs bring stores of pictures and features, which take longest to make.
    shutil.copytree(ROOT / "tests" / "data" / "kept" / "runs", tmp_path / "runs")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNLIB_RUNS", "runs")


@pytest.mark.usefixtures("_in_a_copy")
@pytest.mark.parametrize("case", CASES)
def test_each_setting_is_read_or_refused(case: str, monkeypatch: pytest.MonkeyPatch):
    read: set[str] = set()
    from_text = config.read

    def noted(text: str) -> tuple[Settings, dict[str, Any]]:
        settings, ignored = from_text(text)
        return noting(settings, read), ignored

    monkeypatch.setattr(config, "read", noted)
    run = train(noting(built(case), read), "first", quiet=True)
    settings = built(case)
    idle = set(idle_keys(settings))
    keys = set(config.entries(type(settings)))
    name, *overrides = CASES[case].split()
    for key in keys - idle - read - set(ELSEWHERE):
        # Nobody reads it, but nothing says so: then no other value is possible.
        with pytest.raises(SettingsError):
            presets.build(name, "smoke", overrides=[*overrides, f"{key}={another(settings, key)}"])
    passed_on = idle & read - LOOKED_AT
    if not passed_on:
        return
    # The declarations say that these change nothing: all of them are changed.
    monkeypatch.setattr(config, "read", from_text)
    monkeypatch.setattr(config, "check", lambda _: None)
    monkeypatch.setattr(config, "put_back", lambda *_: {})
    for key in passed_on:
        section, _, name = key.rpartition(".")
        setattr(attrgetter(section)(settings), name, another(settings, key))
    again = train(settings, "second", quiet=True)
    if (run.path / "scores.npz").is_file():
        np.testing.assert_array_equal(run.scores[0], again.scores[0])
    assert run.predictions.equals(again.predictions), passed_on


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_read_is_refused_by_name(case: str):
    settings = built(case)
    name, *overrides = CASES[case].split()
    given = {text.partition("=")[0] for text in overrides}
    for key in sorted(set(idle_keys(settings)) - given):
        with pytest.raises(SettingsError, match=re.escape(key)):
            presets.build(name, "smoke", overrides=[*overrides, f"{key}={another(settings, key)}"])


def test_what_is_read_elsewhere_is_named_there():
    for key, file in ELSEWHERE.items():
        text = (ROOT / "signlib" / file).read_text(encoding="utf-8")
        assert re.search(rf"\.{key.split('.')[-1]}\b", text), (key, file)


@pytest.mark.parametrize("task", TASKS)
def test_every_condition_names_a_setting_of_its_task_and_a_value_that_it_can_have(task: str):
    kind = TASKS[task].settings
    entries, values = config.entries(kind), config.flat(kind())
    for key, conditions in config.readers(kind).items():
        for case in (case for each in conditions for case in each.cases):
            assert case.key in entries, key
            assert case.key != key
            limit = limit_of(entries[case.key])
            for value in case.values:
                item = [value] if isinstance(values[case.key], list) else value
                assert limit.problem(case.key, item) == "", key
    unknown = [start for start in kind.ONLY if not any(key.startswith(start) for key in entries)]
    assert unknown == []
