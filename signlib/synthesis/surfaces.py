"""A z-buffer and the few surfaces a body is made of, each drawn in its own box.

Every surface is exact for parallel rays at its own depth and placed by the perspective of its ends,
which is right to a fraction of a pixel for limbs. Positions are (x, y) in pixels with the picture's
corner at 0 and z in metres from the camera.
"""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

Number = TypeVar("Number", float, np.ndarray)

# Triangles whose normal has less than this towards the camera show nothing but their edges.
EDGE_ON = 0.2
# Sides of the boxes in which limbs are drawn; those of one side are computed together.
TILES = np.array([12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 192, 256, 384, 512, 1024, 2048])


class Lens:
    """Camera space -> pixels: perspective around the hips.

    Attributes:
        origin: (2,) pixels of the hips.
        distance: metres from camera to hips.
        zoom: pixels a metre at that distance.
    """

    def __init__(self, origin: tuple[float, float], distance: float, zoom: float) -> None:
        self.origin, self.distance, self.zoom = np.array(origin), distance, zoom

    def scale(self, z: Number) -> Number:
        """Pixels a metre at `z` metres behind the hips."""
        return self.zoom / (1 + z / self.distance)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) x, y in pixels and z in metres from the camera, of points around the hips."""
        scale = self.scale(points[..., 2:])
        pixels = self.origin + scale * points[..., :2]
        return np.concatenate([pixels, self.distance + points[..., 2:]], -1)


@dataclass
class Canvas:
    """What is nearest at each pixel.

    Attributes:
        z: (H, W) metres from the camera, inf = nothing.
        nx, ny: (H, W) of the unit normal; the normal's z is negative, towards the camera.
        material: (H, W) uint8, 0 = nothing.
    """

    z: np.ndarray
    nx: np.ndarray
    ny: np.ndarray
    material: np.ndarray

    @classmethod
    def blank(cls, width: int, height: int) -> "Canvas":
        """A canvas with nothing on it."""
        shape = (height, width)
        return cls(
            z=np.full(shape, np.inf, np.float32),
            nx=np.zeros(shape, np.float32),
            ny=np.zeros(shape, np.float32),
            material=np.zeros(shape, np.uint8),
        )

    def clear(self) -> None:
        """Take everything off."""
        self.z.fill(np.inf)
        self.material.fill(0)

    def box(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[slice, slice] | None:
        """Rows and columns of a rectangle within the picture; None when it lies outside."""
        height, width = self.z.shape
        rows = slice(max(int(top), 0), min(int(np.ceil(bottom)), height))
        columns = slice(max(int(left), 0), min(int(np.ceil(right)), width))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def put(
        self,
        box: tuple[slice, slice],
        z: np.ndarray,
        *,
        nx: np.ndarray | float,
        ny: np.ndarray | float,
        material: int,
    ) -> None:
        """Keep a surface where it is nearer than what was drawn before; inf or NaN = no surface."""
        here = self.z[box]
        nearer = z < here
        np.copyto(here, z, where=nearer)
        np.copyto(self.nx[box], nx, where=nearer)
        np.copyto(self.ny[box], ny, where=nearer)
        np.copyto(self.material[box], material, where=nearer)


def draw_capsules(
    canvas: Canvas, start: np.ndarray, end: np.ndarray, scale: np.ndarray, material: np.ndarray
) -> None:
    """Draw spheres that slide along a line while their radius changes.

    Args:
        start, end: (K, 4) x, y, z and radius in pixels of both ends.
        scale: (K,) pixels a metre.
        material: (K,) 1..255.
    """
    low = np.floor(np.minimum(start[:, :2] - start[:, 3:], end[:, :2] - end[:, 3:]))
    high = np.maximum(start[:, :2] + start[:, 3:], end[:, :2] + end[:, 3:])
    height, width = canvas.z.shape
    seen = (high > 0).all(1) & (low[:, 0] < width) & (low[:, 1] < height)
    seen &= (high - low).max(1) < TILES[-1]
    tile = np.searchsorted(TILES, (high - low).max(1) + 1)
    for size in np.unique(tile[seen]):
        group = np.flatnonzero(seen & (tile == size))
        z, nx, ny = _capsules(
            start[group], end[group], scale[group], low=low[group], high=high[group]
        )
        for k, one in enumerate(group):
            x, y = int(low[one, 0]), int(low[one, 1])
            rows = slice(max(-y, 0), min(z.shape[1], height - y))
            columns = slice(max(-x, 0), min(z.shape[2], width - x))
            box = slice(rows.start + y, rows.stop + y), slice(columns.start + x, columns.stop + x)
            canvas.put(
                box,
                z[k, rows, columns],
                nx=nx[k, rows, columns],
                ny=ny[k, rows, columns],
                material=material[one],
            )


def _capsules(
    start: np.ndarray, end: np.ndarray, scale: np.ndarray, *, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, nx, ny (K, h, w) of capsules in boxes of one size; z is inf beside them.

    Args:
        start, end, scale: as for `draw_capsules`.
        low, high: (K, 2) pixels between which each capsule lies; its box begins at `low`.
    """

    def column(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)[:, None, None]

    rows, columns = (int((high - low)[:, axis].max()) + 1 for axis in (1, 0))
    x = column(low[:, 0] + 0.5 - start[:, 0]) + np.arange(columns, dtype=np.float32)
    y = column(low[:, 1] + 0.5 - start[:, 1]) + np.arange(rows, dtype=np.float32)[:, None]
    step = end - start
    length = np.hypot(step[:, 0], step[:, 1])
    # Seen along its axis the thicker end hides the taper.
    end_on = length < 1.05 * np.abs(step[:, 3]) + 1e-3
    first = np.where(end_on, np.maximum(start[:, 3], end[:, 3]), start[:, 3])
    widening = np.where(end_on, 0, step[:, 3])
    right, down = np.where(length > 1e-6, step[:, :2].T / np.maximum(length, 1e-6), [[1], [0]])
    length = np.maximum(length, 1e-3)
    slant = step[:, 2] * scale
    along = x * column(right) + y * column(down)
    aside = y * column(right) - x * column(down)
    aside *= aside
    # The nearest of all spheres at a pixel: z(t) - sqrt(r(t)^2 - distance(t)^2) is least, a
    # quadratic equation in t.
    span = length**2 - widening**2
    t = column(length * first) + along * column(widening)
    t *= t
    t -= aside * column(span)
    np.sqrt(np.maximum(t, 0, out=t), out=t)
    t *= column(-slant / np.sqrt(slant**2 + span))
    t += along * column(length)
    t += column(first * widening)
    t *= column(1 / span)
    np.minimum(np.maximum(t, 0, out=t), 1, out=t)
    along -= t * column(length)
    r = column(first) + t * column(widening)
    rise = r * r
    rise -= along * along
    rise -= aside
    hit = rise > 0
    np.sqrt(np.maximum(rise, 0, out=rise), out=rise)
    depth = column(start[:, 2]) + t * column(step[:, 2]) - rise * column(1 / scale)
    z = np.where(hit, depth, np.float32(np.inf))
    over = 1 / r
    return z, (x - t * column(step[:, 0])) * over, (y - t * column(step[:, 1])) * over


