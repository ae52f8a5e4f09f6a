"""A trained run put to work on clips of one's own."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from signlib.data import manifest as manifests
from signlib.errors import ClipError, RunError, StoreError
from signlib.extraction.filming import COLOUR, KINDS, FilmedClips, PictureSettings, depth_beside
from signlib.extraction.pictures import META as PICTURES_META
from signlib.extraction.pictures import PictureStore, write_pictures
from signlib.runs import run as runs
from signlib.settings import config
from signlib.stores.store import ClipSource, FeatureStore, LoadedClips
from signlib.tasks.frozen_prediction import predict_frozen
from signlib.tasks.graph_prediction import predict_actions
from signlib.tasks.recogniser import (
    COLUMNS,
    Recogniser,
    check_skeleton,
    file_source,
    load_recogniser,
    store_source,
)
from signlib.training.batches import Prepared, prepare_clips
from signlib.training.classification import score
from signlib.training.multimodal import KEYS, MultimodalDataset

__all__ = [
    "COLUMNS",
    "Recogniser",
    "load_recogniser",
    "long_table",
    "predict",
    "predict_modalities",
]


def predict(
    run: runs.Run, clips: Sequence[str | Path], split: str = "", top: int = 5, tower: str = ""
) -> pd.DataFrame:
    """The likeliest glosses of clips.

    Args:
        run: a run with weights.
        clips: videos, `.npy` or `.pose` files, or stores made with the run's extractor. A run on
            several modalities finds depth in `X_depth.mp4` beside `X_color.mp4`, takes a store of
            pictures and one of landmarks, and makes do with the modalities that a clip has. A graph
            network takes `.skeleton` files, `.npy` files (T, M, J, 3) and stores of skeletons.
        split: of stores, only the clips of this split.
        top: how many glosses a clip.
        tower: for a run on frozen features, where its encoder lies now; "" = where it lay when they
            were made.

    Returns:
        One row a clip: clip, gloss ("" where nobody says), top = [(gloss, share of confidence),
            ...], problem (""
        unless the clip could not be used), missing (modalities that it lacks, with commas), and
            warning (in what it is
        unlike the training clips, "" where nothing is or the run does not tell).

    Raises:
        RunError: when the run was trained on other points or pictures than these clips give.
    """
    recogniser = load_recogniser(run)
    if run.settings.frozen.fusion:
        return predict_frozen(recogniser, clips, split, top, tower)
    if run.settings.fusion.modalities:
        return predict_modalities(recogniser, clips, split, top)
    if run.settings.gcn.variant:
        return predict_actions(recogniser, clips, split, top)
    stores = [FeatureStore(clip) for clip in clips if Path(clip).is_dir()]
    sources = [store_source(store, split) for store in stores]
    problems = {row.clip: row.reason for store in stores for row in store.failed.itertuples()}
    files = [Path(clip) for clip in clips if not Path(clip).is_dir()]
    if files:
        source, unread = file_source(files, recogniser)
        sources.append(source)
        problems |= unread
    rows = []
    for source in sources:
        check_skeleton(source, recogniser)
        names = source.labelled["clip"].tolist()
        shares, prepared = recogniser.recognise(source, names)
        problems |= prepared.unusable
        known = source.labelled.set_index("clip")["gloss"].to_dict()
        rows += [
            (clip, known[clip], best, "", "", "")
            for clip, best in recogniser.best(prepared.clips, shares, top)
        ]
    rows += [(clip, "", [], reason, "", "") for clip, reason in problems.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


class Shown:
    """Pictures for a run: what a store holds of them, and the shapes of what it lacks.

    Raises:
        RunError: for a store with other pictures than the run was trained on.
    """

    kinds = KINDS

    def __init__(self, wanted: config.PictureSettings, store: PictureStore | None) -> None:
        self.wanted, self.store = wanted, store
        for name in ("frames", "size", "fit"):
            if store is not None and getattr(store.settings, name) != getattr(wanted, name):
                raise RunError(
                    f"the run was trained on pictures with {name}={getattr(wanted, name)}, store"
                    f" {store.path} has {getattr(store.settings, name)}; make one the same way"
                    " (`extract --extractor pictures`)"
                )

    def __contains__(self, key: tuple[str, str]) -> bool:
        return self.store is not None and key in self.store

    def shape(self, kind: str) -> tuple[int, ...]:
        """(T, H, W, 3) of colour, (T, H, W) of depth."""
        side = (self.wanted.frames, self.wanted.size, self.wanted.size)
        return (*side, 3) if kind == COLOUR else side

    def read(self, clip: str, kind: str) -> np.ndarray:
        """A clip's pictures."""
        return self.store.read(clip, kind)

    def reasons(self, kind: str) -> dict[str, str]:
        """Clip -> why it has no pictures of that kind."""
        return {} if self.store is None else self.store.reasons(kind)


