"""Which landmarks can be used: decided here, and nowhere else, for every reader.

A point is used or missing as a whole. It is used when all its numbers are finite and its place
lies within the reach of its skeleton (`Skeleton.reach`, `Skeleton.depth`); else it is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from signlib.data.skeletons import FRACTIONS, Skeleton
from signlib.errors import ClipError, SettingsError

# What happens to a clip whose body jumps, see `FileNumbers`.
ON_JUMP = ("keep", "split", "drop")
# Fractions of a picture lie about 0..1; numbers of pixels lie far above.
HIGHEST_MEDIAN = 2.0


def seen(points: np.ndarray) -> np.ndarray:
    """Where a point was found: (..., J) bool for points (..., J, C), all C numbers finite."""
    return _all_of(np.isfinite(points))


def _all_of(good: np.ndarray) -> np.ndarray:
    # `good.all(axis=-1)`, several times faster on an axis of two to four.
    if good.shape[-1] == 4 and good.flags.c_contiguous:
        # Four bytes of 1, read as one number.
        return good.view(np.uint32)[..., 0] == 0x01010101
    out = good[..., 0].copy()
    for channel in range(1, good.shape[-1]):
        out &= good[..., channel]
    return out


def within(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Where a point can be used: (..., J) bool for points (..., J, C)."""
    joints, channels = points.shape[-2:]
    limits = _limits(skeleton.reach, skeleton.depth, joints, channels, points.dtype)
    # Long rows are compared several times faster. False for NaN: finite is asked for, too.
    rows = np.abs(points.reshape(-1, joints * channels)) <= limits
    return _all_of(rows.reshape(points.shape))


@lru_cache
def _limits(reach: float, depth: float, joints: int, channels: int, dtype: np.dtype) -> np.ndarray:
    # (J x C,) the largest value of each number of a frame, either way.
    limits = np.full(channels, np.finfo(dtype).max, dtype)
    limits[:3] = (reach, reach, depth)[:channels]
    return np.tile(limits, joints)


def usable(points: np.ndarray, skeleton: Skeleton | None) -> tuple[np.ndarray, str]:
    """A clip whose points are used or NaN as a whole, and what was taken from it ("" = nothing).

    A clip of which more points lie out of reach than within has another unit: nothing is used.

    Args:
        points: (..., J, C) of one clip; returned as it is where nothing has to be taken.
        skeleton: of the points; None = (T, D) features, of which infinite ones are taken.
    """
    if skeleton is None:
        infinite = np.isinf(points)
        if not infinite.any():
            return points, ""
        told = f"{infinite.sum()} of {points.size} numbers are taken as missing: they are infinite"
        return np.where(infinite, np.nan, points).astype(points.dtype), told
    good = within(points, skeleton)
    missing, kept = np.isnan(points), int(np.count_nonzero(good))
    # All other points are NaN throughout: nothing has to be taken.
    if np.count_nonzero(missing) == (good.size - kept) * points.shape[-1]:
        return points, ""
    total = good.size - int(np.count_nonzero(_all_of(missing)))
    far = int((seen(points) & ~good).sum())
    reach = f"beyond {skeleton.reach:g} {skeleton.unit} (in depth {skeleton.depth:g})"
    if far > kept:
        advice = f"give {skeleton.unit}"
        if skeleton.unit == FRACTIONS:
            advice += ", or pass --set scale=pixels where they are pixels"
        nothing = np.full_like(points, np.nan)
        return nothing, f"{far} of {total} points lie {reach}, so nothing is used: {advice}"
    broken = total - kept - far
    parts = [f"{broken} are not finite"] * (broken > 0) + [f"{far} lie {reach}"] * (far > 0)
    told = f"{total - kept} of {total} points are taken as missing: {' and '.join(parts)}"
    return np.where(good[..., None], points, np.nan).astype(points.dtype), told


