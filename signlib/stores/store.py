"""Stores: what was computed once and kept, an index, and how it was made.

`FeatureStore` is one memory-mapped array; `writer` makes it. Layout: `frames.npy` (all clips'
frames in one array), `index.csv` (where each clip lies), `failed.csv`, `manifest.csv` and
`extraction.json`.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import pandas as pd

from signlib import reading
from signlib.data import manifest as manifests
from signlib.data import points as landmarks
from signlib.data.skeletons import SKELETONS, Skeleton, skeleton
from signlib.errors import ClipError, StoreError, joined, shortened
from signlib.reading import Form, Unreadable

INDEX = "index.csv"
FAILED = "failed.csv"
MANIFEST = "manifest.csv"
EXTRACTION = "extraction.json"
# What was taken from clips when they were kept, or looks wrong in them; only where something was.
NOTES = "notes.csv"
# What a store of pictures has in place of `extraction.json`.
PICTURES_META = "pictures.json"
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
_DTYPES = ("float16", "float32", "float64", "uint8")
# Most numbers of one frame's feature.
_FRAME = 2**24
# Column of the index and what it may be: frames, pixels, frames a second (0 = unknown).
_SIZES = (
    ("offset", 0, 2**48),
    ("length", 1, 2**31),
    ("width", 0, 2**16),
    ("height", 0, 2**16),
    ("fps", 0, manifests.FASTEST),
)
# What is known of a picture, when it is known, and what stores that are older than these limits
# may say: a film of one frame has 90,000 frames a second.
_PIXELS, _RATES = (1, 2**16), (manifests.SLOWEST, manifests.FASTEST)
_PLAUSIBLE = {"width": _PIXELS, "height": _PIXELS, "fps": _RATES}
_ONCE = {"width": 2**26, "height": 2**26, "fps": 1e6}


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
        ours, theirs = self._flat(), other._flat()
        return next(
            (
                f"{key}={theirs.get(key)!r} instead of {ours.get(key)!r}"
                for key in {**ours, **theirs}
                if ours.get(key) != theirs.get(key)
            ),
            "",
        )

    def _flat(self) -> dict[str, Any]:
        # Every value by its name; those in `settings` have a name each.
        values = asdict(self)
        settings = values.pop("settings")
        return plain({**values, **{f"settings.{key}": value for key, value in settings.items()}})


def plausible(**facts: float) -> tuple[dict[str, float], str]:
    """What a store says of a clip's picture, and what it does not take ("" = nothing).

    Args:
        facts: `width`, `height` and `fps`, 0 or NaN = unknown; one that cannot be becomes 0.
    """
    limits = {name: _PLAUSIBLE[name] for name in facts}
    given = {name: float(value) for name, value in facts.items()}
    fits = {name: low <= given[name] <= high for name, (low, high) in limits.items()}
    told = [
        f"{name}={given[name]:g} is taken as unknown: it is not {low} to {high}"
        for name, (low, high) in limits.items()
        if not fits[name] and given[name] and not math.isnan(given[name])
    ]
    return {name: given[name] if fits[name] else 0.0 for name in facts}, "; ".join(told)


def _index_of(table: pd.DataFrame) -> pd.DataFrame:
    # An index whose older sizes and rates that nobody can mean are unknown.
    for name in set(_PLAUSIBLE) & set(table):
        low, high = _PLAUSIBLE[name]
        odd = ((table[name] > 0) & (table[name] < low)) | (table[name] > high)
        table.loc[odd & (table[name] <= _ONCE[name]), name] = 0
    return table


def plain(value: Any) -> Any:
    """The value as JSON would give it back."""
    return reading.parse_json(json.dumps(value))


class Store:
    """A finished store: how its content was made, where each clip lies, what failed.

    Args:
        path: the store's folder.

    Attributes:
        extraction: how its content was made.
        manifest: of all its clips, also those that failed.
        index: where each clip lies, and how large it is.
        failed: why clips have no content.
        clips: those that have content, in manifest order.
        counts: how many are done, failed and missing: clips; of pictures, clips times kinds.

    Raises:
        StoreError: when there is no store, it is unfinished, or its files are damaged.
        ManifestError: when its manifest is damaged.
    """

    # The file that says how the content was made, and the one that holds it.
    META: ClassVar[str]
    DATA: ClassVar[str]
    # The columns that tell one row of the index from another.
    KEY: ClassVar[tuple[str, ...]]
    # Column of `index.csv` -> its type, in their order.
    INDEX_TYPES: ClassVar[Mapping[str, type]]

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        meta = read_extraction(self.path, self.META)
        if not meta["complete"]:
            raise StoreError(
                f"store {self.path} is unfinished; run its extraction again, it resumes where it"
                " stopped"
            )
        self.extraction = extraction_of(meta)
        self.manifest = manifests.load_manifest(self.path / MANIFEST)
        self.index = _index_of(read_table(self.path / INDEX, self.INDEX_TYPES))
        self.failed = read_table(self.path / FAILED, dict.fromkeys((*self.KEY, "reason"), str))
        self.clips: list[str] = self.index["clip"].unique().tolist()
        self.counts: dict[str, int] = meta["counts"]
        self._check_tables()

    def _check_tables(self) -> None:
        # Index and failures name each clip of the manifest once, with sizes that can be.
        both = pd.concat([self.index, self.failed])[list(self.KEY)]
        doubled = both[both.duplicated()]
        self._refuse(len(doubled), f"{'/'.join(doubled.iloc[:1].to_numpy().ravel())!r} twice")
        lost = both["clip"][~both["clip"].isin(self.manifest["clip"])]
        self._refuse(len(lost), f"clip {str(lost.iloc[:1].tolist())[:60]} that {MANIFEST} lacks")
        for column, low, high in _SIZES:
            values = self.index.get(column, pd.Series([], dtype=float))
            wrong = values[~values.between(low, high)]
            self._refuse(len(wrong), f"{column}={wrong.iloc[:1].tolist()}, not {low} to {high}")
        counts = (self.counts.get("done"), self.counts.get("failed"))
        rows = (len(self.index), len(self.failed))
        self._refuse(counts != rows, f"{rows} rows done and failed, {self.META} says {counts}")

    def _check_spans(self, extents: np.ndarray) -> None:
        # Clips lie one after the other in the data, without gap or overlap.
        offsets = self.index["offset"].to_numpy()
        order = np.argsort(offsets, kind="stable")
        ends = np.cumsum(extents[order])
        wrong = np.flatnonzero(offsets[order] != np.concatenate([[0], ends[:-1]])[: len(order)])
        row = self.index.iloc[order[wrong[:1]]].to_dict("records")
        self._refuse(
            len(wrong),
            f"clip {row and row[0]['clip'][:40]!r} at {row and row[0]['offset']}, where the clip"
            " before it does not end",
        )

    def pieces(self, clip: str) -> list[np.ndarray]:
        """What the data file holds of a clip, as it lies there; nothing where it failed."""
        raise NotImplementedError

    def told(self) -> dict[str, str]:
        """Key of a row of the index (`KEY`, with `/`) -> the note that was kept with it.

        In stores made before, notes have no kind: there the key is the clip.
        """
        if not (self.path / NOTES).is_file():
            return {}
        table = read_table(self.path / NOTES, {"clip": str, "note": str})
        keys = table[[column for column in self.KEY if column in table]].astype(str).to_numpy()
        return dict(zip(map("/".join, keys), table["note"], strict=True))

    def _refuse(self, wrong: object, what: str) -> None:
        if wrong:
            raise StoreError(f"store {self.path}: {INDEX} and {FAILED} hold {what}; {AGAIN}")

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[str]:
        return iter(self.clips)

    def __repr__(self) -> str:
        made = self.extraction
        told = f"{len(self)} clips"
        told += f", {len(self.failed)} could not be made" if len(self.failed) else ""
        told += f"; {made.extractor}"
        told += f", (T, {', '.join(map(str, made.shape))})" if made.shape else ""
        # Coordinates have short names, readable features too many.
        told += f" of {', '.join(made.channels)}" if 0 < len(made.channels) < 5 else ""
        told += f", skeleton {made.skeleton}" if made.skeleton else ""
        return f"{type(self).__name__} {self.path}: {told}"


class StoredClip(NamedTuple):
    """What a store of features keeps of a clip.

    Attributes:
        array: (T, J, C) or (T, D), NaN = not seen.
        width, height: of the source's frames in pixels, 0 = unknown.
        fps: frames a second, 0 = unknown.
        note: what was taken from it, or looks wrong in it; "" = nothing.
    """

    array: np.ndarray
    width: float = 0
    height: float = 0
    fps: float = 0.0
    note: str = ""


def layout_of(extraction: Extraction) -> Skeleton | None:
    """The skeleton of what was made; None of features, or of points of other people's."""
    ours = extraction.skeleton.partition("/")[0] in SKELETONS
    return skeleton(extraction.skeleton) if ours else None


