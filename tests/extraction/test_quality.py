"""Drop-outs and jitter of clips whose answers are worked out by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from signlib.data.skeletons import MEDIAPIPE_75
from signlib.errors import StoreError
from signlib.extraction.quality import (
    gaps,
    jitter,
    note_session,
    quality_report,
    timings,
    write_report,
)
from signlib.stores.store import Extraction
from signlib.stores.writer import write_store

LEFT, RIGHT = MEDIAPIPE_75.index("left_shoulder"), MEDIAPIPE_75.index("right_shoulder")
HANDS = {side: list(MEDIAPIPE_75.parts[f"{side}_hand"]) for side in ("left", "right")}


def still(frames: int = 8) -> np.ndarray:
    """Nobody moves; shoulders 0.2 of the width apart; aspect 2 makes that 0.4 of the height."""
    points = np.full((frames, 75, 4), 0.5, np.float32)
    points[:, LEFT, 0], points[:, RIGHT, 0] = 0.6, 0.4
    return points


@pytest.mark.parametrize(
    ("found", "runs"),
    [
        ("1111", []),
        ("0000", [4]),
        ("1001", [2]),
        ("0110", [1, 1]),
        ("01001000", [1, 2, 3]),
        ("", []),
    ],
)
def test_gaps_by_hand(found, runs):
    assert gaps(np.array([c == "1" for c in found], bool)).tolist() == runs


def test_even_motion_does_not_jitter_and_shaking_does():
    points = still()
    points[:, HANDS["left"], 0] += 0.01 * np.arange(8)[:, None]
    points[:, HANDS["right"], 1] += 0.01 * np.array([0, 1] * 4)[:, None]
    shaking = jitter(points, MEDIAPIPE_75, aspect=2.0)
    assert shaking["pose"] == 0
    assert shaking["left_hand"] == pytest.approx(0, abs=1e-5)
    # y goes 0, 1, 0 hundredths: the second difference is 0.02 heights, a shoulder width is 0.4
    # heights.
    assert shaking["right_hand"] == pytest.approx(0.05, rel=1e-4)
    points[:, HANDS["right"]] = np.nan
    assert np.isnan(jitter(points, MEDIAPIPE_75)["right_hand"])


def test_a_report_by_hand(tmp_path):
    one, two = still(8), still(2)
    one[1:3, HANDS["left"]] = np.nan
    one[7:, HANDS["left"]] = np.nan
    one[2, HANDS["right"]] = np.nan
    two[:, HANDS["left"]] = np.nan
    extraction = Extraction(
        "test", shape=(75, 4), channels=("x", "y", "z", "visibility"), skeleton="mediapipe-75"
    )
    manifest = pd.DataFrame({"clip": ["one", "bad", "two"]})
    clips = [("one", one), ("bad", np.full((3, 75, 4), np.nan, np.float32)), ("two", two)]
    store = write_store(
        tmp_path / "store", extraction, manifest, clips, width=200, height=100, fps=25
    )
    report = quality_report(store)
    assert (report["clips"], report["frames"], list(report["failed"])) == (2, 10, ["bad"])
    assert report["any_hand"] == pytest.approx(0.9)
    left, right = report["parts"]["left_hand"], report["parts"]["right_hand"]
    assert left["missing"] == pytest.approx(0.5)
    assert (left["gaps"], left["longest_gap"], left["never"]) == (3, 2, 1)
    assert right["missing"] == pytest.approx(0.1)
    assert (right["gaps"], right["longest_gap"], right["never"]) == (1, 1, 0)
    assert report["parts"]["pose"] == {
        "missing": 0,
        "gaps": 0,
        "longest_gap": 0,
        "never": 0,
        "jitter": 0,
    }
    assert [clip["clip"] for clip in report["by_clip"]] == ["one", "two"]


def test_timings_stand_apart_from_what_depends_on_the_points(tmp_path):
    extraction = Extraction(
        "test", shape=(75, 4), channels=("x", "y", "z", "visibility"), skeleton="mediapipe-75"
    )
    store = write_store(
        tmp_path / "store", extraction, pd.DataFrame({"clip": ["a"]}), [("a", still())]
    )
    write_report(store)
    assert timings(store) == []
    before = (store.path / "report.json").read_bytes()
    for seconds in (2.0, 4.0):
        note_session(
            store, {"clips": 1, "frames": 8, "failed": 0, "workers": 1, "seconds": seconds}
        )
    assert [session["frames_per_second"] for session in timings(store)] == [4.0, 2.0]
    assert (store.path / "report.json").read_bytes() == before
    assert json.loads(before)["units"]["jitter"] == "shoulder widths / frame^2"
    (store.path / "timings.json").unlink()
    (store.path / "timings.json").mkdir()
    with pytest.raises(
        StoreError, match=r"timings\.json is damaged \(.*Is a directory.*\); delete"
    ):
        timings(store)
