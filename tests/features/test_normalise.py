"""Normalised landmarks do not tell where the camera stood."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.data.skeletons import HANDS_42, MEDIAPIPE_75, MEDIAPIPE_543, NTU_25
from signlib.errors import ClipError
from signlib.features.normalise import (
    at_rate,
    face_camera,
    fill_gaps,
    hands_at_wrists,
    masked,
    median,
    mirror,
    normalise,
    seen,
    signer_frame,
    to_square_pixels,
)


def clip(skeleton=MEDIAPIPE_75, frames=12, seed=0):
    """Random points with shoulders where shoulders are, visibility last."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.2, 0.8, (frames, len(skeleton), 4)).astype(np.float32)
    if skeleton.has("left_shoulder"):
        points[:, skeleton.index("left_shoulder"), :2] = [0.65, 0.5]
        points[:, skeleton.index("right_shoulder"), :2] = [0.35, 0.5]
    return points


@pytest.mark.parametrize("frames", [1, 2, 7, 100])
def test_the_median_is_numpys_to_the_last_bit(frames):
    values = np.random.default_rng(frames).normal(size=(frames, 3)).astype(np.float32)
    found = median(values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.median(values, axis=0))
    values[frames // 2, 1] = np.nan
    np.testing.assert_array_equal(median(values), np.median(values, axis=0))
    assert np.isnan(median(values[:0])).all()


def test_gaps_are_filled_by_run_length():
    x = np.array([np.nan, 0, np.nan, 2, np.nan, np.nan, np.nan, 6, np.nan])
    points = np.stack([x, x], axis=-1)[:, None]
    filled = fill_gaps(points, 2)[:, 0, 0]
    np.testing.assert_array_equal(filled, [np.nan, 0, 1, 2, np.nan, np.nan, np.nan, 6, np.nan])
    np.testing.assert_array_equal(
        fill_gaps(points, 3)[:, 0, 0], [np.nan, 0, 1, 2, 3, 4, 5, 6, np.nan]
    )
    np.testing.assert_array_equal(fill_gaps(points, 0), points)


@settings(max_examples=30, deadline=None)
@given(
    shift=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    scale=st.floats(0.3, 3),
    angle=st.floats(-1.2, 1.2),
    aspect=st.sampled_from([1.0, 16 / 9, 0.5625]),
)
def test_shift_scale_and_roll_of_the_picture_change_nothing(shift, scale, angle, aspect):
    points = clip()
    points[:, [11, 12], :2] += np.random.default_rng(1).normal(
        0, 0.03, (12, 2, 2)
    )  # a signer who moves
    points[3:9, 33:54] = np.nan
    square = to_square_pixels(points, aspect)
    cos, sin = np.cos(angle), np.sin(angle)
    moved = square.copy()
    moved[..., 0] = scale * (cos * square[..., 0] - sin * square[..., 1]) + shift[0]
    moved[..., 1] = scale * (sin * square[..., 0] + cos * square[..., 1]) + shift[1]
    moved[..., 2] = scale * square[..., 2]
    np.testing.assert_allclose(
        normalise(moved, MEDIAPIPE_75, 1.0), normalise(points, MEDIAPIPE_75, aspect), atol=2e-4
    )


def test_unit_is_the_shoulder_width_and_the_shoulders_are_level():
    points = clip()
    out = normalise(points, MEDIAPIPE_75, aspect=2.0)
    np.testing.assert_allclose(
        out[:, MEDIAPIPE_75.index("left_shoulder"), :2], [[0.5, 0]] * 12, atol=1e-6
    )
    np.testing.assert_allclose(
        out[:, MEDIAPIPE_75.index("right_shoulder"), :2], [[-0.5, 0]] * 12, atol=1e-6
    )
    np.testing.assert_array_equal(out[..., 3], points[..., 3])


@pytest.mark.parametrize(
    "skeleton", [MEDIAPIPE_543, MEDIAPIPE_75, HANDS_42, NTU_25], ids=lambda s: s.name
)
def test_mirroring_twice_is_the_clip_itself_and_once_is_not(skeleton):
    points = clip(skeleton)
    np.testing.assert_allclose(
        mirror(mirror(points, skeleton, 0.5), skeleton, 0.5), points, atol=1e-6
    )
    assert not np.allclose(mirror(points, skeleton, 0.5), points)


def test_mirroring_swaps_the_hands():
    points = clip()
    points[:, MEDIAPIPE_75.selection("left_hand")] = np.nan
    swapped = seen(mirror(points, MEDIAPIPE_75, 0.5))
    assert swapped[:, MEDIAPIPE_75.selection("left_hand")].all()
    assert not swapped[:, MEDIAPIPE_75.selection("right_hand")].any()


def test_normalising_and_mirroring_commute():
    points = clip(seed=3)
    points[:, MEDIAPIPE_75.index("left_shoulder"), 1] += 0.1
    one = mirror(normalise(points, MEDIAPIPE_75), MEDIAPIPE_75)
    two = normalise(mirror(points, MEDIAPIPE_75, 0.5), MEDIAPIPE_75)
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_coinciding_shoulders_take_the_scale_from_the_neck():
    points = clip()
    points[:, MEDIAPIPE_75.index("left_shoulder")] = points[:, MEDIAPIPE_75.index("right_shoulder")]
    assert np.isfinite(normalise(points, MEDIAPIPE_75)).all()


def test_hands_alone_are_scaled_by_the_palm():
    points = clip(HANDS_42)
    out = normalise(points, HANDS_42)
    palms = [np.linalg.norm(out[:, b + 9, :3] - out[:, b, :3], axis=-1) for b in (0, 21)]
    assert np.median(np.concatenate(palms)) == pytest.approx(0.5, abs=1e-5)


def test_a_clip_without_shoulders_and_hands_names_the_remedy():
    points = np.full((4, 75, 4), np.nan, np.float32)
    with pytest.raises(ClipError, match=r"features\.normalise"):
        normalise(points, MEDIAPIPE_75)


def test_masks_are_true_where_points_are_real():
    points = clip()
    points[0, 5] = np.nan
    values, mask = masked(points)
    assert not mask[0, 5]
    assert mask.sum() == mask.size - 1
    assert (values[0, 5] == 0).all()
    assert np.isfinite(values).all()


def test_a_turned_signer_faces_the_camera_again():
    points = clip(seed=5)
    points[:, MEDIAPIPE_75.index("left_shoulder"), 2] = points[
        :, MEDIAPIPE_75.index("right_shoulder"), 2
    ] = 0.1
    turned = points.copy()
    cos, sin = np.cos(0.9), np.sin(0.9)
    turned[..., 0] = cos * points[..., 0] - sin * points[..., 2]
    turned[..., 2] = sin * points[..., 0] + cos * points[..., 2]
    front, oblique = (
        face_camera(normalise(p, MEDIAPIPE_75), MEDIAPIPE_75) for p in (points, turned)
    )
    np.testing.assert_allclose(oblique, front, atol=1e-4)
    assert not np.allclose(
        normalise(turned, MEDIAPIPE_75), normalise(points, MEDIAPIPE_75), atol=0.1
    )


def test_hands_are_moved_to_the_depth_of_their_wrist():
    points = clip(seed=6)
    moved = hands_at_wrists(points, MEDIAPIPE_75)
    left = list(MEDIAPIPE_75.parts["left_hand"])
    wrist = points[:, MEDIAPIPE_75.index("left_wrist"), None, 2]
    np.testing.assert_allclose(moved[:, left, 2], points[:, left, 2] + wrist)
    np.testing.assert_array_equal(moved[..., :2], points[..., :2])
    np.testing.assert_array_equal(hands_at_wrists(clip(HANDS_42), HANDS_42), clip(HANDS_42))


def test_square_pixels_by_hand():
    points = np.array([[[0.5, 0.5, 0.1, 0.9]]])
    np.testing.assert_allclose(to_square_pixels(points, 2.0), [[[1.0, 0.5, 0.2, 0.9]]])
    np.testing.assert_allclose(to_square_pixels(points[..., :2], 2.0), [[[1.0, 0.5]]])
    np.testing.assert_allclose(points, [[[0.5, 0.5, 0.1, 0.9]]])


def test_the_signers_frame_by_hand():
    points = clip(frames=3)
    points[:, MEDIAPIPE_75.index("left_shoulder")] = [0.6, 0.5, 0.1, 1]
    points[:, MEDIAPIPE_75.index("right_shoulder")] = [0.3, 0.1, -0.1, 1]
    origin, size, tilt = signer_frame(points, MEDIAPIPE_75)
    np.testing.assert_allclose(origin, [0.45, 0.3, 0], atol=1e-6)
    assert size == pytest.approx(0.5)  # a triangle of 0.3, 0.4 and 0.5
    assert tilt == pytest.approx(np.arctan2(0.4, 0.3))


def test_roll_is_undone_only_when_asked():
    points = clip()
    points[:, MEDIAPIPE_75.index("left_shoulder"), 1] += 0.2
    left, right = MEDIAPIPE_75.index("left_shoulder"), MEDIAPIPE_75.index("right_shoulder")
    level, rolled = (normalise(points, MEDIAPIPE_75, rotate=rotate) for rotate in (True, False))
    np.testing.assert_allclose(level[:, left, 1], level[:, right, 1], atol=1e-6)
    assert (rolled[:, left, 1] > rolled[:, right, 1] + 0.1).all()
    np.testing.assert_allclose(
        np.linalg.norm(level[..., :2], axis=-1), np.linalg.norm(rolled[..., :2], axis=-1), atol=1e-5
    )


def test_an_outlier_frame_does_not_move_the_signer():
    points = clip(frames=9)
    moved = points.copy()
    moved[4, MEDIAPIPE_75.index("left_shoulder"), :2] = [0.1, 0.9]
    others = [t for t in range(9) if t != 4]
    np.testing.assert_allclose(
        normalise(moved, MEDIAPIPE_75)[others], normalise(points, MEDIAPIPE_75)[others], atol=1e-5
    )


def test_what_was_missing_stays_missing_and_what_was_there_is_only_moved():
    points = clip(frames=20)
    hidden = np.random.default_rng(1).uniform(size=points.shape[:2]) < 0.3
    hidden[:, :33] = False
    points[hidden] = np.nan
    kept = normalise(points, MEDIAPIPE_75, longest_gap=0)
    np.testing.assert_array_equal(seen(kept), ~hidden)
    filled = normalise(points, MEDIAPIPE_75, longest_gap=3)
    assert (seen(filled) | hidden).all()
    assert seen(filled).sum() > seen(kept).sum()
    np.testing.assert_allclose(filled[~hidden], kept[~hidden], atol=1e-5)


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("frames", [1, 5])
def test_any_number_of_channels_and_a_single_frame(channels, frames):
    points = clip(frames=frames)[..., :channels]
    before = points.copy()
    out = normalise(points, MEDIAPIPE_75, aspect=1.5)
    assert out.shape == points.shape
    assert out.dtype == np.float32
    np.testing.assert_array_equal(points, before)
    np.testing.assert_allclose(
        out[..., :2], normalise(clip(frames=frames), MEDIAPIPE_75, aspect=1.5)[..., :2], atol=1e-6
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=14), st.integers(0, 5))
def test_gaps_are_filled_if_and_only_if_short_and_inside(present, longest):
    x = np.where(present, np.arange(len(present), dtype=float), np.nan)
    out = fill_gaps(np.stack([x, x], axis=-1)[:, None], longest)[:, 0, 0]
    for t, there in enumerate(present):
        before = next((i for i in range(t, -1, -1) if present[i]), None)
        after = next((i for i in range(t, len(present)) if present[i]), None)
        short = before is not None and after is not None and after - before - 1 <= longest
        assert np.isfinite(out[t]) == (there or short)
        if there or short:
            assert out[t] == pytest.approx(t)  # a straight line is interpolated exactly