def _reach(extraction: Extraction) -> tuple[float, float] | None:
    # How far points can be used, as their skeleton says.
    layout = layout_of(extraction)
    return None if layout is None else (layout.reach, layout.depth)


class Checked:
    """Clips whose points are checked when they are first read; see `data.points`.

    Attributes:
        notes: clip -> what was taken from it, or looks wrong in it; the clips read so far.
    """

    extraction: Extraction

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        # Clips that were read and of which nothing had to be taken.
        self._clean: set[str] = set()

    def _raw(self, clip: str) -> np.ndarray:
        # The clip's numbers before anybody has looked at them.
        raise NotImplementedError

    def blank(self, clips: Iterable[str]) -> list[str]:
        """Those of the clips in which no number can be used; looks at no more than it must."""
        layout = layout_of(self.extraction)
        return [clip for clip in clips if not landmarks.any_usable(self._raw(clip), layout)]

    def _checked(self, clip: str, array: np.ndarray) -> np.ndarray:
        # The clip's numbers, used or NaN; the very array where all of them can be used.
        if clip in self._clean:
            return array
        kept, taken = landmarks.usable(array, layout_of(self.extraction))
        if not taken:
            self._clean.add(clip)
        elif taken not in self.notes.get(clip, ""):
            self.notes[clip] = joined(self.notes.get(clip), taken)
        return kept


