"""Settings: an unknown key or an impossible value is refused before anything is computed."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from signlib.errors import SettingsError
from signlib.settings import config
from signlib.settings.base import Settings
from signlib.settings.fields import Between, limit_of
from signlib.settings.landmarks import LandmarkExperiment
from signlib.settings.registry import TASKS


def test_the_defaults_are_possible_and_differ_from_themselves_in_nothing():
    settings = config.build()
    assert settings == LandmarkExperiment()
    assert config.differences(settings) == {}


def test_later_differences_win_and_overrides_win_over_all():
    settings = config.build(
        {"model.width": 64, "training.epochs": 7},
        {"model.width": 32},
        overrides=["training.epochs=3", "seed=5"],
    )
    assert config.differences(settings) == {"model.width": 32, "training.epochs": 3, "seed": 5}
    assert config.build(overrides=["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("training.learning_rate=5e-5", "training.learning_rate", 5e-5),
        ("training.learning_rate=1", "training.learning_rate", 1.0),
        ("training.precision=32", "training.precision", "32"),
        ("training.deterministic=false", "training.deterministic", False),
        ("data.test_signers=[signer2,signer3]", "data.test_signers", ["signer2", "signer3"]),
        ("data.test_signers=['007']", "data.test_signers", ["007"]),
        ("data.root=/some/where=odd", "data.root", "/some/where=odd"),
        ("training.rates={encoder: 1e-4}", "training.rates", {"encoder": 1e-4}),
        ("training.rates.encoder=1e-4", "training.rates", {"encoder": 1e-4}),
        (" seed =3", "seed", 3),
    ],
)
def test_an_override_has_the_type_of_its_key(text, key, value):
    needed = {"data.split": "signer"} if key == "data.test_signers" else {}
    found = config.flat(config.build(needed, overrides=[text]))[key]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("training.epoch", "training.epochs"),
        ("learning_rate", "training.learning_rate"),
        ("modle.width", "model.width"),
    ],
)
def test_an_unknown_key_names_the_nearest(key, meant):
    with pytest.raises(SettingsError) as refused:
        config.build(overrides=[f"{key}=1"])
    assert repr(key) in str(refused.value)
    assert repr(meant) in str(refused.value)
    with pytest.raises(SettingsError, match="unknown"):
        config.build({key: 1})


def test_a_key_like_no_other_lists_the_keys():
    with pytest.raises(
        SettingsError,
        match=r"'qqqqqqqq' is unknown; the keys are preset, task, mode, seed, data\.corpus",
    ) as refused:
        config.build(overrides=["qqqqqqqq=1"])
    rest = len(config.entries(type(config.build()))) - 10
    assert str(refused.value).endswith(f" and {rest} more")


@pytest.mark.parametrize(
    "text",
    [
        "training.epochs=many",
        "training.epochs=2.5",
        "training.epochs=true",
        "training.epochs=",
        "data.root=null",
        "data.test_signers=signer2",
        "training.rates=3",
        "training.rates.encoder=abc",
        "data.root={a: b}",
        "data.test_signers=[[a]]",
    ],
)
def test_a_value_of_the_wrong_type_names_key_and_value(text):
    with pytest.raises(SettingsError, match=r"is not possible: it must be of type") as refused:
        config.build(overrides=[text])
    assert text.partition("=")[0] in str(refused.value)


@pytest.mark.parametrize("text", ["epochs", "=3", ""])
def test_an_override_without_a_key_or_value_shows_the_form(text):
    with pytest.raises(SettingsError, match=r"key=value, such as training\.epochs=5"):
        config.build(overrides=[text])


@pytest.mark.parametrize("text", ["training.epochs=[1", "data.corpus=a: b: c", "data.root='x"])
def test_an_override_that_is_no_yaml_is_one_clear_line(text):
    with pytest.raises(SettingsError, match="cannot be read") as refused:
        config.build(overrides=[text])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["data.root=${oc.env:HOME}", "training.epochs=${model.width}", "data.root=${x"]
)
def test_settings_never_read_the_environment(text):
    with pytest.raises(SettingsError, match="plain values"):
        config.build(overrides=[text])
    key, _, value = text.partition("=")
    with pytest.raises(SettingsError, match="plain values"):
        config.build({key: value})
    with pytest.raises(SettingsError, match="plain values"):
        config.from_yaml(f"data:\n  root: {value!r}")


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ({"mode": "tiny"}, "mode='tiny' is unknown; choose from smoke, full"),
        ({"training.precision": "fp8"}, "training.precision='fp8' is unknown; choose from 32"),
        ({"features.coordinates": 4}, "features.coordinates=4"),
        ({"training.epochs": 0}, "training.epochs=0 is outside 1..1000000"),
        ({"training.learning_rate": -1e-3}, "training.learning_rate=-0.001 is outside 0..100"),
        ({"training.learning_rate": float("nan")}, "training.learning_rate=nan is outside"),
        ({"training.rates": {"encoder": -1.0}}, "training.rates.encoder=-1.0 is outside"),
        ({"training.rates": {"encoder": float("nan")}}, "training.rates.encoder=nan is outside"),
        ({"augment.mirror": 1.5}, "augment.mirror=1.5 is outside 0..1"),
        ({"augment.yaw": -1.0}, "augment.yaw=-1.0 is outside"),
        ({"features.z_weight": float("inf")}, "features.z_weight=inf is outside"),
        ({"seed": -1}, "seed=-1 is outside"),
        (
            {"model.width": 100, "model.heads": 3},
            "model.width=100 cannot be shared by model.heads=3",
        ),
        ({"model.stem_kernel": 4}, "model.stem_kernel=4 is even"),
        ({"model.streams": []}, "model.streams=[] must be some of point, local"),
        ({"model.streams": ["point", "colour"]}, "model.streams=['point', 'colour']"),
        ({"model.streams": ["point", "point"]}, "each once"),
        ({"data.fold": 5}, "data.fold=5 must lie within 0..4"),
        ({"data.split": "signer"}, "data.split=signer needs data.test_signers"),
        (
            {"model.layout": "original", "model.stem_stride": 1, "features.frames": 0},
            "set features.frames >= 1",
        ),
        ({"model.layout": "original", "features.frames": 16}, "model.stem_stride=1"),
    ],
)
def test_an_impossible_value_is_refused_with_value_and_limit(differences, words):
    with pytest.raises(SettingsError) as refused:
        config.build(differences)
    assert words in str(refused.value)


@pytest.mark.parametrize("task", TASKS)
def test_every_number_has_limits_and_every_default_lies_within(task):
    values = config.flat(TASKS[task].settings())
    numbers = {
        key
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    assert len(numbers) > 50
    limits = {key: limit_of(field) for key, field in config.entries(TASKS[task].settings).items()}
    ranges = {
        key: (limit.low, limit.high) for key, limit in limits.items() if isinstance(limit, Between)
    }
    assert numbers == set(ranges) | {"features.coordinates"}
    for key, (low, high) in ranges.items():
        assert math.isfinite(low)
        assert math.isfinite(high)
        with pytest.raises(SettingsError, match=f"{re.escape(key)}=.* is outside"):
            config.build({"task": task, key: high + 1})


def test_yaml_gives_the_same_settings_back():
    settings = config.build(
        {
            "data.split": "signer",
            "data.test_signers": ["007", "null", "yes", "ä: #"],
            "data.root": "C:\\a b",
            "training.rates": {"encoder": 5e-5},
            "training.learning_rate": 1 / 3,
            "model.streams": ["point"],
            "seed": 3,
        }
    )
    text = config.to_yaml(settings)
    assert config.from_yaml(text) == settings
    assert config.to_yaml(config.from_yaml(text)) == text
    assert all(key.split(".")[-1] + ":" in text for key in config.entries(Settings))


@hypothesis_settings(max_examples=10, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12),
    st.floats(0, 100),
)
def test_any_text_and_number_survive_yaml(text, number):
    if "${" in text:
        return
    settings = config.build({"data.root": text, "training.learning_rate": number})
    assert config.from_yaml(config.to_yaml(settings)) == settings


@pytest.mark.parametrize(
    "text",
    ["a: [", "some words", "[1, 2]", "42", "data: 3", "data:\n  nope: 1", "training:\n  epochs: x"],
)
def test_yaml_that_holds_no_settings_is_one_clear_line(text):
    with pytest.raises(SettingsError, match="cannot be read") as refused:
        config.from_yaml(text)
    assert "\n" not in str(refused.value)


def test_impossible_values_in_yaml_are_refused_too():
    with pytest.raises(SettingsError, match=r"training\.epochs=0 is outside"):
        config.from_yaml("training:\n  epochs: 0")


def test_differences_are_taken_from_the_base_given():
    base = config.build({"model.width": 64})
    other = config.build({"model.width": 64, "seed": 2})
    assert config.differences(other, base) == {"seed": 2}
    assert config.differences(base, other) == {"seed": 0}


def test_lists_of_two_settings_are_not_shared():
    one, two = LandmarkExperiment(), LandmarkExperiment()
    one.data.test_signers.append("signer1")
    assert two.data.test_signers == []


def test_an_empty_override_of_a_text_is_the_empty_text():
    assert config.build({"data.root": "x"}, overrides=["data.root="]).data.root == ""


def test_the_same_settings_have_the_same_name_and_others_another():
    name = config.run_name(config.build({"seed": 3, "mode": "smoke"}))
    assert name.startswith("smoke-seed3-")
    assert name == config.run_name(config.build({"mode": "smoke"}, {"seed": 3}))
    assert name != config.run_name(config.build({"seed": 3, "mode": "smoke", "training.epochs": 7}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fusion.modalities=[sound]", "rgb, depth, skeleton"),
        ("fusion.modalities=[rgb,rgb]", "each once"),
        ("fusion.kind=sum", "weighted, concat, gated, cross-attention"),
        ("pictures.size=230", "not divisible by pictures.patch=16"),
        ("pictures.frames=15", "a token spans two frames"),
        ("fusion.kind=cross-attention fusion.heads=5", "cannot be shared by fusion.heads=5"),
        ("training.effective_batch=100", r"not divisible by training\.batch_size=64"),
    ],
)
def test_impossible_fusions_and_pictures_are_refused(text, message):
    with pytest.raises(SettingsError, match=message):
        config.build({"task": "modalities"}, overrides=text.split())


def test_video_heads_are_checked_where_the_modality_is_used():
    with pytest.raises(
        SettingsError, match=r"rgb\.heads=5 is read only with fusion\.modalities=rgb"
    ):
        config.build(overrides=["rgb.heads=5", "fusion.modalities=[depth,skeleton]"])
    with pytest.raises(SettingsError, match=r"rgb\.width=768 cannot be shared by rgb\.heads=5"):
        config.build(overrides=["rgb.heads=5", "fusion.modalities=[rgb]"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.min_lr=0.1"], r"training\.min_lr=0\.1 is above training\.learning_rate=0\.001"),
        (["training.warmup_start_lr=0.1"], r"training\.warmup_start_lr=0\.1 is above"),
        (
            ["training.warmup_epochs=5", "training.epochs=5"],
            r"leaves nothing of training\.epochs=5",
        ),
        (
            ["training.optimizer=sgd", "training.momentum=0"],
            r"training\.nesterov=true needs training\.momentum",
        ),
        (
            ["training.schedule=multistep"],
            r"training\.milestones=\[\] with training\.schedule=multistep",
        ),
        (
            ["training.milestones=[3]"],
            r"with training\.schedule=cosine: multistep needs rising epochs",
        ),
        (["training.schedule=multistep", "training.milestones=[5,3]"], r"milestones=\[5, 3\]"),
        (
            ["task=graph", "gcn.streams=[joint,joint]"],
            r"gcn\.streams=\['joint', 'joint'\] must be some of joint, velocity",
        ),
        (["task=graph", "gcn.streams=[point]"], "each once"),
        (["gcn.variant=tiny"], "choose from nano, small, base, large"),
    ],
)
def test_a_schedule_or_network_that_does_not_fit_together_is_refused(overrides, message):
    with pytest.raises(SettingsError, match=message):
        config.build(overrides=overrides)


_UNMIRRORED = ["features.dominant=false", "augment.mirror=0", "training.mirror_at_test=false"]


@pytest.mark.parametrize(
    ("overrides", "task"),
    [
        ([], "landmarks"),
        (["gcn.variant=small"], "graph"),
        (["ctc.network=hybrid"], "sentences"),
        (["phonology.network=pretext"], "phonology"),
        (["frozen.fusion=gated", *_UNMIRRORED], "frozen"),
        (["fusion.modalities=[rgb]"], "modalities"),
        (["task=graph"], "graph"),
        (["task=landmarks", "model.width=64"], "landmarks"),
    ],
)
def test_the_task_is_told_by_what_only_one_task_has(overrides, task):
    fitting = ["features.frames=0"] if task == "sentences" else []
    if task == "phonology":
        fitting = ["training.label_smoothing=0", "training.mirror_at_test=false"]
    settings = config.build(overrides=overrides + fitting)
    assert settings.task == task
    assert type(settings) is TASKS[task].settings
    assert config.from_yaml(config.to_yaml(settings)) == settings


@pytest.mark.parametrize(
    ("overrides", "owner", "task"),
    [
        (["gcn.variant=nano", "fusion.modalities=[rgb]"], "modalities", "graph"),
        (["frozen.fusion=concat", "gcn.variant=nano"], "frozen", "graph"),
        (["frozen.fusion=concat", "fusion.modalities=[rgb]"], "modalities", "frozen"),
        (["ctc.network=compact", "fusion.modalities=[rgb]"], "modalities", "sentences"),
        (["ctc.network=compact", "gcn.variant=nano"], "sentences", "graph"),
        (["phonology.network=ctc", "ctc.network=compact"], "phonology", "sentences"),
        (["phonology.network=ctc", "gcn.variant=nano"], "phonology", "graph"),
        (["phonology.network=ctc", "fusion.modalities=[rgb]"], "modalities", "phonology"),
        (["gcn.streams=[joint]"], "graph", "landmarks"),
        (["task=landmarks", "gcn.variant=nano"], "graph", "landmarks"),
    ],
)
def test_settings_of_two_tasks_in_one_are_refused(overrides, owner, task):
    # A baseline reads phonological features, too; whoever names them means the network.
    words = rf"belongs to task {owner}( and baseline)?, these settings .* add task={owner}$"
    with pytest.raises(SettingsError, match=words):
        config.build(overrides=overrides)


def test_a_setting_of_several_tasks_names_them_all():
    with pytest.raises(
        SettingsError, match=r"'model\.width' belongs to task landmarks and frozen and modalities"
    ):
        config.build({"task": "graph", "model.width": 64})


def test_an_unknown_task_lists_the_tasks():
    known = "landmarks, frozen, modalities, graph, phonology, sentences, baseline"
    with pytest.raises(SettingsError, match=f"task='dance' is unknown; choose from {known}"):
        config.build({"task": "dance"})
    with pytest.raises(SettingsError, match=f"task='dance' is unknown; choose from {known}"):
        config.from_yaml("task: dance")


@pytest.mark.parametrize(
    ("task", "differences", "message"),
    [
        ("modalities", {"augment.mixup": 0.2}, r"augment\.mixup=0\.2 is for landmarks alone"),
        ("graph", {"gcn.head": "plane"}, r"gcn\.head='plane' is unknown; choose from original"),
        ("graph", {"gcn.gate": "other"}, r'gcn\.gate=\'other\' is unknown; choose from "", motion'),
        ("landmarks", {"data.shortest": 9, "data.longest": 8}, "data.shortest=9 is more than"),
        ("frozen", {"frozen.inputs": ["visual", "visual"]}, "visual, landmarks, each once"),
        ("frozen", {"frozen.width": 10}, r"frozen\.width=10 cannot be shared by frozen\.heads=4"),
        ("frozen", {"features.frames": 65}, r"features\.frames=65 must lie within 1\.\.64"),
        ("frozen", {"features.dominant": True}, "changes landmarks, but not what a frozen encoder"),
        ("sentences", {"features.frames": 32}, r"set features\.frames=0, not 32"),
        ("sentences", {"ctc.width": 63}, r"ctc\.width=63 is odd"),
        ("sentences", {"ctc.kernels": []}, r"ctc\.kernels=\[\]: give one or more numbers within 1"),
        ("sentences", {"ctc.part_widths": [0]}, r"ctc\.part_widths=\[0\]: give one or more"),
        ("sentences", {"ctc.alphas": [101.0]}, r"ctc\.alphas=\[101\.0\]: .* within 0\.\.100"),
        ("sentences", {"ctc.betas": []}, r"ctc\.betas=\[\]: .* within -100\.\.100"),
        ("sentences", {"ctc.phases": [1, 0, 1, 1]}, r"ctc\.phases=.* must be four lengths"),
        ("sentences", {"augment.mixup": 0.1}, r"sentences have no one class; set augment\.mixup=0"),
        ("sentences", {"training.class_weights": True}, "sentences have no one class"),
        (
            "sentences",
            {"ctc.reduce": 8},
            "read only with ctc.input=dynamics, not with ctc.input=streams",
        ),
        ("phonology", {"phonology.codebooks": [2, 2]}, r"phonology\.codebooks=.*: give 5 numbers"),
        (
            "phonology",
            {"training.label_smoothing": 0.1, "phonology.network": "pretext"},
            r"training\.label_smoothing=0\.1 is read only with phonology\.network other than"
            r" pretext, not with phonology\.network=pretext; .* default, 0\.0",
        ),
    ],
)
def test_what_does_not_go_together_in_a_task_is_refused(task, differences, message):
    with pytest.raises(SettingsError, match=message):
        config.build({"task": task, **differences})
