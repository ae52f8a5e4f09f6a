"""From points in metres to what a landmark extractor would report of them.

Perspective, MediaPipe's three origins of depth (hips, each wrist, the head),
noise, visibility, and hands that are lost where a real tracker loses them.
"""

from dataclasses import replace

import numpy as np

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.synthesis import motion
from signlib.synthesis.signers import Signer

_HANDS = (slice(501, 522), slice(522, 543))
_PALM = [0, 5, 9, 17]
_FACE_ENDS = [10, 152, 454, 234]
"""Top, chin, left and right end of the face mesh."""
_SEAT = 0.03
"""How far from their place people stand from take to take, in frame widths."""
_HIDDEN = 0.15
"""Visibility of pose points outside the frame."""


def seated(signer: Signer, rng: np.random.Generator) -> Signer:
    """The signer where they stand in one take: landmarks and video of a clip share this camera."""
    x, y = np.array(signer.centre) + _SEAT * signer.hardness * rng.standard_normal(2)
    return replace(signer, centre=(float(x), float(y)))


def film(
    points: np.ndarray, signer: Signer, rng: np.random.Generator, width: int, height: int, fps: float
) -> np.ndarray:
    """(T, 543, 4) float32: x, y as fractions of the frame, z in MediaPipe's units, visibility.

    A lost hand is NaN in all its points and channels.

    Args:
        points: (T, 543, 3) metres, as `Performance.points`.
        signer: as `seated` placed them.
        rng: noise and drop-outs.
    """
    seen = project(points, signer, width / height)
    lost = [_lost(points, seen, hand, signer, rng, fps) for hand in _HANDS]
    visibility = _visibility(seen, signer, rng)
    seen[:, :468, 2] -= seen[:, _FACE_ENDS, 2].mean(1, keepdims=True)
    for hand in _HANDS:
        seen[:, hand, 2] -= seen[:, [hand.start], 2]
    _shake(seen, signer, rng)
    clip = np.empty((*visibility.shape, 4), np.float32)
    clip[:, :, :3], clip[:, :, 3] = seen, visibility
    for hand, frames in zip(_HANDS, lost, strict=True):
        clip[frames, hand] = np.nan
    return clip


def project(points: np.ndarray, signer: Signer, aspect: float = 1.0) -> np.ndarray:
    """(T, J, 3): x, y as fractions of the frame, z = depth behind the hips in frame widths.

    Args:
        points: (T, J, 3) metres from the middle of the hips.
        aspect: width / height of the frame.
    """
    turn = motion.turns(np.array([[signer.yaw, signer.tilt, signer.roll]]))[0]
    turned = points @ turn.T
    scale = signer.zoom / (1 + turned[:, :, 2] / signer.distance)
    turned[:, :, 0] = signer.centre[0] + scale * turned[:, :, 0]
    turned[:, :, 1] = signer.centre[1] + scale * aspect * turned[:, :, 1]
    turned[:, :, 2] *= signer.zoom
    return turned


def _lost(points, seen, hand: slice, signer: Signer, rng: np.random.Generator, fps: float) -> np.ndarray:
    """(T,) True where the hand is not found: outside, fast, before the face, or by bad luck; in runs."""
    centre = seen[:, hand, :2][:, _PALM].mean(1)
    top, chin, left, right = np.moveaxis(seen[:, _FACE_ENDS, :2], 1, 0)
    half = np.column_stack([np.abs(left - right)[:, 0], np.abs(chin - top)[:, 1]]) / 2
    speed = np.gradient(points[:, hand][:, _PALM].mean(1), 1 / fps, axis=0)
    speed = np.sqrt((speed**2).sum(1))
    fast = 1 / (1 + np.exp(-6 * (speed - 1.6)))
    crossing = (((centre - (top + chin) / 2) / half) ** 2).sum(1) < 1
    still, moving, hiding = signer.lost
    chance = np.clip(still + moving * fast + hiding * crossing, 0, 0.95)
    # noise that lasts a few frames makes runs instead of single holes
    noise = np.convolve(rng.standard_normal(len(centre) + 2), np.full(3, 3**-0.5), "valid")
    uniform = 1 / (1 + np.exp(-1.702 * noise))  # the logistic curve is within 0.01 of the normal one
    outside = ((centre < 0.0) | (centre > 1.0)).any(1)
    return (uniform < chance) | outside


def _visibility(seen: np.ndarray, signer: Signer, rng: np.random.Generator) -> np.ndarray:
    """(T, 543): 1 for face and hands; the pose's own is lower outside the frame."""
    visibility = np.ones(seen.shape[:2])
    pose = MEDIAPIPE_543.selection("pose")
    x, y = np.moveaxis(seen[:, pose, :2], -1, 0)
    beyond = np.maximum.reduce([-x, x - 1, -y, y - 1])
    noise = 0.01 * signer.hardness * rng.standard_normal(beyond.shape)
    visibility[:, pose] = np.clip(_HIDDEN + (0.99 - _HIDDEN) / (1 + np.exp(60 * beyond)) + noise, 0, 1)
    return visibility


def _shake(seen: np.ndarray, signer: Signer, rng: np.random.Generator) -> None:
    """Add tracking noise: the face is fitted as one mesh, so its points shake together."""
    size = np.float32(signer.jitter * signer.zoom)
    frames = len(seen)
    depth = np.array([1, 1, 2], np.float32)  # depth is guessed, not seen
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    noise *= size * depth
    noise[:, :468] *= np.float32(0.15)
    noise[:, :468] += size * depth * np.float32(0.5) * rng.standard_normal((frames, 1, 3), dtype=np.float32)
    seen += noise
