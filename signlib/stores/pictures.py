"""A few pictures of every clip, kept compressed: about the size of the videos.

JPEG for colour, PNG for depth. Layout: `pictures.bin` (all encoded pictures, one after the other),
`index.csv` (where each clip lies), `failed.csv`, `manifest.csv` and `pictures.json` (how they were
made). Training decodes them on the fly.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from signlib import reading
from signlib.errors import SettingsError, StoreError, joined, shortened
from signlib.reading import Unreadable
from signlib.stores.journal import Entry, JournalWriter
from signlib.stores.store import PICTURES_META, Store, plausible

COLOUR, DEPTH = "colour", "depth"
KINDS = (COLOUR, DEPTH)
FITS = ("crop", "letterbox", "stretch")
# Bytes of a clip's pictures, one after the other.
_SIZES = re.compile(r"[0-9]{1,9}( [0-9]{1,9})*")
_READ_FLAGS = {COLOUR: cv2.IMREAD_COLOR_RGB, DEPTH: cv2.IMREAD_GRAYSCALE}


@dataclass(frozen=True)
class PictureSettings:
    """Which pictures of a clip are kept, and how.

    Attributes:
        frames: how many a clip, evenly spaced, both ends included; a shorter clip repeats some.
        size: side of the square pictures in pixels.
        fit: `crop` (short side resized, middle of the long side kept), `letterbox` (long side
            resized, black bars) or `stretch` (both sides resized).
        quality: of JPEG, for colour; depth is kept without loss.
        kinds: `colour`, `depth` or both.
    """

    frames: int = 16
    size: int = 224
    fit: str = "crop"
    quality: int = 92
    kinds: tuple[str, ...] = KINDS

    def __post_init__(self) -> None:
        values = vars(self)
        for refused, problem in (
            *(
                (not low <= values[name] <= high, f"{name}={values[name]} is outside {low}..{high}")
                for name, low, high in (
                    ("frames", 1, 1024),
                    ("size", 16, 2048),
                    ("quality", 1, 100),
                )
            ),
            (self.fit not in FITS, f"fit={self.fit!r} is unknown; choose from {', '.join(FITS)}"),
            (
                not self.kinds
                or list(self.kinds) != [kind for kind in KINDS if kind in self.kinds],
                f"kinds={self.kinds} must be some of {KINDS}, each once and in this order",
            ),
        ):
            if refused:
                raise SettingsError(f"pictures: {problem}")


class PictureStore(Store):
    """A finished store of pictures, read through a memory map; any worker or thread may read.

    Args:
        path: the store's folder.

    Attributes:
        settings: which pictures it keeps.
        kinds: `colour`, `depth` or both.

    Raises:
        StoreError: when there is no store, it is unfinished, or its files do not fit together.
        ManifestError: when its manifest is damaged.
    """

    META = PICTURES_META
    DATA = "pictures.bin"
    KEY = ("clip", "kind")
    INDEX_TYPES: ClassVar[Mapping[str, type]] = {
        "clip": str,
        "kind": str,
        "offset": int,
        "length": int,
        "width": int,
        "height": int,
        "sizes": str,
    }

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.settings = _settings_of(self.path, self.extraction.settings)
        self.kinds = self.settings.kinds
        for row in self.index.itertuples():
            fits = _SIZES.fullmatch(row.sizes) and row.sizes.count(" ") + 1 == self.settings.frames
            self._refuse(
                row.kind not in self.kinds or not fits,
                f"kind {row.kind[:20]!r} with sizes {row.sizes[:40]!r}, not {self.kinds} and"
                f" {self.settings.frames} numbers of bytes",
            )
        self._rows = {
            (row.clip, row.kind): (row.offset, np.array(row.sizes.split(), int))
            for row in self.index.itertuples()
        }
        extents = np.array([sizes.sum() for _, sizes in self._rows.values()], int)
        self._check_spans(extents)
        expected = int(extents.sum())
        file = self.path / self.DATA
        present = file.stat().st_size if file.is_file() else -1
        if present != expected:
            raise StoreError(
                f"store {self.path}: {self.DATA} has {max(present, 0)} bytes, its index says"
                f" {expected}; make it again"
            )

    def __contains__(self, key: tuple[str, str]) -> bool:
        """True when (clip, kind) is there."""
        return key in self._rows

    def __getstate__(self) -> dict[str, Any]:
        # A pickled memory map would carry the whole file to a worker; each opens its own.
        return {name: value for name, value in self.__dict__.items() if name != "_bytes"}

    def pieces(self, clip: str) -> list[np.ndarray]:
        """What the data file holds of a clip, as it lies there; nothing where it failed."""
        kinds = [kind for kind in self.kinds if (clip, kind) in self]
        return [picture for kind in kinds for picture in self.encoded(clip, kind)]

    @property
    def bytes_a_clip(self) -> dict[str, float]:
        """Mean size of a clip's encoded pictures, by kind."""
        # Of an empty table pandas would keep the texts' type, which has no mean.
        total = self.index["sizes"].map(_total).astype(int)
        return total.groupby(self.index["kind"]).mean().to_dict()

    def shape(self, kind: str) -> tuple[int, ...]:
        """(T, H, W, 3) of colour, (T, H, W) of depth."""
        size = self.settings.size
        return (self.settings.frames, size, size, *([3] if kind == COLOUR else []))

    def read(self, clip: str, kind: str) -> np.ndarray:
        """A clip's pictures: (T, H, W, 3) uint8 RGB of `colour`, (T, H, W) uint8 of `depth`.

        A depth of 0 means that nothing was measured.

        Raises:
            StoreError: when the clip or the kind is not in the store, with the reason if it failed;
                when bytes are damaged.
        """
        out = np.empty(self.shape(kind), np.uint8)
        for t, encoded in enumerate(self.encoded(clip, kind)):
            try:
                out[t] = _decoded(encoded, kind, out.shape[1:])
            except Unreadable as error:
                raise StoreError(
                    f"store {self.path}: picture {t} of {kind} of clip {clip!r} is damaged; make it"
                    f" again ({error})"
                ) from None
        return out

    def encoded(self, clip: str, kind: str) -> list[np.ndarray]:
        """A clip's pictures as they are kept, the bytes of each; errors as for `read`."""
        if (clip, kind) not in self._rows:
            raise StoreError(
                f"{kind} of clip {clip!r} is not in store {self.path}{self._why(clip, kind)}"
            )
        offset, sizes = self._rows[clip, kind]
        ends = zip(offset + np.cumsum(sizes), sizes, strict=True)
        return [self._bytes[end - size : end] for end, size in ends]

    def read_batch(self, clips: Sequence[str], kind: str) -> np.ndarray:
        """Several clips of one kind: (B, T, H, W, 3) or (B, T, H, W) uint8."""
        return np.stack([self.read(clip, kind) for clip in clips])

    @cached_property
    def _bytes(self) -> np.ndarray:
        return np.memmap(self.path / self.DATA, np.uint8, mode="r")

    def _why(self, clip: str, kind: str) -> str:
        if kind not in self.kinds:
            return f", which holds {' and '.join(self.kinds)}"
        reason = self.reasons(kind).get(clip)
        return f": it could not be made ({reason})" if reason else "; `store.clips` lists what is"

    def reasons(self, kind: str) -> dict[str, str]:
        """Clip -> why it has no pictures of that kind."""
        rows = self.failed[self.failed["kind"] == kind]
        return dict(zip(rows["clip"], rows["reason"], strict=True))


