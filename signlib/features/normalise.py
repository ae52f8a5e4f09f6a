"""Landmarks that no longer tell where the camera stood: signer-centred, scale-free, upright.

Everything here works on one clip (T, J, C) with NaN for missing points and keeps it so; `masked`
turns NaN into zeros and a mask at the very end, when a batch is made.
"""

import numpy as np

from signlib.data.points import seen as seen
from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError

# Of the picture's height: below this two shoulders count as one point and cannot give a scale.
SMALLEST_SIZE = 1e-3


def masked(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points with zeros for what is missing, and the mask that is True where they are real."""
    mask = seen(points)
    return np.where(mask[..., None], np.nan_to_num(points), 0).astype(np.float32), mask


def at_moments(points: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """The clip at other moments, interpolated linearly.

    A point that is missing in one of two frames is missing between them.

    Args:
        points: (T, J, C), NaN = missing.
        moments: (N,) in frames, within 0..T-1.

    >>> at_moments(np.array([[[0.0]], [[2.0]]]), np.array([0, 0.5, 1])).ravel().tolist()
    [0.0, 1.0, 2.0]
    """
    before = np.floor(moments).astype(int)
    after, weight = np.minimum(before + 1, len(points) - 1), (moments - before)[:, None, None]
    mixed = (1 - weight) * points[before] + weight * points[after]
    return np.where(weight == 0, points[before], mixed).astype(points.dtype)


def at_rate(points: np.ndarray, fps: float, rate: float) -> np.ndarray:
    """The clip as if it had been filmed at another rate; at its own it is what it was.

    Args:
        points: (T, J, C), NaN = missing.
        fps: frames a second that it has.
        rate: frames a second that it gets; it never lasts longer than before.
    """
    if fps == rate:
        return points
    # A hair more: 24.999... frames are 25.
    frames = max(1, int(len(points) * rate / fps + 1e-9))
    return at_moments(points, np.minimum(np.arange(frames) * fps / rate, len(points) - 1))


def fill_gaps(points: np.ndarray, longest: int) -> np.ndarray:
    """The clip with short gaps interpolated linearly; long ones and both ends stay missing.

    Args:
        points: (T, J, C), NaN = missing.
        longest: fill a run of missing frames only when it has at most so many frames.

    Differs: source 000 fills the first five frames of a long gap too (pandas `limit=5`).

    >>> x = np.array([0, np.nan, 2, np.nan, np.nan, 5.0]).reshape(6, 1, 1).repeat(2, axis=2)
    >>> fill_gaps(x, 1)[:, 0, 0].tolist()
    [0.0, 1.0, 2.0, nan, nan, 5.0]
    """
    present = seen(points)
    if longest < 1 or present.all():
        return points.copy()
    frames = np.arange(len(points))[:, None]
    before = np.maximum.accumulate(np.where(present, frames, -1), axis=0)
    after = np.minimum.accumulate(np.where(present, frames, len(points))[::-1], axis=0)[::-1]
    fill = ~present & (before >= 0) & (after < len(points)) & (after - before - 1 <= longest)
    time, joint = np.nonzero(fill)
    start, end = before[fill], after[fill]
    weight = ((time - start) / (end - start))[:, None]
    out = points.copy()
    out[time, joint] = (1 - weight) * points[start, joint] + weight * points[end, joint]
    return out


def to_square_pixels(points: np.ndarray, aspect: float) -> np.ndarray:
    """Points in units of the picture's height on all axes.

    Args:
        points: (T, J, C); x is a fraction of the width (z has its scale), y of the height.
        aspect: width / height.
    """
    out = points.copy()
    out[..., [0, *range(2, min(points.shape[-1], 3))]] *= aspect
    return out


def signer_frame(points: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, float, float]:
    """Origin, size and tilt of the signer, one of each for the whole clip.

    With shoulders: their middle, their distance and the angle of their line (medians over the
    frames, so that leaning and turning stay visible). With hands only: the face, or else the middle
    of the wrists, and twice the palm (wrist to middle knuckle), no tilt.

    Args:
        points: (T, J, C) in square pixels.

    Returns:
        origin (3,) or (2,), size in the points' unit, tilt in radians.

    Raises:
        ClipError: when no frame shows what the size is taken from.
    """
    xyz = points[..., :3]
    if skeleton.has("left_shoulder", "right_shoulder"):
        left, right = (xyz[:, skeleton.index(f"{side}_shoulder")] for side in ("left", "right"))
        both = np.isfinite(left[:, :2] + right[:, :2]).all(axis=1)
        if both.any():
            across = (left - right)[both, :2]
            size = float(median(np.sqrt((across * across).sum(axis=1))))
            tilt = _tilt(across)
            # Medians go axis by axis, so they are taken upright: then a rolled camera changes
            # nothing.
            cos, sin = np.cos(tilt), np.sin(tilt)
            upright = _turned((left + right)[both] / 2, cos, -sin)
            origin = _turned(median(upright), cos, sin)
            if size < SMALLEST_SIZE and skeleton.has("nose"):
                # Seen from the side the shoulders coincide: the neck is about half as long as they
                # are wide.
                nose = xyz[both, skeleton.index("nose"), :2]
                nose = nose[np.isfinite(nose).all(axis=1)]
                if len(nose):
                    size = 2 * float(np.median(np.linalg.norm(nose - origin[:2], axis=1)))
            if size >= SMALLEST_SIZE:
                return np.where(np.isnan(origin), 0, origin), size, tilt
    return _hand_frame(xyz, skeleton)


def _tilt(across: np.ndarray) -> float:
    # The median angle of vectors (T, 2), counted from the angle of their mean.
    # So the median turns with the vectors, also where angles jump from pi to -pi.
    x, y = across.sum(axis=0) / len(across)
    mean = np.arctan2(y, x)
    angles = np.arctan2(across[:, 1], across[:, 0]) - mean
    return float(mean + median(np.arctan2(np.sin(angles), np.cos(angles))))


def median(values: np.ndarray) -> np.ndarray:
    """The median along the first axis (T, ...); NaN where one value is, or there are none.

    What takes time in numpy's median is not the sorting, and a clip is short.

    >>> median(np.array([[3, 1], [1, np.nan], [2, 5.0]])).tolist()
    [2.0, nan]
    """
    if not len(values):
        return np.full(values.shape[1:], np.nan, values.dtype)
    ordered, half = np.sort(values, axis=0), (len(values) - 1) // 2
    middle = ordered[half] if len(values) % 2 else (ordered[half] + ordered[half + 1]) / 2
    return np.where(np.isnan(ordered[-1]), np.nan, middle).astype(ordered.dtype)


def _turned(points: np.ndarray, cos: float, sin: float, axis: int = 1) -> np.ndarray:
    # Points (..., C) turned by an angle, from x to the other axis.
    out = points.copy()
    out[..., 0] = cos * points[..., 0] - sin * points[..., axis]
    out[..., axis] = sin * points[..., 0] + cos * points[..., axis]
    return out


def _hand_frame(xyz: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, float, float]:
    sides = [
        side
        for side in ("left", "right")
        if skeleton.has(f"{side}_hand_wrist", f"{side}_hand_middle_mcp")
    ]
    wrists = [xyz[:, skeleton.index(f"{side}_hand_wrist")] for side in sides]
    palms = [
        np.linalg.norm(xyz[:, skeleton.index(f"{side}_hand_middle_mcp")] - wrist, axis=1)
        for side, wrist in zip(sides, wrists, strict=True)
    ]
    lengths = np.concatenate(palms) if palms else np.empty(0)
    lengths = lengths[np.isfinite(lengths)]
    if not len(lengths) or np.median(lengths) < SMALLEST_SIZE:
        raise ClipError(
            f"no frame of this clip shows both shoulders or a hand of skeleton {skeleton.name!r},"
            " so it has no scale; leave the clip out or set features.normalise=false"
        )
    anchor = xyz[:, skeleton.index("face")] if skeleton.has("face") else np.concatenate(wrists)
    if not seen(anchor).any():
        # A face that is never seen must not put the origin into the picture's corner.
        anchor = np.concatenate(wrists)
    return np.nan_to_num(np.nanmedian(anchor, axis=0)), 2 * float(np.median(lengths)), 0.0


def hands_at_wrists(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The clip with each hand's z moved to the z of the body's wrist.

    Before, it counts from the hand's own wrist. Where the body's is not seen, the z that it has in
    the nearest frame counts; a hand whose body's wrist is never seen stays as it is.

    Args:
        points: (T, J, C); without z, or without both a pose and hands, it is returned as it is.
    """
    out = points.copy()
    for side in ("left", "right"):
        if points.shape[-1] > 2 and skeleton.has(f"{side}_wrist", f"{side}_hand_wrist"):
            hand = list(skeleton.parts[f"{side}_hand"])
            depth = points[:, skeleton.index(f"{side}_wrist"), 2]
            present = np.flatnonzero(np.isfinite(depth))
            if len(present):
                halfway = (present[1:] + present[:-1]) / 2
                nearest = present[np.searchsorted(halfway, np.arange(len(points)))]
                out[:, hand, 2] += depth[nearest, None]
    return out


def face_camera(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The clip turned about the vertical so that both shoulders are equally far away.

    Its unit is the width of the shoulders. The width is measured in three dimensions here: a signer
    seen obliquely has narrow shoulders in the picture.

    Args:
        points: (T, J, C >= 3), upright, centred between the shoulders.
    """
    if points.shape[-1] < 3 or not skeleton.has("left_shoulder", "right_shoulder"):
        return points
    across = (
        points[:, skeleton.index("left_shoulder"), :3]
        - points[:, skeleton.index("right_shoulder"), :3]
    )
    across = across[np.isfinite(across).all(axis=1)]
    if not len(across):
        return points
    x, _, z = np.median(across, axis=0)
    width = np.hypot(x, z)
    if width < SMALLEST_SIZE:
        return points
    out = _turned(points, x / width, -z / width, axis=2)
    out[..., :3] /= width
    return out


def normalise(
    points: np.ndarray,
    skeleton: Skeleton,
    aspect: float = 1.0,
    rotate: bool = True,
    longest_gap: int = 5,
) -> np.ndarray:
    """The clip as the signer's body measures it: from between the shoulders, upright.

    The unit is the shoulders' distance. Shifting, scaling or rolling the picture changes nothing
    (without shoulders a roll stays).

    Args:
        points: (T, J, C) raw landmarks; channels after x, y, z (visibility) are kept as they are.
        aspect: width / height of the picture.
        rotate: undo the camera's roll, so that the shoulders are level.
        longest_gap: fill gaps of at most so many frames (see `fill_gaps`).

    Raises:
        ClipError: when the clip shows nothing to take a scale from.
    """
    out = fill_gaps(to_square_pixels(points, aspect), longest_gap)
    origin, size, tilt = signer_frame(out, skeleton)
    axes = len(origin)
    out[..., :axes] = (out[..., :axes] - origin) / size
    if rotate and tilt:
        out = _turned(out, np.cos(tilt), -np.sin(tilt))
    return out.astype(np.float32)


def mirror(points: np.ndarray, skeleton: Skeleton, middle: float = 0.0) -> np.ndarray:
    """The clip as a mirror shows it: x reversed, left and right joints exchanged.

    Args:
        points: (..., J, C).
        middle: the x that stays where it is: 0 for normalised points, 0.5 for raw ones.
    """
    out = points[..., list(skeleton.mirror), :].copy()
    out[..., 0] = 2 * middle - out[..., 0]
    return out
