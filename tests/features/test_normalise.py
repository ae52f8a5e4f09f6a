"""Normalised landmarks do not tell where the camera stood."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.data.skeletons import HANDS_42, MEDIAPIPE_543, MEDIAPIPE_75, NTU_25
from signlib.errors import ClipError
from signlib.features.normalise import fill_gaps, masked, mirror, normalise, seen, to_square_pixels


def clip(skeleton=MEDIAPIPE_75, frames=12, seed=0):
    """Random points with shoulders where shoulders are, visibility last."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.2, 0.8, (frames, len(skeleton), 4)).astype(np.float32)
    if skeleton.has("left_shoulder"):
        points[:, skeleton.index("left_shoulder"), :2] = [0.65, 0.5]
        points[:, skeleton.index("right_shoulder"), :2] = [0.35, 0.5]
    return points


def test_gaps_are_filled_by_run_length():
    x = np.array([np.nan, 0, np.nan, 2, np.nan, np.nan, np.nan, 6, np.nan])
    points = np.stack([x, x], axis=-1)[:, None]
    filled = fill_gaps(points, 2)[:, 0, 0]
    np.testing.assert_array_equal(filled, [np.nan, 0, 1, 2, np.nan, np.nan, np.nan, 6, np.nan])
    np.testing.assert_array_equal(fill_gaps(points, 3)[:, 0, 0], [np.nan, 0, 1, 2, 3, 4, 5, 6, np.nan])
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
    np.testing.assert_allclose(out[:, MEDIAPIPE_75.index("left_shoulder"), :2], [[0.5, 0]] * 12, atol=1e-6)
    np.testing.assert_allclose(out[:, MEDIAPIPE_75.index("right_shoulder"), :2], [[-0.5, 0]] * 12, atol=1e-6)
    np.testing.assert_array_equal(out[..., 3], points[..., 3])


@pytest.mark.parametrize("skeleton", [MEDIAPIPE_543, MEDIAPIPE_75, HANDS_42, NTU_25], ids=lambda s: s.name)
def test_mirroring_twice_is_the_clip_itself_and_once_is_not(skeleton):
    points = clip(skeleton)
    np.testing.assert_allclose(mirror(mirror(points, skeleton, 0.5), skeleton, 0.5), points, atol=1e-6)
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
    palms = [
        np.linalg.norm(out[:, b + 9, :3] - out[:, b, :3], axis=-1) for b in (0, 21)
    ]
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