class PictureWriter(JournalWriter[PictureStore]):
    """Makes a picture store, or resumes one that was interrupted; keys are `clip/kind`."""

    STORE = PictureStore
    SOURCE_COLUMNS = ("file", "depth_file", "start", "end", "segment_fps")
    ELSEWHERE = "give another folder"

    def _keys(self) -> list[str]:
        kinds = self.extraction.settings["kinds"]
        return [f"{clip}/{kind}" for clip in self.manifest["clip"] for kind in kinds]

    def _extent(self, entry: Entry) -> int:
        return _total(entry.get("sizes", ""))

    def add(
        self,
        clip: str,
        kind: str,
        pictures: Sequence[bytes],
        length: int,
        width: int,
        height: int,
        note: str = "",
    ) -> None:
        """Keep a clip's encoded pictures.

        Args:
            clip, kind: of one of `pending`.
            pictures: files of JPEG or PNG.
            length: frames of the clip's segment in the source.
            width, height: of the source's frames in pixels; what none can have is 0, unknown.
            note: what was done to the segment, "" = nothing.

        Raises:
            DiskError: when the disk is full; everything added before stays, a new writer resumes.
        """
        sizes = " ".join(str(len(picture)) for picture in pictures)
        size, odd = plausible(width=width, height=height)
        facts: Entry = {"length": length, **{name: int(value) for name, value in size.items()}}
        note = shortened(joined(note, odd))
        if note:
            facts["note"] = note
        self._record({"clip": clip, "kind": kind, "sizes": sizes, **facts}, b"".join(pictures))


def _settings_of(path: Path, values: Mapping[str, Any]) -> PictureSettings:
    # The settings that a store's file says.
    names = asdict(PictureSettings())
    wrong = [name for name, usual in names.items() if not _like(values.get(name), usual)]
    if wrong:
        raise StoreError(
            f"store {path}: {PICTURES_META} says {wrong[0]}={str(values.get(wrong[0]))[:40]!r},"
            f" not a value such as {names[wrong[0]]!r}; make it again"
        )
    try:
        return PictureSettings(
            **{key: values[key] for key in names} | {"kinds": (*values["kinds"],)}
        )
    except SettingsError as error:
        raise StoreError(f"store {path}: {PICTURES_META} says {error}; make it again") from None


def _like(value: Any, usual: Any) -> bool:
    # JSON has lists where settings have tuples.
    return type(value) is (list if isinstance(usual, tuple) else type(usual))


def _decoded(data: np.ndarray, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    picture = reading.picture(data, _READ_FLAGS[kind])
    if picture.shape != shape:
        raise Unreadable(f"it is {picture.shape}, not {shape}")
    return picture


def _total(sizes: str) -> int:
    # Sum of the sizes that a row of the index lists, in bytes.
    return sum(map(int, sizes.split()))
