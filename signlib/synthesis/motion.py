"""How limbs move: smooth profiles, arms by inverse and hands by forward kinematics.

Pure geometry on arrays with frames first. Axes: x to the signer's left, y down, z away from the
camera (so forward is -z). Everything is for a right arm; a left arm is its mirror image.
"""

import numpy as np

ANGLES = (
    *(f"{finger}_mcp" for finger in ("index", "middle", "ring", "pinky")),
    *(f"{finger}_pip" for finger in ("index", "middle", "ring", "pinky")),
    *(f"{finger}_spread" for finger in ("index", "middle", "ring", "pinky")),
    "thumb_out",
    "thumb_forward",
    "thumb_flex",
)
# (15, 2) least and greatest of each of `ANGLES`, radians.
LIMITS = np.radians(
    [(-15, 95)] * 4 + [(0, 110)] * 4 + [(-28, 28)] * 4 + [(5, 80), (-5, 65), (0, 70)]
)
WRIST_LIMIT = np.radians(70)
# How far the forearm turns from thumb up: palm down (negative) and palm up.
TWIST_LIMITS = np.radians([-90, 95])
# The palm's centre between wrist (0) and middle knuckle (1).
PALM = 0.55

_KNUCKLES = np.array([[0.27, 0.96, 0.0], [0.06, 1.0, 0.0], [-0.14, 0.94, 0.0], [-0.33, 0.84, 0.0]])
_PHALANGES = np.array(
    [[0.46, 0.28, 0.22], [0.51, 0.32, 0.23], [0.47, 0.30, 0.23], [0.36, 0.22, 0.20]]
)
_THUMB_ROOT = np.array([0.28, 0.26, 0.05])
_THUMB = np.array([0.44, 0.36, 0.28])
# The end joint of a finger bends two thirds as far as its middle joint.
_CURL = np.array([0.0, 1.0, 1 + 2 / 3])
_THUMB_BENDS, _THUMB_RISE = np.array([0.0, 0.8, 1.6]), np.array([1.0, 0.8, 0.6])


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
    root: np.ndarray,
    target: np.ndarray,
    upper: float,
    lower: float,
    pole: np.ndarray,
    swivel: np.ndarray | float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Middle and end joint (..., 3) of two bones that reach from `root` towards `target`.

    A target out of reach is approached on the straight line as far as 99.9 % of the length allows.

    Args:
        root: (..., 3) shoulder; target: (..., 3) where the wrist is to go.
        upper: length of the first bone; lower: of the second.
        pole: (..., 3) the side to which the middle joint bends; not parallel to target - root.
        swivel: (...) radians by which a right elbow is lifted outwards about the line to the
            target.
    """
    reach = target - root
    distance = np.sqrt((reach * reach).sum(-1, keepdims=True))
    along = reach / np.maximum(distance, 1e-9)
    distance = np.clip(distance, abs(upper - lower) * 1.001 + 1e-9, (upper + lower) * 0.999)
    # The unit vector that is square to the line and nearest to the pole.
    aside = unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    if swivel is not None:
        angle = np.asarray(swivel)[..., None]
        aside = np.cos(angle) * aside + np.sin(angle) * cross(aside, along)
    # Law of cosines: where the middle joint stands on the line, and how far from it.
    foot = (upper**2 + distance**2 - lower**2) / (2 * distance)
    height = np.sqrt(np.maximum(upper**2 - foot**2, 0.0))
    return root + foot * along + height * aside, root + distance * along


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., 3) cross product over the last axis.

    On short arrays it is several times faster than `np.cross`.
    """
    ax, ay, az, bx, by, bz = a[..., 0], a[..., 1], a[..., 2], b[..., 0], b[..., 1], b[..., 2]
    x = ay * bz - az * by
    out = np.empty((*x.shape, 3))
    out[..., 0], out[..., 1], out[..., 2] = x, az * bx - ax * bz, ax * by - ay * bx
    return out


def quaternion(palm: np.ndarray, fingers: np.ndarray) -> np.ndarray:
    """(4,) w, x, y, z of a right hand that points along `fingers` with its palm to `palm`."""
    d = unit(np.asarray(fingers, float))
    n = np.asarray(palm, float)
    n = unit(n - (n @ d) * d)
    (a, b, c), (e, f, g), (h, i, j) = np.column_stack([np.cross(d, n), d, n])
    # Four times q q^T: its row with the largest diagonal is the best conditioned one.
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
    """(T, 3, 3) rotations of quaternions (T, 4).

    Their columns are thumb side, fingers and palm normal.
    """
    w, x, y, z = unit(quaternions).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def wrist_joints(frames: np.ndarray, upper: np.ndarray, forearm: np.ndarray) -> np.ndarray:
    """(T, 3) radians that hold a right hand at the end of an arm.

    They are flexion, deviation to the thumb, and twist. The twist is the forearm's: 0 where the
    thumb is up when a bent arm points forward, positive towards palm up.

    Args:
        frames: (T, 3, 3) from `frames_of`.
        upper, forearm: (T, 3) unit vectors from shoulder to elbow and on to the wrist.
    """
    local = _forearm_frames(upper, forearm).swapaxes(1, 2) @ frames
    x, y, z = local[:, 0, 1], local[:, 1, 1], local[:, 2, 1]
    bend = np.arccos(np.clip(y, -1, 1))
    sin = np.maximum(np.sqrt(x * x + z * z), 1e-9)
    flex, aside = bend * z / sin, bend * x / sin
    # What is left of the rotation after the shortest one that brings the fingers to where they go.
    palm = _swing(flex, aside).swapaxes(1, 2) @ local[:, :, 2:]
    twist = np.arctan2(palm[:, 0, 0], palm[:, 2, 0])
    sin, cos = np.sin(twist), np.cos(twist)
    return np.stack([cos * flex + sin * aside, cos * aside - sin * flex, twist], 1)


