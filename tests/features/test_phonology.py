"""Thirty-six readable numbers: by hand, under moved cameras, with parts missing, and against what
was signed.
"""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.data.skeletons import (
    FACE_HANDS_43,
    HANDS_42,
    MEDIAPIPE_75,
    MEDIAPIPE_543,
    NTU_25,
    Skeleton,
)
from signlib.errors import ClipError, SettingsError
from signlib.features.normalise import face_camera, hands_at_wrists, normalise
from signlib.features.phonology import GROUPS, NAMES, phonology
from signlib.synthesis.clips import GeneratedCorpus

HANDS = {side: list(MEDIAPIPE_543.parts[f"{side}_hand"]) for side in ("left", "right")}


@lru_cache
def corpus():
    return GeneratedCorpus(40, 3, 1, hardness=0.0)


@lru_cache
def clip(number=0):
    """A clip in which both hands are always found."""
    found = corpus().clip(corpus().manifest["clip"][number])
    assert np.isfinite(found).all()
    return found


def feature(table, name, form="corrected"):
    return table[:, NAMES[form].index(name)]


def turned(points, roll=0.0, yaw=0.0):
    """The clip with x, y, z turned about the z axis, or about the y axis."""
    out = points.astype(float)
    for angle, a, b in ((roll, 0, 1), (yaw, 0, 2)):
        cos, sin = np.cos(angle), np.sin(angle)
        out[..., a], out[..., b] = (
            cos * out[..., a] - sin * out[..., b],
            sin * out[..., a] + cos * out[..., b],
        )
    return out


def hand(angles=(0, 0, 0, 0)):
    """(21, 3): wrist at the origin, palm bones straight down, each finger turned from its bone in
    the picture.
    """
    points = np.zeros((21, 3))
    for k, angle in enumerate(angles):
        knuckle = np.array([0.1 * k, 1.0, 0])
        along = knuckle / np.linalg.norm(knuckle)
        aside = np.array([along[1], -along[0], 0])
        points[5 + 4 * k] = knuckle
        points[8 + 4 * k] = knuckle + 0.7 * (np.cos(angle) * along + np.sin(angle) * aside)
    points[4] = (1, 0, 0)  # at a right angle to the first palm bone
    return points


def body(left, right, frames=1):
    """A clip of MediaPipe's 75 points: shoulders one apart and level, nose above, the two hands."""
    points = np.zeros((frames, 75, 3))
    points[:, 11], points[:, 12], points[:, 0] = (0.5, 0, 0), (-0.5, 0, 0), (0, -0.5, 0)
    points[:, 33:54], points[:, 54:75] = left, right
    return points


def test_names_are_in_their_groups():
    for names in NAMES.values():
        assert len(set(names)) == 36
        assert {group: sum(name.startswith(group) for name in names) for group in "HLOMN"} == {
            "H": 10,
            "L": 6,
            "O": 6,
            "M": 9,
            "N": 5,
        }
        assert all(name.startswith(group) for group, own in GROUPS.items() for name in names[own])


def test_handshape_by_hand():
    found = phonology(body(hand((0, np.pi / 2, np.pi, 0.3)), hand()), MEDIAPIPE_75, "original")[0]
    assert found[:5] == pytest.approx([np.pi / 2, 0, np.pi / 2, np.pi, 0.3], abs=1e-3)
    assert found[5:10] == pytest.approx([np.pi / 2, 0, 0, 0, 0], abs=1e-3)


