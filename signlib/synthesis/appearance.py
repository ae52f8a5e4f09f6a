"""What a signer looks like: skin, hair, clothes, the room behind them and the light.

Like the body, the look depends only on the signer's number and the world's random seed, so one
person wears the same clothes before the same wall in all of their clips.
"""

from dataclasses import dataclass
from typing import Protocol

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
