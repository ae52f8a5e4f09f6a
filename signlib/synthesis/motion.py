"""How limbs move: smooth profiles, arms by inverse and hands by forward kinematics.

Pure geometry on arrays with frames first. Axes: x to the signer's left, y down,
z away from the camera (so forward is -z); everything is for a right arm, and a
left arm is its mirror image.
"""

import numpy as np

ANGLES = (
    *(f"{finger}_mcp" for finger in ("index", "middle", "ring", "pinky")),
    *(f"{finger}_pip" for finger in ("index", "middle", "ring", "pinky")),
    *(f"{finger}_spread" for finger in ("index", "middle", "ring", "pinky")),
    "thumb_out", "thumb_forward", "thumb_flex",
)  # fmt: skip
LIMITS = np.radians([(-15, 95)] * 4 + [(0, 110)] * 4 + [(-28, 28)] * 4 + [(5, 80), (-5, 65), (0, 70)])
"""(15, 2) least and greatest of each of `ANGLES`, radians."""
WRIST_LIMIT = np.radians(70)
PALM = 0.55
"""The palm's centre between wrist (0) and middle knuckle (1)."""

_KNUCKLES = np.array([[0.27, 0.96, 0.0], [0.06, 1.0, 0.0], [-0.14, 0.94, 0.0], [-0.33, 0.84, 0.0]])
_PHALANGES = np.array([[0.46, 0.28, 0.22], [0.51, 0.32, 0.23], [0.47, 0.30, 0.23], [0.36, 0.22, 0.20]])
_THUMB_ROOT = np.array([0.28, 0.26, 0.05])
_THUMB = np.array([0.44, 0.36, 0.28])
_DIP_OF_PIP = 2 / 3


def minimum_jerk(frames: int) -> np.ndarray:
    """(frames,) from just above 0 to 1, starting and ending without speed or acceleration.

    Source: Flash & Hogan 1985, equation of the straight reaching movement.
    """
    s = np.arange(1, frames + 1) / frames
    return s**3 * (10 - 15 * s + 6 * s**2)


def unit(vectors: np.ndarray) -> np.ndarray:
    """The same directions with length 1 over the last axis."""
    return vectors / np.sqrt((vectors * vectors).sum(-1, keepdims=True))