def why(source: object, clip: str, error: Exception) -> str:
    """Why a clip cannot be used, with what was taken from it when it was read."""
    return shortened(joined(str(error), getattr(source, "notes", {}).get(clip)))


class FeatureStore(Checked, Store):
    """A finished store of features, read through a memory map.

    Args:
        path: the store's folder.

    Raises:
        StoreError: when there is no store, it is unfinished, or its files do not fit together.
        ManifestError: when its manifest is damaged.
    """

    META = EXTRACTION
    DATA = "frames.npy"
    KEY = ("clip",)
    INDEX_TYPES: ClassVar[Mapping[str, type]] = {
        "clip": str,
        "offset": int,
        "length": int,
        "width": int,
        "height": int,
        "fps": float,
    }

    def __init__(self, path: str | Path) -> None:
        Checked.__init__(self)
        Store.__init__(self, path)
        self.notes |= self.told()
        try:
            self.frames = reading.mapped(self.path / self.DATA, Form("f", empty=True))
        except (OSError, ValueError) as error:
            raise StoreError(
                f"store {self.path}: {self.DATA} cannot be read ({error}); {AGAIN}"
            ) from None
        self._check_spans(self.index["length"].to_numpy())
        shape = (int(self.index["length"].sum()), *self.extraction.shape)
        expected = f"{self.extraction.dtype} of shape {shape}"
        if f"{self.frames.dtype} of shape {self.frames.shape}" != expected:
            raise StoreError(
                f"store {self.path}: {self.DATA} is {self.frames.dtype} of shape"
                f" {self.frames.shape}, its index says {expected}; {AGAIN}"
            )

    def __contains__(self, clip: str) -> bool:
        return clip in self._rows

    @cached_property
    def labelled(self) -> pd.DataFrame:
        """The manifest's rows of the clips that have features, with where and how large they are.

        Columns beside the manifest's: offset, length, width, height and fps.
        """
        manifest = self.manifest.drop(columns=self.index.columns.drop("clip"), errors="ignore")
        return manifest.merge(self.index, on="clip", how="inner", validate="1:1")

    @cached_property
    def skeleton(self) -> Skeleton:
        """The points of the J axis."""
        return skeleton(self.extraction.skeleton)

    @cached_property
    def _rows(self) -> dict[str, Any]:
        # Clip -> its row of the index.
        return {row.clip: row for row in self.index.itertuples(index=False)}

    def span(self, clip: str) -> tuple[int, int]:
        """Offset and number of frames of a clip.

        Raises:
            StoreError: when the clip is not in the store, with the reason if its extraction failed.
        """
        if clip in self._rows:
            return self._rows[clip].offset, self._rows[clip].length
        why = "; `store.clips` lists what is"
        if clip in self.reasons:
            why = f": its extraction failed ({self.reasons[clip]})"
        raise StoreError(f"clip {clip!r} is not in store {self.path}{why}")

    @cached_property
    def reasons(self) -> dict[str, str]:
        """Clip -> why it has no features."""
        return dict(zip(self.failed["clip"], self.failed["reason"], strict=True))

    def read(self, clip: str) -> np.ndarray:
        """A clip's features: (T, J, C) or (T, D), a read-only view where all can be used."""
        return self._checked(clip, self._raw(clip))

    def _raw(self, clip: str) -> np.ndarray:
        offset, length = self.span(clip)
        return self.frames[offset : offset + length]

    def pieces(self, clip: str) -> list[np.ndarray]:
        """What the data file holds of a clip, as it lies there; nothing where it failed."""
        return [self._raw(clip)] if clip in self else []

    def __getitem__(self, clip: str) -> np.ndarray:
        return self.read(clip)

    def stored(self, clip: str) -> StoredClip:
        """A clip's features with the size and rate of their source.

        Raises:
            ClipError: for a clip that has none, with the reason.
        """
        if clip not in self._rows:
            raise ClipError(self.reasons.get(clip, f"store {self.path} does not hold it"))
        row = self._rows[clip]
        points = self.read(clip)
        return StoredClip(points, row.width, row.height, row.fps, self.notes.get(clip, ""))

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
        for clip in set(clips) - self._clean:
            self.read(clip)  # checks it
        data = np.asarray(self.frames)
        # Of masks and negative numbers, too. `take` is several times faster than other indexing.
        columns = None if joints is None else np.arange(data.shape[1])[joints]

        def chosen(points: np.ndarray) -> np.ndarray:
            return points if columns is None else points.take(columns, axis=1)

        if frames is not None:
            # (B, frames); without the small number, 3.0 computed as 2.999... would become 2.
            steps = np.floor(np.linspace(0, spans[:, 1] - 1, frames).T + 1e-9).astype(int)
            lengths = np.full(len(clips), frames)
            if not self._clean.issuperset(clips):
                pairs = zip(clips, steps, strict=True)
                return np.stack([chosen(self.read(clip)[step]) for clip, step in pairs]), lengths
            rows = spans[:, :1] + steps
            if columns is None:
                return data.take(rows, axis=0), lengths
            cells = data.reshape(-1, *data.shape[2:])
            return cells.take(rows[..., None] * data.shape[1] + columns, axis=0), lengths
        shape = (len(clips), spans[:, 1].max(), *chosen(data[:0]).shape[1:])
        out = np.empty(shape, data.dtype)
        for row, clip in zip(out, clips, strict=True):
            points = self.read(clip)
            row[: len(points)] = chosen(points)
            row[len(points) :] = np.nan
        return out, spans[:, 1]


