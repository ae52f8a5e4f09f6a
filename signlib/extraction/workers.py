"""Clips dealt to worker processes, results in the clips' order."""

from collections.abc import Iterator
from typing import Any

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from signlib.errors import SettingsError


def in_order(calls: Iterator[Any], workers: int) -> Iterator[Any]:
    """The results of `joblib.delayed` calls, in their order; only a few wait in memory.

    Raises:
        SettingsError: for so many workers that one is killed.
    """
    parallel = joblib.Parallel(
        workers, return_as="generator", pre_dispatch="2*n_jobs", batch_size=1
    )
    try:
        yield from parallel(calls)
    except TerminatedWorkerError:
        raise SettingsError(
            f"workers={workers}: a worker was killed, probably because memory ran out; finished"
            " clips are kept: run the same command again with fewer workers (--workers"
            f" {workers // 2})"
        ) from None
