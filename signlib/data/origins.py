"""Whether what clips are made of is still the same: size, time and bytes of files, or numbers."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from signlib import paths
from signlib.errors import InputError

# Columns of a store's manifest: size and time of each clip's files when it was made, and a digest
# of their bytes; "" = unknown.
SOURCE, DIGEST = "file_state", "file_digest"
# How much the mark of numbers may change, as a share of their size: other processors round
# otherwise.
_SAME = 1e-6


class Origin(Protocol):
    """What the clips of a store are made of.

    Attributes:
        what: how a message calls it.
    """

    what: str

    def states(self, clips: Collection[str]) -> dict[str, str]:
        """Clip -> size and time of what it is made of, "" = it is not there; cheap to ask."""

    def digest(self, clip: str) -> str:
        """A digest of the bytes that a clip is made of; "" = they cannot be read."""


class Files:
    """Clips that are made of files or folders of pictures.

    Args:
        files: clip -> its files.
    """

    what = "the file"

    def __init__(self, files: Mapping[str, Sequence[Path]]) -> None:
        self._files = {clip: tuple(each) for clip, each in files.items()}
        # Many clips may lie in one recording: it is looked at once.
        self._states: dict[tuple[Path, ...], str] = {}
        self._digests: dict[tuple[Path, ...], str] = {}

    @classmethod
    def of(cls, table: pd.DataFrame, root: Path, columns: Sequence[str] = ("file",)) -> "Files":
        """The files that columns of a manifest name, below its root."""
        rows = table[[name for name in columns if name in table]].fillna("").astype(str)
        named = zip(table["clip"], rows.itertuples(index=False), strict=True)
        return cls({clip: list(_inside(root, row)) for clip, row in named})

    def states(self, clips: Collection[str]) -> dict[str, str]:
        """Clip -> size and time of its files; each file is asked once."""
        for files in map(self._files.__getitem__, clips):
            if files not in self._states:
                self._states[files] = _state(files)
        return {clip: self._states[self._files[clip]] for clip in clips}

    def digest(self, clip: str) -> str:
        """A digest of the bytes of a clip's files; "" when they changed since they were asked."""
        files = self._files[clip]
        if files not in self._digests:
            state = self._states.get(files)
            digest = digest_of(*files) if state else ""
            self._digests[files] = digest if _state(files) == state else ""
        return self._digests[files]


def _state(files: Iterable[Path]) -> str:
    try:
        return state_of(*files)
    except OSError:
        # No permission, or too long a name: whoever reads the clip says so, one failed clip.
        return ""


def _inside(root: Path, files: Iterable[str]) -> Iterator[Path]:
    for file in filter(None, files):
        try:
            yield paths.inside(root, file)
        except InputError:
            # Whoever reads the clip says what is wrong with it.
            continue


def with_states(table: pd.DataFrame, origin: Origin) -> pd.DataFrame:
    """A manifest with the state of what each clip is made of, in the column `SOURCE`."""
    states = origin.states(table["clip"].tolist())
    return table.assign(**{SOURCE: table["clip"].map(states)})


def digest_of(*files: Path) -> str:
    """A digest of the bytes of files, or of all files of a folder; "" = one cannot be read."""
    whole = hashlib.sha256()
    try:
        for path in files:
            folder = path.is_dir()
            for file in sorted(filter(Path.is_file, path.iterdir())) if folder else [path]:
                whole.update(os.fsencode(file.name) if folder else b"")
                with open(file, "rb") as content:
                    whole.update(hashlib.file_digest(content, "sha256").digest())
    except OSError:
        # Unknown is no equal: what a clip is made of counts as changed.
        return ""
    return whole.hexdigest()[:32]


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


def changed(
    before: pd.DataFrame,
    now: pd.DataFrame,
    failed: Collection[str] = (),
    same: Callable[[str], bool] = lambda _: False,
) -> set[str]:
    """Clips of two manifests whose files changed between them; none where one does not tell.

    A file that is gone has not changed: what was made of it stays.

    Args:
        before, now: with the columns clip and `SOURCE`.
        failed: clips of which nothing was made; of them a file that was not there before counts.
        same: whether a clip's bytes are as they were; asked where only the time differs, as that of
            a copy does.
    """
    if SOURCE not in before or SOURCE not in now:
        return set()
    both = before[["clip", SOURCE]].merge(now[["clip", SOURCE]], on="clip", suffixes=("", "_now"))
    both = both.fillna("").astype(str)
    both = both[(both[SOURCE] != both[f"{SOURCE}_now"]) & (both[f"{SOURCE}_now"] != "")]
    rows = both.itertuples(index=False, name=None)
    return {
        clip
        for clip, old, new in rows
        if (old or clip in failed) and not (_sizes(old) == _sizes(new) and same(clip))
    }


def _sizes(state: str) -> list[str]:
    # What a state says of files, without their times.
    return [told.rpartition("-")[0] for told in state.split()]


def mark_of(values: np.ndarray) -> tuple[float, float]:
    """What tells numbers (T, F) from others; NaN counts as 0.

    A weighted mean, which changes with any of them and with their order; and their mean size.
    """
    values = np.nan_to_num(values, nan=0.0)
    rows, columns = (np.linspace(1, 2, count) / count for count in values.shape)
    return float(rows @ values @ columns), float(np.abs(values).mean())


def alike(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Which of (..., 2) marks are of the same numbers, but for rounding: (...) bool."""
    sizes = np.maximum(before[..., 1:], now[..., 1:])
    return (np.abs(before - now) <= _SAME * sizes).all(axis=-1)
