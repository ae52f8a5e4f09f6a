"""Ctrl-C ends with a line that says how to go on; a refused run leaves its name free."""

import math
import os
import signal

import numpy as np
import pytest

from signlib.__main__ import main
from signlib.runs.run import Run
from signlib.stores.store import FeatureStore
from signlib.stores.writer import StoreWriter
from signlib.training.fitting import EpochEnd

SMALL = "training.epochs=2 data.glosses=6 data.signers=3 data.repetitions=1 training.threads=1"
TRAIN = ["train", "landmarks/small", "--mode", "smoke", "--run-name", "r"]


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    """The run that the tests make; drawing, which takes longest, is left out."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    # A shell that runs the tests in the background lets its processes ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield tmp_path / "runs" / "landmarks-small" / "r"
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def points(tmp_path):
    """A folder of three clips as another tool keeps them."""
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        np.save(folder / f"{name}.npy", rng.random((5, 543, 4), np.float32))
    return folder


def press_ctrl_c_after(patch: pytest.MonkeyPatch, kind: type, method: str) -> None:
    """The signal of Ctrl-C is sent once a method was called."""
    original = getattr(kind, method)

    def pressed(*arguments, **options):
        original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)

    patch.setattr(kind, method, pressed)


def last_line(capsys) -> str:
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


@pytest.mark.parametrize("method", ["on_train_start", "_stop_in_time"])
def test_an_interrupted_training_is_resumed_as_it_says(method, own_runs, capsys, monkeypatch):
    command = [*TRAIN, "--set", *SMALL.split()]
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        press_ctrl_c_after(patch, EpochEnd, method)
        assert main(command) == 130
    assert last_line(capsys) == (
        "train: interrupted; the same command with --resume goes on after the last whole epoch"
    )
    assert signal.getsignal(signal.SIGINT) == handler
    assert Run(own_runs).stage == "started"
    assert main([*command, "--resume"]) == 0
    assert Run(own_runs).facts["epochs"] == 2


def test_a_training_interrupted_before_it_starts_is_resumed_too(own_runs, capsys):
    """Whoever follows the line need not know whether there was a run already."""
    assert main([*TRAIN, "--resume", "--set", *SMALL.split()]) == 0
    assert Run(own_runs).finished


def test_an_interrupted_extraction_goes_on_with_the_same_command(
    points, tmp_path, capsys, monkeypatch
):
    command = ["extract", str(points), "--out", str(tmp_path / "store")]
    with monkeypatch.context() as patch:
        press_ctrl_c_after(patch, StoreWriter, "add")
        assert main(command) == 130
    assert last_line(capsys) == (
        "extract: interrupted; the same command goes on with the clips that are left"
    )
    assert main(command) == 0
    store = FeatureStore(tmp_path / "store")
    assert [len(store.read(clip)) for clip in store.labelled["clip"]] == [5, 5, 5]


def test_another_verb_is_interrupted_in_one_line(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("signlib.experiments.sizes.model_table", interrupted)
    assert main(["models"]) == 130
    assert last_line(capsys) == "models: interrupted; the same command starts it again"
    with pytest.raises(KeyboardInterrupt):
        main(["models", "--debug"])


REFUSED = [
    ("landmarks/smal", [], "did you mean landmarks/small"),
    ("landmarks/small", ["training.epochs=0"], "training.epochs=0"),
    ("landmarks/small", ["data.corpus=store", "data.root=nowhere"], "nowhere"),
    ("landmarks/small", ["--init-from", "nowhere"], "nowhere"),
]


def test_a_refused_run_leaves_its_name_free(own_runs, capsys, monkeypatch):
    named = ["--mode", "smoke", "--run-name", "r", "--set", *SMALL.split()]
    for preset, more, remedy in REFUSED:
        assert main(["train", preset, *named, *more]) == 2
        assert remedy in capsys.readouterr().err
        assert not own_runs.exists()
    whole = EpochEnd.on_train_epoch_end

    def diverged(self, *arguments):
        self.fitting.history[-1]["loss"] = math.nan
        whole(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_epoch_end", diverged)
        assert main(["train", "landmarks/small", *named]) == 2
    assert "lower training.learning_rate" in capsys.readouterr().err
    assert not own_runs.exists()
    assert main(["train", "landmarks/small", *named]) == 0
    assert Run(own_runs).finished


def test_clips_that_cannot_be_used_leave_the_name_free(own_runs, tmp_path, capsys):
    """They are looked at when training begins."""
    store, clips = tmp_path / "store", tmp_path / "clips"
    clips.mkdir()
    rows = ["clip,file,gloss,signer,split"]
    for number in range(8):
        np.save(clips / f"c{number}.npy", np.zeros((5, 543, 4), np.float32))
        split = "test" if number % 2 else "train"
        rows.append(f"c{number},c{number}.npy,G{number // 4},s,{split}")
    (clips / "manifest.csv").write_text("\n".join(rows) + "\n")
    assert main(["extract", str(clips), "--out", str(store)]) == 0
    command = [*TRAIN[:2], "--run-name", "r", "--data-root", str(store), "--set", *SMALL.split()]
    capsys.readouterr()
    assert main(command) == 2
    assert "no training clip can be used" in capsys.readouterr().err
    assert not own_runs.exists()


def test_a_run_that_has_an_epoch_is_kept_when_it_is_refused(own_runs, capsys):
    command = [*TRAIN, "--set", *SMALL.split()]
    assert main([*command, "training.hours=1e-9"]) == 0
    assert main([*command, "training.batch_size=3", "--resume"]) == 2
    assert "choose another --run-name" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert Run(own_runs).finished
