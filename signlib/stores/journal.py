"""Folders filled clip by clip that survive `kill -9`, a full disk and a power cut.

Data are appended first and the journal line that makes them count second, so a job that was cut
off and is resumed ends with the same bytes as an uninterrupted one.
"""

import contextlib
import json
import os
import platform
import time
import zlib
from collections.abc import Iterable
from dataclasses import asdict
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Self, TextIO, TypeVar

import numpy as np
import pandas as pd

from signlib import processes, reading
from signlib.data import manifest as manifests
from signlib.data import origins
from signlib.data.origins import DIGEST, SOURCE, Files, Origin
from signlib.errors import StoreError, shortened
from signlib.files import disk_error, write_table, write_text
from signlib.stores.renewal import say_changed
from signlib.stores.store import (
    FAILED,
    INDEX,
    MANIFEST,
    NOTES,
    Extraction,
    Store,
    extraction_of,
    plain,
    read_extraction,
)

JOURNAL = "journal.jsonl"
# One line of the journal: what was made and how large it is, or why it could not be made.
# The latter has the key `reason`. One with the key `gone` is of what lies in the data file and
# counts no more, because its file changed.
Entry = dict[str, Any]
# What is wrong with a line shows in this key of it; it is no part of the entry.
_CRC = "crc"
Kept = TypeVar("Kept", bound=Store)


