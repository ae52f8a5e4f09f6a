"""Signs and a signer -> 543 points that move in metres, before any camera.

Both hands are tracks of states (palm centre, orientation, finger angles): rest,
sign, sign, ..., rest, joined by minimum-jerk transitions; the arms follow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.synthesis import motion
from signlib.synthesis.face import average_face
from signlib.synthesis.signers import Signer
from signlib.synthesis.signs import DIRECTIONS, HANDSHAPES, LOCATIONS, LOCI, ORIENTATIONS, POINTING, RELAXED, Sign, Use

_REST = motion.quaternion((1, 0, -0.3), (0.35, 1, -0.45))
_ELBOW_SIDE = np.array([-0.55, 1.0, 0.45])
_APART = 0.30
"""Least distance of a two-handed sign's palms from the midline, in shoulder widths."""
_TRAVEL = {"HOLD": 0.0, "LINE": 0.16, "ARC": 0.16, "CIRCLE": 0.065, "ZIGZAG": 0.17, "TAP": 0.06}
"""Size of each movement, metres."""
_STROKE = {"HOLD": 0.45, "LINE": 0.42, "ARC": 0.5, "CIRCLE": 0.6, "ZIGZAG": 0.6, "TAP": 0.28}
"""Seconds of one stroke."""

Frames = Callable[[float], int]
"""Seconds of an average signer -> frames of this performance."""
_POSE_HAND = [0, 17, 5, 2]
"""The hand points that the pose calls wrist, pinky, index and thumb."""
_RIGHT_LEG = np.array(
    [[-0.10, 0, 0], [-0.11, 0.42, -0.02], [-0.11, 0.82, 0.03], [-0.11, 0.87, 0.07], [-0.13, 0.87, -0.13]]
)
_LEGS = np.stack([_RIGHT_LEG * (-1, 1, 1), _RIGHT_LEG], axis=1).reshape(10, 3)
"""Hips, knees, ankles, heels and toes of a person with shoulders of 0.36 m."""


@dataclass(frozen=True)
class Performance:
    """What happened, exactly.

    Attributes:
        points: (T, 543, 3) metres around the middle of the hips: x to the signer's left, y down,
            z away from the camera; MediaPipe's order.
        spans: (first, past last) frame of each sign's stroke.
        gaze: (T, 2) radians that both eyes look to the signer's left and upwards, relative to the head.
        expression: (T, 3) mouth (1 = open), brows (1 = raised, -0.5 = furrowed) and lids (1 = closed).
    """

    points: np.ndarray
    spans: tuple[tuple[int, int], ...]
    gaze: np.ndarray
    expression: np.ndarray


def perform(signs: Sequence[Sign | Use], signer: Signer, rng: np.random.Generator, fps: float = 25.0) -> Performance:
    """One way in which `signer` might sign `signs`, from rest to rest.

    Args:
        rng: decides what differs between two performances of the same signer.
        fps: frames a second.
    """
    tempo = signer.tempo * np.exp(rng.normal(0, 0.08) * signer.hardness)
    rest = _rest_state(signer, rng)
    tracks: list[list[np.ndarray]] = [[], []]
    spans: list[tuple[int, int]] = []

    def frames(seconds: float) -> int:
        return max(2, round(seconds * fps / tempo * float(np.exp(rng.normal(0, 0.1) * signer.hardness))))

    waits = [frames(0.22 + signer.hardness * wait) for wait in rng.uniform(-0.15, 0.25, 2)]
    for track in tracks:
        track.append(np.repeat(rest[None], waits[0], axis=0))
    uses = [use if isinstance(use, Use) else Use(use) for use in signs]
    signs = [replace(use.sign, handshape=use.handshape) if use.handshape else use.sign for use in uses]
    for use, sign in zip(uses, signs, strict=True):
        strokes = _stroke(sign, signer, rng, frames)
        if use.goal:
            _relocate(strokes, use, signer)
        move = frames(0.5 if len(spans) == 0 else 0.3)
        start = sum(map(len, tracks[0])) + move
        spans.append((start, start + len(strokes)))
        for track, states in zip(tracks, (strokes, strokes if sign.hands == 2 else None), strict=True):
            here = np.repeat(rest[None], len(strokes), axis=0) if states is None else states
            track += [_transition(track[-1][-1], here[0], move), here]
    back = frames(0.5)
    for track in tracks:
        track += [_transition(track[-1][-1], rest, back), np.repeat(rest[None], waits[1], axis=0)]
    right, left = (np.concatenate(track) for track in tracks)
    expression = _expression(signs, spans, len(right), rng, fps)
    points = _body(right, left, expression, signer, motion.sway(rng, len(right), 6, fps))
    if signer.left_handed:
        points = points[:, list(MEDIAPIPE_543.mirror)] * np.array([-1.0, 1.0, 1.0])
    return Performance(points, tuple(spans), np.zeros((len(points), 2)), expression)


