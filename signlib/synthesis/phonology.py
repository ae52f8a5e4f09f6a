"""The tables that signs are made of: handshapes, places, movements, palm directions.

Every name in a lexicon has its geometry here, for a right hand. `signs.Sign.possible` decides what
a body can combine.
"""

from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float, float]
Four = tuple[float, float, float, float]


@dataclass(frozen=True)
class Handshape:
    """Angles in degrees: knuckles and middle joints from index to pinky, spread, and the thumb.

    Attributes:
        mcp, pip: flexion of the four fingers at knuckle and middle joint, 0 = straight.
        spread: of each finger towards the thumb, or one number between neighbouring fingers.
        thumb: out of the hand's axis in the palm plane, out of the palm plane, flexion of its
            joints.
    """

    mcp: Four
    pip: Four
    spread: float | Four
    thumb: Vector

    @property
    def angles(self) -> np.ndarray:
        """(15,) radians in the order of `motion.ANGLES`."""
        even = np.array([1.0, 0.0, -0.9, -1.7])
        fan = self.spread if isinstance(self.spread, tuple) else self.spread * even
        return np.radians([*self.mcp, *self.pip, *fan, *self.thumb])


def _same(mcp: float, pip: float) -> dict[str, Four]:
    # The same flexion for all four fingers.
    return {"mcp": (mcp,) * 4, "pip": (pip,) * 4}


RELAXED = Handshape((18, 22, 26, 30), (25, 28, 30, 32), 3, (30, 25, 15))

HANDSHAPES = {
    "FLAT": Handshape(**_same(0, 2), spread=0, thumb=(18, 8, 8)),
    "OPEN": Handshape(**_same(0, 4), spread=13, thumb=(58, 5, 0)),
    "FOUR": Handshape(**_same(0, 4), spread=11, thumb=(8, 62, 66)),
    "FIST": Handshape(**_same(85, 100), spread=0, thumb=(22, 48, 45)),
    "THUMB": Handshape(**_same(85, 100), spread=0, thumb=(74, 0, 0)),
    "POINT": Handshape((0, 85, 85, 85), (2, 100, 100, 100), 0, (20, 48, 45)),
    "VEE": Handshape((0, 0, 85, 85), (2, 2, 100, 100), (16, -14, 0, 0), (20, 50, 48)),
    "TWO": Handshape((0, 0, 85, 85), (2, 2, 100, 100), (-3, 3, 0, 0), (20, 50, 48)),
    "CROSSED": Handshape((0, 22, 85, 85), (2, 4, 100, 100), (-16, 14, 0, 0), (20, 50, 48)),
    "THREE": Handshape((0, 0, 85, 85), (4, 4, 100, 100), (13, -8, 0, 0), (60, 5, 0)),
    "SIX": Handshape((0, 0, 0, 75), (4, 4, 4, 85), (14, 0, -14, -4), (14, 60, 60)),
    "ELL": Handshape((0, 85, 85, 85), (2, 100, 100, 100), 2, (72, 0, 0)),
    "WHY": Handshape((85, 85, 85, 0), (100, 100, 100, 4), (0, 0, 0, -24), (74, 0, 0)),
    "PINKY": Handshape((85, 85, 85, 0), (100, 100, 100, 2), 0, (20, 48, 45)),
    "HORNS": Handshape((0, 85, 85, 0), (4, 100, 100, 4), (6, 0, 0, -8), (20, 52, 48)),
    "ILY": Handshape((0, 85, 85, 0), (4, 100, 100, 4), (8, 0, 0, -12), (72, 0, 0)),
    "HOOK": Handshape((10, 85, 85, 85), (95, 100, 100, 100), 0, (20, 48, 45)),
    "HOOKED-VEE": Handshape((10, 10, 85, 85), (80, 80, 100, 100), (16, -14, 0, 0), (20, 50, 48)),
    "CLAW": Handshape(**_same(25, 65), spread=12, thumb=(55, 30, 35)),
    "BENT": Handshape(**_same(80, 5), spread=0, thumb=(25, 20, 10)),
    "ROUND": Handshape(**_same(35, 48), spread=2, thumb=(48, 55, 12)),
    "OH": Handshape(**_same(42, 74), spread=0, thumb=(23, 49, 36)),
    "FLAT-OH": Handshape(**_same(80, 14), spread=0, thumb=(8, 62, 18)),
    "PINCH": Handshape((50, 5, 5, 5), (58, 5, 8, 10), 9, (30, 52, 32)),
    "BEAK": Handshape((68, 85, 85, 85), (28, 100, 100, 100), 0, (22, 60, 20)),
    "KAY": Handshape((0, 56, 85, 85), (2, 4, 100, 100), (6, -4, 0, 0), (10, 30, 20)),
    "MIDDLE": Handshape((0, 68, 0, 0), (4, 18, 4, 4), 11, (58, 12, 0)),
}

