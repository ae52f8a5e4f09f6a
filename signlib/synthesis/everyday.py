"""What one person does with things: the actions A001 to A021 of NTU RGB+D 60."""

from signlib.synthesis.action_parts import (
    AHEAD,
    CROWN,
    ELBOW_BACK,
    ELBOW_OUT,
    FREE,
    FRONT,
    INWARD,
    MOUTH,
    TO_FACE,
    UPWARD,
    Programs,
    rest,
    swing,
)
from signlib.synthesis.bodies import HANGING, STANDING, Script, Value

PROGRAMS = Programs()


@PROGRAMS.action(1)
def drink_water(s: Script) -> None:
    s.to(0.6, hand=FRONT, hand_way=INWARD)
    s.to(0.7, hand=MOUTH, hand_way=TO_FACE, hand_elbow=ELBOW_OUT)
    s.to(0.5, nod=-0.4, hand=("h", 0.05, -0.11, 0.18))
    s.to(0.7)
    s.to(0.6, hand=FRONT, hand_way=INWARD, nod=0.0)
    rest(s)


@PROGRAMS.action(2)
def eat_meal(s: Script) -> None:
    s.to(
        0.6, hand2=("c", 0.0, -0.25, 0.28), hand2_way=INWARD, hand=("c", 0.03, -0.20, 0.30), nod=0.3
    )
    for _ in s.repeat(2, 3):
        s.to(0.45, hand=("c", 0.02, -0.24, 0.30), hand_way=INWARD, nod=0.35)
        s.to(0.5, hand=MOUTH, hand_way=TO_FACE, nod=0.05)
        s.to(0.25)
    rest(s)


@PROGRAMS.action(3)
def brush_teeth(s: Script) -> None:
    s.to(0.7, hand=("h", 0.10, -0.13, 0.13), hand_way=TO_FACE, hand_elbow=(1.0, -0.1, 0.1))
    swing(
        s,
        0.14,
        s.repeat(7, 9),
        [{"hand": ("h", 0.17, -0.13, 0.12)}, {"hand": ("h", 0.05, -0.13, 0.15)}],
    )
    rest(s)


@PROGRAMS.action(4)
def brush_hair(s: Script) -> None:
    s.to(0.7, hand=CROWN, hand_way=(-0.7, 0.3, -0.5), hand_elbow=ELBOW_OUT, tilt=-0.1)
    for _ in s.repeat(3, 4):
        s.to(0.45, hand=("h", 0.15, -0.16, -0.06), hand_way=(-0.3, 0.9, -0.3), tilt=0.12)
        s.to(0.3, hand=CROWN, hand_way=(-0.7, 0.3, -0.5), tilt=0.05)
    rest(s)


@PROGRAMS.action(5)
def drop(s: Script) -> None:
    s.to(0.6, hand=("c", 0.10, -0.26, 0.42), hand_way=AHEAD, nod=0.2)
    s.to(0.35)
    s.to(0.12, hand=("c", 0.10, -0.20, 0.40), hand_way=(0.0, 0.7, 0.7))
    s.to(0.3, nod=0.55, lean=0.12)
    s.to(0.4)
    rest(s)


@PROGRAMS.action(6)
def pick_up(s: Script) -> None:
    s.to(
        0.8,
        lean=1.15,
        up=-0.30,
        forward=-0.12,
        nod=0.1,
        hand=("f", 0.12, 0.10, 0.38),
        hand2=("c", 0.16, -0.50, 0.20),
    )
    s.to(0.2)
    s.to(0.7, lean=0.0, up=0.0, forward=0.0, hand=FRONT, hand2=HANGING, hand_way=AHEAD, nod=0.3)
    s.to(0.4)
    rest(s)


@PROGRAMS.action(7)
def throw(s: Script) -> None:
    s.to(
        0.6,
        hand=("c", 0.32, 0.22, -0.22),
        hand_elbow=(1.0, -0.2, -0.3),
        twist=-0.5,
        lean=-0.08,
        foot2=("f", 0.1, 0, 0.25),
    )
    s.to(0.25, hand=("c", 0.02, 0.18, 0.55), twist=0.45, lean=0.2)
    s.to(0.3, hand=("c", -0.15, -0.30, 0.38), lean=0.3)
    s.at(0.3, 0.5, foot2=STANDING)
    rest(s, 0.8)


# On a chair, hands on the thighs.
SEATED: dict[str, Value] = {
    "up": -0.42,
    "forward": -0.42,
    "hand": ("p", 0.14, 0.10, 0.38),
    "hand2": ("p", 0.14, 0.10, 0.38),
}


