"""Frozen features and landmarks as seed 004 keeps them: two `.npy` files a clip and two json files,
in and out.

`{clip}_gemma.npy` is (T, D), `{clip}_landmarks.npy` (T, 162): left hand, right hand, then shoulders
to finger bases of the pose; x, y, z each, zeros where nothing was found. Two json files tell the
model and the glosses.
"""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signlib import paths
from signlib.data import manifest as manifests
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.files import write_bytes, write_json
from signlib.stores.store import EXTRACTION, Extraction, FeatureStore, is_finished
from signlib.stores.writer import StoreWriter

EXTRACTOR = "frozen"
"""Of stores of frozen features."""
FEATURES, LANDMARKS = "_gemma.npy", "_landmarks.npy"
METADATA, LABELS = "extraction_metadata.json", "label_mapping.json"
POINTS = "54"
"""The selection of MediaPipe's points that the seed keeps: 162 numbers a frame."""


def seed_order(skeleton: Skeleton) -> list[int]:
    """Where each of the seed's 54 points stands in a skeleton: left hand, right hand, pose.

    Raises:
        SettingsError: when the skeleton lacks one.
    """
    own = MEDIAPIPE_543.select(POINTS)
    names = [own.joints[i] for part in ("left_hand", "right_hand", "pose") for i in own.parts[part]]
    return [skeleton.index(name) for name in names]


def seed_landmarks(points: np.ndarray, skeleton: Skeleton, frames: int = 16) -> np.ndarray:
    """(frames, 162) float32 of a clip's points (T, J, C >= 3), zeros where nothing was found.

    Frames as the seed samples them: all of a short clip and its last one repeated, else evenly
    spaced.
    """
    short = np.minimum(np.arange(frames), len(points) - 1)
    rows = short if len(points) <= frames else np.linspace(0, len(points) - 1, frames).astype(int)
    return (
        np.nan_to_num(points[rows][:, seed_order(skeleton), :3])
        .reshape(frames, -1)
        .astype(np.float32)
    )


def points_of(landmarks: np.ndarray) -> np.ndarray:
    """(T, 54, 4) of the seed's (T, 162): x, y, z, visibility in the order of our skeletons, NaN
    where all is zero.

    Raises:
        ClipError: for another shape.
    """
    if landmarks.ndim != 2 or landmarks.shape[1] != 162 or not len(landmarks):
        raise ClipError(
            f"landmarks of shape {landmarks.shape}; the seed's are (T, 162) with T >= 1"
        )
    own = MEDIAPIPE_543.select(POINTS)
    out = np.full((len(landmarks), len(own), 4), np.nan, np.float32)
    points = landmarks.reshape(len(landmarks), -1, 3).astype(np.float32)
    found = (points != 0).any(-1, keepdims=True)
    out[:, seed_order(own)] = np.where(
        found, np.concatenate([points, np.ones_like(points[..., :1])], -1), np.nan
    )
    return out


def write_features(store: FeatureStore, folder: str | Path, subset: str = "") -> list[Path]:
    """Write a store of frozen features as the seed's files; those of the clips, in the store's
    order.

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
    folder, made = Path(folder), store.extraction
    files = [
        _save(folder / f"{clip}{FEATURES}", np.asarray(store.read(clip), np.float32))
        for clip in store.clips
    ]
    write_json(
        folder / METADATA,
        {
            "model_name": made.settings["model"],
            "num_frames": made.settings["frames"],
            "feature_dim": made.shape[0],
            "subset": subset,
            "success_count": store.counts["done"],
            "error_count": store.counts["failed"],
        },
    )
    glosses = list(dict.fromkeys(store.manifest["gloss"]))
    write_json(folder / LABELS, {str(number): gloss for number, gloss in enumerate(glosses)})
    return files


def write_landmarks(store: FeatureStore, folder: str | Path, frames: int = 16) -> list[Path]:
    """Write a store of landmarks as the seed's files, in the store's order.

    Raises:
        SettingsError: when the store lacks a hand or the pose.
        DiskError: when the disk is full or the folder cannot be written.
    """
    return [
        _save(
            Path(folder) / f"{clip}{LANDMARKS}",
            seed_landmarks(store.read(clip), store.skeleton, frames),
        )
        for clip in store.clips
    ]


def read_labels(folder: str | Path) -> list[str]:
    """The glosses of `label_mapping.json` by class number.

    Raises:
        ManifestError: when it is missing, damaged, or its numbers do not run from 0.
    """
    found = _json(Path(folder) / LABELS)
    if list(found) != [str(number) for number in range(len(found))]:
        raise ManifestError(f"{Path(folder) / LABELS}: class numbers must run from 0 in order")
    return list(found.values())


def metadata(folder: str | Path) -> dict[str, Any]:
    """`feature_dim`, `num_frames` and `model_name` of `extraction_metadata.json`.

    Raises:
        ManifestError: when it is missing or damaged, or lacks one of them.
    """
    path = Path(folder) / METADATA
    about = _json(path)
    try:
        return {
            "feature_dim": int(about["feature_dim"]),
            "num_frames": int(about["num_frames"]),
            "model_name": str(about["model_name"]),
        }
    except (KeyError, TypeError, ValueError):
        raise ManifestError(
            f"{path} has no feature_dim, num_frames and model_name; extract the clips again"
        ) from None


def holds(folder: str | Path, ending: str) -> bool:
    """True for a folder that is no store and has files `{clip}` + ending, which is `FEATURES` or
    `LANDMARKS`.
    """
    folder = Path(folder)
    return not (folder / EXTRACTION).is_file() and any(folder.glob(f"*{ending}"))


def open_store(folder: str | Path, ending: str) -> FeatureStore:
    """A store, or the one that a folder of the seed's files makes, once, below the folder of runs.

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
    files = sorted([*folder.glob(f"*{ending}"), *folder.glob(METADATA)])
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    name = hashlib.sha256(json.dumps([str(folder.resolve()), facts]).encode()).hexdigest()[:12]
    out = paths.runs_root() / "frozen" / f"files-{name}"
    if is_finished(out):
        return FeatureStore(out)
    return (import_features if ending == FEATURES else import_landmarks)(folder, out)


