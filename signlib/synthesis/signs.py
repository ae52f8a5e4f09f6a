"""What is signed: a sign is a bundle of phonological values, nothing else.

Two signs are different classes when one value differs (a minimal pair), so a lexicon of any size
comes with the exact answer to "what distinguishes them".
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np

from signlib.errors import SettingsError
from signlib.synthesis.phonology import (
    CHANGES,
    DIRECTIONS,
    GAZES,
    HANDS,
    HANDSHAPES,
    IMPOSSIBLE,
    INTERNALS,
    LOCATIONS,
    LOCI,
    MOVEMENTS,
    ORIENTATIONS,
    RELAXED,
    UNMARKED,
    WIGGLING,
    Handshape,
    Location,
)
from signlib.synthesis.seeding import generator
from signlib.synthesis.signers import Signer

__all__ = [
    "CHANGES",
    "DIRECTIONS",
    "GAZES",
    "HANDS",
    "HANDSHAPES",
    "INTERNALS",
    "LOCATIONS",
    "LOCI",
    "MANUAL",
    "MOVEMENTS",
    "ORIENTATIONS",
    "POINTING",
    "RELAXED",
    "Handshape",
    "Location",
    "Sign",
    "Use",
    "capacity",
    "make_lexicon",
    "minimal_pairs",
    "variant",
]

# Name of a manual value -> the values that may be used: each name has a type of its own.
Choices = Mapping[str, tuple[Any, ...]]
# The same as users give it, for some of the names.
Inventory = Mapping[str, Sequence[Any]]

MANUAL = (
    "handshape",
    "location",
    "movement",
    "direction",
    "repetitions",
    "orientation",
    "hands",
    "base",
    "internal",
    "contact",
)


@dataclass(frozen=True)
class Sign:
    """One entry of a lexicon: phonological values, each a name of the tables in `phonology`.

    Attributes:
        gloss: its made-up name.
        repetitions: strokes of the movement, 1 or 2 in a lexicon.
        orientation: where the palm looks.
        hands: ONE; both as mirror images (SYMMETRIC) or in turns (ALTERNATING); BASE: the other
            hand is still, has the handshape `base`, and the dominant hand acts on it.
        internal: what happens in the hand.
        contact: True when the hand touches the skin of the location; of a symmetric sign in neutral
            space, the other hand.
        mouth: 0 closed .. 1 open; brow: -0.5 furrowed, 0 at rest, 1 raised.
        gaze: a name of `GAZES`.
    """

    gloss: str
    handshape: str
    location: str
    movement: str
    direction: str
    repetitions: int
    orientation: str
    hands: str
    base: str = ""
    internal: str = "NONE"
    contact: bool = False
    mouth: float = 0.0
    brow: float = 0.0
    gaze: str = "ADDRESSEE"

    @property
    def manual(self) -> tuple[str | int | bool, ...]:
        """The values that tell signs apart, in the order of `MANUAL`."""
        return tuple(getattr(self, name) for name in MANUAL)

    @property
    def possible(self) -> bool:
        """True when a body can do it and the values do not contradict each other."""
        return (
            (self.location, self.orientation) not in IMPOSSIBLE
            and _hands_fit(self.location, self.hands, self.base)
            and _movement_fits(self)
            and _handshape_fits(self.handshape, self.internal)
        )

    @property
    def joined(self) -> bool:
        """True when the two hands touch each other before the body."""
        return self.contact and self.hands == "SYMMETRIC" and LOCATIONS[self.location].skin is None


# Place on the other hand -> the handshapes that show it.
_BASES = {
    "PALM": ("FLAT", "OPEN", "ROUND"),
    "BACK": ("FLAT", "OPEN", "FIST"),
    "EDGE": ("FLAT", "FIST", "POINT", "ROUND", "OH"),
    "FINGERTIPS": ("FLAT", "OPEN", "POINT"),
    "FOREARM": ("FLAT", "FIST"),
}


def _hands_fit(location: str, hands: str, base: str) -> bool:
    if hands == "BASE":
        return base in _BASES.get(location, ())
    return base == "" and location not in _BASES and (hands == "ONE" or LOCATIONS[location].twin)


def _handshape_fits(handshape: str, internal: str) -> bool:
    if internal == "CHANGE":
        return handshape in CHANGES
    return internal != "WIGGLE" or handshape in WIGGLING


def _movement_fits(sign: Sign) -> bool:
    """True when all values of a movement go together at the sign's location.

    These are movement, direction, repetitions, internal movement and contact.
    """
    kind, direction = sign.movement, sign.direction
    skin = LOCATIONS[sign.location].skin
    if direction not in MOVEMENTS[kind] or (sign.contact and skin is None and not sign.joined):
        return False
    if kind == "HOLD" and sign.internal == "NONE" and sign.repetitions > 1:
        return False
    if sign.internal != "NONE":
        still = sign.internal == "TWIST" and kind == "HOLD"
        if kind not in ("HOLD", "LINE", "ARC") or sign.hands == "ALTERNATING":
            return False
        if sign.contact and not still:
            return False
    # Both hands across would pass through each other.
    if sign.hands in ("SYMMETRIC", "ALTERNATING") and direction == "ACROSS":
        return False
    if sign.hands == "ALTERNATING":
        in_turns = kind == "CIRCLE" or (kind in ("LINE", "TAP") and sign.repetitions == 2)
        if not in_turns or direction == "ASIDE" or (sign.contact and kind != "TAP"):
            return False
    if sign.joined:
        along = kind in ("LINE", "ARC") and direction in ("UP", "DOWN", "OUT")
        return along or kind == "HOLD" or direction == "IN"
    return _skin_allows(kind, direction, skin, sign.contact)


def _skin_allows(kind: str, direction: str, skin: Sequence[float] | None, contact: bool) -> bool:
    # No movement goes into the body, and a tap on it is one towards it.
    if kind == "TAP" and (contact or direction == "IN"):
        return contact and direction == "IN"
    if skin is None:
        return True
    # Cosine between the movement and the way out of the skin.
    away = float(np.dot(DIRECTIONS[direction], skin))
    return abs(away) <= 0.3 if kind in ("CIRCLE", "ZIGZAG") else away >= -0.3


_CHOICES: dict[str, tuple[Any, ...]] = {
    "handshape": tuple(HANDSHAPES),
    "location": tuple(LOCATIONS),
    "movement": tuple(MOVEMENTS),
    "direction": tuple(DIRECTIONS),
    "repetitions": (1, 2),
    "orientation": tuple(ORIENTATIONS),
    "hands": HANDS,
    "base": ("", *UNMARKED),
    "internal": INTERNALS,
    "contact": (False, True),
}
_FREQUENT = {"SPACE": 8.0, "SIDE": 3.0, "HIGH": 2.0, "LOW": 2.0, "CHEST": 2.0}
# How often each choice is tried.
# Source: ASL-LEX 2.0 (Sehyr et al. 2021), sign types and major locations, rounded.
_WEIGHTS = {
    "hands": (0.42, 0.25, 0.10, 0.23),
    "internal": (0.6, 0.13, 0.09, 0.09, 0.09),
    "location": tuple(_FREQUENT.get(name, 1.0) for name in LOCATIONS),
}
LARGEST = 2000
PAIR_EVERY = 4
_TRIES = 40
# Draws without a new sign after which the remaining forms are listed instead.
_PATIENCE = 3000


def make_lexicon(size: int, seed: int = 0, inventory: Inventory | None = None) -> list[Sign]:
    """`size` signs that all differ.

    A smaller lexicon of the same seed is the beginning of a larger one. Every fourth sign is a
    minimal pair of an earlier one: it differs in one manual value.

    Args:
        inventory: name of a manual value -> the values that may be used, to make a smaller
            phonology: `{"handshape": ["FLAT", "FIST"], "hands": ["ONE"]}`.

    Raises:
        SettingsError: for a size that is not in 1..2000, an unknown value, or more signs than the
            inventory can tell apart.
    """
    if not 1 <= size <= LARGEST:
        raise SettingsError(
            f"a lexicon of {size} signs: ask for 1 to {LARGEST}; more would stand too close"
            " together"
        )
    choices = _restricted(inventory)
    if inventory and size > (most := capacity(inventory)):
        raise SettingsError(
            f"a lexicon of {size} signs: this inventory can tell {most} apart; ask for at most"
            f" {most}, or allow more values of {', '.join(inventory)}"
        )
    rng = generator(seed, "lexicon")
    signs: list[Sign] = []
    taken: set[tuple[str | int | bool, ...]] = set()
    names: dict[str, int] = {}
    misses = 0
    while len(signs) < size:
        if misses > _PATIENCE:
            left = [sign for sign in _forms(choices) if sign.manual not in taken]
            sign = left[rng.integers(len(left))]
        elif len(signs) % PAIR_EVERY == PAIR_EVERY - 1:
            sign = _neighbour(signs[rng.integers(len(signs))], choices, rng)
        else:
            sign = _draw(choices, rng)
        if not sign.possible or sign.manual in taken:
            misses += 1
            continue
        misses = 0
        taken.add(sign.manual)
        # Signs with the same three values are told apart by a number.
        stem = f"{sign.handshape}-{sign.location}-{sign.movement}"
        names[stem] = names.get(stem, 0) + 1
        signs.append(replace(sign, gloss=stem if names[stem] == 1 else f"{stem}-{names[stem]}"))
    return signs


def capacity(inventory: Inventory | None = None) -> int:
    """How many signs with different manual values a body can make of an inventory.

    Without an inventory: of everything.
    """
    choices = _restricted(inventory)
    # Handshape and palm direction do not depend on the other values: counted, not combined.
    hands = product(choices["internal"], choices["handshape"])
    shapes = Counter(internal for internal, shape in hands if _handshape_fits(shape, internal))
    looks = product(choices["location"], choices["orientation"])
    palms = Counter(at for at, palm in looks if (at, palm) not in IMPOSSIBLE)
    return sum(shapes[sign.internal] * palms[sign.location] for sign in _frames(choices))


def _restricted(inventory: Inventory | None) -> Choices:
    # All choices, or those that an inventory leaves, in the order of the tables.
    choices = dict(_CHOICES)
    for name, values in (inventory or {}).items():
        if name not in choices:
            raise SettingsError(f"inventory of {name!r}: choose from {', '.join(MANUAL)}")
        unknown = [value for value in values if value not in choices[name]]
        if unknown or not len(values):
            options = ", ".join(map(str, choices[name]))
            raise SettingsError(
                f"inventory {name}={list(values)!r}: give at least one of {options}"
            )
        choices[name] = tuple(value for value in choices[name] if value in values)
    return choices


def _frames(choices: Choices) -> Iterator[Sign]:
    # Every possible combination of the values other than handshape and orientation.
    how = ("movement", "direction", "repetitions", "internal", "contact")
    movements = list(product(*(choices[name] for name in how)))
    for location, hands, base in product(choices["location"], choices["hands"], choices["base"]):
        if not _hands_fit(location, hands, base):
            continue
        for movement, direction, repetitions, internal, contact in movements:
            sign = Sign(
                gloss="",
                handshape="FLAT",
                location=location,
                movement=movement,
                direction=direction,
                repetitions=repetitions,
                orientation="IN",
                hands=hands,
                base=base,
                internal=internal,
                contact=contact,
            )
            if _movement_fits(sign):
                yield sign


def _forms(choices: Choices) -> Iterator[Sign]:
    # Every possible sign, without a gloss.
    for sign in _frames(choices):
        for handshape, palm in product(choices["handshape"], choices["orientation"]):
            form = replace(sign, handshape=handshape, orientation=palm)
            if form.possible:
                yield form


def _draw(choices: Choices, rng: np.random.Generator) -> Sign:
    """A sign, perhaps an impossible one.

    Its number of hands and its internal movement come as often as in a language.
    """

    def one_of(options: Sequence[Any]) -> Any:
        return options[rng.integers(len(options))]

    def weighted(name: str) -> str:
        weights = [_WEIGHTS[name][_CHOICES[name].index(option)] for option in choices[name]]
        chance = np.cumsum(weights)
        return choices[name][np.searchsorted(chance, rng.random() * chance[-1], "right")]

    # The order of the draws belongs to the lexicon.
    face, eyes = rng.random(2)
    mouth = rng.integers(3) / 2
    # Raised, furrowed or at rest.
    brow = (1.0, -0.5, 0.0)[np.searchsorted((0.2, 0.35), face, "right")]
    # Most often the first of `GAZES`.
    gaze = "ADDRESSEE" if eyes < 0.6 else list(GAZES)[1 + int((eyes - 0.6) * 10)]
    kept = {
        "hands": weighted("hands"),
        "internal": weighted("internal"),
        "handshape": one_of(choices["handshape"]),
    }
    for _ in range(_TRIES):
        values = {name: one_of(options) for name, options in choices.items()} | kept
        values["location"] = weighted("location")
        values["base"] = one_of(choices["base"]) if kept["hands"] == "BASE" else choices["base"][0]
        if kept["hands"] == "BASE" and values["location"] not in _BASES:
            values["location"] = one_of(list(_BASES))
        directions = [
            name for name in MOVEMENTS[values["movement"]] if name in choices["direction"]
        ]
        values["direction"] = one_of(directions or choices["direction"])
        sign = Sign("", **values, mouth=mouth, brow=brow, gaze=gaze)
        if sign.possible:
            break
    return sign


def _neighbour(sign: Sign, choices: Choices, rng: np.random.Generator) -> Sign:
    # The sign with one manual value changed, where there is another one.
    name = MANUAL[rng.integers(len(MANUAL))]
    options = [value for value in choices[name] if value != getattr(sign, name)]
    return replace(sign, **{name: options[rng.integers(len(options))]}) if options else sign


def minimal_pairs(lexicon: Sequence[Sign]) -> Iterator[tuple[Sign, Sign, str]]:
    """Pairs of signs that differ in one manual value, with that value's name."""
    for one, other in combinations(lexicon, 2):
        values = zip(MANUAL, one.manual, other.manual, strict=True)
        different = [name for name, a, b in values if a != b]
        if len(different) == 1:
            yield one, other, different[0]


