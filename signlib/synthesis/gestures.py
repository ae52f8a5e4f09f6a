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
    Programs,
    rest,
    swing,
)
from signlib.synthesis.bodies import HANGING, STANDING, Script

PROGRAMS = Programs()


@PROGRAMS.action(22)
def cheer_up(s: Script) -> None:
    high, less = ("c", 0.34, 0.50, 0.08), ("c", 0.34, 0.34, 0.14)
    s.to(0.5, hand=high, hand2=high, hand_way=UPWARD, hand2_way=UPWARD, nod=-0.15)
    for _ in s.repeat(3, 4):
        s.to(0.2, hand=less, hand2=less, up=-0.05)
        s.to(0.2, hand=high, hand2=high, up=0.0)
    rest(s)


@PROGRAMS.action(23)
def hand_waving(s: Script) -> None:
    way = {"hand_elbow": (1.0, -0.8, 0.0)}
    s.to(0.6, hand=("c", 0.36, 0.26, 0.20), hand_way=UPWARD, **way)
    swing(
        s,
        0.25,
        s.repeat(3, 5),
        [
            {"hand": ("c", 0.50, 0.22, 0.18), "hand_way": (0.6, 1.0, 0.1)},
            {"hand": ("c", 0.20, 0.26, 0.22), "hand_way": (-0.7, 1.0, 0.1)},
        ],
    )
    rest(s)


@PROGRAMS.action(24)
def kicking_something(s: Script) -> None:
    s.to(
        0.4,
        foot=("p", 0.08, -0.72, -0.32),
        lean=0.12,
        hand2=("c", 0.30, -0.45, 0.20),
        hand=("c", 0.30, -0.45, -0.15),
    )
    s.to(
        0.25,
        foot=("p", 0.05, -0.52, 0.62),
        lean=-0.15,
        hand=("c", 0.30, -0.45, 0.20),
        hand2=("c", 0.30, -0.45, -0.15),
    )
    s.to(0.35, foot=("p", 0.08, -0.75, 0.30), lean=0.0)
    s.at(0.0, 0.4, foot=STANDING)
    rest(s)


@PROGRAMS.action(25)
def reach_into_pocket(s: Script) -> None:
    s.to(
        0.6,
        hand=("p", 0.22, 0.12, 0.04),
        hand_way=(-0.1, -1.0, 0.1),
        hand_elbow=ELBOW_BACK,
        nod=0.35,
        side=0.1,
    )
    s.to(0.35, hand=POCKET)
    swing(
        s,
        0.2,
        s.repeat(2, 3),
        [{"hand": ("p", 0.19, -0.06, 0.06)}, {"hand": ("p", 0.20, 0.0, 0.03)}],
    )
    s.to(0.35, hand=("p", 0.22, 0.15, 0.08), side=0.0)
    s.to(0.4, hand=FRONT, hand_way=AHEAD)
    rest(s)


@PROGRAMS.action(26)
def hopping(s: Script) -> None:
    s.to(
        0.5,
        foot2=("p", 0.08, -0.55, -0.30),
        side=0.08,
        hand=("c", 0.32, -0.40, 0.10),
        hand2=("c", 0.34, -0.36, 0.10),
    )
    for _ in s.repeat(3, 5):
        s.to(0.22, up=-0.10, lean=0.15)
        s.at(0.04, 0.16, foot=("f", 0.09, 0.14, 0.0))
        s.to(0.18, up=0.14, lean=0.0)
        s.at(0.0, 0.16, foot=STANDING)
        s.to(0.17, up=-0.05)
    s.to(0.4, foot2=STANDING, up=0.0)
    rest(s)


@PROGRAMS.action(27)
def jump_up(s: Script) -> None:
    for _ in s.repeat(1, 2):
        back, high = ("c", 0.25, -0.50, -0.16), ("c", 0.28, 0.20, 0.26)
        s.to(0.45, up=-0.26, lean=0.55, hand=back, hand2=back)
        s.at(0.08, 0.2, foot=("f", 0.09, 0.30, 0.0), foot2=("f", 0.09, 0.30, 0.0))
        s.to(0.32, up=0.30, lean=0.0, hand=high, hand2=high)
        s.at(0.0, 0.22, foot=STANDING, foot2=STANDING)
        s.to(0.25, up=-0.14, lean=0.3, hand=HANGING, hand2=HANGING)
        s.to(0.35, up=0.0, lean=0.0)
    rest(s, 0.4)


@PROGRAMS.action(28)
def phone_call(s: Script) -> None:
    s.to(0.5, hand=("c", 0.15, -0.25, 0.30), hand_way=INWARD, nod=0.3)
    s.to(0.55, hand=EAR, hand_way=(-0.2, 0.9, 0.2), nod=0.0, tilt=0.18)
    s.to(0.8, shake=0.12)
    s.to(0.8, shake=-0.08, nod=0.08)
    rest(s)


