"""The public functions: what they take, what they give, and that the name alone costs nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import signlib
from signlib.corpora.registry import CORPORA
from signlib.errors import ClipError, RunError, SettingsError, StoreError
from signlib.experiments.sizes import classes_of
from signlib.settings import presets
from signlib.settings.registry import TASKS, all_presets
from signlib.stores.store import FeatureStore

KEPT = Path(__file__).parent / "data" / "kept"
RUN = KEPT / "runs" / "landmarks-small" / "finished"
CLIP, STORE = KEPT / "clips" / "clip.npy", KEPT / "clips" / "landmarks"
# One preset a task whose network is built from nothing.
EXAMPLES = {
    "landmarks": "landmarks/small",
    "baseline": "baseline/svm",
    "modalities": "generated/rgb+skeleton",
    "frozen": "wlasl/concat",
    "graph": "ntu60/nano",
    "phonology": "phonology/ctc",
    "sentences": "sentences/compact",
}


def test_the_name_alone_loads_nothing():
    """Nothing but the standard library's small modules, in under 50 ms of CPU."""
    code = (
        "import sys, time; before = time.process_time(); import signlib;"
        " spent = time.process_time() - before;"
        " print(spent, *(n for n in sys.modules if n.split('.')[0] not in sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    spent, *modules = done.stdout.split()
    assert float(spent) < 0.05
    assert {name for name in modules if name.startswith(("numpy", "torch", "pandas"))} == set()
    assert [name for name in modules if name.startswith("signlib.")] == []


def test_public_names_are_listed_and_others_do_not_exist():
    assert set(signlib.__all__) <= set(dir(signlib))
    assert all(callable(getattr(signlib, name)) for name in signlib.__all__)
    assert all(getattr(signlib, name).__doc__ for name in signlib.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        signlib.nothing  # noqa: B018


@pytest.mark.parametrize("before", ["", "import signlib.corpora.registry;"])
def test_the_table_of_corpora_shares_its_name_with_their_room(before: str):
    code = f"import signlib; {before} print(len(signlib.corpora()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(CORPORA)


@pytest.mark.parametrize("given", [RUN, str(RUN), signlib.open_run(RUN)])
def test_a_run_says_what_it_is(given):
    run = signlib.open_run(given)
    assert repr(run).splitlines()[0] == (
        f"Run {RUN} (finished): task landmarks, preset landmarks/small, 3 classes, mediapipe-543"
    )
    assert repr(run).splitlines()[1] == f"  {run.metrics[0]}"
    assert "[" in repr(run).splitlines()[1], "accuracy has its interval"


def test_a_run_is_known_by_its_name_below_the_folder_of_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(KEPT / "runs"))
    assert signlib.open_run("landmarks-small/finished").path == RUN
    with pytest.raises(RunError, match="holds no run"):
        signlib.open_run("landmarks-small/nothing")


def test_a_run_says_what_its_settings_hold_that_was_never_read():
    run = signlib.open_run(KEPT / "runs" / "landmarks-seed" / "finished")
    assert run.ignored == {"model.streams": ["point"], "model.stem_blocks": 1}
    assert "was never read: model.stem_blocks=1, model.streams=['point']" in repr(run)
    assert run.settings.model.stem_blocks == 2
    many = signlib.open_run(KEPT / "runs" / "generated-rgb+skeleton" / "finished")
    assert repr(many).endswith(" more")


def test_a_run_predicts_one_clip_as_a_small_table():
    run = signlib.open_run(RUN)
    table = run.predict(str(CLIP), top=2)
    assert list(table.columns) == ["gloss", "confidence", "warning"]
    assert len(table) == 2
    assert table["confidence"].is_monotonic_decreasing
    (row,) = signlib.predict(str(RUN), CLIP, top=2).itertuples()
    assert row.top == list(zip(table["gloss"], table["confidence"], strict=True))
    several = signlib.predict(run, [CLIP, str(STORE)])
    assert len(several) == 1 + len(FeatureStore(STORE))


def test_a_prediction_is_told_what_the_numbers_mean(tmp_path: Path):
    run, points = signlib.open_run(RUN), np.load(CLIP)
    # Pixels of a square picture: depth has the scale of x.
    pixels = points * np.array([128, 128, 128, 1][: points.shape[-1]], points.dtype)
    np.save(tmp_path / "pixels.npy", pixels)
    told = ["scale=pixels", "width=128", "height=128"]
    read = run.predict(tmp_path / "pixels.npy", overrides=told)
    expected = run.predict(CLIP)
    assert read["gloss"].tolist() == expected["gloss"].tolist()
    np.testing.assert_allclose(read["confidence"], expected["confidence"], atol=1e-4)
    (row,) = signlib.predict(run, tmp_path / "pixels.npy").itertuples()
    assert "scale=pixels" in row.problem + row.note, "it says what to pass, which is taken"
    with pytest.raises(SettingsError, match="on_jmp"):
        signlib.predict(run, CLIP, overrides=["on_jmp=split"])


def test_what_cannot_be_predicted_is_said(tmp_path: Path):
    run = signlib.open_run(RUN)
    with pytest.raises(RunError, match="takes stores"):
        run.predict(STORE)
    np.save(tmp_path / "nobody.npy", np.full((9, 543, 4), np.nan, np.float32))
    with pytest.raises(ClipError, match=r"nobody\.npy: .* leave the clip out"):
        run.predict(tmp_path / "nobody.npy")


def test_a_store_is_a_mapping_of_clips():
    store = signlib.open_store(str(STORE))
    first, *_ = store
    clip = store[first]
    assert repr(store) == (
        f"FeatureStore {STORE}: {len(store)} clips; holistic, (T, 543, 4) of x, y, z, visibility,"
        " skeleton mediapipe-543"
    ).replace("holistic", store.extraction.extractor)
    assert clip.shape[1:] == (543, 4)
    np.testing.assert_array_equal(clip, store.read(first))
    with pytest.raises(StoreError, match="'nothing' is not in store"):
        store["nothing"]
    pictures = signlib.open_store(KEPT / "stores" / "pictures")
    assert repr(pictures).startswith("PictureStore")


def test_training_takes_a_store_and_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)
    small = ["training.epochs=1", "data.glosses=3", "data.repetitions=1", "data.signers=4"]
    options = {"mode": "smoke", "name": "mine", "seed": 3, "quiet": True}
    run = signlib.train("landmarks/small", overrides=small, **options)
    assert run.path == tmp_path / "landmarks-small" / "mine"
    assert (run.settings.seed, run.settings.training.epochs) == (3, 1)
    assert run.predict(CLIP)["confidence"].sum() == pytest.approx(1, abs=1e-4)
    # Done already: it comes back as it is.
    assert signlib.train("landmarks/small", overrides=small, **options).facts == run.facts
    with pytest.raises(SettingsError, match="is read only with"):
        signlib.train("landmarks/small", overrides=["training.momentum=0.5"])
    with pytest.raises(StoreError, match="no"):
        signlib.train("landmarks/small", tmp_path / "nowhere", quiet=True)


def test_every_task_has_an_example():
    assert set(EXAMPLES) == set(TASKS)


@pytest.mark.parametrize("preset", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_goes_through_its_network(preset: str):
    batch, model = signlib.example(preset, clips=3, mode="smoke")
    with torch.no_grad():
        scores = model(batch)
    classes = classes_of(presets.build(preset, "smoke"))
    # Of sentences one row a frame, with the blank.
    assert scores.shape[0] == 3
    assert scores.shape[-1] == classes + (scores.ndim == 3)
    assert torch.isfinite(scores).all()
    assert not model.training


def test_presets_and_corpora_are_tables():
    table = signlib.presets()
    assert list(table.index) == list(all_presets())
    assert table.loc["dgs-30/small", ["task", "corpus"]].tolist() == ["landmarks", "dgs-30"]
    assert (table["question"] != "").all()
    table = signlib.corpora()
    assert list(table.index) == list(CORPORA)
    assert table.loc["dgs-30", ["kind", "glosses"]].tolist() == ["landmarks", 30]
    assert pd.isna(table.loc["folder", "glosses"])
