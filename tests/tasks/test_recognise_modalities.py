"""Runs on several modalities recognise clips from stores and files.

A clip is recognised with whatever modalities it has.
"""

import shutil

import numpy as np
import pytest

from signlib.__main__ import main
from signlib.data import autsl
from signlib.data.points import FileNumbers
from signlib.errors import RunError
from signlib.experiments import extraction
from signlib.experiments.experiment import train
from signlib.experiments.prediction import predict
from signlib.extraction.exchange import import_folder, write_npy
from signlib.runs.run import Run
from signlib.settings import presets
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.layouts import write_autsl

TINY = [
    "data.corpus=autsl",
    "pictures.size=32",
    "pictures.frames=4",
    "rgb.layers=1",
    "depth.layers=1",
    "training.epochs=1",
    "training.batch_size=4",
    "training.threads=1",
    "training.accelerator=cpu",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Nine clips in AUTSL's layout, their landmarks and their pictures in stores, and two runs on
    them.
    """
    folder = tmp_path_factory.mktemp("world")
    corpus = GeneratedCorpus(3, 3, 1)
    write_autsl(corpus, folder / "autsl", size=64, progress=False)
    table = autsl.read_manifest(folder / "autsl")
    (folder / "points").mkdir()
    for row, name in zip(table.itertuples(), corpus.manifest["clip"], strict=True):
        write_npy(folder / "points" / f"{row.clip}.npy", corpus.clip(name))
    import_folder(folder / "points", folder / "landmarks", table.assign(file=""))
    extraction.extract(folder / "autsl", folder / "pictures", "pictures", ["frames=4", "size=32"])
    given = [
        *TINY,
        f"data.root='{folder / 'autsl'}'",
        f"data.landmarks='{folder / 'landmarks'}'",
        f"pictures.store='{folder / 'pictures'}'",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(folder / "runs"))
        for name in ("rgb+depth+skeleton", "rgb+depth"):
            preset = presets.build(f"autsl/{name}", "smoke", overrides=given, lenient=True)
            train(preset, name, quiet=True)
    return folder


def run_of(world, name):
    return Run(world / "runs" / f"autsl-{name}" / name)


def assert_scores_of_the_run(table, run, atol=1e-5):
    scores, clips, classes = run.scores
    for clip, row in zip(clips, np.exp(scores), strict=True):
        shares = dict(table.loc[clip, "top"])
        np.testing.assert_allclose([shares[gloss] for gloss in classes], row, atol=atol)


def test_stores_give_the_test_clips_the_scores_of_the_run(world):
    run = run_of(world, "rgb+depth+skeleton")
    table = predict(run, [world / "pictures", world / "landmarks"], "test").set_index("clip")
    assert set(table.index) == set(run.scores[1])
    assert_scores_of_the_run(table, run)
    assert set(table["missing"]) == {""}
    known = run.predictions.set_index("clip")["target"]
    assert table["gloss"].to_dict() == known.to_dict()


def test_a_clip_is_recognised_from_the_modalities_that_it_has(world):
    run = run_of(world, "rgb+depth+skeleton")
    whole = predict(run, [world / "pictures", world / "landmarks"], "test").set_index("clip")
    for store, missing in (("pictures", "skeleton"), ("landmarks", "rgb, depth")):
        table = predict(run, [world / store], "test").set_index("clip")
        assert set(table["missing"]) == {missing}
        assert set(table["problem"]) == {""}
        for clip, row in table.iterrows():
            assert sum(share for _, share in row["top"]) == pytest.approx(1, abs=1e-5)
            assert dict(row["top"]) != pytest.approx(dict(whole.loc[clip, "top"]), abs=1e-7)


def test_videos_find_their_depth_beside_them(world, tmp_path, capsys):
    run = run_of(world, "rgb+depth")
    files = sorted((world / "autsl" / "test").glob("*_color.mp4"))
    table = predict(run, files).set_index("clip")
    table.index = [name.rpartition("/")[2].removesuffix("_color.mp4") for name in table.index]
    assert_scores_of_the_run(table, run)
    alone = tmp_path / "alone_color.mp4"
    shutil.copyfile(files[0], alone)
    (tmp_path / "broken.mp4").write_bytes(b"")
    mixed = predict(run, [alone, tmp_path / "broken.mp4"]).set_index("clip")
    assert mixed.loc[str(alone), "missing"] == "depth"
    assert mixed.loc[str(tmp_path / "broken.mp4"), "problem"].startswith("rgb: ")
    assert main(["predict", str(run.path), str(alone)]) == 0
    assert "(without depth)" in capsys.readouterr().out
    assert main(["predict", str(run.path), str(tmp_path / "broken.mp4")]) == 2


def test_a_file_of_landmarks_is_recognised_without_pictures(world):
    run = run_of(world, "rgb+depth+skeleton")
    clips = run.scores[1]
    files = [world / "points" / f"{clip}.npy" for clip in clips]
    table = predict(run, files)
    assert set(table["missing"]) == {"rgb, depth"}
    stored = predict(run, [world / "landmarks"], "test").set_index("clip")
    for clip, row in zip(clips, table.itertuples(), strict=True):
        assert row.clip.endswith(f"{clip}.npy")
        assert dict(row.top) == pytest.approx(dict(stored.loc[clip, "top"]), abs=1e-4)


def test_a_store_is_told_what_its_numbers_mean(world, tmp_path):
    run, clip = run_of(world, "rgb+depth+skeleton"), "jumping"
    points = np.load(next((world / "points").glob("*.npy")))
    points[len(points) // 3 :, :, 0] += 0.6
    for name, frames in ((clip, points), ("part", points[len(points) // 3 :])):
        (tmp_path / "points").mkdir(exist_ok=True)
        write_npy(tmp_path / "points" / f"{name}.npy", frames)
    import_folder(tmp_path / "points", tmp_path / "store")

    def read(on_jump):
        table = predict(run, [tmp_path / "store"], numbers=FileNumbers(on_jump=on_jump))
        return table.set_index("clip")

    kept, split, dropped = map(read, ("keep", "split", "drop"))
    assert "the body jumps" in kept.loc[clip, "note"]
    assert kept.loc["part", "note"] == ""
    assert f"to {len(points) - 1} of {len(points)} are read" in split.loc[clip, "note"]
    assert dict(split.loc[clip, "top"]) == pytest.approx(dict(split.loc["part", "top"]), abs=1e-5)
    assert dict(kept.loc[clip, "top"]) != pytest.approx(dict(split.loc[clip, "top"]), abs=1e-5)
    assert "left out, because on_jump=drop" in dropped.loc[clip, "problem"]
    assert dropped.loc["part", "problem"] == ""


def test_stores_made_another_way_are_refused(world, tmp_path):
    run = run_of(world, "rgb+depth+skeleton")
    film = next((world / "autsl").rglob("*_color.mp4"))
    extraction.extract(film, tmp_path, "pictures", ["frames=2", "size=32"])
    with pytest.raises(RunError, match=r"frames=4, store .* has 2"):
        predict(run, [tmp_path])
    with pytest.raises(RunError, match="at most one of pictures"):
        predict(run, [world / "pictures", world / "pictures"])
