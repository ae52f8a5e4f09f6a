"""What one person does with things: the actions A001 to A021 of NTU RGB+D 60."""

from signlib.synthesis.action_parts import (
    AHEAD,
    CROWN,
    ELBOW_BACK,
    ELBOW_OUT,
    FRONT,
    INWARD,
    MOUTH,
    TO_FACE,
    UPWARD,
    Program,
    alike,
    at,
    repeat,
    rest,
    to,
)
from signlib.synthesis.bodies import HANGING, STANDING, Value

# On a chair, hands on the thighs.
SEATED: dict[str, Value] = {
    "up": -0.42,
    "forward": -0.42,
    **alike(hand=("p", 0.14, 0.10, 0.38)),
}
# Palms that clap.
_APART, _MET = ("c", 0.20, -0.18, 0.30), ("c", 0.015, -0.16, 0.32)
_BOOK, _PAPER = ("c", 0.13, -0.14, 0.33), ("c", 0.03, -0.14, 0.33)
# The earpieces of glasses that are worn.
_WORN = ("h", 0.13, -0.05, 0.07)
_TO_SHOE = to(
    0.9,
    lean=1.0,
    up=-0.12,
    nod=0.2,
    foot=("f", 0.12, 0.38, 0.30),
    hand=("f", 0.20, 0.42, 0.36),
    hand2=("f", 0.0, 0.44, 0.36),
)

