"""From points in metres to what a landmark extractor would report of them.

Perspective, MediaPipe's three origins of depth (hips, each wrist, the head), noise, visibility, and
hands that are lost where a real tracker loses them.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from signlib.synthesis import motion, seeding
from signlib.synthesis.signers import Signer

_FACE, _POSE = slice(0, 468), slice(468, 501)
_HANDS = (slice(501, 522), slice(522, 543))
# Wrist and knuckles of index, middle and pinky of both hands.
_PALMS = [[501, 506, 510, 518], [522, 527, 531, 539]]
# Top, chin, left and right end of the face mesh.
_FACE_ENDS = [10, 152, 454, 234]
# How far from their place people stand from take to take, in frame widths.
_SEAT = 0.05
# Share of a hand's box that another hand covers when a tracker may mistake one for the other.
_SHARED = 0.3
# Visibility of pose points outside the frame.
_HIDDEN = 0.15
# Seconds over which a tracker's luck holds: what is lost stays lost for a while.
_GAP = 0.2
# Ways in which a face mesh is uneven: noise drawn once, as drawing it for each frame is slow.
_BANK = 256


def seated(signer: Signer, rng: np.random.Generator) -> Signer:
    """The signer where they stand in one take: landmarks and video of a clip share this camera."""
    x, y = np.array(signer.centre) + _SEAT * signer.hardness * rng.standard_normal(2)
    return replace(signer, centre=(float(x), float(y)))


def film(
    points: np.ndarray,
    signer: Signer,
    rng: np.random.Generator,
    width: int,
    height: int,
    fps: float,
) -> np.ndarray:
    """(T, 543, 4) float32: x, y as fractions of the frame, z in MediaPipe's units, visibility.

    A lost hand is NaN in all its points and channels.

    Args:
        points: (T, 543, 3) metres, as `Performance.points`.
        signer: as `seated` placed them.
        rng: noise and drop-outs.
    """
    planes = _planes(points, signer, width / height)
    lost = _lost(points, planes, signer, rng=rng, fps=fps)
    visibility = _visibility(planes[:2, :, _POSE], signer, rng)
    depth = planes[2]
    depth[:, _FACE] -= depth[:, _FACE_ENDS].mean(1, keepdims=True)
    for hand in _HANDS:
        depth[:, hand] -= depth[:, [hand.start]]
    _shake(planes, signer, rng)
    clip = np.empty((*depth.shape, 4), np.float32)
    for k in range(3):
        clip[:, :, k] = planes[k]
    clip[:, :, 3] = 1
    clip[:, _POSE, 3] = visibility
    for hand, frames in zip(_HANDS, lost, strict=True):
        clip[frames, hand] = np.nan
    return clip


def project(points: np.ndarray, signer: Signer, aspect: float = 1.0) -> np.ndarray:
    """(T, J, 3): x, y as fractions of the frame, z = depth behind the hips in frame widths.

    Args:
        points: (T, J, 3) metres from the middle of the hips.
        aspect: width / height of the frame.
    """
    return np.stack(list(_planes(points, signer, aspect)), -1)


def _planes(points: np.ndarray, signer: Signer, aspect: float) -> np.ndarray:
    # (3, T, J) of `project`: whole planes are computed several times faster than triples.
    turn = motion.turns(np.array([[signer.yaw, signer.tilt, signer.roll]]))[0].astype(points.dtype)
    x, y, z = (np.ascontiguousarray(points[:, :, k]) for k in range(3))
    planes = np.empty((3, *x.shape), points.dtype)
    for plane, (a, b, c) in zip(planes, turn, strict=True):
        np.multiply(x, a, out=plane)
        plane += b * y
        plane += c * z
    # Perspective: what is farther away than the hips is smaller.
    scale = planes[2] * points.dtype.type(1 / signer.distance)
    scale += 1
    np.divide(points.dtype.type(signer.zoom), scale, out=scale)
    for plane, centre, shape in zip(planes, signer.centre, (1.0, aspect), strict=False):
        plane *= scale
        if shape != 1:
            plane *= points.dtype.type(shape)
        plane += points.dtype.type(centre)
    planes[2] *= points.dtype.type(signer.zoom)
    return planes


def _lost(
    points: np.ndarray, seen: np.ndarray, signer: Signer, *, rng: np.random.Generator, fps: float
) -> np.ndarray:
    """(2, T) True where a tracker loses a hand, for some frames at a time.

    It does so outside the frame, and by chance: more often where the hand is fast, before the face,
    or behind the other hand.

    Args:
        seen: (3, T, 543) from `_planes`.
    """
    frames = len(points)
    palms = np.stack([seen[:, :, palm].mean(2) for palm in _PALMS])
    centre = np.moveaxis(palms[:, :2], 1, -1)
    ends = seen[:2, :, _FACE_ENDS]
    middle = (ends[:, :, 0] + ends[:, :, 1]).T / 2
    width, height = np.abs(ends[0, :, 2] - ends[0, :, 3]), np.abs(ends[1, :, 1] - ends[1, :, 0])
    half = np.column_stack([width, height]) / 2
    step = np.diff(np.stack([points[:, palm].mean(1) for palm in _PALMS]), axis=1, prepend=np.nan)
    step[:, 0] = step[:, min(1, frames - 1)] if frames > 1 else 0
    fast = 1 / (1 + np.exp(-6 * (fps * np.sqrt((step**2).sum(2)) - 1.6)))
    crossing = (((centre - middle) / half) ** 2).sum(2) < 1
    behind = _overlap(seen) & np.stack([palms[0, 2] > palms[1, 2], palms[0, 2] <= palms[1, 2]])
    still, moving, hiding = signer.lost
    chance = np.clip(still + moving * fast + hiding * np.maximum(crossing, behind), 0, 0.95)
    # Luck is smooth noise that is as good as uniform: what is lost stays lost for a while.
    length = max(3, round(_GAP * fps))
    kernel = np.hanning(length + 2)[1:-1]
    kernel /= np.sqrt((kernel**2).sum())
    noise = rng.standard_normal((2, frames + length - 1))
    noise = np.stack([np.convolve(row, kernel, "valid") for row in noise])
    # The logistic curve is within 0.01 of the normal one.
    uniform = 1 / (1 + np.exp(-1.702 * noise))
    return (uniform < chance) | ((centre < 0.0) | (centre > 1.0)).any(2)


def _overlap(seen: np.ndarray) -> np.ndarray:
    # (T,) True where the boxes of the two hands share more than `_SHARED` of the smaller one.
    low = np.stack([seen[:2, :, hand].min(2) for hand in _HANDS])
    high = np.stack([seen[:2, :, hand].max(2) for hand in _HANDS])
    return np.maximum(high.min(0) - low.max(0), 0).prod(0) > _SHARED * (high - low).prod(1).min(0)


def _visibility(pose: np.ndarray, signer: Signer, rng: np.random.Generator) -> np.ndarray:
    # (T, 33) of projected pose points (2, T, 33): lower outside the frame.
    beyond = (np.abs(pose - np.float32(0.5)) - np.float32(0.5)).max(0)
    noise = np.float32(0.01 * signer.hardness) * rng.standard_normal(beyond.shape, dtype=np.float32)
    inside = (0.99 - _HIDDEN) / (1 + np.exp(60 * np.minimum(beyond, 1)))
    return np.clip(_HIDDEN + inside + noise, 0, 1)


def _shake(seen: np.ndarray, signer: Signer, rng: np.random.Generator) -> None:
    """Add tracking noise to `seen` (3, T, 543), in place.

    The face is fitted as one mesh, so its points shake together and hardly by themselves.
    """
    if not signer.jitter:
        return
    size = signer.jitter * signer.zoom
    frames = seen.shape[1]
    alone = _smooth(rng.standard_normal((3, frames + 4, 75), dtype=np.float32))
    together = _smooth(rng.standard_normal((3, frames + 4, 1), dtype=np.float32))
    turn = rng.integers(_BANK, size=frames)
    # Depth is guessed, not seen: its errors are twice as large.
    for k, more in enumerate((1, 1, 2)):
        alone[k] *= np.float32(more * size)
        seen[k, :, _FACE.stop :] += alone[k]
        uneven = _unevenness()[k][turn]
        uneven *= np.float32(0.15 * more * size)
        uneven += np.float32(0.5 * more * size) * together[k]
        seen[k, :, _FACE] += uneven


def _smooth(noise: np.ndarray) -> np.ndarray:
    """(3, T, J) of white noise (3, T + 4, J): a tracker's errors last a few frames.

    The variance stays 1.
    """
    weights = np.array([1, 4, 6, 4, 1], np.float32) / np.float32(70**0.5)
    frames = noise.shape[1] - 4
    smooth = np.zeros((len(noise), frames, noise.shape[2]), np.float32)
    for k, weight in enumerate(weights):
        smooth = smooth + weight * noise[:, k : k + frames]
    return smooth


@cache
def _unevenness() -> np.ndarray:
    # (3, _BANK, 468) standard normal, the same in every process.
    return seeding.generator("face noise").standard_normal((3, _BANK, 468), dtype=np.float32)
