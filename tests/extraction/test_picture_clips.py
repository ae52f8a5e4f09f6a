"""Folders of pictures from one end to the other: an official layout, a store, a run.

The landmarks come from a stand-in of MediaPipe, which takes a second a frame; one clip is real.
"""

import cv2
import numpy as np
import pandas as pd
import pytest

from signlib.__main__ import main
from signlib.corpora.registry import manifest_of
from signlib.data.video import read_frames
from signlib.errors import SettingsError
from signlib.experiments import early
from signlib.experiments.extraction import extract
from signlib.extraction import landmarks
from signlib.extraction.filming import depth_beside
from signlib.stores.pictures import COLOUR
from signlib.stores.store import FeatureStore
from signlib.synthesis.layouts import write_phoenix
from signlib.synthesis.portrait import portrait_clip
from signlib.synthesis.sentences import SentenceCorpus


class Engine:
    """543 points of each frame, all of them known from its mean colour."""

    def __init__(self, settings, threads=0):
        self.settings = settings

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def points(self, frames):
        return np.stack([points_of(frame) for frame in frames])


def points_of(frame):
    rng = np.random.default_rng(int(frame.sum()))
    return rng.uniform(0.3, 0.7, (543, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    """Two made-up sentences of each split in the layout of PHOENIX-2014."""
    world = SentenceCorpus(2, 3, 2, lengths=(1, 1))
    clips = world.manifest.groupby("split").head(2)["clip"].tolist()
    out = tmp_path_factory.mktemp("phoenix")
    return write_phoenix(world, out, clips, size=32, progress=False)


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(landmarks, "Holistic", Engine)


def test_phoenix_becomes_landmarks_and_trains(phoenix, stand_in, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    train = ["train", "phoenix/compact", "--run-name", "phoenix"]
    assert main(train) == 2
    assert "`python -m signlib extract FOLDER --out STORE`" in capsys.readouterr().err
    assert main([*train, "--corpus", "phoenix-2014", "--data-root", str(phoenix)]) == 2
    root = phoenix / "phoenix-2014-multisigner"
    assert f"`python -m signlib extract {root} --out STORE`" in capsys.readouterr().err

    assert main(["extract", str(phoenix), "--out", str(tmp_path / "store")]) == 0
    store = FeatureStore(tmp_path / "store")
    table, folder = manifest_of(phoenix)
    assert folder == root
    assert store.clips == table["clip"].tolist()
    for column in ("glosses", "signer", "split", "file"):
        assert store.labelled[column].tolist() == table[column].tolist()
    row = table.iloc[0]
    pictures = sorted((folder / row["file"]).glob("*.png"))
    frames = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in pictures]
    expected = np.stack([points_of(frame) for frame in frames])
    np.testing.assert_array_equal(store.read(row["clip"]), expected.astype(store.frames.dtype))
    sizes = store.index[["width", "height", "fps"]].drop_duplicates()
    assert sizes.to_numpy().tolist() == [[32, 40, 25]]

    chosen = ["--mode", "smoke", "--epochs", "1", "--corpus", "store"]
    assert main([*train, *chosen, "--data-root", str(store.path)]) == 0
    assert (tmp_path / "runs" / "phoenix-compact" / "phoenix" / "metrics.json").is_file()


def numbered(folder, count=4, size=16, fault=""):
    """Pictures that get brighter, and at most one fault among them."""
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.full((size, size, 3), 50 * number, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
    last = folder / f"{count - 1}.png"
    if fault == "missing":
        (folder / "1.png").unlink()
    elif fault == "cut":
        last.write_bytes(last.read_bytes()[:-20])
    elif fault == "size":
        cv2.imwrite(str(last), np.zeros((8, 8, 3), np.uint8))
    elif fault == "empty":
        for path in folder.iterdir():
            path.unlink()


@pytest.fixture
def corpus(tmp_path):
    """A manifest of four folders with a fault each, two sound ones, and one that is not there."""
    root = tmp_path / "corpus"
    for name in ("missing", "cut", "size", "empty", "sound", "fast"):
        numbered(root / name, fault=name)
    clips = ["missing", "cut", "size", "empty", "sound", "fast", "gone"]
    table = pd.DataFrame({"clip": clips, "file": clips, "gloss": "HELLO"})
    table["fps"] = [None] * 5 + [50, None]
    table["start"] = [0] * 5 + [1, 0]
    table.to_csv(root / "manifest.csv", index=False)
    return root


REASONS = {
    "missing": "a picture is missing between 0.png and 2.png",
    "cut": "3.png is damaged or cut off; fetch it again",
    "size": "3.png has another size than the clip's first picture: 8 x 8, not 16 x 16",
    "empty": "empty holds no picture",
    "gone": "gone does not exist",
}


def test_broken_folders_are_rows_of_the_failed(corpus, stand_in, tmp_path):
    store = extract(corpus, tmp_path / "store")
    reasons = dict(store.failed.itertuples(index=False))
    assert reasons.keys() == REASONS.keys()
    for clip, reason in REASONS.items():
        assert reason in reasons[clip]
    assert store.index[["clip", "length", "fps"]].to_numpy().tolist() == [
        ["sound", 4, 25],
        ["fast", 3, 50],
    ]


def test_pictures_are_kept_of_folders(corpus, tmp_path):
    store = extract(corpus, tmp_path / "store", "pictures", ["frames=2", "size=16"])
    reasons = store.reasons(COLOUR)
    assert reasons.keys() == REASONS.keys()
    for clip, reason in REASONS.items():
        assert reason in reasons[clip]
    levels = store.read("fast", COLOUR).mean(axis=(1, 2, 3))
    assert np.abs(levels - [50, 150]).max() < 2


def test_the_points_are_those_of_the_frames(tmp_path):
    holistic = pytest.importorskip("signlib.extraction.holistic")
    frames = portrait_clip(3)
    folder = tmp_path / "faces" / "HELLO" / "clip"
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number}.png"), frame[..., ::-1])
    np.testing.assert_array_equal(read_frames(folder), np.stack(list(frames)))
    store = extract(tmp_path / "faces", tmp_path / "store")
    with holistic.Holistic() as engine:
        expected = engine.points(iter(frames))
    assert store.labelled["gloss"].tolist() == ["HELLO"]
    np.testing.assert_array_equal(store.read("HELLO_clip"), expected.astype(store.frames.dtype))


def test_depth_is_found_beside_colour(tmp_path):
    """Of a file and of a folder of pictures, never another kind than colour has."""
    for name in ("a_color", "a_depth", "b_color"):
        (tmp_path / name).mkdir()
    for name in ("b_color.mp4", "b_depth.mp4", "c.mp4", "c_depth.mp4"):
        (tmp_path / name).touch()
    beside = {name: depth_beside(tmp_path / name) for name in ("a_color", "b_color", "b_color.mp4")}
    assert beside == {
        "a_color": tmp_path / "a_depth",
        "b_color": None,
        "b_color.mp4": tmp_path / "b_depth.mp4",
    }
    assert depth_beside(tmp_path / "c.mp4") is None


def test_a_split_is_asked_of_a_store_and_not_of_pictures(tmp_path, monkeypatch):
    (tmp_path / "0001.png").touch()
    monkeypatch.setattr(early, "weights_file", lambda run: None)
    with pytest.raises(SettingsError, match="only stores have splits"):
        early.check_prediction(None, [tmp_path], "test")
    (tmp_path / "extraction.json").touch()
    early.check_prediction(None, [tmp_path], "test")
