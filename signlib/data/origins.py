"""Whether files are still those that something was made of: their size and time."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

# Column of a store's manifest: size and time of each clip's files when it was made.
SOURCE = "file_state"


def state_of(*paths: Path) -> str:
    """Size in bytes and time in nanoseconds of files, or of all files of a folder; "" = missing."""
    told = []
    for path in paths:
        # Each file is asked once: a corpus of pictures has a million of them.
        facts = list(_facts([path]))
        if facts and stat.S_ISDIR(facts[0].st_mode):
            with os.scandir(path) as files:
                facts = list(_facts(files))
        size, time = (
            sum(each.st_size for each in facts),
            max((each.st_mtime_ns for each in facts), default=0),
        )
        told.append(f"{len(facts)}-{size}-{time}" if len(facts) > 1 else f"{size}-{time}")
    return " ".join(text for text in told if text != "0-0")


def _facts(files: Iterable[Path | os.DirEntry[str]]) -> Iterator[os.stat_result]:
    # Of those that exist: a link to nothing has a state, too, none.
    for file in files:
        try:
            yield file.stat()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise


def newest(paths: Iterable[Path]) -> float:
    """Time of the newest of some files, in seconds; 0 = there is none."""
    return max((facts.st_mtime for facts in _facts(paths)), default=0.0)


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
