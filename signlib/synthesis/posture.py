"""How an arm takes a hand to a place: where its fingers and its elbow go.

Both are what joints allow and people like. A sign says where the palm looks; where its fingers go
is left to the arm. Candidates are tried on an average body, once for each combination of values.
"""

from functools import cache

import numpy as np

from signlib.synthesis import motion
from signlib.synthesis.phonology import HANDSHAPES, LOCATIONS, ORIENTATIONS, Vector
from signlib.synthesis.signers import Signer, make_signer
from signlib.synthesis.signs import Sign
from signlib.synthesis.skin import anchor, push_out, skin_at

# From a hand's nearest point to the skin, metres: touching, and not touching.
FLESH, NEAR = 0.008, 0.06
_ELBOW_SIDE = np.array([-0.55, 1.0, 0.45])
_SWIVELS = np.radians([-15, 0, 15, 30, 45, 60, 75])
# Where fingers go if the palm leaves them the choice.
_LIKED = {"head": (0.25, -1.0, 0.0), "chest": (0.40, -0.45, -0.75), "hand": (0.55, -0.1, -0.8)}
# Least distance of a two-handed sign's palms from the midline, in shoulder widths.
_APART = 0.30
# Least distance of a two-handed sign's places on the skin from the midline, in anchor units.
_ASIDE = {"head": 0.30, "chest": 0.22}
# The knuckle of the index in a hand of size 1.
_INDEX = np.array([0.27, 0.96, 0.0])
_OTHER = np.array([-1.0, 1.0, 1.0])
# Half the thickness of a forearm, metres.
_FOREARM = 0.035


