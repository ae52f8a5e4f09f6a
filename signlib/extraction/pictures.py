"""Clips to stores of pictures: each file decoded, or each generated clip rendered, once."""

import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from signlib.data import origins
from signlib.errors import SettingsError
from signlib.extraction.filming import (
    FILES,
    FilmedClips,
    PictureSource,
    RenderedClips,
    RenderedWorld,
    depth_beside,
)
from signlib.extraction.registry import Source
from signlib.extraction.workers import ClipRow, check_workers, in_order, rows_of
from signlib.stores.pictures import (
    COLOUR,
    DEPTH,
    KINDS,
    PictureSettings,
    PictureStore,
    PictureWriter,
)
from signlib.stores.renewal import discard_unfit, kept_store, made_alone
from signlib.stores.store import PICTURES_META, Extraction, is_finished, plain

# Of what is kept of a clip; another one makes another store.
VERSION = "1"
CODECS = {COLOUR: "jpeg", DEPTH: "png"}


@dataclass(frozen=True)
class PictureOptions(PictureSettings):
    """Which pictures of a clip are kept, and how.

    Attributes:
        frames, size, fit, quality: as of `PictureSettings`.
        kinds: `colour`, `depth` or both; none = colour, and depth where the source has some.
    """

    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.resolved(KINDS)

    def resolved(self, kinds: tuple[str, ...]) -> PictureSettings:
        """These settings, with `kinds` where none were named."""
        return PictureSettings(**{**asdict(self), "kinds": self.kinds or kinds})


class PictureExtractor:
    """Videos to a store of pictures, which models of video read."""

    settings = PictureOptions

    def extract(
        self,
        source: Source,
        out: Path,
        settings: PictureOptions,
        *,
        workers: int,
        shard: tuple[int, int],
        retry_failed: bool,
    ) -> PictureStore:
        """The store of a source's pictures; see `registry.Extractor`.

        Depth comes from the manifest's `depth_file`, and from `X_depth.mp4` beside a single
        `X_color.mp4`, or the folder `X_depth` beside the pictures of `X_color`.
        """
        table, root = source.videos()
        path = source.path.resolve()
        alone = len(table) == 1 and (root / table["file"].iloc[0]).resolve() == path
        depth = depth_beside(path) if alone else None
        if depth is not None:
            table = table.assign(depth_file=depth.name)
        return write_pictures(
            FilmedClips(table, root),
            out,
            settings.resolved(KINDS if FILES[DEPTH] in table.columns else (COLOUR,)),
            workers=workers,
            retry_failed=retry_failed,
        )

    def summary(self, store: PictureStore) -> str:
        """One line on what a store holds."""
        sizes = ", ".join(
            f"{kind} {size / 1e3:.0f} kB" for kind, size in store.bytes_a_clip.items()
        )
        return (
            f"{len(store)} of {len(store.manifest)} clips, {store.counts['failed']} videos failed,"
            f" {store.settings.frames} pictures of {store.settings.size} pixels each; a clip's"
            f" {sizes or 'size is unknown'}"
        )


