"""What a Kinect v2 would report of people before it: 25 joints, in its axes, with its faults.

Signing (543 points) and everyday actions come to the same skeleton, so that one performance can be
landmarks, a video and a Kinect clip.
"""

from dataclasses import dataclass

import numpy as np

from signlib.data.skeletons import NTU_25
from signlib.synthesis import motion

# Tracking states as the sensor writes them.
TRACKED, INFERRED, ABSENT = 2, 1, 0
_J = {name: k for k, name in enumerate(NTU_25.joints)}
_POSE = 468
_DIRECT = {
    "shoulder": (11, 12),
    "elbow": (13, 14),
    "wrist": (15, 16),
    "hip": (23, 24),
    "knee": (25, 26),
    "ankle": (27, 28),
    "foot": (31, 32),
}
_PALM = [0, 5, 9, 13, 17]
_ARM = ("elbow", "wrist", "hand", "hand_tip", "thumb")
_ARMS = [_J[f"{side}_{name}"] for side in ("left", "right") for name in _ARM]
# Noise of a joint in metres: from frame to frame, and drifting. Fitted to one recording.
_NOISE = {
    "shoulder": (0.001, 0.005),
    "elbow": (0.0015, 0.005),
    "wrist": (0.003, 0.005),
    "hand": (0.005, 0.010),
    "hand_tip": (0.007, 0.010),
    "thumb": (0.008, 0.010),
    "ankle": (0.0015, 0.010),
    "foot": (0.003, 0.010),
}
_LIMBS = [joint.removeprefix("left_").removeprefix("right_") for joint in NTU_25.joints]
_QUICK, _SLOW = np.array([_NOISE.get(joint, (0.0006, 0.005)) for joint in _LIMBS]).T
_TRUNK_RADIUS = 0.13
# How far behind another body part a joint must lie to be hidden by it, metres.
_BEHIND = 0.10


@dataclass(frozen=True)
class Sensor:
    """Where the sensor stands. It looks level at the vertical axis through the origin.

    Attributes:
        angle: radians around that axis; 0 = before a person who faces forward, more = to the
            person's left.
        distance: metres from the axis.
        height: metres above the origin.
    """

    angle: float = 0.0
    distance: float = 3.0
    height: float = 0.9


def joints_of(points: np.ndarray) -> np.ndarray:
    """(T, 25, 3) Kinect joints of the points (T, 543, 3) of signing, in the same axes."""
    out = np.empty((len(points), len(NTU_25), 3))
    for name, pair in _DIRECT.items():
        for side, index in zip(("left", "right"), pair, strict=True):
            out[:, _J[f"{side}_{name}"]] = points[:, _POSE + index]
    for side, first in (("left", 501), ("right", 522)):
        hand = points[:, first : first + 21]
        out[:, _J[f"{side}_hand"]] = hand[:, _PALM].mean(1)
        out[:, _J[f"{side}_hand_tip"]], out[:, _J[f"{side}_thumb"]] = hand[:, 12], hand[:, 4]
    base = points[:, [_POSE + 23, _POSE + 24]].mean(1)
    shoulders = points[:, [_POSE + 11, _POSE + 12]].mean(1)
    head = points[:, [_POSE + 7, _POSE + 8]].mean(1)
    # A Kinect's spine lies a little above the middle of hips and shoulders.
    upright = motion.unit(shoulders - base)
    out[:, _J["spine_base"]] = base + 0.05 * upright
    out[:, _J["spine_shoulder"]] = shoulders + 0.03 * upright
    out[:, _J["spine_middle"]] = base + 0.58 * (shoulders - base)
    out[:, _J["neck"]] = shoulders + 0.35 * (head - shoulders)
    out[:, _J["head"]] = head
    return out


def to_sensor(points: np.ndarray, sensor: Sensor) -> np.ndarray:
    """(..., 3) metres in the sensor's axes: x right for a person who faces it, y up, z away."""
    seen = points @ motion.turns(np.array([[-sensor.angle, 0.0, 0.0]]))[0].T
    return np.stack(
        [-seen[..., 0], -seen[..., 1] - sensor.height, seen[..., 2] + sensor.distance], -1
    )


def observe(
    joints: np.ndarray,
    sensor: Sensor,
    rng: np.random.Generator,
    hardness: float = 1.0,
    fps: float = 30.0,
) -> tuple[np.ndarray, np.ndarray]:
    """What the sensor reports.

    Args:
        joints: (T, M, 25, 3) metres, M persons; the sensor stands `Sensor.height` above the origin.
        hardness: scales the noise; 0 reports the truth (tracking states stay).

    Returns:
        (T, M, 25, 3) float32 metres in the sensor's axes, and (T, M, 25) int8 tracking states. A
        joint that a trunk hides is inferred, and strays.
    """
    seen = to_sensor(joints, sensor)
    hidden, crossing = _hidden(seen)
    quick, slow = rng.standard_normal((2, *seen.shape))
    drift = _drift(slow, fps)
    if hardness > 0:
        # A hand before the body is often taken for a part of it.
        luck = _drift(rng.standard_normal((len(seen), seen.shape[1], 1, 1)), fps)[..., 0]
        hidden |= crossing & (luck < hardness - 1)
    guessed = _follow(_follow(hidden[..., None].astype(float), fps), fps)
    stray = _QUICK[:, None] * quick + (_SLOW[:, None] + 0.035 * guessed) * drift
    seen = seen + hardness * np.array([1.0, 1.0, 1.5]) * stray
    return seen.astype(np.float32), np.where(hidden, INFERRED, TRACKED).astype(np.int8)


