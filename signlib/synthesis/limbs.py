"""The body as capsules: which points they join, how thick they are, what they are made of.

Only arms, hands, neck and legs; the trunk and the head have surfaces of their own.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from signlib.synthesis.signers import Signer

TRUNK, LEGS, SLEEVE, ARM, NECK, HEAD, HAIR, LEFT_HAND, RIGHT_HAND = range(1, 10)
"""Materials; 0 is the room."""
SKIN = (ARM, NECK, HEAD, LEFT_HAND, RIGHT_HAND)

_POSE, _HANDS = 468, {LEFT_HAND: 501, RIGHT_HAND: 522}
_FINGERS = {5: 0.112, 9: 0.114, 13: 0.108, 17: 0.094}
"""Knuckle -> radius of that finger at its root, in hand sizes (wrist to middle knuckle)."""
_TAPER = (1.0, 0.90, 0.84, 0.72)
_SLEEVES = {"none": 0.0, "short": 0.75, "long": 1.9}
"""How far sleeves reach: 1 = elbow, 2 = wrist."""

Capsule = tuple[np.ndarray, np.ndarray, float, float, int]


@dataclass(frozen=True)
class Limbs:
    """Capsules of all frames, in camera space.

    Attributes:
        start, end: (T, K, 3) metres.
        radii: (K, 2) metres at both ends.
        material: (K,) uint8.
    """

    start: np.ndarray
    end: np.ndarray
    radii: np.ndarray
    material: np.ndarray


def limbs(points: np.ndarray, signer: Signer, sleeves: str) -> Limbs:
    """The capsules of a performance.

    Args:
        points: (T, 543, 3) metres.
        sleeves: one of `appearance.SLEEVES`.
    """
    parts = _legs(points, signer) + _neck_and_shoulders(points, signer)
    for side, hand in enumerate((LEFT_HAND, RIGHT_HAND)):
        parts += _arm(points, signer, side, sleeves) + _hand(points[:, _HANDS[hand] :][:, :21], signer.hand, hand)
    start, end, thick, thin, material = zip(*parts, strict=True)
    return Limbs(np.stack(start, 1), np.stack(end, 1), np.column_stack([thick, thin]), np.array(material, np.uint8))


def _between(a: np.ndarray, b: np.ndarray, way: float) -> np.ndarray:
    return a + way * (b - a)


def _arm(points: np.ndarray, signer: Signer, side: int, sleeves: str) -> list[Capsule]:
    shoulder, elbow, wrist = (points[:, _POSE + joint + side] for joint in (11, 13, 15))
    size = signer.shoulders / 0.36
    joints = (shoulder, elbow, wrist)
    # shoulder, upper arm, elbow, the forearm's thickest place, wrist
    along = (0.0, 0.45, 1.0, 1.3, 2.0)
    radius = np.array([0.056, 0.046, 0.037, 0.038, 0.025]) * size
    reach = _SLEEVES[sleeves]

    def place(way: float) -> np.ndarray:
        bone = min(int(way), 1)
        return _between(joints[bone], joints[bone + 1], way - bone)

    cuts = sorted({*along, reach})
    capsules = []
    for low, high in pairwise(cuts):
        worn = high <= reach
        thick, thin = np.interp((low, high), along, radius) + (0.007 * size if worn else 0.0)
        capsules.append((place(low), place(high), float(thick), float(thin), SLEEVE if worn else ARM))
    return capsules


def _hand(hand: np.ndarray, size: float, material: int) -> list[Capsule]:
    """The capsules of one hand (T, 21, 3): five fingers, a palm, and the webs between."""
    out: list[tuple[np.ndarray, np.ndarray, float, float]] = []
    root = _between(hand[:, 0], hand[:, 9], 0.12)
    for knuckle, radius in _FINGERS.items():
        for k in range(3):
            ends = hand[:, knuckle + k], hand[:, knuckle + k + 1]
            out.append((*ends, radius * _TAPER[k], radius * _TAPER[k + 1]))
        heel = _between(root, _between(hand[:, 0], hand[:, knuckle], 0.25), 0.8)
        out.append((heel, hand[:, knuckle], 0.165, radius * 1.25))
    for one, other in ((5, 9), (9, 13), (13, 17)):
        out.append((_between(hand[:, one], hand[:, 0], 0.06), _between(hand[:, other], hand[:, 0], 0.06), 0.125, 0.115))
    out.append((_between(hand[:, 0], hand[:, 17], 0.2), _between(hand[:, 0], hand[:, 17], 0.75), 0.17, 0.14))
    for k, (thick, thin) in enumerate(((0.20, 0.17), (0.165, 0.125), (0.125, 0.112), (0.112, 0.085))):
        out.append((_between(hand[:, 0], hand[:, 1], 0.5) if k == 0 else hand[:, k], hand[:, k + 1], thick, thin))
    out.append((_between(hand[:, 1], hand[:, 2], 0.55), _between(hand[:, 5], hand[:, 0], 0.22), 0.12, 0.11))
    out.append((hand[:, 0], root, 0.255, 0.215))
    return [(a, b, thick * size, thin * size, material) for a, b, thick, thin in out]


def _neck_and_shoulders(points: np.ndarray, signer: Signer) -> list[Capsule]:
    chest = (points[:, _POSE + 11] + points[:, _POSE + 12]) / 2
    ears = (points[:, 234] + points[:, 454]) / 2
    size = signer.shoulders / 0.36
    neck = [(chest, _between(chest, ears, 0.8), 0.062 * size, 0.054 * size, NECK)]
    shoulders = [
        (_between(chest, points[:, _POSE + joint], 0.45), points[:, _POSE + joint], 0.060 * size, 0.062 * size, TRUNK)
        for joint in (11, 12)
    ]
    return neck + shoulders


def _legs(points: np.ndarray, signer: Signer) -> list[Capsule]:
    size = signer.shoulders / 0.36
    capsules = []
    for side in (0, 1):
        hip, knee, ankle, toe = (points[:, _POSE + joint + side] for joint in (23, 25, 27, 31))
        capsules += [
            (hip, knee, 0.080 * size, 0.062 * size, LEGS),
            (knee, ankle, 0.062 * size, 0.042 * size, LEGS),
            (ankle, toe, 0.042 * size, 0.03 * size, LEGS),
        ]
    return capsules
