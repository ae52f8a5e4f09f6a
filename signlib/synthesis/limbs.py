"""The body as capsules: which points they join, how thick they are, what they are made of.

Only arms, hands, neck and legs; the trunk and the head have surfaces of their own.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from signlib.synthesis.signers import Signer

# Materials; 0 is the room.
TRUNK, LEGS, SLEEVE, ARM, NECK, HEAD, HAIR, LEFT_HAND, RIGHT_HAND = range(1, 10)
SKIN = (ARM, NECK, HEAD, LEFT_HAND, RIGHT_HAND)

_POSE, _HANDS = 468, {LEFT_HAND: 501, RIGHT_HAND: 522}
# Knuckle -> radius of that finger at its root, in hand sizes (wrist to middle knuckle).
_FINGERS = {5: 0.112, 9: 0.114, 13: 0.108, 17: 0.094}
# Half the palm's thickness near the wrist, at the knuckles and between thumb and index.
_HEEL, _KNUCKLE, _WEB = 0.155, 0.128, 0.11
# Radius of a leg at the hip, metres: below a shirt that leans and turns with the shoulders.
_HIP = 0.05
_TAPER = (1.0, 0.90, 0.84, 0.72)
# How far sleeves reach: 1 = elbow, 2 = wrist.
_SLEEVES = {"none": 0.0, "short": 0.75, "long": 1.9}

# Both ends (T, 3), the radius at each, and the material.
Capsule = tuple[np.ndarray, np.ndarray, float, float, int]
# Corners of a triangle (T, 3, 3), and how thick the flesh over each of them is.
Plate = tuple[np.ndarray, tuple[float, float, float]]


@dataclass(frozen=True)
class Limbs:
    """Capsules of all frames, in camera space.

    Attributes:
        start, end: (T, K, 3) metres.
        radii: (K, 2) metres at both ends.
        material: (K,) uint8.
        plates: (T, P, 3, 3) metres, triangles that make the palms flat.
        thickness: (P, 3) metres from the triangles to the skin.
        plate_material: (P,) uint8.
    """

    start: np.ndarray
    end: np.ndarray
    radii: np.ndarray
    material: np.ndarray
    plates: np.ndarray
    thickness: np.ndarray
    plate_material: np.ndarray


def limbs(points: np.ndarray, signer: Signer, sleeves: str) -> Limbs:
    """The capsules of a performance.

    Args:
        points: (T, 543, 3) metres.
        sleeves: one of `appearance.SLEEVES`.
    """
    parts = _legs(points, signer) + _neck_and_shoulders(points, signer)
    plates = []
    for side, material in enumerate((LEFT_HAND, RIGHT_HAND)):
        hand = points[:, _HANDS[material] :][:, :21]
        parts += _arm(points, signer, side, sleeves) + _hand(hand, signer.hand, material)
        plates += [(*plate, material) for plate in _palm(hand, signer.hand)]
    return Limbs(
        start=np.stack([part[0] for part in parts], 1),
        end=np.stack([part[1] for part in parts], 1),
        radii=np.array([part[2:4] for part in parts]),
        material=np.array([part[4] for part in parts], np.uint8),
        plates=np.stack([plate[0] for plate in plates], 1),
        thickness=np.array([plate[1] for plate in plates]),
        plate_material=np.array([plate[2] for plate in plates], np.uint8),
    )


def _between(a: np.ndarray, b: np.ndarray, way: float) -> np.ndarray:
    return a + way * (b - a)


def _arm(points: np.ndarray, signer: Signer, side: int, sleeves: str) -> list[Capsule]:
    shoulder, elbow, wrist = (points[:, _POSE + joint + side] for joint in (11, 13, 15))
    size = signer.shoulders / 0.36
    joints = (shoulder, elbow, wrist)
    # Short capsules have small boxes and so are drawn faster.
    along = np.linspace(0, 2, 7)
    radius = np.interp(along, (0, 1, 2), (0.056, 0.038, 0.025)) * size
    reach = _SLEEVES[sleeves]

    def point(way: float) -> np.ndarray:
        bone = min(int(way), 1)
        return _between(joints[bone], joints[bone + 1], way - bone)

    cuts = sorted({*along.tolist(), reach})
    capsules = []
    for low, high in pairwise(cuts):
        worn = high <= reach  # cloth lies 5 mm above the skin
        thick, thin = np.interp((low, high), along, radius) + (0.005 * size if worn else 0.0)
        material = SLEEVE if worn else ARM
        capsules.append((point(low), point(high), float(thick), float(thin), material))
    return capsules


def _heels(hand: np.ndarray) -> dict[int, np.ndarray]:
    # Knuckle -> where its ray of the palm begins, beside the wrist.
    wrist = hand[:, 0]
    root = _between(wrist, hand[:, 9], 0.12)
    return {k: _between(root, _between(wrist, hand[:, k], 0.25), 0.8) for k in _FINGERS}


def _hand(hand: np.ndarray, size: float, material: int) -> list[Capsule]:
    # The capsules of one hand (T, 21, 3): five fingers, and the rays and webs of the palm.
    out: list[tuple[np.ndarray, np.ndarray, float, float]] = []
    heels = _heels(hand)
    for knuckle, radius in _FINGERS.items():
        for k in range(3):
            ends = hand[:, knuckle + k], hand[:, knuckle + k + 1]
            out.append((*ends, radius * _TAPER[k], radius * _TAPER[k + 1]))
        out.append((heels[knuckle], hand[:, knuckle], _HEEL, _KNUCKLE))
    # The ridge of the knuckles.
    for one, other in pairwise(_FINGERS):
        out.append((hand[:, one], hand[:, other], _KNUCKLE, _KNUCKLE))
    # The thumb, from halfway between wrist and its first joint.
    out.append((_between(hand[:, 0], hand[:, 1], 0.5), hand[:, 1], 0.20, 0.17))
    for k, (thick, thin) in enumerate(((0.165, 0.125), (0.125, 0.112), (0.112, 0.085)), 1):
        out.append((hand[:, k], hand[:, k + 1], thick, thin))
    out.append((*_web(hand), _WEB, _WEB))
    out.append((hand[:, 0], _between(hand[:, 0], hand[:, 9], 0.15), 0.235, 0.20))
    return [(a, b, thick * size, thin * size, material) for a, b, thick, thin in out]


def _web(hand: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Both ends (T, 3) of the skin between thumb and index.
    return _between(hand[:, 1], hand[:, 2], 0.55), _between(hand[:, 5], hand[:, 0], 0.22)


def _palm(hand: np.ndarray, size: float) -> list[Plate]:
    # The triangles of one palm.
    heels = _heels(hand)
    plates: list[Plate] = []

    def add(*corners: tuple[np.ndarray, float]) -> None:
        (a, over_a), (b, over_b), (c, over_c) = corners
        plates.append((np.stack([a, b, c], 1), (size * over_a, size * over_b, size * over_c)))

    for one, other in pairwise(_FINGERS):
        last = (hand[:, other], _KNUCKLE)
        add((heels[one], _HEEL), (hand[:, one], _KNUCKLE), last)
        add((heels[one], _HEEL), (heels[other], _HEEL), last)
    thumb, side = _web(hand)
    add((heels[5], _HEEL), (thumb, _WEB), (side, _WEB))
    add((heels[5], _HEEL), (hand[:, 1], 0.16), (thumb, _WEB))
    return plates


def _neck_and_shoulders(points: np.ndarray, signer: Signer) -> list[Capsule]:
    chest = (points[:, _POSE + 11] + points[:, _POSE + 12]) / 2
    ears = (points[:, 234] + points[:, 454]) / 2
    size = signer.shoulders / 0.36  # 1 for average shoulders
    nape = _between(points[:, 1], ears, 1.2)
    capsules = [(chest, _between(chest, nape, 0.75), 0.055 * size, 0.049 * size, NECK)]
    for joint in (11, 12):
        end = points[:, _POSE + joint]
        capsules.append((_between(chest, end, 0.45), end, 0.060 * size, 0.062 * size, TRUNK))
    return capsules


def _legs(points: np.ndarray, signer: Signer) -> list[Capsule]:
    size = signer.shoulders / 0.36
    capsules = []
    for side in (0, 1):
        hip, knee, ankle, toe = (points[:, _POSE + joint + side] for joint in (23, 25, 27, 31))
        for low in (0, 1 / 3, 2 / 3):
            high = low + 1 / 3
            # Thigh and shin: ends, where along them the radius is given, and the radii.
            for top, end, along, radii in (
                (hip, knee, (0, 1 / 3, 1), (_HIP, 0.069, 0.062)),
                (knee, ankle, (0, 1), (0.062, 0.042)),
            ):
                thick, thin = np.interp((low, high), along, radii) * size
                bone = _between(top, end, low), _between(top, end, high)
                capsules.append((*bone, thick, thin, LEGS))
        capsules.append((ankle, toe, 0.042 * size, 0.03 * size, LEGS))
    return capsules
