"""Limbs: worked examples of the geometry, and what no movement may change."""

import numpy as np
import pytest

from signlib.data.skeletons import HAND_BONES
from signlib.synthesis import motion
from signlib.synthesis.signs import HANDSHAPES, ORIENTATIONS


def test_two_bones_of_a_3_4_5_triangle():
    elbow, wrist = motion.two_bone(
        np.zeros(3), np.array([5.0, 0, 0]), 3.0, 4.0, np.array([1.0, 7.0, 0])
    )
    np.testing.assert_allclose(elbow, [9 / 5, 12 / 5, 0])
    np.testing.assert_allclose(wrist, [5, 0, 0])


def test_two_bones_keep_their_lengths_whatever_is_asked():
    rng = np.random.default_rng(0)
    root, pole = rng.normal(size=(2, 200, 3))
    target = root + rng.normal(size=(200, 3)) * rng.choice([0.01, 0.5, 3.0], (200, 1))
    elbow, wrist = motion.two_bone(root, target, 0.3, 0.25, pole)
    np.testing.assert_allclose(np.linalg.norm(elbow - root, axis=1), 0.3)
    np.testing.assert_allclose(np.linalg.norm(wrist - elbow, axis=1), 0.25)


def test_a_target_out_of_reach_is_pointed_at():
    _, wrist = motion.two_bone(np.zeros(3), np.array([0, 9.0, 0]), 0.3, 0.3, np.array([1.0, 0, 0]))
    np.testing.assert_allclose(wrist, [0, 0.5994, 0])


def test_minimum_jerk_is_half_way_at_half_time_and_moves_fastest_there():
    way = motion.minimum_jerk(1000)
    assert way[499] == pytest.approx(0.5)
    assert way[-1] == pytest.approx(1.0)
    speed = np.diff(way) * 1000
    assert speed.max() == pytest.approx(1.875, abs=1e-3)
    assert abs(speed.argmax() - 499) <= 1
    assert speed[0] < 1e-4
    assert speed[-1] < 1e-4


@pytest.mark.parametrize("palm", ORIENTATIONS.values(), ids=list(ORIENTATIONS))
@pytest.mark.parametrize("fingers", [(0.3, -1, 0.2), (0.7, 0.1, -0.8)])
def test_a_hand_points_and_looks_where_it_was_told(palm, fingers):
    thumb, along, out = motion.frames_of(motion.quaternion(palm, fingers)[None])[0].T
    np.testing.assert_allclose(along, motion.unit(np.array(fingers)), atol=1e-12)
    assert out @ np.array(palm) > 0, "as near to it as a right angle to the fingers allows"
    np.testing.assert_allclose(out @ np.cross(palm, fingers), 0, atol=1e-12)
    np.testing.assert_allclose(np.cross(along, out), thumb, atol=1e-12)


def test_the_right_thumb_is_on_the_left_of_a_palm_that_looks_at_the_camera():
    frame = motion.frames_of(motion.quaternion((0, 0, -1), (0, -1, 0))[None])
    hand = motion.hand_points(np.zeros((1, 3)), frame, HANDSHAPES["OPEN"].angles[None], 0.1)[0]
    tips = hand[[4, 8, 12, 16, 20]]
    assert (np.diff(tips[:, 0]) < 0).all(), (
        "thumb to pinky run from the signer's left to their right"
    )
    assert (tips[1:, 1] < -0.13).all()
    assert np.abs(tips[1:, 2]).max() < 0.05


def test_fingers_curl_towards_the_palm_and_keep_their_lengths():
    frame = np.repeat(motion.frames_of(motion.quaternion((0, 0, -1), (0, -1, 0))[None]), 2, axis=0)
    angles = np.stack([HANDSHAPES["FLAT"].angles, HANDSHAPES["FIST"].angles])
    flat, fist = motion.hand_points(np.zeros((2, 3)), frame, angles, 0.1)
    assert (fist[[6, 10, 14, 18], 2] < -0.03).all(), "the middle joints come towards the camera"
    assert (np.linalg.norm(fist[[8, 12, 16, 20]], axis=1) < 0.1).all()
    lengths = [
        np.linalg.norm(np.diff(hand[np.array(HAND_BONES)], axis=1), axis=2) for hand in (flat, fist)
    ]
    np.testing.assert_allclose(*lengths, atol=1e-12)


def test_angles_beyond_a_joint_limit_stop_at_the_limit():
    frame = motion.frames_of(np.array([[1.0, 0, 0, 0]]))
    low, high = motion.LIMITS.T
    for angles, limit in ((low - 1, low), (high + 1, high)):
        asked = motion.hand_points(np.zeros((1, 3)), frame, angles[None], 1.0)
        np.testing.assert_array_equal(
            asked, motion.hand_points(np.zeros((1, 3)), frame, limit[None], 1.0)
        )


