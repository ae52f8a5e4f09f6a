"""Clips to landmarks: one of them, or every clip of a manifest into a store.

One MediaPipe graph a worker process; results are written in manifest order, so the store is the
same bytes with any number of workers and after any interruption.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from signlib import paths
from signlib.data import manifest as manifests
from signlib.data.frame_choice import VIDEO_SUFFIXES, chosen_by_time, segment_of
from signlib.data.origins import Files
from signlib.data.skeletons import skeleton
from signlib.data.video import iter_frames
from signlib.errors import ClipError, InputError, joined
from signlib.extraction import exchange, frozen_files, quality
from signlib.extraction.holistic import Holistic, LandmarkSettings
from signlib.extraction.registry import Extractor, Source
from signlib.extraction.shards import WHOLE, part_of
from signlib.extraction.workers import ClipRow, Extracted, check_workers, fill, in_order
from signlib.features.oddities import examined
from signlib.stores.store import EXTRACTION, PICTURES_META, FeatureStore, StoredClip
from signlib.stores.writer import StoreWriter


class LandmarkExtractor(Extractor[exchange.SourceSettings, FeatureStore]):
    """Videos, or landmark files of other tools, to a store of landmarks."""

    settings = exchange.SourceSettings

    def extract(
        self,
        source: Source,
        out: Path,
        settings: exchange.SourceSettings,
        *,
        workers: int,
        shard: tuple[int, int],
        retry_failed: bool,
    ) -> FeatureStore:
        """The store of a source's landmarks; see `registry.Extractor`."""
        folder = source.path
        if folder.is_dir() and frozen_files.holds(folder, frozen_files.LANDMARKS):
            _ = settings.filming  # refuses what is said of other files
            return frozen_files.import_landmarks(folder, out)
        beside, first = 0, folder
        if folder.is_dir():
            file = folder / "manifest.csv"
            listed = manifests.load_manifest(file) if file.is_file() else None
            named = listed is not None and exchange.landmark_files(listed, str(file))
            beside, first, films = _files_in(folder)
            if named or (first.parent == folder and beside and not films):
                if listed is not None and source.cut:
                    listed = manifests.whole_files(listed)
                store = exchange.import_folder(folder, out, listed, settings.numbers)
                told = exchange.left_out(folder, store)
                if told:
                    print(told, file=sys.stderr)
                return store
        table, root = source.videos()
        if beside:
            print(
                f"{beside:,} .npy or .pose files beside the videos are left out (first {first}); to"
                " take them, name them in the column 'file' of a manifest.csv",
                file=sys.stderr,
            )
        return extract_manifest(
            table,
            root,
            out,
            settings.filming,
            workers=workers,
            shard=shard,
            retry_failed=retry_failed,
        )


def _files_in(folder: Path) -> tuple[int, Path, bool]:
    # How many landmark files a folder holds and the first one, its own before those of folders in
    # it; and whether it holds videos. Hidden folders and our own stores hold none of them.
    count, first, films = 0, folder, False
    for path, folders, files in os.walk(folder):
        if path != str(folder) and not {EXTRACTION, PICTURES_META}.isdisjoint(files):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = sorted(name for name in files if not name.startswith("."))
        kinds = [os.path.splitext(name)[1] for name in shown]
        ours = [name for name, kind in zip(shown, kinds, strict=True) if kind in exchange.SUFFIXES]
        if ours and not count:
            first = Path(path, ours[0])
        count += len(ours)
        films = films or any(kind.lower() in VIDEO_SUFFIXES for kind in kinds)
    return count, first, films


def extract_video(
    path: str | Path,
    settings: LandmarkSettings | None = None,
    start: int = 0,
    end: int = -1,
    fps: float | None = None,
) -> np.ndarray:
    """The points of one clip: (T, J, 4) float32; NaN = not found.

    J = 543 unless `settings.parts` has fewer.

    Args:
        path: a video file or a folder of pictures.
        settings: what to look for and how.
        start, end: the segment in source frames, `end` exclusive and -1 = to the end.
        fps: resample to that rate; None or NaN keeps the file's (see `iter_frames`).

    Raises:
        VideoError: when the file or the segment cannot be read.
    """
    settings = settings or LandmarkSettings()
    with Holistic(settings) as engine:
        return engine.points(iter_frames(path, start, end, fps=fps, size=settings.max_side))


