"""From settings to a finished run, on a corpus of a few generated clips."""

import json
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from usual import SMALL_NETWORK

from signlib.corpora import clips as corpora
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.errors import InputError, ManifestError, RunError, SettingsError
from signlib.experiments import experiment
from signlib.experiments.experiment import train
from signlib.experiments.warm_start import carry
from signlib.runs.run import start
from signlib.settings import presets
from signlib.stores.writer import write_store
from signlib.tasks import landmarks
from signlib.tasks.landmarks import LandmarkTask
from signlib.tasks.registry import build_model, open_task
from signlib.training import fit as fitting
from signlib.training.classification import ClassificationFitting

TINY = [
    "data.glosses=3",
    "data.signers=4",
    "data.repetitions=2",
    "model.max_positions=8",
    "model.stem_blocks=1",
    *SMALL_NETWORK,
]
FILES = {
    "settings.yaml",
    "splits.csv",
    "status.json",
    "metrics.json",
    "predictions.csv",
    "scores.npz",
    "environment.json",
    "history.csv",
    "model.safetensors",
    "model.json",
    "weight_decay.json",
    "figures",
}
pytestmark = pytest.mark.usefixtures("runs_root")


def settings(*overrides: str, seed: int = 0, mode: str = "smoke"):
    return presets.build("landmarks/small", mode, seed, [*TINY, *overrides])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with a validation split that is over, under a runs root of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(tmp_path_factory.mktemp("runs")))
        return train(settings(), quiet=True)


def test_a_run_holds_every_file_of_its_contract(finished):
    assert finished.finished
    assert finished.name == "landmarks-small/smoke-seed0"
    assert {path.name for path in finished.path.iterdir()} == FILES
    assert {path.name for path in (finished.path / "figures").iterdir()} == {
        "learning_curve.png",
        "confusion.png",
    }
    assert finished.settings == settings()
    environment = finished.environment
    assert environment["device"] == "cpu"
    assert environment["packages"]["torch"] == torch.__version__
    assert environment["wall_seconds"] > 0


def test_metrics_have_their_interval_and_number_of_clips(finished):
    found = {metric.metric: metric for metric in finished.metrics}
    assert set(found) == {"top-1", "top-1 by gloss", "per-class top-1"}
    for metric in found.values():
        assert (metric.n, metric.split, metric.unit) == (6, "test", "%")
    for name in ("top-1", "top-1 by gloss"):
        low, high = found[name].interval
        assert low <= found[name].value <= high
        assert found[name].note.endswith(f"{finished.facts['chosen']}; the manifest's split")
    low, high = found["per-class top-1"].interval
    assert low <= found["per-class top-1"].value <= high
    table = finished.predictions
    right = table["target"] == table["prediction"]
    assert found["top-1"].value == pytest.approx(100 * right.mean())
    assert found["per-class top-1"].value == pytest.approx(
        100 * right.groupby(table["target"]).mean().mean()
    )


def test_predictions_and_scores_say_the_same(finished):
    table = finished.predictions
    scores, clips, classes = finished.scores
    assert list(table.columns) == ["clip", "signer", "target", "prediction", "score"]
    assert table["clip"].tolist() == clips
    assert table["prediction"].tolist() == [classes[k] for k in scores.argmax(axis=1)]
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(table["score"], np.exp(scores).max(axis=1), atol=1e-4)
    manifest = corpora.load_corpus(finished.settings.data).labelled.set_index("clip")
    test = manifest[manifest["split"] == "test"]
    assert set(clips) == set(test.index)
    assert table["target"].tolist() == test.loc[clips, "gloss"].tolist()
    assert table["signer"].tolist() == test.loc[clips, "signer"].tolist()


