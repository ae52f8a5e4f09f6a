"""Frozen features and landmarks as the files of source 004, in and out.

`{clip}_gemma.npy` is (T, D), `{clip}_landmarks.npy` (T, 162): left hand, right hand, then shoulders
to finger bases of the pose; x, y, z each, zeros where nothing was found. Two json files tell the
model and the glosses.
"""

import hashlib
import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signlib import paths, reading
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.files import write_json
from signlib.reading import FLOATS
from signlib.stores.store import (
    EXTRACTION,
    Extraction,
    FeatureStore,
    Store,
    StoredClip,
    is_finished,
)
from signlib.stores.writer import files_manifest, import_files, write_npy

# Of stores of frozen features.
EXTRACTOR = "frozen"
FEATURES, LANDMARKS = "_gemma.npy", "_landmarks.npy"
METADATA = "extraction_metadata.json"
# The selection of MediaPipe's points that source 004 keeps: 162 numbers a frame.
POINTS = "54"


def original_order(skeleton: Skeleton) -> list[int]:
    """Index in a skeleton of each of the source's 54 points: left hand, right hand, pose.

    Raises:
        SettingsError: when the skeleton lacks one.
    """
    original = MEDIAPIPE_543.select(POINTS)
    parts = [original.parts[part] for part in ("left_hand", "right_hand", "pose")]
    return [skeleton.index(original.joints[i]) for i in chain(*parts)]


def original_landmarks(points: np.ndarray, skeleton: Skeleton, frames: int = 16) -> np.ndarray:
    """(frames, 162) float32 of a clip's points (T, J, C >= 3), zeros where nothing was found.

    Frames as the source samples them: of a short clip all, the last one repeated, else evenly
    spaced.
    """
    if len(points) <= frames:
        rows = np.minimum(np.arange(frames), len(points) - 1)
    else:
        rows = np.linspace(0, len(points) - 1, frames).astype(int)
    kept = np.nan_to_num(points[rows][:, original_order(skeleton), :3])
    return kept.reshape(frames, -1).astype(np.float32)


def points_of(landmarks: np.ndarray) -> np.ndarray:
    """(T, 54, 4) of the source's (T, 162): x, y, z, visibility in the order of our skeletons.

    NaN where all three coordinates are zero.

    Raises:
        ClipError: for another shape.
    """
    if landmarks.ndim != 2 or landmarks.shape[1] != 162 or not len(landmarks):
        raise ClipError(
            f"landmarks of shape {landmarks.shape}; those of source 004 are (T, 162) with T >= 1"
        )
    skeleton = MEDIAPIPE_543.select(POINTS)
    out = np.full((len(landmarks), len(skeleton), 4), np.nan, np.float32)
    # (T, 54, 3), in the source's order.
    points = landmarks.reshape(len(landmarks), -1, 3).astype(np.float32)
    seen = (points != 0).any(-1, keepdims=True)
    visible = np.concatenate([points, np.ones_like(points[..., :1])], -1)
    out[:, original_order(skeleton)] = np.where(seen, visible, np.nan)
    return out


def write_features(store: FeatureStore, folder: str | Path, subset: str = "") -> list[Path]:
    """Write a store of frozen features as the files of source 004.

    Those of the clips are given back, in the store's order.

    Args:
        store: made by `extract --extractor frozen`.
        folder: where they go; `label_mapping.json` too.
        subset: name of the list of clips, such as `nslt_100.json`, for the metadata.

    Raises:
        SettingsError: for a store of something else.
        DiskError: when the disk is full or the folder cannot be written.
    """
    if store.extraction.extractor != EXTRACTOR:
        raise SettingsError(
            f"store {store.path} holds {store.extraction.extractor}; give one of frozen features"
        )
    folder, extraction = Path(folder), store.extraction
    files = _write_clips(
        store, folder, FEATURES, lambda clip: np.asarray(store.read(clip), np.float32)
    )
    write_json(
        folder / METADATA,
        {
            "model_name": extraction.settings["model"],
            "num_frames": extraction.settings["frames"],
            "feature_dim": extraction.shape[0],
            "subset": subset,
            "success_count": store.counts["done"],
            "error_count": store.counts["failed"],
        },
    )
    glosses = list(dict.fromkeys(store.manifest["gloss"]))
    write_json(
        folder / "label_mapping.json", {str(number): gloss for number, gloss in enumerate(glosses)}
    )
    return files


def write_landmarks(store: FeatureStore, folder: str | Path, frames: int = 16) -> list[Path]:
    """Write a store of landmarks as the files of source 004, in the store's order.

    Raises:
        SettingsError: when the store lacks a hand or the pose.
        DiskError: when the disk is full or the folder cannot be written.
    """
    return _write_clips(
        store,
        Path(folder),
        LANDMARKS,
        lambda clip: original_landmarks(store.read(clip), store.skeleton, frames),
    )


def _write_clips(
    store: FeatureStore, folder: Path, ending: str, content: Callable[[str], np.ndarray]
) -> list[Path]:
    files = [folder / f"{clip}{ending}" for clip in store.clips]
    for clip, file in zip(store.clips, files, strict=True):
        write_npy(file, content(clip))
    return files


