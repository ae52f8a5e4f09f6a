"""Ctrl-C and SIGTERM end with a line that says how to go on; a refused run leaves its name free."""

import math
import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from killing import in_child

from signlib import paths
from signlib.__main__ import main
from signlib.runs.run import LOCK, Run
from signlib.stores.store import FeatureStore
from signlib.stores.writer import StoreWriter
from signlib.training.fitting import CHECKPOINT, EpochEnd

SHORT = "training.epochs=2 training.threads=1"
SMALL = f"{SHORT} data.glosses=6 data.signers=3 data.repetitions=1"
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


# Signal -> the word and the exit code that a verb ends with.
SIGNALS = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("terminated", 143)}
BOTH = pytest.mark.parametrize("number", SIGNALS)


def send_after(patch: pytest.MonkeyPatch, kind: type, method: str, number: int) -> None:
    """A signal is sent once a method was called: that of Ctrl-C, or SIGTERM."""
    original = getattr(kind, method)

    def pressed(*arguments, **options):
        original(*arguments, **options)
        os.kill(os.getpid(), number)

    patch.setattr(kind, method, pressed)


def last_line(capsys) -> str:
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


@BOTH
@pytest.mark.parametrize("method", ["on_train_start", "_stop_in_time"])
def test_an_interrupted_training_is_resumed_as_it_says(
    method, number, own_runs, capsys, monkeypatch
):
    command = [*TRAIN, "--set", *SMALL.split()]
    handlers = [signal.getsignal(each) for each in SIGNALS]
    word, code = SIGNALS[number]
    with monkeypatch.context() as patch:
        send_after(patch, EpochEnd, method, number)
        assert main(command) == code
    assert last_line(capsys) == (
        f"train: {word}; the same command with --resume goes on after the last whole epoch"
    )
    assert [signal.getsignal(each) for each in SIGNALS] == handlers
    assert Run(own_runs).stage == "started"
    # after an epoch there is a checkpoint, and no lock is left
    assert (own_runs / CHECKPOINT).exists() == (method == "_stop_in_time")
    assert not (own_runs / LOCK).exists()
    assert main([*command, "--resume"]) == 0
    assert Run(own_runs).facts["epochs"] == 2


def test_a_training_interrupted_before_it_starts_is_resumed_too(own_runs, capsys):
    """Whoever follows the line need not know whether there was a run already."""
    assert main([*TRAIN, "--resume", "--set", *SMALL.split()]) == 0
    assert Run(own_runs).finished


@BOTH
def test_an_interrupted_extraction_goes_on_with_the_same_command(
    number, points, tmp_path, capsys, monkeypatch
):
    word, code = SIGNALS[number]
    command = ["extract", str(points), "--out", str(tmp_path / "store")]
    with monkeypatch.context() as patch:
        send_after(patch, StoreWriter, "add", number)
        assert main(command) == code
    assert last_line(capsys) == (
        f"extract: {word}; the same command goes on with the clips that are left"
    )
    assert main(command) == 0
    store = FeatureStore(tmp_path / "store")
    assert [len(store.read(clip)) for clip in store.labelled["clip"]] == [5, 5, 5]


@BOTH
def test_an_interrupted_sweep_and_publication_leave_nothing_half(
    number, own_runs, capsys, monkeypatch, tmp_path
):
    word, code = SIGNALS[number]
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path / "results")
    sets = ["--set", *SMALL.replace("epochs=2", "epochs=1").split()]
    with monkeypatch.context() as patch:
        send_after(patch, EpochEnd, "on_train_start", number)
        assert main(["sweep", "landmarks/small", "--seeds", "0", *sets]) == code
    assert last_line(capsys) == f"sweep: {word}; the same command resumes it"
    (run,) = own_runs.parent.iterdir()
    name = ["--run-name", run.name]
    assert main(["train", "landmarks/small", *name, "--resume", *sets]) == 0
    with monkeypatch.context() as patch:
        send_after(patch, shutil, "copy2", number)
        assert main(["publish", str(run)]) == code
    assert last_line(capsys) == f"publish: {word}; the same command starts it again"
    assert [*(tmp_path / "results").rglob("*")] == [tmp_path / "results" / "landmarks-small"]
    assert main(["publish", str(run)]) == 0


def test_two_trainings_of_one_name_are_one(own_runs, capsys, monkeypatch):
    """The second is refused while the first trains, and can go on when the first was killed."""
    command = [*TRAIN, "--resume", "--set", *SMALL.split()]

    def killed():
        with monkeypatch.context() as patch:
            patch.setattr(
                EpochEnd, "_stop_in_time", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            )
            main(command)

    original = EpochEnd.on_train_start

    def second(*arguments):
        assert in_child(refused) == 0
        original(*arguments)

    def refused():
        patch.undo()
        assert main(command) == 2
        assert "is being trained by another process" in capsys.readouterr().err

    assert in_child(killed) == -signal.SIGKILL
    assert (own_runs / LOCK).exists()
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_start", second)
        assert main(command) == 0
    assert Run(own_runs).finished
    assert not (own_runs / LOCK).exists()


def test_a_run_name_that_no_folder_can_have_is_refused(own_runs, capsys):
    assert main(["train", "landmarks/small", "--mode", "smoke", "--run-name", "n" * 300]) == 2
    assert "has 300 bytes, more than 200; shorten it" in capsys.readouterr().err


def test_a_notebook_has_the_time_that_was_given(capsys, monkeypatch, tmp_path):
    given = []

    def run_notebook(*_, timeout):
        given.append(timeout)
        return SimpleNamespace(error=None)

    monkeypatch.setattr("signlib.course.notebook.run_notebook", run_notebook)
    out = ["--out", str(tmp_path / "a.ipynb")]
    assert main(["run", "00_start_here", *out]) == 0
    assert main(["run", "00_start_here", *out, "--timeout", "90"]) == 0
    assert given == [0, 90]


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
    mode = ["--mode", "smoke", "--run-name", "r", "--set"]
    for preset, more, remedy in REFUSED:
        assert main(["train", preset, *mode, *SHORT.split(), *more]) == 2
        assert remedy in capsys.readouterr().err
        assert not own_runs.exists()
    whole = EpochEnd.on_train_epoch_end

    def diverged(self, *arguments):
        self.fitting.history[-1]["loss"] = math.nan
        whole(self, *arguments)

    named = [*mode, *SMALL.split()]
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
    command = [*TRAIN[:2], "--run-name", "r", "--data-root", str(store), "--set", *SHORT.split()]
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