def test_a_run_notes_its_facts(finished):
    facts = finished.facts
    assert facts["clips"] == {"train": 12, "val": 6}
    assert facts["chosen"].startswith("best validation accuracy (")
    assert (facts["epochs"], facts["steps"], facts["smoke"]) == (2, 4, True)
    assert facts["parameters"] == sum(
        v.numel()
        for n, v in load_file(finished.path / "model.safetensors").items()
        if "running" not in n and "batches" not in n
    )
    history = pd.read_csv(finished.path / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["step"].tolist() == [2, 4]


def test_the_test_split_was_opened_once(finished):
    with pytest.raises(RunError, match="has read its test split already"):
        finished.open_test()
    assert "test_opened" in finished.facts


def test_a_finished_run_is_returned_untouched(finished, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(finished.path.parent.parent))
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}

    def never(*_):
        raise AssertionError("a finished run needs no corpus")

    monkeypatch.setattr(landmarks, "load_corpus", never)
    for resume in (False, True):
        again = train(settings(), resume=resume, quiet=True)
        assert again.path == finished.path
        assert again.finished
    assert {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")} == before
    with pytest.raises(RunError, match=r"training\.epochs=2, not 3"):
        train(settings("training.epochs=3"), quiet=True)


def test_the_same_seed_gives_the_same_scores_and_another_seed_others(finished):
    again, other = train(settings(), "again", quiet=True), train(settings(seed=1), quiet=True)
    assert again.path != finished.path
    np.testing.assert_array_equal(again.scores[0], finished.scores[0])
    pd.testing.assert_frame_equal(again.predictions, finished.predictions)
    assert again.metrics == finished.metrics
    assert not np.array_equal(other.scores[0], finished.scores[0])
    assert other.name == "landmarks-small/smoke-seed1"


def test_a_run_out_of_time_is_unfinished_and_resume_finishes_it_with_the_same_result(finished):
    hurried = settings("training.hours=1e-9")
    run = train(hurried, "hurried", quiet=True)
    assert run.stage == "started"
    assert (run.path / fitting.CHECKPOINT).is_file()
    assert run.facts["epochs"] == 1
    assert not (run.path / "metrics.json").exists()
    with pytest.raises(RunError, match="add --resume to resume it"):
        train(hurried, "hurried", quiet=True)
    with pytest.raises(RunError, match="stays closed until training"):
        run.open_test()
    resumed = train(hurried, "hurried", resume=True, quiet=True)
    assert {path.name for path in resumed.path.iterdir()} == FILES
    np.testing.assert_array_equal(resumed.scores[0], finished.scores[0])
    assert resumed.metrics == finished.metrics
    assert resumed.facts["epochs"] == 2
    assert resumed.facts["training_seconds"] >= run.facts["training_seconds"]


def test_a_trained_run_is_only_tested_when_resumed(finished, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(LandmarkTask, "evaluate", lambda _, run, *rest: run)
        assert train(settings(), "trained", quiet=True).stage == "trained"

    def never(*_):
        raise AssertionError("training was over")

    monkeypatch.setattr(experiment, "_fit", never)
    run = train(settings(), "trained", resume=True, quiet=True)
    np.testing.assert_array_equal(run.scores[0], finished.scores[0])


def test_without_validation_the_last_epoch_counts_and_the_note_says_so():
    run = train(settings("data.split=folds", "data.folds=2", "training.average=0"), quiet=True)
    assert run.facts["chosen"] == "last step; nothing was selected"
    assert run.facts["clips"]["val"] == 0
    top = run.metrics[0]
    assert top.note.startswith(
        "Wilson interval over clips; last step; nothing was selected; fold 0 of 2"
    )
    assert "signers in training and test: " in top.note
    by_signer = {metric.metric: metric for metric in run.metrics}["top-1 by signer"]
    assert "bootstrap over 4 signers" in by_signer.note


def test_unbalanced_classes_are_weighted(monkeypatch):
    seen = []
    start = ClassificationFitting.__init__

    def note(self, model, given, augment, weights=None, *rest):
        seen.append(weights)
        start(self, model, given, augment, weights, *rest)

    monkeypatch.setattr(ClassificationFitting, "__init__", note)
    source = corpora.load_corpus(settings().data)
    table = source.labelled
    first = table["gloss"].iloc[0]
    source.labelled = table.drop(
        table[(table["gloss"] == first) & (table["split"] == "train")].index[1:]
    )
    monkeypatch.setattr(landmarks, "load_corpus", lambda _: source)
    train(settings("training.class_weights=true", "training.epochs=1"), quiet=True)
    # One clip of the first gloss, four of each other: N / (K n) = 9 / (3 x 1) and 9 / (3 x 4).
    assert sorted(seen[0].tolist()) == pytest.approx([0.75, 0.75, 3.0])


def test_clips_that_cannot_be_used_are_counted_beside_the_result(monkeypatch):
    source = corpora.load_corpus(settings().data)
    lost = source.labelled.groupby("split")["clip"].first().to_dict()
    read = source.read
    source.read = lambda clip: (
        np.full_like(read(clip), np.nan) if clip in lost.values() else read(clip)
    )
    monkeypatch.setattr(landmarks, "load_corpus", lambda _: source)
    run = train(settings("training.epochs=1"), quiet=True)
    assert run.metrics[0].n == 5
    assert run.metrics[0].note.startswith("on 5 of 6 clips; ")
    assert lost["test"] not in run.predictions["clip"].tolist()
    assert run.facts["clips"] == {"train": 11, "val": 5}
    assert (run.facts["unusable"], run.facts["missing"]) == (2, 1)


def test_nothing_to_train_on_is_an_error(monkeypatch):
    source = corpora.load_corpus(settings().data)
    source.read = lambda _: np.full((3, 543, 4), np.nan, np.float32)
    monkeypatch.setattr(landmarks, "load_corpus", lambda _: source)
    with pytest.raises(
        ManifestError, match="no training clip can be used; the first reason: no point"
    ):
        train(settings(), quiet=True)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.corpus=store", "data.root=nowhere"], "nowhere"),
        (["data.corpus=nosuch"], r"data\.corpus='nosuch' is unknown"),
        (["training.precision=16-mixed"], "16-mixed"),
        (["features.joints=pose", "model.streams=[local]"], r"model\.streams=.*need hands"),
    ],
)
def test_what_is_refused_leaves_no_run_behind(overrides, message, runs_root):
    with pytest.raises(InputError, match=message):
        train(settings(*overrides), quiet=True)
    assert not list(runs_root.glob("*/*"))