def write(
    store: FeatureStore, folder: str | Path, subset: str = "", frames: int = 16
) -> list[Path]:
    """The seed's files of a store, of features or of landmarks; see `write_features` and
    `write_landmarks`.
    """
    if store.extraction.extractor == EXTRACTOR:
        return write_features(store, folder, subset)
    return write_landmarks(store, folder, frames)


def import_features(
    folder: str | Path, out: str | Path, manifest: pd.DataFrame | None = None
) -> FeatureStore:
    """A store of the seed's feature files; a file that cannot be used becomes a row in `failed`.

    Args:
        folder: with `{clip}_gemma.npy` and `extraction_metadata.json`.
        out: the store's folder.
        manifest: which clips, with their glosses; None takes every file, with no gloss.

    Raises:
        ManifestError: for a folder without such files or metadata.
        StoreError: when `out` holds another store.
    """
    folder, about = Path(folder), metadata(folder)
    settings = {
        "model": about["model_name"],
        "frames": about["num_frames"],
        "pooling": "mean over tokens",
        "dtype": "",
        "attention": "",
        "source": {"kind": "imported"},
    }
    extraction = Extraction(EXTRACTOR, "imported", (about["feature_dim"],), settings=settings)
    return _imported(folder, FEATURES, out, extraction, manifest, lambda array: array)


def import_landmarks(
    folder: str | Path, out: str | Path, manifest: pd.DataFrame | None = None
) -> FeatureStore:
    """A store of the seed's landmark files: 54 points; arguments and errors as for
    `import_features`.
    """
    skeleton = MEDIAPIPE_543.select(POINTS)
    extraction = Extraction(
        "imported",
        shape=(len(skeleton), 4),
        channels=("x", "y", "z", "visibility"),
        skeleton=skeleton.name,
        settings={"files": LANDMARKS},
    )
    return _imported(Path(folder), LANDMARKS, out, extraction, manifest, points_of)


def _imported(
    folder: Path,
    ending: str,
    out: str | Path,
    extraction: Extraction,
    manifest: pd.DataFrame | None,
    change: Callable[[np.ndarray], np.ndarray],
) -> FeatureStore:
    if manifest is None:
        names = sorted(path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))
        if not names:
            raise ManifestError(
                f"{folder} holds no <clip>{ending}; give the folder that the seed's script wrote"
            )
        manifest = pd.DataFrame({"clip": names, "file": [name + ending for name in names]})
    table = manifests.complete(manifest)

    with StoreWriter(out, extraction, table) as writer:
        for clip in writer.pending:
            try:
                writer.add(clip, change(_load(folder / f"{paths.check_name(clip)}{ending}")))
            except ClipError as error:
                writer.fail(clip, str(error))
        return writer.finish()


def _load(path: Path) -> np.ndarray:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ClipError(
            f"{path} is no whole .npy file of numbers ({error}); extract the clip again"
        ) from None
    if not np.isfinite(found).all():
        raise ClipError(f"{path} holds numbers that are not finite; extract the clip again")
    return found


def _save(path: Path, array: np.ndarray) -> Path:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_bytes(path, buffer.getvalue())
    return path


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(
            f"{path} cannot be read ({error}); it belongs to the seed's files"
        ) from None
    if not isinstance(content, dict):
        raise ManifestError(f"{path} is no table; it belongs to the seed's files")
    return content
