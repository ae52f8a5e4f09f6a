"""From what a person has (a folder of videos, one video, landmark files) to a store: landmarks,
pictures, features.
"""

import difflib
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora.folder import VIDEO_SUFFIXES, read_folder
from signlib.data import autsl, manifest, wlasl
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.extraction import exchange, frozen_files, landmarks
from signlib.extraction.filming import (
    COLOUR,
    DEPTH,
    FILES,
    FilmedClips,
    PictureSettings,
    depth_beside,
)
from signlib.extraction.holistic import LandmarkSettings
from signlib.extraction.pictures import META as PICTURES_META
from signlib.extraction.pictures import PictureStore, write_pictures
from signlib.extraction.shards import merge_shards
from signlib.features.phonology import NAMES, PhonologySettings, phonology
from signlib.stores.store import Extraction, FeatureStore
from signlib.stores.writer import StoreWriter

if TYPE_CHECKING:
    from signlib.extraction.frozen import FrozenSettings

LANDMARK_SUFFIXES = (".npy", ".pose")
Chosen = TypeVar("Chosen", LandmarkSettings, PictureSettings, PhonologySettings, "FrozenSettings")


def extract(
    source: str | Path,
    out: str | Path,
    overrides: Iterable[str] = (),
    workers: int = 1,
    shard: str = "1/1",
    merge: bool = False,
    retry_failed: bool = False,
) -> FeatureStore:
    """The store of a source's landmarks; what a matching store already holds is kept.

    Args:
        source: a folder corpus, AUTSL's or WLASL's folder, one video, or a folder of `.npy` or
            `.pose` files (seed 004's `{clip}_landmarks.npy` among them).
        out: the store's folder.
        overrides: `key=value` settings of the extractor.
        workers: processes.
        shard: `i/n`: only that part, below `out`.
        merge: make one store of the shards instead.
        retry_failed: try clips again that failed before.

    Raises:
        InputError: for a source, setting or store that cannot be used; single bad clips are rows of
            the report.
    """
    if merge:
        return merge_shards(out)
    settings, part, source = landmark_settings(overrides), parse_shard(shard), Path(source)
    if source.is_dir() and frozen_files.holds(source, frozen_files.LANDMARKS):
        return frozen_files.import_landmarks(source, out)
    if source.is_dir() and landmark_files(source) and not has_videos(source):
        listed = source / "manifest.csv"
        return exchange.import_folder(
            source, out, manifest.load_manifest(listed) if listed.is_file() else None
        )
    table, root = source_manifest(source)
    return landmarks.extract_manifest(
        table, root, out, settings, workers=workers, shard=part, retry_failed=retry_failed
    )


def extract_pictures(
    source: str | Path,
    out: str | Path,
    overrides: Iterable[str] = (),
    workers: int = 1,
    retry_failed: bool = False,
) -> PictureStore:
    """The store of a source's pictures, which models of video read; what a matching store already
    holds is kept.

    Args:
        source: a folder corpus, AUTSL's or WLASL's folder, or one video. Depth comes from the
            manifest's `depth_file`, and from `X_depth.mp4` beside a single `X_color.mp4`.
        out: the store's folder.
        overrides: `key=value` settings of `PictureSettings`; without `kinds`, depth is kept where
            there is some.
        workers, retry_failed: as for `extract`.

    Raises:
        InputError: for a source, setting or store that cannot be used; single bad clips are rows of
            the report.
    """
    source, overrides = Path(source), list(overrides)
    table, root = source_manifest(source)
    if source.is_file() and depth_beside(source):
        table = table.assign(depth_file=depth_beside(source).name)
    settings = extractor_settings(PictureSettings, overrides)
    if (
        not any(text.startswith("kinds=") for text in overrides)
        and FILES[DEPTH] not in table.columns
    ):
        settings = replace(settings, kinds=(COLOUR,))
    return write_pictures(
        FilmedClips(table, root), out, settings, workers, retry_failed=retry_failed
    )


