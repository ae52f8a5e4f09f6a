"""Files of source 004: the order of the 162 numbers by hand, and a round trip through stores."""

import json

import numpy as np
import pandas as pd
import pytest

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.extraction import frozen_files
from signlib.stores.store import Extraction
from signlib.stores.writer import write_store

TABLE = pd.DataFrame({"clip": ["a", "b"], "file": ["a.mp4", "b.mp4"], "gloss": ["book", "drink"]})


def features_store(path):
    made = {
        "model": "google/gemma-3-4b-it",
        "frames": 4,
        "pooling": "mean over tokens",
        "dtype": "bfloat16",
    }
    arrays = [(clip, np.full((4, 3), n, np.float32)) for n, clip in enumerate(TABLE["clip"])]
    return write_store(path, Extraction("frozen", shape=(3,), settings=made), TABLE, arrays)


def test_the_162_numbers_stand_in_the_seeds_order():
    points = np.zeros((1, 543, 4), np.float32)
    points[0, :, 0] = np.arange(543)
    row = frozen_files.original_landmarks(points, MEDIAPIPE_543, 1)[0].reshape(54, 3)[:, 0]
    # 468 face points, then 33 of the pose, 21 left and 21 right hand.
    assert row[:21].tolist() == list(range(501, 522)), "left hand first"
    assert row[21:42].tolist() == list(range(522, 543)), "then the right one"
    assert row[42:].tolist() == list(range(468 + 11, 468 + 23)), (
        "then the pose from 11, a shoulder, to 22, a thumb"
    )


def test_landmarks_come_back_and_zeros_mean_not_found():
    rng = np.random.default_rng(0)
    points = rng.random((16, 543, 4)).astype(np.float32)
    points[3, 501:522] = np.nan
    back = frozen_files.points_of(frozen_files.original_landmarks(points, MEDIAPIPE_543))
    kept = points[:, MEDIAPIPE_543.selection("54")]
    np.testing.assert_array_equal(back[..., :3], kept[..., :3])
    assert np.isnan(back[3]).all(1).sum() == 21
    with pytest.raises(ClipError, match=r"\(16, 161\)"):
        frozen_files.points_of(np.zeros((16, 161)))


def test_short_clips_repeat_their_last_frame_long_ones_are_thinned():
    clip = np.arange(3)[:, None, None] * np.ones((3, 543, 3), np.float32)
    assert frozen_files.original_landmarks(clip, MEDIAPIPE_543, 5)[:, 0].tolist() == [0, 1, 2, 2, 2]
    clip = np.arange(9)[:, None, None] * np.ones((9, 543, 3), np.float32)
    assert frozen_files.original_landmarks(clip, MEDIAPIPE_543, 5)[:, 0].tolist() == [0, 2, 4, 6, 8]


def test_features_are_written_and_read_as_the_seed_keeps_them(tmp_path):
    store = features_store(tmp_path / "store")
    files = frozen_files.write_features(store, tmp_path / "out", "nslt_100.json")
    assert [file.name for file in files] == ["a_gemma.npy", "b_gemma.npy"]
    assert json.loads((tmp_path / "out" / "extraction_metadata.json").read_text()) == {
        "model_name": "google/gemma-3-4b-it",
        "num_frames": 4,
        "feature_dim": 3,
        "subset": "nslt_100.json",
        "success_count": 2,
        "error_count": 0,
    }
    labels = json.loads((tmp_path / "out" / "label_mapping.json").read_text())
    assert list(labels.items()) == [("0", "book"), ("1", "drink")]
    back = frozen_files.import_features(tmp_path / "out", tmp_path / "back", TABLE)
    np.testing.assert_array_equal(back.frames, store.frames)
    assert (back.extraction.shape, back.extraction.settings["model"]) == (
        (3,),
        "google/gemma-3-4b-it",
    )
    assert back.labelled["gloss"].tolist() == ["book", "drink"]


def test_landmark_files_make_a_store_of_54_points(tmp_path):
    points = np.random.default_rng(1).random((20, 543, 4)).astype(np.float32)
    made = Extraction("holistic", shape=(543, 4), skeleton="mediapipe-543")
    store = write_store(tmp_path / "store", made, TABLE, [(clip, points) for clip in TABLE["clip"]])
    frozen_files.write_landmarks(store, tmp_path / "out")
    assert np.load(tmp_path / "out" / "a_landmarks.npy").shape == (16, 162)
    np.save(tmp_path / "out" / "b_landmarks.npy", np.full((16, 162), np.nan))
    back = frozen_files.import_landmarks(tmp_path / "out", tmp_path / "back")
    assert (back.skeleton.name, back.clips) == ("mediapipe-543/54", ["a"])
    assert "not finite" in back.failed["reason"].iloc[0]
    assert back.skeleton.joints[0] == "left_shoulder"


def test_what_does_not_belong_together_is_refused(tmp_path):
    made = Extraction("holistic", shape=(543, 4), skeleton="mediapipe-543")
    points = np.ones((2, 543, 4), np.float32)
    store = write_store(tmp_path / "store", made, TABLE, [(clip, points) for clip in TABLE["clip"]])
    with pytest.raises(SettingsError, match="holds holistic"):
        frozen_files.write_features(store, tmp_path / "out")
    with pytest.raises(ManifestError, match=r"extraction_metadata\.json cannot be read"):
        frozen_files.import_features(tmp_path, tmp_path / "x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"feature_dim": -3}, "feature_dim is '-3', not a whole number of 1 to 65536"),
        ({"feature_dim": 10**9}, "feature_dim is '1000000000'"),
        ({"num_frames": "4"}, "num_frames is '4'"),
        ({"model_name": None}, "model_name is 'None', not a name"),
    ],
)
def test_metadata_that_say_nonsense_are_refused(tmp_path, change, words):
    facts = {"feature_dim": 3, "num_frames": 4, "model_name": "a/b"}
    (tmp_path / "extraction_metadata.json").write_text(json.dumps(facts))
    assert frozen_files.metadata(tmp_path) == facts
    (tmp_path / "extraction_metadata.json").write_text(json.dumps(facts | change))
    with pytest.raises(ManifestError, match=words):
        frozen_files.metadata(tmp_path)
