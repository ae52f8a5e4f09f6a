"""What two persons do in the eleven mutual actions of NTU RGB+D 60 (A050 to A060).

They share one clock: `s.to` moves the first person, `s.both` the two of them, `s.at` either one
beside the clock. Frames `oc`, `oh`, `op` are the chest, head and pelvis of the other person.
"""

import math

from signlib.synthesis.action_parts import FREE, FRONT, INWARD, Programs, rest, swing, walk
from signlib.synthesis.bodies import HANGING, Changes, Script, Value

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
PROGRAMS = Programs()


def _rest(s: Script, seconds: float = 0.7) -> None:
    # Both persons rest.
    s.at(
        0.0,
        seconds,
        1,
        hand=HANGING,
        hand2=HANGING,
        **FREE,
        lean=0.0,
        side=0.0,
        twist=0.0,
        nod=0.0,
        shake=0.0,
    )
    rest(s, seconds)


@PROGRAMS.action(50)
def punch_or_slap(s: Script) -> None:
    for _ in s.repeat(1, 2):
        s.to(0.4, hand=("c", 0.28, -0.10, -0.12), twist=-0.35)
        s.at(0.16, 0.25, 1, lean=-0.28, shake=0.45, nod=-0.2, side=0.1)
        s.to(0.22, hand=("oh", 0.03, -0.04, 0.10), twist=0.35, lean=0.15)
        s.to(0.3, hand=("c", 0.20, -0.12, 0.22), twist=0.0, lean=0.0)
    _rest(s)


@PROGRAMS.action(51)
def kicking(s: Script) -> None:
    s.to(0.35, foot=("p", 0.08, -0.70, -0.30), lean=0.1, hand2=("c", 0.30, -0.40, 0.20))
    s.at(
        0.18,
        0.25,
        1,
        lean=0.40,
        forward=-0.10,
        hand=("c", 0.10, -0.40, 0.22),
        hand2=("c", 0.10, -0.40, 0.22),
    )
    s.to(0.28, foot=("op", 0.0, -0.15, 0.20), lean=-0.25)
    s.to(0.35, foot=("p", 0.08, -0.78, 0.20), lean=0.0)
    s.at(0.0, 0.35, foot=("f", 0.09, 0, 0))
    s.at(0.2, 0.5, 1, forward=0.0)
    _rest(s)


@PROGRAMS.action(52)
def pushing(s: Script) -> None:
    drawn, up = ("c", 0.16, -0.15, 0.16), (0, 0.8, 0.6)
    s.to(0.45, hand=drawn, hand2=drawn, hand_way=up, hand2_way=up)
    s.at(
        0.22,
        0.45,
        1,
        forward=-0.30,
        lean=-0.15,
        hand=("c", 0.32, -0.36, 0.18),
        hand2=("c", 0.32, -0.36, 0.18),
    )
    s.at(0.28, 0.3, 1, foot=("f", 0.1, 0.06, -0.22))
    s.at(0.5, 0.2, 1, foot=("f", 0.1, 0.0, -0.34))
    s.at(0.7, 0.25, 1, foot2=("f", 0.1, 0.0, -0.26))
    touch = ("oc", 0.12, -0.08, 0.12)
    s.to(0.3, hand=touch, hand2=touch, lean=0.22, foot=("f", 0.1, 0.0, 0.18))
    s.to(0.35, hand=("c", 0.14, -0.10, 0.46), hand2=("c", 0.14, -0.10, 0.46))
    s.at(0.0, 0.4, foot=("f", 0.09, 0, 0))
    _rest(s)


@PROGRAMS.action(53)
def pat_on_back(s: Script) -> None:
    touch, off = ("oc", 0.0, -0.10, -0.10), ("oc", -0.04, -0.04, -0.26)
    s.to(0.6, hand=off, lean=0.05)
    for _ in s.repeat(3, 4):
        s.at(0.1, 0.15, 1, lean=0.08)
        s.to(0.2, hand=touch)
        s.at(0.0, 0.15, 1, lean=0.0)
        s.to(0.2, hand=off)
    _rest(s)


@PROGRAMS.action(54)
def point_finger(s: Script) -> None:
    s.to(0.5, hand=("c", 0.10, 0.0, 0.52), lean=0.08)
    s.at(0.2, 0.4, 1, lean=-0.1)
    swing(
        s,
        0.24,
        s.repeat(2, 3),
        [{"hand": ("c", 0.10, -0.10, 0.48)}, {"hand": ("c", 0.10, 0.05, 0.50)}],
    )
    _rest(s)


