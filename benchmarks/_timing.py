"""How the benchmarks measure time."""

import math
import time
from collections.abc import Callable


def processor_seconds(call: Callable[[], object], rounds: int) -> float:
    """Least processor time of a few calls: what other programs do meanwhile does not count."""
    best = math.inf
    for _ in range(rounds):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best