def test_a_clip_seen_from_the_side_without_a_nose_is_scaled_by_the_palm():
    points = clip()
    points[:, MEDIAPIPE_75.index("left_shoulder")] = points[:, MEDIAPIPE_75.index("right_shoulder")]
    points[:, MEDIAPIPE_75.index("nose")] = np.nan
    out = normalise(points, MEDIAPIPE_75)
    hand = MEDIAPIPE_75.selection("left_hand")
    other = MEDIAPIPE_75.selection("right_hand")
    palms = [np.linalg.norm(out[:, h[9], :3] - out[:, h[0], :3], axis=-1) for h in (hand, other)]
    assert np.median(np.concatenate(palms)) == pytest.approx(0.5, abs=1e-5)


def test_a_clip_at_another_rate_shows_the_same_moments():
    x = np.array([0.0, 1, 2, 3, np.nan, 5, 6]).reshape(7, 1, 1)

    def track(fps, rate):
        return at_rate(x, fps, rate).ravel().tolist()

    assert at_rate(x, 30, 30) is x
    # Half as many: every second frame; the last one would end after the clip.
    assert track(50, 25) == pytest.approx([0, 2, np.nan], nan_ok=True)
    # Twice as many: what is missing on one side is missing between; the last frame is held.
    doubled = [0, 0.5, 1, 1.5, 2, 2.5, 3, np.nan, np.nan, np.nan, 5, 5.5, 6, 6]
    assert track(25, 50) == pytest.approx(doubled, nan_ok=True)
    assert track(29.97, 29.97 / 7) == [0]
    assert track(30, 1) == [0], "at least one frame"


def test_a_hand_keeps_its_depth_where_the_wrist_of_the_body_is_not_seen():
    """By hand: z of the body's left wrist is 1, unseen, unseen, 4; the hand's own z is 0.5."""
    points = np.full((4, 75, 3), 0.5, np.float32)
    points[:, MEDIAPIPE_75.index("left_wrist"), 2] = [1, np.nan, np.nan, 4]
    points[:, MEDIAPIPE_75.index("right_wrist"), 2] = np.nan
    moved = hands_at_wrists(points, MEDIAPIPE_75)
    left, right = (MEDIAPIPE_75.index(f"{side}_hand_wrist") for side in ("left", "right"))
    assert moved[:, left, 2].tolist() == [1.5, 1.5, 4.5, 4.5]
    assert moved[:, right, 2].tolist() == [0.5] * 4
