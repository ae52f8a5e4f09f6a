"""Stores of files that have changed: deleted and made again, by one process, and never silently."""

import os
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pandas as pd

from signlib import processes
from signlib.data import manifest as manifests
from signlib.data import origins
from signlib.errors import StoreError
from signlib.files import disk_error
from signlib.stores.store import MANIFEST, Store, is_finished

Kept = TypeVar("Kept", bound=Store)


@contextmanager
def made_alone(path: Path) -> Iterator[None]:
    """Within it no other process that asks does anything to a store: it is looked at, and made.

    Args:
        path: of the store, which need not be there.

    Raises:
        StoreError: while another process makes it.
        DiskError: when its folder cannot be written.
    """
    refusal = StoreError(f"store {path} is being written by another process; wait for it")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            processes.clean(path.parent.resolve())
            stack.enter_context(processes.alone(path.with_name(f".{path.name}.lock"), refusal))
        except OSError as error:
            raise disk_error(error, path) from error
        yield


def kept_store(kind: type[Kept], path: Path, table: pd.DataFrame) -> tuple[Kept | None, set[str]]:
    """The finished store, None without one, and the clips whose files changed since it was begun.

    Args:
        kind: of the store.
        path: of the store.
        table: of the clips, with the state of their files.
    """
    if is_finished(path, kind.META):
        store = kind(path)
        return store, origins.changed(store.manifest, table)
    begun = path / MANIFEST
    if not begun.is_file():
        return None, set()
    return None, origins.changed(manifests.load_manifest(begun), table)


def discard(path: Path, changed: Collection[str]) -> None:
    """Delete a store, within `made_alone`, and say in one line of which clips the files changed.

    Whoever reads it keeps what is open; nobody finds half of it.

    Args:
        path: of the store.
        changed: clips, at least one.

    Raises:
        DiskError: when its folder cannot be written.
    """
    more = f" and of {len(changed) - 1:,} more" if len(changed) > 1 else ""
    print(
        f"the file of clip {min(changed)!r}{more} changed: store {path} is made again",
        file=sys.stderr,
    )
    gone = processes.temporary(path)
    try:
        os.replace(path, gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise disk_error(error, path) from error