def any_usable(
    points: np.ndarray, skeleton: Skeleton | None, joints: Sequence[int] | None = None
) -> bool:
    """Is there a point that can be used? Looks at the middle frame first, then at more.

    Args:
        points: (T, ..., J, C) of one clip.
        skeleton: of the points that are looked at; None = (T, D) features.
        joints: those that are looked at; None = all.
    """
    if skeleton is None:
        return bool(np.isfinite(points).any())

    def usable_in(frames: slice) -> bool:
        part = points[frames] if joints is None else points[frames][..., joints, :]
        return bool(within(part, skeleton).any())

    middle = len(points) // 2
    if usable_in(slice(middle, middle + 1)):
        return True
    starts = [0, *(8**power for power in range(1, len(points).bit_length() // 3 + 1))]
    return any(
        usable_in(slice(start, end))
        for start, end in zip(starts, [*starts[1:], len(points)], strict=True)
    )


def doubts(points: np.ndarray, skeleton: Skeleton) -> str:
    """What a file's points look like that they should not be, and what to pass; "" = nothing.

    Args:
        points: (..., J, C), NaN = missing.
        skeleton: of the points.
    """
    present = seen(points)
    axes = slice(0, 2 if skeleton.unit == FRACTIONS else 3)
    zero = present & (points[..., axes] == 0).all(axis=-1)
    told = []
    if zero.any():
        told.append(
            f"{zero.sum() / present.sum():.1%} of the points lie exactly at zero; where that means"
            " that they were not found, pass --set zeros=missing"
        )
    flat = np.abs(points[present & ~zero][:, :2])
    if skeleton.unit == FRACTIONS and flat.size and np.median(flat) > HIGHEST_MEDIAN:
        told.append(
            f"{(flat > HIGHEST_MEDIAN).mean():.1%} of x and y lie above {HIGHEST_MEDIAN:g} (median"
            f" {np.median(flat):.4g}), where fractions of the picture are expected; where they are"
            " pixels, pass --set scale=pixels"
        )
    return "; ".join(told)


@dataclass(frozen=True)
class FileNumbers:
    """What the numbers of a landmark file mean, where it does not say it.

    Attributes:
        zeros: `points` (a point at (0, 0) lies there) or `missing` (it was not found).
        scale: `fractions` of the picture, or `pixels`.
        width, height: of the picture, for pixels of files that do not say it; 0 = they do.
        on_jump: what happens to a clip whose body jumps, as when two people are in the picture:
            `keep` it, `split` it there and read its longest part, or `drop` it.

    Raises:
        SettingsError: for another value.
    """

    zeros: str = "points"
    scale: str = "fractions"
    width: int = 0
    height: int = 0
    on_jump: str = "keep"

    def __post_init__(self) -> None:
        choices: dict[str, tuple[str, ...]] = {
            "zeros": ("points", "missing"),
            "scale": ("fractions", "pixels"),
            "on_jump": ON_JUMP,
        }
        for key, allowed in choices.items():
            value = getattr(self, key)
            SettingsError.raise_if(
                value not in allowed, f"{key}={value!r} is unknown; choose {' or '.join(allowed)}"
            )
        for key in ("width", "height"):
            value = getattr(self, key)
            SettingsError.raise_if(value < 0, f"{key}={value}: give pixels, or 0 for unknown")

    def read(
        self, points: np.ndarray, skeleton: Skeleton, width: float = 0, height: float = 0
    ) -> np.ndarray:
        """The points as they are kept: fractions of the picture (or metres), NaN = missing.

        Args:
            points: (..., J, C) of a file.
            skeleton: of the points.
            width, height: of the picture in pixels, as the file or its manifest says; 0 = unknown.

        Raises:
            ClipError: for pixels of an unknown picture.
            SettingsError: for pixels of a skeleton in metres.
        """
        out = points
        if self.zeros == "missing":
            axes = slice(0, 2 if skeleton.unit == FRACTIONS else 3)
            zero = (points[..., axes] == 0).all(axis=-1)
            out = np.where(zero[..., None], np.nan, points).astype(points.dtype)
        if self.scale == "fractions":
            return out
        SettingsError.raise_if(
            skeleton.unit != FRACTIONS,
            f"scale=pixels: skeleton {skeleton.name!r} is in {skeleton.unit}; leave scale out",
        )
        width, height = self.width or width, self.height or height
        if not (width > 0 and height > 0):
            raise ClipError(
                "scale=pixels needs the picture's width and height, which nothing says: add the"
                " columns width and height to manifest.csv, or pass --set width=W height=H"
            )
        # Depth has the scale of x.
        sizes = np.ones(points.shape[-1])
        sizes[:3] = (width, height, width)[: len(sizes)]
        return (out / sizes).astype(points.dtype)
