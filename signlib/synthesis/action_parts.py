"""What the programs of actions are built from: places on a body, and to rest, swing and walk.

A program is a short script of keys for a right-handed average body: `hand` is the main hand,
`hand2` the other one. Places are (frame, outwards, up, forward), see `bodies.Target`.
"""

from collections.abc import Callable, Sequence

from signlib.synthesis.bodies import HANGING, Changes, Script, Value

Program = Callable[[Script], None]


class Programs(dict[int, Program]):
    """Official action number -> program."""

    def action(self, number: int) -> Callable[[Program], Program]:
        """A decorator that enters a program under its official number."""

        def enter(program: Program) -> Program:
            self[number] = program
            return program

        return enter


MOUTH, EAR, CROWN = ("h", 0.06, -0.14, 0.17), ("h", 0.14, -0.08, 0.03), ("h", 0.05, 0.13, 0.06)
NAPE = ("h", 0.04, -0.13, -0.10)
FRONT, BELLY, HEART = ("c", 0.12, -0.28, 0.33), ("c", 0.04, -0.36, 0.17), ("c", -0.04, -0.14, 0.15)
POCKET, BACK = ("p", 0.19, -0.02, 0.05), ("p", 0.07, 0.10, -0.17)
INWARD, UPWARD, AHEAD = (-1.0, 0.15, 0.2), (-0.15, 1.0, 0.15), (0.0, 0.0, 1.0)
TO_FACE = (-0.55, 0.5, -0.5)
ELBOW_OUT, ELBOW_BACK = (1.0, -0.35, -0.2), (0.6, -0.3, -1.0)
# Both hands straight on from their arms again.
FREE: dict[str, Value] = {"hand_way": None, "hand2_way": None}


def rest(s: Script, seconds: float = 0.7) -> None:
    """Arms down, trunk and head straight."""
    s.to(
        seconds,
        hand=HANGING,
        hand2=HANGING,
        **FREE,
        lean=0.0,
        side=0.0,
        twist=0.0,
        nod=0.0,
        shake=0.0,
        tilt=0.0,
    )


def swing(s: Script, seconds: float, times: range, ways: Sequence[Changes]) -> None:
    """Go through `ways` in turn, as often as `times` says; each takes `seconds`."""
    for _ in times:
        for way in ways:
            s.to(seconds, **way)


def walk(
    s: Script, distance: float, steps: int, step: float = 0.5, who: int = 0, start: float = 0.0
) -> None:
    """Step forward from `start` metres by `distance`, while the clock stays.

    The feet stop side by side.
    """
    s.at(0.05, steps * step, who, forward=start + distance)
    for k in range(steps):
        # The arm of the other side swings along with a foot.
        name, swinging, rear = ("foot", "hand2", "hand")
        if k % 2 == 1:
            name, swinging, rear = ("foot2", "hand", "hand2")
        ahead = start + distance * min(1.0, (k + 1.5) / steps if k < steps - 1 else 1.0)
        was = start + distance * max(0.0, (k - 0.5) / steps)
        lifted = ("f", 0.09, 0.10, (was + ahead) / 2)
        s.at(k * step, 0.7 * step, who, **{name: lifted})
        s.at((k + 0.35) * step, 0.75 * step, who, **{name: ("f", 0.09, 0.0, ahead)})
        s.at(
            k * step,
            step,
            who,
            **{swinging: ("c", 0.21, -0.56, 0.20), rear: ("c", 0.22, -0.56, -0.16)},
        )
    last = "foot2" if steps % 2 == 1 else "foot"
    s.at(
        steps * step,
        0.6 * step,
        who,
        **{last: ("f", 0.09, 0.0, start + distance)},
        hand=HANGING,
        hand2=HANGING,
    )
