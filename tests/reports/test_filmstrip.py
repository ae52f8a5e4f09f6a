"""Frames of a clip in one window, and intervals in one picture."""

import numpy as np
import pandas as pd
import pytest

from signlib.reports.plots import filmstrip, interval_plot

PARTS = {"pose": (0, 1), "left_hand": (2,), "right_hand": (3,)}


def clip(frames=9):
    points = np.zeros((frames, 4, 2))
    points[:, 0] = [5, 5]  # a foot, far away
    points[:, 2, 0] = np.linspace(0.2, 0.6, frames)
    points[:, 3] = [0.4, 0.8]
    return points


def test_a_filmstrip_shows_both_ends_in_one_window_that_follows_the_hands():
    axes = filmstrip(clip(), [(0, 1)], PARTS, count=5).axes
    assert [axis.get_title() for axis in axes] == [
        "frame 0",
        "frame 2",
        "frame 4",
        "frame 6",
        "frame 8",
    ]
    assert len({axis.get_xlim() + axis.get_ylim() for axis in axes}) == 1
    (left, right), (bottom, top) = axes[0].get_xlim(), axes[0].get_ylim()
    assert left < 0.2, "the left hand is inside"
    assert 0.6 < right < 2, "so is the right one, and the foot does not widen the window"
    assert top < 0 < 0.8 < bottom, "y grows downwards"


def test_a_filmstrip_of_a_clip_without_hands_shows_the_body():
    points = clip()
    points[:, 2:] = np.nan
    axis, *_ = filmstrip(points, [(0, 1)], PARTS).axes
    assert axis.get_xlim()[1] > 5


def test_aspect_stretches_x():
    narrow, wide = (filmstrip(clip(), [], PARTS, aspect).axes[0].get_xlim() for aspect in (1, 2))
    assert sum(wide) == pytest.approx(2 * sum(narrow))


def test_an_interval_plot_has_a_dot_and_a_band_a_row():
    table = pd.DataFrame(
        {"value": [90.0, 20.0], "low": [80.0, 10.0], "high": [95.0, 35.0]}, index=["ours", "theirs"]
    )
    (axis,) = interval_plot(table, "accuracy (%)", chance=10).axes
    drawn = [line.get_xdata() for line in axis.lines]
    assert [list(np.ravel(x)) for x in drawn] == [[80, 95], [90], [10, 35], [20], [10, 10]]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["ours", "theirs"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1], "the first row is on top"
