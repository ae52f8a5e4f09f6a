"""Which frames of a film make a clip: segments, rates and samples, by number or by time.

Nothing is decoded here. Frames are counted from 0, in the order in which a player shows them.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypedDict, TypeGuard

import numpy as np
import pandas as pd

from signlib.data.manifest import FASTEST, SEGMENT_FPS, SLOWEST
from signlib.errors import SettingsError, VideoError

VIDEO_SUFFIXES = frozenset(
    ".mp4 .avi .mov .mkv .webm .m4v .mpg .mpeg .3gp .wmv .flv .ts .gif".split()
)
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
SAMPLINGS = ("all", "linspace", "contiguous")
# Frames that a clip may have once it was resampled by time stamps: a damaged one is years away.
_MOST_STEPS = 10**6


def is_picture(name: str) -> bool:
    """True for the name of a picture file; hidden ones are none (a Mac leaves `._1.png`)."""
    return Path(name).suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".")


class SegmentRow(Protocol):
    """A row of a manifest, of which a clip is the frames from `start` to `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class Times:
    """When the frames of a file are shown, in seconds after the first.

    Attributes:
        begins: when each begins, rounded to units.
        end: when the last one ends.
        unit: in which the file counts.
    """

    begins: list[Fraction]
    end: Fraction
    unit: Fraction

    def shown(self, moment: Fraction) -> int:
        """The frame that is shown at a moment; as many as there are, when none is any more."""
        frames = len(self.begins)
        return (
            frames if moment >= self.end else bisect_right(self.begins, moment + self.unit / 2) - 1
        )

    def before(self, moment: Fraction) -> int:
        """How many frames begin before a moment; one more than there are, when all have ended."""
        frames = len(self.begins)
        over = moment > self.end + self.unit
        return frames + 1 if over else bisect_left(self.begins, moment - self.unit / 2)

    def ends(self, frame: int) -> Fraction:
        """When a frame ends; the end of the last one was rounded twice."""
        later = frame + 1
        return self.begins[later] if later < len(self.begins) else self.end - self.unit


def sample_indices(
    frames: int,
    rate: float | None = None,
    *,
    start: int = 0,
    end: int = -1,
    fps: float | None = None,
    sampling: str = "all",
    count: int | None = None,
    seed: int | None = None,
    segment_fps: float | None = None,
    times: Times | None = None,
) -> np.ndarray:
    """Which source frames make a clip: (T,) int64, ascending.

    The segment is cut first, then resampled to `fps` (frame k shows the source at k / fps seconds),
    then sampled. A segment shorter than `count` repeats frames: evenly (linspace) or its last
    (contiguous).

    Args:
        frames: of the source, >= 1.
        rate: of the source, frames a second; needed with `fps` and `segment_fps`.
        start, end: the segment, `end` exclusive and -1 = to the last frame; one that ends after
            the source ends with it.
        fps: resample to that rate; None or NaN keeps the source's.
        sampling: `all`; `linspace` (`count` evenly spaced frames, both ends included); or
            `contiguous` (`count` successive frames: the middle ones, or a random window with a
            `seed`).
        segment_fps: frames a second at which `start` and `end` count, where that is not the
            source's rate: the segment is all frames that are shown between the two; None or NaN =
            the source's.
        times: when each frame is shown, where frames are not evenly spaced.

    Raises:
        VideoError: when the segment does not begin within the source.
        SettingsError: for an unknown sampling, a missing count or an impossible rate.

    >>> sample_indices(10, sampling="linspace", count=4).tolist()
    [0, 3, 6, 9]
    >>> sample_indices(6, rate=30, fps=15).tolist()
    [0, 2, 4]
    >>> sample_indices(6, rate=30, start=2, end=4, segment_fps=25).tolist()
    [2, 3, 4]
    """
    if sampling not in SAMPLINGS:
        raise SettingsError(f"sampling={sampling!r} is unknown; choose from {', '.join(SAMPLINGS)}")
    if sampling != "all" and (count is None or count < 1):
        raise SettingsError(f"sampling={sampling!r} needs a count of at least 1 frame, not {count}")
    first, stop, _ = segment_frames(frames, rate, start, end, segment_fps, times)
    chosen = np.arange(first, stop)
    if given(fps):
        chosen = _resampled(chosen, fraction(_possible(rate, fps)), fraction(fps), times)
    if sampling == "all" or count is None:
        return chosen
    if sampling == "linspace":
        # Halves go up; `round` would take the even one.
        nearest = np.floor(np.linspace(0, len(chosen) - 1, count) + 0.5)
        return chosen[nearest.astype(np.int64)]
    spare = max(len(chosen) - count, 0)
    first = spare // 2 if seed is None else int(np.random.default_rng(seed).integers(spare + 1))
    return chosen[np.minimum(first + np.arange(count), len(chosen) - 1)]


def given(rate: float | None) -> TypeGuard[float]:
    """Is there a rate? In a manifest NaN means none."""
    return rate is not None and not np.isnan(rate)


def _possible(rate: float | None, asked: float) -> float:
    # The rate of a source, once it and the rate that is asked for are usable.
    if not SLOWEST <= asked <= FASTEST or rate is None or not rate > 0:
        raise SettingsError(
            f"fps={asked} from a source of {rate} frames a second: fps must lie within"
            f" {SLOWEST}..{FASTEST}, and the source's rate be known"
        )
    return rate


def segment_frames(
    frames: int,
    rate: float | None,
    start: int,
    end: int,
    segment_fps: float | None = None,
    times: Times | None = None,
) -> tuple[int, int, str]:
    """First frame of a segment, the one after its last, and a note where it was cut ("" = not).

    Arguments and errors are as in `sample_indices`.
    """
    first, stop = start, frames if end == -1 else end
    counted = ""
    if given(segment_fps):
        ours, theirs = fraction(_possible(rate, segment_fps)), fraction(segment_fps)
        counted = f" at {segment_fps:g} frames a second"
        begin = Fraction(max(start, 0)) / theirs
        # The frame that is shown when the segment begins, and those that begin before it ends.
        over = Fraction(end) / theirs
        first = times.shown(begin) if times else int(begin * ours // 1)
        if end != -1:
            stop = times.before(over) if times else -int(-over * ours // 1)
    if start < 0 or first >= frames:
        raise VideoError(
            f"start={start}{counted} lies outside the video's {frames} frames; use 0..{frames - 1},"
            " or --cut (data.cut=true) where the films were cut to their clips already"
        )
    if end != -1 and end <= start:
        raise VideoError(f"end={end} must be above start={start}; -1 = to the end")
    note = ""
    if stop > frames:
        note = f"its segment ends at frame {end}{counted}, after the file's {frames}: cut there"
    return first, min(stop, frames), note


def _resampled(
    chosen: np.ndarray, rate: Fraction, fps: Fraction, times: Times | None
) -> np.ndarray:
    # The frames of a segment, at `fps` frames a second.
    if times:
        begin = times.begins[chosen[0]]
        steps = -int(-(times.ends(int(chosen[-1])) - begin) * fps // 1)
        if steps > _MOST_STEPS:
            raise VideoError(
                f"its time stamps run over {float(times.end):.6g} s, which makes {steps} frames at"
                f" {float(fps):g} a second (at most {_MOST_STEPS}); write the file again, or leave"
                " out fps"
            )
        shown = (times.shown(begin + k / fps) for k in range(steps))
        return np.array([min(frame, chosen[-1]) for frame in shown], np.int64)
    # Fractions, because 24.999... frames must not floor to one frame earlier.
    step = rate / fps
    # Rounded up: every step that begins within the segment.
    steps = -(-len(chosen) * step.denominator // step.numerator)
    return chosen[[k * step.numerator // step.denominator for k in range(steps)]]


class Segment(TypedDict):
    """Which part of a file a clip is: arguments of `iter_frames`."""

    start: int
    end: int
    segment_fps: float | None


def segment_of(row: SegmentRow) -> Segment:
    """The segment that a row of a manifest names."""
    return {"start": row.start, "end": row.end, "segment_fps": getattr(row, SEGMENT_FPS, None)}


def chosen_by_time(table: pd.DataFrame, resampled: bool = True) -> dict[str, str]:
    """What a store says of a manifest whose frames are chosen by time, {} where they are counted.

    Stores made before that chose other frames of the same manifest.

    Args:
        table: the manifest.
        resampled: the store's clips are resampled to `fps`.
    """
    told = {}
    if SEGMENT_FPS in table:
        parts = (table["start"] != 0) | (table["end"] != -1)
        if (parts & table[SEGMENT_FPS].notna()).any():
            told["segments"] = "by time"
    # The frames of a folder of pictures have no other rate than this one.
    films = table["file"].map(lambda file: Path(file).suffix.lower() in VIDEO_SUFFIXES)
    if resampled and (films & table["fps"].notna()).any():
        told["resampling"] = "by time stamps"
    return told


def fraction(rate: float) -> Fraction:
    """A rate in whole numbers: 29.97002997 is 30000/1001, so that no frame is one too early."""
    return Fraction(rate).limit_denominator(100_000)
