"""What two persons do in the eleven mutual actions of NTU RGB+D 60 (A050 to A060).

They share one clock: `to` moves the first person, `both` the two of them, `at` either one beside
the clock. Frames `oc`, `oh`, `op` are the chest, head and pelvis of the other person.
"""

import math

from signlib.synthesis.action_parts import (
    FRONT,
    INWARD,
    RESTED,
    Program,
    Step,
    alike,
    at,
    repeat,
    rest,
    to,
)
from signlib.synthesis.bodies import HANGING, STANDING, Changes, Script, Value

# Metres between the two persons at the beginning.
STAGE = {
    50: 0.80,
    51: 1.0,
    52: 0.75,
    53: 0.55,
    54: 1.1,
    55: 0.85,
    56: 0.95,
    57: 0.62,
    58: 0.85,
    59: 2.6,
    60: 0.8,
}
# Actions in which the first person stands behind the second one; else they face each other.
BEHIND = frozenset({53, 57})


def both(seconds: float, first: Changes, second: Changes) -> Step:
    """The two persons move at the same time: see `Script.both`."""
    return lambda script: script.both(seconds, first, second)


def together(seconds: float, /, **changes: Value) -> Step:
    """The two persons do the same."""
    return both(seconds, changes, changes)


def walk(
    who: int,
    distance: float,
    step: float,
    *,
    start: float = 0.05,
    delay: float = 0.0,
    turned: bool = False,
) -> Step:
    """One person goes `distance` metres in three steps of `step` seconds, while the clock stays.

    The feet stop side by side.

    Args:
        start, delay: seconds until the pelvis moves, and the feet.
        turned: they turned round: outwards is inwards now, and forward is behind where they stood
            first.
    """
    way = -1 if turned else 1

    def walked(s: Script) -> None:
        s.at(start, 3 * step, who, forward=way * distance)
        # The arm of the other side swings along with a foot.
        main, other = ("foot", "hand2", "hand"), ("foot2", "hand", "hand2")
        for k, (foot, swinging, rear) in enumerate((main, other, main)):
            was, ahead = distance * max(0.0, (k - 0.5) / 3), distance * min(1.0, (k + 1.5) / 3)
            lifted = 0.7 * ahead if turned else (was + ahead) / 2
            arms = {swinging: ("c", 0.21, -0.56, 0.20), rear: ("c", 0.22, -0.56, -0.16)}
            s.at(delay + k * step, 0.7 * step, who, **{foot: ("f", way * 0.09, 0.10, way * lifted)})
            down = ("f", way * 0.09, 0.0, way * ahead)
            s.at(delay + (k + 0.35) * step, 0.75 * step, who, **{foot: down})
            s.at(delay + k * step, step, who, **arms)
        side_by_side = ("f", way * 0.09, 0.0, way * distance)
        s.at(delay + 3 * step, 0.6 * step, who, foot2=side_by_side, **alike(hand=HANGING))

    return walked


# Both persons rest.
_REST = (at(0.0, 0.7, 1, **RESTED), rest())
# Arms open for a hug, and the pocket of the other person.
_WIDE = alike(hand=("c", 0.36, -0.12, 0.34))
_POCKET = ("op", 0.19, -0.03, -0.05)
# Where something is handed over.
_MIDDLE = ("m", -0.01, 1.08, -0.05)
# A hand on the back of the other person, and off it.
_ON, _OFF = ("oc", 0.0, -0.10, -0.10), ("oc", -0.04, -0.04, -0.26)

