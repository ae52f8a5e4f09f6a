"""What the programs of actions are built from: places on a body, and steps of a program.

A program is a row of steps for a right-handed average body: `hand` is the main hand, `hand2` the
other one. Places are (frame, outwards, up, forward), see `bodies.Target`.
"""

from collections.abc import Callable, Sequence

from signlib.synthesis.bodies import HANGING, Script, Value

# Writes what happens next into a script.
Step = Callable[[Script], None]
Program = Sequence[Step]

MOUTH, EAR, CROWN = ("h", 0.06, -0.14, 0.17), ("h", 0.14, -0.08, 0.03), ("h", 0.05, 0.13, 0.06)
NAPE = ("h", 0.04, -0.13, -0.10)
FRONT, BELLY, HEART = ("c", 0.12, -0.28, 0.33), ("c", 0.04, -0.36, 0.17), ("c", -0.04, -0.14, 0.15)
POCKET, BACK = ("p", 0.19, -0.02, 0.05), ("p", 0.07, 0.10, -0.17)
INWARD, UPWARD, AHEAD = (-1.0, 0.15, 0.2), (-0.15, 1.0, 0.15), (0.0, 0.0, 1.0)
TO_FACE = (-0.55, 0.5, -0.5)
ELBOW_OUT, ELBOW_BACK = (1.0, -0.35, -0.2), (0.6, -0.3, -1.0)


def alike(**changes: Value) -> dict[str, Value]:
    """These changes of the main hand, and the same ones of the other hand."""
    return changes | {name.replace("hand", "hand2"): value for name, value in changes.items()}


# Arms down, trunk and head straight.
RESTED = alike(hand=HANGING, hand_way=None) | dict.fromkeys(
    ("lean", "side", "twist", "nod", "shake", "tilt"), 0.0
)


def to(seconds: float, /, **changes: Value) -> Step:
    """The first person moves, and the clock moves on: see `Script.to`."""
    return lambda script: script.to(seconds, **changes)


def at(delay: float, seconds: float, who: int = 0, /, **changes: Value) -> Step:
    """One person moves beside the clock: see `Script.at`."""
    return lambda script: script.at(delay, seconds, who, **changes)


def repeat(least: int, most: int, *steps: Step) -> Step:
    """Go through `steps` as often as a performance repeats something."""

    def repeated(script: Script) -> None:
        for _ in script.repeat(least, most):
            for step in steps:
                step(script)

    return repeated


def rest(seconds: float = 0.7) -> Step:
    """Arms down, trunk and head straight."""
    return to(seconds, **RESTED)
