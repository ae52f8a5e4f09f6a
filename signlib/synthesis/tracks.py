"""From stroke to stroke: how both hands get from rest through all signs and back.

Everything between two strokes is interpolated as joint angles, so that no transition asks for what
a joint cannot do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from signlib.synthesis import motion
from signlib.synthesis.phonology import RELAXED
from signlib.synthesis.posture import reach
from signlib.synthesis.signers import Signer
from signlib.synthesis.strokes import Stroke

STATE = 22
"""A hand's state: wrist (3 metres), wrist joints (3), finger angles (15), swivel of the elbow (1),
radians.
"""
_OVERLAP, _SOON = 0.12, 0.80
"""Share of a transition that reaches into its neighbours; share after which handshape and palm are
there.
"""


@dataclass(frozen=True)
class Track:
    """Both hands from rest to rest, as if both were right ones; index 0 is the dominant hand.

    Attributes:
        states: (2, T, 22).
        apart: (T,) True where the hands must stay on their own sides.
        spans: (first, past last) frame of each stroke.
    """

    states: np.ndarray
    apart: np.ndarray
    spans: tuple[tuple[int, int], ...]


def lay_track(
    strokes: Sequence[Stroke],
    signer: Signer,
    rng: np.random.Generator,
    frames: Callable[[float], int],
    waits: Sequence[int],
) -> Track:
    """The strokes in order, joined by minimum-jerk steps.

    A step begins before the last stroke has ended and ends after the next has begun, and all are
    added up, so hands need not stop between signs; handshape and palm arrive before the wrist.
    Source: Flash & Henis 1991, superposition of movement elements.

    Args:
        waits: frames of rest before and after.
    """
    rest, courses = _settle(strokes, signer, rng)
    states = np.empty((2, sum(waits), STATE))
    last = np.stack([rest, rest])
    plan, at = [], waits[0]
    for stroke, course in zip(
        [*strokes, None], [*courses, np.repeat(rest[None, None], 2, 0)], strict=True
    ):
        move = frames(_seconds(last, course[:, 0]))
        plan.append((at, move, last, stroke, course))
        at, last = at + move + (len(stroke) if stroke else 0), course[:, -1]
    states = np.empty((2, at + waits[1], STATE))
    states[:] = rest
    apart = np.zeros(at + waits[1], bool)
    time = np.arange(at + waits[1])
    for first, move, last, stroke, course in plan:
        _move(states, time, first, move, course[:, 0] - last, stroke is None or stroke.exact)
        if stroke is not None:
            begin, end = first + move, first + move + len(stroke)
            states[:, begin:end] += course - course[:, :1]
            states[:, end:] += course[:, -1:] - course[:, :1]
            apart[begin - move // 2 : end + 3] |= stroke.apart
    return Track(
        states,
        apart,
        tuple((first + move, first + move + len(s)) for first, move, _, s, _ in plan if s),
    )


def _move(
    states: np.ndarray, time: np.ndarray, first: int, move: int, step: np.ndarray, exact: bool
) -> None:
    """Add a step (2, 22) that lasts `move` frames from `first` on."""
    late = 0 if exact else round(_OVERLAP * move)
    way = _step(time, first - round(_OVERLAP * move), first + move + late)
    states[:, :, :3] += way[:, None] * step[:, None, :3]
    bow = 0.3 * np.sqrt((step[:, :3] ** 2).sum(1))
    states[:, :, 2] -= bow[:, None] * (way * (1 - way))
    states[:, :, 3:] += (
        _step(time, first, first + max(2, round(_SOON * move)))[:, None] * step[:, None, 3:]
    )


def _step(time: np.ndarray, first: int, past: int) -> np.ndarray:
    """(T,) minimum jerk from 0 before frame `first` to 1 at frame `past - 1`."""
    s = np.clip((time - (first - 1)) / (past - first), 0, 1)
    return s**3 * (10 - 15 * s + 6 * s**2)


def _seconds(end: np.ndarray, start: np.ndarray) -> float:
    """How long hands take from (2, 22) to (2, 22): longer ways take longer, but not in proportion."""
    way = float(np.sqrt(((start - end)[:, :3] ** 2).sum(1)).max())
    turn = float(np.abs(start[:, 3:6] - end[:, 3:6]).max())
    return 0.12 + 0.52 * way**0.7 + 0.04 * turn


def _settle(
    strokes: Sequence[Stroke], signer: Signer, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The state of a resting hand (22,), and the states (2, T, 22) of each stroke, within all
    joints' limits.
    """
    forward = 0.16 + 0.7 * max(signer.rest, 0.0)
    centre = (
        np.array([-0.46 * signer.shoulders, -signer.rest, -forward])
        + rng.normal(0, 0.01, 3) * signer.hardness
    )
    hanging = motion.quaternion(np.array([1.0, 0.1, 0.3]), np.array([0.35, 1.0, -2.5 * forward]))
    fingers = motion.frames_of(hanging[None])[0, :, 1]
    sizes = [1] + [stroke.hands * len(stroke) for stroke in strokes]
    want = np.empty((sum(sizes), STATE))
    quaternions = np.empty((len(want), 4))
    want[0, :3], quaternions[0] = centre - motion.PALM * signer.hand * fingers, hanging
    want[0, 6:21], want[0, 21] = RELAXED.angles, 0.1
    spin = np.zeros((len(want), 2))
    at = 1
    for stroke in strokes:
        for k in range(stroke.hands):
            own = slice(at, at + len(stroke))
            want[own, :3], quaternions[own] = stroke.wrist[k], stroke.quaternion[k]
            want[own, 6:21], want[own, 21] = stroke.angles[k], stroke.swivel[k]
            spin[own] = stroke.spin
            at += len(stroke)
    _, want[:, :3], joints = reach(want[:, :3], motion.frames_of(quaternions), want[:, 21], signer)
    joints[:, 2] += spin[:, 0]
    joints[:, 0] += spin[:, 1]
    want[:, 3:6] = motion.within_limits(joints)
    courses, at = [], 1
    for stroke in strokes:
        end = at + stroke.hands * len(stroke)
        course = want[at:end].reshape(stroke.hands, len(stroke), STATE)
        if stroke.hands == 1:
            course = np.concatenate([course, np.broadcast_to(want[0], course.shape)])
        courses.append(course)
        at = end
    return want[0], courses
