"""Clips of one's own that nobody has divided, for every task: what tests, and what nothing tests.

Also: a run keeps who trained, and prediction asks it, not the store's manifest.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import signlib
from signlib import paths
from signlib.__main__ import main
from signlib.corpora.clips import load_actions, load_corpus
from signlib.errors import RunError, SettingsError
from signlib.experiments import baseline, estimate, prediction
from signlib.experiments.experiment import train
from signlib.runs.publishing import publish
from signlib.runs.run import Metric, Run, start
from signlib.settings import presets
from signlib.settings.base import DataSettings
from signlib.settings.registry import TASKS
from signlib.stores.store import FeatureStore
from signlib.stores.writer import write_store

TINY = ["training.epochs=2", "training.batch_size=4", "training.threads=1"]
TINY += ["training.accelerator=cpu"]
ENCODER = ["model.width=8", "model.intermediate=8", "model.layers=1", "model.heads=2"]
HANDS = ["features.joints=hands", "features.frames=8"]
# Preset and settings of a small run of each task.
CASES = {
    "landmarks": ("landmarks/small", [*HANDS, *ENCODER]),
    "baseline": ("baseline/neighbour", ["features.joints=hands", "features.frames=8"]),
    "modalities": ("generated/skeleton", [*ENCODER, "fusion.width=8"]),
    "frozen": (
        "wlasl/concat",
        [*HANDS, "frozen.inputs=[landmarks]", "frozen.width=8"],
    ),
    "graph": ("ntu60/nano", ["gcn.streams=[joint]", "action.frames=8", "training.epochs=3"]),
    "phonology": ("phonology/ctc", ["phonology.width=8"]),
    "sentences": (
        "sentences/compact",
        ["ctc.width=8", "ctc.heads=2", "ctc.layers=1", "ctc.beam=2", "ctc.short_signs=0"]
        + ["ctc.alphas=[0.3]", "ctc.betas=[1.0]", "features.joints=hands+pose"],
    ),
}
SKELETONS = Path(__file__).parents[1] / "data" / "kept" / "inputs" / "ntu60"
every_task = pytest.mark.parametrize("task", CASES)


@pytest.fixture(autouse=True)
def _roots(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNLIB_RUNS", "runs")
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path / "results")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)


def own_clips(task: str, takes: int) -> list[str]:
    """Settings of clips that nobody divided, so many of each gloss, and a store `clips` of them."""
    if task == "graph":
        files = sorted(SKELETONS.rglob("*.skeleton"))[: 2 * takes]
        (folder := Path("ntu/nturgb+d_skeletons")).mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder)
        settings = ["data.corpus=ntu60", "data.root=ntu", "data.split=holdout"]
        source = load_actions(DataSettings(corpus="ntu60", root="ntu"))
        table = source.labelled
    else:
        corpus = "generated-sentences" if task == "sentences" else "generated"
        size = {"glosses": 3, "signers": 3, "repetitions": 1, "longest": 2}
        source = load_corpus(DataSettings(corpus=corpus, **size))
        table = source.labelled
        if task == "sentences":
            table = table.iloc[: 3 * takes - 2]
        else:
            table = table[table.groupby("gloss").cumcount() < takes].assign(signer="")
        settings = ["data.corpus=store", "data.root=clips"]
    table = table.drop(columns=["width", "height"], errors="ignore").assign(split="")
    points = [(clip, np.asarray(source.read(clip))) for clip in table["clip"]]
    size = {"width": 512, "height": 512, "fps": 25.0}
    write_store("clips", source.extraction, table, points, **size)
    return settings


def trained(task: str, takes: int, *more: str) -> Run:
    preset, overrides = CASES[task]
    clips = own_clips(task, takes)
    # A baseline has no steps to make fewer of.
    tiny = [] if task == "baseline" else TINY
    settings = presets.build(preset, "smoke", 0, [*tiny, *overrides, *clips, *more])
    assert settings.task == task
    return train(settings, "own", quiet=True)


def test_every_task_stands_here():
    assert set(CASES) == set(TASKS)


@every_task
def test_what_tests_is_kept_and_asked_for(task):
    run = trained(task, 2)
    assert run.settings.data.split == "holdout"
    kept = pd.read_csv(run.path / "splits.csv")
    assert list(kept) == ["clip", "split"]
    assert run.splits == dict(zip(kept["clip"], kept["split"], strict=True))
    tested = {clip for clip, split in run.splits.items() if split == "test"}
    assert tested == set(run.predictions["clip"]) != set()
    assert any("data.split=holdout" in note for note in run.facts["split"])
    # The manifest of the store says nothing; the run does.
    only = prediction.predict(run, ["clips"], split="test")
    assert set(only["clip"]) == tested
    assert "trained" not in only.attrs
    every = prediction.predict(run, ["clips"])
    count = sum(split == "train" for split in run.splits.values())
    line = f"{count} of {len(every)} clips of the store trained this run; what it says of those"
    assert every.attrs["trained"] == f"{line} tells nothing about new ones"
    assert prediction.report(every).endswith(every.attrs["trained"])


@every_task
def test_where_nothing_can_test_a_run_is_finished_and_predicts(task, capsys):
    run = trained(task, 1, "data.validation=0.3")
    assert run.finished
    assert run.metrics == []
    assert "nothing is tested" in run.untested
    assert json.loads((run.path / "metrics.json").read_text()) == {"untested": run.untested}
    assert set(run.splits.values()) == {"train"}
    assert any("nothing is selected" in note for note in run.facts["split"])
    assert f"not tested: {run.untested}" in repr(signlib.open_run(run))
    told = prediction.predict(run, ["clips"])
    assert set(told["clip"]) == set(run.splits)
    assert (told["problem"] == "").all()
    # `publish` and `compare` name it, with the reason.
    for name in ("settings.yaml", "status.json"):
        text = (run.path / name).read_text().replace("mode: smoke", "mode: full")
        (run.path / name).write_text(text)
    for command in (["publish", str(run.path)], ["compare", str(run.path), str(run.path)]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert f"run {run.path} has no results: {run.untested}" in said


def commands(*more: str) -> list[str]:
    preset, overrides = CASES["landmarks"]
    return [
        preset,
        "--mode",
        "smoke",
        *more,
        "--set",
        *TINY,
        *overrides,
        *own_clips("landmarks", 1),
    ]


def test_a_sweep_skips_by_name_what_tested_nothing(capsys):
    own = commands("--seeds", "0")
    assert main(["sweep", *own]) == 0
    assert "nothing was tested: landmarks/small smoke-seed0" in capsys.readouterr().out


def test_train_says_what_it_took_and_that_nothing_was_tested(capsys):
    own = commands("--run-name", "own")
    assert main(["train", *own]) == 0
    first = capsys.readouterr().out
    assert "no clip of clips has a split, so data.split=holdout is taken" in first
    assert "  not tested: no gloss has two clips" in first
    # The same line finds the run again, and `--resume` too.
    assert main(["train", *own]) == 0
    assert main(["train", *own, "--resume"]) == 0
    assert Run("runs/landmarks-small/own").settings.data.split == "holdout"
    preset, overrides = own[0], own[own.index("--set") + 1 :]
    assert estimate.work_of(presets.build(preset, "smoke", 0, overrides)).validation == 0


def test_a_finished_run_is_found_again_without_its_clips_which_were_opened_once(
    capsys, monkeypatch
):
    """Also: how much is held out, and which, can be said without naming the split."""
    preset, overrides = CASES["landmarks"]
    own = [*TINY, *overrides, *own_clips("landmarks", 2), "data.holdout=0.5", "data.fold_seed=3"]
    settings = presets.build(preset, "smoke", 0, own)
    opened, of_class = [], FeatureStore.__init__
    monkeypatch.setattr(
        FeatureStore, "__init__", lambda self, path: opened.append(path) or of_class(self, path)
    )
    run = train(settings, "own", quiet=True)
    assert opened == ["clips"]
    data = run.settings.data
    assert (data.split, data.holdout, data.fold_seed) == ("holdout", 0.5, 3)
    nearest = baseline.nearest_neighbour(settings, "nearest", quiet=True)
    shutil.rmtree("clips")
    capsys.readouterr()
    assert train(settings, "own").path == run.path
    assert baseline.nearest_neighbour(settings, "nearest").path == nearest.path
    assert capsys.readouterr().out == ""
    for corpus in ("generated", "wlasl"):
        with pytest.raises(SettingsError, match=r"data\.holdout=0\.5 is read only with"):
            presets.build(preset, "smoke", 0, [f"data.corpus={corpus}", "data.holdout=0.5"])


def test_a_run_that_its_time_ended_goes_on_with_the_same_split():
    preset, overrides = CASES["landmarks"]
    own = [*TINY, *overrides, *own_clips("landmarks", 2)]
    short = presets.build(preset, "smoke", 0, [*own, "training.hours=1e-7"])
    run = train(short, "own", quiet=True)
    assert not run.finished
    before = (run.path / "splits.csv").read_bytes()
    run = train(presets.build(preset, "smoke", 0, own), "own", resume=True, quiet=True)
    assert run.finished
    assert (run.path / "splits.csv").read_bytes() == before
    # One clip by itself: its name says that it trained.
    clip = next(clip for clip, split in run.splits.items() if split == "train")
    np.save(f"{clip}.npy", FeatureStore("clips").read(clip))
    table = signlib.open_run(run).predict(f"{clip}.npy")
    assert list(table) == ["gloss", "confidence", "warning"]
    assert table.attrs["trained"].startswith("1 of 1 files are named like a clip that trained")


def test_the_run_s_own_splits_stand_before_the_manifest_s():
    """Folds: the manifest says that all of them train."""
    preset, overrides = CASES["landmarks"]
    own = [*TINY, *overrides, *own_clips("landmarks", 2), "data.split=folds", "data.folds=2"]
    store = FeatureStore("clips")
    table = store.manifest.assign(split="train")
    table.to_csv("clips/manifest.csv", index=False)
    run = train(presets.build(preset, "smoke", 0, own), "own", quiet=True)
    tested = set(prediction.predict(run, ["clips"], split="test")["clip"])
    assert tested == {clip for clip, split in run.splits.items() if split == "test"}
    assert len(tested) == 3
    # A store of other clips has its manifest's splits, and none of them trained.
    renamed = table.assign(clip="new_" + table["clip"])
    points = [(f"new_{clip}", store.read(clip)) for clip in table["clip"]]
    write_store(
        "others", store.extraction, renamed.drop(columns="fps"), points, width=512, height=512
    )
    assert len(prediction.predict(run, ["others"], split="train")) == 6
    told = prediction.predict(run, ["others"]).attrs["trained"]
    assert told == "0 of 6 clips of the store trained this run"
    # So has a run that did not keep them.
    (run.path / "splits.csv").unlink()
    assert len(prediction.predict(run, ["clips"], split="train")) == 6
    assert prediction.predict(run, ["clips"]).attrs == {}


def test_files_are_known_by_the_name_that_a_folder_gives_their_clip():
    splits = {"HELLO_a": "train", "b": "train", "c": "test"}
    files = ["x/HELLO/a.mp4", "x/b.mp4", "x/c.mp4", "x/HELLO/d.mp4"]
    assert prediction.trained_words(splits, files, files) == (
        "2 of 4 files are named like a clip that trained this run; what it says of those tells"
        " nothing about new ones"
    )
    assert prediction.trained_words(splits, files[2:], files[2:]) == ""


def test_nearest_neighbours_hold_out_too_or_test_nothing():
    for takes, tested in ((2, 3), (1, 0)):
        shutil.rmtree("clips", ignore_errors=True)
        clips = own_clips("landmarks", takes)
        settings = presets.build("landmarks/small", "smoke", 0, [*HANDS, *clips])
        run = baseline.nearest_neighbour(settings, f"nearest-{takes}", quiet=True)
        assert run.settings.data.split == "holdout"
        assert bool(run.untested) == (not tested)
        if tested:
            assert len(run.predictions) == tested
        else:
            with pytest.raises(RunError, match="no gloss has two clips"):
                _ = run.predictions


@pytest.mark.parametrize("restricted", [True, False])
def test_who_trained_is_published_of_open_corpora_only(restricted):
    settings = presets.build("landmarks/small", "full")
    run = start("landmarks-small", "full", settings)
    (run.path / "splits.csv").write_text("clip,split\na,train\n")
    run.trained()
    run.open_test()
    run.finish([Metric("top-1", 50.0, 2, "test")])
    target = publish(run, restricted)
    assert (target / "splits.csv").is_file() != restricted