# Handshape -> what it becomes when it opens or closes in a sign.
CHANGES = {
    "FIST": "OPEN",
    "OPEN": "FLAT-OH",
    "FLAT-OH": "OPEN",
    "OH": "FOUR",
    "CLAW": "FIST",
    "FLAT": "BENT",
    "BENT": "FLAT",
    "POINT": "HOOK",
    "VEE": "HOOKED-VEE",
    "HOOKED-VEE": "VEE",
    "ELL": "BEAK",
    "BEAK": "ELL",
    "PINCH": "OPEN",
    "HOOK": "POINT",
    "THUMB": "FIST",
}
# Handshapes whose fingers may flutter.
WIGGLING = ("OPEN", "FOUR", "CLAW", "VEE", "THREE", "MIDDLE")
# Handshapes of a hand that is acted on.
# Source: Battison 1978, the dominance condition: B, 5, A/S, G, C, O.
UNMARKED = ("FLAT", "OPEN", "FIST", "POINT", "ROUND", "OH")


@dataclass(frozen=True)
class Location:
    """A place for the right hand.

    Attributes:
        anchor: what `offset` is measured from. `head`: its centre, in face half-heights; `chest`:
            the middle of the shoulders, in shoulder widths; `hand` or `forearm`: a place on the
            other arm, whose palm's centre is at `offset` from the chest, as if it were a right one.
        offset: x to the signer's left, y down, z away from the camera; of the skin's point where
            there is one, else of the palm's centre.
        skin: where the skin looks to, for places that can be touched.
        twin: True where the place has a mirror image for the other hand.
        palm: for places on the other hand: where its palm looks to.
    """

    anchor: str
    offset: Vector
    skin: Vector | None = None
    twin: bool = False
    palm: str = ""


