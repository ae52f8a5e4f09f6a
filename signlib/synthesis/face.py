"""A face in 3-D for the 468 mesh points, which come with a topology but no geometry.

Oval, eyes, brows, lips and the ridge of the nose are drawn where an average face has them; every
other point is the mean of its neighbours (a Laplace system), and the flat result is bent around a
head. The same system carries mouth, brow and lid movements from the drawn points to the skin.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from signlib.data.skeletons import MEDIAPIPE_543

POINTS = 468
Place = tuple[float, float]
_OVAL = (
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_BROW = ((46, 53, 52, 65, 55), (70, 63, 105, 66, 107))
# Rings from the skin around the mouth to the inner edge of the lips.
MOUTH_RINGS = (
    (57, 43, 106, 182, 83, 18, 313, 406, 335, 273, 287, 410, 322, 391, 393, 164, 167, 165, 92, 186),
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 408, 304, 303, 302, 11, 72, 73, 74, 184),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 407, 272, 271, 268, 12, 38, 41, 42, 183),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
_MOUTH_SIZES = ((0.33, 0.175), (0.27, 0.12), (0.25, 0.085), (0.23, 0.05), (0.21, 0.014))
_NOSE = {
    168: -0.22,
    6: -0.12,
    197: -0.03,
    195: 0.05,
    5: 0.12,
    4: 0.18,
    1: 0.23,
    19: 0.27,
    94: 0.295,
    2: 0.32,
}
_OPENING = 0.25
_RAISE = 0.12


@dataclass(frozen=True)
class Face:
    """Points in face half-heights around the centre of the head.

    Axes: x left, y down, z away from the camera.

    Attributes:
        rest: (468, 3) mouth closed, eyes open.
        mouth, brow, lids: (468, 3) to be added for a fully open mouth, raised brows, closed eyes.
    """

    rest: np.ndarray
    mouth: np.ndarray
    brow: np.ndarray
    lids: np.ndarray


def neighbour_matrix() -> np.ndarray:
    """(468, 468) 1 where two points of the face mesh share an edge."""
    return MEDIAPIPE_543.adjacency[:POINTS, :POINTS].astype(float)


@lru_cache
def average_face() -> Face:
    """The face of every signer before scaling; exactly symmetric, computed once a process."""
    drawn = _drawn()
    places = np.array(list(drawn))
    fixed = np.zeros((len(places), 8))
    fixed[:, :2] = list(drawn.values())
    _movements(drawn, places, fixed)
    solved = harmonic(neighbour_matrix(), places, fixed)
    # Its mean with its own mirror image is symmetric, whatever the mesh is.
    mirror = np.array(MEDIAPIPE_543.mirror[:POINTS])
    solved = (solved + solved[mirror] * np.tile([-1.0, 1.0], 4)) / 2
    # Rounded, so that the number of BLAS threads cannot change a byte of a clip.
    solved = np.round(solved, 6)
    x, y = solved[:, 0], solved[:, 1]
    # How far forward each point lies: an elliptic skull, on it the ridge of the nose and the lips.
    skull = -0.88 * np.sqrt(1 - (x / 0.82) ** 2) * (1 - 0.22 * y**2)
    nose = -0.34 * np.exp(-((x / 0.10) ** 2) - (((y - 0.20) / np.where(y < 0.20, 0.24, 0.07)) ** 2))
    lips = -0.05 * np.exp(-((x / 0.22) ** 2) - ((y - 0.50) / 0.12) ** 2)
    zero = np.zeros(POINTS)
    rest, mouth, brow, lids = (np.column_stack([solved[:, k : k + 2], zero]) for k in (0, 2, 4, 6))
    rest[:, 2] = np.round(skull + nose + lips, 6)
    return Face(rest, mouth, brow, lids)


def harmonic(neighbours: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, D) for points of which some are given and every other one is the mean of its neighbours.

    Args:
        neighbours: (N, N) 1 where two points share an edge.
        places: (P,) numbers of the given points; values: (P, D) theirs.
    """
    free = np.setdiff1d(np.arange(len(neighbours)), places)
    laplacian = np.diag(neighbours.sum(1)) - neighbours
    result = np.zeros((len(neighbours), values.shape[1]))
    result[places] = values
    pull = neighbours[np.ix_(free, places)] @ values
    result[free] = np.linalg.solve(laplacian[np.ix_(free, free)], pull)
    return result


def _ring(
    points: tuple[int, ...], x: float, y: float, width: float, height: float
) -> dict[int, Place]:
    # An ellipse that starts at its outer right corner and runs along the lower side first.
    turn = 2 * np.pi * np.arange(len(points)) / len(points)
    return {
        point: (x - width * np.cos(angle), y + height * np.sin(angle))
        for point, angle in zip(points, turn, strict=True)
    }


def _drawn() -> dict[int, Place]:
    # Point -> (x, y) of every point that is placed by hand, both sides.
    half = np.pi * np.arange(len(_OVAL)) / (len(_OVAL) - 1)
    drawn = {p: (0.76 * np.sin(a), -np.cos(a)) for p, a in zip(_OVAL, half, strict=True)}
    drawn |= _ring(RIGHT_EYE, x=-0.33, y=-0.20, width=0.135, height=0.05)
    for row, base in zip(RIGHT_BROW, (-0.37, -0.43), strict=True):
        for p, x in zip(row, np.linspace(-0.56, -0.12, len(row)), strict=True):
            drawn[p] = (x, base - 0.06 * (1 - ((x + 0.30) / 0.26) ** 2))
    drawn[98] = (-0.10, 0.29)
    # The other side, then what lies on the midline.
    drawn |= {MEDIAPIPE_543.mirror[p]: (-x, y) for p, (x, y) in drawn.items()}
    drawn |= {p: (0.0, y) for p, y in _NOSE.items()}
    for ring, (width, height) in zip(MOUTH_RINGS, _MOUTH_SIZES, strict=True):
        drawn |= _ring(ring, x=0, y=0.52, width=width, height=height)
    return drawn


def _movements(drawn: dict[int, Place], places: np.ndarray, fixed: np.ndarray) -> None:
    # Write into the y columns 3, 5, 7 how mouth, brow and lid move the drawn points.
    row = {int(p): i for i, p in enumerate(places)}
    mirror = MEDIAPIPE_543.mirror
    # The lower half of each ring goes down, the upper one of the lips a little up.
    for ring, (down, up) in zip(MOUTH_RINGS, ((0.9, 0.0), *[(1.0, 0.15)] * 4), strict=True):
        for k in range(1, 10):
            fixed[row[ring[k]], 3] = down * _OPENING * np.sin(np.pi * k / 10)
            fixed[row[ring[-k]], 3] = -up * _OPENING * np.sin(np.pi * k / 10)
    for p in _OVAL[-6:]:
        fixed[[row[p], row[mirror[p]]], 3] = 0.85 * _OPENING * drawn[p][1] ** 2
    for p in RIGHT_BROW[0] + RIGHT_BROW[1]:
        fixed[[row[p], row[mirror[p]]], 5] = -_RAISE
    for upper, lower in zip(RIGHT_EYE[9:], RIGHT_EYE[7:0:-1], strict=True):
        fixed[[row[upper], row[mirror[upper]]], 7] = 0.9 * (drawn[lower][1] - drawn[upper][1])
