"""What changed since it was extracted is made again, by every extractor, and nothing else."""

import os
import shutil

import numpy as np
import pytest

from signlib.data.video import write_video
from signlib.experiments.extraction import extract
from signlib.extraction import landmarks
from signlib.extraction.towers import random_tower
from signlib.stores.store import FeatureStore

GLOSSES = ("A", "B", "C")


def film(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [np.full((32, 32, 3), level, np.uint8)] * 3, 25)


@pytest.fixture
def films(tmp_path):
    """One film a gloss, called `A_c`, `B_c` and `C_c`."""
    for k, gloss in enumerate(GLOSSES):
        film(tmp_path / "films" / gloss / "c.mp4", 40 * (k + 1))
    return tmp_path / "films"


def values(store):
    """What a store holds of each clip, as bytes."""
    store = type(store)(store.path)
    return {clip: [each.tobytes() for each in store.pieces(clip)] for clip in store.clips}


def check(make, change, capsys, clip):
    """One clip is made again after `change`, the others stay; a store made anew is the same."""
    before, again = values(make("out")), values(make("out"))
    assert again == before
    capsys.readouterr()
    change()
    after = values(make("out"))
    said = capsys.readouterr().err
    assert f"of clip '{clip}' changed: store " in said
    assert " makes 1 of its clips again and keeps 2\n" in said
    assert [name for name in before if after[name] != before[name]] == [clip]
    assert after == values(make("anew"))


@pytest.fixture
def bright(monkeypatch):
    """Every point lies where the picture's brightness says, instead of where MediaPipe finds it."""

    def points(_, frames):
        means = np.array([frame.mean() / 255 for frame in frames], np.float32)
        return np.broadcast_to(means[:, None, None], (len(means), 543, 4)).copy()

    monkeypatch.setattr(landmarks.Holistic, "points", points)


def test_landmarks_of_a_film_under_the_same_name(films, tmp_path, capsys, bright):
    check(
        lambda name: extract(films, tmp_path / name),
        lambda: film(films / "B" / "c.mp4", 200),
        capsys,
        "B_c",
    )
    # A copy of all films: nothing is made.
    copy = tmp_path / "copy"
    shutil.copytree(films, copy, copy_function=shutil.copyfile)
    before = (tmp_path / "out" / "frames.npy").stat().st_mtime_ns
    extract(copy, tmp_path / "out")
    assert (tmp_path / "out" / "frames.npy").stat().st_mtime_ns == before
    # What failed is tried again by itself once its file changes.
    (copy / "C" / "c.mp4").write_bytes(b"no film")
    assert extract(copy, tmp_path / "out").failed["clip"].tolist() == ["C_c"]
    film(copy / "C" / "c.mp4", 90)
    assert extract(copy, tmp_path / "out").clips == ["A_c", "B_c", "C_c"]


def test_landmarks_in_parts(films, tmp_path, capsys, bright):
    def make(name):
        for part in ("1/2", "2/2"):
            extract(films, tmp_path / name, shard=part)
        return extract(films, tmp_path / name, merge=True)

    make("out")
    film(films / "C" / "c.mp4", 220)
    merged = make("out")
    assert f"store {tmp_path / 'out'} makes 1 of its clips again" in capsys.readouterr().err
    assert (merged.path / "manifest.csv").read_bytes() == (
        extract(films, tmp_path / "one").path / "manifest.csv"
    ).read_bytes()
    assert values(merged) == values(FeatureStore(tmp_path / "one"))


@pytest.mark.parametrize("ending", [".npy", "_landmarks.npy"])
def test_files_of_other_tools(ending, tmp_path, capsys):
    folder = tmp_path / "files"
    folder.mkdir()

    def save(clip, level):
        shape = (4, 162) if ending == "_landmarks.npy" else (4, 75, 3)
        np.save(folder / f"{clip}{ending}", np.full(shape, level, np.float32))

    for k, clip in enumerate("abc"):
        save(clip, 0.1 * (k + 1))
    # As many bytes as before.
    check(lambda name: extract(folder, tmp_path / name), lambda: save("b", 0.9), capsys, "b")


def test_pictures_and_frozen_features_of_them(films, tmp_path, capsys):
    tower = random_tower(tmp_path / "tower")

    def pictures(name):
        return extract(films, tmp_path / name, "pictures", ["frames=2", "size=32"])

    def frozen(name):
        asked = ["frames=2", f"model={tower}"]
        return extract(tmp_path / "out", tmp_path / "frozen" / name, "frozen", asked)

    check(pictures, lambda: film(films / "B" / "c.mp4", 200), capsys, "B_c")
    check(
        frozen,
        lambda: film(films / "A" / "c.mp4", 230) or pictures("out"),
        capsys,
        "A_c",
    )


def test_readable_features_of_a_landmark_store(tmp_path, capsys):
    folder, rng = tmp_path / "files", np.random.default_rng(0)
    folder.mkdir()

    def save(clip):
        np.save(folder / f"{clip}.npy", rng.uniform(0.2, 0.8, (5, 75, 4)).astype(np.float32))

    for clip in "abc":
        save(clip)

    def features(name):
        source = extract(folder, tmp_path / "landmarks")
        return extract(source.path, tmp_path / name, "phonology")

    check(features, lambda: save("c"), capsys, "c")
    # Deleted and made again, it holds the same at another time.
    before = os.stat(tmp_path / "out" / "frames.npy").st_mtime_ns
    shutil.rmtree(tmp_path / "landmarks")
    features("out")
    assert os.stat(tmp_path / "out" / "frames.npy").st_mtime_ns == before