# Official number -> program.
PROGRAMS: dict[int, Program] = {
    1: (  # drink water
        to(0.6, hand=FRONT, hand_way=INWARD),
        to(0.7, hand=MOUTH, hand_way=TO_FACE, hand_elbow=ELBOW_OUT),
        to(0.5, nod=-0.4, hand=("h", 0.05, -0.11, 0.18)),
        to(0.7),
        to(0.6, hand=FRONT, hand_way=INWARD, nod=0.0),
        rest(),
    ),
    2: (  # eat meal
        to(
            0.6,
            hand2=("c", 0.0, -0.25, 0.28),
            hand2_way=INWARD,
            hand=("c", 0.03, -0.20, 0.30),
            nod=0.3,
        ),
        repeat(
            2,
            3,
            to(0.45, hand=("c", 0.02, -0.24, 0.30), hand_way=INWARD, nod=0.35),
            to(0.5, hand=MOUTH, hand_way=TO_FACE, nod=0.05),
            to(0.25),
        ),
        rest(),
    ),
    3: (  # brush teeth
        to(0.7, hand=("h", 0.10, -0.13, 0.13), hand_way=TO_FACE, hand_elbow=(1.0, -0.1, 0.1)),
        repeat(
            7,
            9,
            to(0.14, hand=("h", 0.17, -0.13, 0.12)),
            to(0.14, hand=("h", 0.05, -0.13, 0.15)),
        ),
        rest(),
    ),
    4: (  # brush hair
        to(0.7, hand=CROWN, hand_way=(-0.7, 0.3, -0.5), hand_elbow=ELBOW_OUT, tilt=-0.1),
        repeat(
            3,
            4,
            to(0.45, hand=("h", 0.15, -0.16, -0.06), hand_way=(-0.3, 0.9, -0.3), tilt=0.12),
            to(0.3, hand=CROWN, hand_way=(-0.7, 0.3, -0.5), tilt=0.05),
        ),
        rest(),
    ),
    5: (  # drop
        to(0.6, hand=("c", 0.10, -0.26, 0.42), hand_way=AHEAD, nod=0.2),
        to(0.35),
        to(0.12, hand=("c", 0.10, -0.20, 0.40), hand_way=(0.0, 0.7, 0.7)),
        to(0.3, nod=0.55, lean=0.12),
        to(0.4),
        rest(),
    ),
    6: (  # pick up
        to(
            0.8,
            lean=1.15,
            up=-0.30,
            forward=-0.12,
            nod=0.1,
            hand=("f", 0.12, 0.10, 0.38),
            hand2=("c", 0.16, -0.50, 0.20),
        ),
        to(0.2),
        to(0.7, lean=0.0, up=0.0, forward=0.0, hand=FRONT, hand2=HANGING, hand_way=AHEAD, nod=0.3),
        to(0.4),
        rest(),
    ),
    7: (  # throw
        to(
            0.6,
            hand=("c", 0.32, 0.22, -0.22),
            hand_elbow=(1.0, -0.2, -0.3),
            twist=-0.5,
            lean=-0.08,
            foot2=("f", 0.1, 0, 0.25),
        ),
        to(0.25, hand=("c", 0.02, 0.18, 0.55), twist=0.45, lean=0.2),
        to(0.3, hand=("c", -0.15, -0.30, 0.38), lean=0.3),
        at(0.3, 0.5, foot2=STANDING),
        rest(0.8),
    ),
    8: (  # sit down
        to(0.3, shake=-0.25, twist=-0.1),
        at(0.0, 0.6, lean=0.6),
        to(1.1, **SEATED, lean=0.1),
        to(0.4, lean=-0.05, shake=0.0, twist=0.0),
        to(0.5),
    ),
    9: (  # stand up
        lambda script: script.start(**SEATED),
        to(0.5),
        to(0.45, lean=0.7),
        to(0.8, up=0.0, forward=0.0, lean=0.0, hand=HANGING, hand2=HANGING),
        to(0.4),
    ),
    10: (  # clapping
        to(0.6, **alike(hand=_APART, hand_way=(-0.2, 0.6, 0.7))),
        repeat(5, 8, to(0.16, **alike(hand=_MET)), to(0.16, **alike(hand=_APART))),
        rest(),
    ),
    11: (  # reading
        to(0.7, **alike(hand=_BOOK, hand_way=UPWARD), nod=0.4),
        to(0.8),
        to(0.4, hand=("c", 0.16, -0.09, 0.30)),
        to(0.4, hand=("c", -0.10, -0.11, 0.31), shake=0.1),
        to(0.35, hand=_BOOK),
        to(0.6, shake=-0.1),
        rest(),
    ),
    12: (  # writing
        to(
            0.7,
            hand2=("c", 0.08, -0.30, 0.32),
            hand=("c", -0.02, -0.27, 0.32),
            hand2_way=INWARD,
            nod=0.5,
            lean=0.12,
        ),
        repeat(
            2,
            3,
            # From left to right, up and down.
            *(
                to(0.13, hand=("c", -0.04 + 0.035 * k, -0.27 + 0.02 * (k % 2), 0.33))
                for k in range(5)
            ),
            to(0.22, hand=("c", -0.04, -0.28, 0.31)),
        ),
        rest(),
    ),
    13: (  # tear up paper
        to(0.6, **alike(hand=_PAPER, hand_way=UPWARD), nod=0.25),
        repeat(
            2,
            3,
            to(0.3, hand=("c", 0.15, -0.22, 0.20), hand2=("c", 0.13, -0.08, 0.40)),
            to(0.35, **alike(hand=_PAPER)),
        ),
        rest(),
    ),
    14: (  # put on jacket
        to(0.5, hand2=("c", 0.02, -0.10, 0.26), hand2_way=INWARD, hand=("c", 0.28, -0.20, 0.22)),
        to(0.5, hand=("c", 0.34, -0.42, -0.20), hand_elbow=ELBOW_BACK, twist=-0.35, shake=-0.3),
        to(
            0.5, hand=("c", 0.34, -0.05, 0.30), hand2=("c", -0.12, 0.02, 0.10), twist=0.0, shake=0.0
        ),
        to(
            0.5,
            hand2=("c", 0.34, -0.42, -0.20),
            hand2_elbow=ELBOW_BACK,
            twist=0.35,
            shake=0.3,
            hand=("c", 0.10, -0.05, 0.17),
        ),
        to(0.5, hand2=("c", 0.34, -0.05, 0.30), twist=0.0, shake=0.0),
        to(0.4, **alike(hand=("c", 0.07, -0.08, 0.17), hand_way=INWARD)),
        to(0.35, **alike(hand=("c", 0.08, -0.38, 0.17)), nod=0.3),
        rest(),
    ),
    15: (  # take off jacket
        to(0.5, **alike(hand=("c", 0.10, -0.07, 0.16), hand_way=INWARD)),
        to(0.45, **alike(hand=("c", 0.30, -0.02, 0.08), hand_elbow=ELBOW_OUT)),
        to(
            0.55,
            **alike(hand=("c", 0.12, -0.50, -0.24), hand_way=None, hand_elbow=ELBOW_BACK),
            lean=0.15,
        ),
        repeat(2, 2, to(0.2, twist=0.25), to(0.2, twist=-0.25)),
        to(0.6, hand=FRONT, hand2=("c", 0.16, -0.30, 0.30), twist=0.0, lean=0.0),
        rest(),
    ),
    16: (  # put on a shoe
        to(0.4, hand=FRONT, hand2=FRONT, nod=0.4),
        _TO_SHOE,
        repeat(
            2,
            3,
            to(
                0.25,
                hand=("f", 0.20, 0.52, 0.28),
                hand2=("f", 0.0, 0.54, 0.28),
                foot=("f", 0.12, 0.33, 0.34),
            ),
            to(0.22, hand=("f", 0.20, 0.45, 0.34), hand2=("f", 0.0, 0.47, 0.34)),
        ),
        at(0.0, 0.6, foot=STANDING, up=0.0),
        rest(0.9),
    ),
    17: (  # take off a shoe
        _TO_SHOE,
        to(0.3, hand=("f", 0.14, 0.34, 0.14), hand2=("f", 0.05, 0.45, 0.40)),
        to(0.35, hand=("f", 0.24, 0.42, 0.55), foot=("f", 0.12, 0.45, 0.10)),
        at(0.0, 0.5, foot=STANDING, up=0.0),
        to(0.8, lean=0.1, hand=("c", 0.25, -0.30, 0.35), hand2=HANGING),
        to(0.3, nod=0.4),
        rest(),
    ),
    18: (  # put on glasses
        to(0.6, **alike(hand=("c", 0.07, -0.14, 0.32), hand_way=INWARD), nod=0.25),
        to(0.3),
        to(0.6, **alike(hand=("h", 0.11, -0.05, 0.20), hand_way=UPWARD)),
        to(0.4, **alike(hand=_WORN), nod=0.0),
        to(0.3),
        rest(),
    ),
    19: (  # take off glasses
        to(0.6, **alike(hand=_WORN, hand_way=UPWARD)),
        to(0.3),
        to(0.45, **alike(hand=("h", 0.11, -0.06, 0.28)), nod=0.1),
        to(0.5, **alike(hand=("c", 0.06, -0.22, 0.32), hand_way=INWARD), nod=0.3),
        to(0.3),
        rest(),
    ),
    20: (  # put on a hat
        to(0.5, hand=FRONT, hand_way=INWARD),
        to(0.7, hand=("h", 0.05, 0.26, 0.12), hand_way=(-0.6, -0.2, -0.5), hand_elbow=ELBOW_OUT),
        to(0.25, hand=CROWN, nod=0.15),
        repeat(1, 2, to(0.18, hand=("h", 0.05, 0.20, 0.09)), to(0.18, hand=CROWN)),
        rest(),
    ),
    21: (  # take off a hat
        to(0.65, hand=CROWN, hand_way=(-0.6, -0.2, -0.5), hand_elbow=ELBOW_OUT),
        to(0.25),
        to(0.35, hand=("h", 0.08, 0.30, 0.14), nod=0.1),
        to(0.6, hand=("c", 0.10, -0.20, 0.36), hand_way=INWARD, nod=0.2),
        to(0.3),
        rest(),
    ),
}
