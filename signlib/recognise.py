"""A trained run put to work on clips of one's own."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import load_file
from torch import nn
from tqdm.auto import tqdm

from signlib import config, runs
from signlib.config import Settings
from signlib.data import manifest as manifests
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, StoreError, VideoError
from signlib.experiment import MODEL, score, weights_path
from signlib.features import exchange
from signlib.features.filming import COLOUR, KINDS, FilmedClips, PictureSettings, depth_beside
from signlib.features.holistic import LandmarkSettings
from signlib.features.pictures import META as PICTURES_META
from signlib.features.pictures import PictureStore, write_pictures
from signlib.features.store import ClipSource, Extraction, FeatureStore, LoadedClips, extraction_of
from signlib.phonology_recognition import phonology_clips
from signlib.recognise_actions import score_actions
from signlib.recognition import build_model
from signlib.training.batches import ClipDataset, Prepared, prepare_clips
from signlib.training.multimodal import KEYS, MultimodalDataset
from signlib.training.phonology import PhonologyDataset

COLUMNS = ["clip", "gloss", "top", "problem", "missing"]


@dataclass
class Recogniser:
    """A trained model with all that prediction needs.

    Attributes:
        model, settings, vocabulary, skeleton, extraction: of its run; no extraction where it reads no landmarks.
    """

    model: nn.Module
    settings: Settings
    vocabulary: Vocabulary
    skeleton: Skeleton
    extraction: Extraction | None

    def recognise(self, source: ClipSource, clips: Sequence[str], quiet: bool = True) -> tuple[np.ndarray, Prepared]:
        """Probabilities (N, K) of the clips that can be used; `unusable` of the second says which cannot."""
        readable = bool(self.settings.phonology.network)
        if readable:
            prepared = phonology_clips(source, clips, self.settings, quiet)
        else:
            prepared = prepare_clips(source, clips, self.settings.features, quiet)
        if not prepared.clips:
            return np.empty((0, len(self.vocabulary))), prepared
        dataset = PhonologyDataset if readable else ClipDataset
        data = dataset(prepared.points, np.zeros(len(prepared.clips), int))
        chosen = self.skeleton.select(self.settings.features.joints)
        return np.exp(score(self.model, data, self.settings, chosen.mirror)), prepared

    def best(self, clips: Sequence[str], shares: np.ndarray, top: int) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Each clip with its likeliest glosses and their shares."""
        for clip, share in zip(clips, shares, strict=True):
            order = np.argsort(-share)[:top]
            yield clip, list(zip(self.vocabulary.decode(order), share[order].tolist(), strict=True))


def load_recogniser(run: runs.Run) -> Recogniser:
    """The model of a run, ready to predict.

    Raises:
        RunError: when the run holds no weights.
    """
    weights = load_file(weights_path(run))
    about = json.loads((run.path / MODEL).read_text(encoding="utf-8"))
    if run.settings.ctc.network:
        raise RunError(f"run {run.path} reads sentences; prediction from files takes runs on single signs")
    if run.settings.phonology.network == "pretext":
        raise RunError(f"run {run.path} is pre-training, which names no gloss; start another from it (--init-from)")
    extraction = extraction_of(about["extraction"]) if "extraction" in about else None
    base = MEDIAPIPE_543 if extraction is None else skeleton(extraction.skeleton)
    vocabulary, settings = Vocabulary(tuple(about["classes"])), run.settings
    # The run's own weights come next; nothing is downloaded for them.
    own = {name: replace(getattr(settings, name), weights="") for name in ("rgb", "depth")}
    model = build_model(replace(settings, **own), base, len(vocabulary))
    model.load_state_dict(weights)
    return Recogniser(model.eval(), settings, vocabulary, base, extraction)


