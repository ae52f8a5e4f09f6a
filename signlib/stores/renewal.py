"""Stores of files, or of other stores, that have changed: made again, and never silently."""

import hashlib
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
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
        return store, origins.changed(store.manifest, table, set(store.failed["clip"]))
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
    say_changed(path, origins.Files.what, changed, 0)
    gone = processes.temporary(path)
    try:
        os.replace(path, gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise disk_error(error, path) from error


def discard_unfit(path: Path, table: pd.DataFrame, changed: Collection[str]) -> bool:
    """Discard a store of which a writer cannot make just what changed; True when it is gone.

    It does not say of which files it is, or it holds clips that are no longer there.

    Args:
        path: of the store, within `made_alone`.
        table: of the clips that it is to hold.
        changed: clips of the store; of none nothing is done.
    """
    if not changed:
        return False
    manifest = manifests.load_manifest(path / MANIFEST)
    fits = origins.SOURCE in manifest and set(manifest["clip"]) <= set(table["clip"])
    if not fits:
        discard(path, changed)
    return not fits


def say_changed(path: Path, what: str, changed: Collection[str], kept: int) -> None:
    """One line on clips that a store makes again because what they are made of changed.

    Args:
        path: of the store.
        what: they are made of.
        changed: clips, at least one.
        kept: how many clips of the store stay as they are.
    """
    more = f" and of {len(changed) - 1:,} more" if len(changed) > 1 else ""
    again = "is made again"
    if kept:
        again = f"makes {len(changed):,} of its clips again and keeps {kept:,}"
    print(f"{what} of clip {min(changed)!r}{more} changed: store {path} {again}", file=sys.stderr)


class Stored:
    """Clips that are made of those of another store; see `origins.Origin`.

    Args:
        store: whose clips they are.
    """

    def __init__(self, store: Store) -> None:
        self.what = f"what store {store.path} holds"
        self._store = store
        self._facts: dict[str, list[str]] = {}
        for row in store.index.drop(columns="offset").itertuples(index=False):
            self._facts.setdefault(row.clip, []).append(" ".join(map(str, row)))
        for key, note in store.told().items():
            self._facts.setdefault(key.partition("/")[0], []).append(note)

    def states(self, clips: Collection[str]) -> dict[str, str]:
        """Clip -> its bytes in the store, and the time of the store's data file."""
        time = origins.state_of(self._store.path / self._store.DATA).partition("-")[2]
        sizes = {clip: sum(each.nbytes for each in self._store.pieces(clip)) for clip in clips}
        return {clip: f"{size}-{time}" for clip, size in sizes.items()}

    def digest(self, clip: str) -> str:
        """A digest of what the store holds of a clip."""
        whole = hashlib.sha256(repr(self._facts.get(clip)).encode())
        for piece in self._store.pieces(clip):
            whole.update(np.ascontiguousarray(piece).tobytes())
        return whole.hexdigest()[:32]