def reach(
    wrist: np.ndarray, frames: np.ndarray, swivel: np.ndarray, signer: Signer
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elbow, wrist and wrist joints (T, 3) with which a right arm would hold its hand as asked.

    The joints are those of `motion.wrist_joints`, which may be beyond their limits.

    Args:
        wrist: (T, 3) metres, reached as far as the arm is long.
        frames: (T, 3, 3) of the hand, see `motion.frames_of`.
        swivel: (T,) see `motion.two_bone`.
    """
    elbow, wrist, upper, forearm = bones(wrist, swivel, signer)
    return elbow, wrist, motion.wrist_joints(frames, upper, forearm)


def bones(
    wrist: np.ndarray, swivel: np.ndarray, signer: Signer
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Elbow and wrist of a right arm, and unit vectors along upper arm and forearm, all (T, 3)."""
    shoulder = np.array([-signer.shoulders / 2, -signer.torso, 0.0])
    elbow, wrist = motion.two_bone(
        root=shoulder,
        target=wrist,
        upper=signer.upper_arm,
        lower=signer.forearm,
        pole=_ELBOW_SIDE,
        swivel=swivel,
    )
    return elbow, wrist, (elbow - shoulder) / signer.upper_arm, (wrist - elbow) / signer.forearm


def arm(
    wrist: np.ndarray, joints: np.ndarray, swivel: np.ndarray, signer: Signer
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elbow (T, 3), wrist (T, 3) and hand frames (T, 3, 3) of a right arm with given joints."""
    elbow, wrist, upper, forearm = bones(wrist, swivel, signer)
    return elbow, wrist, motion.hand_frames(joints, upper, forearm)


def touching(
    hand: np.ndarray,
    frames: np.ndarray,
    skin: np.ndarray,
    out: np.ndarray,
    gap: float,
    depth: float = 0.006,
) -> np.ndarray:
    """(T, 3) wrists that bring the hand's nearest part in front of `skin`, `gap` metres away.

    Args:
        hand: (21, 3) metres in the hand's own frame; frames: (T, 3, 3).
        skin: (3,) point; out: (3,) unit vector away from it.
        depth: how much further away, in metres, still counts as the part that touches.
    """
    points = hand @ frames.swapaxes(1, 2)
    height = points @ out
    lowest = height.min(1, keepdims=True)
    weight = np.exp((lowest - height) / depth)
    part = (weight[:, :, None] * points).sum(1) / weight.sum(1, keepdims=True)
    along = part - (part @ out)[:, None] * out
    return skin + (gap - lowest) * out - along


def closeness(sign: Sign) -> tuple[float, float]:
    """Gap and depth of `touching` for a sign, metres."""
    # What is thin is met with a point of the hand.
    depth = 0.001 if sign.location in ("FINGERTIPS", "EDGE") else 0.006
    return FLESH if sign.contact else NEAR, depth


def place_of(sign: Sign, signer: Signer, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Where the dominant hand goes.

    Returns:
        A point of skin (3,) and the way out of it (3,), or the palm's centre (3,) and None.

    Args:
        shift: (3,) metres beside where the lexicon says.
    """
    location = LOCATIONS[sign.location]
    origin, scale = anchor(sign.location, signer)
    if location.palm:
        point, out = _other_skin(sign, signer)
        return point + 0.4 * (shift - (shift @ out) * out), out
    point = origin + scale * np.array(location.offset) + shift
    if sign.joined:
        point[0] = 0.0
        return point, np.array([-1.0, 0, 0])
    two = sign.hands in ("SYMMETRIC", "ALTERNATING")
    if location.skin is None:
        if two:
            point[0] = min(point[0], -_APART * signer.shoulders)
        return point, None
    aside = min(0.0, -_ASIDE[location.anchor] - location.offset[0]) if two else 0.0
    return skin_at(sign.location, signer, 0.4 * shift + (aside * scale, 0, 0))


def base_posture(sign: Sign, signer: Signer) -> tuple[np.ndarray, np.ndarray, float]:
    """Palm centre (3,), quaternion (4,) and swivel of the other hand that is acted on.

    It is described as if it were a right hand.
    """
    origin, scale = anchor(sign.location, signer)
    quaternion, swivel = _base(sign.location)
    return origin + scale * np.array(LOCATIONS[sign.location].offset), quaternion, swivel


@cache
def _base(location: str) -> tuple[np.ndarray, float]:
    # Quaternion (4,) and swivel of `base_posture`, which depend on the location only.
    signer = make_signer(0, hardness=0)
    values = LOCATIONS[location]
    origin, scale = anchor(location, signer)
    centre = origin + scale * np.array(values.offset)
    special = {"FOREARM": (1.0, 0.0, -0.25), "FINGERTIPS": (0.7, -1.0, -0.4)}
    liked = special.get(location, (0.75, -0.1, -0.7))
    frames, cost = _candidates(ORIENTATIONS[values.palm], liked)
    wrist = centre - motion.PALM * signer.hand * frames[:, :, 1]
    return _most_comfortable(frames, cost, wrist, signer)[:2]


def _other_skin(sign: Sign, signer: Signer) -> tuple[np.ndarray, np.ndarray]:
    # A point (3,) of the other hand or forearm in the dominant hand's space, and the way out.
    centre, quaternion, swivel = base_posture(sign, signer)
    frames = motion.frames_of(quaternion[None])
    wrist = centre - motion.PALM * signer.hand * frames[:, :, 1]
    _, wrist, joints = reach(wrist, frames, np.array([swivel]), signer)
    elbow, wrist, frames = arm(wrist, motion.within_limits(joints), np.array([swivel]), signer)
    if sign.location == "FOREARM":
        along = motion.unit(wrist[0] - elbow[0])
        out = motion.unit(np.array([0, -1.0, 0]) + along[1] * along)
        return (elbow[0] + 0.55 * (wrist[0] - elbow[0]) + _FOREARM * out) * _OTHER, out * _OTHER
    hand = motion.hand_points(wrist, frames, HANDSHAPES[sign.base].angles[None], signer.hand)[0]
    thumb, along, palm = frames[0].T
    out = {"PALM": palm, "BACK": -palm, "EDGE": thumb, "FINGERTIPS": along}[sign.location]
    if sign.location in ("PALM", "BACK"):
        middle = wrist[0] + (0.75 if sign.location == "PALM" else 0.6) * signer.hand * along
        return (middle + 0.012 * out) * _OTHER, out * _OTHER
    # The index from knuckle to middle joint, or a fingertip that stands out.
    tip = 8 if sign.base == "POINT" else 12
    part = hand[[5, 6]] if sign.location == "EDGE" else hand[[tip]]
    return (part.mean(0) + FLESH * out) * _OTHER, out * _OTHER


def posture(sign: Sign) -> tuple[np.ndarray, float]:
    """Quaternion (4,) and elbow swivel with which the dominant arm makes `sign`."""
    # The sign with nothing but the values that its posture depends on.
    still = Sign(
        gloss="",
        handshape=sign.handshape,
        location=sign.location,
        movement="HOLD",
        direction="NONE",
        repetitions=1,
        orientation=sign.orientation,
        hands=sign.hands,
        base=sign.base,
        contact=sign.contact,
    )
    return _posture(still)[:2]


@cache
def _posture(sign: Sign) -> tuple[np.ndarray, float, float]:
    # What `_most_comfortable` says of the dominant arm.
    signer = make_signer(0, hardness=0)
    point, out = place_of(sign, signer, np.zeros(3))
    location = LOCATIONS[sign.location]
    liked = _LIKED["hand" if location.palm else location.anchor]
    frames, cost = _candidates(ORIENTATIONS[sign.orientation], liked)
    if out is None:
        wrist = point - motion.PALM * signer.hand * frames[:, :, 1]
    else:
        hand = signer.hand * motion.hand_shape(HANDSHAPES[sign.handshape].angles[None])[0]
        wrist = touching(hand, frames, point, out, *closeness(sign))
    return _most_comfortable(frames, cost, wrist, signer)


def aimed(
    point: np.ndarray, aim: np.ndarray, signer: Signer
) -> tuple[np.ndarray, np.ndarray, float, None]:
    """Wrist (3,), quaternion (4,) and swivel of an index finger that points at something.

    Args:
        point: (3,) about where the palm is.
        aim: (3,) what it points at.

    Returns:
        None comes last, as there is no skin; see `strokes.Start`.
    """
    along = motion.unit(aim - point)
    first = motion.unit(np.cross(along, [1.0, 0.1, 0.0]))
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)[:, None]
    palms = np.cos(angle) * first + np.sin(angle) * np.cross(along, first)
    fingers = np.broadcast_to(along, palms.shape)
    frames = np.stack([motion.cross(fingers, palms), fingers, palms], 2)
    wrist = point - motion.PALM * signer.hand * fingers
    quaternion, swivel, _ = _most_comfortable(
        frames, 0.5 * (1 - palms[:, 1]), wrist, signer, straight=1.0
    )
    frame = motion.frames_of(quaternion[None])[0]
    for _ in range(2):
        # The index stands beside the hand's axis: turn until the finger itself aims.
        knuckle = wrist[0] + signer.hand * (frame @ _INDEX)
        frame = _turned(frame, frame[:, 1], motion.unit(aim - knuckle))
    return wrist[0], motion.quaternion(frame[:, 2], frame[:, 1]), swivel, None


def _turned(frame: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(3, 3) turned by the shortest rotation that takes unit vector `start` to `end`.

    Source: Rodrigues' formula.
    """
    x, y, z = np.cross(start, end)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return frame + cross @ frame + cross @ cross @ frame / (1 + start @ end)


def _candidates(palm: Vector, liked: Vector) -> tuple[np.ndarray, np.ndarray]:
    """(16, 3, 3) hands whose palm looks to `palm`, and how little each is liked (16,).

    Args:
        liked: where people would like the fingers to go.
    """
    normal = motion.unit(np.array(palm, float))
    first = motion.unit(np.roll(normal, 1))
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)[:, None]
    fingers = np.cos(angle) * first + np.sin(angle) * np.cross(normal, first)
    palms = np.broadcast_to(normal, fingers.shape)
    frames = np.stack([motion.cross(fingers, palms), fingers, palms], 2)
    return frames, 1 - fingers @ motion.unit(np.array(liked))


def _most_comfortable(
    frames: np.ndarray, cost: np.ndarray, wrist: np.ndarray, signer: Signer, straight: float = 0.0
) -> tuple[np.ndarray, float, float]:
    """The best of N hands with any swivel.

    Args:
        frames: (N, 3, 3) of the hands; cost: (N,) how little each is liked; wrist: (N, 3).
        straight: weight of how far the fingers miss where they should go.

    Returns:
        Quaternion (4,), swivel, and how far the palm looks aside, radians.
    """
    n, k = len(frames), len(_SWIVELS)
    frames, wrist = np.repeat(frames, k, 0), np.repeat(wrist, k, 0)
    swivel = np.tile(_SWIVELS, n)
    elbow, at, joints = reach(wrist, frames, swivel, signer)
    held = arm(at, motion.within_limits(joints), swivel, signer)[2]
    # What joints find hard: a twist near its limits, a wrist that is bent.
    bend, twist = np.sqrt((joints[:, :2] ** 2).sum(1)), joints[:, 2]
    middle = np.mean(motion.TWIST_LIMITS)
    spare = np.ptp(motion.TWIST_LIMITS) / 2 - np.radians(12)
    strain = np.maximum(np.abs(twist - middle) - spare, 0) / 0.2
    strain = strain**2 + (np.maximum(bend - np.radians(40), 0) / 0.35) ** 2
    # How far palm, knuckle, fingertip or elbow go into the body.
    hand = at[:, None] + signer.hand * held[:, :, 1][:, None] * np.array([0.5, 1.0, 1.8])[:, None]
    push = push_out(np.concatenate([hand, elbow[:, None]], 1), signer)
    inside = np.sqrt((push**2).sum(-1)).max(1)
    missed = np.sqrt(((at - wrist) ** 2).sum(1))
    off = np.arccos(np.clip((held[:, :, 2] * frames[:, :, 2]).sum(1), -1, 1))
    cost = np.repeat(cost, k) + strain + 0.5 * (swivel / 0.8) ** 2
    cost += (inside / 0.02) ** 2 + (missed / 0.02) ** 2 + (off / 0.3) ** 2
    if straight:
        cost += straight * (1 - (held[:, :, 1] * frames[:, :, 1]).sum(1)) / 0.01
    # Rounded, so that equal ones are equal on every processor.
    best = int(np.argmin(np.round(cost, 6)))
    quaternion = motion.quaternion(held[best, :, 2], held[best, :, 1])
    return quaternion, float(swivel[best]), float(off[best])
