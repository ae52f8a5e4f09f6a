"""The face: symmetric, in order, and nowhere folded, at rest and moving."""

from itertools import combinations

import numpy as np
import pytest

from signlib.data.skeletons import MEDIAPIPE_543, face_regions
from signlib.synthesis.face import POINTS, average_face, harmonic, neighbour_matrix

FACE = average_face()
MIRROR = np.array(MEDIAPIPE_543.mirror[:POINTS])


def height(points, region):
    return points[list(face_regions()[region]), 1]


def test_harmonic_on_a_path_of_four_is_a_straight_line():
    path = np.diag([1.0, 1, 1], 1) + np.diag([1.0, 1, 1], -1)
    values = harmonic(path, np.array([0, 3]), np.array([[0.0], [3.0]]))
    np.testing.assert_allclose(values, [[0], [1], [2], [3]])


@pytest.mark.parametrize("field", ["rest", "mouth", "brow", "lids"])
def test_the_face_is_its_own_mirror_image(field):
    points = getattr(FACE, field)
    np.testing.assert_array_equal(points[MIRROR], points * [-1, 1, 1])


def test_features_stand_where_a_face_has_them():
    points = FACE.rest
    for side in ("left", "right"):
        assert height(points, f"{side}_brow").max() < height(points, f"{side}_eye").min()
        assert height(points, f"{side}_eye").max() < points[1, 1] < height(points, "lips").min()
    assert height(points, "lips").max() < points[152, 1]
    assert points[33, 0] < points[133, 0] < 0 < points[362, 0] < points[263, 0], "right is -x"
    assert points[:, 2].argmin() in (1, 4), "the tip of the nose is nearest to the camera"
    assert points[[234, 454], 2].min() > points[[61, 291], 2].max(), "cheeks lie behind the mouth"


def triangles():
    """Corner triples of the mesh, each turned as in a drawing that cannot fold (Tutte 1963)."""
    matrix = neighbour_matrix()
    near = [set(np.flatnonzero(row)) for row in matrix]
    triangles = [
        (a, b, c)
        for a in range(POINTS)
        for b, c in combinations(sorted(p for p in near[a] if p > a), 2)
        if c in near[b]
    ]
    oval = np.array(face_regions()["oval"])
    angle = np.arctan2(FACE.rest[oval, 0], -FACE.rest[oval, 1])
    flat = harmonic(matrix, oval, np.column_stack([np.sin(angle), -np.cos(angle)]))
    return np.array(triangles), area(flat, np.array(triangles))


def area(points, corners):
    a, b, c = (points[corners[:, k], :2] for k in range(3))
    return np.cross(b - a, c - a)


@pytest.mark.parametrize(
    ("mouth", "brow", "lids"), [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]
)
def test_no_triangle_is_folded(mouth, brow, lids):
    corners, reference = triangles()
    assert len(corners) > 800
    assert np.abs(reference).min() > 0
    points = FACE.rest + mouth * FACE.mouth + brow * FACE.brow + lids * FACE.lids
    folded = corners[np.sign(area(points, corners)) != np.sign(reference)]
    assert len(folded) == 0, folded[:5]


def test_movements_move_their_region_and_leave_the_rest():
    lower_lip, upper_lip = 14, 13
    assert FACE.mouth[lower_lip, 1] - FACE.mouth[upper_lip, 1] > 0.2
    assert (height(FACE.brow, "left_brow") < -0.1).all()
    assert np.abs(height(FACE.brow, "lips")).max() < 1e-3
    assert FACE.rest[159, 1] + FACE.lids[159, 1] == pytest.approx(FACE.rest[145, 1], abs=0.02)
    assert np.abs(height(FACE.mouth, "left_eye")).max() < 1e-3
