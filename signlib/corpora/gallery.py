"""A few pictures of a clip, whatever its corpus offers: colour, depth, landmarks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from signlib import paths
from signlib.corpora.clips import (
    GENERATED,
    VIDEO_READERS,
    corpus_root,
    generated_world,
    load_corpus,
)
from signlib.data import ntu60
from signlib.data.skeletons import NTU_25, Skeleton
from signlib.data.video import probe, read_frames, sample_indices
from signlib.errors import ClipError
from signlib.extraction.filming import COLOUR, DEPTH, FILES, pictures_in, read_picture
from signlib.features.actors import main_actors
from signlib.settings import config
from signlib.synthesis.appearance import look_of
from signlib.synthesis.render import depth_picture, render

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


def clip_strip(settings: config.DataSettings, row: Any, count: int = 6, size: int = 192) -> Strip:
    """Pictures of one clip of the corpus that the settings name.

    Args:
        settings: which corpus.
        row: of its manifest, as `itertuples` gives it.
        count: how many moments.
        size: of the pictures, pixels of the longer side.

    Raises:
        InputError: for a file that is there and cannot be read.
    """
    if settings.corpus in VIDEO_READERS:
        return _filmed(corpus_root(settings), row, count, size)
    source = load_corpus(settings)
    points = source.read(row.clip)
    frames = _moments(len(points), count)
    known = getattr(row, "width", 0) and getattr(row, "height", 0)
    aspect = row.width / row.height if known else 1.0
    rows = {LANDMARKS: [points[t] for t in frames]}
    if settings.corpus in GENERATED:
        rows = _rendered(settings, row, frames, size) | rows
    return Strip(frames, rows, source.skeleton, aspect)


def clip_frames(settings: config.DataSettings, table: pd.DataFrame) -> pd.Series:
    """How many frames each clip of a manifest has, by clip; clips whose file is not there are left
    out.

    Raises:
        InputError: for a file that is there and cannot be read.
    """
    if settings.corpus not in VIDEO_READERS:
        source = load_corpus(settings)
        return pd.Series({clip: len(source.read(clip)) for clip in table["clip"]}, dtype=int)
    root, found = corpus_root(settings), {}
    for row in table.itertuples():
        path = paths.inside(root, row.file) if row.file else None
        if path is None or not path.exists():
            continue
        if path.suffix == ".skeleton":
            found[row.clip] = len(ntu60.read_skeleton(path).joints)
        elif path.is_dir():
            found[row.clip] = len(pictures_in(path))
        else:
            found[row.clip] = len(sample_indices(probe(path).frames, start=row.start, end=row.end))
    return pd.Series(found, dtype=int)


def _moments(length: int, count: int) -> list[int]:
    return sample_indices(length, sampling="linspace", count=count).tolist()


def _rendered(
    settings: config.DataSettings, row: Any, frames: list[int], size: int
) -> dict[str, list[np.ndarray]]:
    world = generated_world(settings)
    seated, whole = world.seated(row.clip), world.performance(row.clip)
    made = list(render(whole.at(frames), seated, look_of(world, row.signer), size, size))
    away = 1000 * seated.distance
    return {
        COLOUR: [colour for colour, _ in made],
        DEPTH: [depth_picture(depth, away) for _, depth in made],
    }


def _filmed(root: Path, row: Any, count: int, size: int) -> Strip:
    rows: dict[str, list[np.ndarray]] = {}
    frames: list[int] = []
    kept = None
    for kind, column in FILES.items():
        path = paths.inside(root, getattr(row, column, "")) if getattr(row, column, "") else None
        if path is None or not path.exists():
            continue
        if path.suffix == ".skeleton":
            points = _kinect(path)
            frames = _moments(len(points), count)
            rows[LANDMARKS], kept = [points[t] for t in frames], NTU_25
        elif path.is_dir():
            pictures = pictures_in(path)
            if not pictures:
                continue
            frames = _moments(len(pictures), count)
            rows[kind] = [_picture(pictures[t], size) for t in frames]
        else:
            rows[kind] = list(
                read_frames(path, "linspace", count, start=row.start, end=row.end, size=size)
            )
            frames = sample_indices(
                probe(path).frames, start=row.start, end=row.end, sampling="linspace", count=count
            ).tolist()
    first = next((pictures[0] for kind, pictures in rows.items() if kind != LANDMARKS), None)
    return Strip(frames, rows, kept, 1.0 if first is None else first.shape[1] / first.shape[0])


def _picture(path: Path, size: int) -> np.ndarray:
    picture = read_picture(path)
    if picture is None:
        raise ClipError(
            f"{path} is not a picture that can be read; fetch it again or leave the clip out"
        )
    scale = min(1.0, size / max(picture.shape[:2]))
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _kinect(path: Path) -> np.ndarray:
    """(T, 25, 2) of who moves most, as fractions of a picture that holds all of it."""
    xy = main_actors(ntu60.read_skeleton(path).joints, 1)[:, 0, :, :2] * (1, -1)
    low, high = np.nanmin(xy, axis=(0, 1)), np.nanmax(xy, axis=(0, 1))
    return 0.5 + 0.9 * (xy - (low + high) / 2) / (high - low).max()
