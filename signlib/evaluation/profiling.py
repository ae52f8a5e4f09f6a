"""How long a model takes: latency of one clip, throughput of a batch.

The best of several calls counts, since machines are shared.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, and how often it was measured.

    Attributes:
        best: the least disturbed call.
        median: what is usual on this machine at this moment.
        calls: how many.
    """

    best: float
    median: float
    calls: int


def time_calls(
    call: Callable[[], object],
    seconds: float = 1.0,
    least: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Call again and again for so long, after one call that does not count.

    Args:
        call: what is timed.
        seconds: until so much time has passed.
        least: but so many times at least.
        clock: seconds so far; `time.process_time` counts this process's own work only.
    """
    call()
    taken: list[float] = []
    start = clock()
    while len(taken) < least or clock() - start < seconds:
        before = clock()
        call()
        taken.append(clock() - before)
    return Timing(min(taken), float(np.median(taken)), len(taken))
