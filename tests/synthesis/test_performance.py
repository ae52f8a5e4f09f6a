"""Performances: no stop between signs, hands ready in time, face and eyes as the sign asks."""

from dataclasses import replace

import numpy as np
import pytest

from signlib.synthesis import motion
from signlib.synthesis.clips import GeneratedCorpus
from signlib.synthesis.performance import perform
from signlib.synthesis.signers import make_signer
from signlib.synthesis.signs import GAZES, HANDSHAPES, POINTING, Sign, Use, make_lexicon

AVERAGE = make_signer(0, hardness=0)
LEXICON = make_lexicon(12, 6)
RIGHT = slice(522, 543)
SPACE = Sign("A", "FLAT", "SPACE", "LINE", "OUT", 1, "UP", "ONE")
HIGH = Sign("B", "FIST", "HIGH", "LINE", "OUT", 1, "OUT", "ONE")


def performed(*signs, signer=AVERAGE, seed=0, fps=25.0):
    return perform(signs, signer, np.random.default_rng(seed), fps)


def palm_speed(performance, fps=25.0):
    palm = performance.points[:, RIGHT].astype(float)[:, [0, 5, 9, 17]].mean(1)
    return np.linalg.norm(np.diff(palm, axis=0), axis=1) * fps


def test_hands_do_not_stop_between_two_signs():
    performance = performed(SPACE, HIGH, fps=100.0)
    (_, first_end), (second, _) = performance.spans
    speed = palm_speed(performance, 100.0)
    assert speed[first_end - 3 : second + 3].min() > 0.03, "metres a second"
    assert speed[first_end:second].max() > 0.5


def test_longer_ways_take_longer_but_not_in_proportion():
    near = performed(SPACE, replace(SPACE, handshape="OPEN"))
    far = performed(SPACE, HIGH)
    moves = [performance.spans[1][0] - performance.spans[0][1] for performance in (near, far)]
    assert moves[0] < moves[1] < 4 * moves[0]


def test_the_handshape_is_there_when_the_stroke_begins():
    performance = performed(HIGH)
    first, last = performance.spans[0]
    hand = performance.points[first:last, RIGHT].astype(float)
    shape = hand - hand[:, :1]
    opened = np.linalg.norm(shape[:, [8, 12, 16, 20]], axis=2).mean(1)
    closed = AVERAGE.hand * np.linalg.norm(
        motion.hand_shape(HANDSHAPES["FIST"].angles[None])[0, [8, 12, 16, 20]], axis=1
    )
    np.testing.assert_allclose(opened, closed.mean(), rtol=0.02)


@pytest.mark.parametrize("internal", ["CHANGE", "TWIST", "NOD", "WIGGLE"])
def test_movements_in_the_hand_move_the_hand_and_hardly_the_wrist(internal):
    sign = Sign("", "OPEN", "SPACE", "HOLD", "NONE", 1, "OUT", "ONE", internal=internal)
    assert sign.possible
    performance = performed(sign)
    first, last = performance.spans[0]
    hand = performance.points[first:last, RIGHT].astype(float)
    assert np.ptp(hand[:, [0]], axis=0).max() < 0.01
    assert np.ptp(hand[:, [4, 8, 20]], axis=0).max() > 0.02


def test_hands_in_turns_move_against_each_other_and_mirrored_ones_together():
    sign = Sign("", "FLAT", "SPACE", "LINE", "UP", 2, "OUT", "ALTERNATING")
    for hands, correlation in (("ALTERNATING", -1), ("SYMMETRIC", 1)):
        performance = performed(replace(sign, hands=hands))
        first, last = performance.spans[0]
        heights = performance.points[first:last, [501, 522], 1].T
        assert np.corrcoef(heights)[0, 1] == pytest.approx(correlation, abs=0.05)


def test_the_base_hand_is_still():
    sign = Sign("", "POINT", "PALM", "TAP", "IN", 2, "DOWN", "BASE", base="FLAT", contact=True)
    assert sign.possible
    performance = performed(sign)
    first, last = performance.spans[0]
    moved = np.ptp(performance.points[first + 3 : last - 3, 501:], axis=0).max(1)
    assert moved[:21].max() < 0.005
    assert moved[21:].max() > 0.03


def test_expression_follows_the_sign_and_stays_in_its_range():
    for brow in (-0.5, 1.0):
        performance = performed(replace(SPACE, mouth=1.0, brow=brow))
        first, last = performance.spans[0]
        np.testing.assert_allclose(performance.expression[first:last, 1], brow)
        assert performance.expression[first:last, 0].max() > 0.7
    for seed, sign in enumerate(LEXICON):
        expression = performed(sign, signer=make_signer(1), seed=seed).expression
        assert (expression[:, [0, 2]] >= 0).all()
        assert (expression <= 1).all()
        assert (expression[:, 1] >= -0.5).all()


@pytest.mark.parametrize("left_handed", [False, True])
def test_eyes_look_where_the_sign_says(left_handed):
    signer = replace(AVERAGE, left_handed=left_handed)
    side = -1 if left_handed else 1
    for name, look in GAZES.items():
        performance = performed(
            replace(SPACE, location="LOW", movement="HOLD", direction="NONE", gaze=name),
            signer=signer,
        )
        first, last = performance.spans[0]
        yaw, pitch = performance.gaze[(first + last) // 2]
        if name == "HAND":
            assert pitch < -0.2
            assert side * yaw < 0, "the right hand of a right-handed signer is to the right"
        else:
            np.testing.assert_allclose([side * yaw, pitch], 0.6 * np.array(look), atol=0.02)


def test_eyes_and_finger_point_to_the_same_side():
    for locus, sign in (("LEFT", 1), ("RIGHT", -1)):
        performance = performed(Use(POINTING, goal=locus))
        first, last = performance.spans[0]
        assert sign * performance.gaze[(first + last) // 2, 0] > 0.1
        finger = performance.points[last - 1, 530] - performance.points[last - 1, 527]
        assert sign * finger[0] > 0.04


def test_hands_are_found_in_nearly_all_frames_of_a_sign():
    corpus = GeneratedCorpus(glosses=10, signers=10, repetitions=1, seed=5)
    lost, whole = [], []
    for name in corpus.manifest["clip"]:
        first, last = corpus.performance(name).spans[0]
        hand = np.isnan(corpus.clip(name)[:, [501, 522], 0])
        lost.append(hand[first:last].mean())
        whole.append(hand.mean())
    assert np.mean(lost) < 0.05
    assert 0.005 < np.mean(whole) < 0.10


def test_no_signs_no_performance_but_rest():
    performance = performed()
    assert performance.spans == ()
    assert palm_speed(performance).max() < 0.05
