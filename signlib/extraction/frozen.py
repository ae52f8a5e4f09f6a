"""Videos to frozen visual features: one vector a frame from an encoder that nobody trains, computed
once and kept.

Frames of several clips share a batch, and the next clips are decoded while the encoder works, so
that it never waits.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import transformers
from tqdm.auto import tqdm

from signlib.errors import SettingsError
from signlib.extraction.filming import COLOUR, FITS, Filmed, PictureSettings, PictureSource
from signlib.extraction.frozen_files import EXTRACTOR
from signlib.extraction.pictures import PictureStore
from signlib.extraction.quality import note_session
from signlib.extraction.shards import shard_of, shard_path
from signlib.extraction.towers import EMBEDDINGS, Tower, load_tower
from signlib.stores.store import Extraction, FeatureStore
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
        for name, (low, high) in {"frames": (1, 1024), "batch": (1, 4096)}.items():
            if not low <= getattr(self, name) <= high:
                raise SettingsError(
                    f"frozen: {name}={getattr(self, name)} is outside {low}..{high}"
                )
        for name, known in (("fit", ("", *FITS)), ("embedding", EMBEDDINGS)):
            value = getattr(self, name)
            if value not in known:
                raise SettingsError(
                    f"frozen: {name}={value!r} is unknown; choose from {', '.join(known)}"
                )
        if not self.model:
            raise SettingsError(
                "frozen: model is empty; give a name such as google/gemma-3-4b-it, or a folder"
            )

    def tower(self) -> Tower:
        """The encoder, loaded.

        Raises:
            SettingsError: when it is not to be had, or looks at more frames together than a clip
                has.
        """
        loaded = load_tower(
            self.model,
            self.revision,
            self.embedding,
            self.dtype,
            self.attention,
            self.device,
            self.fit,
        )
        if self.frames % loaded.facts.window:
            raise SettingsError(
                f"frozen: frames={self.frames}, but {self.model} looks at {loaded.facts.window}"
                " together; take a multiple of that"
            )
        return loaded


def extraction_of_tower(
    tower: Tower, frames: int, about: dict[str, Any] | None = None
) -> Extraction:
    """How features of a tower are made; two stores with equal ones can be merged.

    Args:
        tower: the encoder.
        frames: of a clip.
        about: where the pictures come from.
    """
    facts = asdict(tower.facts)
    size, digest = facts.pop("size"), facts.pop("digest")
    settings = {**facts, "frames": frames, "source": about or {}}
    return Extraction(
        EXTRACTOR,
        f"transformers {transformers.__version__}",
        (size,),
        settings=settings,
        model_hash=digest,
    )


class KeptPictures:
    """A store of pictures as a source, so that clips that were decoded once need not be decoded
    again.

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
        self.about = {"kind": "pictures", "size": store.settings.size, "fit": store.settings.fit}

    def film(
        self, row: Any, kinds: list[str], settings: PictureSettings
    ) -> dict[str, Filmed | str]:
        """Pictures of each kind, or the reason why there are none.

        Raises:
            SettingsError: when the store's pictures are not the ones asked for.
        """
        kept = self.store.settings
        if (kept.frames, kept.size) != (settings.frames, settings.size):
            raise SettingsError(
                f"store {self.store.path} has {kept.frames} pictures of {kept.size} pixels a clip,"
                f" the model wants {settings.frames} of {settings.size}; make it with"
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
    shard: tuple[int, int] = (1, 1),
    progress: bool = True,
    retry_failed: bool = False,
    tower: Tower | None = None,
) -> FeatureStore:
    """The store with one vector a frame of every clip, made or completed; a clip that fails becomes
    a row in `failed`.

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
    if workers < 1:
        raise SettingsError(f"workers={workers} must be at least 1; one keeps an encoder busy")
    table = source.manifest
    if shard != (1, 1):
        whole, table, out = len(table), shard_of(table, shard), shard_path(out, shard)
        if table.empty:
            raise SettingsError(
                f"shard {shard[0]}/{shard[1]}: there are only {whole} clips; make at most so many"
            )
    tower = tower or settings.tower()
    with StoreWriter(
        out, extraction_of_tower(tower, settings.frames, source.about), table, retry_failed
    ) as writer:
        pending = set(writer.pending)
        rows = [
            SimpleNamespace(**row) for row in table.to_dict("records") if row["clip"] in pending
        ]
        began, failed = time.perf_counter(), 0
        with tqdm(
            total=len(rows), unit="clip", desc="frozen features", disable=not progress or not rows
        ) as bar:
            for clip, found, filmed in encoded(
                _filmed(rows, source, tower, settings, workers), tower, settings.batch
            ):
                if isinstance(found, str):
                    writer.fail(clip, found)
                    failed += 1
                else:
                    writer.add(clip, found, width=filmed.width, height=filmed.height)
                rate = (bar.n + 1) * settings.frames / (time.perf_counter() - began)
                bar.set_postfix_str(f"{rate:.1f} frames/s, {failed} failed", refresh=False)
                bar.update()
        store = writer.finish()
    if rows:
        session = {
            "clips": len(rows),
            "frames": len(rows) * settings.frames,
            "failed": failed,
            "workers": workers,
        }
        note_session(
            store, session | {"device": str(tower.device), "seconds": time.perf_counter() - began}
        )
    return store


Waiting = tuple[str, Filmed | str]
"""A clip and its pictures, or why there are none."""


def _filmed(
    rows: list[Any], source: PictureSource, tower: Tower, settings: FrozenSettings, workers: int
) -> Iterator[Waiting]:
    """Pictures of each row's clip, in order; a few clips ahead of whoever asks."""
    pictures = PictureSettings(settings.frames, tower.facts.side, tower.facts.fit, kinds=(COLOUR,))
    ahead = 2 * workers + -(-settings.batch // settings.frames)
    with ThreadPoolExecutor(workers) as pool:
        left = iter(rows)

        def submit(row: Any) -> tuple[str, Future]:
            return row.clip, pool.submit(source.film, row, [COLOUR], pictures)

        waiting = deque(submit(row) for row in islice(left, ahead))
        while waiting:
            clip, made = waiting.popleft()
            found = made.result()[COLOUR]
            waiting.extend(submit(row) for row in islice(left, 1))
            yield clip, found


def encoded(
    filmed: Iterator[Waiting], tower: Tower, batch: int
) -> Iterator[tuple[str, np.ndarray | str, Filmed | str]]:
    """Each clip with its vectors (T, D), or why it has none, in order.

    Args:
        filmed: clips with their pictures, or reasons.
        tower: the encoder.
        batch: frames at once, of whatever clips they are; rounded up to what the encoder looks at
            together.
    """
    batch += -batch % tower.facts.window
    clips: deque[Waiting] = deque()
    pictures: list[np.ndarray] = []
    vectors = np.empty((0, tower.facts.size), np.float32)

    def ready() -> Iterator[tuple[str, np.ndarray | str, Filmed | str]]:
        nonlocal vectors
        while clips and (isinstance(clips[0][1], str) or len(clips[0][1].pictures) <= len(vectors)):
            clip, found = clips.popleft()
            if isinstance(found, str):
                yield clip, found, found
                continue
            count = len(found.pictures)
            own, vectors = vectors[:count], vectors[count:]
            yield clip, _checked(own, tower), found

    for clip, found in filmed:
        clips.append((clip, found))
        if not isinstance(found, str):
            pictures += list(found.pictures)
        while len(pictures) >= batch:
            vectors = np.concatenate([vectors, tower.encode(np.stack(pictures[:batch]))])
            del pictures[:batch]
        yield from ready()
    if pictures:
        vectors = np.concatenate([vectors, tower.encode(np.stack(pictures))])
    yield from ready()


def _checked(vectors: np.ndarray, tower: Tower) -> np.ndarray | str:
    """The vectors, or what is wrong with them: one that is not finite would spoil every training
    batch it is in.
    """
    lost = int((~np.isfinite(vectors).all(axis=1)).sum())
    if not lost:
        return vectors
    return (
        f"{lost} of {len(vectors)} vectors are not finite in {tower.facts.dtype}; extract with "
        f"{'dtype=float32' if tower.facts.dtype != 'float32' else 'another model'}"
    )
