"""A few pictures of every clip, kept compressed: JPEG for colour, PNG for depth, about the size of
the videos.

Layout: `pictures.bin` (all encoded pictures, one after the other), `index.csv` (where each clip
lies), `failed.csv`, `manifest.csv` and `pictures.json` (how they were made). Training decodes them
on the fly.
"""

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import joblib
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from signlib.data import manifest as manifests
from signlib.errors import SettingsError, StoreError
from signlib.extraction.filming import (
    COLOUR,
    DEPTH,
    FILES,
    FilmedClips,
    PictureSettings,
    PictureSource,
    RenderedClips,
)
from signlib.extraction.workers import in_order
from signlib.stores.journal import Entry, JournalWriter
from signlib.stores.store import (
    FAILED,
    INDEX,
    MANIFEST,
    PICTURES_META,
    Extraction,
    extraction_of,
    plain,
    read_extraction,
    read_table,
)

PICTURES, META = "pictures.bin", PICTURES_META
VERSION = "1"
"""Of what is kept of a clip; another one makes another store."""
CODECS = {COLOUR: "jpeg", DEPTH: "png"}


class PictureStore:
    """A finished store of pictures, read through a memory map; any worker or thread may read.

    Args:
        path: the store's folder.

    Raises:
        StoreError: when there is no store, it is unfinished, or its files do not fit together.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._meta = read_extraction(self.path, META)
        if not self._meta["complete"]:
            raise StoreError(
                f"store {self.path} is unfinished; make it again, it goes on where it stopped"
            )
        self.extraction = extraction_of(self._meta)
        about = {
            name: self.extraction.settings[name] for name in PictureSettings.__dataclass_fields__
        }
        self.settings = PictureSettings(**{**about, "kinds": tuple(about["kinds"])})
        self.index = read_table(self.path / INDEX, {"clip": str, "kind": str, "sizes": str})
        self.failed = read_table(self.path / FAILED, {"clip": str, "kind": str, "reason": str})
        self._rows = {
            (clip, kind): (int(offset), np.array(sizes.split(), int))
            for clip, kind, offset, sizes in self.index[
                ["clip", "kind", "offset", "sizes"]
            ].itertuples(index=False)
        }
        expected = sum(int(sizes.sum()) for _, sizes in self._rows.values())
        present = (self.path / PICTURES).stat().st_size if (self.path / PICTURES).is_file() else -1
        if present != expected:
            raise StoreError(
                f"store {self.path}: {PICTURES} has {max(present, 0)} bytes, its index says"
                f" {expected}; make it again"
            )

    def __len__(self) -> int:
        return len(self.clips)

    def __contains__(self, key: tuple[str, str]) -> bool:
        """True when (clip, kind) is there."""
        return key in self._rows

    def __getstate__(self) -> dict[str, Any]:
        # A pickled memory map would carry the whole file to a worker; each opens its own.
        return {name: value for name, value in self.__dict__.items() if name != "_bytes"}

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """The manifest of all clips that the store was to hold."""
        return manifests.load_manifest(self.path / MANIFEST)

    @property
    def kinds(self) -> tuple[str, ...]:
        """`colour`, `depth` or both."""
        return self.settings.kinds

    @cached_property
    def clips(self) -> list[str]:
        """The clips that have pictures of at least one kind, in manifest order."""
        return list(dict.fromkeys(self.index["clip"]))

    @property
    def counts(self) -> dict[str, int]:
        """Clips times kinds: done, failed and missing."""
        return self._meta["counts"]

    @property
    def bytes_a_clip(self) -> dict[str, float]:
        """Mean size of a clip's encoded pictures, by kind."""
        # Of an empty table pandas would keep the texts' type, which has no mean.
        total = self.index["sizes"].map(lambda sizes: sum(map(int, sizes.split()))).astype(int)
        return total.groupby(self.index["kind"]).mean().to_dict()

    @property
    def different_lengths(self) -> pd.DataFrame:
        """Clips whose kinds have different numbers of source frames: each was sampled by its own."""
        lengths = self.index.pivot(index="clip", columns="kind", values="length")
        return lengths[
            lengths.dropna().nunique(axis=1).reindex(lengths.index, fill_value=1) > 1
        ].astype(int)

    def shape(self, kind: str) -> tuple[int, ...]:
        """(T, H, W, 3) of colour, (T, H, W) of depth."""
        frames, size = self.settings.frames, self.settings.size
        return (frames, size, size, 3) if kind == COLOUR else (frames, size, size)

    def read(self, clip: str, kind: str) -> np.ndarray:
        """A clip's pictures: (T, H, W, 3) uint8 RGB for `colour`, (T, H, W) uint8 for `depth`, 0 =
        nothing measured.

        Raises:
            StoreError: when the clip or the kind is not in the store, with the reason if it failed;
                when bytes are damaged.
        """
        if (clip, kind) not in self._rows:
            raise StoreError(
                f"{kind} of clip {clip!r} is not in store {self.path}{self._why(clip, kind)}"
            )
        offset, sizes = self._rows[clip, kind]
        out = np.empty(self.shape(kind), np.uint8)
        for t, (end, size) in enumerate(zip(offset + np.cumsum(sizes), sizes, strict=True)):
            picture = cv2.imdecode(self._bytes[end - size : end], _FLAGS[kind])
            if picture is None or picture.shape != out.shape[1:]:
                raise StoreError(
                    f"store {self.path}: picture {t} of {kind} of clip {clip!r} is damaged; make it"
                    " again"
                )
            out[t] = picture
        return out

    def read_batch(self, clips: Sequence[str], kind: str) -> np.ndarray:
        """Several clips of one kind: (B, T, H, W, 3) or (B, T, H, W) uint8."""
        return np.stack([self.read(clip, kind) for clip in clips])

    @cached_property
    def _bytes(self) -> np.ndarray:
        return np.memmap(self.path / PICTURES, np.uint8, mode="r")

    def _why(self, clip: str, kind: str) -> str:
        if kind not in self.kinds:
            return f", which holds {' and '.join(self.kinds)}"
        reason = self.reasons(kind).get(clip)
        return f": it could not be made ({reason})" if reason else "; `store.clips` lists what is"

    def reasons(self, kind: str) -> dict[str, str]:
        """Clip -> why it has no pictures of that kind."""
        rows = self.failed[self.failed["kind"] == kind]
        return dict(zip(rows["clip"], rows["reason"], strict=True))