@PROGRAMS.action(29)
def play_with_phone(s: Script) -> None:
    held = ("c", 0.06, -0.20, 0.30)
    s.to(
        0.6, hand=held, hand2=held, hand_way=(-0.5, 0.5, 0.6), hand2_way=(-0.5, 0.5, 0.6), nod=0.55
    )
    swing(
        s,
        0.2,
        s.repeat(4, 6),
        [{"hand": ("c", 0.04, -0.17, 0.31)}, {"hand": ("c", 0.07, -0.21, 0.30)}],
    )
    rest(s)


@PROGRAMS.action(30)
def type_on_a_keyboard(s: Script) -> None:
    low, high = ("c", 0.12, -0.36, 0.36), ("c", 0.10, -0.32, 0.38)
    s.to(0.6, hand=low, hand2=low, hand_way=AHEAD, hand2_way=AHEAD, nod=0.35)
    swing(s, 0.14, s.repeat(6, 9), [{"hand": high, "hand2": low}, {"hand": low, "hand2": high}])
    rest(s)


@PROGRAMS.action(31)
def point_to_something(s: Script) -> None:
    s.to(0.6, hand=("c", 0.40, -0.02, 0.46), hand_way=None, twist=-0.12, shake=-0.25)
    s.to(0.9)
    rest(s)


@PROGRAMS.action(32)
def taking_a_selfie(s: Script) -> None:
    s.to(0.7, hand=("c", 0.10, 0.20, 0.50), hand_way=UPWARD, nod=-0.12, tilt=0.12, twist=0.2)
    s.to(0.5, tilt=0.2)
    s.to(0.6, shake=0.08)
    rest(s)


@PROGRAMS.action(33)
def check_time(s: Script) -> None:
    s.to(
        0.6,
        hand2=("c", -0.02, -0.14, 0.29),
        hand2_way=INWARD,
        hand2_elbow=ELBOW_OUT,
        nod=0.45,
        shake=0.12,
    )
    s.to(0.35, hand=("c", 0.04, -0.15, 0.30), hand_way=INWARD)
    s.to(0.3, hand=("c", 0.10, -0.16, 0.28))
    s.to(0.6)
    rest(s)


@PROGRAMS.action(34)
def rub_two_hands(s: Script) -> None:
    near, far = ("c", 0.015, -0.18, 0.25), ("c", 0.015, -0.16, 0.35)
    way = (-0.25, 0.35, 0.9)
    s.to(0.6, hand=near, hand2=far, hand_way=way, hand2_way=way, nod=0.2)
    swing(s, 0.15, s.repeat(6, 8), [{"hand": far, "hand2": near}, {"hand": near, "hand2": far}])
    rest(s)


@PROGRAMS.action(35)
def nod_head(s: Script) -> None:
    s.to(0.3)
    swing(s, 0.32, s.repeat(2, 3), [{"nod": 0.65, "lean": 0.22}, {"nod": -0.05, "lean": 0.0}])
    rest(s, 0.4)


@PROGRAMS.action(36)
def shake_head(s: Script) -> None:
    s.to(0.3)
    swing(
        s,
        0.3,
        s.repeat(3, 4),
        [
            {"shake": 0.7, "twist": 0.08, "tilt": 0.14},
            {"shake": -0.7, "twist": -0.08, "tilt": -0.14},
        ],
    )
    rest(s, 0.4)


@PROGRAMS.action(37)
def wipe_face(s: Script) -> None:
    s.to(
        0.6,
        hand=("h", 0.10, -0.01, 0.14),
        hand_way=(-0.8, 0.5, 0.0),
        hand_elbow=ELBOW_OUT,
        nod=0.15,
    )
    for _ in s.repeat(2, 3):
        s.to(0.3, hand=("h", -0.08, -0.04, 0.14))
        s.to(0.3, hand=("h", 0.10, -0.14, 0.13))
        s.to(0.25, hand=("h", 0.10, -0.01, 0.14))
    rest(s)


@PROGRAMS.action(38)
def salute(s: Script) -> None:
    s.to(
        0.5,
        hand=("h", 0.16, 0.03, 0.08),
        hand_way=(-0.8, 0.5, 0.1),
        hand_elbow=(1.0, -0.25, 0.1),
        lean=-0.05,
    )
    s.to(1.0)
    rest(s, 0.5)


@PROGRAMS.action(39)
def put_palms_together(s: Script) -> None:
    met = ("c", 0.015, -0.10, 0.25)
    way = {"hand_way": (-0.15, 1.0, 0.2), "hand2_way": (-0.15, 1.0, 0.2)}
    s.to(0.7, hand=met, hand2=met, **way, hand_elbow=ELBOW_OUT, hand2_elbow=ELBOW_OUT)
    s.to(0.5, nod=0.3, lean=0.12)
    s.to(0.6)
    rest(s)