@PROGRAMS.action(8)
def sit_down(s: Script) -> None:
    s.to(0.3, shake=-0.25, twist=-0.1)
    s.at(0.0, 0.6, lean=0.6)
    s.to(1.1, **SEATED, lean=0.1)
    s.to(0.4, lean=-0.05, shake=0.0, twist=0.0)
    s.to(0.5)


@PROGRAMS.action(9)
def stand_up(s: Script) -> None:
    s.start(**SEATED)
    s.to(0.5)
    s.to(0.45, lean=0.7)
    s.to(0.8, up=0.0, forward=0.0, lean=0.0, hand=HANGING, hand2=HANGING)
    s.to(0.4)


@PROGRAMS.action(10)
def clapping(s: Script) -> None:
    apart, met = ("c", 0.20, -0.18, 0.30), ("c", 0.015, -0.16, 0.32)
    way = (-0.2, 0.6, 0.7)
    s.to(0.6, hand=apart, hand2=apart, hand_way=way, hand2_way=way)
    swing(s, 0.16, s.repeat(5, 8), [{"hand": met, "hand2": met}, {"hand": apart, "hand2": apart}])
    rest(s)


@PROGRAMS.action(11)
def reading(s: Script) -> None:
    book = ("c", 0.13, -0.14, 0.33)
    s.to(0.7, hand=book, hand2=book, hand_way=UPWARD, hand2_way=UPWARD, nod=0.4)
    s.to(0.8)
    s.to(0.4, hand=("c", 0.16, -0.09, 0.30))
    s.to(0.4, hand=("c", -0.10, -0.11, 0.31), shake=0.1)
    s.to(0.35, hand=book)
    s.to(0.6, shake=-0.1)
    rest(s)


@PROGRAMS.action(12)
def writing(s: Script) -> None:
    s.to(
        0.7,
        hand2=("c", 0.08, -0.30, 0.32),
        hand=("c", -0.02, -0.27, 0.32),
        hand2_way=INWARD,
        nod=0.5,
        lean=0.12,
    )
    for _ in s.repeat(2, 3):
        for k in range(5):
            s.to(0.13, hand=("c", -0.04 + 0.035 * k, -0.27 + 0.02 * (k % 2), 0.33))
        s.to(0.22, hand=("c", -0.04, -0.28, 0.31))
    rest(s)


@PROGRAMS.action(13)
def tear_up_paper(s: Script) -> None:
    met = ("c", 0.03, -0.14, 0.33)
    s.to(0.6, hand=met, hand2=met, hand_way=UPWARD, hand2_way=UPWARD, nod=0.25)
    for _ in s.repeat(2, 3):
        s.to(0.3, hand=("c", 0.15, -0.22, 0.20), hand2=("c", 0.13, -0.08, 0.40))
        s.to(0.35, hand=met, hand2=met)
    rest(s)


@PROGRAMS.action(14)
def put_on_jacket(s: Script) -> None:
    s.to(0.5, hand2=("c", 0.02, -0.10, 0.26), hand2_way=INWARD, hand=("c", 0.28, -0.20, 0.22))
    s.to(0.5, hand=("c", 0.34, -0.42, -0.20), hand_elbow=ELBOW_BACK, twist=-0.35, shake=-0.3)
    s.to(0.5, hand=("c", 0.34, -0.05, 0.30), hand2=("c", -0.12, 0.02, 0.10), twist=0.0, shake=0.0)
    s.to(
        0.5,
        hand2=("c", 0.34, -0.42, -0.20),
        hand2_elbow=ELBOW_BACK,
        twist=0.35,
        shake=0.3,
        hand=("c", 0.10, -0.05, 0.17),
    )
    s.to(0.5, hand2=("c", 0.34, -0.05, 0.30), twist=0.0, shake=0.0)
    s.to(
        0.4,
        hand=("c", 0.07, -0.08, 0.17),
        hand2=("c", 0.07, -0.08, 0.17),
        hand_way=INWARD,
        hand2_way=INWARD,
    )
    s.to(0.35, hand=("c", 0.08, -0.38, 0.17), hand2=("c", 0.08, -0.38, 0.17), nod=0.3)
    rest(s)


@PROGRAMS.action(15)
def take_off_jacket(s: Script) -> None:
    lapel = ("c", 0.10, -0.07, 0.16)
    s.to(0.5, hand=lapel, hand2=lapel, hand_way=INWARD, hand2_way=INWARD)
    s.to(
        0.45,
        hand=("c", 0.30, -0.02, 0.08),
        hand2=("c", 0.30, -0.02, 0.08),
        hand_elbow=ELBOW_OUT,
        hand2_elbow=ELBOW_OUT,
    )
    behind = ("c", 0.12, -0.50, -0.24)
    s.to(
        0.55,
        hand=behind,
        hand2=behind,
        hand_elbow=ELBOW_BACK,
        hand2_elbow=ELBOW_BACK,
        lean=0.15,
        **FREE,
    )
    swing(s, 0.2, s.repeat(2, 2), [{"twist": 0.25}, {"twist": -0.25}])
    s.to(0.6, hand=FRONT, hand2=("c", 0.16, -0.30, 0.30), twist=0.0, lean=0.0)
    rest(s)


