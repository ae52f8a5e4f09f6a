"""What is signed: a sign is a bundle of phonological values, nothing else.

Two signs are different classes when one value differs (a minimal pair), so a
lexicon of any size comes with the exact answer to "what distinguishes them".
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import combinations

import numpy as np

from signlib.errors import SettingsError
from signlib.synthesis.seeding import generator

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Handshape:
    """Angles in degrees: knuckles and middle joints from index to pinky, spread, and the thumb.

    Attributes:
        mcp, pip: flexion of the four fingers at knuckle and middle joint, 0 = straight.
        spread: between neighbouring fingers.
        thumb: out of the hand's axis in the palm plane, out of the palm plane, flexion of its joints.
    """

    mcp: tuple[float, float, float, float]
    pip: tuple[float, float, float, float]
    spread: float
    thumb: Vector

    @property
    def angles(self) -> np.ndarray:
        """(15,) radians in the order of `motion.ANGLES`."""
        fan = self.spread * np.array([1.0, 0.0, -0.9, -1.7])
        return np.radians([*self.mcp, *self.pip, *fan, *self.thumb])


def _same(mcp: float, pip: float) -> dict[str, tuple[float, float, float, float]]:
    return {"mcp": (mcp,) * 4, "pip": (pip,) * 4}


RELAXED = Handshape((18, 22, 26, 30), (25, 28, 30, 32), 3, (30, 25, 15))

HANDSHAPES = {
    "FLAT": Handshape(**_same(0, 2), spread=0, thumb=(18, 8, 8)),
    "OPEN": Handshape(**_same(0, 4), spread=13, thumb=(58, 5, 0)),
    "FIST": Handshape(**_same(85, 100), spread=0, thumb=(22, 48, 45)),
    "POINT": Handshape((0, 85, 85, 85), (2, 100, 100, 100), 0, (20, 48, 45)),
    "VEE": Handshape((0, 0, 85, 85), (2, 2, 100, 100), 13, (20, 50, 48)),
    "THREE": Handshape((0, 0, 85, 85), (4, 4, 100, 100), 13, (60, 5, 0)),
    "ELL": Handshape((0, 85, 85, 85), (2, 100, 100, 100), 2, (72, 0, 0)),
    "THUMB": Handshape(**_same(85, 100), spread=0, thumb=(74, 0, 0)),
    "HORNS": Handshape((85, 85, 85, 0), (100, 100, 100, 4), 4, (70, 0, 0)),
    "HOOK": Handshape((10, 85, 85, 85), (95, 100, 100, 100), 0, (20, 48, 45)),
    "CLAW": Handshape(**_same(25, 65), spread=12, thumb=(55, 30, 35)),
    "BENT": Handshape(**_same(80, 5), spread=0, thumb=(25, 20, 10)),
    "ROUND": Handshape(**_same(45, 55), spread=3, thumb=(32, 58, 30)),
    "PINCH": Handshape((50, 5, 5, 5), (58, 5, 8, 10), 9, (30, 52, 32)),
}


@dataclass(frozen=True)
class Location:
    """Where the palm's centre goes, for the right hand.

    Attributes:
        anchor: `head` (offset in face half-heights from its centre) or `chest` (offset in shoulder
            widths from the middle of the shoulders).
        offset: x to the signer's left, y down, z away from the camera.
    """

    anchor: str
    offset: Vector


LOCATIONS = {
    "FOREHEAD": Location("head", (-0.25, -0.75, -1.5)),
    "TEMPLE": Location("head", (-1.15, -0.35, -0.9)),
    "NOSE": Location("head", (-0.1, 0.1, -1.9)),
    "CHEEK": Location("head", (-0.95, 0.4, -1.2)),
    "CHIN": Location("head", (-0.15, 1.05, -1.6)),
    "SHOULDER": Location("chest", (0.38, 0.12, -0.5)),
    "CHEST": Location("chest", (-0.08, 0.38, -0.5)),
    "BELLY": Location("chest", (-0.05, 0.90, -0.6)),
    "SPACE": Location("chest", (-0.30, 0.55, -1.0)),
    "SIDE": Location("chest", (-1.05, 0.30, -0.7)),
    "HIGH": Location("chest", (-0.90, -0.55, -0.6)),
}

DIRECTIONS: dict[str, Vector] = {
    "UP": (0, -1, 0),
    "DOWN": (0, 1, 0),
    "OUT": (0, 0, -1),
    "ASIDE": (-1, 0, 0),
    "ACROSS": (1, 0, 0),
}

MOVEMENTS = {
    "HOLD": ("OUT",),
    "LINE": tuple(DIRECTIONS),
    "ARC": ("OUT", "ASIDE", "ACROSS"),
    "CIRCLE": ("UP", "DOWN", "OUT"),
    "ZIGZAG": ("DOWN", "ASIDE", "OUT"),
    "TAP": ("DOWN", "OUT", "ASIDE"),
}
"""Kind -> the directions it is used with. A circle's direction is where it sets out to; OUT lies flat."""

