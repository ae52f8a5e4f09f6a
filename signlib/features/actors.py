"""Who acts in a clip of skeletons, and the axes they are seen in.

A sensor reports every body that it believes in, in no order: a chair, a passer-by, one person under
two ids.
"""

from dataclasses import dataclass

import numpy as np

from signlib.data.points import seen
from signlib.data.skeletons import Skeleton
from signlib.errors import ClipError, SettingsError

# The way that somebody faces is the mean over so many frames: one alone is noisy.
FIRST_FRAMES = 5


@dataclass(frozen=True)
class Axes:
    """Joints that tell where a body is, how it is turned and how large it is.

    Attributes:
        middle: the origin.
        left, right: joints on either side, as many on each.
        base, top: ends of the trunk.
    """

    middle: int
    left: tuple[int, ...]
    right: tuple[int, ...]
    base: int
    top: int


def axes_of(skeleton: Skeleton) -> Axes:
    """The axes of a skeleton of a whole body.

    Raises:
        SettingsError: for one without spine, shoulders and hips.
    """
    try:
        middle, base, top = (
            next(skeleton.index(name) for name in names if skeleton.has(name))
            for names in (
                ("spine_middle", "spine"),
                ("spine_base", "hip_centre"),
                ("neck", "shoulder_centre"),
            )
        )
        left, right = (
            tuple(skeleton.index(f"{side}_{name}") for name in ("shoulder", "hip"))
            for side in ("left", "right")
        )
    except (RuntimeError, StopIteration, SettingsError):
        raise SettingsError(
            f"skeleton {skeleton.name!r} has no spine, shoulders and hips by name; graph networks"
            " on actions need them"
        ) from None
    return Axes(middle, left, right, base, top)


def filled(joints: np.ndarray) -> np.ndarray:
    """The clip with the missing joints of bodies that are there, interpolated in time.

    Before a joint is first seen, and after it was last seen, it stays where it is then. A joint
    that is never seen stays missing, and so does a body in frames without any joint of it.

    Args:
        joints: (T, M, J, 3), NaN = missing; returned as it is where no joint has a gap.
    """
    present = seen(joints)
    gaps = present.any(axis=-1, keepdims=True) & ~present
    if not gaps.any():
        return joints
    out = joints.copy()
    for m, joint in np.argwhere(gaps.any(axis=0)):
        frames, lost = np.flatnonzero(present[:, m, joint]), np.flatnonzero(gaps[:, m, joint])
        for axis in range(joints.shape[-1] if len(frames) else 0):
            out[lost, m, joint, axis] = np.interp(lost, frames, joints[frames, m, joint, axis])
    return out


def main_actors(joints: np.ndarray, most: int = 2) -> np.ndarray:
    """The bodies that act, those who move most first, in the frames in which one of them is seen.

    Short and flat bodies are dropped, unless nobody else is there. Bodies that are never there
    together are one person whom the sensor lost and found again.

    Args:
        joints: (T, M, J, 3) with y up, NaN = missing. A body is there in frames in which any of its
            joints is seen, if each of them is seen at some time (`filled`).
        most: how many to keep.

    Returns:
        (T', M', J, 3) with 1 <= M' <= most and T' <= T; NaN where an actor, or its joint, is not
        seen.

    Raises:
        ClipError: when nobody is seen in any frame.
    """
    whole = filled(joints)
    there = seen(whole).all(axis=-1)
    bodies = [m for m in range(joints.shape[1]) if there[:, m].any()]
    if not bodies:
        whose = "nobody is seen in any frame of the clip"
        if seen(joints).any():
            whose = "some joints are seen in no frame of the clip"
        raise ClipError(f"{whose}; leave it out")
    kept = [m for m in bodies if not _is_noise(whole[there[:, m], m])] or bodies
    actors: list[np.ndarray] = []
    # The frames in which each of them is there.
    frames: list[np.ndarray] = []
    for m in sorted(kept, key=lambda m: -motion(whole[there[:, m], m])):
        free = [k for k, taken in enumerate(frames) if not (taken & there[:, m]).any()]
        # One person under two ids: their frames do not overlap.
        if free:
            actors[free[0]][there[:, m]] = joints[there[:, m], m]
            frames[free[0]] |= there[:, m]
        elif len(actors) < most:
            actors.append(np.where(there[:, m, None, None], joints[:, m], np.nan))
            frames.append(there[:, m].copy())
    return np.stack(actors, 1)[np.any(frames, axis=0)]


def motion(joints: np.ndarray) -> float:
    """How much a body (T, J, 3) moves: variances over time, summed, in square units."""
    return float(joints.var(axis=0).sum())


def _is_noise(joints: np.ndarray) -> bool:
    # A body seen in no more than 11 frames is noise, and one wider than 0.8 of its height in more
    # than 0.7 of them furniture. Source: the practice of CTR-GCN (Chen et al. 2021).
    width, height = np.ptp(joints, axis=1).T[:2]
    return len(joints) <= 11 or (width > 0.8 * height).mean() > 0.7


def in_own_axes(
    joints: np.ndarray, axes: Axes, align: bool = True, scale: bool = True
) -> np.ndarray:
    """The clip seen from its first actor, who faces us when first seen.

    The middle of the spine is the origin then.

    Args:
        joints: (T, M, J, 3), y up, x to the right of who faces the sensor, NaN = not seen.
        align: turn everything about the vertical so that the first actor faces the sensor at the
            start.
        scale: measure in the first actor's trunk, its mean length over the clip.

    Returns:
        (T, M, J, 3) float32; the distance between two actors is kept.

    Source: the preprocessing of source 003; Shahroudy et al. 2016, section 3.4.
    Differs: the source turns by the angle instead of against it, which doubles a turn; it puts the
        lower end of the spine at zero, and it looks at one frame.
    """
    first = joints[np.isfinite(joints[:, 0, 0, 0]), 0].astype(np.float64)
    moved = joints - first[0, axes.middle]
    if align:
        moved = moved @ turn_back(first, axes)
    if scale:
        trunk = np.linalg.norm(first[:, axes.top] - first[:, axes.base], axis=-1).mean()
        if not trunk > 1e-3:
            raise ClipError(
                f"the trunk of the first person is {trunk:.4f} m long; leave the clip out"
            )
        moved = moved / trunk
    return moved.astype(np.float32)


def turn_back(first: np.ndarray, axes: Axes) -> np.ndarray:
    """(3, 3) for row vectors: a turn about the vertical.

    After it the line across shoulders and hips points along x.

    Args:
        first: (T, J, 3) the first actor; its first frames count.
    """
    across = (first[:FIRST_FRAMES, axes.right] - first[:FIRST_FRAMES, axes.left]).mean(axis=(0, 1))
    angle = np.arctan2(across[2], across[0])
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])


def held(joints: np.ndarray) -> np.ndarray:
    """(T, M, J, 3) without gaps: a body that is not seen stays where it was last seen.

    Before it is seen at all it stays where it will be first. Differs: public code puts an unseen
    body into the origin, from where it jumps.
    """
    out = joints.copy()
    for m in range(joints.shape[1]):
        seen = np.flatnonzero(np.isfinite(joints[:, m, 0, 0]))
        last = np.searchsorted(seen, np.arange(len(joints)), side="right") - 1
        out[:, m] = joints[seen[np.maximum(last, 0)], m]
    return out
