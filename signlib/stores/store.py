"""Features computed once and kept: one memory-mapped array, an index, and how they were made.

`store_writer` makes stores, this module reads them. Layout: `frames.npy` (all clips' frames in one
array), `index.csv` (where each clip lies), `failed.csv`, `manifest.csv` and `extraction.json`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from signlib.data import manifest as manifests
from signlib.data.skeletons import Skeleton, skeleton
from signlib.errors import StoreError

FRAMES, INDEX, FAILED, MANIFEST, EXTRACTION = (
    "frames.npy",
    "index.csv",
    "failed.csv",
    "manifest.csv",
    "extraction.json",
)
PICTURES_META = "pictures.json"
"""What a store of pictures has in place of `extraction.json`."""
INDEX_TYPES = {"clip": str, "offset": int, "length": int, "width": int, "height": int, "fps": float}
META_TYPES = {
    "complete": bool,
    "counts": dict,
    "extractor": str,
    "version": str,
    "shape": list,
    "channels": list,
    "skeleton": str,
    "settings": dict,
    "model_hash": str,
    "dtype": str,
}
AGAIN = "delete the folder and extract again"


@dataclass(frozen=True)
class Extraction:
    """How a store's features were made; two stores with equal ones can be merged.

    Attributes:
        extractor: `holistic`, `imported`, ...
        version: of the extractor's library.
        shape: of one frame's feature: (J, C) or (D,).
        channels: names of the last axis, where it has names.
        skeleton: which points the J axis holds (`mediapipe-543`), or "" for features without
            joints.
        settings: everything else that changes the numbers.
        model_hash: sha256 of the model files, or "".
        dtype: `float32` or `float16`.
    """

    extractor: str
    version: str = ""
    shape: tuple[int, ...] = ()
    channels: tuple[str, ...] = ()
    skeleton: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    model_hash: str = ""
    dtype: str = "float32"

    def difference(self, other: "Extraction") -> str:
        """The first setting in which two extractions differ, as text; "" when they agree."""
        ours, theirs = (
            plain({**asdict(e), **{f"settings.{key}": value for key, value in e.settings.items()}})
            for e in (self, other)
        )
        ours.pop("settings"), theirs.pop("settings")
        for key in {**ours, **theirs}:
            if ours.get(key) != theirs.get(key):
                return f"{key}={theirs.get(key)!r} instead of {ours.get(key)!r}"
        return ""


def plain(value: Any) -> Any:
    """The value as JSON would give it back."""
    return json.loads(json.dumps(value))


class FeatureStore:
    """A finished store, read through a memory map.

    Args:
        path: the store's folder.

    Raises:
        StoreError: when there is no store, it is unfinished, or its files do not fit together.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._meta = read_extraction(self.path)
        if not self._meta["complete"]:
            raise StoreError(
                f"store {self.path} is unfinished; run its extraction again, it goes on where it"
                " stopped"
            )
        self.extraction = extraction_of(self._meta)
        self.manifest = manifests.load_manifest(self.path / MANIFEST)
        self.index = read_table(self.path / INDEX, INDEX_TYPES)
        self.failed = read_table(self.path / FAILED, {"clip": str, "reason": str})
        try:
            self.frames = np.load(self.path / FRAMES, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise StoreError(
                f"store {self.path}: {FRAMES} cannot be read ({error}); {AGAIN}"
            ) from None
        rows = int(self.index["length"].sum())
        expected = f"{self.extraction.dtype} of shape {(rows, *self.extraction.shape)}"
        if f"{self.frames.dtype} of shape {self.frames.shape}" != expected:
            raise StoreError(
                f"store {self.path}: {FRAMES} is {self.frames.dtype} of shape {self.frames.shape},"
                f" its index says {expected}; {AGAIN}"
            )

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, clip: str) -> bool:
        return clip in self._rows

    @property
    def clips(self) -> list[str]:
        """The clips that have features, in manifest order."""
        return self.index["clip"].tolist()

    @property
    def counts(self) -> dict[str, int]:
        """Clips done, failed and missing."""
        return self._meta["counts"]

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The manifest's rows of the clips that have features, with offset, length, width and
        height.
        """
        doubled = [
            column
            for column in self.index.columns
            if column != "clip" and column in self.manifest.columns
        ]
        return self.manifest.drop(columns=doubled).merge(
            self.index, on="clip", how="inner", validate="1:1"
        )

    @cached_property
    def skeleton(self) -> Skeleton:
        """The points of the J axis."""
        return skeleton(self.extraction.skeleton)

    @cached_property
    def _rows(self) -> dict[str, tuple[int, int]]:
        return {
            clip: (int(offset), int(length))
            for clip, offset, length in self.index[["clip", "offset", "length"]].itertuples(
                index=False
            )
        }

    def span(self, clip: str) -> tuple[int, int]:
        """Offset and number of frames of a clip.

        Raises:
            StoreError: when the clip is not in the store, with the reason if its extraction failed.
        """
        try:
            return self._rows[clip]
        except KeyError:
            reason = self.failed.loc[self.failed["clip"] == clip, "reason"]
            why = (
                f": its extraction failed ({reason.iloc[0]})"
                if len(reason)
                else "; `store.clips` lists what is"
            )
            raise StoreError(f"clip {clip!r} is not in store {self.path}{why}") from None

    def read(self, clip: str) -> np.ndarray:
        """A read-only view of a clip's features: (T, J, C) or (T, D)."""
        offset, length = self.span(clip)
        return self.frames[offset : offset + length]

    def batch(
        self, clips: Sequence[str], frames: int | None = None, joints: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Several clips at once.

        Args:
            clips: B clip ids.
            frames: take so many frames a clip, evenly spaced; None takes all and pads with NaN.
            joints: indices of the J axis to keep; None keeps all.

        Returns:
            (B, T, J, C) in the store's type, and lengths (B,).
        """
        spans = np.array([self.span(clip) for clip in clips])
        if frames is not None:
            rows = spans[:, :1] + np.floor(np.linspace(0, spans[:, 1] - 1, frames).T + 1e-9).astype(
                int
            )
            taken = self.frames[rows] if joints is None else self.frames[rows[..., None], joints]
            return taken, np.full(len(clips), frames)
        longest = int(spans[:, 1].max())
        shape = (
            self.extraction.shape if joints is None else (len(joints), *self.extraction.shape[1:])
        )
        out = np.full((len(clips), longest, *shape), np.nan, self.frames.dtype)
        for row, (offset, length) in zip(out, spans, strict=True):
            clip = self.frames[offset : offset + length]
            row[:length] = clip if joints is None else clip[:, joints]
        return out, spans[:, 1]


class ClipSource(Protocol):
    """What training needs of a store; generated and imported clips offer the same without one."""

    extraction: Extraction

    @property
    def labelled(self) -> pd.DataFrame:
        """One row a clip with features: the manifest's columns, length, width and height."""
        ...

    @property
    def skeleton(self) -> Skeleton:
        """The points of the J axis."""
        ...

    def read(self, clip: str) -> np.ndarray:
        """A clip's features (T, J, C)."""
        ...


class LoadedClips:
    """Clips that are in memory, or made when asked for, behind the interface of a store.

    Args:
        manifest: complete; with `width` and `height` where the picture's shape is known.
        read: clip -> (T, J, C), NaN = missing.
        extraction: how they were made.
        spans: clip -> (U, 2) first and past-last frame of each of its signs, where that is known.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        read: Callable[[str], np.ndarray],
        extraction: Extraction,
        spans: Callable[[str], np.ndarray] | None = None,
    ) -> None:
        self.labelled = manifest.assign(
            **{c: 0 for c in ("width", "height") if c not in manifest.columns}
        )
        self.read, self.extraction, self.spans = read, extraction, spans

    @cached_property
    def skeleton(self) -> Skeleton:
        """The points of the J axis."""
        return skeleton(self.extraction.skeleton)


def is_finished(path: str | Path) -> bool:
    """True when `path` holds a finished store."""
    return (Path(path) / EXTRACTION).is_file() and bool(read_extraction(Path(path))["complete"])


def read_extraction(path: Path, name: str = EXTRACTION) -> dict[str, Any]:
    """How a store was made, whether it is complete, and counts, from its file `name`."""
    try:
        meta = json.loads((path / name).read_text(encoding="utf-8"))
        lost = set(META_TYPES) - set(meta)
        if lost:
            raise ValueError(f"no {min(lost)!r}")
        for key, kind in META_TYPES.items():
            if not isinstance(meta[key], kind):
                raise ValueError(f"{key}={meta[key]!r} is no {kind.__name__}")
        return meta
    except (FileNotFoundError, NotADirectoryError):
        raise _no_store(path, name) from None
    except (ValueError, TypeError) as error:
        raise StoreError(f"store {path}: {name} is damaged ({error}); {AGAIN}") from None


def _no_store(path: Path, name: str) -> StoreError:
    """The error for a folder without the file `name`: what it is instead, and how to come by a
    store.
    """
    ours = name == EXTRACTION
    if (path / (PICTURES_META if ours else EXTRACTION)).is_file():
        kinds = ("pictures", "features") if ours else ("features", "pictures")
        return StoreError(
            f"{path} is a store of {kinds[0]}, not of {kinds[1]} (no {name}); give a store of"
            f" {kinds[1]}"
        )
    how = "make one"
    if ours and (path / "shards").is_dir():
        how = f"merge its shards with `python -m signlib extract --out {path} --merge`"
    elif ours and path.exists():
        how = f"make one with `python -m signlib extract {path} --out STORE` and give STORE"
    elif ours:
        how = f"make one with `python -m signlib extract VIDEOS --out {path}`"
    return StoreError(f"{path} holds no {'feature' if ours else 'such'} store (no {name}); {how}")


def extraction_of(meta: dict[str, Any]) -> Extraction:
    kept = {name: meta[name] for name in Extraction.__dataclass_fields__}
    return Extraction(
        **{**kept, "shape": tuple(kept["shape"]), "channels": tuple(kept["channels"])}
    )


def read_table(path: Path, types: dict[str, type]) -> pd.DataFrame:
    try:
        # Without round_trip pandas misses the last digit of frame rates such as 30000/1001.
        table = pd.read_csv(
            path, dtype=types, keep_default_na=False, na_values={}, float_precision="round_trip"
        )
        lost = [column for column in types if column not in table.columns]
        if lost:
            raise ValueError(f"no column {lost[0]!r}")
        return table
    except (OSError, ValueError) as error:
        fault = str(error).strip()
        raise StoreError(
            f"store {path.parent}: {path.name} cannot be read ({fault}); {AGAIN}"
        ) from None