# Chance that a signer has another form of a sign, at hardness 1.
VARIANTS = 0.08
_LOWERED = {
    "FOREHEAD": "CHEEK",
    "TEMPLE": "CHEEK",
    "EYE": "CHEEK",
    "NOSE": "CHIN",
    "MOUTH": "CHIN",
    "HIGH": "SIDE",
}


def variant(
    sign: Sign, signer: Signer, seed: int = 0, lexicon: Sequence[Sign] = ()
) -> tuple[Sign, str]:
    """The form in which `signer` always makes `sign`, and what is different ("" for most).

    Signers of one language vary so: one stroke more, one hand instead of two (weak drop), or a
    lower place. It is never the form of another sign of `lexicon`.
    """
    rng = generator(seed, "variant", signer.name, *map(str, sign.manual))
    # Drawn from the signer's name and the sign, so that all corpora of a world agree.
    if rng.random() >= VARIANTS * signer.hardness:
        return sign, ""
    forms = {
        "one stroke more": replace(sign, repetitions=sign.repetitions + 1),
        "one hand": replace(sign, hands="ONE", contact=sign.contact and not sign.joined),
        "lower": replace(sign, location=_LOWERED.get(sign.location, sign.location)),
    }
    taken = {other.manual for other in lexicon} | {sign.manual}
    if sign.hands in ("ONE", "BASE"):
        del forms["one hand"]
    free = [
        (form, how) for how, form in forms.items() if form.possible and form.manual not in taken
    ]
    return free[rng.integers(len(free))] if free else (sign, "")


# An index finger: `Use(POINTING, goal="LEFT")` points at that locus.
POINTING = Sign(
    gloss="POINTING",
    handshape="POINT",
    location="SPACE",
    movement="HOLD",
    direction="NONE",
    repetitions=1,
    orientation="DOWN",
    hands="ONE",
)


@dataclass(frozen=True)
class Use:
    """One use of a sign in a sentence.

    Attributes:
        sign: what is said.
        source, goal: names of `LOCI`. With both, the movement goes from one to the other
            (agreement); with `goal` alone the sign is made there, and a pointing sign points there.
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
            raise SettingsError(
                f"source={self.source!r} without a goal: say where the movement ends, too"
            )
        if self.handshape and self.handshape not in HANDSHAPES:
            raise SettingsError(
                f"handshape {self.handshape!r} is unknown; choose from {', '.join(HANDSHAPES)}"
            )
