"""What one person does without things: the actions A022 to A049 of NTU RGB+D 60."""

from signlib.synthesis.action_parts import (
    AHEAD,
    BACK,
    BELLY,
    EAR,
    ELBOW_BACK,
    ELBOW_OUT,
    FRONT,
    HEART,
    INWARD,
    NAPE,
    POCKET,
    UPWARD,
    Program,
    alike,
    at,
    repeat,
    rest,
    to,
)
from signlib.synthesis.bodies import HANGING, STANDING, Script

_CHEERING = ("c", 0.34, 0.50, 0.08)
# Hands that type, and palms that rub each other.
_LOW, _HIGH = ("c", 0.12, -0.36, 0.36), ("c", 0.10, -0.32, 0.38)
_NEAR, _FAR = ("c", 0.015, -0.18, 0.25), ("c", 0.015, -0.16, 0.35)
# Arms away from the trunk, one forward and one back.
_FORWARD, _BACKWARD = ("c", 0.30, -0.45, 0.20), ("c", 0.30, -0.45, -0.15)


def _stagger(s: Script) -> None:
    ahead = 0.0
    for k in range(2 * len(s.repeat(2, 3))):
        out, name = (0.22, "foot") if k % 2 == 0 else (-0.22, "foot2")
        ahead += 0.12
        s.at(0.0, 0.28, **{name: ("f", 0.18, 0.10, ahead)})
        s.at(0.2, 0.3, **{name: ("f", 0.26, 0.0, ahead + 0.06)})
        s.to(
            0.5,
            aside=out,
            side=1.3 * out,
            lean=s.vary(0.15, 0.1),
            forward=ahead,
            twist=-out,
            tilt=out,
            hand=("c", 0.38, -0.32 + out, 0.12),
            hand2=("c", 0.38, -0.32 - out, 0.12),
        )


