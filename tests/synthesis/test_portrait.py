"""The film that replaces one of a real person: all parts are detected, and one hand gets lost."""

import numpy as np
import pytest
from skimage.data import astronaut

from signlib.errors import SettingsError
from signlib.synthesis.portrait import portrait_clip


def test_the_first_frame_does_not_depend_on_seed_or_length():
    first = portrait_clip(1)
    assert first.shape == (1, 512, 512, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(portrait_clip(3, seed=7)[:1], first)


def test_the_motion_depends_on_the_seed_and_on_nothing_else():
    film = portrait_clip(12, seed=1)
    assert np.array_equal(film, portrait_clip(12, seed=1))
    assert not np.array_equal(film[-1], portrait_clip(12, seed=2)[-1])


def test_the_left_hand_leaves_the_picture_and_comes_back():
    film = portrait_clip(40)
    beside = np.s_[240:, 380:]
    shows_arm = [not np.array_equal(frame[beside], astronaut()[beside]) for frame in film]
    assert shows_arm[:17] == [True] * 17
    assert shows_arm[21:26] == [False] * 5
    assert shows_arm[-10:] == [True] * 10
    steps = np.abs(np.diff(film[:15].astype(int), axis=0)).mean(axis=(1, 2, 3))
    assert 0 < steps.min() <= steps.max() < 3, (
        "grey levels a frame: the motion is gentle, but there is some"
    )


@pytest.mark.parametrize("tracking", [True, False])
def test_all_543_points_are_found_on_the_first_frame(tracking):
    holistic = pytest.importorskip("signlib.extraction.holistic")
    with holistic.Holistic(holistic.LandmarkSettings(tracking=tracking)) as engine:
        points = engine.points(portrait_clip(1))
    assert points.shape == (1, 543, 4)
    assert np.isfinite(points).all()
    # Left and right are the signer's: her left hand is on the right of the picture, and upright.
    assert points[0, 501, 0] > 0.7 > 0.3 > points[0, 522, 0]
    assert (points[0, [501 + 12, 522 + 12], 1] < points[0, [501, 522], 1]).all()


def test_drop_outs_are_on_it_and_few_others(portrait_points):
    seen = np.isfinite(portrait_points[:, [0, 468, 501, 522], 0])
    assert seen[:, :2].all()
    assert 0.5 < seen[:, 2].mean() < 0.8, "the left hand is away for about a third of the film"
    assert not seen[22:26, 2].any()
    assert seen[:, 3].mean() > 0.75


def test_no_frame_is_refused():
    with pytest.raises(SettingsError, match="frames=0"):
        portrait_clip(0)


@pytest.fixture(scope="module")
def portrait_points():
    holistic = pytest.importorskip("signlib.extraction.holistic")
    with holistic.Holistic() as engine:
        return engine.points(portrait_clip(40))