@pytest.mark.parametrize("name", HANDSHAPES)
def test_every_handshape_is_within_the_joint_limits(name):
    angles, (low, high) = HANDSHAPES[name].angles, motion.LIMITS.T
    assert (angles >= low).all()
    assert (angles <= high).all()


def random_arms(count):
    rng = np.random.default_rng(1)
    frames = motion.frames_of(rng.normal(size=(count, 4)))
    return frames, *motion.unit(rng.normal(size=(2, count, 3)))


def test_a_hand_is_its_wrist_joints():
    frames, upper, forearm = random_arms(200)
    joints = motion.wrist_joints(frames, upper, forearm)
    np.testing.assert_allclose(motion.hand_frames(joints, upper, forearm), frames, atol=1e-9)
    bend = np.arccos((frames[:, :, 1] * forearm).sum(1))
    np.testing.assert_allclose(np.hypot(joints[:, 0], joints[:, 1]), bend)


def test_wrist_and_forearm_turn_to_their_limits_and_no_further():
    joints = motion.wrist_joints(*random_arms(200))
    held = motion.within_limits(joints)
    bend, before = np.hypot(held[:, 0], held[:, 1]), np.hypot(joints[:, 0], joints[:, 1])
    np.testing.assert_allclose(bend, np.minimum(before, motion.WRIST_LIMIT))
    np.testing.assert_allclose(held[:, 2], np.clip(joints[:, 2], *motion.TWIST_LIMITS))
    np.testing.assert_allclose(
        held[:, 0] * joints[:, 1], held[:, 1] * joints[:, 0], err_msg="the same way, less far"
    )
    np.testing.assert_allclose(motion.within_limits(held), held, atol=1e-12)


ARM = (np.array([[0, 1.0, 0]]), np.array([[0, 0, -1.0]]))
"""Upper arm down, forearm forward."""


@pytest.mark.parametrize(
    ("palm", "degrees"), [((1, 0, 0), 0), ((0, -1, 0), 90), ((0, 1, 0), -90), ((1, -1, 0), 45)]
)
def test_the_twist_of_a_bent_arm_by_hand(palm, degrees):
    """Thumb up is 0, palm up 90, palm down -90 degrees."""
    joints = motion.wrist_joints(motion.frames_of(motion.quaternion(palm, (0, 0, -1))[None]), *ARM)[
        0
    ]
    np.testing.assert_allclose(np.degrees(joints), [0, 0, degrees], atol=1e-9)


@pytest.mark.parametrize(
    ("fingers", "flex", "aside"),
    [((0.5, 0, -(0.75**0.5)), 30, 0), ((0, -0.5, -(0.75**0.5)), 0, 30)],
)
def test_flexion_and_deviation_of_a_hand_with_its_thumb_up(fingers, flex, aside):
    """Palm to the left: flexion brings the fingers to the left, deviation to the thumb up."""
    joints = motion.wrist_joints(
        motion.frames_of(motion.quaternion((1, 0, 0.001), fingers)[None]), *ARM
    )[0]
    np.testing.assert_allclose(np.degrees(joints), [flex, aside, 0], atol=0.1)


def test_a_swivel_lifts_a_right_elbow_outwards_and_leaves_the_wrist():
    arm = (np.zeros(3), np.array([0, 0.0, -0.4]), 0.3, 0.25, np.array([0, 1.0, 0]))
    (low, wrist), (high, same) = motion.two_bone(*arm), motion.two_bone(*arm, np.pi / 2)
    np.testing.assert_allclose(wrist, same)
    np.testing.assert_allclose([low[1], high[1], low[0]], [-high[0], 0, 0], atol=1e-12)
    assert high[0] < 0


def test_cross_is_the_cross_product():
    a, b = np.random.default_rng(0).normal(size=(2, 7, 3))
    np.testing.assert_allclose(motion.cross(a, b), np.cross(a, b), atol=1e-15)


def test_turns_are_rotations_with_yaw_to_the_side():
    turn = motion.turns(
        np.array([[np.pi / 2, 0, 0], [0, np.pi / 2, 0], [0, 0, np.pi / 2], [0.3, -0.8, 1.1]])
    )
    np.testing.assert_allclose(
        turn @ turn.swapaxes(1, 2), np.broadcast_to(np.eye(3), (4, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(turn[0] @ [0, 0, -1], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(turn[1] @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(turn[2] @ [1, 0, 0], [0, 1, 0], atol=1e-12)
