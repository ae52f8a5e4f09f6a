"""A point is used or missing as a whole, and its skeleton says how far it may lie."""

import numpy as np
import pytest

from signlib.data import points as landmarks
from signlib.data.points import FileNumbers, any_usable, doubts, usable
from signlib.data.skeletons import HANDS_42, KINECT_20, NTU_25
from signlib.errors import ClipError, SettingsError

NAN, INF = np.nan, np.inf


def hands(*rows):
    """One frame of two hands in which all points but the first ones lie at (0.5, 0.5, 0)."""
    frame = np.tile(np.float32([0.5, 0.5, 0]), (1, 42, 1))
    frame[0, : len(rows)] = np.reshape(rows, (-1, 3))
    return frame


@pytest.mark.parametrize(
    "point", [(0.1, 0.2, INF), (0.1, 0.2, NAN), (NAN, 0.2, 0.1), (-INF, 0, 0), (0.1, 1e30, 0)]
)
def test_a_point_with_one_number_that_cannot_be_is_missing_as_a_whole(point):
    clip, taken = usable(hands(point), HANDS_42)
    assert np.isnan(clip[0, 0]).all()
    assert np.isfinite(clip[0, 1:]).all()
    assert taken.startswith("1 of 42 points are taken as missing: 1 ")
    assert clip.dtype == np.float32


def test_what_can_be_used_is_the_very_array():
    clip = hands((NAN, NAN, NAN), (-0.3, 3.8, -2.4))
    kept, taken = usable(clip, HANDS_42)
    assert kept is clip
    assert taken == ""


def test_reach_and_depth_are_the_skeletons_own():
    clip = hands((20, -20, 250), (20.5, 0, 0), (0, 0, 6000))
    kept, taken = usable(clip, HANDS_42)
    assert landmarks.seen(kept)[0, :4].tolist() == [True, False, False, True]
    assert taken == (
        "2 of 42 points are taken as missing: 2 lie beyond 20 fractions of the picture (in depth"
        " 5000)"
    )
    metres = np.ones((1, 25, 3), np.float32)
    metres[0, 0, 2] = 31
    kept, taken = usable(metres, NTU_25)
    assert not landmarks.seen(kept)[0, 0]
    assert "beyond 30 metres (in depth 30)" in taken


def test_a_clip_in_another_unit_is_not_used_at_all_and_told_what_to_pass():
    pixels, taken = usable(hands() * 640, HANDS_42)
    assert np.isnan(pixels).all()
    assert "--set scale=pixels" in taken
    millimetres, taken = usable(np.full((2, 20, 3), 900.0), KINECT_20)
    assert np.isnan(millimetres).all()
    assert taken.endswith("give metres")


def test_features_without_a_skeleton_lose_what_is_infinite():
    table, taken = usable(np.float32([[1, INF], [NAN, 2]]), None)
    assert taken.startswith("1 of 4 numbers")
    assert np.isnan(table).tolist() == [[0, 1], [1, 0]]


def test_one_point_anywhere_is_enough_and_none_is_not():
    clip = np.full((9, 42, 3), INF, np.float32)
    assert not any_usable(clip, HANDS_42)
    clip[8, 41] = 0.5
    assert any_usable(clip, HANDS_42)
    assert not any_usable(clip[:8], HANDS_42)
    assert not any_usable(clip[:0], HANDS_42)


def test_zeros_and_pixels_are_doubted_with_their_share():
    assert doubts(hands((NAN, NAN, NAN)), HANDS_42) == ""
    half = hands(*[(0, 0, 0)] * 21)
    assert doubts(half, HANDS_42).startswith("50.0% of the points lie exactly at zero")
    assert "--set zeros=missing" in doubts(half, HANDS_42)
    # 40 of 42 points at (50, 50), two at (1, 1): 95.2 % above 2.
    pixels = hands((0.01, 0.01, 0), (0.01, 0.01, 0)) * 100
    assert "95.2% of x and y lie above 2 (median 50)" in doubts(pixels, HANDS_42)
    # A whole body in metres is no picture, and x = y = 0 is straight ahead.
    ahead = np.tile(np.float32([0, 0, 3]), (1, 25, 1))
    assert doubts(ahead, NTU_25) == ""
    ahead[0, 0] = 0
    assert doubts(ahead, NTU_25).startswith("4.0% of the points lie exactly at zero")


def test_zeros_are_missing_and_pixels_are_divided_where_that_is_asked():
    clip = hands((0, 0, 0), (320, 120, 64), (0, 0.1, 0))
    out = FileNumbers("missing", "pixels").read(clip, HANDS_42, 640, 480)
    assert np.isnan(out[0, 0]).all()
    np.testing.assert_allclose(out[0, 1], [0.5, 0.25, 0.1])
    assert landmarks.seen(out)[0, 2]
    asked = FileNumbers(scale="pixels", width=320, height=240)
    np.testing.assert_allclose(asked.read(clip, HANDS_42)[0, 1], [1, 0.5, 0.2])
    assert FileNumbers().read(clip, HANDS_42) is clip


def test_what_the_numbers_mean_is_one_of_two_and_pixels_need_a_picture():
    with pytest.raises(SettingsError, match="zeros='no' is unknown; choose points or missing"):
        FileNumbers(zeros="no")
    with pytest.raises(SettingsError, match="width=-1"):
        FileNumbers(width=-1)
    with pytest.raises(ClipError, match="width and height, which nothing says"):
        FileNumbers(scale="pixels").read(hands(), HANDS_42)
    with pytest.raises(SettingsError, match="is in metres"):
        FileNumbers(scale="pixels").read(np.ones((1, 25, 3)), NTU_25, 640, 480)
