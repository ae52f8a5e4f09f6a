"""A trained run put to work on clips of one's own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import load_file
from torch import nn
from tqdm.auto import tqdm

from signlib import runs
from signlib.config import Settings
from signlib.data.skeletons import Skeleton, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, StoreError, VideoError
from signlib.experiment import MODEL, score, weights_path
from signlib.features import exchange
from signlib.features.holistic import LandmarkSettings
from signlib.features.store import ClipSource, Extraction, FeatureStore, LoadedClips, extraction_of
from signlib.recognition import build_model
from signlib.training.batches import ClipDataset, Prepared, prepare_clips


@dataclass
class Recogniser:
    """A trained model with all that prediction needs.

    Attributes:
        model, settings, vocabulary, skeleton, extraction: of its run.
    """

    model: nn.Module
    settings: Settings
    vocabulary: Vocabulary
    skeleton: Skeleton
    extraction: Extraction

    def recognise(self, source: ClipSource, clips: Sequence[str], quiet: bool = True) -> tuple[np.ndarray, Prepared]:
        """Probabilities (N, K) of the clips that can be used; `unusable` of the second says which cannot."""
        prepared = prepare_clips(source, clips, self.settings.features, quiet)
        if not prepared.clips:
            return np.empty((0, len(self.vocabulary))), prepared
        data = ClipDataset(prepared.points, np.zeros(len(prepared.clips), int))
        chosen = self.skeleton.select(self.settings.features.joints)
        return np.exp(score(self.model, data, self.settings, chosen.mirror)), prepared


def load_recogniser(run: runs.Run) -> Recogniser:
    """The model of a run, ready to predict.

    Raises:
        RunError: when the run holds no weights.
    """
    weights = load_file(weights_path(run))
    about = json.loads((run.path / MODEL).read_text(encoding="utf-8"))
    if run.settings.gcn.variant:
        raise RunError(f"run {run.path} is a graph network on actions; prediction from files takes runs on landmarks")
    if run.settings.fusion.modalities:
        raise RunError(
            f"run {run.path} reads {', '.join(run.settings.fusion.modalities)}; prediction from files takes runs that "
            "read landmarks alone"
        )
    extraction = extraction_of(about["extraction"])
    base, vocabulary = skeleton(extraction.skeleton), Vocabulary(tuple(about["classes"]))
    model = build_model(run.settings, base, len(vocabulary))
    model.load_state_dict(weights)
    return Recogniser(model.eval(), run.settings, vocabulary, base, extraction)


def predict(run: runs.Run, clips: Sequence[str | Path], split: str = "", top: int = 5) -> pd.DataFrame:
    """The likeliest glosses of clips.

    Args:
        run: a run with weights.
        clips: videos, `.npy` or `.pose` files, or stores made with the run's extractor.
        split: of stores, only the clips of this split.
        top: how many glosses a clip.

    Returns:
        One row a clip: clip, gloss ("" where nobody says), top = [(gloss, share of confidence), ...], and
        problem ("" unless the clip could not be used).

    Raises:
        RunError: when the run was trained on other points than these clips give.
    """
    recogniser = load_recogniser(run)
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
        made = source.extraction
        if made.skeleton != recogniser.extraction.skeleton:
            raise RunError(
                f"run {run.path} was trained on skeleton {recogniser.extraction.skeleton!r}, these clips have "
                f"{made.skeleton!r}; give clips made the same way"
            )
        names = source.labelled["clip"].tolist()
        shares, prepared = recogniser.recognise(source, names)
        problems |= prepared.unusable
        known = source.labelled.set_index("clip")["gloss"]
        for clip, share in zip(prepared.clips, shares, strict=True):
            best = np.argsort(-share)[:top]
            glosses = recogniser.vocabulary.decode(best)
            rows.append((clip, known[clip], list(zip(glosses, share[best].tolist(), strict=True)), ""))
    rows += [(clip, "", [], reason) for clip, reason in problems.items()]
    return pd.DataFrame(rows, columns=["clip", "gloss", "top", "problem"])


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
