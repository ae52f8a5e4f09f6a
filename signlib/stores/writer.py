"""Making feature stores: frames appended clip by clip, safely (see `journal`)."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.errors import ClipError, StoreError
from signlib.stores.journal import Entry, JournalWriter
from signlib.stores.store import EXTRACTION, FAILED, FRAMES, INDEX, Extraction, FeatureStore


class StoreWriter(JournalWriter):
    """Makes a store, or goes on with one that was interrupted. Use it as a context manager.

    Arguments and errors as for `JournalWriter`.
    """

    DATA, META, TABLES = FRAMES, EXTRACTION, (INDEX, FAILED)
    SOURCE_COLUMNS = ("file", "start", "end", "fps")
    ELSEWHERE = "give another --out"
    HEADER_BYTES = 128

    def _size(self, entry: Entry) -> int:
        frame = int(np.prod(self.extraction.shape)) * np.dtype(self.extraction.dtype).itemsize
        return entry.get("length", 0) * frame

    def _write_header(self, complete: bool) -> None:
        rows = sum(entry.get("length", 0) for entry in self._entries.values()) if complete else 0
        self._data.seek(0)
        np.lib.format.write_array_header_1_0(
            self._data,
            {
                "descr": np.lib.format.dtype_to_descr(np.dtype(self.extraction.dtype)),
                "fortran_order": False,
                "shape": (rows, *self.extraction.shape),
            },
        )
        if self._data.tell() != self.HEADER_BYTES:
            raise StoreError(
                f"feature shape {self.extraction.shape} does not fit the {self.HEADER_BYTES}-byte"
                " array header"
            )

    def add(
        self, clip: str, array: np.ndarray, *, width: int = 0, height: int = 0, fps: float = 0.0
    ) -> None:
        """Keep a clip's features.

        Args:
            clip: one of `pending`; keep to that order, so that the arrays do not depend on
                interruptions.
            array: (T, *shape), T >= 1; NaN = not seen.
            width, height: of the source's frames in pixels, 0 = unknown.
            fps: frames a second of this array, 0 = unknown.

        Raises:
            ClipError: for a wrong shape or type, no frame, or an array of only NaN.
            DiskError: when the disk is full; everything added before stays, a new writer goes on.
        """
        array = np.asarray(array)
        if (
            array.dtype.kind != "f"
            or array.ndim < 1
            or array.shape[1:] != self.extraction.shape
            or len(array) == 0
        ):
            raise ClipError(
                f"clip {clip!r}: features are {array.dtype} of shape {array.shape}; this store"
                f" takes floats of shape (T, {', '.join(map(str, self.extraction.shape))}) with T"
                " >= 1"
            )
        if np.isnan(array).all():
            raise ClipError(
                f"clip {clip!r}: every value is NaN, nothing was found in any of its {len(array)}"
                " frames"
            )
        data = np.ascontiguousarray(array, dtype=self.extraction.dtype)
        entry = {
            "clip": clip,
            "length": len(data),
            "width": int(width),
            "height": int(height),
            "fps": float(np.nan_to_num(fps)),
        }
        self._record(entry, data.tobytes())

    def _finished(self) -> FeatureStore:
        return FeatureStore(self.path)

    def _tables(self) -> dict[str, pd.DataFrame]:
        done = [entry for entry in self._entries.values() if "length" in entry]
        offsets = dict(
            zip(
                (e["clip"] for e in done),
                np.cumsum([0] + [e["length"] for e in done]),
                strict=False,
            )
        )
        order = [self._entries[clip] for clip in self.manifest["clip"]]
        index = pd.DataFrame(
            [
                {"clip": e["clip"], "offset": int(offsets[e["clip"]]), **e}
                for e in order
                if "length" in e
            ],
            columns=["clip", "offset", "length", "width", "height", "fps"],
        )
        failed = pd.DataFrame([e for e in order if "reason" in e], columns=["clip", "reason"])
        return {INDEX: index, FAILED: failed}


def write_store(
    path: str | Path,
    extraction: Extraction,
    manifest: pd.DataFrame,
    clips: Iterable[tuple[str, np.ndarray]],
    **about: float,
) -> FeatureStore:
    """A store from features that already exist.

    Args:
        clips: (clip, array) pairs in manifest order; a clip that cannot be used is recorded as
            failed.
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
