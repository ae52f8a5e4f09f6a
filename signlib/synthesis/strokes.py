"""The part of a sign that carries its meaning: from where, along which path, with which hands.

Both hands are described as if they were right ones. What is said here in space, `transitions` turns
into joint angles that move from sign to sign.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from signlib.synthesis import motion, posture, skin
from signlib.synthesis.phonology import CHANGES, DIRECTIONS, HANDSHAPES
from signlib.synthesis.signers import Signer
from signlib.synthesis.signs import POINTING, Sign, Use

# Seconds of an average signer -> frames of this performance.
Frames = Callable[[float], int]
# Size of each movement, metres.
_TRAVEL = {"HOLD": 0.0, "LINE": 0.16, "ARC": 0.16, "CIRCLE": 0.065, "ZIGZAG": 0.17, "TAP": 0.06}
# How much smaller movements on the body are.
_ON_SKIN = 0.6
# Seconds of one stroke.
_STROKE = {"HOLD": 0.40, "LINE": 0.38, "ARC": 0.44, "CIRCLE": 0.55, "ZIGZAG": 0.55, "TAP": 0.25}
# Radians of the movements inside the hand.
_TWIST, _NOD, _FLUTTER = 0.55, 0.45, 0.35
# Seconds of one twist or nod.
_IN_HAND = 0.30


@dataclass(frozen=True)
class Stroke:
    """What both hands do while a sign lasts, T frames; index 0 is the dominant hand, 1 the other.

    Attributes:
        wrist: (2, T, 3) metres.
        quaternion: (2, 4) of the hands.
        angles: (2, T, 15) of the fingers.
        swivel: (2,) of the elbows.
        spin: (T, 2) radians by which forearms twist and wrists nod.
        hands: 1 when the other hand rests.
        apart: True when the hands must stay on their own sides.
        exact: True when the beginning must be reached, because something is touched there.
    """

    wrist: np.ndarray
    quaternion: np.ndarray
    angles: np.ndarray
    swivel: np.ndarray
    spin: np.ndarray
    hands: int
    apart: bool
    exact: bool

    def __len__(self) -> int:
        return len(self.spin)


def make_stroke(
    use: Use, signer: Signer, rng: np.random.Generator, frames: Frames, fps: float
) -> Stroke:
    """How `signer` makes one use of a sign this time."""
    sign = replace(use.sign, handshape=use.handshape) if use.handshape else use.sign
    # What differs from take to take; the order of the draws belongs to the clips.
    unsteady = rng.normal(0, 0.13, 15) * signer.hardness
    angles = HANDSHAPES[sign.handshape].angles + signer.posture + unsteady
    shift = np.array(signer.accent) + rng.normal(0, 0.027, 3) * signer.hardness
    turn = rng.normal(0, 0.10, 4) * signer.hardness
    aside = rng.normal(0, 0.008, 3) * signer.hardness
    ratio = float(np.exp(rng.normal(0, 0.15) * signer.hardness))
    travel = _TRAVEL[sign.movement] * signer.size * ratio
    travel *= _ON_SKIN if sign.contact else 1.0
    pointing = use.sign == POINTING and use.goal
    if pointing:
        wrist, quaternion, swivel, out = _pointing(use.goal, signer, shift)
    else:
        wrist, quaternion, swivel, out = _dominant(sign, signer, angles, shift=shift, turn=turn)
    phase = _phase(sign, frames)
    path = _path(sign, phase, travel, out)
    if use.goal and not pointing:
        wrist, path = _between(use, signer, wrist, path=path, quaternion=quaternion)
    stroke = Stroke(
        wrist=np.repeat((wrist + path)[None], 2, axis=0),
        quaternion=np.stack([quaternion, quaternion]),
        angles=np.repeat(_fingers(sign, angles, phase, fps)[None], 2, axis=0),
        swivel=np.array([swivel, swivel]),
        spin=_spin(sign, len(phase)),
        hands=1 if sign.hands == "ONE" else 2,
        apart=sign.hands in ("SYMMETRIC", "ALTERNATING"),
        exact=sign.contact,
    )
    # Up to here the other hand does the same.
    if sign.hands == "ALTERNATING":
        stroke.wrist[1] = wrist + _path(sign, phase, travel, out, in_turns=True)
    if sign.hands == "BASE":
        centre, stroke.quaternion[1], stroke.swivel[1] = posture.base_posture(sign, signer)
        fingers = motion.frames_of(stroke.quaternion[1:])[0, :, 1]
        stroke.wrist[1] = centre - motion.PALM * signer.hand * fingers
        stroke.angles[1] = HANDSHAPES[sign.base].angles
    elif not sign.joined:
        stroke.wrist[1] += aside
    return stroke


def _fingers(sign: Sign, angles: np.ndarray, phase: np.ndarray, fps: float) -> np.ndarray:
    # (T, 15) finger angles while the sign lasts.
    fingers = np.repeat(angles[None], len(phase), axis=0)
    if sign.internal == "CHANGE":
        # A handling verb may have taken a handshape that has no partner.
        other = HANDSHAPES[CHANGES.get(sign.handshape, "OPEN")].angles
        fingers += phase[:, None] * (other - HANDSHAPES[sign.handshape].angles)
    if sign.internal == "WIGGLE":
        # 3.5 times a second, one finger after the other.
        beat = 2 * np.pi * 3.5 * np.arange(len(phase))[:, None] / fps + np.array([0, 1.6, 3.1, 4.7])
        fingers[:, :4] += _FLUTTER * (1 + np.sin(beat))
    return fingers


# Wrist (3,), quaternion (4,), swivel, and the way out of the skin there (3,) or None.
Start = tuple[np.ndarray, np.ndarray, float, np.ndarray | None]


def _dominant(
    sign: Sign, signer: Signer, angles: np.ndarray, *, shift: np.ndarray, turn: np.ndarray
) -> Start:
    """The hand at the sign's location.

    Args:
        angles: (15,) of the fingers.
        shift: (3,) metres beside where the lexicon says; turn: (4,) added to the quaternion.
    """
    quaternion, swivel = posture.posture(sign)
    quaternion = motion.unit(quaternion + turn)
    frames = motion.frames_of(quaternion[None])
    point, out = posture.place_of(sign, signer, shift)
    if out is None:
        return point - motion.PALM * signer.hand * frames[0, :, 1], quaternion, swivel, None
    hand = signer.hand * motion.hand_shape(angles[None])[0]
    wrist = posture.touching(hand, frames, point, out, *posture.closeness(sign))[0]
    return wrist, quaternion, swivel, out


def _pointing(goal: str, signer: Signer, shift: np.ndarray) -> Start:
    # An index finger that aims at whom a locus stands for: behind it, twice as far away.
    aim = _as_right(skin.locus(goal, signer), signer)
    chest = np.array([0, -signer.torso, 0]) + signer.shoulders * np.array([0, 0.38, 0])
    if goal == "SIGNER":
        start = aim + signer.shoulders * np.array([-0.30, 0.06, -0.28]) + 0.4 * shift
        return posture.aimed(start, aim, signer)
    near = chest + signer.shoulders * np.array([-0.35, 0.04, -0.55])
    return posture.aimed(near + 0.4 * (aim - near) + 0.4 * shift, chest + 2 * (aim - chest), signer)


def _between(
    use: Use, signer: Signer, wrist: np.ndarray, *, path: np.ndarray, quaternion: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    # Wrist (3,) and path (T, 3) of a stroke at the goal, or from source to goal.
    palm = motion.PALM * signer.hand * motion.frames_of(quaternion[None])[0, :, 1]
    goal = _as_right(skin.locus(use.goal, signer), signer) - palm
    if not use.source:
        return goal - path.mean(0), path
    source = _as_right(skin.locus(use.source, signer), signer) - palm
    return source, motion.minimum_jerk(len(path))[:, None] * (goal - source)


def _as_right(point: np.ndarray, signer: Signer) -> np.ndarray:
    return point * (-1.0 if signer.left_handed else 1.0, 1, 1)


def _path(
    sign: Sign,
    phase: np.ndarray,
    travel: float,
    out: np.ndarray | None,
    in_turns: bool = False,
) -> np.ndarray:
    """The path (T, 3) in metres.

    Args:
        phase: (T,) of the strokes, 0 at the location and 1 at the far end.
        travel: size of the movement, metres.
        out: the way out of the skin (3,) where there is some: paths do not go into it.
        in_turns: the path of the other hand, which moves in turns with the dominant one.
    """
    if in_turns and sign.movement != "CIRCLE":
        phase = 1 - phase
    ahead = np.array(DIRECTIONS[sign.direction], float)
    if sign.movement == "CIRCLE":
        turn = 2 * np.pi * phase * sign.repetitions + np.pi * in_turns
        path = travel * (np.outer(np.sin(turn), ahead) + np.outer(1 - np.cos(turn), [-1.0, 0, 0]))
        if out is not None:
            path[:, 0] -= travel * (1 - abs(out[0]))
    elif out is not None and sign.contact and sign.movement == "TAP":
        # It begins before the skin and ends on it.
        return np.outer((1 - phase) * (travel + 0.02), out)
    else:
        path = travel * _course(sign.movement, phase, ahead)
        # A path has its location near its middle, but does not begin inside the body.
        if sign.movement in ("LINE", "ARC", "ZIGZAG"):
            back = ahead if out is None else ahead - (ahead @ out) * out
            path -= 0.35 * travel * back
    if out is not None and not sign.joined:
        path -= np.minimum(path @ out, 0)[:, None] * out
    return path


def _course(movement: str, phase: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    # (T, 3) a path of size 1 from the origin to `ahead` (3,).
    path = np.outer(phase, ahead)
    aside = np.array([0.0, -1, 0]) if ahead[1] == 0 else np.array([-1.0, 0, 0])
    if movement == "ARC":
        path += np.outer(0.55 * np.sin(np.pi * phase), aside)
    if movement == "ZIGZAG":
        path += np.outer(0.30 * np.sin(4 * np.pi * phase), aside)
    return path


def _phase(sign: Sign, frames: Frames) -> np.ndarray:
    # (T,) 0 to 1, and back and again for each further stroke; of a circle, once for all rounds.
    seconds = _STROKE[sign.movement]
    if sign.movement == "CIRCLE":
        return motion.minimum_jerk(frames(seconds * (0.35 + 0.65 * sign.repetitions)))
    if sign.movement == "HOLD" and sign.internal in ("TWIST", "NOD"):
        return motion.minimum_jerk(frames(_IN_HAND * (1 + sign.repetitions)))
    pieces = [motion.minimum_jerk(frames(seconds))]
    for _ in range(sign.repetitions - 1 + (sign.movement == "TAP")):
        back = 1 - motion.minimum_jerk(frames(0.8 * seconds))
        pieces += [back, motion.minimum_jerk(frames(seconds))]
    return np.concatenate(pieces)


def _spin(sign: Sign, frames: int) -> np.ndarray:
    # (T, 2) twist and nod, radians.
    spin = np.zeros((frames, 2))
    rounds = 1 + sign.repetitions
    way = np.arange(1, frames + 1) / frames
    if sign.internal == "TWIST":
        spin[:, 0] = _TWIST * np.sin(2 * np.pi * rounds * way) * np.minimum(1, 8 * way * (1 - way))
    if sign.internal == "NOD":
        spin[:, 1] = _NOD * (0.5 - 0.5 * np.cos(2 * np.pi * rounds * way))
    return spin