LOCATIONS = {
    "FOREHEAD": Location("head", (-0.22, -0.76, -0.74), (0, 0, -1), twin=True),
    "TEMPLE": Location("head", (-0.70, -0.40, -0.44), (-0.9, 0, -0.5), twin=True),
    "EAR": Location("head", (-0.82, 0.05, 0.0), (-1, 0, 0), twin=True),
    "EYE": Location("head", (-0.36, -0.08, -0.80), (-0.2, 0, -1), twin=True),
    "NOSE": Location("head", (0.0, 0.18, -1.18), (0, 0, -1)),
    "CHEEK": Location("head", (-0.56, 0.30, -0.62), (-0.6, 0, -0.8), twin=True),
    "MOUTH": Location("head", (0.0, 0.52, -0.88), (0, 0, -1)),
    "CHIN": Location("head", (-0.05, 0.95, -0.72), (0, 0, -1)),
    "NECK": Location("chest", (-0.02, -0.22, -0.20), (0, 0, -1)),
    "SHOULDER": Location("chest", (0.40, 0.10, -0.20), (0.2, 0, -1)),
    "CHEST": Location("chest", (-0.10, 0.38, -0.30), (0, 0, -1), twin=True),
    "HEART": Location("chest", (0.24, 0.42, -0.26), (0.3, 0, -1)),
    "BELLY": Location("chest", (-0.08, 0.92, -0.30), (0, 0, -1), twin=True),
    "UPPER-ARM": Location("chest", (0.53, 0.42, -0.10), (0.8, 0, -0.6)),
    "SPACE": Location("chest", (-0.32, 0.55, -1.0), twin=True),
    "SIDE": Location("chest", (-1.00, 0.30, -0.7), twin=True),
    "HIGH": Location("chest", (-0.80, -0.55, -0.7), twin=True),
    "LOW": Location("chest", (-0.45, 1.05, -0.75), twin=True),
    "PALM": Location("hand", (-0.16, 0.72, -0.85), (0, -1, 0), palm="UP"),
    "BACK": Location("hand", (-0.10, 0.72, -0.85), (0, -1, 0), palm="DOWN"),
    "EDGE": Location("hand", (-0.16, 0.66, -0.85), (0, -1, 0), palm="ACROSS"),
    "FINGERTIPS": Location("hand", (-0.24, 0.62, -0.80), (0, -1, 0), palm="IN"),
    "FOREARM": Location("forearm", (0.20, 0.66, -0.70), (0, -1, 0), palm="DOWN"),
}

# OUT is away from the signer; ASIDE to the side of the hand that moves, ACROSS to the other.
DIRECTIONS: dict[str, Vector] = {
    "NONE": (0, 0, 0),
    "UP": (0, -1, 0),
    "DOWN": (0, 1, 0),
    "OUT": (0, 0, -1),
    "IN": (0, 0, 1),
    "ASIDE": (-1, 0, 0),
    "ACROSS": (1, 0, 0),
}

# Kind -> the directions it is used with.
# A circle's direction is where it sets out to; a circle that sets out to OUT lies flat.
MOVEMENTS = {
    "HOLD": ("NONE",),
    "LINE": ("UP", "DOWN", "OUT", "IN", "ASIDE", "ACROSS"),
    "ARC": ("OUT", "ASIDE", "ACROSS", "DOWN"),
    "CIRCLE": ("UP", "DOWN", "OUT"),
    "ZIGZAG": ("DOWN", "ASIDE", "OUT"),
    "TAP": ("DOWN", "OUT", "ASIDE", "IN"),
}

# Where the palm of the right hand looks; the fingers go where the arm finds it easiest.
ORIENTATIONS: dict[str, Vector] = {
    "OUT": (0, 0, -1),
    "IN": (0, 0, 1),
    "UP": (0, -1, 0),
    "DOWN": (0, 1, 0),
    "ACROSS": (1, 0, 0),
    "ASIDE": (-1, 0, 0),
}

# What happens in the hand.
# CHANGE opens or closes it, TWIST turns the forearm, NOD nods the wrist, WIGGLE flutters the
# fingers.
INTERNALS = ("NONE", "CHANGE", "TWIST", "NOD", "WIGGLE")
# BASE: the other hand is still and acted on.
HANDS = ("ONE", "SYMMETRIC", "ALTERNATING", "BASE")
# Yaw to the side of the other hand and pitch upwards, radians; HAND follows the dominant hand.
GAZES: dict[str, tuple[float, float] | None] = {
    "ADDRESSEE": (0.0, 0.0),
    "HAND": None,
    "UP": (0.0, 0.35),
    "DOWN": (0.0, -0.40),
    "AWAY": (0.45, 0.0),
}

# Places in signing space, in shoulder widths from the middle of the shoulders.
# Left is the signer's own left, whichever hand they sign with.
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

# Locations at which a palm cannot look there, as `posture` finds out.
IMPOSSIBLE = frozenset(
    {("NOSE", "ASIDE"), ("MOUTH", "ASIDE"), ("CHIN", "ASIDE"), ("BELLY", "OUT"), ("HIGH", "UP")}
)
