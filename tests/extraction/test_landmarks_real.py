"""Landmarks of real people: nearly always found, close to a third party's, same after a crash."""

import json

import numpy as np
import pytest

from signlib.data.manifest import load_manifest
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import probe

landmarks = pytest.importorskip("signlib.extraction.landmarks")
exchange = pytest.importorskip("signlib.extraction.exchange")


def check_quality(store):
    assert store.failed.empty
    report = json.loads((store.path / "report.json").read_text())
    assert report["frames"] == len(store.frames)
    assert report["parts"]["pose"]["missing"] <= 0.01
    assert report["any_hand"] >= 0.95
    assert 0 < report["parts"]["pose"]["jitter"] < 0.05, "shoulder widths a frame squared"


def test_pose_and_hands_are_found_on_sign_videos(slovak):
    assert len(slovak[1]) == 20
    check_quality(slovak[1])


@pytest.mark.slow  # its landmarks take two minutes of two cores
def test_pose_and_hands_are_found_on_all_60_sign_videos(whole_slovak):
    assert len(whole_slovak[1]) == 60
    check_quality(whole_slovak[1])


def test_points_lie_on_the_signer(slovak):
    _, store = slovak
    wrists = (
        store.skeleton.index("left_wrist"),
        store.skeleton.index("left_hand_wrist"),
    )
    distances = [
        np.linalg.norm((clip[:, wrists[0]] - clip[:, wrists[1]])[:, :2] * [852, 480], axis=1)
        for clip in map(store.read, store.clips)
    ]
    assert np.nanmedian(np.concatenate(distances)) < 20, (
        "pixels between the pose's wrist and the hand's"
    )


def test_points_agree_with_a_third_partys(real_data):
    """Frame i of the film is frame i of the `.pose`: both have 43 at 30 a second, so nothing is
    resampled.
    """
    folder = real_data("autsl")
    theirs, width, height, fps, _ = exchange.read_pose(folder / "signer0_sample1000.pose")
    film = folder / "signer0_sample1000_color.mp4"
    info = probe(film)
    assert (info.frames, info.width, info.height, info.fps) == (len(theirs), width, height, fps)
    ours = landmarks.extract_video(film)
    pixels = np.linalg.norm((ours - theirs)[..., :2] * [width, height], axis=-1)
    assert np.nanmedian(pixels) < 8
    for part, joints in MEDIAPIPE_543.parts.items():
        assert np.nanmedian(pixels[:, list(joints)]) < 8, part
        both = np.isfinite(pixels[:, joints[0]]).mean()
        assert both > 0.7, f"{part} is found by both in {both:.0%} of frames"


def test_killed_on_real_videos_and_resumed_is_the_same_store(real_data, tmp_path):
    from test_landmarks import kill_and_resume, same_files

    root = real_data("slovak")
    table = load_manifest(root / "manifest.csv").iloc[:5].assign(start=20, end=[32, 28, 30, 34, 26])
    whole = landmarks.extract_manifest(table, root, tmp_path / "whole", progress=False)
    kill_and_resume(table, root, tmp_path / "killed", workers=1, after=2)
    assert same_files(whole.path, tmp_path / "killed")