_FLAGS = {COLOUR: cv2.IMREAD_COLOR_RGB, DEPTH: cv2.IMREAD_GRAYSCALE}


class PictureWriter(JournalWriter):
    """Makes a picture store, or goes on with one that was interrupted; keys are `clip/kind`."""

    DATA, META, TABLES = PICTURES, META, (INDEX, FAILED)
    SOURCE_COLUMNS = ("file", "depth_file", "start", "end")
    ELSEWHERE = "give another folder"

    def _keys(self) -> list[str]:
        kinds = self.extraction.settings["kinds"]
        return [f"{clip}/{kind}" for clip in self.manifest["clip"] for kind in kinds]

    def _key(self, entry: Entry) -> str:
        return f"{entry['clip']}/{entry['kind']}"

    def _size(self, entry: Entry) -> int:
        return sum(map(int, entry.get("sizes", "").split()))

    def _finished(self) -> PictureStore:
        return PictureStore(self.path)

    def add(
        self, clip: str, kind: str, pictures: Sequence[bytes], length: int, width: int, height: int
    ) -> None:
        """Keep a clip's encoded pictures.

        Args:
            length, width, height: of the source, as in `Filmed`.

        Raises:
            DiskError: when the disk is full; everything added before stays, a new writer goes on.
        """
        sizes = " ".join(str(len(picture)) for picture in pictures)
        facts = {"length": length, "width": width, "height": height}
        self._record({"clip": clip, "kind": kind, "sizes": sizes, **facts}, b"".join(pictures))

    def fail(self, key: str, reason: str) -> None:
        """Record that `clip/kind` has no pictures, and why; the job goes on."""
        clip, kind = key.split("/")
        self._record({"clip": clip, "kind": kind, "reason": " ".join(reason.split())}, b"")

    def _tables(self) -> dict[str, pd.DataFrame]:
        done = {key: entry for key, entry in self._entries.items() if "sizes" in entry}
        ends = np.cumsum([0, *map(self._size, done.values())])
        offsets = dict(zip(done, ends.tolist(), strict=False))
        order = [(key, self._entries[key]) for key in self._keys()]
        index = pd.DataFrame(
            [{"offset": offsets[key], **entry} for key, entry in order if key in done],
            columns=["clip", "kind", "offset", "length", "width", "height", "sizes"],
        )
        failed = pd.DataFrame(
            [e for _, e in order if "reason" in e], columns=["clip", "kind", "reason"]
        )
        return {INDEX: index, FAILED: failed}

    def _row(self, entry: Entry) -> Entry:
        return plain(
            {name: entry[name] for name in ("clip", "kind", "sizes", "length", "width", "height")}
        )


