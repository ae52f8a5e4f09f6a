"""Where the skin of a signer is: what a hand can touch and must not go through.

Head and trunk are upright elliptic columns; the face mesh lies on that of the head. Everything is
in metres around the middle of the hips, for a right hand.
"""

from typing import TypeVar

import numpy as np

from signlib.synthesis.phonology import LOCATIONS, LOCI
from signlib.synthesis.signers import Signer

# Half axes of the head in face half-heights; its depth tapers off towards crown and chin.
HEAD_WIDTH, HEAD_DEPTH, HEAD_TAPER = 0.82, 0.88, 0.22
# Half axes of the trunk in shoulder widths.
TRUNK_WIDTH, TRUNK_DEPTH = 0.47, 0.30
# Where a column ends, and over how far it tapers off.
_CROWN, _CHIN, _COLLAR = (-1.45, 0.15), (1.12, 0.12), (-0.02, 0.12)
Height = TypeVar("Height", float, np.ndarray)


def head_centre(signer: Signer) -> np.ndarray:
    """The centre of the head: (3,) metres."""
    return np.array([0.0, -signer.torso - 2.05 * signer.head, -0.02])


def locus(name: str, signer: Signer) -> np.ndarray:
    """Where a locus of `LOCI` lies for this signer: (3,) metres."""
    return np.array([0, -signer.torso, 0]) + signer.shoulders * np.array(LOCI[name])


def anchor(name: str, signer: Signer) -> tuple[np.ndarray, float]:
    """Origin (3,) and unit, metres, of the offsets of a location's anchor."""
    if LOCATIONS[name].anchor == "head":
        return head_centre(signer), signer.head
    return np.array([0, -signer.torso, 0]), signer.shoulders


def skin_at(name: str, signer: Signer, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Point (3,) on the skin of head or trunk near location `name`, and the way out (3,) there.

    Args:
        shift: (3,) metres along the skin; what leaves it is taken back.
    """
    origin, scale = anchor(name, signer)
    offset = np.array(LOCATIONS[name].offset)
    axes = _head_axes if LOCATIONS[name].anchor == "head" else _trunk_axes
    moved = offset + shift / scale
    (a, b), (c, d) = axes(offset[1]), axes(moved[1])
    # Back to the same column: the ellipse through the location, 1 where it lies on the skin itself.
    level = np.hypot(offset[0] / a, offset[2] / b) / max(np.hypot(moved[0] / c, moved[2] / d), 1e-6)
    moved[[0, 2]] *= level
    out = np.array([moved[0] / c**2, 0.0, moved[2] / d**2])
    return origin + scale * moved, out / np.sqrt((out * out).sum())


def push_out(points: np.ndarray, signer: Signer) -> np.ndarray:
    """(..., 3) metres that bring points (..., 3) inside head or trunk out; 0 for all others."""
    push = np.zeros_like(points)
    for origin, scale, axes, top, bottom in (
        (head_centre(signer), signer.head, _head_axes, _CROWN, _CHIN),
        (np.array([0, -signer.torso, 0]), signer.shoulders, _trunk_axes, _COLLAR, None),
    ):
        x, y, z = (points[..., k] - origin[k] for k in range(3))
        x, y, z = x / scale, y / scale, z / scale
        a, b = axes(y)
        # 1 on the skin, 0 on the axis.
        level = np.sqrt((x / a) ** 2 + (z / b) ** 2) + 1e-6
        deep = np.maximum(1 / level - 1, 0) * np.clip((y - top[0]) / top[1], 0, 1)
        if bottom:
            deep *= np.clip((bottom[0] - y) / bottom[1], 0, 1)
        deep = np.minimum(deep, 2.0) * scale
        push[..., 0] += deep * x
        push[..., 2] += deep * z
    return push


def _head_axes(y: Height) -> tuple[float, Height]:
    # Half width and half depth at height y, in face half-heights.
    return HEAD_WIDTH, HEAD_DEPTH * (1 - HEAD_TAPER * np.minimum(y * y, 1.2))


def _trunk_axes(y: Height) -> tuple[float, float]:
    # Half width and half depth at height y, in shoulder widths.
    return TRUNK_WIDTH, TRUNK_DEPTH