def locus(name: str, signer: Signer) -> np.ndarray:
    """(3,) metres where a locus of `LOCI` lies for this signer."""
    return np.array([0, -signer.torso, 0]) + signer.shoulders * np.array(LOCI[name])


def _relocate(strokes: np.ndarray, use: Use, signer: Signer) -> None:
    """Change a stroke's states (T, 22) in place: at the goal, or from source to goal."""
    mirror = np.array([-1.0 if signer.left_handed else 1.0, 1, 1])
    goal = mirror * locus(use.goal, signer)
    if use.source:
        way = motion.minimum_jerk(len(strokes))[:, None]
        start = mirror * locus(use.source, signer)
        strokes[:, :3] = start + way * (goal - start)
    elif use.sign == POINTING:
        near = np.array([0, -signer.torso, 0]) + signer.shoulders * np.array([-0.3, 0.4, -0.6])
        strokes[:, :3] = near + 0.4 * (goal - near)
        along = motion.unit(goal - strokes[0, :3])
        strokes[:, 3:7] = motion.quaternion(np.array([0.3, 1.0, 0.2]), along)
    else:
        strokes[:, :3] += goal - strokes[:, :3].mean(0)


def _rest_state(signer: Signer, rng: np.random.Generator) -> np.ndarray:
    centre = np.array([-0.48 * signer.shoulders, -signer.rest, -0.16])
    centre += rng.normal(0, 0.01, 3) * signer.hardness
    return np.concatenate([centre, _REST, RELAXED.angles])


def head_centre(signer: Signer) -> np.ndarray:
    """(3,) metres."""
    return np.array([0.0, -signer.torso - 2.05 * signer.head, -0.02])


def _stroke(sign: Sign, signer: Signer, rng: np.random.Generator, frames: Frames) -> np.ndarray:
    """(T, 22) states of the dominant hand while the sign lasts."""
    place = LOCATIONS[sign.location]
    offset = np.array(place.offset)
    if place.anchor == "head":
        centre = head_centre(signer) + signer.head * offset
    else:
        centre = np.array([0, -signer.torso, 0]) + signer.shoulders * offset
    if sign.hands == 2:
        centre[0] = min(centre[0], -_APART * signer.shoulders)
    centre += np.array(signer.accent) + rng.normal(0, 0.025, 3) * signer.hardness
    normal, fingers = ORIENTATIONS[sign.orientation][place.anchor]
    turn = rng.normal(0, 0.18, 6) * signer.hardness
    hand = motion.quaternion(np.array(normal) + turn[:3], motion.unit(np.array(fingers)) + turn[3:])
    angles = HANDSHAPES[sign.handshape].angles + signer.posture + rng.normal(0, 0.12, 15) * signer.hardness
    travel = _TRAVEL[sign.movement] * signer.size * np.exp(rng.normal(0, 0.15) * signer.hardness)
    path = travel * _path(sign, frames)
    if sign.movement in ("LINE", "ARC", "ZIGZAG"):
        path = path - 0.35 * travel * np.array(DIRECTIONS[sign.direction])
    still = np.concatenate([hand, angles])
    return np.concatenate([centre + path, np.repeat(still[None], len(path), axis=0)], axis=1)


def _path(sign: Sign, frames: Frames) -> np.ndarray:
    """(T, 3) of a movement of size 1 that sets out from the location."""
    seconds = _STROKE[sign.movement]
    ahead = np.array(DIRECTIONS[sign.direction], float)
    if sign.movement == "CIRCLE":
        rounds = sign.repetitions
        turn = 2 * np.pi * rounds * motion.minimum_jerk(frames(seconds * (0.35 + 0.65 * rounds)))
        return np.outer(np.sin(turn), ahead) + np.outer(1 - np.cos(turn), [-1.0, 0, 0])
    repetitions = sign.repetitions + (sign.movement == "TAP")
    pieces = [motion.minimum_jerk(frames(seconds))]
    for _ in range(repetitions - 1):
        pieces += [1 - motion.minimum_jerk(frames(0.8 * seconds)), motion.minimum_jerk(frames(seconds))]
    phase = np.concatenate(pieces)
    path = np.outer(phase, ahead)
    aside = np.array([0.0, -1, 0]) if ahead[1] == 0 else np.array([-1.0, 0, 0])
    if sign.movement == "ARC":
        path += np.outer(0.55 * np.sin(np.pi * phase), aside)
    if sign.movement == "ZIGZAG":
        path += np.outer(0.30 * np.sin(4 * np.pi * phase), aside)
    return path


