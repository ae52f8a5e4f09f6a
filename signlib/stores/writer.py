"""Making feature stores: frames appended clip by clip, safely (see `journal`)."""

import io
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from signlib import paths
from signlib.data import points as landmarks
from signlib.data.origins import Files
from signlib.errors import ClipError, StoreError, joined, shortened
from signlib.files import write_bytes
from signlib.stores.journal import Entry, JournalWriter
from signlib.stores.store import Extraction, FeatureStore, StoredClip, layout_of, plausible


class StoreWriter(JournalWriter[FeatureStore]):
    """Makes a store, or resumes one that was interrupted. Use it as a context manager.

    Arguments and errors as for `JournalWriter`.
    """

    STORE = FeatureStore
    SOURCE_COLUMNS = ("file", "start", "end", "fps", "segment_fps")
    ELSEWHERE = "give another --out"
    HEADER_BYTES = 128

    def _extent(self, entry: Entry) -> int:
        return entry.get("length", 0)

    def _write_header(self, data: BinaryIO, complete: bool) -> None:
        # While the store is not complete the header says 0 frames: nobody reads half a store.
        rows = self._ends()[-1] if complete else 0
        data.seek(0)
        np.lib.format.write_array_header_1_0(
            data,
            {
                "descr": np.lib.format.dtype_to_descr(np.dtype(self.extraction.dtype)),
                "fortran_order": False,
                "shape": (rows, *self.extraction.shape),
            },
        )
        if data.tell() != self.HEADER_BYTES:
            raise StoreError(
                f"feature shape {self.extraction.shape} does not fit the {self.HEADER_BYTES}-byte"
                " array header"
            )

    def add(
        self,
        clip: str,
        array: np.ndarray,
        width: float = 0,
        height: float = 0,
        fps: float = 0.0,
        note: str = "",
    ) -> None:
        """Keep a clip's features; numbers that cannot be used are kept as NaN.

        Args:
            clip: one of `pending`; keep to that order, so that the arrays do not depend on
                interruptions.
            array: (T, *shape), T >= 1; NaN = not seen.
            width, height: of the source's frames in whole pixels, 0 = unknown.
            fps: frames a second of this array, 0 = unknown; what none can have is unknown, too.
            note: what was taken from it already, or looks wrong in it.

        Raises:
            ClipError: for a wrong shape or type, no frame, or nothing that can be used.
            DiskError: when the disk is full; everything added before stays, a new writer resumes.
        """
        array = np.asarray(array)
        fits = array.ndim >= 1 and array.shape[1:] == self.extraction.shape and len(array) > 0
        if array.dtype.kind != "f" or not fits:
            raise ClipError(
                f"clip {clip!r}: features are {array.dtype} of shape {array.shape}; this store"
                f" takes floats of shape (T, {', '.join(map(str, self.extraction.shape))}) with T"
                " >= 1"
            )
        facts, odd = plausible(width=width, height=height, fps=fps)
        # In the store's type first: what it has no number for becomes infinite there.
        with np.errstate(over="ignore"):
            data = np.ascontiguousarray(array, dtype=self.extraction.dtype)
        data, taken = landmarks.usable(data, layout_of(self.extraction))
        note = shortened(joined(note, taken, odd))
        if np.isnan(data).all():
            raise ClipError(
                f"clip {clip!r}: every value is NaN, nothing was found in any of its {len(array)}"
                f" frames{note and f' ({note})'}"
            )
        size = {name: int(facts[name]) for name in ("width", "height")}
        told = {"note": note} if note else {}
        entry = {"clip": clip, "length": len(data), **size, "fps": facts["fps"], **told}
        self._record(entry, data.tobytes())

    def keep(self, clip: str, make: Callable[..., StoredClip], *arguments: Any) -> None:
        """Keep what a function gives for a clip, or the reason why it cannot be used.

        Args:
            clip: one of `pending`.
            make: it may raise ClipError.
            arguments: of the function.
        """
        try:
            self.add(clip, *make(*arguments))
        except ClipError as error:
            self.fail(clip, str(error))


def write_store(
    path: str | Path,
    extraction: Extraction,
    manifest: pd.DataFrame,
    clips: Iterable[tuple[str, np.ndarray | str]],
    notes: Mapping[str, str] | None = None,
    retry_failed: bool = False,
    **facts: Any,
) -> FeatureStore:
    """A store from features that already exist.

    Args:
        clips: (clip, array) pairs in manifest order, or (clip, why there is none); a clip that
            cannot be used is recorded as failed.
        notes: clip -> what was taken from it already; looked at when the clip is kept.
        retry_failed: try clips again that failed before.
        facts: `width`, `height` and `fps` of all clips, where they are known.
    """
    with StoreWriter(path, extraction, manifest, retry_failed) as writer:
        pending = set(writer.pending)
        for clip, array in clips if pending else ():
            if clip in pending and isinstance(array, str):
                writer.fail(clip, array)
            elif clip in pending:
                note = (notes or {}).get(clip, "")
                writer.keep(clip, partial(StoredClip, note=note, **facts), array)
        return writer.finish()


def import_files(
    folder: Path,
    ending: str,
    out: str | Path,
    extraction: Extraction,
    manifest: pd.DataFrame,
    read: Callable[[Path], StoredClip],
) -> FeatureStore:
    """The store of the files `{clip}` + ending; one that cannot be used becomes a row in `failed`.

    Args:
        folder: where the files lie.
        ending: of their names.
        out: the store's folder.
        extraction: how the arrays were made.
        manifest: which clips.
        read: the content of a file, or ClipError.

    Raises:
        StoreError: when `out` holds another store.
    """
    files = {clip: folder / f"{paths.check_name(clip)}{ending}" for clip in manifest["clip"]}
    origin = Files({clip: [file] for clip, file in files.items()})
    with StoreWriter(out, extraction, manifest, origin=origin) as writer:
        for clip in writer.pending:
            writer.keep(clip, read, files[clip])
        return writer.finish()


def files_manifest(folder: Path, ending: str) -> pd.DataFrame:
    """A row for each file `{clip}` + ending in a folder, with no gloss."""
    files = (paths.readable(path.name) for path in folder.glob(f"*{ending}"))
    names = sorted(name.removesuffix(ending) for name in files)
    return pd.DataFrame({"clip": names, "file": [name + ending for name in names]})


def write_npy(path: str | Path, array: np.ndarray) -> None:
    """Write one clip's array whole or not at all.

    Raises:
        DiskError: when the disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_bytes(Path(path), buffer.getvalue())