def test_location_orientation_and_movement_by_hand():
    points = body(hand() + (0.3, 0.2, 0), hand() - (0.4, 0, 0), frames=3)
    points[1, 33:54] += (0.1, 0, 0)
    points[2, 33:54] += (0.1, 0.2, 0)
    seed, corrected = (phonology(points, MEDIAPIPE_75, form) for form in ("original", "corrected"))
    centre = np.array([0.12, 0.8, 0])  # wrist and four knuckles: x (0 + .1 + .2 + .3) / 5
    assert seed[0, 10:13] == pytest.approx(
        centre + (0.3, 0.2, 0) - (0, -0.5, 0), abs=1e-5
    )  # from the nose
    assert corrected[0, 10:13] == pytest.approx(
        centre + (0.3, 0.2, 0), abs=1e-5
    )  # from between the shoulders
    # wrist, index and little finger lie in the picture; (0, 1, 0) x (0.3, 1, 0) = (0, 0, -0.3)
    assert seed[0, 16:22] == pytest.approx([0, 0, -1, 0, 0, -1])
    assert corrected[0, 16:22] == pytest.approx(
        [0, 0, 1, 0, 0, -1]
    )  # of a left hand that is its back
    for found in (seed, corrected):
        assert found[:, 22:28] == pytest.approx(
            np.array([[0] * 6, [0.1, *[0] * 5], [0, 0.2, *[0] * 4]]), abs=1e-6
        )
        assert found[:, 28:31] == pytest.approx(0, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    form=st.sampled_from(["original", "corrected"]),
    number=st.integers(0, 19),
    roll=st.floats(-1, 1),
    size=st.floats(0.2, 5),
    shift=st.tuples(*[st.floats(-3, 3)] * 3),
)
def test_moving_scaling_and_rolling_the_picture_changes_nothing(form, number, roll, size, shift):
    points = clip(number)[..., :3]
    moved = size * turned(points, roll) + shift
    for (
        hand_
    ) in HANDS.values():  # a hand's depth counts from its own wrist, wherever the camera stands
        moved[:, hand_, 2] -= shift[2] if form == "corrected" else 0
    expected = phonology(points, MEDIAPIPE_543, form)
    np.testing.assert_allclose(phonology(moved, MEDIAPIPE_543, form), expected, atol=2e-3)


def test_the_seeds_form_levels_every_frame_by_itself():
    points, rng = clip()[..., :3], np.random.default_rng(0)
    moved = np.stack(
        [
            turned(frame[None], rng.normal())[0] * rng.uniform(0.5, 2) + rng.normal(size=3)
            for frame in points
        ]
    )
    np.testing.assert_allclose(
        phonology(moved, MEDIAPIPE_543, "original"),
        phonology(points, MEDIAPIPE_543, "original"),
        atol=2e-3,
    )


@given(yaw=st.floats(-0.7, 0.7))
def test_turning_to_the_side_changes_nothing_in_the_corrected_form_only(yaw):
    points = body(hand((0.5, 1, 1.5, 0.2)) + (0.3, 0.2, 0), hand() - (0.4, 0, 0), frames=2)
    points[1, 33:54] += (0.1, 0.2, 0.1)
    aside = turned(points, yaw=yaw)
    for start in (33, 54):  # back to depths from the wrist; the pose's wrists say where that is
        for moved in (points, aside):
            moved[:, 15 if start == 33 else 16] = moved[:, start]
            moved[:, start : start + 21, 2] -= moved[:, [start], 2]
    expected = phonology(points, MEDIAPIPE_75)
    np.testing.assert_allclose(phonology(aside, MEDIAPIPE_75), expected, atol=1e-3)
    if abs(yaw) > 0.1:
        seen, straight = (phonology(p, MEDIAPIPE_75, "original") for p in (aside, points))
        assert abs(seen - straight)[:, GROUPS["O"]].max() > 0.05


def test_the_corrected_form_stands_where_every_other_feature_does():
    points = clip(3)[..., :3]
    placed = face_camera(
        hands_at_wrists(normalise(points, MEDIAPIPE_543, 1.3, longest_gap=0), MEDIAPIPE_543),
        MEDIAPIPE_543,
    )
    found = phonology(points, MEDIAPIPE_543, aspect=1.3)
    for side, column in (("left", 10), ("right", 13)):
        centre = placed[:, HANDS[side]][:, [0, 5, 9, 13, 17]].mean(1)
        np.testing.assert_allclose(found[:, column : column + 3], centre, atol=1e-4)


def test_what_is_missing_stays_missing_and_hides_nothing_else():
    points = clip()[..., :3].copy()
    for form in NAMES:
        whole = phonology(points, MEDIAPIPE_543, form)
        lost = points.copy()
        lost[4:7, HANDS["left"]] = np.nan
        found = phonology(lost, MEDIAPIPE_543, form)
        own = [name.partition(".")[2].startswith("left") for name in NAMES[form]]
        assert np.isnan(found[4:7][:, own]).all()
        others = ~np.array(own) & ~np.array([name == "M.fingers" for name in NAMES[form]])
        np.testing.assert_array_equal(found[:, others], whole[:, others])
        back = found[7, [name.startswith("M.left") for name in NAMES[form]]]
        assert np.isnan(back).all()  # nothing to count a movement from
        assert np.isfinite(found[[0, 1, 2, 3, 8, 9]]).all()
        lost[:, :468] = np.nan
        assert np.isnan(phonology(lost, MEDIAPIPE_543, form)[:, GROUPS["N"]]).all()


