"""Frames of a clip: read, scaled and written; `frame_choice` says which ones.

A clip is a video file, read through PyAV, or a folder of pictures (see `picture_folders`). One that
is missing, empty, cut off or damaged gives one `VideoError`; it never gives fewer frames than it
announces. Frames are counted from 0, in the order in which a player shows them.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from signlib import processes, reading
from signlib.data.frame_choice import Times, fraction, given, sample_indices, segment_frames
from signlib.data.manifest import RATE
from signlib.data.picture_folders import iter_pictures, pictures_in, read_picture
from signlib.errors import SettingsError, VideoError
from signlib.files import disk_error

Size = int | tuple[int, int] | None
FETCH_AGAIN = "fetch or copy the file again"
# Frames are evenly spaced where none is further from its place: many files count in milliseconds.
_EVEN = Fraction(1, 1000)


@dataclass(frozen=True)
class VideoInfo:
    """What a clip says of itself.

    Attributes:
        width, height: in pixels, after a phone's rotation.
        fps: frames a second; of a folder of pictures 25, unless the manifest says another rate.
        frames: how many.
    """

    width: int
    height: int
    fps: float
    frames: int


def probe(path: str | Path, fps: float | None = None) -> VideoInfo:
    """Size, rate and number of frames of a video file or a folder of pictures.

    Frames are decoded to count them only where the file does not say their number.

    Args:
        path: the clip.
        fps: the manifest's rate; a folder of pictures has it. A video file has its own.

    Raises:
        VideoError: for a file that is missing, empty, cut off, without video or without a frame; a
            folder without pictures, or one of whose numbers is missing.
    """
    path = Path(path)
    if path.is_dir():
        return _probe_pictures(pictures_in(path), fps)
    return _probed(path, _version(path))


def _version(path: Path) -> tuple[int, ...]:
    # What changes with a file's content; () of one that cannot be opened, which an error names.
    try:
        facts = path.stat()
    except OSError:
        return ()
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


# Many clips may be segments of one long recording; an error is raised anew each time.
@lru_cache(maxsize=256)
def _probed(path: Path, _state: tuple[int, ...]) -> VideoInfo:
    with _opened(path) as container:
        stream = container.streams.video[0]
        frames, rate = _announced(stream), _rate(stream, path)
        try:
            first = next(container.decode(stream), None)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(
                f"{path}: its first frame cannot be decoded ({_reason(error)}); {FETCH_AGAIN}"
            ) from None
        if first is None:
            raise VideoError(
                f"{path} holds no frame; {FETCH_AGAIN}, or leave the clip out of the manifest"
            )
        width, height = first.width, first.height
        if first.rotation % 180 == 90:
            width, height = height, width
    if not frames:
        frames = sum(1 for _ in _decoded(path))
    return VideoInfo(width, height, float(rate), frames)


def _probe_pictures(files: list[Path], fps: float | None) -> VideoInfo:
    height, width = read_picture(files[0]).shape[:2]
    return VideoInfo(width, height, RATE if fps is None or np.isnan(fps) else fps, len(files))


class Frames(Iterator[np.ndarray]):
    """The chosen frames of a clip, one after the other: (H, W, 3) uint8 RGB.

    Attributes:
        info: of the file.
        indices: (T,) which of its frames they are.
        length: frames of the segment, of which these are chosen or resampled.
        note: how the segment differs from what was asked for, "" = not at all.
    """

    def __init__(
        self,
        frames: Iterator[np.ndarray],
        *,
        info: VideoInfo,
        indices: np.ndarray,
        length: int,
        note: str,
    ) -> None:
        self._frames = frames
        self.info, self.indices, self.length, self.note = info, indices, length, note

    def __next__(self) -> np.ndarray:
        return next(self._frames)


def iter_frames(
    path: str | Path,
    start: int = 0,
    end: int = -1,
    fps: float | None = None,
    size: Size = None,
    *,
    sampling: str = "all",
    count: int | None = None,
    seed: int | None = None,
    segment_fps: float | None = None,
) -> Frames:
    """The chosen frames of a clip one after the other: (H, W, 3) uint8 RGB.

    Only one of them is in memory at a time. `sampling`, `count` and `seed` are as in
    `frame_choice.sample_indices`.

    Args:
        start, end: the segment in source frames, `end` exclusive and -1 = to the end; one that
            ends after the file ends with it, and the note says so.
        fps: resample to that rate, by the file's time stamps; None or NaN keeps the file's own. Of
            a folder of pictures it is the rate at which they were taken, and all of them are
            frames.
        size: (width, height), or the longest side in pixels (never enlarged); None keeps the file's
            own.
        segment_fps: frames a second at which `start` and `end` count; None or NaN = the file's.

    Raises:
        VideoError: as for `probe`, and when a frame that was announced cannot be decoded.
        SettingsError: for an unknown sampling, a missing count, an impossible size or rate.
    """
    path = Path(path)
    files = pictures_in(path) if path.is_dir() else []
    info = _probe_pictures(files, fps) if files else probe(path)
    by_time = given(fps) or (given(segment_fps) and (start, end) != (0, -1))
    times = _times(path, info.frames, _version(path)) if by_time and not files else None
    try:
        first, stop, note = segment_frames(info.frames, info.fps, start, end, segment_fps, times)
        indices = sample_indices(
            info.frames,
            info.fps,
            start=first,
            end=stop,
            fps=fps,
            sampling=sampling,
            count=count,
            seed=seed,
            times=times,
        )
    except VideoError as error:
        raise VideoError(f"{path}: {error}") from None
    target = _target(info, size)
    if files:
        shape = (info.width, info.height)
        frames = iter_pictures(files, indices.tolist(), shape, target)
    else:
        frames = _chosen(path, indices, target)
    return Frames(frames, info=info, indices=indices, length=stop - first, note=note)


def read_frames(
    path: str | Path,
    sampling: str = "all",
    count: int | None = None,
    start: int = 0,
    end: int = -1,
    fps: float | None = None,
    size: Size = None,
    seed: int | None = None,
    segment_fps: float | None = None,
) -> np.ndarray:
    """The chosen frames of a clip: (T, H, W, 3) uint8 RGB.

    Arguments and errors are as in `iter_frames`.
    """
    frames = iter_frames(
        path,
        start=start,
        end=end,
        fps=fps,
        size=size,
        sampling=sampling,
        count=count,
        seed=seed,
        segment_fps=segment_fps,
    )
    return np.stack(list(frames))


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write an H.264 file whole or not at all; the same frames give the same bytes.

    Args:
        frames: (H, W, 3) uint8 RGB each, all of one even-sided size.
        fps: frames a second.

    Raises:
        VideoError: for no frame, or frames of another type, size or odd sides.
        DiskError: when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = processes.temporary(path, path.suffix or ".mp4")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(temporary), "w") as container:
            _encode(container, frames, fps, path)
        os.replace(temporary, path)
    except (av.error.FFmpegError, OSError) as error:
        # FFmpeg's errors have the system's numbers and words, but not its type.
        raise disk_error(OSError(error.errno, error.strerror), path) from error
    finally:
        if temporary.exists():
            temporary.unlink()


def _encode(
    container: OutputContainer, frames: Iterable[np.ndarray], fps: float, path: Path
) -> None:
    stream: VideoStream | None = None
    shape: tuple[int, ...] = ()
    for number, frame in enumerate(frames):
        if stream is None:
            shape = frame.shape
            if frame.ndim != 3 or shape[2] != 3 or shape[0] % 2 or shape[1] % 2:
                raise VideoError(
                    f"{path}: frames of shape {shape}; H.264 wants (H, W, 3) with even H and W:"
                    " crop one row"
                )
            stream = container.add_stream("libx264", rate=fraction(fps))
            stream.height, stream.width = shape[:2]
            stream.pix_fmt = "yuv420p"
            # Without `cpu-independent` the bytes of small pictures depend on the processor, and on
            # chance.
            stream.options = {"crf": "18", "preset": "fast", "x264-params": "cpu-independent=1"}
            stream.codec_context.thread_count = 1
        if frame.shape != shape or frame.dtype != np.uint8:
            raise VideoError(
                f"{path}: frame {number} is {frame.dtype} {frame.shape}, the first one was uint8"
                f" {shape}"
            )
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        container.mux(stream.encode(picture))
    if stream is None:
        raise VideoError(f"{path}: no frames were given; write at least one")
    container.mux(stream.encode())


def _target(info: VideoInfo, size: Size) -> tuple[int, int]:
    # Width and height to decode to.
    if size is None:
        return info.width, info.height
    if isinstance(size, int):
        if size < 1:
            raise SettingsError(f"size={size} must be at least 1 pixel, or None for the file's own")
        scale = min(1.0, size / max(info.width, info.height))
        return max(1, round(info.width * scale)), max(1, round(info.height * scale))
    if len(size) != 2 or min(size) < 1:
        raise SettingsError(f"size={size!r} must be (width, height) of at least 1 pixel each")
    return size


def _chosen(path: Path, indices: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The frames at ascending `indices`, which may repeat.

    Frames between them are decoded but not converted.
    """
    remaining = iter(indices.tolist())
    index = next(remaining)
    for number, frame in enumerate(_decoded(path)):
        if number != index:
            continue
        picture = _picture(frame, size)
        while index == number:
            yield picture
            index = next(remaining, None)
        if index is None:
            return
    raise VideoError(
        f"{path}: frame {index} is missing although the file announces it; {FETCH_AGAIN}"
    )


