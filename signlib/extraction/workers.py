"""Clips dealt to worker processes, results in the clips' order."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from signlib.errors import SettingsError

Result = TypeVar("Result")
ONE_A_CORE = "a worker keeps about one core busy"


def check_workers(workers: int, why: str = ONE_A_CORE) -> None:
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