def test_fingers_are_told_by_the_hand_that_is_there():
    points = clip()[..., :3].copy()
    points[:, HANDS["left"]] = np.nan
    steps = np.diff(phonology(points, MEDIAPIPE_543)[:, 5:10], axis=0)
    found = feature(phonology(points, MEDIAPIPE_543), "M.fingers")
    np.testing.assert_allclose(found[1:], np.linalg.norm(steps, axis=1), atol=1e-5)


@pytest.mark.parametrize("form", list(NAMES))
def test_other_skeletons(form):
    points = clip()[..., :3]
    whole = phonology(points, MEDIAPIPE_543, form)
    found = phonology(points[:, 468:], MEDIAPIPE_75, form)
    np.testing.assert_allclose(found[:, :31], whole[:, :31], atol=1e-6)
    assert np.isnan(found[:, 31:]).all()  # no face
    hands = phonology(points[:, 501:], HANDS_42, form)
    np.testing.assert_allclose(hands[:, GROUPS["H"]], whole[:, GROUPS["H"]], atol=1e-5)
    if form == "corrected":
        assert np.isnan(
            np.delete(hands, [*range(10), 30], axis=1)
        ).all()  # nothing tells where the body is
    with_face = np.concatenate([points[:, :1], points[:, 501:]], axis=1)
    np.testing.assert_allclose(
        phonology(with_face, FACE_HANDS_43, form)[:, :10], whole[:, :10], atol=1e-5
    )


def test_without_a_frame_that_shows_the_shoulders_only_the_hands_are_told():
    points = clip()[..., :3].copy()
    points[:, 468 + 11] = np.nan
    found = phonology(points, MEDIAPIPE_543)
    assert np.isfinite(found[:, GROUPS["H"]]).all()
    assert np.isnan(found[:, GROUPS["L"]]).all()


def test_gaze_and_aperture_are_what_they_are_called():
    points = clip()[..., :3].copy()
    first = points[:1].repeat(2, axis=0)
    first[1, [14, 87, 317]] += (0, 0.02, 0)  # the lower lip falls
    seed, corrected = (phonology(first, MEDIAPIPE_543, form) for form in ("original", "corrected"))
    assert np.ptp(feature(seed, "N.aperture", "original")) < 1e-6  # the width of the mouth
    assert np.diff(feature(corrected, "N.aperture"))[0] > 0.05
    first = points[:1].repeat(2, axis=0)
    head = first[1, :468] - first[1, :468].mean(0)
    cos, sin = np.cos(0.3), np.sin(0.3)
    head[:, 1], head[:, 2] = (
        cos * head[:, 1] - sin * head[:, 2],
        sin * head[:, 1] + cos * head[:, 2],
    )
    first[1, :468] = head + first[1, :468].mean(0)  # the head nods by 0.3
    seed, corrected = (
        phonology(first, MEDIAPIPE_543, form)[:, 31:34] for form in ("original", "corrected")
    )
    assert (
        np.arccos(np.clip(seed[0] @ seed[1], -1, 1)) < 0.02
    )  # the line between the eyes does not care
    assert np.arccos(np.clip(corrected[0] @ corrected[1], -1, 1)) == pytest.approx(0.3, abs=0.01)
    assert np.linalg.norm(corrected, axis=1) == pytest.approx(1, abs=1e-5)
    assert corrected[0, 2] < -0.9  # to the camera


def test_aperture_and_brow_are_shares_of_the_face():
    points = clip()[..., :3].copy()
    expected = phonology(points, MEDIAPIPE_543)[:, 34:36]
    middle = points[:, :468].mean(1, keepdims=True)
    points[:, :468] = middle + 1.5 * (
        points[:, :468] - middle
    )  # a larger head on the same shoulders
    np.testing.assert_allclose(phonology(points, MEDIAPIPE_543)[:, 34:36], expected, rtol=1e-3)


