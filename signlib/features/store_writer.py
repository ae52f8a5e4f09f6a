"""Making feature stores that survive `kill -9`, a full disk and a power cut.

Frames are appended first and the journal line that makes them count second, so a resumed
extraction ends with the same bytes as an uninterrupted one.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signlib.data import manifest as manifests
from signlib.errors import ClipError, StoreError
from signlib.features.store import (
    EXTRACTION,
    FAILED,
    FRAMES,
    INDEX,
    MANIFEST,
    Extraction,
    FeatureStore,
    extraction_of,
    plain,
    read_extraction,
)
from signlib.files import disk_error, write_text

PART, JOURNAL = "frames.npy.part", "journal.jsonl"
HEADER_BYTES = 128
SOURCE_COLUMNS = ["file", "start", "end", "fps"]
"""What of a manifest decides a clip's features; a changed gloss or split changes none."""


class StoreWriter:
    """Makes a store, or goes on with one that was interrupted. Use it as a context manager.

    Args:
        path: the store's folder; created when missing.
        extraction: how the features are made.
        manifest: every clip that the store is to hold, in the order it will have.
        retry_failed: try clips again whose failure was recorded, for when their files were mended.

    Raises:
        StoreError: when the folder holds a store made with other settings or from other clips, holds
            something else, or another process is writing to it.
        DiskError: when the folder cannot be written.
    """

    def __init__(
        self, path: str | Path, extraction: Extraction, manifest: pd.DataFrame, retry_failed: bool = False
    ) -> None:
        self.path, self.extraction = Path(path), extraction
        self.manifest = manifests.complete(manifest)
        self._frame_bytes = int(np.prod(extraction.shape)) * np.dtype(extraction.dtype).itemsize
        self._entries: dict[str, dict[str, Any]] = {}
        self._retry = retry_failed
        self._synced = time.monotonic()
        self._journal = self._data = None
        self._open()

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pending(self) -> list[str]:
        """Clips that have neither features nor a recorded failure, in manifest order."""
        return [clip for clip in self.manifest["clip"] if clip not in self._entries]

    def _open(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            known = (self.path / EXTRACTION).exists()
            ours = {"shards", JOURNAL, PART, *self._half_written()}
            if not known and any(p.name not in ours for p in self.path.iterdir()):
                raise StoreError(f"{self.path} is not empty and holds no store; give --out a folder of its own")
            self._journal = open(self.path / JOURNAL, "a+", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise disk_error(error, self.path) from error
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._journal.close()
            raise StoreError(f"store {self.path} is being written by another process; wait for it") from None
        try:
            known = (self.path / EXTRACTION).exists()
            for name in self._half_written():
                (self.path / name).unlink()
            if known:
                self._resume()
            else:
                write_text(self.path / EXTRACTION, self._meta(complete=False))
            self._open_data()
        except OSError as error:
            self.close()
            raise disk_error(error, self.path) from error
        except BaseException:
            self.close()
            raise

    def _half_written(self) -> list[str]:
        """What `write_text` leaves of this store's files when it is killed."""
        names = (INDEX, FAILED, MANIFEST, EXTRACTION)
        return [path.name for name in names for path in self.path.glob(f".{name}.*.tmp")]

    def _resume(self) -> None:
        meta = read_extraction(self.path)
        difference = self.extraction.difference(extraction_of(meta))
        if difference:
            raise StoreError(
                f"store {self.path} was made with {difference}; a changed setting is another store: "
                "give another --out, or delete this one"
            )
        if meta["complete"] and (self.path / FRAMES).exists():
            self._load_entries(FeatureStore(self.path))
            self._check_sources()
            if self.pending:
                self._reopen_finished()
        else:
            self._read_journal()
            self._check_sources()
            if (self.path / FRAMES).exists():
                os.replace(self.path / FRAMES, self.path / PART)

    def _check_sources(self) -> None:
        """Refuse, before anything is touched, a manifest that no longer says what was extracted."""
        gone = set(self._entries) - set(self.manifest["clip"])
        if gone:
            raise StoreError(
                f"store {self.path} holds clip {min(gone)!r}, which the manifest no longer has; give another --out"
            )
        if not self._entries:
            return
        old = manifests.load_manifest(self.path / MANIFEST)
        both = old[old["clip"].isin(list(self._entries))].merge(self.manifest, on="clip", suffixes=("", "_new"))
        for column in SOURCE_COLUMNS:
            ours, theirs = both[column], both[column + "_new"]
            changed = both[(ours != theirs) & ~(ours.isna() & theirs.isna())]
            if len(changed):
                row = changed.iloc[0]
                raise StoreError(
                    f"store {self.path}: clip {row['clip']!r} was made with {column}={row[column]!r}, the manifest now "
                    f"says {row[column + '_new']!r}; give another --out"
                )

    def _reopen_finished(self) -> None:
        """Turn a finished store back into an interrupted one, because clips are pending."""
        self._rewrite_journal()
        write_text(self.path / EXTRACTION, self._meta(complete=False))
        os.replace(self.path / FRAMES, self.path / PART)

    def _rewrite_journal(self) -> None:
        self._journal.seek(0)
        self._journal.truncate()
        self._journal.write("".join(json.dumps(entry) + "\n" for entry in self._entries.values()))
        self._journal.flush()

    def _load_entries(self, store: FeatureStore) -> None:
        rows = store.index.sort_values("offset").to_dict("records")
        self._entries = {row["clip"]: plain({k: v for k, v in row.items() if k != "offset"}) for row in rows}
        if not self._retry:
            self._entries.update({row["clip"]: row for row in store.failed.to_dict("records")})

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
            self._entries[entry["clip"]] = entry
        if self._retry:
            self._entries = {clip: entry for clip, entry in self._entries.items() if "length" in entry}
        if text != "".join(json.dumps(entry) + "\n" for entry in self._entries.values()):
            self._rewrite_journal()

    def _open_data(self) -> None:
        if (self.path / FRAMES).exists():
            return
        # What the journal stands on: a changed start or file is refused when the store is gone on with.
        write_text(self.path / MANIFEST, self.manifest.to_csv(index=False))
        self._data = open(self.path / PART, "r+b" if (self.path / PART).exists() else "w+b")  # noqa: SIM115
        present = max(os.fstat(self._data.fileno()).st_size - HEADER_BYTES, 0)
        # After a power cut the journal can be ahead of the data: what the data lacks is made again.
        end, kept = 0, {}
        for clip, entry in self._entries.items():
            size = entry.get("length", 0) * self._frame_bytes
            if end + size > present:
                break
            end, kept[clip] = end + size, entry
        if len(kept) < len(self._entries):
            self._entries = kept
            self._rewrite_journal()
        self._write_header(0)
        self._data.truncate(HEADER_BYTES + end)
        self._data.seek(0, os.SEEK_END)
        self._journal.seek(0, os.SEEK_END)

    def _write_header(self, rows: int) -> None:
        self._data.seek(0)
        np.lib.format.write_array_header_1_0(
            self._data,
            {
                "descr": np.lib.format.dtype_to_descr(np.dtype(self.extraction.dtype)),
                "fortran_order": False,
                "shape": (rows, *self.extraction.shape),
            },
        )
        if self._data.tell() != HEADER_BYTES:
            raise StoreError(f"feature shape {self.extraction.shape} does not fit the {HEADER_BYTES}-byte array header")

    def add(self, clip: str, array: np.ndarray, *, width: int = 0, height: int = 0, fps: float = 0.0) -> None:
        """Keep a clip's features.

        Args:
            clip: one of `pending`; keep to that order, so that the arrays do not depend on interruptions.
            array: (T, *shape), T >= 1; NaN = not seen.
            width, height: of the source's frames in pixels, 0 = unknown.
            fps: frames a second of this array, 0 = unknown.

        Raises:
            ClipError: for a wrong shape or type, no frame, or an array of only NaN.
            DiskError: when the disk is full; everything added before stays, a new writer goes on.
        """
        array = np.asarray(array)
        if array.dtype.kind != "f" or array.ndim < 1 or array.shape[1:] != self.extraction.shape or len(array) == 0:
            raise ClipError(
                f"clip {clip!r}: features are {array.dtype} of shape {array.shape}; this store takes floats of "
                f"shape (T, {', '.join(map(str, self.extraction.shape))}) with T >= 1"
            )
        if np.isnan(array).all():
            raise ClipError(f"clip {clip!r}: every value is NaN, nothing was found in any of its {len(array)} frames")
        data = np.ascontiguousarray(array, dtype=self.extraction.dtype)
        entry = {
            "clip": clip,
            "length": len(data),
            "width": int(width),
            "height": int(height),
            "fps": float(np.nan_to_num(fps)),
        }
        self._record(entry, data.tobytes())

    def fail(self, clip: str, reason: str) -> None:
        """Record that a clip has no features, and why; the job goes on."""
        self._record({"clip": clip, "reason": " ".join(reason.split())}, b"")

    def _record(self, entry: dict[str, Any], data: bytes) -> None:
        clip = entry["clip"]
        if self._data is None and clip in self._known and clip not in self._entries:
            raise StoreError(f"store {self.path} was closed after a write that failed; open it again to go on")
        if self._data is None or clip in self._entries or clip not in self._known:
            raise StoreError(f"clip {clip!r} is not pending in store {self.path}; take clips from `pending`")
        data_end, journal_end = self._data.tell(), self._journal.tell()
        try:
            self._data.write(data)
            self._data.flush()
            self._journal.write(json.dumps(entry) + "\n")
            self._journal.flush()
            if time.monotonic() - self._synced > 1.0:
                self._sync()
        except BaseException as error:
            # Also after Ctrl-C: frames without their journal line would shift every later clip.
            self._roll_back(data_end, journal_end)
            if isinstance(error, OSError):
                raise disk_error(error, self.path) from error
            raise
        self._entries[clip] = entry

    @cached_property
    def _known(self) -> set[str]:
        return set(self.manifest["clip"])

    def _roll_back(self, data_end: int, journal_end: int) -> None:
        # What is still in Python's buffers would be written again on close: cut the files below them.
        for handle, end in ((self._data, data_end), (self._journal, journal_end)):
            # The copy keeps the file open, and the journal locked, until it is cut.
            copy = os.dup(handle.fileno())
            with contextlib.suppress(OSError):
                handle.close()
            os.ftruncate(copy, end)
            os.close(copy)
        self._data = None

    def _sync(self) -> None:
        os.fsync(self._data.fileno())
        os.fsync(self._journal.fileno())
        self._synced = time.monotonic()

    def finish(self) -> FeatureStore:
        """The finished store; a store that was finished before is left as it is.

        Raises:
            StoreError: while clips are pending.
            DiskError: when the disk is full; a new writer goes on.
        """
        if self.pending:
            raise StoreError(f"store {self.path} still lacks {len(self.pending)} clips, first {self.pending[0]!r}")
        index, failed = self._tables()
        try:
            write_text(self.path / MANIFEST, self.manifest.to_csv(index=False))
            write_text(self.path / INDEX, index.to_csv(index=False))
            write_text(self.path / FAILED, failed.to_csv(index=False))
            if self._data is not None:
                self._write_header(int(index["length"].sum()))
                self._data.flush()
                self._sync()
                os.replace(self.path / PART, self.path / FRAMES)
            write_text(self.path / EXTRACTION, self._meta(complete=True))
            (self.path / JOURNAL).unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, self.path) from error
        finally:
            self.close()
        return FeatureStore(self.path)

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        done = [entry for entry in self._entries.values() if "length" in entry]
        offsets = dict(zip((e["clip"] for e in done), np.cumsum([0] + [e["length"] for e in done]), strict=False))
        order = [self._entries[clip] for clip in self.manifest["clip"]]
        index = pd.DataFrame(
            [{"clip": e["clip"], "offset": int(offsets[e["clip"]]), **e} for e in order if "length" in e],
            columns=["clip", "offset", "length", "width", "height", "fps"],
        )
        failed = pd.DataFrame([e for e in order if "reason" in e], columns=["clip", "reason"])
        return index, failed

    def _meta(self, complete: bool) -> str:
        done = sum("length" in entry for entry in self._entries.values())
        counts = {"done": done, "failed": len(self._entries) - done, "missing": len(self.pending)}
        meta = {**asdict(self.extraction), "complete": complete, "counts": counts}
        return json.dumps(meta, indent=2, sort_keys=True) + "\n"

    def close(self) -> None:
        """Let go of the files; what was added stays and can be resumed."""
        for handle in (self._data, self._journal):
            # Every clip was flushed when it was added: what is left in a buffer belongs to none.
            if handle is not None and not handle.closed:
                with contextlib.suppress(OSError):
                    handle.close()


def write_store(
    path: str | Path,
    extraction: Extraction,
    manifest: pd.DataFrame,
    clips: Iterable[tuple[str, np.ndarray]],
    **about: float,
) -> FeatureStore:
    """A store from features that already exist.

    Args:
        clips: (clip, array) pairs in manifest order; a clip that cannot be used is recorded as failed.
        about: `width`, `height` and `fps` of all clips, where they are known.
    """
    with StoreWriter(path, extraction, manifest) as writer:
        pending = set(writer.pending)
        for clip, array in clips if pending else ():
            if clip not in pending:
                continue
            try:
                writer.add(clip, array, **about)
            except ClipError as error:
                writer.fail(clip, str(error))
        return writer.finish()
