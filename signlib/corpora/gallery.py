"""A few pictures of a clip, whatever its corpus offers: colour, depth, landmarks."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from signlib import paths
from signlib.corpora.clips import load_corpus
from signlib.corpora.corpus import ClipRow
from signlib.corpora.registry import corpus_of
from signlib.data import ntu60
from signlib.data.skeletons import NTU_25, Skeleton
from signlib.data.video import probe, read_frames, sample_indices
from signlib.errors import ClipError
from signlib.extraction.filming import FILES, pictures_in, read_picture
from signlib.features.actors import main_actors
from signlib.settings.base import DataSettings

LANDMARKS = "landmarks"


@dataclass(frozen=True)
class Strip:
    """Evenly spaced moments of one clip.

    Attributes:
        frames: their numbers.
        rows: kind -> pictures (H, W, 3) uint8, or points (J, C) as fractions of the picture; a kind
            that the corpus does not have, or whose file is not there, is left out.
        skeleton: of the points; None without any.
        aspect: width / height of the picture.
    """

    frames: list[int]
    rows: dict[str, list[np.ndarray]]
    skeleton: Skeleton | None
    aspect: float


def clip_strip(settings: DataSettings, row: ClipRow, count: int = 6, size: int = 192) -> Strip:
    """Pictures of one clip of the corpus that the settings name.

    Args:
        settings: which corpus.
        row: of its manifest, as `itertuples` gives it.
        count: how many moments.
        size: of the pictures, pixels of the longer side.

    Raises:
        InputError: for a file that is there and cannot be read.
    """
    corpus = corpus_of(settings)
    if corpus.has_files:
        return _filmed(corpus.root(settings), row, count, size)
    source = load_corpus(settings)
    points = source.read(row.clip)
    frames = _moments(len(points), count)
    width, height = getattr(row, "width", 0), getattr(row, "height", 0)
    aspect = width / height if width and height else 1.0
    rows = corpus.pictures(settings, row, frames, size)
    rows[LANDMARKS] = [points[t] for t in frames]
    return Strip(frames, rows, source.skeleton, aspect)


def clip_frames(settings: DataSettings, table: pd.DataFrame) -> pd.Series:
    """How many frames each clip of a manifest has, by clip.

    Clips whose file is not there are left out.

    Raises:
        InputError: for a file that is there and cannot be read.
    """
    corpus = corpus_of(settings)
    if not corpus.has_files:
        source = load_corpus(settings)
        return pd.Series({clip: len(source.read(clip)) for clip in table["clip"]}, dtype=int)
    root, lengths = corpus.root(settings), {}
    for row in table.itertuples():
        path = _file(root, row, "file")
        if path is not None:
            lengths[row.clip] = _length(path, row)
    return pd.Series(lengths, dtype=int)


def _file(root: Path, row: ClipRow, column: str) -> Path | None:
    # The file or folder that a column names, where it is there.
    name = getattr(row, column, "")
    path = paths.inside(root, name) if name else None
    return path if path is not None and path.exists() else None


def _length(path: Path, row: ClipRow) -> int:
    if path.suffix == ".skeleton":
        return len(ntu60.read_skeleton(path).joints)
    if path.is_dir():
        return len(pictures_in(path))
    return len(sample_indices(probe(path).frames, start=row.start, end=row.end))


def _moments(length: int, count: int) -> list[int]:
    return sample_indices(length, sampling="linspace", count=count).tolist()


def _filmed(root: Path, row: ClipRow, count: int, size: int) -> Strip:
    rows: dict[str, list[np.ndarray]] = {}
    frames: list[int] = []
    drawn = None
    for kind, column in FILES.items():
        path = _file(root, row, column)
        if path is None:
            continue
        if path.suffix == ".skeleton":
            # Who moves most, as fractions of a picture that holds all of it.
            # Metres point up, rows of a picture down.
            xy = main_actors(ntu60.read_skeleton(path).joints, 1)[:, 0, :, :2] * (1, -1)
            low, high = np.nanmin(xy, axis=(0, 1)), np.nanmax(xy, axis=(0, 1))
            points = 0.5 + 0.9 * (xy - (low + high) / 2) / (high - low).max()
            frames = _moments(len(points), count)
            rows[LANDMARKS], drawn = [points[t] for t in frames], NTU_25
        elif path.is_dir():
            pictures = pictures_in(path)
            if not pictures:
                continue
            frames = _moments(len(pictures), count)
            rows[kind] = [_picture(pictures[t], size) for t in frames]
        else:
            cut = {"start": row.start, "end": row.end}
            rows[kind] = list(read_frames(path, "linspace", count, size=size, **cut))
            chosen = sample_indices(probe(path).frames, sampling="linspace", count=count, **cut)
            frames = chosen.tolist()
    first = next((pictures[0] for kind, pictures in rows.items() if kind != LANDMARKS), None)
    aspect = 1.0 if first is None else first.shape[1] / first.shape[0]
    return Strip(frames, rows, drawn, aspect)


def _picture(path: Path, size: int) -> np.ndarray:
    picture = read_picture(path)
    if picture is None:
        raise ClipError(
            f"{path} is not a picture that can be read; fetch it again or leave the clip out"
        )
    scale = min(1.0, size / max(picture.shape[:2]))
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