def test_another_run_lends_its_encoder(finished, monkeypatch):
    started = {}
    fit = experiment._fit

    def note(run, task, model, *rest):
        started.update({name: value.clone() for name, value in model.state_dict().items()})
        return fit(run, task, model, *rest)

    monkeypatch.setattr(experiment, "_fit", note)
    run = train(settings("data.glosses=2", seed=5), quiet=True, init_from=finished)
    theirs = load_file(finished.path / "model.safetensors")
    encoder = [name for name in theirs if name.startswith("encoder.")]
    assert len(encoder) == len(theirs) - 2
    for name in encoder:
        assert torch.equal(started[name], theirs[name])
    assert started["head.weight"].shape == (2, 32)
    assert run.facts["init_from"] == finished.name
    assert run.finished
    with pytest.raises(
        RunError, match=r"was started from landmarks-small/smoke-seed0, not from none"
    ):
        train(settings("data.glosses=2", seed=5), quiet=True)
    assert train(settings("data.glosses=2", seed=5), quiet=True, init_from=finished).finished


def test_a_loaned_encoder_survives_resuming(finished):
    hurried = settings("training.hours=1e-9", seed=5)
    assert not train(hurried, "hurried", quiet=True, init_from=finished).finished
    parts = train(hurried, "hurried", resume=True, quiet=True, init_from=finished)
    whole = train(settings(seed=5), "whole", quiet=True, init_from=finished)
    np.testing.assert_array_equal(parts.scores[0], whole.scores[0])


@pytest.mark.parametrize(
    ("override", "named"),
    [("model.width=8", r"has shape \(.*16.*\), this model \(.*8.*\)"), ("model.layers=1", "")],
)
def test_an_encoder_of_another_shape_is_refused_by_name(finished, override, named, runs_root):
    model = build_model(settings(override), MEDIAPIPE_543, 3)
    if not named:
        carried = carry(LandmarkTask(settings(override)), model, finished)
        assert carried.tensors == len(model.encoder.state_dict())
        return
    with pytest.raises(RunError, match=rf"--init-from .*: encoder\.[a-z_.0-9]+ {named}"):
        carry(LandmarkTask(settings(override)), model, finished)
    with pytest.raises(RunError, match=r"encoder\."):
        train(settings(override), quiet=True, init_from=finished)
    assert not list(runs_root.glob("*/*"))


