"""Signs and a signer -> 543 points that move in metres, before any camera.

Strokes say what the hands do for each sign, a track leads them from rest to rest, the arms follow;
face, head and trunk are added.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.synthesis import motion, phonology, posture, skin, transitions
from signlib.synthesis.face import average_face
from signlib.synthesis.signers import Signer
from signlib.synthesis.signs import Sign, Use
from signlib.synthesis.strokes import make_stroke

_MIRROR = list(MEDIAPIPE_543.mirror)
_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)
# The hand points that the pose calls wrist, pinky, index and thumb.
_POSE_HAND = [0, 17, 5, 2]
# Hand points that could go through head or trunk.
_OUTLINE = [0, 4, 5, 6, 8, 10, 12, 16, 18, 20]
_RIGHT_LEG = np.array(
    [
        [-0.10, 0, 0],
        [-0.11, 0.42, -0.02],
        [-0.11, 0.82, 0.03],
        [-0.11, 0.87, 0.07],
        [-0.13, 0.87, -0.13],
    ]
)
# Hips, knees, ankles, heels and toes of a person with shoulders of 0.36 m.
_LEGS = np.stack([_RIGHT_LEG * (-1, 1, 1), _RIGHT_LEG], axis=1).reshape(10, 3)
# Half the width of the head at the ears, in face half-heights.
_EAR = 0.82
# How much of a look aside the head does; the eyes do the rest.
_HEAD_SHARE = 0.4


@dataclass(frozen=True)
class Performance:
    """What happened, exactly.

    Attributes:
        points: (T, 543, 3) float32 metres around the middle of the hips: x to the signer's left, y
            down, z away from the camera; MediaPipe's order.
        spans: (first, past last) frame of each sign's stroke.
        gaze: (T, 2) radians that both eyes look to the signer's left and upwards, relative to the
            head.
        expression: (T, 3) mouth (1 = open), brows (1 = raised, -0.5 = furrowed) and lids (1 =
            closed).
    """

    points: np.ndarray
    spans: tuple[tuple[int, int], ...]
    gaze: np.ndarray
    expression: np.ndarray

    def at(self, frames: Sequence[int]) -> "Performance":
        """The same performance at these frames only; `spans` still count in all of them."""
        return replace(
            self,
            points=self.points[frames],
            gaze=self.gaze[frames],
            expression=self.expression[frames],
        )


def perform(
    signs: Sequence[Sign | Use], signer: Signer, rng: np.random.Generator, fps: float = 25.0
) -> Performance:
    """One way in which `signer` might sign `signs`, from rest to rest.

    Args:
        rng: decides what differs between two performances of the same signer.
        fps: frames a second.
    """
    tempo = signer.tempo * float(np.exp(rng.normal(0, 0.08) * signer.hardness))

    def frames(seconds: float) -> int:
        ratio = float(np.exp(rng.normal(0, 0.14) * signer.hardness))
        return max(2, round(seconds * fps / tempo * ratio))

    # The order of the draws belongs to the clips.
    uses = [use if isinstance(use, Use) else Use(use) for use in signs]
    waits = [frames(0.20 + signer.hardness * wait) for wait in rng.uniform(-0.15, 0.35, 2)]
    strokes = [make_stroke(use, signer, rng, frames=frames, fps=fps) for use in uses]
    track = transitions.lay_track(strokes, signer, rng, frames=frames, waits=waits)
    total = len(track.states[0])
    expression = _expression([use.sign for use in uses], track.spans, rng, frames=total, fps=fps)
    looks = _looks(uses, track, signer, fps)
    wander = motion.sway(rng, total, 6, fps) * min(signer.hardness, 1.0)
    points = _body(track, signer, expression, look=_HEAD_SHARE * looks, wander=wander)
    gaze = (1 - _HEAD_SHARE) * looks
    if signer.left_handed:
        points = points[:, _MIRROR] * _FLIP
        gaze = gaze * (-1, 1)
    return Performance(points, track.spans, gaze, expression)


def _expression(
    signs: Sequence[Sign],
    spans: Sequence[tuple[int, int]],
    rng: np.random.Generator,
    *,
    frames: int,
    fps: float,
) -> np.ndarray:
    # (T, 3) mouth, brow and lids: mouthing during the signs and a blink or two.
    shape = np.zeros((frames, 3))
    t = np.arange(frames)
    for sign, (first, last) in zip(signs, spans, strict=True):
        near = np.clip(1 - np.maximum(first - t, t - last) / (0.2 * fps), 0, 1)
        shape[:, 0] = np.maximum(shape[:, 0], near * sign.mouth)
        shape[:, 1] += near * (sign.brow - shape[:, 1])
    shape[:, 0] *= 0.75 + 0.25 * np.sin(2 * np.pi * (3 * t / fps + rng.random()))
    for blink in rng.uniform(0, frames, rng.poisson(frames / fps / 3)):
        shape[:, 2] = np.maximum(shape[:, 2], np.clip(1.5 - np.abs(t - blink) / (0.06 * fps), 0, 1))
    return shape


def _looks(uses: Sequence[Use], track: transitions.Track, signer: Signer, fps: float) -> np.ndarray:
    # (T, 2) yaw to the left and pitch upwards of eyes and head together, if right-handed.
    hand = track.states[0, :, :3]
    looks = np.zeros((len(hand), 2))
    eyes = skin.head_centre(signer) - (0, 0.2 * signer.head, 0.88 * signer.head)
    for use, (first, last) in zip(uses, track.spans, strict=True):
        if use.goal and use.goal not in ("SIGNER", "ADDRESSEE"):
            to = (skin.locus(use.goal, signer) - eyes) * (-1.0 if signer.left_handed else 1.0, 1, 1)
        elif phonology.GAZES[use.sign.gaze] is None:
            to = hand[(first + last) // 2] - eyes
        else:
            looks[first:last] = phonology.GAZES[use.sign.gaze]
            continue
        looks[first:last] = np.arctan2(to[0], -to[2] + 0.3), np.arctan2(-to[1], -to[2] + 0.5)
    if not looks.any():
        return looks
    width = max(3, round(0.24 * fps))
    kernel = np.hanning(width + 2)[1:-1]
    kernel /= kernel.sum()
    padded = np.pad(looks, ((width // 2, (width - 1) // 2), (0, 0)))
    return np.stack([np.convolve(padded[:, k], kernel, "valid") for k in range(2)], 1)


def _arms(track: transitions.Track, signer: Signer) -> tuple[np.ndarray, np.ndarray]:
    # Elbows (2, T, 3) and hands (2, T, 21, 3) that go through a track, both as if right ones.
    frames = track.states.shape[1]
    states = track.states.reshape(2 * frames, transitions.STATE)
    wrist, joints, swivel = states[:, :3], states[:, 3:6], states[:, 21]
    shape = signer.hand * motion.hand_shape(states[:, 6:21])
    elbow, wrist, hands = posture.arm(wrist, joints, swivel, signer)
    # The second time is for hands that an outstretched or bent arm could not bring out at once.
    for allowed in (0.0, 0.01):
        outline = wrist[:, None] + shape[:, _OUTLINE] @ hands.swapaxes(1, 2)
        push = _inside(outline, track.apart, signer)
        if np.abs(push).max() <= allowed:
            break
        wrist = wrist + _smooth(push.reshape(2, frames, 3)).reshape(-1, 3)
        elbow, wrist, hands = posture.arm(wrist, joints, swivel, signer)
    points = wrist[:, None] + shape @ hands.swapaxes(1, 2)
    return elbow.reshape(2, frames, 3), points.reshape(2, frames, 21, 3)


def _inside(outline: np.ndarray, apart: np.ndarray, signer: Signer) -> np.ndarray:
    """(2T, 3) metres that bring hands (2T, P, 3) out of head and trunk.

    Where `apart` (T,) is True they also stay on their own side.
    """
    push = skin.push_out(outline, signer)
    push = push[np.arange(len(push)), (push * push).sum(-1).argmax(1)]
    if apart.any():
        push[:, 0] -= np.tile(apart, 2) * np.maximum(outline[:, :, 0].max(1) + 0.004, 0)
    return push


def _smooth(push: np.ndarray) -> np.ndarray:
    # (2, T, 3) spread over the neighbouring frames, but nowhere less than it was.
    padded = np.pad(push, ((0, 0), (2, 2), (0, 0)), mode="edge")
    length = push.shape[1]
    mean = sum(w * padded[:, k : k + length] for k, w in enumerate((0.1, 0.2, 0.4, 0.2, 0.1)))
    return np.where(np.abs(mean) > np.abs(push), mean, push)


def _body(
    track: transitions.Track,
    signer: Signer,
    expression: np.ndarray,
    *,
    look: np.ndarray,
    wander: np.ndarray,
) -> np.ndarray:
    """(T, 543, 3) float32 of a right-handed person.

    Args:
        expression: (T, 3) from `_expression`.
        look: (T, 2) yaw and pitch of the head, radians.
        wander: (T, 6) how head and trunk stray, in units of their usual angles.
    """
    points = np.empty((len(look), len(MEDIAPIPE_543), 3), np.float32)
    face, rest = points[:, :468], points[:, 468:]
    pose = rest[:, :33]
    turn = wander[:, :3] * (0.05, 0.04, 0.03)
    turn[:, :2] += look
    lean = motion.turns(wander[:, 3:] * (0.03, 0.015, 0.015))
    pose[:, 11:13] = np.array([[0.5, 0, 0], [-0.5, 0, 0]]) * signer.shoulders - (0, signer.torso, 0)
    elbows, hands = _arms(track, signer)
    for k, first, hand, flip in ((1, 13, slice(33, 54), _FLIP), (0, 14, slice(54, 75), 1)):
        pose[:, first] = elbows[k] * flip
        rest[:, hand] = hands[k] * flip
        pose[:, first + 2 : first + 10 : 2] = rest[:, hand][:, _POSE_HAND]
    # What does not lean with the trunk is written after it has leant.
    pose[:, :11], pose[:, 23:] = 0, 0
    rest[:] = rest @ lean.swapaxes(1, 2).astype(np.float32)
    pose[:, 23:] = _LEGS * (signer.shoulders / 0.36)
    _head(
        face,
        pose[:, :11],
        expression,
        signer,
        turn=lean @ motion.turns(turn),
        centre=lean @ skin.head_centre(signer),
    )
    return points


def _head(
    face: np.ndarray,
    pose: np.ndarray,
    expression: np.ndarray,
    signer: Signer,
    *,
    turn: np.ndarray,
    centre: np.ndarray,
) -> None:
    """Write the points of the face (T, 468, 3) and the pose's eleven head points, in place.

    Args:
        turn: (T, 3, 3) of the head around its `centre` (T, 3).
    """
    turn = signer.head * turn.swapaxes(1, 2)
    # One product for all: shape (470, 7) times, for each frame, axes, movements and centre (7, 3).
    weights = np.empty((len(turn), 7, 3), np.float32)
    weights[:, :3], weights[:, 6] = turn, centre
    weights[:, 3:6] = expression[:, :, None] * turn[:, 1:2]
    turned = _face_shape() @ weights
    face[:] = turned[:, :468]
    pose[:, [0, 1, 3, 4, 6, 7, 8, 9, 10]] = turned[:, [1, 362, 263, 133, 33, 468, 469, 291, 61]]
    pose[:, 2], pose[:, 5] = (pose[:, 1] + pose[:, 3]) / 2, (pose[:, 4] + pose[:, 6]) / 2


@cache
def _face_shape() -> np.ndarray:
    # (470, 7): x, y, z of face and ears, how far mouth, brows and lids move them down, and 1.
    shape = average_face()
    table = np.zeros((470, 7), np.float32)
    table[:468, :3], table[468:, 0] = shape.rest, (_EAR, -_EAR)
    table[:468, 3:6] = np.stack([shape.mouth[:, 1], shape.brow[:, 1], shape.lids[:, 1]], 1)
    table[:, 6] = 1
    return table