@PROGRAMS.action(40)
def cross_hands_in_front(s: Script) -> None:
    crossed = {"hand": ("c", -0.15, 0.02, 0.36), "hand2": ("c", -0.15, 0.02, 0.30)}
    s.to(
        0.55,
        **crossed,
        hand_way=(-0.5, 0.9, 0.1),
        hand2_way=(-0.5, 0.9, 0.1),
        hand_elbow=ELBOW_OUT,
        hand2_elbow=ELBOW_OUT,
    )
    s.to(1.0)
    rest(s, 0.6)


@PROGRAMS.action(41)
def sneeze_or_cough(s: Script) -> None:
    s.to(0.35, nod=-0.2, lean=-0.08, hand=("c", 0.10, -0.10, 0.25))
    for _ in s.repeat(1, 3):
        s.to(0.16, nod=0.45, lean=0.38, hand=("h", 0.02, -0.09, 0.13), hand_way=(-0.9, 0.3, 0.0))
        s.to(0.3, nod=0.1, lean=0.1)
    rest(s)


@PROGRAMS.action(42)
def staggering(s: Script) -> None:
    wide = ("c", 0.38, -0.32, 0.12)
    ahead = 0.0
    s.to(0.4, hand=wide, hand2=wide)
    for k in range(2 * len(s.repeat(2, 3))):
        out = 0.22 if k % 2 == 0 else -0.22
        ahead += 0.12
        name = "foot" if k % 2 == 0 else "foot2"
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
    rest(s, 0.6)


@PROGRAMS.action(43)
def falling_down(s: Script) -> None:
    s.to(0.3, side=0.1, nod=-0.1)
    wide = ("c", 0.38, -0.28, 0.15)
    s.at(0.0, 0.9, hand=wide, hand2=wide)
    s.to(0.55, fall=0.4, up=-0.25, lean=0.45)
    s.to(
        0.45,
        fall=1.35,
        up=-0.30,
        lean=0.25,
        hand=("c", 0.34, -0.40, -0.05),
        hand2=("c", 0.34, -0.40, -0.05),
    )
    s.to(0.25, fall=1.45, up=-0.22, lean=0.10)
    s.to(0.7)


@PROGRAMS.action(44)
def headache(s: Script) -> None:
    held = ("h", 0.13, -0.02, 0.05)
    s.to(0.65, hand=held, hand2=held, hand_way=UPWARD, hand2_way=UPWARD, nod=0.35, lean=0.15)
    swing(s, 0.5, s.repeat(1, 2), [{"side": 0.1, "tilt": 0.12}, {"side": -0.1, "tilt": -0.12}])
    rest(s)


@PROGRAMS.action(45)
def chest_pain(s: Script) -> None:
    s.to(0.55, hand=HEART, hand_way=INWARD, lean=0.2)
    s.to(0.4, hand2=("c", 0.0, -0.20, 0.16), hand2_way=INWARD, lean=0.45, nod=0.3, up=-0.05)
    swing(s, 0.4, s.repeat(1, 2), [{"lean": 0.35}, {"lean": 0.5}])
    s.at(0.0, 0.5, up=0.0)
    rest(s)


@PROGRAMS.action(46)
def back_pain(s: Script) -> None:
    s.to(0.65, hand=BACK, hand_elbow=ELBOW_BACK, hand_way=(-0.9, -0.2, 0.0), lean=-0.12, nod=-0.1)
    swing(s, 0.45, s.repeat(1, 2), [{"lean": -0.22, "side": 0.12}, {"lean": 0.1, "side": -0.05}])
    rest(s)


@PROGRAMS.action(47)
def neck_pain(s: Script) -> None:
    s.to(0.65, hand=NAPE, hand_way=(-0.8, 0.2, -0.2), hand_elbow=(1.0, 0.3, 0.2), nod=0.15)
    swing(s, 0.45, s.repeat(1, 2), [{"tilt": 0.3, "shake": 0.15}, {"tilt": -0.3, "shake": -0.15}])
    rest(s)


@PROGRAMS.action(48)
def nausea(s: Script) -> None:
    s.to(0.6, hand=BELLY, hand_way=INWARD, lean=0.5, nod=0.2)
    for _ in s.repeat(2, 3):
        s.to(
            0.22,
            lean=0.95,
            nod=0.5,
            hand2=("h", 0.04, -0.10, 0.16),
            hand2_way=(-0.8, 0.4, 0.0),
            up=-0.08,
        )
        s.to(0.4, lean=0.7, nod=0.25)
    s.at(0.0, 0.6, up=0.0)
    rest(s, 0.9)


@PROGRAMS.action(49)
def fan_self(s: Script) -> None:
    s.to(0.6, hand=("h", 0.14, -0.16, 0.22), hand_way=UPWARD, nod=-0.1)
    swing(
        s,
        0.17,
        s.repeat(6, 8),
        [
            {"hand": ("h", 0.18, -0.14, 0.28), "hand_way": (0.1, 0.8, 0.7)},
            {"hand": ("h", 0.08, -0.15, 0.17), "hand_way": (-0.6, 0.9, -0.3)},
        ],
    )
    rest(s)