class JournalWriter(Generic[Kept]):
    """Fills a folder with one data file, or resumes one that was interrupted. A context manager.

    A subclass names the store that comes out and says how large an entry is. Of clips whose files
    changed since they were made, or failed, it says so in one line, and they are pending again.

    Args:
        path: the store's folder; created when missing.
        extraction: how its content is made.
        manifest: every clip that the store is to hold, in the order it will have.
        retry_failed: try again what was recorded as failed, for when the files were mended.
        origin: what the clips are made of, to know by size, time and digest whether it changed;
            None = the manifest's column `SOURCE` says it, or nobody.

    Raises:
        StoreError: when the folder holds a store made with other settings or from other clips,
            holds something else, or another process is writing to it.
        DiskError: when the folder cannot be written.
    """

    # It knows the names of the files and their columns.
    STORE: type[Kept]
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
        origin: Origin | None = None,
    ) -> None:
        self.path, self.extraction = Path(path), extraction
        self.manifest, self._digests = _with_states(manifests.complete(manifest), origin)
        self._origin = origin
        self._meta_file = self.path / self.STORE.META
        # The data file under its last name, and under the one that it has until then.
        self._whole = self.path / self.STORE.DATA
        self._part = self.path / f"{self.STORE.DATA}.part"
        self._entries: dict[str, Entry] = {}
        self._expected = set(self._keys())
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
        key = "/".join(entry[column] for column in self.STORE.KEY)
        # No clip and no kind has a name with `/`.
        return f"{key}/gone/{entry['gone']}" if "gone" in entry else key

    def _digest(self, clip: str) -> str:
        # Of what the clip is made of as it is now; "" = unknown.
        if clip not in self._digests and self._origin is not None:
            self._digests[clip] = self._origin.digest(clip)
        return self._digests.get(clip, "")

    def _extent(self, entry: Entry) -> int:
        # How far an entry moves the offset of the next one in the data file; 0 of a failure.
        raise NotImplementedError

    def _ends(self) -> list[int]:
        # Offset of each entry in the data file, and after the last one.
        return list(accumulate(map(self._extent, self._entries.values()), initial=0))

    @property
    def _living(self) -> list[Entry]:
        # What counts: all but what is gone.
        return [entry for entry in self._entries.values() if "gone" not in entry]

    @property
    def _unit(self) -> int:
        # Bytes that an offset of 1 stands for: of a frame, or of a picture's file 1.
        return int(np.prod(self.extraction.shape)) * np.dtype(self.extraction.dtype).itemsize

    def _write_header(self, data: BinaryIO, complete: bool) -> None:
        """Write the first `HEADER_BYTES` of the data file."""

    def _locked_journal(self) -> TextIO:
        # The journal, open for this process alone.
        if processes.fcntl is None:
            raise StoreError(
                f"store {self.path} cannot be written under {platform.system()}, which has no locks"
                " on files as POSIX systems do; write it under Linux or macOS, or in WSL"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ours = {"shards", JOURNAL, self._part.name, *self._half_written()}
            foreign = {file.name for file in self.path.iterdir()} - ours
            if foreign and not self._meta_file.exists():
                raise StoreError(
                    f"{self.path} is not empty and holds no store; {self.ELSEWHERE} of its own"
                )
            # Bytes that are no UTF-8 come from a power cut; their line is read as torn.
            journal = open(  # noqa: SIM115
                self.path / JOURNAL, "a+", encoding="utf-8", errors="surrogateescape"
            )
        except OSError as error:
            raise disk_error(error, self.path) from error
        try:
            locked = processes.take_lock(journal)
        except BlockingIOError:
            journal.close()
            raise StoreError(
                f"store {self.path} is being written by another process; wait for it"
            ) from None
        except OSError as error:
            journal.close()
            raise disk_error(error, self.path) from error
        if not locked:
            journal.close()
            raise StoreError(
                f"store {self.path} cannot be written: its disk has no locks on files, so two"
                " processes could write at a time; write it to another disk and copy it here, or"
                " mount this one with locks"
            )
        return journal

    def _open(self) -> None:
        try:
            # Only now: before the lock was held, another process may have written it.
            resumed = self._meta_file.exists()
            for name in self._half_written():
                (self.path / name).unlink()
            if resumed:
                self._resume()
            else:
                write_text(self._meta_file, self._meta(complete=False))
            if not self._whole.exists():
                self._open_data()
        except OSError as error:
            self.close()
            raise disk_error(error, self.path) from error
        except BaseException:
            # A finished store that refuses these clips stays as it was: without a journal.
            if self._whole.exists() and not os.fstat(self._journal.fileno()).st_size:
                (self.path / JOURNAL).unlink(missing_ok=True)
            self.close()
            raise

    def _half_written(self) -> list[str]:
        # What is left of this store's files when a process is killed that writes them.
        names = (INDEX, FAILED, MANIFEST, NOTES, self._meta_file.name, self._whole.name)
        return [path.name for name in names for path in self.path.glob(f".{name}.*.tmp")]

    def _resume(self) -> None:
        meta = read_extraction(self.path, self._meta_file.name)
        difference = self.extraction.difference(extraction_of(meta))
        if difference:
            raise StoreError(
                f"store {self.path} was made with {difference}; a changed setting is another store:"
                f" {self.ELSEWHERE}, or delete this one"
            )
        if meta["complete"] and self._whole.exists():
            self._load_entries(self.STORE(self.path))
            self._check_sources()
            if not self.pending:
                return
            self._part.unlink(missing_ok=True)
            # The finished store becomes an interrupted one again.
            self._rewrite_journal()
            write_text(self._meta_file, self._meta(complete=False))
        else:
            self._read_journal()
            if self._check_sources():
                self._rewrite_journal()
        # Also when it was killed while it finished: the data file had its last name already, or
        # had been copied without what is gone.
        if self._whole.exists() and self._part.exists():
            self._whole.unlink()
        elif self._whole.exists():
            os.replace(self._whole, self._part)

    def _check_sources(self) -> set[str]:
        # Refuse, before anything is touched, a manifest that no longer says what was made; the
        # clips that count no more, because their files changed.
        clips = {entry["clip"] for entry in self._living}
        gone = clips - set(self.manifest["clip"])
        if gone:
            raise StoreError(
                f"store {self.path} holds clip {min(gone)!r}, which the manifest no longer has;"
                f" {self.ELSEWHERE}"
            )
        if not clips:
            return set()
        old = manifests.load_manifest(self.path / MANIFEST)
        both = old[old["clip"].isin(clips)].merge(self.manifest, on="clip", suffixes=("", "_new"))
        # A column that only one of the two manifests has is not compared.
        for column in [name for name in self.SOURCE_COLUMNS if f"{name}_new" in both]:
            ours, theirs = both[column], both[f"{column}_new"]
            # NaN differs from itself, but two missing values are the same.
            changed = both[(ours != theirs) & ~(ours.isna() & theirs.isna())]
            if len(changed):
                row = changed.iloc[0]
                raise StoreError(
                    f"store {self.path}: clip {row['clip']!r} was made with"
                    f" {column}={row[column]!r}, the manifest now says {row[column + '_new']!r};"
                    f" {self.ELSEWHERE}"
                )
        changed = self._changed(old)
        self._keep_states(old, clips - changed)
        if changed:
            kept = len(clips - changed)
            what = self._origin.what if self._origin is not None else Files.what
            say_changed(self.path, what, changed, kept)
            self._forget(changed)
        return changed

    def _changed(self, old: pd.DataFrame) -> set[str]:
        # Clips whose files changed since the manifest `old` was written.
        made = self._living
        failed = {entry["clip"] for entry in made if "reason" in entry}
        digests = {entry["clip"]: entry.get("digest", "") for entry in made}

        def same(clip: str) -> bool:
            return bool(digests[clip]) and digests[clip] == self._digest(clip)

        rows = old[old["clip"].isin(digests)]
        return origins.changed(rows, self.manifest, failed, same)

    def _keep_states(self, old: pd.DataFrame, clips: set[str]) -> None:
        # Of clips that are kept, a state that nobody knew when they were made stays unknown, and
        # that of a file which is gone stays what it was.
        if SOURCE not in self.manifest:
            return
        before = old[SOURCE] if SOURCE in old else pd.Series("", old.index)
        known = dict(zip(old["clip"], before.fillna(""), strict=True))
        rows = zip(self.manifest["clip"], self.manifest[SOURCE], strict=True)
        self.manifest[SOURCE] = [
            known.get(clip, "") if clip in clips and not (now and known.get(clip)) else now
            for clip, now in rows
        ]

    def _forget(self, clips: set[str]) -> None:
        # They are pending again. Their data stay where they are until the store is finished: the
        # rest must not move while somebody reads it.
        entries = list(self._entries.values())
        kept = [entry for entry in self._living if entry["clip"] not in clips]
        if not any(map(self._extent, kept)):
            self._entries = {self._key(entry): entry for entry in kept}
            return
        number = 1 + max((entry.get("gone", -1) for entry in entries), default=-1)
        self._entries = {}
        for entry in entries:
            if entry["clip"] in clips and "gone" not in entry:
                if "reason" in entry:
                    continue
                entry = {**entry, "gone": number}
                number += 1
            self._entries[self._key(entry)] = entry

    def _rewrite_journal(self) -> None:
        self._journal.seek(0)
        self._journal.truncate()
        self._journal.write(_lines(self._entries.values()))
        self._journal.flush()

    def _load_entries(self, store: Kept) -> None:
        columns = [column for column in self.STORE.INDEX_TYPES if column != "offset"]
        rows = plain(store.index.sort_values("offset")[columns].to_dict("records"))
        notes, table = store.told(), store.manifest
        digests = dict(zip(table["clip"], table[DIGEST], strict=True)) if DIGEST in table else {}
        for row in rows:
            note = notes.get(self._key(row), notes.get(row["clip"]))
            if note:
                row["note"] = note
            if digests.get(row["clip"]):
                row["digest"] = digests[row["clip"]]
        if not self._retry:
            rows += store.failed.to_dict("records")
        self._entries = {self._key(row): row for row in rows}

    def _read_journal(self) -> None:
        self._journal.seek(0)
        text = self._journal.read()
        # A line that was torn by a kill or a power cut ends it: that clip, and what may follow, is
        # made again.
        with contextlib.suppress(ValueError):
            for line in text.split("\n")[:-1]:
                entry = self._entry(line)
                if not (self._retry and "reason" in entry):
                    self._entries[self._key(entry)] = entry
        if text != _lines(self._entries.values()):
            self._rewrite_journal()

    def _entry(self, line: str) -> Entry:
        """What a line of the journal says.

        Raises:
            ValueError: for one that this class did not write.
        """
        entry = reading.parse_json(line)
        if not isinstance(entry, dict):
            raise ValueError(f"line {line[:40]!r} is no entry")
        # Lines of earlier versions have none.
        crc = entry.pop(_CRC, None)
        if crc is not None and crc != _crc(entry):
            raise ValueError(f"line {line[:40]!r} was changed")
        failed = "reason" in entry
        types = dict.fromkeys(self.STORE.KEY, str) | ({} if failed else self._entry_types())
        if not all(type(entry.get(name)) is kind for name, kind in types.items()):
            raise ValueError(f"line {line[:40]!r} is no entry")
        extras = type(entry.get("gone", 0)) is int and type(entry.get("digest", "")) is str
        if not extras or (failed and "gone" in entry):
            raise ValueError(f"line {line[:40]!r} is no entry")
        if self._key(entry) in self._entries or (self._extent(entry) < 1 and not failed):
            raise ValueError(f"line {line[:40]!r} cannot stand here")
        return entry

    def _entry_types(self) -> dict[str, type]:
        # Column of the index -> its type, without what the order of the lines says.
        return {name: kind for name, kind in self.STORE.INDEX_TYPES.items() if name != "offset"}

    def _open_data(self) -> None:
        # What the journal rests on: resuming refuses a changed start or file.
        write_table(self.path / MANIFEST, self._table())
        if not any(map(self._extent, self._entries.values())):
            # Whoever reads a store of which nothing counts any more keeps what is open.
            self._part.unlink(missing_ok=True)
        # Opened in one of two modes, since only "w+b" makes a file.
        data = open(self._part, "r+b" if self._part.exists() else "w+b")  # noqa: SIM115
        self._data = data
        present = max(os.fstat(data.fileno()).st_size - self.HEADER_BYTES, 0)
        unit = self._unit
        # After a power cut the journal can be ahead of the data: what the data lacks is made again.
        ends = [end * unit for end in self._ends() if end * unit <= present]
        if len(ends) <= len(self._entries):
            self._entries = dict(islice(self._entries.items(), len(ends) - 1))
            self._rewrite_journal()
        self._write_header(data, complete=False)
        data.truncate(self.HEADER_BYTES + ends[-1])
        data.seek(0, os.SEEK_END)
        self._journal.seek(0, os.SEEK_END)

    def fail(self, key: str, reason: str) -> None:
        """Record that a clip has no content, and why; the job continues."""
        entry = dict(zip(self.STORE.KEY, key.split("/", len(self.STORE.KEY) - 1), strict=True))
        self._record({**entry, "reason": shortened(" ".join(reason.split()))}, b"")

    def _record(self, entry: Entry, content: bytes) -> None:
        key, data = self._key(entry), self._data
        if key in self._entries or key not in self._expected:
            raise StoreError(
                f"clip {key!r} is not pending in store {self.path}; take clips from `pending`"
            )
        if data is None:
            raise StoreError(
                f"store {self.path} was closed after a write that failed; open it again to resume"
            )
        digest = self._digest(entry["clip"]) if content else ""
        entry = {**entry, "digest": digest} if digest else entry
        data_end, journal_end = data.tell(), self._journal.tell()
        try:
            data.write(content)
            data.flush()
            self._journal.write(_lines([entry]))
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
        entries, starts = self._entries, dict(zip(self._entries, self._ends(), strict=False))
        gone = any("gone" in entry for entry in entries.values())
        # The data file has the order in which clips were made, the index has the manifest's: after
        # `retry_failed` the two differ. What is gone goes when all else is copied, in order.
        if gone:
            self._entries = {key: entries[key] for key in self._keys()}
        offsets = dict(zip(self._entries, self._ends(), strict=False))
        rows = [{"offset": offsets[key], **self._entries[key]} for key in self._keys()]
        tables = {
            MANIFEST: self._table(),
            INDEX: pd.DataFrame(
                [row for row in rows if "reason" not in row],
                columns=list(self.STORE.INDEX_TYPES),
            ),
            FAILED: pd.DataFrame(
                [row for row in rows if "reason" in row],
                columns=[*self.STORE.KEY, "reason"],
            ),
        }
        notes = [row for row in rows if "note" in row]
        if notes:
            tables[NOTES] = pd.DataFrame(notes)[[*self.STORE.KEY, "note"]]
        try:
            for name, table in tables.items():
                write_table(self.path / name, table)
            if NOTES not in tables:
                (self.path / NOTES).unlink(missing_ok=True)
            if self._data is not None and gone:
                self._copy(self._data, [(starts[key], self._entries[key]) for key in self._entries])
            elif self._data is not None:
                self._write_header(self._data, complete=True)
                self._data.flush()
                self._sync(self._data)
                os.replace(self._part, self._whole)
            write_text(self._meta_file, self._meta(complete=True))
            self._part.unlink(missing_ok=True)
            (self.path / JOURNAL).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, self.path) from error
        finally:
            self.close()
        return self.STORE(self.path)

    def _copy(self, data: BinaryIO, parts: Iterable[tuple[int, Entry]]) -> None:
        # The finished data file, of what lies at these offsets. The other one stays until the
        # store says that it is complete.
        temporary = processes.temporary(self._whole)
        try:
            with open(temporary, "wb") as whole:
                self._write_header(whole, complete=True)
                for start, entry in parts:
                    data.seek(self.HEADER_BYTES + start * self._unit)
                    whole.write(data.read(self._extent(entry) * self._unit))
                whole.flush()
                os.fsync(whole.fileno())
            os.replace(temporary, self._whole)
        finally:
            temporary.unlink(missing_ok=True)

    def _table(self) -> pd.DataFrame:
        # The manifest, with what is known of the files of its clips.
        digests = {entry["clip"]: entry["digest"] for entry in self._living if "digest" in entry}
        table = self.manifest.assign(**{DIGEST: self.manifest["clip"].map(digests).fillna("")})
        columns = [name for name in (SOURCE, DIGEST) if name in table]
        return table.drop(columns=[name for name in columns if not table[name].any()])

    def _meta(self, complete: bool) -> str:
        living = self._living
        failed = sum("reason" in entry for entry in living)
        counts = {
            "done": len(living) - failed,
            "failed": failed,
            "missing": len(self.pending),
        }
        meta = {**asdict(self.extraction), "complete": complete, "counts": counts}
        return json.dumps(meta, indent=2, sort_keys=True) + "\n"

    def close(self) -> None:
        """Let go of the files; what was added stays and can be resumed."""
        for handle in (self._data, self._journal):
            # Every clip was flushed when it was added: what is left in a buffer belongs to none.
            if handle is not None:
                with contextlib.suppress(OSError):
                    handle.close()