def _picture(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    # A frame as (H, W, 3) uint8 RGB, turned upright; `size` is its width and height after that.
    turns = round(frame.rotation / 90) % 4
    width, height = size[::-1] if turns % 2 else size
    rgb = frame.reformat(
        width=width, height=height, format="rgb24", interpolation="AREA", threads=1
    ).to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, turns) if turns else rgb)


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    # Every frame in its order; errors and losses are raised, even where a decoder hides them.
    with _opened(path) as container:
        stream = container.streams.video[0]
        announced, length = _announced(stream), _seconds(container, stream)
        # Frames so far, the time of the last one, and the longest time between two of them.
        number, moment, gap = 0, 0.0, 0.0
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise VideoError(
                        f"{path}: frame {number} is damaged; {FETCH_AGAIN}, or end the clip"
                        " before it"
                    )
                yield frame
                number += 1
                if frame.time is not None:
                    moment, gap = frame.time, max(gap, frame.time - moment)
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(
                f"{path}: frame {number} of {announced or 'unknown'} cannot be decoded"
                f" ({_reason(error)}); {FETCH_AGAIN}, or end the clip before it"
            ) from None
    lost = announced and number < announced
    # Without a frame count the length in seconds must do: the last frame lasts about as long as
    # others.
    short = not announced and number > 1 and moment + 1.5 * gap < length
    if lost or short:
        promised = f"{announced} frames" if announced else f"{length:.2f} s"
        raise VideoError(
            f"{path} is cut off: it announces {promised}, frame {number} at {moment:.2f} s is the"
            f" last; {FETCH_AGAIN}"
        )


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    # The container, once it has a video stream and all the bytes that its index lists.
    if not path.is_file():
        raise VideoError(f"{path} does not exist; check the path, and `root` of the manifest")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes); {FETCH_AGAIN}")
    try:
        # Titles and the like may be in any coding; nobody reads them.
        container = av.open(str(path), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path} is no readable video, or its end is cut off ({_reason(error)}); {FETCH_AGAIN}"
        ) from None
    with container:
        if not container.streams.video:
            raise VideoError(
                f"{path} has no video stream; {FETCH_AGAIN}, or leave the clip out of the manifest"
            )
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise VideoError(
                f"{path} is coded in a way that is not known here; {FETCH_AGAIN}, or convert it to"
                " H.264"
            )
        try:
            reading.check_pixels(max(stream.width, 1), max(stream.height, 1))
        except reading.Unreadable as error:
            raise VideoError(f"{path}: {error}; make it smaller, or leave the clip out") from None
        # A later frame may say another size.
        stream.codec_context.options = {"max_pixels": str(reading.PIXELS)}
        needed = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
        if needed > path.stat().st_size:
            raise VideoError(
                f"{path} is cut off: {path.stat().st_size} bytes, its index needs {needed};"
                f" {FETCH_AGAIN}"
            )
        yield container