@PROGRAMS.action(55)
def hugging(s: Script) -> None:
    wide = ("c", 0.36, -0.12, 0.34)
    s.at(0.1, 0.5, 0, foot=("f", 0.1, 0.0, 0.26))
    s.at(0.1, 0.5, 1, foot=("f", 0.1, 0.0, 0.26))
    opened: Changes = {"hand": wide, "hand2": wide, "forward": 0.10}
    s.both(0.6, opened, opened)
    s.at(0.1, 0.4, 0, foot2=("f", 0.1, 0.0, 0.22))
    s.at(0.1, 0.4, 1, foot2=("f", 0.1, 0.0, 0.22))
    over: dict[str, Value] = {
        "hand": ("oc", 0.04, -0.02, -0.12),
        "hand2": ("oc", 0.06, -0.22, -0.12),
        **FREE,
        "hand_elbow": (1.0, -0.2, 0.2),
        "hand2_elbow": (1.0, -0.4, 0.2),
        "forward": 0.27,
        "lean": 0.12,
        "side": 0.12,
    }
    s.both(0.6, over, over)
    s.to(0.9)
    loosened: Changes = {"hand": wide, "hand2": wide, "forward": 0.05, "lean": 0.0, "side": 0.0}
    s.both(0.6, loosened, loosened)
    back: dict[str, Value] = {
        "foot": ("f", 0.09, 0.0, 0.0),
        "foot2": ("f", 0.09, 0.0, 0.0),
        "forward": 0.0,
    }
    s.at(0.0, 0.6, 0, **back)
    s.at(0.0, 0.6, 1, **back)
    _rest(s)


@PROGRAMS.action(56)
def giving_object(s: Script) -> None:
    middle = ("m", -0.01, 1.08, -0.05)
    s.to(0.45, hand=FRONT)
    s.both(0.55, {"hand": middle}, {"hand": ("c", 0.12, -0.20, 0.34)})
    s.both(0.4, {}, {"hand": middle})
    s.to(0.25)
    s.both(0.6, {"hand": HANGING}, {"hand": FRONT, "nod": 0.25})
    s.to(0.3)
    _rest(s)


@PROGRAMS.action(57)
def touch_pocket(s: Script) -> None:
    pocket = ("op", 0.19, -0.03, -0.05)
    s.to(0.6, hand=("op", 0.22, 0.10, -0.20), lean=0.2, nod=0.3, side=0.1)
    s.to(0.35, hand=pocket, hand_way=(0, -0.6, 0.8))
    swing(s, 0.2, s.repeat(1, 2), [{"hand": ("op", 0.20, 0.0, -0.07)}, {"hand": pocket}])
    s.to(0.4, hand=("c", 0.15, -0.30, 0.25), lean=0.0, hand_way=INWARD)
    _rest(s)


@PROGRAMS.action(58)
def shaking_hands(s: Script) -> None:
    def held(height: float, **more: Value) -> Changes:
        return {"hand": ("m", -0.01, height, -0.02), "hand_way": (0, 0, 1), **more}

    s.both(0.6, held(1.05, lean=0.06), held(1.05, lean=0.06))
    for _ in s.repeat(2, 4):
        s.both(0.18, held(1.12), held(1.12))
        s.both(0.18, held(0.98), held(0.98))
    _rest(s)


@PROGRAMS.action(59)
def walking_towards(s: Script) -> None:
    for who in (0, 1):
        walk(s, 0.85, 3, step=0.55, who=who)
    s.to(2.2)
    s.to(0.3)


@PROGRAMS.action(60)
def walking_apart(s: Script) -> None:
    for who in (0, 1):
        turn = math.pi if who == 0 else -math.pi
        s.at(0.1, 0.9, who, yaw=turn)
        s.at(0.1, 0.5, who, foot=("f", -0.09, 0.0, 0.0))
        s.at(0.5, 0.5, who, foot2=("f", -0.09, 0.0, 0.0))
        _walk_away(s, who)
    s.to(2.8)
    s.to(0.2)


def _walk_away(s: Script, who: int) -> None:
    # Turned round: outwards is inwards now, and forward is behind where they stood first.
    step, steps, distance = 0.5, 3, 0.9
    s.at(1.0, steps * step, who, forward=-distance)
    for k in range(steps):
        name, arm, rear = ("foot", "hand2", "hand") if k % 2 == 0 else ("foot2", "hand", "hand2")
        ahead = distance * min(1.0, (k + 1.5) / steps if k < steps - 1 else 1.0)
        s.at(0.9 + k * step, 0.7 * step, who, **{name: ("f", -0.09, 0.10, -ahead * 0.7)})
        s.at(0.9 + (k + 0.35) * step, 0.75 * step, who, **{name: ("f", -0.09, 0.0, -ahead)})
        s.at(
            0.9 + k * step,
            step,
            who,
            **{arm: ("c", 0.21, -0.56, 0.20), rear: ("c", 0.22, -0.56, -0.16)},
        )
    s.at(
        0.9 + steps * step,
        0.3,
        who,
        foot2=("f", -0.09, 0.0, -distance),
        hand=HANGING,
        hand2=HANGING,
    )