# Official number -> program.
PROGRAMS: dict[int, Program] = {
    50: (  # punch or slap
        repeat(
            1,
            2,
            to(0.4, hand=("c", 0.28, -0.10, -0.12), twist=-0.35),
            at(0.16, 0.25, 1, lean=-0.28, shake=0.45, nod=-0.2, side=0.1),
            to(0.22, hand=("oh", 0.03, -0.04, 0.10), twist=0.35, lean=0.15),
            to(0.3, hand=("c", 0.20, -0.12, 0.22), twist=0.0, lean=0.0),
        ),
        *_REST,
    ),
    51: (  # kicking
        to(0.35, foot=("p", 0.08, -0.70, -0.30), lean=0.1, hand2=("c", 0.30, -0.40, 0.20)),
        at(0.18, 0.25, 1, lean=0.40, forward=-0.10, **alike(hand=("c", 0.10, -0.40, 0.22))),
        to(0.28, foot=("op", 0.0, -0.15, 0.20), lean=-0.25),
        to(0.35, foot=("p", 0.08, -0.78, 0.20), lean=0.0),
        at(0.0, 0.35, foot=STANDING),
        at(0.2, 0.5, 1, forward=0.0),
        *_REST,
    ),
    52: (  # pushing
        to(0.45, **alike(hand=("c", 0.16, -0.15, 0.16), hand_way=(0, 0.8, 0.6))),
        at(0.22, 0.45, 1, forward=-0.30, lean=-0.15, **alike(hand=("c", 0.32, -0.36, 0.18))),
        at(0.28, 0.3, 1, foot=("f", 0.1, 0.06, -0.22)),
        at(0.5, 0.2, 1, foot=("f", 0.1, 0.0, -0.34)),
        at(0.7, 0.25, 1, foot2=("f", 0.1, 0.0, -0.26)),
        to(0.3, **alike(hand=("oc", 0.12, -0.08, 0.12)), lean=0.22, foot=("f", 0.1, 0.0, 0.18)),
        to(0.35, **alike(hand=("c", 0.14, -0.10, 0.46))),
        at(0.0, 0.4, foot=STANDING),
        *_REST,
    ),
    53: (  # pat on back
        to(0.6, hand=_OFF, lean=0.05),
        repeat(
            3,
            4,
            at(0.1, 0.15, 1, lean=0.08),
            to(0.2, hand=_ON),
            at(0.0, 0.15, 1, lean=0.0),
            to(0.2, hand=_OFF),
        ),
        *_REST,
    ),
    54: (  # point finger
        to(0.5, hand=("c", 0.10, 0.0, 0.52), lean=0.08),
        at(0.2, 0.4, 1, lean=-0.1),
        repeat(
            2,
            3,
            to(0.24, hand=("c", 0.10, -0.10, 0.48)),
            to(0.24, hand=("c", 0.10, 0.05, 0.50)),
        ),
        *_REST,
    ),
    55: (  # hugging
        *(at(0.1, 0.5, who, foot=("f", 0.1, 0.0, 0.26)) for who in (0, 1)),
        together(0.6, **_WIDE, forward=0.10),
        *(at(0.1, 0.4, who, foot2=("f", 0.1, 0.0, 0.22)) for who in (0, 1)),
        together(
            0.6,
            hand=("oc", 0.04, -0.02, -0.12),
            hand2=("oc", 0.06, -0.22, -0.12),
            **alike(hand_way=None),
            hand_elbow=(1.0, -0.2, 0.2),
            hand2_elbow=(1.0, -0.4, 0.2),
            forward=0.27,
            lean=0.12,
            side=0.12,
        ),
        to(0.9),
        together(0.6, **_WIDE, forward=0.05, lean=0.0, side=0.0),
        *(at(0.0, 0.6, who, foot=STANDING, foot2=STANDING, forward=0.0) for who in (0, 1)),
        *_REST,
    ),
    56: (  # giving object
        to(0.45, hand=FRONT),
        both(0.55, {"hand": _MIDDLE}, {"hand": ("c", 0.12, -0.20, 0.34)}),
        both(0.4, {}, {"hand": _MIDDLE}),
        to(0.25),
        both(0.6, {"hand": HANGING}, {"hand": FRONT, "nod": 0.25}),
        to(0.3),
        *_REST,
    ),
    57: (  # touch pocket
        to(0.6, hand=("op", 0.22, 0.10, -0.20), lean=0.2, nod=0.3, side=0.1),
        to(0.35, hand=_POCKET, hand_way=(0, -0.6, 0.8)),
        repeat(1, 2, to(0.2, hand=("op", 0.20, 0.0, -0.07)), to(0.2, hand=_POCKET)),
        to(0.4, hand=("c", 0.15, -0.30, 0.25), lean=0.0, hand_way=INWARD),
        *_REST,
    ),
    58: (  # shaking hands
        together(0.6, hand=("m", -0.01, 1.05, -0.02), hand_way=(0, 0, 1), lean=0.06),
        repeat(
            2,
            4,
            together(0.18, hand=("m", -0.01, 1.12, -0.02), hand_way=(0, 0, 1)),
            together(0.18, hand=("m", -0.01, 0.98, -0.02), hand_way=(0, 0, 1)),
        ),
        *_REST,
    ),
    59: (  # walking towards
        *(walk(who, 0.85, 0.55) for who in (0, 1)),
        to(2.2),
        to(0.3),
    ),
    60: (  # walking apart
        at(0.1, 0.9, 0, yaw=math.pi),
        at(0.1, 0.9, 1, yaw=-math.pi),
        *(at(0.1, 0.5, who, foot=("f", -0.09, 0.0, 0.0)) for who in (0, 1)),
        *(at(0.5, 0.5, who, foot2=("f", -0.09, 0.0, 0.0)) for who in (0, 1)),
        *(walk(who, 0.9, 0.5, start=1.0, delay=0.9, turned=True) for who in (0, 1)),
        to(2.8),
        to(0.2),
    ),
}