def _to_shoe(s: Script) -> None:
    s.to(
        0.9,
        lean=1.0,
        up=-0.12,
        nod=0.2,
        foot=("f", 0.12, 0.38, 0.30),
        hand=("f", 0.20, 0.42, 0.36),
        hand2=("f", 0.0, 0.44, 0.36),
    )


@PROGRAMS.action(16)
def put_on_a_shoe(s: Script) -> None:
    s.to(0.4, hand=FRONT, hand2=FRONT, nod=0.4)
    _to_shoe(s)
    for _ in s.repeat(2, 3):
        s.to(
            0.25,
            hand=("f", 0.20, 0.52, 0.28),
            hand2=("f", 0.0, 0.54, 0.28),
            foot=("f", 0.12, 0.33, 0.34),
        )
        s.to(0.22, hand=("f", 0.20, 0.45, 0.34), hand2=("f", 0.0, 0.47, 0.34))
    s.at(0.0, 0.6, foot=STANDING, up=0.0)
    rest(s, 0.9)


@PROGRAMS.action(17)
def take_off_a_shoe(s: Script) -> None:
    _to_shoe(s)
    s.to(0.3, hand=("f", 0.14, 0.34, 0.14), hand2=("f", 0.05, 0.45, 0.40))
    s.to(0.35, hand=("f", 0.24, 0.42, 0.55), foot=("f", 0.12, 0.45, 0.10))
    s.at(0.0, 0.5, foot=STANDING, up=0.0)
    s.to(0.8, lean=0.1, hand=("c", 0.25, -0.30, 0.35), hand2=HANGING)
    s.to(0.3, nod=0.4)
    rest(s)


@PROGRAMS.action(18)
def put_on_glasses(s: Script) -> None:
    low = ("c", 0.07, -0.14, 0.32)
    s.to(0.6, hand=low, hand2=low, hand_way=INWARD, hand2_way=INWARD, nod=0.25)
    s.to(0.3)
    s.to(
        0.6,
        hand=("h", 0.11, -0.05, 0.20),
        hand2=("h", 0.11, -0.05, 0.20),
        hand_way=UPWARD,
        hand2_way=UPWARD,
    )
    s.to(0.4, hand=("h", 0.13, -0.05, 0.07), hand2=("h", 0.13, -0.05, 0.07), nod=0.0)
    s.to(0.3)
    rest(s)


@PROGRAMS.action(19)
def take_off_glasses(s: Script) -> None:
    s.to(
        0.6,
        hand=("h", 0.13, -0.05, 0.07),
        hand2=("h", 0.13, -0.05, 0.07),
        hand_way=UPWARD,
        hand2_way=UPWARD,
    )
    s.to(0.3)
    s.to(0.45, hand=("h", 0.11, -0.06, 0.28), hand2=("h", 0.11, -0.06, 0.28), nod=0.1)
    s.to(
        0.5,
        hand=("c", 0.06, -0.22, 0.32),
        hand2=("c", 0.06, -0.22, 0.32),
        hand_way=INWARD,
        hand2_way=INWARD,
        nod=0.3,
    )
    s.to(0.3)
    rest(s)


@PROGRAMS.action(20)
def put_on_a_hat(s: Script) -> None:
    s.to(0.5, hand=FRONT, hand_way=INWARD)
    s.to(0.7, hand=("h", 0.05, 0.26, 0.12), hand_way=(-0.6, -0.2, -0.5), hand_elbow=ELBOW_OUT)
    s.to(0.25, hand=CROWN, nod=0.15)
    swing(s, 0.18, s.repeat(1, 2), [{"hand": ("h", 0.05, 0.20, 0.09)}, {"hand": CROWN}])
    rest(s)


@PROGRAMS.action(21)
def take_off_a_hat(s: Script) -> None:
    s.to(0.65, hand=CROWN, hand_way=(-0.6, -0.2, -0.5), hand_elbow=ELBOW_OUT)
    s.to(0.25)
    s.to(0.35, hand=("h", 0.08, 0.30, 0.14), nod=0.1)
    s.to(0.6, hand=("c", 0.10, -0.20, 0.36), hand_way=INWARD, nod=0.2)
    s.to(0.3)
    rest(s)