def _with_states(table: pd.DataFrame, origin: Origin | None) -> tuple[pd.DataFrame, dict[str, str]]:
    # The manifest with the state of what each clip is made of, and the digests that it tells: of
    # parts that are merged nobody else knows them.
    told = table[["clip", DIGEST]].fillna("") if origin is None and DIGEST in table else None
    table = table.drop(columns=DIGEST, errors="ignore")
    if origin is not None:
        table = origins.with_states(table, origin)
    if SOURCE in table:
        table[SOURCE] = table[SOURCE].fillna("").astype(str)
    return table, {} if told is None else dict(told.to_numpy().tolist())


def _lines(entries: Iterable[Entry]) -> str:
    return "".join(json.dumps({**entry, _CRC: _crc(entry)}) + "\n" for entry in entries)


def _crc(entry: Entry) -> str:
    return f"{zlib.crc32(json.dumps(entry).encode()):08x}"


def _cut(file: BinaryIO | TextIO, end: int) -> None:
    # Close a file and cut it at `end`.
    # What is still in Python's buffer would be written again on close, so the file is cut after it;
    # the copy keeps it open, and the journal locked, until then.
    copy = os.dup(file.fileno())
    with contextlib.suppress(OSError):
        file.close()
    os.ftruncate(copy, end)
    os.close(copy)