def metadata(folder: str | Path) -> dict[str, Any]:
    """`feature_dim`, `num_frames` and `model_name` of `extraction_metadata.json`.

    Raises:
        ManifestError: when it is missing or damaged, or lacks one of them.
    """
    path = Path(folder) / METADATA
    try:
        content = reading.read_json(path)
    except (OSError, ValueError) as error:
        raise ManifestError(
            f"{path} cannot be read ({error}); it belongs to source 004's files"
        ) from None
    if not isinstance(content, dict):
        raise ManifestError(f"{path} is no table; it belongs to source 004's files")
    # Key -> the most that it may be; a name is a text.
    most = {"feature_dim": 2**16, "num_frames": 2**16, "model_name": None}
    for key, limit in most.items():
        value = content.get(key)
        whole = type(value) is int and 1 <= value <= (limit or 0)
        if not whole and not (limit is None and isinstance(value, str) and value):
            allowed = "a name" if limit is None else f"a whole number of 1 to {limit}"
            raise ManifestError(
                f"{path}: {key} is {str(value)[:40]!r}, not {allowed}; extract the clips again"
            )
    return {key: content[key] for key in most}


def holds(folder: str | Path, ending: str) -> bool:
    """True for a folder that is no store and has files `{clip}` + ending.

    Args:
        folder: to look into.
        ending: `FEATURES` or `LANDMARKS`.
    """
    folder = Path(folder)
    return not (folder / EXTRACTION).is_file() and any(folder.glob(f"*{ending}"))


def open_store(folder: str | Path, ending: str) -> FeatureStore:
    """A store, or the one that a folder of source 004's files makes, once, below the runs.

    Args:
        folder: of the store, or of files `{clip}` + ending.
        ending: `FEATURES` or `LANDMARKS`.

    Raises:
        StoreError: when the folder holds neither.
        ManifestError: for features without their metadata.
    """
    folder = Path(folder)
    if not holds(folder, ending):
        return FeatureStore(folder)
    # Other files, or the same ones written again, are another store.
    files = sorted([*folder.glob(f"*{ending}"), *folder.glob(METADATA)])
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    name = hashlib.sha256(json.dumps([str(folder.resolve()), facts]).encode()).hexdigest()[:12]
    out = paths.runs_root() / "frozen" / f"files-{name}"
    if is_finished(out):
        return FeatureStore(out)
    return (import_features if ending == FEATURES else import_landmarks)(folder, out)


def write(store: Store, folder: str | Path, subset: str = "", frames: int = 16) -> list[Path]:
    """Write a store of features or of landmarks as the files of source 004.

    See `write_features` and `write_landmarks`.
    """
    if not isinstance(store, FeatureStore):
        raise SettingsError(f"store {store.path} holds no features; give one of landmarks")
    if store.extraction.extractor == EXTRACTOR:
        return write_features(store, folder, subset)
    return write_landmarks(store, folder, frames)


def import_features(
    folder: str | Path, out: str | Path, manifest: pd.DataFrame | None = None
) -> FeatureStore:
    """A store of source 004's feature files; one that cannot be used becomes a row in `failed`.

    Args:
        folder: with `{clip}_gemma.npy` and `extraction_metadata.json`.
        out: the store's folder.
        manifest: which clips, with their glosses; None takes every file, with no gloss.

    Raises:
        ManifestError: for a folder without such files or metadata.
        StoreError: when `out` holds another store.
    """
    content = metadata(folder)
    return import_files(
        folder=Path(folder),
        ending=FEATURES,
        out=out,
        extraction=Extraction(
            EXTRACTOR,
            "imported",
            (content["feature_dim"],),
            settings={
                "model": content["model_name"],
                "frames": content["num_frames"],
                "pooling": "mean over tokens",
                "dtype": "",
                "attention": "",
                "source": {"kind": "imported"},
            },
        ),
        manifest=_table(Path(folder), FEATURES) if manifest is None else manifest,
        read=lambda path: StoredClip(_load(path)),
    )


def import_landmarks(
    folder: str | Path, out: str | Path, manifest: pd.DataFrame | None = None
) -> FeatureStore:
    """A store of source 004's landmark files: 54 points.

    Arguments and errors as for `import_features`.
    """
    skeleton = MEDIAPIPE_543.select(POINTS)
    return import_files(
        folder=Path(folder),
        ending=LANDMARKS,
        out=out,
        extraction=Extraction(
            "imported",
            shape=(len(skeleton), 4),
            channels=("x", "y", "z", "visibility"),
            skeleton=skeleton.name,
            settings={"files": LANDMARKS},
        ),
        manifest=_table(Path(folder), LANDMARKS) if manifest is None else manifest,
        read=lambda path: StoredClip(points_of(_load(path))),
    )


def _table(folder: Path, ending: str) -> pd.DataFrame:
    table = files_manifest(folder, ending)
    if table.empty:
        raise ManifestError(
            f"{folder} holds no <clip>{ending}; give the folder that source 004's script wrote"
        )
    return table


def _load(path: Path) -> np.ndarray:
    try:
        array = reading.array(path, FLOATS)
    except (OSError, ValueError) as error:
        raise ClipError(
            f"{path} is no whole .npy file of numbers ({error}); extract the clip again"
        ) from None
    if not np.isfinite(array).all():
        raise ClipError(f"{path} holds numbers that are not finite; extract the clip again")
    return array
