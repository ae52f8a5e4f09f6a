"""Whether files are still those that something was made of: their size and time."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

# Column of a store's manifest: size and time of each clip's files when it was made.
SOURCE = "file_state"


def state_of(*paths: Path) -> str:
    """Size in bytes and time in nanoseconds of files, or of all files of a folder; "" = missing."""
    told = []
    for path in paths:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        # A link to nothing has a state, too: none.
        facts = [file.stat() for file in files if file.exists()]
        size, time = (
            sum(each.st_size for each in facts),
            max((each.st_mtime_ns for each in facts), default=0),
        )
        told.append(f"{len(facts)}-{size}-{time}" if len(facts) > 1 else f"{size}-{time}")
    return " ".join(text for text in told if text != "0-0")


def newest(paths: Iterable[Path]) -> float:
    """Time of the newest of some files, in seconds; 0 = there is none."""
    return max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)


def last_change(states: Iterable[str]) -> float:
    """Time of the newest file of some states, in seconds; 0 = there is none."""
    times = (int(told.rpartition("-")[2]) for state in states for told in state.split())
    return max(times, default=0) / 1e9


def changed(before: pd.DataFrame, now: pd.DataFrame) -> set[str]:
    """Clips of two manifests whose files changed between them; none where one does not tell.

    Args:
        before, now: with the columns clip and `SOURCE`.
    """
    if SOURCE not in before or SOURCE not in now:
        return set()
    both = before[["clip", SOURCE]].merge(now[["clip", SOURCE]], on="clip", suffixes=("", "_now"))
    old, new = both[SOURCE].fillna("").astype(str), both[f"{SOURCE}_now"].fillna("").astype(str)
    return set(both["clip"][old != new])