def extract_manifest(
    manifest: pd.DataFrame,
    root: str | Path,
    out: str | Path,
    settings: LandmarkSettings | None = None,
    workers: int = 1,
    shard: tuple[int, int] = WHOLE,
    progress: bool = True,
    retry_failed: bool = False,
) -> FeatureStore:
    """The store with the points of every clip, made or completed.

    A clip that fails becomes a row in `failed`. `report.json` beside the arrays tells their
    quality, `timings.json` how long each session took.

    Args:
        manifest: the clips; `file` is relative to `root`.
        root: the corpus's folder.
        out: the store's folder; shard i of n is written below it, for `shards.merge_shards`.
        settings: what to look for and how.
        workers: processes, each with a graph of its own.
        shard: (i, n) makes part i of n only, 1-based.
        progress: show a bar with frames a second and failures.
        retry_failed: try clips again that failed in an earlier session.

    Raises:
        SettingsError: for fewer than one worker, or so many that one is killed.
        StoreError: when `out` holds a store made with other settings or clips.
    """
    settings = settings or LandmarkSettings()
    check_workers(workers)
    whole = manifests.complete(manifest)
    # Of all clips, so that every shard says the same.
    made = settings.extraction
    made = replace(made, settings=made.settings | chosen_by_time(whole))
    table, out = part_of(whole, out, shard)
    store = fill(
        StoreWriter(out, made, table, retry_failed, Files.of(table, Path(root))),
        partial(_extracted, root=Path(root), settings=settings, workers=workers),
        progress,
        workers=workers,
    )
    quality.write_report(store)
    return store


def _extracted(
    rows: list[ClipRow], root: Path, settings: LandmarkSettings, workers: int
) -> Iterator[Extracted]:
    # One result a row, in their order; with several workers only a few wait in memory.
    workers = min(workers, len(rows))
    threads = threads_of(workers)
    if workers > 1:
        calls = ((row, root, settings, threads) for row in rows)
        yield from in_order(_extract_in_worker, calls, workers)
    else:
        with Holistic(settings, threads) as engine:
            yield from (_extract(row, root, engine) for row in rows)


def threads_of(workers: int) -> int:
    """Threads of each worker's graph: together they keep every core busy."""
    return max(1, joblib.cpu_count() // max(workers, 1))


_engines: dict[tuple[LandmarkSettings, int], Holistic] = {}


def _extract_in_worker(
    row: ClipRow, root: Path, settings: LandmarkSettings, threads: int
) -> Extracted:
    # As `_extract`, with the graph that this process keeps from clip to clip.
    if (settings, threads) not in _engines:
        _engines.clear()
        _engines[settings, threads] = Holistic(settings, threads)
    return _extract(row, root, _engines[settings, threads])


def _extract(row: ClipRow, root: Path, engine: Holistic) -> Extracted:
    try:
        path = paths.inside(root, row.file)
        frames = iter_frames(path, **segment_of(row), fps=row.fps, size=engine.settings.max_side)
        points = engine.points(frames)
        if np.isnan(points).all():
            raise ClipError(
                f"{row.file}: nobody was found in any of its {len(points)} frames; check that a"
                " person is in the picture, or lower min_detection_confidence"
            )
        info, settings = frames.info, engine.settings
        layout = skeleton(settings.skeleton_name)
        kept, odd = examined(points, layout, info.width / info.height, settings.on_jump)
    except InputError as error:
        return row.clip, str(error)
    fps = info.fps if np.isnan(row.fps) else row.fps
    note = joined(frames.note, odd)
    return row.clip, StoredClip(points[kept], info.width, info.height, fps, note)