class ClipSource(Protocol):
    """What training needs of a store; generated and imported clips offer the same without one."""

    extraction: Extraction

    @property
    def labelled(self) -> pd.DataFrame:
        """One row a clip with features: the manifest's columns, length, width and height."""

    @property
    def skeleton(self) -> Skeleton:
        """The points of the J axis."""

    def read(self, clip: str) -> np.ndarray:
        """A clip's features (T, J, C)."""


class LoadedClips(Checked):
    """Clips that are in memory, or made when asked for, behind the interface of a store.

    Args:
        manifest: complete; with `width` and `height` where the picture's shape is known.
        read: clip -> (T, J, C), NaN = missing.
        extraction: how they were made.
        spans: clip -> (U, 2) first and past-last frame of each of its signs, where that is known.

    Attributes:
        reasons: clip -> why it is not among these, of the corpus's clips that cannot be read.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        read: Callable[[str], np.ndarray],
        extraction: Extraction,
        spans: Callable[[str], np.ndarray] | None = None,
    ) -> None:
        super().__init__()
        unknown = [column for column in ("width", "height") if column not in manifest.columns]
        self.labelled = manifest.assign(**dict.fromkeys(unknown, 0))
        self._read, self.extraction, self.spans = read, extraction, spans
        self.reasons: dict[str, str] = {}

    def read(self, clip: str) -> np.ndarray:
        """A clip's points (T, J, C), NaN = missing."""
        return self._checked(clip, self._raw(clip))

    def _raw(self, clip: str) -> np.ndarray:
        return self._read(clip)

    @cached_property
    def skeleton(self) -> Skeleton:
        """The points of the J axis."""
        return skeleton(self.extraction.skeleton)