ORIENTATIONS: dict[str, dict[str, tuple[Vector, Vector]]] = {
    "OUT": {"head": ((0, 0, -1), (0.15, -1, -0.1)), "chest": ((0, 0, -1), (0.15, -1, -0.2))},
    "IN": {"head": ((0, 0, 1), (0.6, -0.8, 0)), "chest": ((0, 0, 1), (0.85, -0.45, -0.2))},
    "ASIDE": {"head": ((1, 0, 0), (0.1, -1, -0.2)), "chest": ((1, 0, 0), (0.15, -0.4, -0.9))},
    "DOWN": {"head": ((0, 1, 0), (0.9, -0.25, -0.3)), "chest": ((0, 1, 0), (0.6, 0, -0.8))},
    "UP": {"chest": ((0, -1, 0), (0.45, -0.1, -0.9))},
}
"""Where the palm looks -> near which anchor -> (palm normal, finger direction) of the right hand."""

MANUAL = ("handshape", "location", "movement", "direction", "repetitions", "orientation", "hands")


@dataclass(frozen=True)
class Sign:
    """One entry of a lexicon: phonological values, each a name of the tables above.

    Attributes:
        gloss: its made-up name.
        repetitions: strokes of the movement, 1 or 2.
        hands: 1, or 2 that mirror each other.
        mouth: 0 closed .. 1 open; brow: 0 at rest .. 1 raised.
    """

    gloss: str
    handshape: str
    location: str
    movement: str
    direction: str
    repetitions: int
    orientation: str
    hands: int
    mouth: float = 0.0
    brow: float = 0.0

    @property
    def manual(self) -> tuple[str | int, ...]:
        """The values that tell signs apart, in the order of `MANUAL`."""
        return tuple(getattr(self, name) for name in MANUAL)

    @property
    def possible(self) -> bool:
        """True when a body can do it and the values do not contradict each other."""
        return (
            LOCATIONS[self.location].anchor in ORIENTATIONS[self.orientation]
            and self.direction in MOVEMENTS[self.movement]
            and not (self.movement == "HOLD" and self.repetitions > 1)
            and not (self.hands == 2 and (self.location == "SHOULDER" or self.direction == "ACROSS"))
        )


_CHOICES: dict[str, Sequence[str | int]] = {
    "handshape": tuple(HANDSHAPES),
    "location": tuple(LOCATIONS),
    "movement": tuple(MOVEMENTS),
    "direction": tuple(DIRECTIONS),
    "repetitions": (1, 2),
    "orientation": tuple(ORIENTATIONS),
    "hands": (1, 2),
}
LARGEST = 2000
PAIR_EVERY = 4


