"""Videos to landmarks: one clip, or every clip of a manifest into a store.

One MediaPipe graph a worker process; results are written in manifest order, so the store is the
same bytes with any number of workers and after any interruption.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from signlib import paths
from signlib.data import manifest as manifests
from signlib.data.video import VIDEO_SUFFIXES, iter_frames, probe
from signlib.errors import InputError
from signlib.extraction import exchange, frozen_files, quality
from signlib.extraction.holistic import Holistic, LandmarkSettings
from signlib.extraction.registry import Source
from signlib.extraction.shards import WHOLE, part_of
from signlib.extraction.workers import check_workers, in_order
from signlib.stores.store import FeatureStore
from signlib.stores.writer import StoreWriter

__all__ = ["LandmarkExtractor", "LandmarkSettings", "extract_manifest", "extract_video"]

LANDMARK_SUFFIXES = (".npy", ".pose")


class LandmarkExtractor:
    """Videos, or landmark files of other tools, to a store of landmarks."""

    settings = LandmarkSettings

    def extract(
        self,
        source: Source,
        out: Path,
        settings: LandmarkSettings,
        *,
        workers: int,
        shard: tuple[int, int],
        retry_failed: bool,
    ) -> FeatureStore:
        """The store of a source's landmarks; see `registry.Extractor`."""
        folder = source.path
        if folder.is_dir() and frozen_files.holds(folder, frozen_files.LANDMARKS):
            return frozen_files.import_landmarks(folder, out)
        if folder.is_dir() and landmark_files(folder) and not has_videos(folder):
            file = folder / "manifest.csv"
            table = manifests.load_manifest(file) if file.is_file() else None
            return exchange.import_folder(folder, out, table)
        table, root = source.videos()
        return extract_manifest(
            table,
            root,
            out,
            settings,
            workers=workers,
            shard=shard,
            retry_failed=retry_failed,
        )

    def summary(self, store: FeatureStore) -> str:
        """One line on what a store holds."""
        return quality.summary(store)


def has_videos(folder: Path) -> bool:
    """True when the folder or one below it holds videos."""
    return any(path.suffix.lower() in VIDEO_SUFFIXES for path in folder.rglob("*"))


def landmark_files(folder: Path) -> list[Path]:
    """The folder's `.npy` and `.pose` files."""
    return sorted(path for path in folder.iterdir() if path.suffix in LANDMARK_SUFFIXES)


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
        path: a video file.
        settings: what to look for and how.
        start, end: the segment in source frames, `end` exclusive and -1 = to the end.
        fps: resample to that rate; None or NaN keeps the file's.

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
    table, out = part_of(manifests.complete(manifest), out, shard)
    with StoreWriter(out, settings.extraction, table, retry_failed) as writer:
        rows = table.set_index("clip", drop=False).loc[writer.pending]
        jobs = [
            Job(clip=row.clip, file=row.file, start=row.start, end=row.end, fps=row.fps)
            for row in rows.itertuples()
        ]
        began, frames, failed = time.perf_counter(), 0, 0
        with tqdm(total=len(jobs), unit="clip", disable=not progress or not jobs) as bar:
            for result in _results(jobs, Path(root), settings, workers):
                if result.points is None:
                    writer.fail(result.clip, result.reason)
                    failed += 1
                else:
                    writer.add(
                        result.clip,
                        result.points,
                        width=result.width,
                        height=result.height,
                        fps=result.fps,
                    )
                    frames += len(result.points)
                rate = frames / (time.perf_counter() - began)
                bar.set_postfix_str(f"{rate:.0f} frames/s, {failed} failed", refresh=False)
                bar.update()
        store = writer.finish()
    session = None
    if jobs:
        session = quality.Session(
            clips=len(jobs),
            frames=frames,
            failed=failed,
            workers=workers,
            seconds=time.perf_counter() - began,
        )
    quality.write_report(store, session)
    return store


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of a clip."""

    clip: str
    file: str
    start: int
    end: int
    fps: float


@dataclass(frozen=True)
class Result:
    """What a worker gives back: points, or the reason why there are none."""

    clip: str
    points: np.ndarray | None
    reason: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0


def _results(
    jobs: list[Job], root: Path, settings: LandmarkSettings, workers: int
) -> Iterator[Result]:
    # One result a job, in their order; with several workers only a few wait in memory.
    workers = min(workers, len(jobs))
    threads = threads_of(workers)
    if workers <= 1:
        with Holistic(settings, threads) as engine:
            for job in jobs:
                yield _extract(job, root, engine)
        return
    calls = ((job, root, settings, threads) for job in jobs)
    yield from in_order(_extract_in_worker, calls, workers)


def threads_of(workers: int) -> int:
    """Threads of each worker's graph: together they keep every core busy."""
    return max(1, joblib.cpu_count() // max(workers, 1))


_engines: dict[tuple[LandmarkSettings, int], Holistic] = {}


def _extract_in_worker(job: Job, root: Path, settings: LandmarkSettings, threads: int) -> Result:
    # As `_extract`, with the graph that this process keeps from clip to clip.
    if (settings, threads) not in _engines:
        _engines.clear()
        _engines[settings, threads] = Holistic(settings, threads)
    return _extract(job, root, _engines[settings, threads])


def _extract(job: Job, root: Path, engine: Holistic) -> Result:
    try:
        path = paths.inside(root, job.file)
        info = probe(path)
        size = engine.settings.max_side
        frames = iter_frames(path, job.start, job.end, fps=job.fps, size=size)
        points = engine.points(frames)
    except InputError as error:
        return Result(job.clip, None, str(error))
    if np.isnan(points).all():
        reason = (
            f"{job.file}: nobody was found in any of its {len(points)} frames; check that a person"
            " is in the picture, or lower min_detection_confidence"
        )
        return Result(job.clip, None, reason)
    fps = info.fps if np.isnan(job.fps) else job.fps
    return Result(job.clip, points, width=info.width, height=info.height, fps=fps)