def test_a_smaller_encoder_does_not_pass_for_a_deeper_one(finished):
    deeper = build_model(settings("model.layers=2"), MEDIAPIPE_543, 3)
    with pytest.raises(RunError, match=r"encoder\.layer\.1\."):
        carry(LandmarkTask(settings("model.layers=2")), deeper, finished)


def test_a_run_without_weights_cannot_lend_its_encoder(tmp_path):
    run = start("landmarks-small", "fresh", settings())
    with pytest.raises(RunError, match=r"has no model\.safetensors"):
        carry(LandmarkTask(settings()), build_model(settings(), MEDIAPIPE_543, 3), run)


def test_model_json_is_enough_to_build_the_model_again(finished):
    about = json.loads((finished.path / "model.json").read_text())
    assert about["classes"] == finished.scores[2]
    assert about["extraction"]["skeleton"] == "mediapipe-543"


def test_refused_settings_name_the_key():
    with pytest.raises(SettingsError, match=r"model\.nosuch"):
        settings("model.nosuch=1")


@pytest.fixture
def spoiled(tmp_path):
    """A store of generated clips; a train and a test clip have no point that can be used."""
    source = corpora.load_corpus(settings().data)
    table = source.labelled
    clips = ((clip, source.read(clip)) for clip in table["clip"])
    store = write_store(tmp_path / "store", source.extraction, table, clips)
    data = ("data.corpus=store", f"data.root={store.path}", "training.epochs=1")
    splits = open_task(settings(*data)).splits
    frames = np.load(store.path / "frames.npy")

    def spoil(*clips: str) -> None:
        for clip in clips:
            offset, length = store.span(clip)
            frames[offset : offset + length, ..., 2] = np.inf
        np.save(store.path / "frames.npy", frames)

    # One point of another clip is absurd.
    frames[store.span(splits.train["clip"].iloc[2])[0], 5, 0] = 1e30
    return data, splits, spoil


def test_clips_without_a_usable_point_are_counted_before_the_test_is_opened(spoiled, capsys):
    data, splits, spoil = spoiled
    train_clip, test_clip = splits.train["clip"].iloc[0], splits.test["clip"].iloc[0]
    spoil(train_clip, test_clip)
    counted = "1 train, 1 test clips have no point that can be used"
    assert counted in open_task(settings(*data)).splits.notes
    run = train(settings(*data), quiet=True)
    assert counted in run.facts["split"]
    assert (run.facts["unusable"], run.facts["missing"]) == (1, 1)
    assert run.metrics[0].n == len(splits.test) - 1
    taken = pd.read_csv(run.path / "points.csv").set_index("clip")["note"]
    third = splits.train["clip"].iloc[2]
    assert set(taken.index) == {train_clip, third}
    assert "1 lie beyond 20 fractions of the picture" in taken[third]
    assert "2 clips with a note (points.csv)" in run.facts["split"]
    # What is published names no clip, the screen does.
    published = [*run.facts["split"], *(metric.note for metric in run.metrics)]
    assert not any(clip in note for note in published for clip in (train_clip, test_clip, third))
    told = capsys.readouterr().err
    assert f"{counted}: {train_clip}, {test_clip}" in told
    assert "2 clips with a note (points.csv), such as " in told


def test_a_run_that_is_resumed_after_training_keeps_its_notes(spoiled, monkeypatch):
    data, _, spoil = spoiled
    spoil()
    kind = type(open_task(settings(*data)))
    with monkeypatch.context() as patch:
        patch.setattr(kind, "evaluate", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(settings(*data), quiet=True)
    run = train(settings(*data), resume=True, quiet=True)
    note = "1 clips with a note (points.csv)"
    assert note in run.facts["split"]
    assert note in run.metrics[0].note


def test_a_split_without_a_usable_point_is_refused_before_training(spoiled, runs_root):
    data, splits, spoil = spoiled
    spoil(*splits.test["clip"])
    with pytest.raises(ManifestError, match=r"no test clip has a point that can be used \(of \d+"):
        train(settings(*data), quiet=True)
    assert not list(runs_root.rglob("status.json"))