def draw_plates(
    canvas: Canvas,
    corners: np.ndarray,
    thickness: np.ndarray,
    scale: np.ndarray,
    material: np.ndarray,
) -> None:
    """Draw the flat sides of triangles with rounded edges; the edges themselves are capsules.

    Args:
        corners: (K, 3, 3) x, y in pixels and z in metres.
        thickness: (K, 3) pixels by which the surface stands before each corner.
        scale: (K,) pixels a metre.
        material: (K,) 1..255.
    """
    points = corners * np.stack([np.ones_like(scale), np.ones_like(scale), scale], -1)[:, None]
    points = points + thickness[..., None] * _facing(points)[:, None]
    normals = _facing(points)
    low, high = np.floor(points[..., :2].min(1)), points[..., :2].max(1) + 1
    for k in np.flatnonzero(np.abs(normals[:, 2]) > EDGE_ON):
        box = canvas.box(*low[k], *high[k])
        if box is None:
            continue
        corner = np.array([box[1].start, box[0].start])
        inside = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), np.uint8)
        # OpenCV takes pixels with four binary places, and their middles for whole numbers.
        ring = np.round((points[k, :, :2] - corner - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(inside, ring, (1,), shift=4)
        nx, ny, nz = normals[k]
        x = np.arange(box[1].start, box[1].stop) + (0.5 - points[k, 0, 0])
        y = np.arange(box[0].start, box[0].stop)[:, None] + (0.5 - points[k, 0, 1])
        z = (points[k, 0, 2] - (nx * x + ny * y) / nz) / scale[k]
        z = np.where(inside, z.astype(np.float32), np.float32(np.inf))
        canvas.put(box, z, nx=nx, ny=ny, material=material[k])


def _facing(points: np.ndarray) -> np.ndarray:
    # (K, 3) unit normals towards the camera of triangles (K, 3, 3).
    normals = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    normals *= np.where(normals[:, 2:] > 0, -1, 1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)


def draw_ellipsoid(
    canvas: Canvas, centre: np.ndarray, axes: np.ndarray, *, scale: float, material: int
) -> None:
    """Draw an ellipsoid.

    Args:
        centre: (3,) x, y in pixels, z in metres.
        axes: (3, 3) its half axes as columns, in pixels.
        scale: pixels a metre.
        material: 1..255.
    """
    reach = np.sqrt((axes**2).sum(1))
    box = canvas.box(*(centre[:2] - reach[:2]), *(centre[:2] + reach[:2]))
    if box is None:
        return
    inverse = np.linalg.inv(axes)
    (a, b, c), (_, d, e), (_, _, f) = (inverse.T @ inverse).tolist()
    x = np.arange(box[1].start, box[1].stop, dtype=np.float32) + np.float32(0.5 - centre[0])
    y = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None]
    y += np.float32(0.5 - centre[1])
    half = x * np.float32(c) + y * np.float32(e)
    # f z^2 + 2 half z + rest = 0
    rest = x * x * np.float32(a) + (y * np.float32(2 * b)) * x + (y * y * np.float32(d) - 1)
    root = half * half - np.float32(f) * rest
    z = np.where(root > 0, -half - np.sqrt(np.maximum(root, 0)), np.float32(np.inf))
    z = z * np.float32(1 / f)
    near = np.where(root > 0, z, 0)
    rows = np.array([(a, b, c), (b, d, e), (c, e, f)], np.float32)
    nx, ny, nz = (x * g + y * h + near * i for g, h, i in rows)
    over = 1 / np.sqrt(nx**2 + ny**2 + nz**2)
    z = np.float32(centre[2]) + z * np.float32(1 / scale)
    canvas.put(box, z, nx=nx * over, ny=ny * over, material=material)


def draw_trunk(
    canvas: Canvas,
    top: np.ndarray,
    bottom: np.ndarray,
    *,
    turn: float,
    scale: float,
    profile: np.ndarray,
    material: int,
) -> None:
    """Draw a stack of upright ellipses: a trunk that may lean and turn.

    Args:
        top, bottom: (3,) x, y in pixels and z in metres of the axis where the profile is 0 and 1.
        turn: of the ellipses about the vertical axis, radians.
        scale: pixels a metre.
        profile: (N, 3) place on the axis (rising), half width and half depth in pixels.
        material: 1..255.
    """
    down = bottom[1] - top[1]
    widest = profile[:, 1:].max() + abs(bottom[0] - top[0])
    first, last = (top[1] + profile[[0, -1], 0] * down).tolist()
    box = canvas.box(top[0] - widest, first, top[0] + widest, last)
    if box is None:
        return
    rows = np.arange(box[0].start, box[0].stop) + 0.5
    way = (rows - top[1]) / down
    wide, deep = (np.interp(way, profile[:, 0], profile[:, k]) for k in (1, 2))
    # How much the surface looks up, because the ellipses grow downwards.
    up = (
        -(np.gradient(wide) / wide + np.gradient(deep) / deep) / 2 if len(rows) > 1 else np.zeros(1)
    )
    sin, cos = np.sin(turn), np.cos(turn)
    # In a row: f z^2 + 2 g x z + h x^2 = 1
    f = (sin / wide) ** 2 + (cos / deep) ** 2
    g = cos * sin * (1 / wide**2 - 1 / deep**2)
    h = (cos / wide) ** 2 + (sin / deep) ** 2
    flat = (wide * deep) ** -2
    f, g, h, flat, up = (_column(values) for values in (f, g, h, flat, up))
    axis = (top + way[:, None] * (bottom - top)).astype(np.float32)
    x = (np.arange(box[1].start, box[1].stop, dtype=np.float32) + np.float32(0.5)) - axis[:, :1]
    root = f - flat * (x * x)
    hit = root > 0
    z = (g * x + np.sqrt(np.maximum(root, 0))) * (-1 / f)
    nx, nz = h * x + g * z, g * x + f * z
    over = 1 / np.sqrt(nx * nx + nz * nz + up * up)
    z *= np.float32(1 / scale)
    z += axis[:, 2:]
    z = np.where(hit, z, np.float32(np.inf))
    canvas.put(box, z, nx=nx * over, ny=up * over, material=material)


def _column(values: np.ndarray) -> np.ndarray:
    # (N, 1) float32 of (N,).
    return values.astype(np.float32)[:, None]
