"""The z-buffer's surfaces against hand-worked spheres and a brute-force search for the nearest."""

import numpy as np
import pytest

from signlib.synthesis.surfaces import (
    Canvas,
    Lens,
    draw_capsules,
    draw_ellipsoid,
    draw_plates,
    draw_trunk,
)

SCALE = 100.0


def capsule(canvas, start, end, material=1):
    draw_capsules(
        canvas,
        np.array([start], float),
        np.array([end], float),
        np.array([SCALE]),
        np.array([material]),
    )


def brute_force(start, end, width, height):
    """Depth of a capsule: the nearest of many spheres along it at every pixel's centre."""
    y, x = np.mgrid[:height, :width] + 0.5
    nearest = np.full((height, width), np.inf)
    for t in np.linspace(0, 1, 400):
        cx, cy, cz, r = np.array(start) + t * (np.array(end) - start)
        rise = r**2 - (x - cx) ** 2 - (y - cy) ** 2
        z = np.where(rise > 0, cz - np.sqrt(np.maximum(rise, 0)) / SCALE, np.inf)
        nearest = np.minimum(nearest, z)
    return nearest


def test_a_sphere_has_its_area_its_nearest_point_and_its_normals():
    canvas = Canvas.blank(64, 64)
    capsule(canvas, (32.5, 30.5, 2.0, 20), (32.5, 30.5, 2.0, 20))
    assert canvas.z[30, 32] == pytest.approx(2.0 - 20 / SCALE, abs=1e-4)
    assert (canvas.material == 1).sum() == pytest.approx(np.pi * 20**2, rel=0.01)
    assert canvas.nx[30, 42] == pytest.approx(0.5, abs=1e-3)
    assert canvas.ny[20, 32] == pytest.approx(-0.5, abs=1e-3)
    assert np.isinf(canvas.z[0, 0])
    assert canvas.material[0, 0] == 0


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((15, 20, 2.0, 9), (70, 60, 2.0, 9)),
        ((15, 20, 2.0, 9), (70, 60, 2.3, 5)),
        ((40, 40, 2.4, 8), (48, 36, 2.0, 10)),
        ((40, 40, 2.4, 8), (40, 40, 2.0, 8)),
        ((-5, 70, 2.0, 12), (60, 90, 1.9, 9)),
    ],
)
def test_a_capsule_is_where_its_spheres_are(start, end):
    canvas = Canvas.blank(80, 80)
    capsule(canvas, start, end)
    truth = brute_force(start, end, 80, 80)
    there, seen = np.isfinite(truth), canvas.material == 1
    assert (there != seen).sum() <= 2, "pixels of the outline"
    both = there & seen
    np.testing.assert_allclose(
        canvas.z[both] * SCALE, truth[both] * SCALE, atol=0.02, err_msg="pixels"
    )


def test_the_nearer_surface_wins_in_either_order():
    ends = np.array([[20, 20, 2.0, 10], [24, 20, 1.0, 5]], float)
    for order in ([0, 1], [1, 0]):
        canvas = Canvas.blank(40, 40)
        draw_capsules(canvas, ends[order], ends[order], np.full(2, SCALE), np.array([1, 2])[order])
        assert canvas.material[20, 24] == 2
        assert canvas.material[20, 12] == 1


def test_what_lies_outside_the_picture_is_left_out():
    canvas = Canvas.blank(40, 40)
    for x, y in ((-50, 20), (90, 20), (20, -50), (20, 90)):
        capsule(canvas, (x, y, 2.0, 8), (x + 3, y, 2.0, 8))
        draw_ellipsoid(canvas, np.array([x, y, 2.0]), 8 * np.eye(3), scale=SCALE, material=1)
    assert (canvas.material == 0).all()


def test_a_round_ellipsoid_is_a_sphere_and_a_turned_one_turns():
    ball, ellipsoid = Canvas.blank(64, 64), Canvas.blank(64, 64)
    capsule(ball, (31, 33, 2.0, 15), (31, 33, 2.0, 15))
    draw_ellipsoid(ellipsoid, np.array([31, 33, 2.0]), 15 * np.eye(3), scale=SCALE, material=1)
    assert (ball.material != ellipsoid.material).sum() <= 2
    seen = (ball.material == 1) & (ellipsoid.material == 1)
    for part in ("z", "nx", "ny"):
        np.testing.assert_allclose(
            getattr(ball, part)[seen], getattr(ellipsoid, part)[seen], atol=2e-3
        )
    turned = Canvas.blank(64, 64)
    slope = np.sqrt(0.5)
    turn = np.array([[slope, -slope, 0], [slope, slope, 0], [0, 0, 1]])
    draw_ellipsoid(
        turned, np.array([32, 32, 2.0]), turn @ np.diag([20, 5, 5]), scale=SCALE, material=1
    )
    assert turned.material[44, 44] == 1
    assert turned.material[44, 20] == 0


def test_a_plate_stands_before_its_corners_and_fills_its_triangle():
    canvas = Canvas.blank(60, 60)
    corners = np.array([[[10, 10, 2.0], [50, 10, 2.0], [10, 50, 2.0]]])
    draw_plates(canvas, corners, np.full((1, 3), 4.0), np.array([SCALE]), np.array([5]))
    assert canvas.z[20, 20] == pytest.approx(2.0 - 4 / SCALE)
    assert canvas.material[12, 45] == 5
    assert canvas.material[45, 45] == 0
    edge_on = Canvas.blank(60, 60)
    draw_plates(
        edge_on,
        np.array([[[10, 10, 2.0], [50, 10, 2.0], [30, 10, 2.4]]]),
        np.ones((1, 3)),
        np.array([SCALE]),
        np.array([5]),
    )
    assert (edge_on.material == 0).all()


def test_a_trunk_turned_sideways_is_as_wide_as_it_is_deep():
    profile = np.array([(0.0, 30, 12), (1.0, 30, 12)])
    widths = []
    for turn in (0.0, np.pi / 2):
        canvas = Canvas.blank(100, 60)
        draw_trunk(
            canvas,
            np.array([50, 5, 2.0]),
            np.array([50, 55, 2.0]),
            turn=turn,
            scale=SCALE,
            profile=profile,
            material=1,
        )
        widths.append((canvas.material[30] == 1).sum())
        assert np.nanmin(canvas.z[30]) == pytest.approx(2.0 - (12, 30)[turn > 0] / SCALE, abs=1e-3)
    assert widths == [60, 24]


def test_the_lens_sees_a_metre_at_the_hips_as_its_zoom_and_half_of_it_twice_as_far():
    lens = Lens((100.0, 50.0), 2.0, 80.0)
    placed = lens.project(np.array([[1.0, 0.5, 0.0], [1.0, 0.5, 2.0]]))
    np.testing.assert_allclose(placed, [[180, 90, 2.0], [140, 70, 4.0]])
