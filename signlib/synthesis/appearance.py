"""What a signer looks like: skin, hair, clothes, the room behind them and the light.

Like the body, the look depends only on the signer's number and the world's random seed, so one
person wears the same clothes before the same wall in all of their clips.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from signlib.errors import SettingsError
from signlib.synthesis.seeding import generator
from signlib.synthesis.signers import HARDEST, Signer

Colour = tuple[float, ...]

SKINS: tuple[Colour, ...] = (
    (238, 200, 178),
    (228, 184, 156),
    (214, 166, 134),
    (198, 148, 114),
    (176, 124, 92),
    (146, 98, 70),
    (112, 74, 54),
)
HAIRS: tuple[Colour, ...] = (
    (28, 24, 24),
    (48, 34, 28),
    (84, 56, 36),
    (126, 86, 50),
    (176, 136, 84),
    (122, 58, 34),
    (140, 138, 136),
)
EYES: tuple[Colour, ...] = ((62, 40, 26), (84, 58, 36), (88, 110, 124), (90, 112, 80))
# Sum of the channels below which hair and eyes are dark too.
DARK_SKIN = 350
CLOTHES: tuple[Colour, ...] = (
    (36, 38, 46),
    (52, 66, 102),
    (92, 32, 44),
    (34, 84, 76),
    (108, 108, 114),
    (206, 204, 198),
    (70, 58, 92),
    (164, 116, 48),
    (62, 92, 128),
    (48, 76, 48),
)
WALLS: tuple[Colour, ...] = (
    (206, 202, 192),
    (178, 190, 198),
    (120, 134, 148),
    (196, 180, 158),
    (138, 154, 132),
    (88, 96, 110),
    (150, 118, 112),
)
PATTERNS = ("plain", "stripes", "hoops", "checks")
SLEEVES = ("short", "long", "none")
HAIRCUTS = ("short", "fringe", "long", "bun", "bald")
BACKGROUNDS = ("plain", "gradient", "noise", "room")


@dataclass(frozen=True)
class Look:
    """The look of one signer. Colours are 0..255 red, green and blue.

    Attributes:
        skin, hair, eyes, shirt, trousers, wall: colours.
        accent: second colour of the shirt's pattern.
        pattern, sleeves, haircut, background: one of the tables of this module.
        light: unit vector towards the lamp: x right in the picture, y down, z away from the camera.
        ambient: share of light that comes from everywhere, 0..1.
        tint: (3,) what the lamp and the camera's white balance do to every colour.
        room: metres from the hips to the wall.
        noise: of the depth camera: 0 = exact, 1 = a time-of-flight camera.
        seed: of background and depth noise.
    """

    skin: Colour
    hair: Colour
    eyes: Colour
    shirt: Colour
    accent: Colour
    trousers: Colour
    wall: Colour
    pattern: str
    sleeves: str
    haircut: str
    background: str
    light: Colour
    ambient: float
    tint: Colour
    room: float
    noise: float
    seed: int


class SigningCorpus(Protocol):
    """A generated corpus of signing, as far as looks depend on it."""

    signers: list[Signer]
    seed: int
    hardness: float


def look_of(corpus: SigningCorpus, signer: str) -> Look:
    """The look of a signer of a generated corpus, by name."""
    number = [one.name for one in corpus.signers].index(signer)
    return make_look(number, corpus.seed, corpus.hardness)


def make_look(index: int, seed: int = 0, hardness: float = 1.0) -> Look:
    """The look of signer number `index` of the world `seed`.

    Args:
        index: from 0, as for `signers.make_signer`.
        hardness: 0 = a plain wall, light from the front and an exact depth camera; 1 = people and
            rooms as they differ in a studio corpus; at most 3.

    Raises:
        SettingsError: for a negative index or a hardness out of range.
    """
    if index < 0 or not 0 <= hardness <= HARDEST:
        raise SettingsError(
            f"look {index} with hardness {hardness}: the index starts at 0, hardness in"
            f" 0..{HARDEST:g}"
        )
    rng = generator(seed, "look", index)

    def colour(table: tuple[Colour, ...], spread: float) -> Colour:
        lighter, hue = rng.standard_normal(), rng.standard_normal(3)
        ratio = np.exp(spread * np.clip(lighter + 0.4 * hue, -2, 2))
        return tuple(np.clip(np.array(table[rng.integers(len(table))]) * ratio, 8, 245).tolist())

    def choice(options: tuple[str, ...], weights: tuple[float, ...]) -> str:
        return options[rng.choice(len(options), p=np.array(weights) / sum(weights))]

    def lamp() -> Colour:
        moved = min(hardness, 1.5) * rng.uniform((-0.3, -0.2, 0), (0.8, 0.2, 0))
        light = np.array([-0.25, -0.55, -0.8]) + moved
        return tuple((light / np.linalg.norm(light)).tolist())

    # The order of the draws belongs to the pictures.
    skin = colour(SKINS, 0.03)
    dark = sum(skin) < DARK_SKIN  # then hair and eyes are of the darkest two
    return Look(
        skin=skin,
        hair=colour(HAIRS[:2] if dark else HAIRS, 0.05),
        eyes=colour(EYES[:2] if dark else EYES, 0.05),
        shirt=colour(CLOTHES, 0.08),
        accent=colour(CLOTHES, 0.08),
        trousers=colour(CLOTHES[:5], 0.08),
        wall=colour(WALLS, 0.05),
        light=lamp(),
        tint=tuple(np.clip(np.exp(hardness * 0.04 * rng.standard_normal(3)), 0.85, 1.15).tolist()),
        pattern=choice(PATTERNS, (3, 1, 1, 1)),
        sleeves=choice(SLEEVES, (3, 3, 1)),
        haircut=choice(HAIRCUTS, (3, 2, 3, 1.5, 0.5)),
        background=choice(BACKGROUNDS, (1, 1.5, 1, 2.5)) if hardness > 0 else "plain",
        ambient=float(np.clip(0.5 + 0.06 * hardness * rng.standard_normal(), 0.3, 0.7)),
        room=float(rng.uniform(0.6, 1.8)),
        noise=float(hardness),
        seed=int(rng.integers(2**31)),
    )


def backdrop(look: Look, distance: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The room behind a signer, still, so it is made once a clip.

    It is colour (H, W, 3) float32 0..255 and depth (H, W) float32 metres from the camera.

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
