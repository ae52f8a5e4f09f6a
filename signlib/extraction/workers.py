"""Clips dealt to workers, and what comes back into a store, in the clips' order."""

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, TypeVar

import joblib
import pandas as pd
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from signlib.errors import SettingsError
from signlib.extraction.quality import note_session
from signlib.stores.store import FeatureStore, StoredClip
from signlib.stores.writer import StoreWriter

Result = TypeVar("Result")
# A row of a manifest with its columns (clip, file, start, end, fps, signer, ...).
ClipRow = SimpleNamespace
# A clip, and what a store is to keep of it or why there is nothing.
Extracted = tuple[str, StoredClip | str]


def rows_of(manifest: pd.DataFrame) -> list[ClipRow]:
    """The rows of a manifest, which worker processes can be given."""
    return [ClipRow(**row) for row in manifest.to_dict("records")]


def check_workers(workers: int, why: str = "a worker keeps about one core busy") -> None:
    """Refuse fewer than one worker.

    Raises:
        SettingsError: with the number and what one worker does.
    """
    if workers < 1:
        raise SettingsError(f"workers={workers} must be at least 1; {why}")


def in_order(
    work: Callable[..., Result], arguments: Iterator[tuple[Any, ...]], workers: int
) -> Iterator[Result]:
    """The results of calls in other processes, in their order; only a few wait in memory.

    Args:
        work: the function to call.
        arguments: those of each call.
        workers: processes.

    Raises:
        SettingsError: for so many workers that one is killed.
    """
    parallel = joblib.Parallel(
        workers, return_as="generator", pre_dispatch="2*n_jobs", batch_size=1
    )
    try:
        yield from parallel(joblib.delayed(work)(*each) for each in arguments)
    except TerminatedWorkerError:
        raise SettingsError(
            f"workers={workers}: a worker was killed, probably because memory ran out; finished"
            " clips are kept: run the same command again with fewer workers (--workers"
            f" {workers // 2})"
        ) from None


def fill(
    writer: StoreWriter,
    extract: Callable[[list[ClipRow]], Iterator[Extracted]],
    progress: bool,
    label: str | None = None,
    failed_frames: int = 0,
    **facts: Any,
) -> FeatureStore:
    """The store of a writer, finished; what was done is one more line of its timings.

    Args:
        writer: of the store.
        extract: rows of clips -> each clip with its content, or why there is none, in order.
        progress: show a bar with frames a second and failures.
        label: of the bar.
        failed_frames: as many as a clip that fails counts for.
        facts: what else the timings say.
    """
    with writer:
        rows = rows_of(writer.manifest[writer.manifest["clip"].isin(writer.pending)])
        began, frames, failed = time.perf_counter(), 0, 0
        bar = tqdm(
            extract(rows),
            total=len(rows),
            unit="clip",
            desc=label,
            disable=not progress or not rows,
        )
        for clip, content in bar:
            if isinstance(content, str):
                writer.fail(clip, content)
                failed += 1
                frames += failed_frames
            else:
                writer.add(clip, *content)
                frames += len(content.array)
            rate = frames / (time.perf_counter() - began)
            bar.set_postfix_str(f"{rate:.1f} frames/s, {failed} failed", refresh=False)
        store = writer.finish()
    if rows:
        session = {"clips": len(rows), "frames": frames, "failed": failed, **facts}
        note_session(store, {**session, "seconds": time.perf_counter() - began})
    return store
