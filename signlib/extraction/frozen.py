"""Videos to frozen visual features: one vector a frame from an encoder that nobody trains.

Computed once and kept. Frames of several clips share a batch, and the next clips are decoded while
the encoder works, so that it never waits.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from signlib.data.frame_choice import chosen_by_time
from signlib.errors import SettingsError
from signlib.extraction import frozen_files
from signlib.extraction.filming import Filmed, FilmedClips, PictureSource
from signlib.extraction.frozen_files import EXTRACTOR
from signlib.extraction.registry import Source
from signlib.extraction.shards import WHOLE, part_of
from signlib.extraction.towers import EMBEDDINGS, Tower, load_tower
from signlib.extraction.workers import ClipRow, Extracted, check_workers, fill
from signlib.stores.pictures import COLOUR, FITS, PictureSettings, PictureStore
from signlib.stores.renewal import Stored
from signlib.stores.store import PICTURES_META, Extraction, FeatureStore, StoredClip
from signlib.stores.writer import StoreWriter


@dataclass(frozen=True)
class FrozenSettings:
    """Which encoder looks at which frames, and how.

    Attributes:
        model: a name on the Hugging Face hub, or a folder that `save_pretrained` wrote.
        revision: of a name: branch, tag or commit.
        embedding: `tower`, or `projected` (Gemma 3: what its language model would be given).
        frames: how many a clip, evenly spaced, both ends included; a shorter clip repeats some.
        fit: how a frame becomes square: `stretch`, `crop`, `letterbox`; "" = as the model's own
            processor does.
        batch: frames at once.
        dtype, attention, device: see `towers.load_tower`.
    """

    model: str = "google/gemma-3-4b-it"
    revision: str = "main"
    embedding: str = "tower"
    frames: int = 16
    fit: str = ""
    batch: int = 32
    dtype: str = "auto"
    attention: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        values = vars(self)
        for refused, problem in (
            *(
                (not 1 <= values[name] <= high, f"{name}={values[name]} is outside 1..{high}")
                for name, high in {"frames": 1024, "batch": 4096}.items()
            ),
            *(
                (
                    values[name] not in allowed,
                    f"{name}={values[name]!r} is unknown; choose from {', '.join(allowed)}",
                )
                for name, allowed in {"fit": ("", *FITS), "embedding": EMBEDDINGS}.items()
            ),
            (
                not self.model,
                "model is empty; give a name such as google/gemma-3-4b-it, or a folder",
            ),
        ):
            if refused:
                raise SettingsError(f"frozen: {problem}")

    def tower(self) -> Tower:
        """The encoder, loaded.

        Raises:
            SettingsError: when it is not to be had, or looks at more frames together than a clip
                has.
        """
        loaded = load_tower(
            model=self.model,
            revision=self.revision,
            embedding=self.embedding,
            dtype=self.dtype,
            attention=self.attention,
            device=self.device,
            fit=self.fit,
        )
        if self.frames % loaded.facts.window:
            raise SettingsError(
                f"frozen: frames={self.frames}, but {self.model} looks at {loaded.facts.window}"
                " together; take a multiple of that"
            )
        return loaded


class FrozenExtractor:
    """Videos, pictures or ready feature files to a store of frozen features."""

    settings = FrozenSettings

    def extract(
        self,
        source: Source,
        out: Path,
        settings: FrozenSettings,
        *,
        workers: int,
        shard: tuple[int, int],
        retry_failed: bool,
    ) -> FeatureStore:
        """The store of a source's frozen features; see `registry.Extractor`.

        Workers are threads that decode. Raises SettingsError for a model that cannot be loaded.
        """
        folder = source.path
        if folder.is_dir() and frozen_files.holds(folder, frozen_files.FEATURES):
            return frozen_files.import_features(folder, out)
        clips: PictureSource = (
            KeptPictures(PictureStore(folder))
            if (folder / PICTURES_META).is_file()
            else FilmedClips(*source.videos())
        )
        return extract_frozen(
            clips,
            out,
            settings,
            workers=workers,
            shard=shard,
            retry_failed=retry_failed,
        )

    def summary(self, store: FeatureStore) -> str:
        """One line on what a store holds."""
        settings = store.extraction.settings
        return (
            f"{store.counts['done']} clips done, {store.counts['failed']} failed,"
            f" {int(store.index['length'].sum()):,} vectors of {store.extraction.shape[0]} numbers"
            f" ({settings['pooling']} of {settings['model']}, {settings['dtype']}, attention"
            f" {settings['attention']})"
        )


def extraction_of_tower(
    tower: Tower, frames: int, origin: dict[str, Any] | None = None
) -> Extraction:
    """How features of a tower are made; two stores with equal ones can be merged.

    Args:
        tower: the encoder.
        frames: of a clip.
        origin: where the pictures come from.
    """
    settings = asdict(tower.facts) | {"frames": frames, "source": origin or {}}
    size, digest = settings.pop("size"), settings.pop("digest")
    return Extraction(
        EXTRACTOR,
        f"transformers {transformers.__version__}",
        (size,),
        settings=settings,
        model_hash=digest,
    )


class KeptPictures:
    """A store of pictures as a source: what was decoded once is not decoded again.

    Args:
        store: with colour.

    Raises:
        SettingsError: for a store without colour.
    """

    def __init__(self, store: PictureStore) -> None:
        if COLOUR not in store.kinds:
            raise SettingsError(
                f"store {store.path} holds {', '.join(store.kinds)}; frozen features need colour"
            )
        self.store, self.manifest = store, store.manifest
        self.origin = {
            "kind": "pictures",
            "size": store.settings.size,
            "fit": store.settings.fit,
            **chosen_by_time(store.manifest, resampled=False),
        }

    def made_of(self, kinds: Sequence[str]) -> Stored:
        """The pictures of the store."""
        return Stored(self.store)

    def film(
        self, row: ClipRow, kinds: Sequence[str], settings: PictureSettings
    ) -> Mapping[str, Filmed | str]:
        """Pictures of each kind, or the reason why there are none.

        Raises:
            SettingsError: when the store's pictures are not the ones asked for.
        """
        kept = self.store.settings
        if (kept.frames, kept.size) != (settings.frames, settings.size):
            raise SettingsError(
                f"store {self.store.path} has {kept.frames} pictures of {kept.size} pixels a clip,"
                f" the model needs {settings.frames} of {settings.size}; make it with"
                f" frames={settings.frames} size={settings.size}"
            )
        if (row.clip, COLOUR) not in self.store:
            return {COLOUR: self.store.reasons(COLOUR).get(row.clip, "it has no colour")}
        return {COLOUR: Filmed(self.store.read(row.clip, COLOUR), settings.frames, 0, 0)}


def extract_frozen(
    source: PictureSource,
    out: str | Path,
    settings: FrozenSettings | None = None,
    workers: int = 1,
    shard: tuple[int, int] = WHOLE,
    progress: bool = True,
    retry_failed: bool = False,
    tower: Tower | None = None,
) -> FeatureStore:
    """The store with one vector a frame of every clip, made or completed.

    A clip that fails becomes a row in `failed`.

    Args:
        source: `FilmedClips` (videos), `RenderedClips` (generated) or `KeptPictures`.
        out: the store's folder; shard i of n is written below it, for `shards.merge_shards`.
        settings: which encoder and frames.
        workers: threads that decode; one is enough unless the encoder waits.
        shard: (i, n) makes part i of n only, 1-based.
        progress: show a bar with frames a second and failures.
        retry_failed: try clips again that failed in an earlier session.
        tower: the settings' encoder, where it is loaded already.

    Raises:
        SettingsError: for fewer than one worker, more shards than clips, or an encoder that is not
            to be had.
        StoreError: when `out` holds a store made with other settings or of other clips.
        DiskError: when the disk is full; run it again.
    """
    settings = settings or FrozenSettings()
    check_workers(workers, "one keeps an encoder busy")
    table, out = part_of(source.manifest, out, shard)
    tower = tower or settings.tower()
    return fill(
        StoreWriter(
            out,
            extraction_of_tower(tower, settings.frames, source.origin),
            table,
            retry_failed,
            source.made_of([COLOUR]),
        ),
        partial(_extracted, source=source, tower=tower, settings=settings, workers=workers),
        progress,
        label="frozen features",
        failed_frames=settings.frames,
        workers=workers,
        device=str(tower.device),
    )


def _extracted(
    rows: list[ClipRow],
    source: PictureSource,
    tower: Tower,
    settings: FrozenSettings,
    workers: int,
) -> Iterator[Extracted]:
    films = _filmed(rows, source, tower=tower, settings=settings, workers=workers)
    for clip, vectors, facts in encoded(films, tower, settings.batch):
        yield clip, vectors if isinstance(vectors, str) else StoredClip(vectors, *facts)


# A clip and its pictures, or why there are none.
Waiting = tuple[str, Filmed | str]
# A clip, its vectors (T, D) or why it has none; width, height and rate of its source (0 = unknown),
# and the note on its segment.
Encoded = tuple[str, np.ndarray | str, tuple[int, int, float, str]]


def _filmed(
    rows: list[ClipRow],
    source: PictureSource,
    tower: Tower,
    settings: FrozenSettings,
    workers: int,
) -> Iterator[Waiting]:
    # Pictures of each row's clip, in order; a few clips ahead of whoever asks.
    pictures = PictureSettings(settings.frames, tower.facts.side, tower.facts.fit, kinds=(COLOUR,))
    # Two clips a thread, and as many as fill a batch (rounded up).
    ahead = 2 * workers + -(-settings.batch // settings.frames)
    with ThreadPoolExecutor(workers) as pool:
        # A clip and its pictures to come.
        futures = ((row.clip, pool.submit(source.film, row, [COLOUR], pictures)) for row in rows)
        waiting = deque(islice(futures, ahead))
        while waiting:
            clip, future = waiting.popleft()
            film = future.result()[COLOUR]
            waiting.extend(islice(futures, 1))
            yield clip, film


def encoded(films: Iterator[Waiting], tower: Tower, batch: int) -> Iterator[Encoded]:
    """Each clip with its vectors (T, D), or why it has none, in order.

    Args:
        films: clips with their pictures, or reasons.
        tower: the encoder.
        batch: frames at once, of whatever clips they are; rounded up to what the encoder looks at
            together.
    """
    batch += -batch % tower.facts.window
    clips: deque[Waiting] = deque()
    # Pictures that are not encoded yet, and vectors of clips that are not complete yet.
    pictures: list[np.ndarray] = []
    vectors = np.empty((0, tower.facts.size), np.float32)

    def ready() -> Iterator[Encoded]:
        """The clips at the front that failed or have all their vectors."""
        nonlocal vectors
        while clips:
            clip, film = clips[0]
            if isinstance(film, str):
                yield clip, film, (0, 0, 0.0, "")
            elif len(film.pictures) <= len(vectors):
                count = len(film.pictures)
                facts = film.width, film.height, 0.0, film.note
                yield clip, _checked(vectors[:count], tower), facts
                vectors = vectors[count:]
            else:
                return
            clips.popleft()

    for clip, film in films:
        clips.append((clip, film))
        if not isinstance(film, str):
            pictures += list(film.pictures)
        while len(pictures) >= batch:
            vectors = np.concatenate([vectors, tower.encode(np.stack(pictures[:batch]))])
            del pictures[:batch]
        yield from ready()
    if pictures:
        vectors = np.concatenate([vectors, tower.encode(np.stack(pictures))])
    yield from ready()


def _checked(vectors: np.ndarray, tower: Tower) -> np.ndarray | str:
    """The vectors, or what is wrong with them.

    One that is not finite would spoil every training batch it is in.
    """
    lost = int((~np.isfinite(vectors).all(axis=1)).sum())
    if not lost:
        return vectors
    remedy = "another model" if tower.facts.dtype == "float32" else "dtype=float32"
    return (
        f"{lost} of {len(vectors)} vectors are not finite in {tower.facts.dtype}; extract with"
        f" {remedy}"
    )