def test_irises_turn_the_gaze_where_the_mesh_has_them():
    names = [*(f"face_{i}" for i in range(478)), *MEDIAPIPE_543.joints[468:]]
    refined = Skeleton("refined", tuple(names), (), tuple(range(len(names))), {})
    points = clip()[:2, :, :3].astype(float)
    middles = [points[:, list(pair)].mean(1) for pair in ((33, 133), (263, 362))]
    width = np.linalg.norm(points[:, 33] - points[:, 133], axis=1)
    irises = np.zeros((2, 10, 3))
    irises[:, 0], irises[:, 5] = middles
    whole = np.concatenate([points[:, :468], irises, points[:, 468:]], axis=1)
    ahead = phonology(whole, refined)[:, 31:34]
    np.testing.assert_allclose(ahead, phonology(points, MEDIAPIPE_543)[:, 31:34], atol=0.03)
    across = points[:, 263] - points[:, 33]
    across /= np.linalg.norm(across, axis=1)[:, None]
    whole[:, [468, 473]] += (0.5 * 0.4 * width[:, None] * across)[
        :, None
    ]  # half an eyeball's radius to the left
    aside = phonology(whole, refined)[:, 31:34]
    assert np.degrees(np.arccos((ahead * aside).sum(1))) == pytest.approx(30, abs=2)
    assert (aside[:, 0] > ahead[:, 0]).all()


def test_movement_is_counted_in_time_not_in_frames():
    points = clip()[..., :3]
    double = np.empty((2 * len(points) - 1, *points.shape[1:]))
    double[::2], double[1::2] = points, (points[1:] + points[:-1]) / 2
    slow, fast = phonology(points, MEDIAPIPE_543, fps=25), phonology(double, MEDIAPIPE_543, fps=50)
    np.testing.assert_allclose(fast[2::2, 22:28], slow[1:, 22:28], atol=2e-2)
    np.testing.assert_array_equal(phonology(points, MEDIAPIPE_543, fps=np.nan), slow)


def test_no_column_of_the_corrected_form_is_dead():
    for form, dead in (("original", {"M.placeholder", "N.placeholder"}), ("corrected", set())):
        table = np.concatenate([phonology(clip(n), MEDIAPIPE_543, form) for n in range(0, 20, 2)])
        assert {
            name for name, values in zip(NAMES[form], table.T, strict=True) if np.ptp(values) < 1e-6
        } == dead


def test_what_was_signed_can_be_read():
    """On a signer without noise: palms look where they were told, mouth and brow open and rise with
    the truth.
    """
    world, rows = corpus(), []
    for name in world.manifest["clip"][:40]:
        truth = world.truth(name)
        found = phonology(world.clip(name), MEDIAPIPE_543)[
            truth["stroke_start"] : truth["stroke_end"]
        ]
        rows.append((truth, np.nanmean(found, axis=0)))
    looks = {
        "OUT": (2, -1),
        "IN": (2, 1),
        "UP": (1, -1),
        "DOWN": (1, 1),
        "ACROSS": (0, 1),
        "ASIDE": (0, -1),
    }
    right = [
        mean[19 + looks[truth["orientation"]][0]] * looks[truth["orientation"]][1]
        for truth, mean in rows
        if truth["internal"] == "NONE"
    ]
    assert np.mean(np.array(right) > 0.7) > 0.85
    for name, value in (("N.aperture", "mouth"), ("N.brow", "brow")):
        measured = [mean[NAMES["corrected"].index(name)] for _, mean in rows]
        assert np.corrcoef(measured, [truth[value] for truth, _ in rows])[0, 1] > 0.9
    moving = {
        kind: np.mean(
            [
                mean[30]
                for truth, mean in rows
                if (truth["internal"] in ("CHANGE", "WIGGLE")) == kind
            ]
        )
        for kind in (True, False)
    }
    assert moving[True] > 2 * moving[False]


def test_bad_questions_are_refused():
    with pytest.raises(
        SettingsError, match="form 'best' is unknown; choose from original, corrected"
    ):
        phonology(clip(), MEDIAPIPE_543, "best")
    with pytest.raises(ClipError, match="have no depth"):
        phonology(clip()[..., :2], MEDIAPIPE_543)
    with pytest.raises(SettingsError, match="no two hands"):
        phonology(np.zeros((2, 25, 3)), NTU_25)
