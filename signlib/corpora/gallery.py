"""A few pictures of a clip, whatever its corpus offers: colour, depth, landmarks, skeletons."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from signlib import paths
from signlib.corpora.clips import load_corpus
from signlib.corpora.corpus import ClipRow, Corpus
from signlib.corpora.registry import corpus_of
from signlib.data import ntu60
from signlib.data.frame_choice import sample_indices, segment_of
from signlib.data.skeletons import NTU_25, Skeleton
from signlib.data.video import iter_frames
from signlib.extraction.filming import FILES
from signlib.features.actors import main_actors
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource

LANDMARKS = "landmarks"
# How files of NTU RGB+D end.
SKELETON = ".skeleton"


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
    """Pictures of one clip of the corpus that the settings name; of action corpora who moves most.

    Args:
        settings: which corpus.
        row: of its manifest, as `itertuples` gives it.
        count: how many moments.
        size: of the pictures, pixels of the longer side.

    Raises:
        InputError: for a file that is there and cannot be read.
    """
    corpus = corpus_of(settings)
    if corpus.has_files and row.file:
        return _filmed(corpus.root(settings), row, count, size)
    source = _source(corpus, settings)
    points = source.read(row.clip)
    if corpus.kind == "skeletons":
        return _acting(points[:, 0], source.skeleton, count)
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
    if not _in_files(corpus, table):
        source = _source(corpus, settings)
        return pd.Series({clip: len(source.read(clip)) for clip in table["clip"]}, dtype=int)
    root, lengths = corpus.root(settings), {}
    for row in table.itertuples():
        path = _file(root, row.file)
        if path is not None:
            lengths[row.clip] = _length(path, row)
    return pd.Series(lengths, dtype=int)


def _in_files(corpus: Corpus, table: pd.DataFrame) -> bool:
    # Some corpora come either as a file a clip or as one array of all clips.
    return corpus.has_files and (table["file"] != "").any()


def _source(corpus: Corpus, settings: DataSettings) -> ClipSource:
    # The clips of a corpus without a file each.
    return corpus.clips(settings) if corpus.kind == "skeletons" else load_corpus(settings)


def _file(root: Path, name: object) -> Path | None:
    # The file or folder that a manifest names, where it is there.
    path = paths.inside(root, name) if isinstance(name, str) and name else None
    return path if path is not None and path.exists() else None


def _length(path: Path, row: ClipRow) -> int:
    if path.suffix == SKELETON:
        return len(ntu60.read_skeleton(path).joints)
    return iter_frames(path, **segment_of(row)).length


def _moments(length: int, count: int) -> list[int]:
    return sample_indices(length, sampling="linspace", count=count).tolist()


def _acting(joints: np.ndarray, skeleton: Skeleton, count: int) -> Strip:
    """Who acts, as fractions of a picture that holds all of the clip.

    Args:
        joints: (T, J, 3) metres, y up.
        skeleton: of the joints.
        count: how many moments.
    """
    frames = _moments(len(joints), count)
    if np.isnan(joints).all():
        return Strip(frames, {}, skeleton, 1.0)
    # Metres point up, rows of a picture down.
    xy = joints[..., :2] * (1, -1)
    low, high = np.nanmin(xy, axis=(0, 1)), np.nanmax(xy, axis=(0, 1))
    points = 0.5 + 0.9 * (xy - (low + high) / 2) / (high - low).max()
    return Strip(frames, {LANDMARKS: [points[t] for t in frames]}, skeleton, 1.0)


def _filmed(root: Path, row: ClipRow, count: int, size: int) -> Strip:
    rows: dict[str, list[np.ndarray]] = {}
    frames: list[int] = []
    for kind, column in FILES.items():
        path = _file(root, getattr(row, column, ""))
        if path is None:
            continue
        if path.suffix == SKELETON:
            return _acting(main_actors(ntu60.read_skeleton(path).joints, 1)[:, 0], NTU_25, count)
        film = iter_frames(path, **segment_of(row), sampling="linspace", count=count, size=size)
        rows[kind] = list(film)
        frames = film.indices.tolist()
    first = next(iter(rows.values()), [np.empty((1, 1, 3))])[0]
    return Strip(frames, rows, None, first.shape[1] / first.shape[0])
