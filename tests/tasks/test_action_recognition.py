"""Actions from settings to a finished run.

The input in its own axes, the notes, smoke runs, distillation.
"""

import numpy as np
import pytest
from safetensors.torch import load_file

from signlib.data.skeletons import KINECT_20, MEDIAPIPE_75, NTU_25
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, SettingsError
from signlib.experiments.experiment import train
from signlib.features.actors import axes_of
from signlib.settings import presets
from signlib.tasks.graph import prepare_action
from signlib.tasks.registry import build_model, open_task

TINY = [
    "data.glosses=3",
    "data.signers=3",
    "action.frames=8",
    "training.epochs=3",
    "training.warmup_epochs=1",
    "training.threads=1",
    "training.accelerator=cpu",
]


@pytest.fixture(autouse=True)
def runs_root(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def settings(*more, variant="nano", mode="smoke"):
    return presets.build(f"ntu60/{variant}", mode, 0, [*TINY, *more])


def person(frames=20):
    rng = np.random.default_rng(0)
    clip = rng.normal(size=(frames, 2, 25, 3)).astype(np.float32)
    clip[:, 1] = np.nan
    return clip


def test_one_body_by_setting_drops_the_second_and_the_frames_it_was_alone_in():
    clip = person()
    clip[:, 1] = clip[::-1, 0]
    clip[:5, 0] = np.nan
    axes = axes_of(NTU_25)
    two, both = prepare_action(clip, axes, settings())
    one, first = prepare_action(clip, axes, settings("action.bodies=1"))
    assert (two.shape, one.shape) == ((20, 2, 25, 3), (15, 1, 25, 3))
    assert (both.tolist(), first.tolist()) == ([True, True], [True])
    three, there = prepare_action(clip, axes, settings("action.bodies=3"))
    assert three.shape == (20, 3, 25, 3)
    assert there.tolist() == [True, True, False]
    assert (three[:, 2] == 0).all()
    with pytest.raises(ClipError, match="nobody is seen"):
        prepare_action(np.full_like(clip, np.nan), axes, settings())


def test_the_task_hands_out_clips_and_names_what_it_cannot_use(monkeypatch):
    task = open_task(settings())
    rows = task.table[task.table["split"] == "train"]
    read = task.source.read
    lost = rows["clip"].iloc[1]
    monkeypatch.setattr(
        task.source, "read", lambda clip: read(clip) * (np.nan if clip == lost else 1)
    )
    clips = task.prepare(rows, Vocabulary.from_glosses(rows["gloss"]), quiet=True)
    assert list(clips.unusable) == [lost]
    assert len(clips.data) == len(rows) - 1 == len(clips.clips)
    batch = clips.data.collate([clips.data[i] for i in range(4)])
    scores = task.model(3).eval()(batch)
    assert scores.shape == (4, 3)
    assert task.augment(batch)["streams"].shape == (4, 2, 3, 8, 25, 3)


@pytest.mark.parametrize("variant", ["nano", "base"])
def test_a_smoke_run_is_trained_tested_and_repeatable(variant):
    run = train(settings(variant=variant), "one", quiet=True)
    assert run.finished
    assert run.scores[0].shape == (9, 3)
    again = train(settings(variant=variant), "two", quiet=True)
    np.testing.assert_array_equal(again.scores[0], run.scores[0])


@pytest.mark.parametrize(
    "more",
    [
        ["gcn.head=infogcn"],
        ["gcn.head=plain"],
        ["augment.mixup=0.5"],
        ["gcn.streams=[bone_velocity]", "action.bodies=1"],
        ["training.average=0.9"],
        ["training.mirror_at_test=true"],
        ["gcn.partition=spatial"],
    ],
)
def test_every_setting_of_the_network_trains(more):
    run = train(settings(*more, variant="base"), quiet=True)
    assert np.isfinite(run.scores[0]).all()
    np.testing.assert_allclose(np.exp(run.scores[0]).sum(1), 1, rtol=1e-4)


def test_the_network_takes_the_skeleton_and_settings_it_is_given():
    model = build_model(
        settings("gcn.dropout=0.4", "gcn.drop_path=0.3", "action.bodies=1"), KINECT_20, 7
    )
    assert model.network.joints == 20
    assert model.network.bodies == 1
    assert model.network.head.dropout.p == 0.4
    assert model.network.blocks[-1].drop_path.rate == pytest.approx(0.3)
    assert build_model(settings(), MEDIAPIPE_75, 7).network.joints == 75


def test_a_graph_network_takes_no_other_modality():
    with pytest.raises(SettingsError, match=r"belongs to task modalities, .* have task=graph"):
        settings("fusion.modalities=[skeleton]")


def test_a_student_learns_from_its_teacher(runs_root):
    teacher = train(settings(variant="small"), "teacher", quiet=True)
    alone = train(settings(), "alone", quiet=True)
    taught = train(settings(f"training.teacher='{teacher.path}'"), "taught", quiet=True)
    assert not np.array_equal(alone.scores[0], taught.scores[0])
    parrot = [
        f"training.teacher='{teacher.path}'",
        "training.teacher_weight=1",
        "training.teacher_temperature=1",
        "training.epochs=12",
        "training.mirror_at_test=false",
    ]
    copied = train(settings(*parrot), "copied", quiet=True)
    away = [
        np.abs(np.exp(run.scores[0]) - np.exp(teacher.scores[0])).mean() for run in (alone, copied)
    ]
    assert away[1] < away[0]
    saved = load_file(copied.path / "model.safetensors")
    assert set(saved) == set(load_file(alone.path / "model.safetensors")), (
        "the teacher is not saved along"
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["gcn.streams=[joint]"], r"gcn\.streams"),
        (["action.frames=12"], r"action\.frames"),
        (["data.glosses=4"], "classes"),
    ],
)
def test_a_teacher_of_another_kind_is_refused(more, message):
    teacher = train(settings(), "teacher", quiet=True)
    with pytest.raises(RunError, match=message):
        train(settings(f"training.teacher='{teacher.path}'", *more), "student", quiet=True)
    assert not (teacher.path.parent / "student").exists(), "refused before anything is left behind"


def test_real_doubles_are_counted_in_the_notes(real_data):
    real_data("nw-ucla")
    task = open_task(settings("data.corpus=nw-ucla", "data.split_type=view-2"))
    assert task.splits.notes[-1] == "0 test clips are byte-identical to a training clip"


def test_the_smoke_form_of_nw_ucla_crosses_the_views_of_generated_clips():
    task = open_task(presets.build("nw-ucla/nano", "smoke"))
    cameras = task.table.groupby("split")["camera"].unique().map(sorted).to_dict()
    assert cameras == {"test": [1], "train": [2, 3]}
