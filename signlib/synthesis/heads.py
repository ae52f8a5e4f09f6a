"""A head for the renderer: the face mesh as a dense relief, with features painted from its points.

The relief follows `face.average_face`, so the tip of the nose in the picture lies where the
landmark lies; eyes, brows and lips are polygons through the projected points themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.synthesis.face import MOUTH_RINGS, RIGHT_BROW, RIGHT_EYE, average_face
from signlib.synthesis.surfaces import Canvas, Lens, draw_ellipsoid

# Face points that no expression moves: they tell where the head is.
STILL = (
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    109,
    67,
    103,
    54,
    21,
    162,
    127,
    168,
    6,
    197,
    195,
    5,
    4,
    1,
    94,
    454,
    234,
)
CHIN = 152
# The outlines of the right brow, of the lips and of the opening between them.
BROW_RING = (*RIGHT_BROW[0], *reversed(RIGHT_BROW[1]))
LIPS, MOUTH = MOUTH_RINGS[1], MOUTH_RINGS[4]

# What is painted on the face; 0 = skin.
WHITE, IRIS, PUPIL, LASH, BROW, LIP, CAVITY, TEETH, NOSTRIL = range(1, 10)

# The point of the face whose perspective the whole relief takes.
_FRONT = np.array([0.0, 0.1, -0.78])
# Cells of the relief in a face half-height.
_CELLS = 96
_SIDE, _HIGH = 1.0, 1.25
# How far the chin drops for an open mouth; skin at height y moves y squared times as far.
_OPENING = 0.2125
_EYE = 0.11
_IRIS = 0.052

# Middle and half axes of ellipsoids, in face half-heights: skull, jaw and ears.
_SKULL = (
    ((0, -0.28, 0.22), (0.77, 0.80, 0.92)),
    ((0, 0.30, -0.16), (0.70, 0.66, 0.52)),
    ((-0.83, 0.02, 0.05), (0.09, 0.20, 0.14)),
    ((0.83, 0.02, 0.05), (0.09, 0.20, 0.14)),
)
# What covers the skull; what hangs on both sides and behind; a bun.
_CAP = ((0, -0.40, 0.33), (0.89, 0.96, 1.02))
_HAIRCUTS = {
    "bald": (),
    "short": (_CAP,),
    "fringe": (_CAP,),
    "long": (
        _CAP,
        ((-0.72, 0.45, 0.30), (0.24, 1.05, 0.50)),
        ((0.72, 0.45, 0.30), (0.24, 1.05, 0.50)),
        ((0, 0.3, 0.5), (0.85, 1.1, 0.6)),
    ),
    "bun": (_CAP, ((0, -1.20, 0.45), (0.36, 0.32, 0.36))),
}


@lru_cache
def relief() -> tuple[np.ndarray, np.ndarray]:
    """The face on a grid over x and y in face half-heights, computed once a process.

    Returns:
        z (H, W) float32, and (H, W, 3) float32: the normal's x and y, and how much light reaches
        hollows, up to 1.
    """
    from scipy.interpolate import griddata

    rest = average_face().rest
    y, x = np.mgrid[-_HIGH : _HIGH : 1 / _CELLS, -_SIDE : _SIDE : 1 / _CELLS]
    z: np.ndarray = griddata(rest[:, :2], rest[:, 2], (x, y), method="linear")
    # Beyond the mesh the cheeks continue around the skull.
    skull = -0.88 * np.sqrt(1 - np.minimum(np.abs(x) / 0.84, 0.97) ** 2) * (1 - 0.22 * y**2)
    inside = (x / 0.70) ** 2 + (y / 0.94) ** 2 < 1
    z = np.where(inside, z, skull).astype(np.float32)
    z = np.asarray(cv2.GaussianBlur(z, (0, 0), 2.2), np.float32)
    # Eye sockets, cheeks and the folds beside the mouth; then the chin and the hollow above it.
    for side in (-1, 1):
        z += 0.07 * np.exp(-(((x - side * 0.31) / 0.15) ** 2) - ((y + 0.21) / 0.075) ** 2)
        z -= 0.03 * np.exp(-(((x - side * 0.42) / 0.16) ** 2) - ((y - 0.12) / 0.13) ** 2)
        z += 0.02 * np.exp(-(((x - side * 0.24) / 0.05) ** 2) - ((y - 0.38) / 0.10) ** 2)
    z -= 0.03 * np.exp(-((x / 0.16) ** 2) - ((y - 0.86) / 0.10) ** 2)
    z += 0.03 * np.exp(-((x / 0.16) ** 2) - ((y - 0.69) / 0.05) ** 2)
    z = z.astype(np.float32)
    slope_y, slope_x = np.gradient(z, 1 / _CELLS)
    over = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    hollow = z - cv2.GaussianBlur(z, (0, 0), 0.12 * _CELLS)
    light = np.clip(1 - 2.2 * np.maximum(hollow, 0) - 0.35 * np.maximum(hollow, 0) ** 0.5, 0.6, 1.0)
    return z, np.dstack([slope_x * over, slope_y * over, light]).astype(np.float32)


@dataclass(frozen=True)
class Pose:
    """Where a head is in one frame.

    Attributes:
        axes: (3, 3) metres of camera space for a face half-height along the head's x, y and z
            (columns).
        centre: (3,) metres of camera space.
        mouth: 0 closed .. 1 open.
    """

    axes: np.ndarray
    centre: np.ndarray
    mouth: float


def head_poses(face: np.ndarray) -> list[Pose]:
    """Where the head is in each frame.

    Args:
        face: (T, 468, 3) metres of camera space.
    """
    rest = average_face().rest
    inverse = np.linalg.pinv(np.column_stack([rest[list(STILL)], np.ones(len(STILL))]))
    fits = np.einsum("ij,tjc->tci", inverse, face[:, list(STILL)])
    poses = []
    for fit, chin in zip(fits, face[:, CHIN], strict=True):
        axes, centre = fit[:, :3], fit[:, 3]
        drop = np.linalg.solve(axes, chin - centre)[1] - rest[CHIN, 1]
        poses.append(Pose(axes, centre, float(np.clip(drop / _OPENING, 0, 1.5))))
    return poses


def draw_skull(
    canvas: Canvas, pose: Pose, lens: Lens, *, head: int, hair: int, haircut: str
) -> None:
    """Draw the head behind the face: skull, jaw, ears and hair.

    Args:
        head, hair: materials.
        haircut: one of `appearance.HAIRCUTS`.
    """
    solids = [(*solid, head) for solid in _SKULL]
    solids += [(*solid, hair) for solid in _HAIRCUTS[haircut]]
    for middle, size, material in solids:
        centre = lens.project(pose.centre + pose.axes @ middle)
        scale = float(lens.scale(centre[2] - lens.distance))
        draw_ellipsoid(canvas, centre, scale * pose.axes * size, scale=scale, material=material)


def draw_face(
    canvas: Canvas, pose: Pose, lens: Lens, *, head: int, hair: int, hairline: float | None
) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """Draw the relief of the face.

    Args:
        head, hair: materials.
        hairline: hair covers the forehead above this height (in face half-heights, negative); None
            = nowhere.

    Returns:
        Its box, and (h, w) how much light reaches each pixel's hollow; None outside the picture.
    """
    heights, shapes = relief()
    front = lens.project(pose.centre + pose.axes @ _FRONT)
    scale = float(lens.scale(front[2] - lens.distance))
    axes = scale * pose.axes
    reach = np.abs(axes[:2]) @ (0.86, 1.3, 0.6)
    box = canvas.box(*(front[:2] - reach), *(front[:2] + reach))
    if box is None:
        return None
    inverse = np.linalg.inv(axes).astype(np.float32)
    u = np.arange(box[1].start, box[1].stop, dtype=np.float32) + np.float32(0.5 - front[0])
    v = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None]
    v += np.float32(0.5 - front[1])
    # Each pixel's ray: its point at the depth of `_FRONT`, then further along `deeper`.
    x0, y0, z0 = (u * inverse[k, 0] + v * inverse[k, 1] + np.float32(_FRONT[k]) for k in range(3))
    deeper, drop = inverse[:, 2], np.float32(_OPENING * pose.mouth)
    far = np.zeros_like(x0)
    # How far along its ray each pixel meets the relief, approached in four steps.
    for _ in range(4):
        column, row = _cells(x0 + far * deeper[0], y0 + far * deeper[1], drop)
        z = cv2.remap(heights, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        far += np.float32(0.8) / deeper[2] * (z - z0 - far * deeper[2])
    column, row = _cells(x0 + far * deeper[0], y0 + far * deeper[1], drop)
    shape = cv2.remap(shapes, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y = column / _CELLS - np.float32(_SIDE), row / _CELLS - np.float32(_HIGH)
    beside = x * x / np.float32(0.775**2) + y * y > 1
    depth = np.float32(front[2]) + far / np.float32(scale)
    depth[beside] = np.inf
    nx, ny, light = shape[..., 0], shape[..., 1], shape[..., 2]
    nz = -np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))
    turn = (axes / np.linalg.norm(axes, axis=0)).astype(np.float32)
    across, down = (turn[k, 0] * nx + turn[k, 1] * ny + turn[k, 2] * nz for k in range(2))
    canvas.put(box, depth, nx=across, ny=down, material=head)
    if hairline is not None:
        covered = y < np.float32(hairline) + np.float32(0.55) * x * x - np.float32(0.08) * x
        canvas.material[box][covered & ~beside & (canvas.z[box] == depth)] = hair
    return box, light


def _cells(x: np.ndarray, y: np.ndarray, drop: np.float32) -> tuple[np.ndarray, np.ndarray]:
    # Columns and rows of the relief; skin that an open mouth moved down counts where it was.
    if drop > 1e-3:
        low = np.maximum(y, 0)
        y = y - low + (np.sqrt(1 + 4 * drop * low) - 1) / (2 * drop)
    cells = np.float32(_CELLS)
    return (x + np.float32(_SIDE)) * cells, (y + np.float32(_HIGH)) * cells


def paint_features(
    face: np.ndarray, gaze: np.ndarray, pose: Pose, lens: Lens, box: tuple[slice, slice]
) -> np.ndarray:
    """What is painted on the face within `box`: (h, w) uint8, 0 = skin, or WHITE, IRIS, ...

    Args:
        face: (468, 2) pixels.
        gaze: (2,) radians that both eyes look to the signer's left and upwards, relative to the
            head.
        box: rows and columns of the picture.
    """
    labels = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), np.uint8)
    corner = np.array([box[1].start + 0.5, box[0].start + 0.5])
    scale = float(lens.scale(pose.centre[2])) * float(np.linalg.norm(pose.axes[:, 1]))
    points = face - corner

    def polygon(picture: np.ndarray, ring: Sequence[int], label: int) -> None:
        cv2.fillPoly(picture, [_fixed(points[list(ring)])], (label,), shift=4)

    mirror = MEDIAPIPE_543.mirror
    for brow in (BROW_RING, [mirror[point] for point in BROW_RING]):
        polygon(labels, brow, BROW)
    polygon(labels, LIPS, LIP)
    polygon(labels, MOUTH, CAVITY)
    inside = points[list(MOUTH)]
    opening = inside[5, 1] - inside[15, 1]
    if opening > 0.06 * scale:
        below = inside[19:10:-1] + (0, min(0.3 * opening, 0.07 * scale))
        part = np.zeros_like(labels)
        cv2.fillPoly(part, [_fixed(np.concatenate([inside[11:20], below]))], (1,), shift=4)
        labels[(part > 0) & (labels == CAVITY)] = TEETH
    elif opening < 0.03 * scale:
        closed = points[[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]]
        _line(labels, closed, CAVITY, 0.02 * scale)
    for nostril in (98, 327):
        _disc(labels, points[nostril] * 0.62 + points[2] * 0.38, 0.026 * scale, NOSTRIL)
    look = np.array([np.sin(gaze[0]), -np.sin(gaze[1])]) * _EYE
    shift = scale * (pose.axes[:2, :2] / np.linalg.norm(pose.axes[:, 1])) @ look
    for eye in (RIGHT_EYE, [mirror[point] for point in RIGHT_EYE]):
        _paint_eye(labels, points[list(eye)], shift, scale)
    return labels


def _paint_eye(labels: np.ndarray, ring: np.ndarray, shift: np.ndarray, scale: float) -> None:
    """Paint an eye into `labels`, in place.

    Args:
        ring: (16, 2) pixels of its outline.
        shift: (2,) pixels by which the iris is off its middle.
        scale: pixels a face half-height.
    """
    middle = (ring[0] + ring[8]) / 2
    # Unless the lids are closed.
    if np.hypot(*(ring[4] - ring[12])) > 0.025 * scale:
        ball = np.zeros_like(labels)
        cv2.fillPoly(ball, [_fixed(ring)], (1,), shift=4)
        labels[ball > 0] = WHITE
        for label, radius in ((IRIS, _IRIS), (PUPIL, 0.45 * _IRIS)):
            disc = np.zeros_like(labels)
            _disc(disc, middle + shift, radius * scale, 1)
            labels[(disc & ball) > 0] = label
    _line(labels, ring[8:], LASH, 0.022 * scale)
    _line(labels, ring[[15, 0]], LASH, 0.022 * scale)


def _line(labels: np.ndarray, points: np.ndarray, label: int, width: float) -> None:
    # Paint a line through points (P, 2).
    thickness = max(1, round(width))
    cv2.polylines(labels, [_fixed(points)], False, (label,), thickness=thickness, shift=4)


def _disc(labels: np.ndarray, middle: np.ndarray, radius: float, label: int) -> None:
    cv2.circle(labels, _fixed(middle).tolist(), int(radius * 16), (label,), thickness=-1, shift=4)


def _fixed(points: np.ndarray) -> np.ndarray:
    # Pixels as OpenCV's numbers with four binary places.
    return np.round(points * 16).astype(np.int32)
