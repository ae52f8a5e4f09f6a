"""Files of other tools, one array a clip, in and out of stores."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from signlib import paths
from signlib.errors import ClipError
from signlib.files import write_bytes
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import StoreWriter


class FileClip(NamedTuple):
    """What a file holds of one clip.

    Attributes:
        array: (T, ...) as a store keeps it.
        width, height: of the source's frames in pixels, 0 = unknown.
        fps: frames a second, 0 = unknown.
    """

    array: np.ndarray
    width: int = 0
    height: int = 0
    fps: float = 0.0


def files_manifest(folder: Path, ending: str) -> pd.DataFrame:
    """A row for each file `{clip}` + ending in a folder, with no gloss."""
    names = sorted(path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))
    return pd.DataFrame({"clip": names, "file": [name + ending for name in names]})


def import_files(
    folder: Path,
    ending: str,
    out: str | Path,
    extraction: Extraction,
    manifest: pd.DataFrame,
    read: Callable[[Path], FileClip],
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
    with StoreWriter(out, extraction, manifest) as writer:
        for clip in writer.pending:
            try:
                content = read(folder / f"{paths.check_name(clip)}{ending}")
                writer.add(
                    clip,
                    content.array,
                    width=content.width,
                    height=content.height,
                    fps=content.fps,
                )
            except ClipError as error:
                writer.fail(clip, str(error))
        return writer.finish()


def write_npy(path: str | Path, array: np.ndarray) -> None:
    """Write one clip's array whole or not at all.

    Raises:
        DiskError: when the disk is full or the folder cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_bytes(Path(path), buffer.getvalue())
