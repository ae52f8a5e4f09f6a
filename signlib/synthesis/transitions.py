"""From stroke to stroke: how both hands get from rest through all signs and back.

Everything between two strokes is interpolated as joint angles, so that no transition asks for what
a joint cannot do. The whole way is a `Track`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from signlib.synthesis import motion, phonology, posture
from signlib.synthesis.signers import Signer
from signlib.synthesis.strokes import Stroke

# Numbers of a hand's state.
# Wrist (3), metres; wrist joints (3), finger angles (15) and swivel of the elbow (1), radians.
STATE = 22
# Share of a transition that reaches into its neighbours.
_OVERLAP = 0.12
# Share of a transition after which handshape and palm have arrived.
_SOON = 0.80


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
    resting = np.stack([rest, rest])
    # For each stroke the frame at which the move to it begins, its frames, and its step.
    last, at = resting, waits[0]
    moves = []
    for course in courses:
        move = frames(_seconds(last, course[:, 0]))
        moves.append((at, move, course[:, 0] - last))
        at, last = at + move + course.shape[1], course[:, -1]
    move_back = frames(_seconds(last, resting))
    total = at + move_back + waits[1]
    states = np.empty((2, total, STATE))
    states[:] = rest
    apart = np.zeros(total, bool)
    spans = []
    for stroke, course, (first, move, step) in zip(strokes, courses, moves, strict=True):
        begin, end = first + move, first + move + len(stroke)
        _move(states, first, move, step, exact=stroke.exact)
        states[:, begin:end] += course - course[:, :1]
        states[:, end:] += course[:, -1:] - course[:, :1]
        apart[begin - move // 2 : end + 3] |= stroke.apart
        spans.append((begin, end))
    _move(states, at, move_back, resting - last, exact=True)
    return Track(states, apart, tuple(spans))


def _move(states: np.ndarray, first: int, move: int, step: np.ndarray, *, exact: bool) -> None:
    # Add a step (2, 22) that lasts `move` frames from `first` on to states (2, T, 22).
    time = np.arange(states.shape[1])
    late = 0 if exact else round(_OVERLAP * move)
    way = _step(time, first - round(_OVERLAP * move), first + move + late)
    states[:, :, :3] += way[:, None] * step[:, None, :3]
    # Hands do not go straight but in a bow, towards the camera.
    bow = 0.3 * np.sqrt((step[:, :3] ** 2).sum(1))
    states[:, :, 2] -= bow[:, None] * (way * (1 - way))
    soon = _step(time, first, first + max(2, round(_SOON * move)))
    states[:, :, 3:] += soon[:, None] * step[:, None, 3:]


def _step(time: np.ndarray, first: int, past: int) -> np.ndarray:
    # (T,) minimum jerk from 0 before frame `first` to 1 at frame `past - 1`.
    s = np.clip((time - (first - 1)) / (past - first), 0, 1)
    return s**3 * (10 - 15 * s + 6 * s**2)


def _seconds(end: np.ndarray, start: np.ndarray) -> float:
    # How long hands take from one state (2, 22) to another; twice as far is less than twice.
    way = float(np.sqrt(((start - end)[:, :3] ** 2).sum(1)).max())
    turn = float(np.abs(start[:, 3:6] - end[:, 3:6]).max())
    return 0.12 + 0.52 * way**0.7 + 0.04 * turn


def _settle(
    strokes: Sequence[Stroke], signer: Signer, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The state of a resting hand (22,), and the states (2, T, 22) of each stroke.

    All are within the joints' limits.
    """
    forward = 0.16 + 0.7 * max(signer.rest, 0.0)
    centre = (
        np.array([-0.46 * signer.shoulders, -signer.rest, -forward])
        + rng.normal(0, 0.01, 3) * signer.hardness
    )
    hanging = motion.quaternion(np.array([1.0, 0.1, 0.3]), np.array([0.35, 1.0, -2.5 * forward]))
    fingers = motion.frames_of(hanging[None])[0, :, 1]
    # All states in one array, since joints are computed faster for many at once: rest first, then
    # for each stroke the frames of one hand or of both.
    want = np.empty((1 + sum(stroke.hands * len(stroke) for stroke in strokes), STATE))
    quaternions = np.empty((len(want), 4))
    want[0, :3], quaternions[0] = centre - motion.PALM * signer.hand * fingers, hanging
    want[0, 6:21], want[0, 21] = phonology.RELAXED.angles, 0.1
    spin = np.zeros((len(want), 2))
    at = 1
    for stroke in strokes:
        for k in range(stroke.hands):
            rows = slice(at, at + len(stroke))
            want[rows, :3], quaternions[rows] = stroke.wrist[k], stroke.quaternion[k]
            want[rows, 6:21], want[rows, 21] = stroke.angles[k], stroke.swivel[k]
            spin[rows] = stroke.spin
            at += len(stroke)
    _, want[:, :3], joints = posture.reach(
        want[:, :3], motion.frames_of(quaternions), want[:, 21], signer
    )
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
