"""A film that anybody may copy, on which an extractor detects a body, a face and both hands.

Scikit-image's portrait of an astronaut (NASA, public domain) gets two forearms and open hands. They
are drawn as shaded tapered capsules, which MediaPipe takes for hands. One of them leaves the
picture for a while, so that drop-outs can be seen.
"""

from collections.abc import Sequence

import numpy as np

from signlib.errors import SettingsError, extra

SIDE = 512
SUIT, SKIN = np.array([222, 108, 34.0]), np.array([226, 172, 142.0])
LIGHT = np.array([-0.35, -0.5, 0.8]) / np.linalg.norm([-0.35, -0.5, 0.8])
DARKEST = 0.45
# Length of the palm in pixels, about what the face's size asks for.
HAND = 48.0

# Wrists at rest, x and y in pixels; the signer's right hand is on the left of the picture.
RIGHT, LEFT = (64.0, 256.0), (430.0, 360.0)

FINGERS = {
    # side (towards the thumb, in palm lengths), up, direction in degrees from straight up, three
    # bones, radius
    "thumb": (0.30, 0.28, 48.0, (0.36, 0.32, 0.26), 0.145),
    "index": (0.33, 0.98, 11.0, (0.44, 0.27, 0.22), 0.125),
    "middle": (0.10, 1.03, 2.0, (0.48, 0.31, 0.23), 0.130),
    "ring": (-0.13, 0.98, -7.0, (0.45, 0.28, 0.23), 0.122),
    "pinky": (-0.33, 0.87, -18.0, (0.34, 0.21, 0.20), 0.105),
}

# Both ends (x, y) and their radii, in pixels.
Capsule = tuple[tuple[float, float], tuple[float, float], float, float]


def portrait_clip(frames: int = 48, seed: int = 0) -> np.ndarray:
    """The film: (frames, 512, 512, 3) uint8 RGB at 25 frames a second.

    The first frame is the same for every seed and shows all 543 points; then both hands sway and
    the left one is out of the picture from about 45 to 70 % of the film.

    Raises:
        SettingsError: for fewer than one frame.
    """
    if frames < 1:
        raise SettingsError(f"frames={frames}: the film needs at least 1")
    with extra("extract"):
        from skimage.data import astronaut

    background = astronaut().astype(np.float32)
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 4)
    film = np.empty((frames, SIDE, SIDE, 3), np.uint8)
    for number in range(frames):
        film[number] = _frame(background, number, frames, phase)
    return film


def _frame(background: np.ndarray, number: int, frames: int, phase: np.ndarray) -> np.ndarray:
    turn = 2 * np.pi * number / 25
    # Everything starts at rest, so that the first frame is the same for every seed.
    ease = min(number / 10, 1.0)
    sway = ease * np.sin(0.6 * turn + phase)
    gone = _bump((number / max(frames - 1, 1) - 0.575) / 0.2)
    picture = background.copy()
    right = RIGHT[0] + 9 * sway[0], RIGHT[1] + 8 * sway[1]
    left = LEFT[0] + 9 * sway[2], LEFT[1] + 8 * sway[3] + 330 * gone
    _draw_arm(picture, right, -6 + 5 * sway[0], thumb=1)
    _draw_arm(picture, left, 6 + 5 * sway[2], thumb=-1)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _bump(x: float) -> float:
    # A flat-topped rise and fall: 1 near 0, 0 beyond 1, smooth between.
    t = np.clip((1 - abs(x)) / 0.4, 0, 1)
    return float(t * t * (3 - 2 * t))


def _draw_arm(picture: np.ndarray, wrist: tuple[float, float], tilt: float, thumb: int) -> None:
    """A raised forearm with an open hand, palm to the camera.

    Args:
        picture: (H, W, 3) float, changed in place.
        wrist: x, y in pixels.
        tilt: of the hand, degrees clockwise.
        thumb: on which side of the picture: 1 right, -1 left.
    """
    elbow = (wrist[0] - 0.25 * thumb * HAND, wrist[1] + 4.5 * HAND)
    cuff = (wrist[0] + 0.08 * (elbow[0] - wrist[0]), wrist[1] + 0.08 * (elbow[1] - wrist[1]))
    _draw(picture, [(elbow, cuff, 0.72 * HAND, 0.46 * HAND)], SUIT)
    _draw(picture, _hand(wrist, tilt, thumb), SKIN)


def _hand(wrist: tuple[float, float], tilt: float, thumb: int) -> list[Capsule]:
    # The capsules of a palm and five fingers; arguments as for `_draw_arm`.

    def point(side: float, up: float) -> tuple[float, float]:
        angle = np.deg2rad(tilt)
        x, y = thumb * side * HAND, -up * HAND
        return (
            wrist[0] + np.cos(angle) * x - np.sin(angle) * y,
            wrist[1] + np.sin(angle) * x + np.cos(angle) * y,
        )

    capsules = [(point(0, -0.35), point(0, 0.15), 0.27 * HAND, 0.29 * HAND)]
    for side, up, direction, bones, radius in FINGERS.values():
        root = point(0.45 * side, 0.16)
        capsules.append((root, point(side, up), 0.26 * HAND, (radius + 0.07) * HAND))
        for bone in bones:
            tip_side = side + bone * np.sin(np.deg2rad(direction))
            tip_up = up + bone * np.cos(np.deg2rad(direction))
            capsules.append(
                (point(side, up), point(tip_side, tip_up), radius * HAND, 0.9 * radius * HAND)
            )
            side, up, radius = tip_side, tip_up, 0.9 * radius
    return capsules


def _draw(picture: np.ndarray, capsules: Sequence[Capsule], colour: np.ndarray) -> None:
    """Paint capsules as if they were round and lit from the upper left, in place.

    Their edge is soft, over one pixel.
    """
    ends = np.array([(*start, r0 + 1) for start, _, r0, _ in capsules])
    ends = np.concatenate([ends, [(*end, r1 + 1) for _, end, _, r1 in capsules]])
    left, top = (ends[:, :2] - ends[:, 2:]).min(axis=0)
    right, bottom = (ends[:, :2] + ends[:, 2:]).max(axis=0)
    rows_of = slice(max(int(top), 0), max(int(bottom) + 1, 0))
    columns_of = slice(max(int(left), 0), max(int(right) + 1, 0))
    canvas = picture[rows_of, columns_of]
    if min(canvas.shape) < 3:
        return
    height, cover = np.zeros(canvas.shape[:2]), np.zeros(canvas.shape[:2])
    rows = np.arange(rows_of.start, rows_of.start + len(canvas))[:, None]
    columns = np.arange(columns_of.start, columns_of.start + canvas.shape[1])
    for start, end, r0, r1 in capsules:
        dx, dy = end[0] - start[0], end[1] - start[1]
        way = (columns - start[0]) * dx + (rows - start[1]) * dy
        along = np.clip(way / (dx * dx + dy * dy), 0, 1)
        away = np.hypot(columns - start[0] - along * dx, rows - start[1] - along * dy)
        radius = r0 + along * (r1 - r0)
        height = np.maximum(height, np.sqrt(np.maximum(radius**2 - away**2, 0)))
        cover = np.maximum(cover, np.clip(radius - away + 0.5, 0, 1))
    slope_y, slope_x = np.gradient(height)
    normal = np.stack([-slope_x, -slope_y, np.full_like(slope_x, 1.2)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    shade = DARKEST + (1.05 - DARKEST) * np.clip(normal @ LIGHT, 0, 1)
    canvas += cover[..., None] * (shade[..., None] * colour - canvas)
