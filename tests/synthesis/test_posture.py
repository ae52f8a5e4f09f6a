"""Hands that are where a sign says: in contact, in front of the body, within what joints allow."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from signlib.data.skeletons import HAND_BONES
from signlib.synthesis import motion
from signlib.synthesis.performance import perform
from signlib.synthesis.phonology import IMPOSSIBLE, LOCATIONS, ORIENTATIONS
from signlib.synthesis.posture import arm, place_of, posture, reach, touching
from signlib.synthesis.signers import make_signer
from signlib.synthesis.signs import LOCI, POINTING, Sign, Use, make_lexicon
from signlib.synthesis.skin import head_centre, locus, push_out, skin_at

AVERAGE = make_signer(0, hardness=0)
LEXICON = make_lexicon(150, 4)
LEFT, RIGHT = slice(501, 522), slice(522, 543)


def signed(sign, signer=AVERAGE, seed=0):
    performance = perform([sign], signer, np.random.default_rng(seed))
    return performance.points.astype(float), performance.spans[0]


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_palm_looks_where_it_should_wherever_that_is_possible(location, orientation):
    at = LOCATIONS[location]
    hands = ("BASE", "FLAT") if at.palm else ("ONE", "")
    worst = 0.0
    for handshape in ("FLAT", "POINT", "FIST"):
        for contact in (False, True)[: 1 + (at.skin is not None)]:
            sign = Sign(
                "", handshape, location, "HOLD", "NONE", 1, orientation, *hands, contact=contact
            )
            palm = motion.frames_of(posture(sign)[0][None])[0, :, 2]
            worst = max(
                worst, np.degrees(np.arccos(np.clip(palm @ ORIENTATIONS[orientation], -1, 1)))
            )
    assert (worst > 26) == ((location, orientation) in IMPOSSIBLE), f"{worst:.0f} degrees"


@pytest.mark.parametrize(
    "location", [name for name, at in LOCATIONS.items() if at.skin and not at.palm]
)
def test_skin_is_where_the_table_says_and_looks_away_from_the_body(location):
    point, out = skin_at(location, AVERAGE, np.zeros(3))
    origin, scale = (head_centre(AVERAGE), AVERAGE.head)
    if LOCATIONS[location].anchor == "chest":
        origin, scale = np.array([0, -AVERAGE.torso, 0]), AVERAGE.shoulders
    np.testing.assert_allclose(
        point, origin + scale * np.array(LOCATIONS[location].offset), atol=1e-12
    )
    assert out @ motion.unit(np.array(LOCATIONS[location].skin)) > 0.7
    assert np.linalg.norm(push_out(point + 0.005 * out, AVERAGE)) == 0
    moved, _ = skin_at(location, AVERAGE, np.array([0.02, 0.01, 0.0]))
    assert np.linalg.norm(push_out(moved + 0.003 * out, AVERAGE)) < 1e-3


def test_push_out_of_the_trunk_by_hand():
    """Two centimetres behind the skin at breast height: straight forward, two centimetres."""
    depth = 0.30 * AVERAGE.shoulders
    inside = np.array(
        [[0.0, -AVERAGE.torso + 0.15, -depth + 0.02], [0.0, -AVERAGE.torso + 0.15, -depth - 0.02]]
    )
    np.testing.assert_allclose(push_out(inside, AVERAGE), [[0, 0, -0.02], [0, 0, 0]], atol=1e-6)


def test_the_nearest_part_of_a_hand_stands_at_the_gap():
    rng = np.random.default_rng(0)
    hand = 0.1 * motion.hand_shape(rng.uniform(0, 1, (1, 15)))[0]
    frames = motion.frames_of(rng.normal(size=(5, 4)))
    out = motion.unit(rng.normal(size=3))
    skin = rng.normal(size=3)
    wrists = touching(hand, frames, skin, out, 0.02)
    heights = (wrists[:, None] + hand @ frames.swapaxes(1, 2) - skin) @ out
    np.testing.assert_allclose(heights.min(1), 0.02)


def contacts():
    return [
        sign
        for sign in LEXICON
        if sign.contact and not sign.joined and LOCATIONS[sign.location].skin
    ]


@pytest.mark.parametrize("sign", contacts(), ids=lambda sign: sign.gloss)
def test_a_sign_with_contact_touches_and_one_without_does_not(sign):
    assert nearest_to_skin(sign) < 0.02
    near = replace(sign, contact=False)
    if near.possible:
        assert nearest_to_skin(near) > 0.02


def nearest_to_skin(sign):
    """Metres between the location's skin and the dominant hand's nearest point, in the stroke."""
    points, (first, last) = signed(sign)
    hand = points[first:last, RIGHT]
    if LOCATIONS[sign.location].palm:
        if sign.location == "FOREARM":
            elbow, wrist = points[first:last, [481]], points[first:last, [483]]
            along = np.clip(
                ((hand - elbow) * (wrist - elbow)).sum(2) / ((wrist - elbow) ** 2).sum(2), 0, 1
            )
            return (
                np.linalg.norm(hand - elbow - along[:, :, None] * (wrist - elbow), axis=2).min()
                - 0.035
            )
        return (
            np.linalg.norm(
                flesh(hand)[:, :, None] - flesh(points[first:last, LEFT])[:, None], axis=3
            ).min()
            - 0.012
        )
    sides = [place_of(sign, AVERAGE, np.zeros(3))]
    return min(((hand - point) @ out).min() for point, out in sides)


def flesh(hand):
    """(T, N, 3) points along the bones of a hand, and on its palm."""
    ends = np.array([*HAND_BONES, (0, 9), (0, 13)])
    a, b = hand[:, ends[:, 0]], hand[:, ends[:, 1]]
    return np.concatenate([a + share * (b - a) for share in (0.25, 0.5, 0.75, 1.0)], 1)


def test_hands_that_touch_each_other_meet_in_the_middle():
    sign = Sign("", "FLAT", "SPACE", "HOLD", "NONE", 1, "ACROSS", "SYMMETRIC", contact=True)
    assert sign.joined
    points, (first, last) = signed(sign)
    assert 0 < points[first:last, LEFT, 0].min() - points[first:last, RIGHT, 0].max() < 0.03


def test_no_hand_goes_through_head_or_trunk():
    deep = []
    for k, sign in enumerate(LEXICON[:60]):
        signer = make_signer(k % 7, 1, hardness=1)
        points, _ = signed(sign, signer, seed=k)
        deep.append(np.linalg.norm(push_out(points[:, 501:], signer), axis=2).max())
    assert np.quantile(deep, 0.9) < 0.015, "metres"
    assert sorted(deep)[-2] < 0.03
    assert max(deep) < 0.08, "an arm at the end of its reach cannot always give way"


def test_every_frame_keeps_wrist_and_forearm_within_their_limits():
    for sign in LEXICON[:30]:
        points, _ = signed(sign)
        shoulder, elbow, wrist = (points[:, k] for k in (480, 482, 484))
        along = motion.unit(points[:, 531] - wrist)
        palm = motion.unit(np.cross(points[:, 527] - wrist, points[:, 539] - wrist))
        frames = np.stack([np.cross(along, palm), along, palm], 2)
        joints = motion.wrist_joints(
            frames, motion.unit(elbow - shoulder), motion.unit(wrist - elbow)
        )
        assert np.degrees(np.hypot(joints[:, 0], joints[:, 1])).max() < 75
        low, high = np.degrees(motion.TWIST_LIMITS)
        assert (np.degrees(joints[:, 2]) > low - 8).all()
        assert (np.degrees(joints[:, 2]) < high + 8).all()


def test_reaching_and_the_arm_are_each_others_inverse():
    rng = np.random.default_rng(3)
    wrist = np.array([-0.1, -0.3, -0.3]) + 0.1 * rng.normal(size=(20, 3))
    frames = motion.frames_of(rng.normal(size=(20, 4)))
    swivel = rng.uniform(0, 1, 20)
    elbow, at, joints = reach(wrist, frames, swivel, AVERAGE)
    same_elbow, same_wrist, same_frames = arm(at, joints, swivel, AVERAGE)
    np.testing.assert_allclose(same_elbow, elbow, atol=1e-9)
    np.testing.assert_allclose(same_wrist, at, atol=1e-9)
    np.testing.assert_allclose(same_frames, frames, atol=1e-6)


@pytest.mark.parametrize("left_handed", [False, True])
@pytest.mark.parametrize("name", LOCI)
def test_pointing_points_behind_the_locus(name, left_handed):
    signer = replace(AVERAGE, left_handed=left_handed)
    points, (_, last) = signed(Use(POINTING, goal=name), signer)
    hand = points[last - 1, LEFT if left_handed else RIGHT]
    chest = np.array([0, -signer.torso + 0.38 * signer.shoulders, 0])
    aim = locus(name, signer) if name == "SIGNER" else 2 * locus(name, signer) - chest
    finger, expected = motion.unit(hand[8] - hand[5]), motion.unit(aim - hand[5])
    assert finger @ expected > np.cos(np.radians(30 if name.startswith("FAR") else 12))


@pytest.mark.parametrize("left_handed", [False, True])
def test_agreement_goes_from_source_to_goal_whoever_signs(left_handed):
    signer = replace(AVERAGE, left_handed=left_handed)
    sign = Sign("", "FLAT", "SPACE", "LINE", "OUT", 1, "UP", "ONE")
    hand = LEFT if left_handed else RIGHT
    for source, goal in pairwise(("LEFT", "RIGHT", "ADDRESSEE", "SIGNER", "UP_RIGHT")):
        points, (first, last) = signed(Use(sign, source, goal), signer)
        palm = points[:, hand][:, [0, 5, 9, 17]].mean(1)
        moved, expected = palm[last - 1] - palm[first], locus(goal, signer) - locus(source, signer)
        assert motion.unit(moved) @ motion.unit(expected) > 0.8


def test_a_handling_verb_takes_the_shape_of_its_object():
    sign = Sign("", "FLAT", "SPACE", "LINE", "OUT", 1, "UP", "ONE")
    points, (first, last) = signed(Use(sign, goal="ADDRESSEE", handshape="FIST"))
    flat, _ = signed(sign)
    curl = [
        np.linalg.norm(p[(first + last) // 2, 534] - p[(first + last) // 2, 522])
        for p in (points, flat)
    ]
    assert curl[0] < 0.6 * curl[1]