def _follow(values: np.ndarray, fps: float) -> np.ndarray:
    # The values (T, ...) smoothed by something that follows them within a quarter of a second.
    out, state, share = np.empty_like(values), values[0], min(1.0, 4 / fps)
    for frame, value in enumerate(values):
        state = state + share * (value - state)
        out[frame] = state
    return out


def _drift(noise: np.ndarray, fps: float) -> np.ndarray:
    # White noise (T, ...) as a smooth drift of about the same spread.
    share = min(1.0, 4 / fps)
    # Mirrored noise goes before it, so that the drift does not begin at rest.
    settled = np.concatenate([noise[::-1], noise])
    smooth = _follow(_follow(settled, fps), fps)[len(noise) :]
    # The standard deviation of white noise of variance 1 after it was followed twice.
    keep = 1 - share
    return smooth / np.sqrt(share**4 * (1 + keep**2) / (1 - keep**2) ** 3)


def _hidden(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, M, 25) where a joint is hidden, and where an arm's joint lies before or behind a trunk.

    Hidden is what lies behind anybody's trunk or behind the other leg.
    """
    hidden, crossing = np.zeros(seen.shape[:3], bool), np.zeros(seen.shape[:3], bool)
    # Where the sensor sees each joint: x and y at a distance of one metre.
    flat = seen[..., :2] / seen[..., 2:]
    for person in range(seen.shape[1]):
        low, high = seen[:, person, None, _J["spine_base"]], seen[:, person, None, _J["head"]]
        crossing[:, person, _ARMS] = _covered(flat[:, person, _ARMS], low, high)[0] < _TRUNK_RADIUS
        for who in range(seen.shape[1]):
            limbs = _ARMS if who == person else list(range(len(NTU_25)))
            hidden[:, who, limbs] |= _behind(seen[:, who, limbs], flat[:, who, limbs], low, high)
        for side, other in (("left", "right"), ("right", "left")):
            ankle, hip = (seen[:, person, None, _J[f"{other}_{name}"]] for name in ("ankle", "hip"))
            leg = [_J[f"{side}_{name}"] for name in ("knee", "ankle", "foot")]
            hidden[:, person, leg] |= _behind(
                seen[:, person, leg], flat[:, person, leg], ankle, hip, radius=0.06
            )
    return hidden, crossing


def _behind(
    points: np.ndarray,
    flat: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    radius: float = _TRUNK_RADIUS,
) -> np.ndarray:
    # (T, K) True where the limb between `low` and `high` (T, 1, 3) covers `points` (T, K, 3).
    away, depth = _covered(flat, low, high)
    return (away < radius) & (points[..., 2] > depth + _BEHIND)


def _covered(flat: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, K) how far beside a limb points are seen, and (T, K) the distance of the limb there.

    Args:
        flat: (T, K, 2) the points, x / z and y / z.
        low, high: (T, 1, 3) the limb's ends, metres.
    """
    a, b = low[..., :2] / low[..., 2:], high[..., :2] / high[..., 2:]
    way = b - a
    along = ((flat - a) * way).sum(-1) / np.maximum((way * way).sum(-1), 1e-9)
    along = np.clip(along, 0, 1)[..., None]
    depth = (low[..., 2:] + along * (high[..., 2:] - low[..., 2:]))[..., 0]
    return np.linalg.norm(flat - a - along * way, axis=-1) * depth, depth


def skeleton_text(joints: np.ndarray, states: np.ndarray) -> str:
    """The text of a `.skeleton` file as the NTU RGB+D recordings have it.

    Args:
        joints: (T, M, 25, 3) metres in the sensor's axes, NaN = no such body.
        states: (T, M, 25) tracking states.
    """
    lines = [str(len(joints))]
    for frame, state in zip(joints.astype(float), states, strict=True):
        bodies = np.flatnonzero(np.isfinite(frame).all(axis=(1, 2)))
        lines.append(str(len(bodies)))
        for body in bodies:
            lines += [f"{_FIRST_BODY + body} 0 1 1 1 1 0 0 0 2", str(len(NTU_25))]
            pictures = _pictures(frame[body])
            for point, pixels, tracked in zip(frame[body], pictures, state[body], strict=True):
                numbers = " ".join(f"{value:.7g}" for value in (*point, *pixels))
                lines.append(f"{numbers} 0 0 0 0 {tracked}")
    return "\n".join(lines) + "\n"


# Ids of bodies are as large as real ones, so that no reader may take them for small integers.
_FIRST_BODY = 72057594037900000


def _pictures(points: np.ndarray) -> np.ndarray:
    # (25, 4): x, y in the depth picture (512 x 424) and in the colour picture (1920 x 1080).
    across, up = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    depth = [256.4 + 365 * across, 208.5 - 365 * up]
    colour = [975 + 1060 * across, 567 - 1060 * up]
    return np.stack(depth + colour, 1)