def write_pictures(
    source: PictureSource,
    out: str | Path,
    settings: PictureSettings | None = None,
    workers: int = 1,
    progress: bool = True,
    retry_failed: bool = False,
) -> PictureStore:
    """The store with the pictures of every clip of a source, made or completed.

    A file that is missing, cut off or damaged becomes a row in `failed`. Killed at any point and
    started again, it ends with the same bytes; so it does with any number of workers.

    Args:
        source: `FilmedClips` or `RenderedClips`.
        out: the store's folder.
        settings: which pictures, how large, how well kept.
        workers: processes.
        progress: show a bar.
        retry_failed: try again what failed in an earlier session.

    Raises:
        SettingsError: for fewer than one worker, or kinds that the manifest names no files for.
        StoreError: when `out` holds a store made with other settings or of other clips.
        DiskError: when the disk is full; run it again.
    """
    settings = settings or PictureSettings()
    if workers < 1:
        raise SettingsError(
            f"workers={workers} must be at least 1; a worker keeps about one core busy"
        )
    lost = [FILES[kind] for kind in settings.kinds if FILES[kind] not in source.manifest.columns]
    if lost and isinstance(source, FilmedClips):
        raise SettingsError(
            f"pictures: kinds={settings.kinds}, but the manifest has no column {lost[0]!r}"
        )
    with PictureWriter(out, _extraction(source, settings), source.manifest, retry_failed) as writer:
        jobs = _jobs(source.manifest, writer.pending)
        failed = 0
        with tqdm(
            total=len(jobs), desc="pictures", unit="clip", disable=not progress or not jobs
        ) as bar:
            for (row, kinds), made in zip(
                jobs, _results(jobs, source, settings, workers), strict=True
            ):
                for kind in kinds:
                    if isinstance(made[kind], str):
                        writer.fail(f"{row.clip}/{kind}", made[kind])
                        failed += 1
                    else:
                        writer.add(row.clip, kind, *made[kind])
                bar.set_postfix_str(f"{failed} failed", refresh=False)
                bar.update()
        return writer.finish()


def pictures_of(
    corpus: Any,
    folder: str | Path,
    settings: PictureSettings | None = None,
    clips: Sequence[str] | None = None,
    workers: int = 1,
    progress: bool = True,
) -> PictureStore:
    """The pictures of a generated corpus, made below `folder` or, where they stand there already,
    read.

    Args:
        corpus, clips: as for `RenderedClips`.
        folder: where such stores are kept; each has a name of its own, from corpus, clips and
            settings.
        settings, workers, progress: as for `write_pictures`.
    """
    source, settings = RenderedClips(corpus, clips), settings or PictureSettings()
    about = [
        plain(_extraction(source, settings).settings),
        VERSION,
        source.manifest["clip"].tolist(),
    ]
    path = (
        Path(folder)
        / f"pictures-{hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]}"
    )
    if (path / META).is_file() and read_extraction(path, META)["complete"]:
        return PictureStore(
            path
        )  # without a lock: several processes of one training may ask at once
    return write_pictures(source, path, settings, workers, progress)


def _extraction(source: PictureSource, settings: PictureSettings) -> Extraction:
    codecs = {kind: CODECS[kind] for kind in settings.kinds}
    kept = {name: getattr(settings, name) for name in PictureSettings.__dataclass_fields__}
    return Extraction(
        "pictures",
        VERSION,
        settings={**kept, "codecs": codecs, "source": source.about},
        dtype="uint8",
    )


Job = tuple[Any, list[str]]
"""A row of the manifest, and the kinds that its clip still lacks."""
Made = dict[str, tuple[list[bytes], int, int, int] | str]
"""Kind -> encoded pictures, length, width and height of the source; or why there are none."""


def _jobs(manifest: pd.DataFrame, pending: Sequence[str]) -> list[Job]:
    parts = (key.split("/") for key in pending)
    lacking = {
        clip: [kind for _, kind in keys] for clip, keys in groupby(parts, key=lambda part: part[0])
    }
    rows = manifest[manifest["clip"].isin(lacking)].to_dict("records")
    return [(SimpleNamespace(**row), lacking[row["clip"]]) for row in rows]


def _results(
    jobs: list[Job], source: PictureSource, settings: PictureSettings, workers: int
) -> Iterator[Made]:
    """One result a job, in their order; with several workers only a few wait in memory."""
    if min(workers, len(jobs)) <= 1:
        yield from (_make(source, row, kinds, settings) for row, kinds in jobs)
        return
    lean = copy.copy(source)
    lean.__dict__.pop("manifest", None)  # every task carries the source along
    yield from in_order(
        (joblib.delayed(_make)(lean, row, kinds, settings) for row, kinds in jobs), workers
    )


def _make(source: PictureSource, row: Any, kinds: list[str], settings: PictureSettings) -> Made:
    cv2.setNumThreads(1)  # the processes share the cores already
    made: Made = {}
    for kind, filmed in source.film(row, kinds, settings).items():
        if isinstance(filmed, str):
            made[kind] = filmed
        else:
            encoded = [encode(picture, settings.quality) for picture in filmed.pictures]
            made[kind] = encoded, filmed.length, filmed.width, filmed.height
    return made


def encode(picture: np.ndarray, quality: int) -> bytes:
    """A colour picture (H, W, 3) as JPEG, a depth picture (H, W) as PNG without loss."""
    if picture.ndim == 3:
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)[1].tobytes()
    # Much of a depth picture is black: on real ones this is both the smallest and the fastest
    # strategy.
    flags = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return cv2.imencode(".png", picture, flags)[1].tobytes()