def _transition(start: np.ndarray, end: np.ndarray, frames: int) -> np.ndarray:
    """(frames, 22) from `start` (excluded) to `end`, bowed a little towards the camera."""
    end = end.copy()
    if start[3:7] @ end[3:7] < 0:
        end[3:7] *= -1  # q and -q are the same hand; the nearer one is the shorter turn
    way = motion.minimum_jerk(frames)[:, None]
    states = start + way * (end - start)
    states[:, 2] -= 0.3 * np.sqrt(((end - start)[:3] ** 2).sum()) * (way * (1 - way))[:, 0]
    return states


def _expression(
    signs: Sequence[Sign], spans: Sequence[tuple[int, int]], frames: int, rng: np.random.Generator, fps: float
) -> np.ndarray:
    """(T, 3) mouth, brow and lids in 0..1: mouthing during the signs and a blink or two."""
    shape = np.zeros((frames, 3))
    t = np.arange(frames)
    for sign, (first, last) in zip(signs, spans, strict=True):
        near = np.clip(1 - np.maximum(first - t, t - last) / (0.2 * fps), 0, 1)
        shape[:, :2] = np.maximum(shape[:, :2], near[:, None] * (sign.mouth, sign.brow))
    shape[:, 0] *= 0.75 + 0.25 * np.sin(2 * np.pi * (3 * t / fps + rng.random()))
    blinks = rng.uniform(0, frames, rng.poisson(frames / fps / 3))
    for blink in blinks:
        shape[:, 2] = np.maximum(shape[:, 2], np.clip(1.5 - np.abs(t - blink) / (0.06 * fps), 0, 1))
    return shape


def _arm(states: np.ndarray, signer: Signer) -> tuple[np.ndarray, np.ndarray]:
    """Elbow (T, 3) and hand (T, 21, 3) of the right arm whose hand goes through `states` (T, 22)."""
    frames = motion.frames_of(states[:, 3:7])
    wrist = states[:, :3] - motion.PALM * signer.hand * frames[:, :, 1]
    shoulder = np.array([-signer.shoulders / 2, -signer.torso, 0.0])
    elbow, wrist = motion.two_bone(shoulder, wrist, signer.upper_arm, signer.forearm, _ELBOW_SIDE)
    frames = motion.bend_wrist(frames, motion.unit(wrist - elbow))
    return elbow, motion.hand_points(wrist, frames, states[:, 7:], signer.hand)


def _body(
    right: np.ndarray, left: np.ndarray, expression: np.ndarray, signer: Signer, wander: np.ndarray
) -> np.ndarray:
    """(T, 543, 3) of a right-handed person.

    Args:
        right, left: (T, 22) states of both hands; the left one's as if it were a right one.
        expression: (T, 3) from `_expression`.
        wander: (T, 6) how head and trunk stray, in units of their usual angles.
    """
    wander = wander * min(signer.hardness, 1.0)
    points = np.empty((len(right), len(MEDIAPIPE_543), 3))
    face, pose = points[:, :468], points[:, 468:501]
    _head(face, pose[:, :11], expression, signer, motion.turns(wander[:, :3] * (0.05, 0.04, 0.03)))
    pose[:, 11:13] = np.array([[0.5, 0, 0], [-0.5, 0, 0]]) * signer.shoulders - (0, signer.torso, 0)
    sides = ((left, 13, slice(501, 522), (-1, 1, 1)), (right, 14, slice(522, 543), (1, 1, 1)))
    for states, first, hand, flip in sides:
        elbow, fingers = _arm(states, signer)
        pose[:, first] = elbow * flip
        points[:, hand] = fingers * flip
        pose[:, first + 2 : first + 10 : 2] = points[:, hand][:, _POSE_HAND]
    pose[:, 23:] = _LEGS * (signer.shoulders / 0.36)
    lean = motion.turns(wander[:, 3:] * (0.03, 0.015, 0.015))
    legs = points[:, 491:501].copy()
    points = points @ lean.swapaxes(1, 2)
    points[:, 491:501] = legs
    return points


def _head(face: np.ndarray, pose: np.ndarray, expression: np.ndarray, signer: Signer, turn: np.ndarray) -> None:
    """Write (T, 468, 3) face points and the pose's eleven head points."""
    shape = average_face()
    face[:] = shape.rest
    for k, move in enumerate((shape.mouth, shape.brow, shape.lids)):
        face[:, :, 1] += expression[:, k, None] * move[:, 1]
    pose[:, [0, 1, 3, 4, 6, 9, 10]] = face[:, [1, 362, 263, 133, 33, 291, 61]]
    pose[:, 2], pose[:, 5] = (pose[:, 1] + pose[:, 3]) / 2, (pose[:, 4] + pose[:, 6]) / 2
    pose[:, 7], pose[:, 8] = (0.82, 0.0, 0.0), (-0.82, 0.0, 0.0)
    for part in (face, pose):
        np.matmul(part, signer.head * turn.swapaxes(1, 2), out=part)
        part += head_centre(signer)