def extract_phonology(
    source: str | Path, out: str | Path, overrides: Iterable[str] = (), retry_failed: bool = False
) -> FeatureStore:
    """The store of a landmark store's phonological features, 36 a frame; what a matching store
    holds is kept.

    Args:
        source: a store of landmarks with both hands.
        out: the store's folder.
        overrides: `form=seed`, or `form=corrected`.
        retry_failed: try clips again that failed before.

    Raises:
        InputError: for a source, setting or store that cannot be used; single bad clips are rows of
            the report.
    """
    landmarks_, form = FeatureStore(source), extractor_settings(PhonologySettings, overrides).form
    if form not in NAMES:
        raise SettingsError(f"form={form!r} is unknown; choose from {', '.join(NAMES)}")
    made_of = landmarks_.extraction
    settings = {"form": form, "landmarks": made_of.extractor, "landmarks_version": made_of.version}
    extraction = Extraction(
        "phonology",
        shape=(36,),
        channels=NAMES[form],
        settings=settings,
        model_hash=made_of.model_hash,
    )
    found, lost = landmarks_.index.set_index("clip"), landmarks_.failed.set_index("clip")["reason"]
    with StoreWriter(out, extraction, landmarks_.manifest, retry_failed) as writer:
        for clip in tqdm(list(writer.pending), unit="clip", disable=not writer.pending):
            if clip not in found.index:
                writer.fail(clip, lost.get(clip, "the landmark store does not hold it"))
                continue
            about = {key: found.at[clip, key] for key in ("width", "height", "fps")}
            aspect = about["width"] / about["height"] if about["height"] else 1.0
            try:
                table = phonology(
                    landmarks_.read(clip), landmarks_.skeleton, form, aspect, about["fps"] or np.nan
                )
                writer.add(clip, table, **about)
            except ClipError as error:
                writer.fail(clip, str(error))
        return writer.finish()


def extract_frozen(
    source: str | Path,
    out: str | Path,
    overrides: Iterable[str] = (),
    workers: int = 1,
    shard: str = "1/1",
    merge: bool = False,
    retry_failed: bool = False,
) -> FeatureStore:
    """The store of a source's frozen visual features; what a matching store already holds is kept.

    Args:
        source: a folder corpus, AUTSL's or WLASL's folder (or one of its lists, such as
            `nslt_300.json`), one video, a store of pictures, or a folder of seed 004's
            `{clip}_gemma.npy`.
        out: the store's folder.
        overrides: `key=value` settings of `frozen.FrozenSettings`, such as
            `model=google/gemma-3-4b-it`.
        workers, shard, merge, retry_failed: as for `extract`; workers are threads that decode.

    Raises:
        InputError: for a source, setting, model or store that cannot be used; single bad clips are
            rows of the report.
    """
    # Imports torch and transformers, which no other extraction needs.
    from signlib.extraction import frozen

    if merge:
        return merge_shards(out)
    settings, part, source = (
        extractor_settings(frozen.FrozenSettings, overrides),
        parse_shard(shard),
        Path(source),
    )
    if source.is_dir() and frozen_files.holds(source, frozen_files.FEATURES):
        return frozen_files.import_features(source, out)
    if (source / PICTURES_META).is_file():
        kept = frozen.KeptPictures(PictureStore(source))
        return frozen.extract_frozen(kept, out, settings, workers, part, retry_failed=retry_failed)
    clips = FilmedClips(*source_manifest(source))
    return frozen.extract_frozen(clips, out, settings, workers, part, retry_failed=retry_failed)