# Official number -> program.
PROGRAMS: dict[int, Program] = {
    22: (  # cheer up
        to(0.5, **alike(hand=_CHEERING, hand_way=UPWARD), nod=-0.15),
        repeat(
            3,
            4,
            to(0.2, **alike(hand=("c", 0.34, 0.34, 0.14)), up=-0.05),
            to(0.2, **alike(hand=_CHEERING), up=0.0),
        ),
        rest(),
    ),
    23: (  # hand waving
        to(0.6, hand=("c", 0.36, 0.26, 0.20), hand_way=UPWARD, hand_elbow=(1.0, -0.8, 0.0)),
        repeat(
            3,
            5,
            to(0.25, hand=("c", 0.50, 0.22, 0.18), hand_way=(0.6, 1.0, 0.1)),
            to(0.25, hand=("c", 0.20, 0.26, 0.22), hand_way=(-0.7, 1.0, 0.1)),
        ),
        rest(),
    ),
    24: (  # kicking something
        to(0.4, foot=("p", 0.08, -0.72, -0.32), lean=0.12, hand2=_FORWARD, hand=_BACKWARD),
        to(0.25, foot=("p", 0.05, -0.52, 0.62), lean=-0.15, hand=_FORWARD, hand2=_BACKWARD),
        to(0.35, foot=("p", 0.08, -0.75, 0.30), lean=0.0),
        at(0.0, 0.4, foot=STANDING),
        rest(),
    ),
    25: (  # reach into pocket
        to(
            0.6,
            hand=("p", 0.22, 0.12, 0.04),
            hand_way=(-0.1, -1.0, 0.1),
            hand_elbow=ELBOW_BACK,
            nod=0.35,
            side=0.1,
        ),
        to(0.35, hand=POCKET),
        repeat(
            2,
            3,
            to(0.2, hand=("p", 0.19, -0.06, 0.06)),
            to(0.2, hand=("p", 0.20, 0.0, 0.03)),
        ),
        to(0.35, hand=("p", 0.22, 0.15, 0.08), side=0.0),
        to(0.4, hand=FRONT, hand_way=AHEAD),
        rest(),
    ),
    26: (  # hopping
        to(
            0.5,
            foot2=("p", 0.08, -0.55, -0.30),
            side=0.08,
            hand=("c", 0.32, -0.40, 0.10),
            hand2=("c", 0.34, -0.36, 0.10),
        ),
        repeat(
            3,
            5,
            to(0.22, up=-0.10, lean=0.15),
            at(0.04, 0.16, foot=("f", 0.09, 0.14, 0.0)),
            to(0.18, up=0.14, lean=0.0),
            at(0.0, 0.16, foot=STANDING),
            to(0.17, up=-0.05),
        ),
        to(0.4, foot2=STANDING, up=0.0),
        rest(),
    ),
    27: (  # jump up
        repeat(
            1,
            2,
            to(0.45, up=-0.26, lean=0.55, **alike(hand=("c", 0.25, -0.50, -0.16))),
            at(0.08, 0.2, foot=("f", 0.09, 0.30, 0.0), foot2=("f", 0.09, 0.30, 0.0)),
            to(0.32, up=0.30, lean=0.0, **alike(hand=("c", 0.28, 0.20, 0.26))),
            at(0.0, 0.22, foot=STANDING, foot2=STANDING),
            to(0.25, up=-0.14, lean=0.3, hand=HANGING, hand2=HANGING),
            to(0.35, up=0.0, lean=0.0),
        ),
        rest(0.4),
    ),
    28: (  # phone call
        to(0.5, hand=("c", 0.15, -0.25, 0.30), hand_way=INWARD, nod=0.3),
        to(0.55, hand=EAR, hand_way=(-0.2, 0.9, 0.2), nod=0.0, tilt=0.18),
        to(0.8, shake=0.12),
        to(0.8, shake=-0.08, nod=0.08),
        rest(),
    ),
    29: (  # play with phone
        to(0.6, **alike(hand=("c", 0.06, -0.20, 0.30), hand_way=(-0.5, 0.5, 0.6)), nod=0.55),
        repeat(
            4,
            6,
            to(0.2, hand=("c", 0.04, -0.17, 0.31)),
            to(0.2, hand=("c", 0.07, -0.21, 0.30)),
        ),
        rest(),
    ),
    30: (  # type on a keyboard
        to(0.6, **alike(hand=_LOW, hand_way=AHEAD), nod=0.35),
        repeat(6, 9, to(0.14, hand=_HIGH, hand2=_LOW), to(0.14, hand=_LOW, hand2=_HIGH)),
        rest(),
    ),
    31: (  # point to something
        to(0.6, hand=("c", 0.40, -0.02, 0.46), hand_way=None, twist=-0.12, shake=-0.25),
        to(0.9),
        rest(),
    ),
    32: (  # taking a selfie
        to(0.7, hand=("c", 0.10, 0.20, 0.50), hand_way=UPWARD, nod=-0.12, tilt=0.12, twist=0.2),
        to(0.5, tilt=0.2),
        to(0.6, shake=0.08),
        rest(),
    ),
    33: (  # check time
        to(
            0.6,
            hand2=("c", -0.02, -0.14, 0.29),
            hand2_way=INWARD,
            hand2_elbow=ELBOW_OUT,
            nod=0.45,
            shake=0.12,
        ),
        to(0.35, hand=("c", 0.04, -0.15, 0.30), hand_way=INWARD),
        to(0.3, hand=("c", 0.10, -0.16, 0.28)),
        to(0.6),
        rest(),
    ),
    34: (  # rub two hands
        to(0.6, hand=_NEAR, hand2=_FAR, **alike(hand_way=(-0.25, 0.35, 0.9)), nod=0.2),
        repeat(6, 8, to(0.15, hand=_FAR, hand2=_NEAR), to(0.15, hand=_NEAR, hand2=_FAR)),
        rest(),
    ),
    35: (  # nod head
        to(0.3),
        repeat(2, 3, to(0.32, nod=0.65, lean=0.22), to(0.32, nod=-0.05, lean=0.0)),
        rest(0.4),
    ),
    36: (  # shake head
        to(0.3),
        repeat(
            3,
            4,
            to(0.3, shake=0.7, twist=0.08, tilt=0.14),
            to(0.3, shake=-0.7, twist=-0.08, tilt=-0.14),
        ),
        rest(0.4),
    ),
    37: (  # wipe face
        to(
            0.6,
            hand=("h", 0.10, -0.01, 0.14),
            hand_way=(-0.8, 0.5, 0.0),
            hand_elbow=ELBOW_OUT,
            nod=0.15,
        ),
        repeat(
            2,
            3,
            to(0.3, hand=("h", -0.08, -0.04, 0.14)),
            to(0.3, hand=("h", 0.10, -0.14, 0.13)),
            to(0.25, hand=("h", 0.10, -0.01, 0.14)),
        ),
        rest(),
    ),
    38: (  # salute
        to(
            0.5,
            hand=("h", 0.16, 0.03, 0.08),
            hand_way=(-0.8, 0.5, 0.1),
            hand_elbow=(1.0, -0.25, 0.1),
            lean=-0.05,
        ),
        to(1.0),
        rest(0.5),
    ),
    39: (  # put palms together
        to(
            0.7,
            **alike(
                hand=("c", 0.015, -0.10, 0.25),
                hand_way=(-0.15, 1.0, 0.2),
                hand_elbow=ELBOW_OUT,
            ),
        ),
        to(0.5, nod=0.3, lean=0.12),
        to(0.6),
        rest(),
    ),
    40: (  # cross hands in front
        to(
            0.55,
            hand=("c", -0.15, 0.02, 0.36),
            hand2=("c", -0.15, 0.02, 0.30),
            **alike(hand_way=(-0.5, 0.9, 0.1), hand_elbow=ELBOW_OUT),
        ),
        to(1.0),
        rest(0.6),
    ),
    41: (  # sneeze or cough
        to(0.35, nod=-0.2, lean=-0.08, hand=("c", 0.10, -0.10, 0.25)),
        repeat(
            1,
            3,
            to(0.16, nod=0.45, lean=0.38, hand=("h", 0.02, -0.09, 0.13), hand_way=(-0.9, 0.3, 0.0)),
            to(0.3, nod=0.1, lean=0.1),
        ),
        rest(),
    ),
    42: (  # staggering
        to(0.4, **alike(hand=("c", 0.38, -0.32, 0.12))),
        _stagger,
        rest(0.6),
    ),
    43: (  # falling down
        to(0.3, side=0.1, nod=-0.1),
        at(0.0, 0.9, **alike(hand=("c", 0.38, -0.28, 0.15))),
        to(0.55, fall=0.4, up=-0.25, lean=0.45),
        to(0.45, fall=1.35, up=-0.30, lean=0.25, **alike(hand=("c", 0.34, -0.40, -0.05))),
        to(0.25, fall=1.45, up=-0.22, lean=0.10),
        to(0.7),
    ),
    44: (  # headache
        to(0.65, **alike(hand=("h", 0.13, -0.02, 0.05), hand_way=UPWARD), nod=0.35, lean=0.15),
        repeat(1, 2, to(0.5, side=0.1, tilt=0.12), to(0.5, side=-0.1, tilt=-0.12)),
        rest(),
    ),
    45: (  # chest pain
        to(0.55, hand=HEART, hand_way=INWARD, lean=0.2),
        to(0.4, hand2=("c", 0.0, -0.20, 0.16), hand2_way=INWARD, lean=0.45, nod=0.3, up=-0.05),
        repeat(1, 2, to(0.4, lean=0.35), to(0.4, lean=0.5)),
        at(0.0, 0.5, up=0.0),
        rest(),
    ),
    46: (  # back pain
        to(
            0.65, hand=BACK, hand_elbow=ELBOW_BACK, hand_way=(-0.9, -0.2, 0.0), lean=-0.12, nod=-0.1
        ),
        repeat(1, 2, to(0.45, lean=-0.22, side=0.12), to(0.45, lean=0.1, side=-0.05)),
        rest(),
    ),
    47: (  # neck pain
        to(0.65, hand=NAPE, hand_way=(-0.8, 0.2, -0.2), hand_elbow=(1.0, 0.3, 0.2), nod=0.15),
        repeat(1, 2, to(0.45, tilt=0.3, shake=0.15), to(0.45, tilt=-0.3, shake=-0.15)),
        rest(),
    ),
    48: (  # nausea
        to(0.6, hand=BELLY, hand_way=INWARD, lean=0.5, nod=0.2),
        repeat(
            2,
            3,
            to(
                0.22,
                lean=0.95,
                nod=0.5,
                hand2=("h", 0.04, -0.10, 0.16),
                hand2_way=(-0.8, 0.4, 0.0),
                up=-0.08,
            ),
            to(0.4, lean=0.7, nod=0.25),
        ),
        at(0.0, 0.6, up=0.0),
        rest(0.9),
    ),
    49: (  # fan self
        to(0.6, hand=("h", 0.14, -0.16, 0.22), hand_way=UPWARD, nod=-0.1),
        repeat(
            6,
            8,
            to(0.17, hand=("h", 0.18, -0.14, 0.28), hand_way=(0.1, 0.8, 0.7)),
            to(0.17, hand=("h", 0.08, -0.15, 0.17), hand_way=(-0.6, 0.9, -0.3)),
        ),
        rest(),
    ),
}