class SharedClips(LoadedClips):
    """Clips of another source, with all or some of its joints; what it has checked stays checked.

    Args:
        manifest: as of `LoadedClips`.
        source: whose clips they are.
        extraction: how they were made.
        joints: indices of the source's J axis; None = all.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        source: ClipSource,
        extraction: Extraction,
        joints: Sequence[int] | None = None,
    ) -> None:
        super().__init__(manifest, source.read, extraction)
        self._source, self._joints = source, joints
        # Has the source's skeleton the same reach?
        self._alike = _reach(extraction) == _reach(source.extraction)
        # What is taken from a clip is taken when the source reads it.
        self.notes = getattr(source, "notes", {})

    def read(self, clip: str) -> np.ndarray:
        """A clip's points (T, J, C), NaN = missing."""
        points = self._read(clip)
        points = points if self._joints is None else points[..., self._joints, :]
        return points if self._alike else self._checked(clip, points)

    def blank(self, clips: Iterable[str]) -> list[str]:
        # Of the source, which may not have looked at them yet.
        raw = self._source._raw if isinstance(self._source, Checked) else self._read
        layout = layout_of(self.extraction)
        return [clip for clip in clips if not landmarks.any_usable(raw(clip), layout, self._joints)]

    def _raw(self, clip: str) -> np.ndarray:
        return self.read(clip)


def is_finished(path: str | Path, name: str = EXTRACTION) -> bool:
    """True when `path` holds a finished store whose file `name` says how it was made."""
    return (Path(path) / name).is_file() and bool(read_extraction(Path(path), name)["complete"])


def read_extraction(path: Path, name: str = EXTRACTION) -> dict[str, Any]:
    """How a store was made, whether it is complete, and counts, from its file `name`.

    Raises:
        StoreError: when there is no store, or the file is damaged.
    """
    try:
        meta = reading.read_json(path / name)
        check_extraction(meta, META_TYPES)
        return meta
    except (FileNotFoundError, NotADirectoryError):
        raise _no_store(path, name) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"store {path}: {name} is damaged ({error}); {AGAIN}") from None


