"""Videos to landmarks: one clip, or every clip of a manifest into a store.

One MediaPipe graph a worker process; results are written in manifest order, so the
store is the same bytes with any number of workers and after any interruption.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from signlib import paths
from signlib.data import manifest as manifests
from signlib.data.video import iter_frames, probe
from signlib.errors import InputError, SettingsError
from signlib.extraction.holistic import Holistic, LandmarkSettings
from signlib.extraction.quality import write_report
from signlib.extraction.shards import shard_of, shard_path
from signlib.extraction.workers import in_order
from signlib.stores.store import FeatureStore
from signlib.stores.writer import StoreWriter

__all__ = ["LandmarkSettings", "extract_manifest", "extract_video"]


def extract_video(
    path: str | Path,
    settings: LandmarkSettings | None = None,
    start: int = 0,
    end: int = -1,
    fps: float | None = None,
) -> np.ndarray:
    """The points of one clip: (T, J, 4) float32, J = 543 unless `settings.parts` has fewer; NaN =
    not found.

    Args:
        path: a video file.
        settings: what to look for and how.
        start, end: the segment in source frames, `end` exclusive and -1 = to the end.
        fps: resample to that rate; None or NaN keeps the file's own.

    Raises:
        VideoError: when the file or the segment cannot be read.
    """
    settings = settings or LandmarkSettings()
    with Holistic(settings) as engine:
        return engine.points(iter_frames(path, start, end, fps, settings.max_side))


def extract_manifest(
    manifest: pd.DataFrame,
    root: str | Path,
    out: str | Path,
    settings: LandmarkSettings | None = None,
    workers: int = 1,
    shard: tuple[int, int] = (1, 1),
    progress: bool = True,
    retry_failed: bool = False,
) -> FeatureStore:
    """The store with the points of every clip, made or completed; a clip that fails becomes a row
    in `failed`.

    `report.json` beside the arrays tells their quality, `timings.json` how long each session took.

    Args:
        manifest: the clips; `file` is relative to `root`.
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
    if workers < 1:
        raise SettingsError(
            f"workers={workers} must be at least 1; a worker keeps about one core busy"
        )
    table = manifests.complete(manifest)
    if shard != (1, 1):
        whole, table, out = len(table), shard_of(table, shard), shard_path(out, shard)
        if table.empty:
            raise SettingsError(
                f"shard {shard[0]}/{shard[1]}: there are only {whole} clips; make at most so many"
                " shards"
            )
    with StoreWriter(out, settings.extraction, table, retry_failed) as writer:
        rows = table.set_index("clip", drop=False).loc[writer.pending]
        jobs = [Job(row.clip, row.file, row.start, row.end, row.fps) for row in rows.itertuples()]
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
    session = {"clips": len(jobs), "frames": frames, "failed": failed, "workers": workers}
    write_report(store, session | {"seconds": time.perf_counter() - began} if jobs else None)
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
    """One result a job, in their order; with several workers only a few wait in memory."""
    workers = min(workers, len(jobs))
    threads = threads_of(workers)
    if workers <= 1:
        with Holistic(settings, threads) as engine:
            for job in jobs:
                yield _extract(job, root, engine)
        return
    yield from in_order(
        (joblib.delayed(_extract_in_worker)(job, root, settings, threads) for job in jobs), workers
    )


def threads_of(workers: int) -> int:
    """Threads of each worker's graph: together they keep every core busy."""
    return max(1, joblib.cpu_count() // max(workers, 1))


_engines: dict[Any, Holistic] = {}


def _extract_in_worker(job: Job, root: Path, settings: LandmarkSettings, threads: int) -> Result:
    """As `_extract`, with the graph that this process keeps from clip to clip."""
    if (settings, threads) not in _engines:
        _engines.clear()
        _engines[settings, threads] = Holistic(settings, threads)
    return _extract(job, root, _engines[settings, threads])


def _extract(job: Job, root: Path, engine: Holistic) -> Result:
    try:
        path = paths.inside(root, job.file)
        info = probe(path)
        points = engine.points(
            iter_frames(path, job.start, job.end, job.fps, engine.settings.max_side)
        )
    except InputError as error:
        return Result(job.clip, None, str(error))
    if np.isnan(points).all():
        reason = (
            f"{job.file}: nobody was found in any of its {len(points)} frames; check that a person"
            " is in the picture, or lower min_detection_confidence"
        )
        return Result(job.clip, None, reason)
    fps = info.fps if np.isnan(job.fps) else job.fps
    return Result(job.clip, points, "", info.width, info.height, fps)