def two_bone(
    root: np.ndarray, target: np.ndarray, upper: float, lower: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end joint (..., 3) of two bones that reach from `root` towards `target`.

    A target out of reach is approached on the straight line as far as 99.9 % of the length allows.

    Args:
        root: (..., 3) shoulder; target: (..., 3) wanted wrist.
        upper: length of the first bone; lower: of the second.
        pole: (..., 3) the side to which the middle joint bends; not parallel to target - root.
    """
    reach = target - root
    distance = np.sqrt((reach * reach).sum(-1, keepdims=True))
    along = reach / np.maximum(distance, 1e-9)
    distance = np.clip(distance, abs(upper - lower) * 1.001 + 1e-9, (upper + lower) * 0.999)
    aside = unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    foot = (upper**2 + distance**2 - lower**2) / (2 * distance)
    height = np.sqrt(np.maximum(upper**2 - foot**2, 0.0))
    return root + foot * along + height * aside, root + distance * along


def quaternion(palm: np.ndarray, fingers: np.ndarray) -> np.ndarray:
    """(4,) w, x, y, z of the right hand that points along `fingers` with its palm towards `palm`."""
    d = unit(np.asarray(fingers, float))
    n = np.asarray(palm, float)
    n = unit(n - (n @ d) * d)
    (a, b, c), (e, f, g), (h, i, j) = np.column_stack([np.cross(d, n), d, n])
    # four times q q^T: its row with the largest diagonal is the best conditioned one
    outer = np.array(
        [
            [1 + a + f + j, i - g, c - h, e - b],
            [i - g, 1 + a - f - j, b + e, c + h],
            [c - h, b + e, 1 - a + f - j, g + i],
            [e - b, c + h, g + i, 1 - a - f + j],
        ]
    )
    return unit(outer[np.argmax(np.diag(outer))])


def frames_of(quaternions: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations whose columns are thumb side, fingers and palm normal of (T, 4) quaternions."""
    w, x, y, z = unit(quaternions).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def bend_wrist(frames: np.ndarray, forearm: np.ndarray, limit: float = WRIST_LIMIT) -> np.ndarray:
    """(T, 3, 3) hands turned back until fingers and forearm stand at most `limit` radians apart.

    Args:
        frames: (T, 3, 3) from `frames_of`.
        forearm: (T, 3) unit vectors from elbow to wrist.
    """
    fingers = frames[:, :, 1]
    angle = np.arccos(np.clip((fingers * forearm).sum(-1), -1, 1))
    axis = np.cross(fingers, forearm)
    axis /= np.maximum(np.sqrt((axis * axis).sum(-1, keepdims=True)), 1e-9)
    turn = np.maximum(angle - limit, 0.0)
    return rotate(frames, axis, turn)


def rotate(frames: np.ndarray, axis: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """(T, 3, 3) columns turned by `turn` (T,) radians about unit vectors `axis` (T, 3). Source: Rodrigues."""
    sin, cos = np.sin(turn)[:, None, None], np.cos(turn)[:, None, None]
    columns, axis = frames.swapaxes(1, 2), axis[:, None]
    turned = columns * cos + np.cross(axis, columns) * sin
    turned += axis * (axis * columns).sum(-1, keepdims=True) * (1 - cos)
    return turned.swapaxes(1, 2)


def hand_points(wrist: np.ndarray, frames: np.ndarray, angles: np.ndarray, size: float) -> np.ndarray:
    """(T, 21, 3) points of a right hand in MediaPipe's order.

    Args:
        wrist: (T, 3); frames: (T, 3, 3) from `frames_of`.
        angles: (T, 15) radians in the order of `ANGLES`; held within `LIMITS`.
        size: wrist to middle knuckle.
    """
    angles = np.clip(angles, *LIMITS.T)
    local = np.zeros((len(wrist), 21, 3))
    out, forward, flex = angles[:, 12:].T
    across = out[:, None] - flex[:, None] * np.array([0.0, 0.8, 1.6])
    rise = forward[:, None] * np.array([1.0, 0.8, 0.6])
    steps = np.stack([np.sin(across) * np.cos(rise), np.cos(across) * np.cos(rise), np.sin(rise)], -1)
    local[:, 1] = _THUMB_ROOT
    local[:, 2:5] = _THUMB_ROOT + np.cumsum(steps * _THUMB[:, None], axis=1)
    mcp, pip, fan = angles[:, :4], angles[:, 4:8], angles[:, 8:12, None]
    curl = np.stack([mcp, mcp + pip, mcp + (1 + _DIP_OF_PIP) * pip], -1)
    steps = np.stack([np.sin(fan) * np.cos(curl), np.cos(fan) * np.cos(curl), np.sin(curl)], -1)
    fingers = local[:, 5:].reshape(-1, 4, 4, 3)
    fingers[:, :, 0] = _KNUCKLES
    fingers[:, :, 1:] = _KNUCKLES[:, None] + np.cumsum(steps * _PHALANGES[:, :, None], axis=2)
    return wrist[:, None] + size * local @ frames.swapaxes(1, 2)


def sway(rng: np.random.Generator, frames: int, channels: int, fps: float) -> np.ndarray:
    """(frames, channels) of slow, smooth wandering (0.2 to 0.8 Hz) with a standard deviation of about 1."""
    t = np.arange(frames)[:, None, None] / fps
    rate, phase = rng.uniform(0.2, 0.8, (channels, 3)), rng.uniform(0, 2 * np.pi, (channels, 3))
    return np.sin(2 * np.pi * rate * t + phase).sum(-1) * np.sqrt(2 / 3)


def turns(angles: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations by (T, 3) radians of yaw, then tilt, then roll.

    Yaw turns about y, a body to its own left; tilt about x, backwards; roll about z.
    """
    (cy, ct, cr), (sy, st, sr) = np.cos(angles).T, np.sin(angles).T
    rows = [
        [cr * cy + sr * st * sy, -sr * ct, -cr * sy + sr * st * cy],
        [sr * cy - cr * st * sy, cr * ct, -sr * sy - cr * st * cy],
        [ct * sy, st, ct * cy],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
