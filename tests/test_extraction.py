"""Settings and sources of `extract`, before any frame is looked at."""

from dataclasses import fields

import numpy as np
import pytest

from signlib import extraction
from signlib.errors import ManifestError, SettingsError
from signlib.features.holistic import LandmarkSettings


def test_every_setting_of_the_extractor_can_be_overridden():
    other = {
        "tracking": "false", "parts": "[pose,left_hand,right_hand]", "min_detection_confidence": "1",
        "min_tracking_confidence": "0.25", "max_side": "null", "hand_model": "lite", "model_complexity": "1",
    }  # fmt: skip
    assert set(other) == {entry.name for entry in fields(LandmarkSettings)}
    assert extraction.landmark_settings(f"{key}={value}" for key, value in other.items()) == LandmarkSettings(
        False, ("pose", "left_hand", "right_hand"), 1, 0.25, None, "lite"
    )


@pytest.mark.parametrize("text", ["hand_model=3", "hand_model=big", "parts=pose", "tracking=1", "max_side=0.5", "x"])
def test_an_impossible_setting_is_refused_with_its_value(text):
    with pytest.raises(SettingsError, match=text.partition("=")[2] or text):
        extraction.landmark_settings([text])


def test_a_folder_of_landmarks_takes_its_glosses_from_a_manifest(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "ab":
        np.save(folder / f"{name}.npy", np.random.default_rng(0).random((4, 75, 3), np.float32))
    (folder / "manifest.csv").write_text("clip,file,gloss\nb,b.npy,TREE\n")
    store = extraction.extract(folder, tmp_path / "store")
    assert store.labelled[["clip", "gloss"]].to_numpy().tolist() == [["b", "TREE"]]
    assert store.skeleton.name == "mediapipe-75"


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(ManifestError, match=r"HELLO/clip1\.mp4"):
        extraction.extract(tmp_path, tmp_path / "store")
