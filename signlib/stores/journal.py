"""Folders filled clip by clip that survive `kill -9`, a full disk and a power cut.

Data are appended first and the journal line that makes them count second, so a job that was cut
off and is resumed ends with the same bytes as an uninterrupted one.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Self, TextIO, TypeVar

import pandas as pd

from signlib.data import manifest as manifests
from signlib.errors import StoreError
from signlib.files import disk_error, write_text
from signlib.stores.store import (
    FAILED,
    INDEX,
    MANIFEST,
    Extraction,
    Store,
    extraction_of,
    plain,
    read_extraction,
)

JOURNAL = "journal.jsonl"
# One line of the journal: what was made and how large it is, or why it could not be made.
# The latter has the key `reason`.
Entry = dict[str, Any]
Kept = TypeVar("Kept", bound=Store)


class JournalWriter(Generic[Kept]):
    """Fills a folder with one data file, or resumes one that was interrupted. A context manager.

    A subclass names the files and says what an entry is.

    Args:
        path: the store's folder; created when missing.
        extraction: how its content is made.
        manifest: every clip that the store is to hold, in the order it will have.
        retry_failed: try again what was recorded as failed, for when the files were mended.

    Raises:
        StoreError: when the folder holds a store made with other settings or from other clips,
            holds something else, or another process is writing to it.
        DiskError: when the folder cannot be written.
    """

    DATA: ClassVar[str]
    META: ClassVar[str]
    # Of `index.csv`, in their order: the keys of an entry, and `offset`.
    INDEX_COLUMNS: ClassVar[tuple[str, ...]]
    FAILED_COLUMNS: ClassVar[tuple[str, ...]]
    # What of a manifest decides a clip's content; a changed gloss or split changes none.
    SOURCE_COLUMNS: ClassVar[tuple[str, ...]]
    # What a person does to write another store.
    ELSEWHERE: ClassVar[str]
    HEADER_BYTES: ClassVar[int] = 0

    def __init__(
        self,
        path: str | Path,
        extraction: Extraction,
        manifest: pd.DataFrame,
        retry_failed: bool = False,
    ) -> None:
        self.path, self.extraction = Path(path), extraction
        self.manifest = manifests.complete(manifest)
        self._part = f"{self.DATA}.part"
        self._entries: dict[str, Entry] = {}
        self._retry = retry_failed
        self._synced = time.monotonic()
        # None in a store that was finished before, and after a write that failed.
        self._data: BinaryIO | None = None
        self._journal = self._locked_journal()
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pending(self) -> list[str]:
        """Keys that have neither content nor a recorded failure, in manifest order."""
        return [key for key in self._keys() if key not in self._entries]

    def _keys(self) -> list[str]:
        # What the store is to hold, in the order of its index.
        return self.manifest["clip"].tolist()

    def _key(self, entry: Entry) -> str:
        return entry["clip"]

    def _extent(self, entry: Entry) -> int:
        # How far an entry moves the offset of the next one in the data file; 0 of a failure.
        raise NotImplementedError

    @property
    def _unit(self) -> int:
        # Bytes that an offset of 1 stands for.
        return 1

    def _finished(self) -> Kept:
        # The finished store in this folder.
        raise NotImplementedError

    def _write_header(self, data: BinaryIO, complete: bool) -> None:
        """Write the first `HEADER_BYTES` of the data file."""

    def _locked_journal(self) -> TextIO:
        # The journal, open for this process alone.
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ours = {"shards", JOURNAL, self._part, *self._half_written()}
            foreign = any(file.name not in ours for file in self.path.iterdir())
            if foreign and not (self.path / self.META).exists():
                raise StoreError(
                    f"{self.path} is not empty and holds no store; {self.ELSEWHERE} of its own"
                )
            journal = open(self.path / JOURNAL, "a+", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise disk_error(error, self.path) from error
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            journal.close()
            raise StoreError(
                f"store {self.path} is being written by another process; wait for it"
            ) from None
        return journal

    def _open(self) -> None:
        try:
            # Only now: before the lock was held, another process may have written it.
            resumed = (self.path / self.META).exists()
            for name in self._half_written():
                (self.path / name).unlink()
            if resumed:
                self._resume()
            else:
                write_text(self.path / self.META, self._meta(complete=False))
            self._open_data()
        except OSError as error:
            self.close()
            raise disk_error(error, self.path) from error
        except BaseException:
            # A finished store that refuses these clips stays as it was: without a journal.
            if (self.path / self.DATA).exists() and not os.fstat(self._journal.fileno()).st_size:
                (self.path / JOURNAL).unlink(missing_ok=True)
            self.close()
            raise

    def _half_written(self) -> list[str]:
        # What `write_text` leaves of this store's files when it is killed.
        names = (INDEX, FAILED, MANIFEST, self.META)
        return [path.name for name in names for path in self.path.glob(f".{name}.*.tmp")]

    def _resume(self) -> None:
        meta = read_extraction(self.path, self.META)
        difference = self.extraction.difference(extraction_of(meta))
        if difference:
            raise StoreError(
                f"store {self.path} was made with {difference}; a changed setting is another store:"
                f" {self.ELSEWHERE}, or delete this one"
            )
        if meta["complete"] and (self.path / self.DATA).exists():
            self._load_entries(self._finished())
            self._check_sources()
            if self.pending:
                self._reopen_finished()
        else:
            self._read_journal()
            self._check_sources()
            # Killed while it finished: the data file had its last name, its `META` not yet.
            if (self.path / self.DATA).exists():
                os.replace(self.path / self.DATA, self.path / self._part)

    def _check_sources(self) -> None:
        # Refuse, before anything is touched, a manifest that no longer says what was made.
        clips = {entry["clip"] for entry in self._entries.values()}
        gone = clips - set(self.manifest["clip"])
        if gone:
            raise StoreError(
                f"store {self.path} holds clip {min(gone)!r}, which the manifest no longer has;"
                f" {self.ELSEWHERE}"
            )
        if not clips:
            return
        old = manifests.load_manifest(self.path / MANIFEST)
        both = old[old["clip"].isin(clips)].merge(self.manifest, on="clip", suffixes=("", "_new"))
        for column in self.SOURCE_COLUMNS:
            ours, theirs = both.get(column), both.get(column + "_new")
            if ours is None or theirs is None:
                continue
            # NaN differs from itself, but two missing values are the same.
            changed = both[(ours != theirs) & ~(ours.isna() & theirs.isna())]
            if len(changed):
                row = changed.iloc[0]
                raise StoreError(
                    f"store {self.path}: clip {row['clip']!r} was made with"
                    f" {column}={row[column]!r}, the manifest now says {row[column + '_new']!r};"
                    f" {self.ELSEWHERE}"
                )

    def _reopen_finished(self) -> None:
        # Turn a finished store back into an interrupted one, because clips are pending.
        self._rewrite_journal()
        write_text(self.path / self.META, self._meta(complete=False))
        os.replace(self.path / self.DATA, self.path / self._part)

    def _rewrite_journal(self) -> None:
        self._journal.seek(0)
        self._journal.truncate()
        self._journal.write(_lines(self._entries.values()))
        self._journal.flush()

    def _load_entries(self, store: Kept) -> None:
        columns = [column for column in self.INDEX_COLUMNS if column != "offset"]
        rows = plain(store.index.sort_values("offset")[columns].to_dict("records"))
        if not self._retry:
            rows += store.failed.to_dict("records")
        self._entries = {self._key(row): row for row in rows}

    def _read_journal(self) -> None:
        self._journal.seek(0)
        text = self._journal.read()
        for line in text.splitlines(keepends=True):
            try:
                entry = json.loads(line) if line.endswith("\n") else None
            except ValueError:
                entry = None
            if entry is None:
                # Torn by a kill or a power cut: that clip, and what may follow, is made again.
                break
            if not (self._retry and "reason" in entry):
                self._entries[self._key(entry)] = entry
        if text != _lines(self._entries.values()):
            self._rewrite_journal()

    def _open_data(self) -> None:
        if (self.path / self.DATA).exists():
            return
        # What the journal rests on: resuming refuses a changed start or file.
        write_text(self.path / MANIFEST, self.manifest.to_csv(index=False))
        part = self.path / self._part
        data = open(part, "r+b") if part.exists() else open(part, "w+b")  # noqa: SIM115
        self._data = data
        present = max(os.fstat(data.fileno()).st_size - self.HEADER_BYTES, 0)
        # After a power cut the journal can be ahead of the data: what the data lacks is made again.
        end = 0
        kept = {}
        for key, entry in self._entries.items():
            size = self._extent(entry) * self._unit
            if end + size > present:
                break
            end += size
            kept[key] = entry
        if len(kept) < len(self._entries):
            self._entries = kept
            self._rewrite_journal()
        self._write_header(data, complete=False)
        data.truncate(self.HEADER_BYTES + end)
        data.seek(0, os.SEEK_END)
        self._journal.seek(0, os.SEEK_END)

    def fail(self, key: str, reason: str) -> None:
        """Record that a clip has no content, and why; the job continues."""
        self._record({"clip": key, "reason": " ".join(reason.split())}, b"")

    def _record(self, entry: Entry, content: bytes) -> None:
        key, data = self._key(entry), self._data
        if data is None and key in self._expected and key not in self._entries:
            raise StoreError(
                f"store {self.path} was closed after a write that failed; open it again to resume"
            )
        if data is None or key in self._entries or key not in self._expected:
            raise StoreError(
                f"clip {key!r} is not pending in store {self.path}; take clips from `pending`"
            )
        data_end, journal_end = data.tell(), self._journal.tell()
        try:
            data.write(content)
            data.flush()
            self._journal.write(json.dumps(entry) + "\n")
            self._journal.flush()
            if time.monotonic() - self._synced > 1.0:
                self._sync(data)
        except BaseException as error:
            # Also after Ctrl-C: data without their journal line would shift every later clip.
            _cut(data, data_end)
            _cut(self._journal, journal_end)
            self._data = None
            if isinstance(error, OSError):
                raise disk_error(error, self.path) from error
            raise
        self._entries[key] = entry

    @cached_property
    def _expected(self) -> set[str]:
        return set(self._keys())

    def _sync(self, data: BinaryIO) -> None:
        os.fsync(data.fileno())
        os.fsync(self._journal.fileno())
        self._synced = time.monotonic()

    def finish(self) -> Kept:
        """The finished store; a store that was finished before is left as it is.

        Raises:
            StoreError: while clips are pending.
            DiskError: when the disk is full; a new writer resumes it.
        """
        if self.pending:
            raise StoreError(
                f"store {self.path} still lacks {len(self.pending)} clips, first"
                f" {self.pending[0]!r}"
            )
        try:
            write_text(self.path / MANIFEST, self.manifest.to_csv(index=False))
            for name, table in self._tables().items():
                write_text(self.path / name, table.to_csv(index=False))
            if self._data is not None:
                self._write_header(self._data, complete=True)
                self._data.flush()
                self._sync(self._data)
                os.replace(self.path / self._part, self.path / self.DATA)
            write_text(self.path / self.META, self._meta(complete=True))
            (self.path / JOURNAL).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, self.path) from error
        finally:
            self.close()
        return self._finished()

    def _tables(self) -> dict[str, pd.DataFrame]:
        # The csv files that a finished store has beside its manifest.
        # The data file has the order in which clips were made, the index has the manifest's: after
        # `retry_failed` the two differ.
        ends = accumulate(map(self._extent, self._entries.values()), initial=0)
        offsets = dict(zip(self._entries, ends, strict=False))
        done, failed = [], []
        for key in self._keys():
            entry = self._entries[key]
            if "reason" in entry:
                failed.append(entry)
            else:
                done.append({"offset": offsets[key], **entry})
        return {
            INDEX: pd.DataFrame(done, columns=list(self.INDEX_COLUMNS)),
            FAILED: pd.DataFrame(failed, columns=list(self.FAILED_COLUMNS)),
        }

    def _meta(self, complete: bool) -> str:
        failed = sum("reason" in entry for entry in self._entries.values())
        counts = {
            "done": len(self._entries) - failed,
            "failed": failed,
            "missing": len(self.pending),
        }
        meta = {**asdict(self.extraction), "complete": complete, "counts": counts}
        return json.dumps(meta, indent=2, sort_keys=True) + "\n"

    def close(self) -> None:
        """Let go of the files; what was added stays and can be resumed."""
        for handle in (self._data, self._journal):
            # Every clip was flushed when it was added: what is left in a buffer belongs to none.
            if handle is not None and not handle.closed:
                with contextlib.suppress(OSError):
                    handle.close()


def _lines(entries: Iterable[Entry]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def _cut(file: BinaryIO | TextIO, end: int) -> None:
    # Close a file and cut it at `end`.
    # What is still in Python's buffer would be written again on close, so the file is cut after it;
    # the copy keeps it open, and the journal locked, until then.
    copy = os.dup(file.fileno())
    with contextlib.suppress(OSError):
        file.close()
    os.ftruncate(copy, end)
    os.close(copy)