def predict(run: runs.Run, clips: Sequence[str | Path], split: str = "", top: int = 5) -> pd.DataFrame:
    """The likeliest glosses of clips.

    Args:
        run: a run with weights.
        clips: videos, `.npy` or `.pose` files, or stores made with the run's extractor. A run on several modalities
            finds depth in `X_depth.mp4` beside `X_color.mp4`, takes a store of pictures and one of landmarks, and
            makes do with the modalities that a clip has. A graph network takes `.skeleton` files, `.npy` files
            (T, M, J, 3) and stores of skeletons.
        split: of stores, only the clips of this split.
        top: how many glosses a clip.

    Returns:
        One row a clip: clip, gloss ("" where nobody says), top = [(gloss, share of confidence), ...], problem (""
        unless the clip could not be used), and missing (modalities that it lacks, with commas).

    Raises:
        RunError: when the run was trained on other points or pictures than these clips give.
    """
    recogniser = load_recogniser(run)
    if run.settings.fusion.modalities:
        return predict_modalities(recogniser, clips, split, top)
    if run.settings.gcn.variant:
        return _predict_actions(recogniser, clips, split, top)
    stores = [FeatureStore(clip) for clip in clips if Path(clip).is_dir()]
    sources = [_store_source(store, split) for store in stores]
    problems = {row.clip: row.reason for store in stores for row in store.failed.itertuples()}
    files = [Path(clip) for clip in clips if not Path(clip).is_dir()]
    if files:
        source, unread = _file_source(files, recogniser)
        sources.append(source)
        problems |= unread
    rows = []
    for source in sources:
        _check_skeleton(source, recogniser)
        names = source.labelled["clip"].tolist()
        shares, prepared = recogniser.recognise(source, names)
        problems |= prepared.unusable
        known = source.labelled.set_index("clip")["gloss"].to_dict()
        rows += [(clip, known[clip], best, "", "") for clip, best in recogniser.best(prepared.clips, shares, top)]
    rows += [(clip, "", [], reason, "") for clip, reason in problems.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _predict_actions(recogniser: Recogniser, clips: Sequence[str | Path], split: str, top: int) -> pd.DataFrame:
    names, glosses, shares, problems = score_actions(
        recogniser.model, recogniser.settings, recogniser.skeleton, clips, split
    )
    found = zip(glosses, recogniser.best(names, shares, top), strict=True)
    rows = [(clip, gloss, best, "", "") for gloss, (clip, best) in found]
    return pd.DataFrame([*rows, *((clip, "", [], why, "") for clip, why in problems.items())], columns=COLUMNS)


def _check_skeleton(source: ClipSource, recogniser: Recogniser) -> None:
    found, wanted = source.extraction.skeleton, recogniser.skeleton.name
    if found != wanted:
        raise RunError(
            f"the run was trained on skeleton {wanted!r}, these clips have {found!r}; give clips made the same way"
        )


def _store_source(store: FeatureStore, split: str) -> ClipSource:
    table = store.labelled if not split else store.labelled[store.labelled["split"] == split]
    if table.empty:
        raise StoreError(f"store {store.path} has no clip of split {split!r}")
    return LoadedClips(table, store.read, store.extraction)


def _file_source(files: Sequence[Path], recogniser: Recogniser) -> tuple[ClipSource, dict[str, str]]:
    """Clips read from files, and the reasons of those that could not be."""
    made = recogniser.extraction
    settings = (
        LandmarkSettings(**{**made.settings, "parts": tuple(made.settings["parts"])})
        if made.extractor == "holistic"
        else LandmarkSettings()
    )
    points, rows, problems = {}, [], {}
    with exchange.ClipReader(settings) as reader:
        for file in tqdm(files, desc="reading clips", unit="clip", disable=len(files) < 3):
            name = str(file)
            try:
                points[name], width, height = reader.read(file)
            except (VideoError, ClipError) as error:
                problems[name] = str(error)
                continue
            rows.append({"clip": name, "gloss": "", "split": "", "width": width, "height": height})
    table = pd.DataFrame(rows, columns=["clip", "gloss", "split", "width", "height"])
    return LoadedClips(table, points.__getitem__, settings.extraction), problems


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
                    f"the run was trained on pictures with {name}={getattr(wanted, name)}, store {store.path} has "
                    f"{getattr(store.settings, name)}; make one the same way (`extract --extractor pictures`)"
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
) -> pd.DataFrame:  # fmt: skip
    """As `predict`, for a run on several modalities."""
    folders = [Path(clip) for clip in clips if Path(clip).is_dir()]
    pictures = [PictureStore(folder) for folder in folders if (folder / PICTURES_META).is_file()]
    points = [FeatureStore(folder) for folder in folders if not (folder / PICTURES_META).is_file()]
    if len(pictures) > 1 or len(points) > 1:
        raise RunError(f"{len(folders)} stores: give at most one of pictures and one of landmarks")
    tables = []
    if folders:
        manifest = pd.concat([*(s.manifest for s in pictures), *(s.labelled for s in points)]).drop_duplicates("clip")
        manifest = manifest if not split else manifest[manifest["split"] == split]
        if manifest.empty:
            raise StoreError(f"store {folders[0]} has no clip of split {split!r}")
        tables.append(_recognised(recogniser, manifest, next(iter(pictures), None), next(iter(points), None), top))
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
        {"clip": name, "file": file.relative_to(root).as_posix(), "depth_file": _relative(depth_beside(file), root)}
        for name, file in zip(names, whole, strict=True)
    ]
    table = manifests.complete(pd.DataFrame(rows))
    points, unread = None, {}
    if "skeleton" in settings.fusion.modalities:
        read, unread = _file_source(files, recogniser)
        ids = {file: name for name, file in shown.items()}
        labelled = read.labelled.assign(clip=read.labelled["clip"].map(ids))
        points = LoadedClips(labelled, lambda clip: read.read(shown[clip]), read.extraction)
        unread = {ids[file]: reason for file, reason in unread.items()}
    kinds = tuple(KEYS[name] for name in KEYS if name in settings.fusion.modalities and name != "skeleton")
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
    recogniser: Recogniser, table: pd.DataFrame, store: PictureStore | None, points: ClipSource | None, top: int,
    unread: Mapping[str, str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Rows of the clips of a manifest, from whatever modalities each has."""
    settings, clips = recogniser.settings, table["clip"].tolist()
    known = dict(zip(clips, table["gloss"], strict=True))
    chosen = recogniser.skeleton.select(settings.features.joints)
    prepared = Prepared([], [], {})
    if points is not None:
        _check_skeleton(points, recogniser)
        there = set(points.labelled["clip"])
        prepared = prepare_clips(points, [clip for clip in clips if clip in there], settings.features, quiet=True)
    prepared.unusable |= unread or {}
    # The shape of landmarks must be known even where no clip has any.
    prepared.clips.append("")
    prepared.points.append(np.zeros((1, len(chosen), settings.features.coordinates), np.float32))
    targets, pictures = np.zeros(len(clips), int), Shown(settings.pictures, store)
    try:
        data = MultimodalDataset(clips, targets, settings.fusion.modalities, pictures, prepared)
    except ClipError as error:
        return pd.DataFrame([(clip, known[clip], [], str(error), "") for clip in clips], columns=COLUMNS)
    mirror = list(chosen.mirror) if "skeleton" in settings.fusion.modalities else []
    shares = np.exp(score(recogniser.model, data, settings, mirror))
    lost = {clip: ", ".join(name for name in data.modalities if clip in data.missing[name]) for clip in data.clips}
    rows = [(clip, known[clip], best, "", lost[clip]) for clip, best in recogniser.best(data.clips, shares, top)]
    rows += [(clip, known[clip], [], reason, "") for clip, reason in data.left_out.items()]
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
