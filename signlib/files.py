"""Writing so that a reader sees the old file or the new one, never half of it."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from signlib import processes
from signlib.errors import DiskError, RunError

if TYPE_CHECKING:
    import pandas as pd

# Errors of the system that more room would mend: number -> words.
FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file-size limit is reached",
}


def disk_error(error: OSError, path: Path) -> DiskError:
    """The error to raise when `path` could not be written; it says why and what to do."""
    reason = FULL.get(error.errno or 0)
    step = "make room and run the same command again"
    if reason is None:
        reason, step = str(error.strerror), "name another place, or make this one writable"
    return DiskError(f"cannot write {path}: {reason}; what was written before stays whole: {step}")


def write_text(path: Path, text: str) -> None:
    """Write a small text whole or not at all.

    Raises:
        DiskError: when the disk is full or the folder cannot be written; the old file stays.
    """
    write_bytes(path, text.encode("utf-8"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as a csv, whole or not at all; errors as for `write_text`."""
    text = table.to_csv(index=False)
    if "\r" in text:
        # Python writes it without quotes, and readers take it for the end of a row.
        text = table.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
    write_text(path, text)


def with_part(path: Path, start: str, end: str, part: str) -> str:
    """The text of the page `path` with the part between its two marks replaced.

    Nothing is written.

    Raises:
        RunError: when the page does not have each mark once.
    """
    page = path.read_text(encoding="utf-8")
    if page.count(start) != 1 or page.count(end) != 1:
        raise RunError(
            f"{path} must hold {start} and {end} once each, around the part that is written"
        )
    return f"{page.partition(start)[0]}{start}\n{part}\n{end}{page.partition(end)[2]}"


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all; errors as for `write_text`."""
    # In the same folder, since only within one file system is a replacement a single step.
    temporary = processes.temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        processes.clean(path.parent.absolute())
        with open(temporary, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise disk_error(error, path) from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all; errors as for `write_text`.

    A number that is not finite becomes null, since JSON has no NaN.
    """
    write_text(path, json.dumps(_finite(content), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