def make_lexicon(size: int, seed: int = 0) -> list[Sign]:
    """`size` signs that all differ; a smaller lexicon of the same seed is the beginning of a larger one.

    Every fourth sign is a minimal pair of an earlier one: it differs in one manual value.

    Raises:
        SettingsError: for a size that is not in 1..2000.
    """
    if not 1 <= size <= LARGEST:
        raise SettingsError(f"a lexicon of {size} signs: ask for 1 to {LARGEST}; more would stand too close together")
    rng = generator(seed, "lexicon")
    signs: list[Sign] = []
    taken: set[tuple[str | int, ...]] = set()
    names: dict[str, int] = {}
    while len(signs) < size:
        if len(signs) % PAIR_EVERY == PAIR_EVERY - 1:
            sign = _neighbour(signs[rng.integers(len(signs))], rng)
        else:
            sign = _draw(rng)
        if not sign.possible or sign.manual in taken:
            continue
        taken.add(sign.manual)
        stem = f"{sign.handshape}-{sign.location}-{sign.movement}"
        names[stem] = names.get(stem, 0) + 1
        signs.append(replace(sign, gloss=stem if names[stem] == 1 else f"{stem}-{names[stem]}"))
    return signs


def _draw(rng: np.random.Generator) -> Sign:
    values = {name: options[rng.integers(len(options))] for name, options in _CHOICES.items()}
    return Sign(gloss="", **values, mouth=rng.integers(3) / 2, brow=float(rng.random() < 0.25))


def _neighbour(sign: Sign, rng: np.random.Generator) -> Sign:
    name = MANUAL[rng.integers(len(MANUAL))]
    options = [value for value in _CHOICES[name] if value != getattr(sign, name)]
    return replace(sign, **{name: options[rng.integers(len(options))]})


def minimal_pairs(lexicon: Sequence[Sign]) -> Iterator[tuple[Sign, Sign, str]]:
    """Pairs of signs that differ in one manual value, with that value's name."""
    for one, other in combinations(lexicon, 2):
        different = [name for name, a, b in zip(MANUAL, one.manual, other.manual, strict=True) if a != b]
        if len(different) == 1:
            yield one, other, different[0]


def phonology(sign: Sign) -> dict[str, str | int | float]:
    """Field name -> value of a sign, its gloss included."""
    return dict(zip([field.name for field in fields(sign)], astuple(sign), strict=True))


LOCI: dict[str, Vector] = {
    "SIGNER": (0.0, 0.38, -0.36),
    "ADDRESSEE": (0.0, 0.38, -1.30),
    "LEFT": (0.70, 0.45, -0.80),
    "RIGHT": (-0.70, 0.45, -0.80),
    "FAR_LEFT": (1.05, 0.42, -0.45),
    "FAR_RIGHT": (-1.05, 0.42, -0.45),
    "UP_LEFT": (0.65, -0.35, -0.75),
    "UP_RIGHT": (-0.65, -0.35, -0.75),
}
"""Places in signing space, in shoulder widths from the middle of the shoulders; left is the signer's own,
whichever hand they sign with."""

POINTING = Sign("POINTING", "POINT", "SPACE", "HOLD", "OUT", 1, "DOWN", 1)
"""An index finger: `Use(POINTING, goal="LEFT")` points at that locus."""


@dataclass(frozen=True)
class Use:
    """One use of a sign in a sentence.

    Attributes:
        sign: what is said.
        source, goal: names of `LOCI`. With both, the movement goes from one to the other (agreement); with
            `goal` alone the sign is made there, and a pointing sign points there.
        handshape: replaces the sign's own, as in verbs that show how an object is held.

    Raises:
        SettingsError: for an unknown locus or handshape, and for a source without a goal.
    """

    sign: Sign
    source: str = ""
    goal: str = ""
    handshape: str = ""

    def __post_init__(self) -> None:
        for locus in filter(None, (self.source, self.goal)):
            if locus not in LOCI:
                raise SettingsError(f"locus {locus!r} is unknown; choose from {', '.join(LOCI)}")
        if self.source and not self.goal:
            raise SettingsError(f"source={self.source!r} without a goal: say where the movement ends, too")
        if self.handshape and self.handshape not in HANDSHAPES:
            raise SettingsError(f"handshape {self.handshape!r} is unknown; choose from {', '.join(HANDSHAPES)}")