def within_limits(joints: np.ndarray) -> np.ndarray:
    """(T, 3) of `wrist_joints`, no further than a body can.

    The limits are `WRIST_LIMIT` for the bend, and `TWIST_LIMITS`.
    """
    bend = np.sqrt((joints[:, :2] ** 2).sum(1))
    held = joints * np.minimum(1, WRIST_LIMIT / np.maximum(bend, 1e-9))[:, None]
    held[:, 2] = np.clip(joints[:, 2], *TWIST_LIMITS)
    return held


def hand_frames(joints: np.ndarray, upper: np.ndarray, forearm: np.ndarray) -> np.ndarray:
    """(T, 3, 3) the hand at the end of an arm: what `wrist_joints` takes apart."""
    sin, cos, zero = np.sin(joints[:, 2]), np.cos(joints[:, 2]), np.zeros(len(joints))
    turn = np.array([[cos, zero, sin], [zero, zero + 1, zero], [-sin, zero, cos]])
    local = np.moveaxis(turn, -1, 0) @ _swing(joints[:, 0], joints[:, 1])
    return _forearm_frames(upper, forearm) @ local


def _forearm_frames(upper: np.ndarray, forearm: np.ndarray) -> np.ndarray:
    # (T, 3, 3) of a straight hand with twist 0.
    palm = unit(cross(forearm, upper))
    return np.stack([cross(forearm, palm), forearm, palm], 2)


def _swing(flex: np.ndarray, aside: np.ndarray) -> np.ndarray:
    """(T, 3, 3) rotations, without twist, that bend fingers to the palm and to the thumb.

    Args:
        flex: (T,) radians to the palm; aside: (T,) radians to the thumb.
    """
    bend = np.sqrt(flex * flex + aside * aside)
    scale = 1 / np.maximum(bend, 1e-9)
    z, x = flex * scale, aside * scale
    sin, cos = np.sin(bend), np.cos(bend)
    rest = 1 - cos
    rows = [
        [1 - rest * x * x, sin * x, -rest * x * z],
        [-sin * x, cos, -sin * z],
        [-rest * x * z, sin * z, 1 - rest * z * z],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def hand_points(
    wrist: np.ndarray, frames: np.ndarray, angles: np.ndarray, size: float
) -> np.ndarray:
    """(T, 21, 3) points of a right hand in MediaPipe's order.

    Args:
        wrist: (T, 3); frames: (T, 3, 3) from `frames_of`.
        angles: (T, 15) radians in the order of `ANGLES`; held within `LIMITS`.
        size: wrist to middle knuckle.
    """
    return wrist[:, None] + size * hand_shape(angles) @ frames.swapaxes(1, 2)


def hand_shape(angles: np.ndarray) -> np.ndarray:
    """(T, 21, 3) points of a right hand of size 1 in its own frame, see `frames_of`.

    Args:
        angles: (T, 15) radians in the order of `ANGLES`; held within `LIMITS`.
    """
    angles = np.clip(angles, *LIMITS.T)
    local = np.zeros((len(angles), 21, 3))
    # The thumb: each of its bones goes less across the palm than the one before.
    across = angles[:, 12, None] - angles[:, 14, None] * _THUMB_BENDS
    rise = angles[:, 13, None] * _THUMB_RISE
    turned = np.concatenate([across, rise], 1)
    sin, cos = np.sin(turned), np.cos(turned)
    steps = np.empty((len(angles), 3, 3))
    steps[:, :, 0] = sin[:, :3] * cos[:, 3:]
    steps[:, :, 1] = cos[:, :3] * cos[:, 3:]
    steps[:, :, 2] = sin[:, 3:]
    local[:, 1] = _THUMB_ROOT
    local[:, 2:5] = _THUMB_ROOT + np.cumsum(steps * _THUMB[:, None], axis=1)
    # Fingers: how far each bone has turned from the palm is the sum of the bends before it.
    fan = angles[:, 8:12, None]
    curl = np.repeat(angles[:, :4, None], 3, axis=2)
    curl += angles[:, 4:8, None] * _CURL
    sin, cos = np.sin(curl), np.cos(curl)
    steps = np.empty((len(angles), 4, 3, 3))
    steps[..., 0], steps[..., 1], steps[..., 2] = np.sin(fan) * cos, np.cos(fan) * cos, sin
    fingers = local[:, 5:].reshape(-1, 4, 4, 3)
    fingers[:, :, 0] = _KNUCKLES
    fingers[:, :, 1:] = _KNUCKLES[:, None] + np.cumsum(steps * _PHALANGES[:, :, None], axis=2)
    return local


def sway(rng: np.random.Generator, frames: int, channels: int, fps: float) -> np.ndarray:
    """(frames, channels) of slow, smooth wandering (0.2 to 0.8 Hz).

    Its standard deviation is about 1.
    """
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