def source_manifest(source: Path) -> tuple[pd.DataFrame, Path]:
    """The manifest of a folder, an official corpus or one video, and the folder its files are
    relative to.
    """
    if source.suffix == ".json" and source.is_file():
        return wlasl.read_manifest(source.parent, source.name), source.parent
    if source.is_file():
        row = {"clip": paths.check_name(source.stem), "file": source.name}
        return manifest.complete(pd.DataFrame([row])), source.parent
    if not source.exists():
        raise ManifestError(
            f"{source} does not exist; give a folder of videos, one video, or a folder of landmarks"
        )
    if (source / autsl.CLASSES).is_file():
        return autsl.read_manifest(source), source
    if (source / wlasl.INSTANCES).is_file() or any(source.glob("nslt_*.json")):
        return wlasl.read_manifest(source), source
    return read_folder(source), source


def has_videos(folder: Path) -> bool:
    """True when the folder or one below it holds videos."""
    return any(path.suffix.lower() in VIDEO_SUFFIXES for path in folder.rglob("*"))


def landmark_files(folder: Path) -> list[Path]:
    """The folder's `.npy` and `.pose` files."""
    return sorted(path for path in folder.iterdir() if path.suffix in LANDMARK_SUFFIXES)


def parse_shard(text: str) -> tuple[int, int]:
    """`"2/8"` as (2, 8).

    Raises:
        SettingsError: when it is not i/n with 1 <= i <= n.
    """
    first, slash, last = text.partition("/")
    if not (slash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise SettingsError(
            f"--shard {text!r} is not of the form i/n with 1 <= i <= n, such as 1/4"
        )
    return int(first), int(last)


def landmark_settings(overrides: Iterable[str]) -> LandmarkSettings:
    """The extractor's settings after `key=value` overrides.

    Raises:
        SettingsError: for an unknown key or an impossible value.
    """
    return extractor_settings(LandmarkSettings, overrides)


def extractor_settings(kind: type[Chosen], overrides: Iterable[str]) -> Chosen:
    """The settings of that class after `key=value` overrides.

    Raises:
        SettingsError: for an unknown key or an impossible value.
    """
    known = [entry.name for entry in fields(kind)]
    values = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(
                f"override {text!r} is not of the form key=value, such as tracking=false"
            )
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(known)}"
            raise SettingsError(f"extractor setting {key!r} is unknown; {hint}")
        try:
            parsed = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={value}"]))["value"]
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            raise SettingsError(
                f"override {text!r} cannot be read ({str(error).splitlines()[0]}); quote its value,"
                " close its brackets"
            ) from None
        values[key] = tuple(parsed) if isinstance(parsed, list) else parsed
    for key, value in values.items():
        _check_type(key, value, getattr(kind(), key))
    return kind(**values)


def _check_type(key: str, value: object, default: object) -> None:
    kinds = {
        bool: (bool,),
        float: (int, float),
        int: (int, type(None)),
        tuple: (tuple,),
        str: (str,),
    }[type(default)]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise SettingsError(
            f"extractor setting {key}={value!r} must be like its default {default!r}"
        )


def summary(store: FeatureStore | PictureStore) -> str:
    """One line on what a store holds."""
    counts = store.counts
    if isinstance(store, PictureStore):
        made, sizes = (
            store.settings,
            ", ".join(f"{k} {v / 1e3:.0f} kB" for k, v in store.bytes_a_clip.items()),
        )
        return (
            f"{len(store)} of {len(store.manifest)} clips, {counts['failed']} videos failed,"
            f" {made.frames} pictures of {made.size} pixels each; a clip's"
            f" {sizes or 'size is unknown'}"
        )
    frames = int(store.index["length"].sum())
    if store.extraction.extractor == "frozen":
        made = store.extraction.settings
        clips = f"{counts['done']} clips done, {counts['failed']} failed"
        return (
            f"{clips}, {frames:,} vectors of {store.extraction.shape[0]} numbers ("
            f"{made['pooling']} of {made['model']}, {made['dtype']}, attention {made['attention']})"
        )
    return (
        f"{counts['done']} clips done, {counts['failed']} failed, {frames:,} frames of"
        f" {store.extraction.shape}"
    )
