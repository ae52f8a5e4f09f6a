"""The room behind a signer, in colour and in metres: still, so it is made once a clip."""

import cv2
import numpy as np

from signlib.synthesis.appearance import Look
from signlib.synthesis.seeding import generator


def backdrop(look: Look, distance: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour (H, W, 3) float32 0..255 and depth (H, W) float32 metres from the camera.

    Args:
        distance: metres from the camera to the signer's hips.
    """
    rng = generator(look.seed, "backdrop")
    # 0..1 down and across the picture.
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = look.wall
    depth = np.full((height, width), distance + look.room, np.float32)
    if look.background == "gradient":
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.5)
        slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
        picture *= (1 + strength * slope)[..., None]
    if look.background == "noise":
        picture *= (1 + _cloud(rng, width, height, 0.10))[..., None]
        picture *= 1 + 0.5 * np.stack([_cloud(rng, width, height, 0.06) for _ in range(3)], -1)
    if look.background == "room":
        _furnish(picture, depth, look, rng, wall=distance + look.room)
    # A lamp lights a wall unevenly.
    picture *= (1.04 - 0.16 * ((x - 0.5 - 0.4 * look.light[0]) ** 2 + (y - 0.3) ** 2))[..., None]
    return np.clip(picture * np.array(look.tint, np.float32), 0, 255), depth


def _cloud(rng: np.random.Generator, width: int, height: int, strength: float) -> np.ndarray:
    # Smooth noise of several sizes.
    total = np.zeros((height, width), np.float32)
    for cells in (4, 9, 24, 60):
        coarse = rng.standard_normal((cells, cells)).astype(np.float32)
        fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        total += fine / np.float32(cells**0.4)
    return np.float32(strength) * total


def _furnish(
    picture: np.ndarray,
    depth: np.ndarray,
    look: Look,
    rng: np.random.Generator,
    *,
    wall: float,
) -> None:
    """Add a floor, a skirting board, pictures on the wall and boxes before it, in place.

    Args:
        wall: metres from the camera.
    """
    height, width = depth.shape
    horizon = round(height * rng.uniform(0.72, 0.95))
    floor = np.array(look.wall) * rng.uniform(0.35, 0.7) * (1.1, 1.0, 0.85)
    picture[horizon:] = floor * np.linspace(0.85, 1.15, height - horizon)[:, None, None]
    # The floor comes half the way from the wall towards the signer.
    depth[horizon:] = (wall - np.linspace(0, 0.5, height - horizon) * look.room)[:, None]
    board = max(1, height // 48)
    picture[horizon - board : horizon] = np.array(look.wall) * 0.55

    def box(corners: tuple[float, float, float, float], before: float, colour: np.ndarray) -> None:
        """A box of left, top, right and bottom (0..1), `before` metres in front of the wall."""
        left, top, right, bottom = corners
        x0, x1 = sorted((round(left * width), round(right * width)))
        y0, y1 = round(top * height), round(bottom * height)
        inside = np.s_[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        picture[inside] = colour
        depth[inside] = wall - before
        edge = max(1, width // 128)
        picture[inside][:edge] *= 1.2
        picture[inside][:, -edge:] *= 0.75

    for _ in range(rng.integers(1, 4)):
        x, y, w, h = rng.uniform((0.0, 0.02, 0.12, 0.12), (0.8, 0.35, 0.35, 0.3))
        box((x, y, x + w, y + h), 0.02, np.array(look.wall) * rng.uniform(0.3, 0.6))
        inner = rng.uniform(60, 230, 3)
        box((x + 0.012, y + 0.012, x + w - 0.012, y + h - 0.012), 0.02, inner)
        motif = (x + 0.2 * w, y + 0.4 * h, x + 0.7 * w, y + 0.75 * h)
        box(motif, 0.02, inner * rng.uniform(0.5, 0.9))
    for side in (0, 1):
        if rng.random() < 0.7:
            w, top = rng.uniform(0.08, 0.26), rng.uniform(0.25, 0.7)
            left = 0.0 if side == 0 else 1 - w
            wood = np.array([150, 112, 76]) * rng.uniform(0.4, 1.2)
            before = look.room * rng.uniform(0.15, 0.5)
            box((left - 0.01, top, left + w + 0.01, horizon / height + 0.06), before, wood)
            for shelf in np.arange(top + 0.08, horizon / height, 0.11):
                box((left, shelf, left + w, shelf + 0.012), before, wood * 0.6)