def predict_modalities(
    recogniser: Recogniser, clips: Sequence[str | Path], split: str = "", top: int = 5
) -> pd.DataFrame:
    """As `predict`, for a run on several modalities."""
    folders = [Path(clip) for clip in clips if Path(clip).is_dir()]
    pictures = [PictureStore(folder) for folder in folders if (folder / PICTURES_META).is_file()]
    points = [FeatureStore(folder) for folder in folders if not (folder / PICTURES_META).is_file()]
    if len(pictures) > 1 or len(points) > 1:
        raise RunError(f"{len(folders)} stores: give at most one of pictures and one of landmarks")
    tables = []
    if folders:
        manifest = pd.concat(
            [*(s.manifest for s in pictures), *(s.labelled for s in points)]
        ).drop_duplicates("clip")
        manifest = manifest if not split else manifest[manifest["split"] == split]
        if manifest.empty:
            raise StoreError(f"store {folders[0]} has no clip of split {split!r}")
        tables.append(
            _recognised(
                recogniser, manifest, next(iter(pictures), None), next(iter(points), None), top
            )
        )
    files = [Path(clip) for clip in clips if not Path(clip).is_dir()]
    if files:
        tables.append(_recognised_files(recogniser, files, top))
    return pd.concat(tables, ignore_index=True)


def _recognised_files(recogniser: Recogniser, files: Sequence[Path], top: int) -> pd.DataFrame:
    """Rows of files; their pictures are made as for training, in a store that does not last."""
    settings = recogniser.settings
    names = [f"clip{n}" for n in range(len(files))]
    shown = dict(zip(names, map(str, files), strict=True))
    whole = [file.resolve() for file in files]
    root = Path(os.path.commonpath([file.parent for file in whole]))
    rows = [
        {
            "clip": name,
            "file": file.relative_to(root).as_posix(),
            "depth_file": _relative(depth_beside(file), root),
        }
        for name, file in zip(names, whole, strict=True)
    ]
    table = manifests.complete(pd.DataFrame(rows))
    points, unread = None, {}
    if "skeleton" in settings.fusion.modalities:
        read, unread = file_source(files, recogniser)
        ids = {file: name for name, file in shown.items()}
        labelled = read.labelled.assign(clip=read.labelled["clip"].map(ids))
        points = LoadedClips(labelled, lambda clip: read.read(shown[clip]), read.extraction)
        unread = {ids[file]: reason for file, reason in unread.items()}
    kinds = tuple(
        KEYS[name] for name in KEYS if name in settings.fusion.modalities and name != "skeleton"
    )
    with tempfile.TemporaryDirectory(prefix="signlib-") as folder:
        store = None
        if kinds:
            p = settings.pictures
            made = PictureSettings(p.frames, p.size, p.fit, p.quality, kinds)
            store = write_pictures(FilmedClips(table, root), folder, made, progress=False)
        found = _recognised(recogniser, table, store, points, top, unread)
    return found.assign(clip=found["clip"].map(shown))


def _relative(path: Path | None, root: Path) -> str:
    return "" if path is None else path.relative_to(root).as_posix()


def _recognised(
    recogniser: Recogniser,
    table: pd.DataFrame,
    store: PictureStore | None,
    points: ClipSource | None,
    top: int,
    unread: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Rows of the clips of a manifest, from whatever modalities each has."""
    settings, clips = recogniser.settings, table["clip"].tolist()
    known = dict(zip(clips, table["gloss"], strict=True))
    chosen = recogniser.skeleton.select(settings.features.joints)
    prepared = Prepared([], [], {})
    if points is not None:
        check_skeleton(points, recogniser)
        there = set(points.labelled["clip"])
        prepared = prepare_clips(
            points, [clip for clip in clips if clip in there], settings.features, quiet=True
        )
    prepared.unusable |= unread or {}
    # The shape of landmarks must be known even where no clip has any.
    prepared.clips.append("")
    prepared.points.append(np.zeros((1, len(chosen), settings.features.coordinates), np.float32))
    targets, pictures = np.zeros(len(clips), int), Shown(settings.pictures, store)
    try:
        data = MultimodalDataset(clips, targets, settings.fusion.modalities, pictures, prepared)
    except ClipError as error:
        return pd.DataFrame(
            [(clip, known[clip], [], str(error), "", "") for clip in clips], columns=COLUMNS
        )
    mirror = list(chosen.mirror) if "skeleton" in settings.fusion.modalities else []
    shares = np.exp(score(recogniser.model, data, settings, mirror))
    lost = {
        clip: ", ".join(name for name in data.modalities if clip in data.missing[name])
        for clip in data.clips
    }
    rows = [
        (clip, known[clip], best, "", lost[clip], "")
        for clip, best in recogniser.best(data.clips, shares, top)
    ]
    rows += [(clip, known[clip], [], reason, "", "") for clip, reason in data.left_out.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def long_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row a clip and rank: clip, rank, gloss, confidence; for a csv."""
    return pd.DataFrame(
        [
            {"clip": row.clip, "rank": rank, "gloss": gloss, "confidence": round(share, 4)}
            for row in predictions.itertuples()
            for rank, (gloss, share) in enumerate(row.top, start=1)
        ],
        columns=["clip", "rank", "gloss", "confidence"],
    )
