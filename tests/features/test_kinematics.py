"""Speeds, angles and gaps: worked examples, and what no picture may change."""

import numpy as np
import pytest

from signlib.data.skeletons import HANDS_42, MEDIAPIPE_75
from signlib.features.kinematics import bend, clip_measures, derivatives, finger_bends, openness
from signlib.synthesis import motion
from signlib.synthesis.signs import HANDSHAPES


def hand_of(name):
    frame = motion.frames_of(np.array([[0.3, 0.8, -0.1, 0.4]]))
    return motion.hand_points(np.zeros((1, 3)), frame, HANDSHAPES[name].angles[None], 0.1)


def test_a_right_angle_and_a_straight_line():
    assert bend(np.zeros(3), np.array([1.0, 0, 0]), np.array([2.0, 0, 0])) == pytest.approx(0)
    assert bend(np.zeros(3), np.array([1.0, 0, 0]), np.array([1.0, 2, 0])) == pytest.approx(90)
    assert np.isnan(bend(np.zeros(3), np.zeros(3), np.ones(3)))


def test_a_fist_is_bent_and_a_flat_hand_is_not():
    flat, fist = finger_bends(hand_of("FLAT")), finger_bends(hand_of("FIST"))
    assert flat[1].max() < 12
    np.testing.assert_allclose(fist[1], 100, atol=3)  # the table's middle joints
    assert fist[0].min() > 60
    assert openness(hand_of("FLAT"))[0] > 1.7
    assert openness(hand_of("FIST"))[0] < 1.2


def test_even_motion_has_speed_and_no_acceleration_and_a_parabola_has_both():
    t = np.arange(10) / 25
    speed, acceleration = derivatives(np.column_stack([3 * t, 4 * t]), 25)
    np.testing.assert_allclose(speed, 5)
    np.testing.assert_allclose(acceleration, 0, atol=1e-9)
    speed, acceleration = derivatives(np.column_stack([t**2, 0 * t]), 25)
    np.testing.assert_allclose(speed, 2 * t[1:-1])
    np.testing.assert_allclose(acceleration, 2)


def moving_hands(frames=12):
    points = np.repeat(np.concatenate([hand_of("OPEN"), hand_of("FIST")], axis=1), frames, axis=0)
    points[:, 21:, 0] += 0.01 * np.arange(frames)[:, None]
    return points + [0.5, 0.5, 0]


def test_the_measures_of_a_clip_by_hand():
    points = moving_hands()
    points[3:5, :21] = np.nan
    points[8, :21] = np.nan
    points[11, :21] = np.nan  # at the end: missing, but no gap between two sightings
    found = clip_measures(points, HANDS_42, fps=20)
    assert found["seconds"].tolist() == [12 / 20]
    assert found["gap"].tolist() == [2, 1]
    np.testing.assert_allclose(found["missing"], [4 / 12, 0])
    palm = np.linalg.norm((points[:, 9] - points[:, 0])[0])
    moved = found["speed"][found["speed"] > 0.01]
    np.testing.assert_allclose(moved, 0.01 * 20 / (2 * palm), rtol=0.05)
    assert len(found["middle joint"]) == 4 * (8 + 12)


def test_scale_and_place_of_the_picture_change_nothing():
    points = moving_hands()
    one, other = (
        clip_measures(points, HANDS_42, fps=25),
        clip_measures(0.4 * points + 0.1, HANDS_42, fps=25),
    )
    for name, values in one.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-6, atol=1e-6)


def test_an_unknown_frame_rate_leaves_out_what_needs_one():
    found = clip_measures(moving_hands(), HANDS_42)
    assert len(found["speed"]) == len(found["acceleration"]) == len(found["seconds"]) == 0
    assert len(found["openness"]) == 24


def test_a_body_is_measured_in_shoulder_widths():
    points = np.full((6, 75, 3), 0.5)
    points[:, 11, 0], points[:, 12, 0] = 0.7, 0.3
    points[:, 54:, 0] += 0.02 * np.arange(6)[:, None]
    found = clip_measures(points, MEDIAPIPE_75, fps=10)
    np.testing.assert_allclose(found["speed"].max(), 0.02 * 10 / 0.4)
