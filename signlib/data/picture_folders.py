"""A folder of numbered pictures (png, jpg) as a clip.

A picture that is missing, damaged, cut off or of another size gives one `VideoError`, as a broken
video does. A folder does not say its frame rate: the manifest does, else it is
`manifest.RATE`.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import cv2
import numpy as np

from signlib import reading
from signlib.data.frame_choice import PICTURE_SUFFIXES, is_picture
from signlib.errors import VideoError

# What the bytes of a picture file start with, and what is near their end unless they were cut off.
_FORMS = {b"\x89PNG": b"IEND", b"\xff\xd8": b"\xff\xd9"}
_DIGITS = re.compile(r"(\d+)")


def pictures_in(folder: str | Path) -> list[Path]:
    """The pictures of a clip in the order of their numbers: 2 before 10.

    Raises:
        VideoError: for a folder without pictures, or whose numbers show that one is missing or
            there twice. Numbers may go up in steps of any size, all the same.
    """
    folder = Path(folder)
    files = sorted((f for f in folder.iterdir() if is_picture(f.name)), key=_natural)
    if not files:
        raise VideoError(
            f"{folder} holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))}); fetch or copy the"
            " folder again, or leave the clip out of the manifest"
        )
    numbers = _numbers(files)
    steps = [after - before for before, after in pairwise(numbers)]
    smallest = min(filter(None, steps), default=0)
    for step, (before, after) in zip(steps, pairwise(files), strict=False):
        if step == 0:
            raise VideoError(
                f"{folder}: {before.name} and {after.name} have the same number; delete one of them"
            )
        if step > smallest:
            raise VideoError(
                f"{folder}: a picture is missing between {before.name} and {after.name}; fetch or"
                " copy the folder again, or number its pictures anew"
            )
    return files


def read_picture(path: Path) -> np.ndarray:
    """A picture file as (H, W, 3) uint8 RGB.

    One of 16 bits is taken as millimetres and becomes a depth picture.

    Raises:
        VideoError: for a file that is missing, cut off, damaged or no picture.
    """
    try:
        data = reading.regular(path, reading.TEXT_BYTES).read_bytes()
    except OSError as error:
        raise VideoError(f"{path} cannot be read ({error.strerror}); fetch it again") from None
    except reading.Unreadable as error:
        raise VideoError(f"{path}: {error}; make it smaller or leave the clip out") from None
    ending = next((end for start, end in _FORMS.items() if data.startswith(start)), None)
    if ending is None:
        raise VideoError(
            f"{path} is not a picture that can be read; fetch it again or leave the clip out"
        )
    # OpenCV fills what a picture that was cut off lacks, and says nothing.
    picture = None
    if ending in data[-64:]:
        flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR
        try:
            picture = reading.picture(np.frombuffer(data, np.uint8), flags)
        except reading.Unreadable as error:
            raise VideoError(
                f"{path} is damaged or cut off: {error}; fetch it again, or make it smaller"
            ) from None
    if picture is None:
        raise VideoError(f"{path} is damaged or cut off; fetch it again")
    if picture.dtype == np.uint16:
        # Depth cameras write millimetres.
        return depth_picture(picture[..., 0])
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def iter_pictures(
    files: list[Path], indices: Iterable[int], source: tuple[int, int], size: tuple[int, int]
) -> Iterator[np.ndarray]:
    """The pictures at ascending `indices`, which may repeat: (H, W, 3) uint8 RGB each.

    Args:
        files: of the clip, in order.
        indices: which of them.
        source: width and height that each file must have.
        size: width and height to give them.

    Raises:
        VideoError: as for `read_picture`, and for a file of another size.
    """
    # What shrinks is averaged, which keeps it free of patterns; what grows is interpolated.
    shrinks = size[0] * size[1] <= source[0] * source[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    for index, repeats in groupby(indices):
        picture = read_picture(files[index])
        height, width = picture.shape[:2]
        if (width, height) != source:
            raise VideoError(
                f"{files[index]} has another size than the clip's first picture: {width} x"
                f" {height}, not {source[0]} x {source[1]}; fetch the clip again"
            )
        if size != source:
            picture = cv2.resize(picture, size, interpolation=interpolation).astype(np.uint8)
        for _ in repeats:
            yield picture


def depth_picture(depth: np.ndarray, hips: float | None = None) -> np.ndarray:
    """A depth frame as the depth videos of AUTSL show it: (H, W, 3) uint8, three equal channels.

    Brighter is farther; the room and what was not measured are black.

    Args:
        depth: (H, W) millimetres, 0 = nothing measured.
        hips: millimetres from camera to hips (1000 times `Signer.distance`): levels run from 700
            before to 260 behind them, farther away is cut off as in AUTSL. None: from 800 to 4000
            mm, nothing is cut off.
    """
    near, far = (800.0, 4000.0) if hips is None else (hips - 700, hips + 260)
    level = (depth.astype(np.float32) - np.float32(near)) * np.float32(254 / (far - near))
    level += np.float32(1.5)
    np.clip(level, 1, 255, out=level)
    level[(depth == 0) | (depth > far)] = 0
    return np.repeat(level.astype(np.uint8)[..., None], 3, -1)


def _natural(path: Path) -> tuple[list[str | int], str]:
    # Text and numbers in turn; the whole name decides between 1.png and 01.png.
    parts = _DIGITS.split(path.stem)
    return [int(part) if part.isdecimal() else part for part in parts], path.name


def _numbers(files: list[Path]) -> list[int]:
    # The one number by which the names differ; none where they differ by more or by words.
    names = [_DIGITS.split(file.stem) for file in files]
    if len({tuple(parts[::2]) for parts in names}) > 1:
        return []
    columns = list(zip(*([int(part) for part in parts[1::2]] for parts in names), strict=True))
    differing = [column for column in columns if len(set(column)) > 1]
    if len(differing) > 1:
        return []
    # Where no number differs two files share theirs, such as 1.png and 01.png.
    return list(*differing or columns[:1])