def _no_store(path: Path, name: str) -> StoreError:
    # The error for a folder without the file `name`: what it is, and how to come by a store.
    kinds = {EXTRACTION: "features", PICTURES_META: "pictures"}
    other = PICTURES_META if name == EXTRACTION else EXTRACTION
    if (path / other).is_file():
        return StoreError(
            f"{path} is a store of {kinds[other]}, not of {kinds[name]} (no {name}); give a store"
            f" of {kinds[name]}"
        )
    if name != EXTRACTION:
        return StoreError(f"{path} holds no such store (no {name}); make one")
    how = f"make one with `python -m signlib extract VIDEOS --out {path}`"
    if (path / "shards").is_dir():
        how = f"merge its shards with `python -m signlib extract --out {path} --merge`"
    elif path.exists():
        how = f"make one with `python -m signlib extract {path} --out STORE` and give STORE"
    return StoreError(f"{path} holds no feature store (no {name}); {how}")


def check_extraction(meta: Any, types: Mapping[str, type]) -> None:
    """Refuse a description of an extraction that none can have.

    Args:
        meta: from a file.
        types: of the keys that it must have.

    Raises:
        Unreadable: with the key, its value and what is allowed.
    """
    lost = set(types) - set(meta if isinstance(meta, dict) else ())
    if lost:
        raise Unreadable(f"no {min(lost)!r}")
    for key, kind in types.items():
        if not isinstance(meta[key], kind):
            raise Unreadable(f"{key}={str(meta[key])[:60]} is no {kind.__name__}")
    shape, channels = meta["shape"], meta["channels"]
    whole = all(type(size) is int and size > 0 for size in shape)
    if not whole or len(shape) > 3 or math.prod(shape) > _FRAME:
        raise Unreadable(f"shape={str(shape)[:60]} is none of 1 to {_FRAME:,} numbers")
    named = all(isinstance(name, str) for name in channels)
    if not named or (channels and shape and len(channels) != shape[-1]):
        raise Unreadable(f"channels={str(channels)[:60]} are no names of {shape[-1:]} numbers")
    if meta["dtype"] not in _DTYPES:
        raise Unreadable(f"dtype={meta['dtype'][:20]!r} is none of {', '.join(_DTYPES)}")
    counts = meta.get("counts", {})
    if not all(type(count) is int and count >= 0 for count in counts.values()):
        raise Unreadable(f"counts={str(counts)[:60]} are not all whole numbers of at least 0")


def extraction_of(meta: Any) -> Extraction:
    """The extraction that a store's file, or a run's, describes.

    Raises:
        StoreError: for one that cannot be.
    """
    try:
        check_extraction(meta, {key: META_TYPES[key] for key in Extraction.__dataclass_fields__})
    except Unreadable as error:
        raise StoreError(f"a description of an extraction is damaged ({error}); {AGAIN}") from None
    values = {name: meta[name] for name in Extraction.__dataclass_fields__}
    tuples = {name: tuple(meta[name]) for name in ("shape", "channels")}
    return Extraction(**values | tuples)


def read_table(path: Path, types: Mapping[str, type]) -> pd.DataFrame:
    """A store's csv file, once it has these columns.

    Raises:
        StoreError: when it is missing or damaged.
    """
    try:
        # Without round_trip pandas misses the last digit of frame rates such as 30000/1001.
        table = reading.read_csv(
            path,
            dtype=dict(types),
            keep_default_na=False,
            na_values={},
            float_precision="round_trip",
        )
        lost = [column for column in types if column not in table.columns]
        if lost:
            raise ValueError(f"no column {lost[0]!r}")
        return table
    except (OSError, ValueError) as error:
        raise StoreError(
            f"store {path.parent}: {path.name} cannot be read ({str(error).strip()}); {AGAIN}"
        ) from None