def write_pictures(
    source: PictureSource,
    out: str | Path,
    settings: PictureSettings | None = None,
    workers: int = 1,
    progress: bool = True,
    retry_failed: bool = False,
    origin: origins.Origin | None = None,
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
        origin: of the clips, where they were looked at already.

    Raises:
        SettingsError: for fewer than one worker, or kinds that the manifest names no files for.
        StoreError: when `out` holds a store made with other settings or of other clips.
        DiskError: when the disk is full; run it again.
    """
    settings = settings or PictureSettings()
    check_workers(workers)
    lost = [FILES[kind] for kind in settings.kinds if FILES[kind] not in source.manifest.columns]
    if lost and isinstance(source, FilmedClips):
        raise SettingsError(
            f"pictures: kinds={settings.kinds}, but the manifest has no column {lost[0]!r}"
        )
    form, origin = _extraction(source, settings), origin or source.made_of(KINDS)
    with PictureWriter(out, form, source.manifest, retry_failed, origin) as writer:
        jobs = _jobs(source.manifest, writer.pending)
        failed = 0
        bar = tqdm(jobs, desc="pictures", unit="clip", disable=not progress or not jobs)
        for (row, _), result in zip(bar, _results(jobs, source, settings, workers), strict=True):
            for kind, encoded in result.items():
                if isinstance(encoded, str):
                    writer.fail(f"{row.clip}/{kind}", encoded)
                    failed += 1
                else:
                    writer.add(row.clip, kind, *encoded)
            bar.set_postfix_str(f"{failed} failed", refresh=False)
        return writer.finish()


def pictures_of(
    corpus: RenderedWorld,
    folder: str | Path,
    settings: PictureSettings | None = None,
    clips: Sequence[str] | None = None,
    workers: int = 1,
    progress: bool = True,
) -> PictureStore:
    """The pictures of a generated corpus, made below `folder`, or read where they exist already.

    Args:
        corpus, clips: as for `RenderedClips`.
        folder: where such stores are kept; each has a name of its own, from corpus, clips and
            settings.
        settings, workers, progress: as for `write_pictures`.
    """
    source, settings = RenderedClips(corpus, clips), settings or PictureSettings()
    facts = [
        plain(_extraction(source, settings).settings),
        VERSION,
        source.manifest["clip"].tolist(),
    ]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    path = Path(folder) / f"pictures-{digest[:12]}"
    if is_finished(path, PICTURES_META):
        # Without a writer's lock: several processes of one training may ask at once.
        return PictureStore(path)
    return write_pictures(source, path, settings, workers=workers, progress=progress)


def kept_pictures(
    source: FilmedClips,
    path: Path,
    before: Path,
    settings: PictureSettings,
    workers: int = 1,
) -> PictureStore:
    """The pictures of films, made once, and again where their files have changed since.

    Args:
        source: the films.
        path: of the store.
        before: where an earlier version kept it, for any folder of films; taken where it holds
            these pictures.
        settings, workers: as for `write_pictures`.
    """
    origin = source.made_of(KINDS)
    table = origins.with_states(source.manifest, origin)
    # Without a lock where all is there: several trainings may ask at once.
    store, stale = kept_store(PictureStore, path, table)
    clips = set(table["clip"])
    whole = store is not None and clips <= set(store.manifest["clip"])
    if store is not None and whole and not stale and store.settings == settings:
        return store
    if store is None and _holds(before, source, table, settings):
        return PictureStore(before)
    with made_alone(path):
        # Another process may have made it meanwhile.
        _, stale = kept_store(PictureStore, path, table)
        discard_unfit(path, table, stale)
        return write_pictures(source, path, settings, workers, origin=origin)


def _holds(path: Path, source: FilmedClips, table: pd.DataFrame, settings: PictureSettings) -> bool:
    # Whether a store that does not say of which folder's files it is holds a source's pictures.
    if not is_finished(path, PICTURES_META):
        return False
    store = PictureStore(path)
    made = (path / PICTURES_META).stat().st_mtime
    if origins.last_change(table[origins.SOURCE]) > made:
        return False
    lost = set(table["clip"]) - set(store.manifest["clip"])
    first = rows_of(table[table["clip"].isin(store.clips)].iloc[:1])
    if lost or not first or _extraction(source, settings).difference(store.extraction):
        return False
    # Clips of another folder may have the same names: the pictures of one tell.
    result = _make(source, first[0], list(settings.kinds), settings)
    for kind, encoded in result.items():
        key = (first[0].clip, kind)
        kept = [each.tobytes() for each in store.encoded(*key)] if key in store else []
        if kept != ([] if isinstance(encoded, str) else encoded[0]):
            return False
    return True


def _extraction(source: PictureSource, settings: PictureSettings) -> Extraction:
    return Extraction(
        "pictures",
        VERSION,
        settings={
            **asdict(settings),
            "codecs": {kind: CODECS[kind] for kind in settings.kinds},
            "source": source.origin,
        },
        dtype="uint8",
    )


# A row of the manifest, and the kinds that its clip still lacks.
Job = tuple[ClipRow, list[str]]
# Kind -> encoded pictures, length, width and height of the source, note; or why there are none.
Result = dict[str, tuple[list[bytes], int, int, int, str] | str]


def _jobs(manifest: pd.DataFrame, pending: Sequence[str]) -> list[Job]:
    # Keys are `clip/colour` and `clip/depth`.
    lacking: dict[str, list[str]] = {}
    for clip, kind in (key.split("/") for key in pending):
        lacking.setdefault(clip, []).append(kind)
    return [(row, lacking[row.clip]) for row in rows_of(manifest[manifest["clip"].isin(lacking)])]


def _results(
    jobs: list[Job], source: PictureSource, settings: PictureSettings, workers: int
) -> Iterator[Result]:
    # One result a job, in their order; with several workers only a few wait in memory.
    # Every call carries the source along, so it goes without its table.
    lean = copy.copy(source)
    lean.__dict__.pop("manifest", None)
    calls = ((lean, row, kinds, settings) for row, kinds in jobs)
    return in_order(_make, calls, max(1, min(workers, len(jobs))))


def _make(
    source: PictureSource, row: ClipRow, kinds: list[str], settings: PictureSettings
) -> Result:
    # The processes share the cores already.
    cv2.setNumThreads(1)
    result: Result = {}
    for kind, film in source.film(row, kinds, settings).items():
        if isinstance(film, str):
            result[kind] = film
        else:
            encoded = [encode(picture, settings.quality) for picture in film.pictures]
            result[kind] = encoded, film.length, film.width, film.height, film.note
    return result


def encode(picture: np.ndarray, quality: int) -> bytes:
    """A colour picture (H, W, 3) as JPEG, a depth picture (H, W) as PNG without loss."""
    if picture.ndim == 3:
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)[1].tobytes()
    # Much of a depth picture is black: on real ones this is both the smallest and the fastest
    # strategy.
    flags = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return cv2.imencode(".png", picture, flags)[1].tobytes()