def _announced(stream: VideoStream) -> int:
    # How many frames the file promises, 0 where it does not say.
    entries = stream.index_entries
    # An edit list may hide some of the stored frames.
    if stream.frames and len(entries) == stream.frames:
        return sum(not entry.is_discard for entry in entries)
    return min(stream.frames, len(entries)) if len(entries) > 1 else stream.frames


def _rate(stream: VideoStream, path: Path) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    if not rate:
        raise VideoError(
            f"{path} does not say its frame rate; write it again with one, e.g. at 25 frames a"
            " second"
        )
    return rate


# Few: the times of an hour take some megabytes.
@lru_cache(maxsize=4)
def _times(path: Path, frames: int, _state: tuple[int, ...]) -> Times | None:
    # Of a file; None where its frames are evenly spaced, or it does not say it of each. Nothing is
    # decoded.
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate, unit = _rate(stream, path), stream.time_base
        stamps: list[tuple[int, int]] = []
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and not packet.is_discard:
                    stamps.append((packet.pts, packet.duration or 0))
        except (av.error.FFmpegError, OSError):
            # Whoever decodes the frames says which one is damaged.
            return None
    if len(stamps) != frames or not unit:
        return None
    stamps.sort()
    begin = stamps[0][0]
    # Each in its place, |stamp * unit - number / rate| <= slack: in whole numbers, many times
    # faster.
    slack = max(unit, _EVEN)
    whole = unit.denominator * rate.numerator * slack.denominator
    stamp_step, frame_step, most = int(unit * whole), int(whole / rate), int(slack * whole)
    if all(
        abs((stamp - begin) * stamp_step - number * frame_step) <= most
        for number, (stamp, _) in enumerate(stamps)
    ):
        return None
    times = [(stamp - begin) * unit for stamp, _ in stamps]
    last = stamps[-1][1] * unit or times[-1] - times[-2]
    return Times(times, times[-1] + last, unit)


def _seconds(container: InputContainer, stream: VideoStream) -> float:
    # How long the pictures last, 0.0 where the file does not say (sound may last longer).
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0


def _reason(error: av.error.FFmpegError | OSError) -> str:
    return error.strerror or str(error)
