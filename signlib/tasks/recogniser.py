"""A finished run, ready to predict: its model with its weights, and the clips it can be given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn
from tqdm.auto import tqdm

from signlib.data.skeletons import MEDIAPIPE_543, Skeleton, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, StoreError, VideoError
from signlib.extraction import exchange
from signlib.extraction.holistic import LandmarkSettings
from signlib.features.novelty import Familiar
from signlib.runs import run as runs
from signlib.runs.weights import load_model_facts, load_weights
from signlib.settings.config import Settings
from signlib.stores.store import ClipSource, Extraction, FeatureStore, LoadedClips, extraction_of
from signlib.tasks.frozen import feature_size
from signlib.tasks.phonology import phonology_clips
from signlib.tasks.recognition import build_model
from signlib.training.batches import ClipDataset, Prepared, prepare_clips
from signlib.training.classification import score
from signlib.training.phonology import PhonologyDataset

COLUMNS = ["clip", "gloss", "top", "problem", "missing", "warning"]


@dataclass
class Recogniser:
    """A trained model with all that prediction needs.

    Attributes:
        model, settings, vocabulary, skeleton, extraction: of its run; no extraction where it reads
            no landmarks.
        frozen: how its frozen features were made, where it reads some.
        familiar: what its training clips were like, where the run tells.
    """

    model: nn.Module
    settings: Settings
    vocabulary: Vocabulary
    skeleton: Skeleton
    extraction: Extraction | None
    frozen: Extraction | None = None
    familiar: Familiar = field(default_factory=Familiar)

    def recognise(
        self, source: ClipSource, clips: Sequence[str], quiet: bool = True
    ) -> tuple[np.ndarray, Prepared]:
        """Probabilities (N, K) of the clips that can be used; `unusable` of the second says which
        cannot.
        """
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

    def best(
        self, clips: Sequence[str], shares: np.ndarray, top: int
    ) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        """Each clip with its likeliest glosses and their shares."""
        for clip, share in zip(clips, shares, strict=True):
            order = np.argsort(-share)[:top]
            yield clip, list(zip(self.vocabulary.decode(order), share[order].tolist(), strict=True))


def load_recogniser(run: runs.Run) -> Recogniser:
    """The model of a run, ready to predict.

    Raises:
        RunError: when the run holds no weights.
    """
    weights, about = load_weights(run), load_model_facts(run)
    if run.settings.ctc.network:
        raise RunError(
            f"run {run.path} reads sentences; prediction from files takes runs on single signs"
        )
    if run.settings.phonology.network == "pretext":
        raise RunError(
            f"run {run.path} is pre-training, which names no gloss; start another from it"
            " (--init-from)"
        )
    extraction = extraction_of(about["extraction"]) if "extraction" in about else None
    base = MEDIAPIPE_543 if extraction is None else skeleton(extraction.skeleton)
    vocabulary, settings = Vocabulary(tuple(about["classes"])), run.settings
    # The run's own weights come next; nothing is downloaded for them.
    own = {name: replace(getattr(settings, name), weights="") for name in ("rgb", "depth")}
    model = build_model(replace(settings, **own), base, len(vocabulary), feature_size(about))
    model.load_state_dict(weights)
    frozen = extraction_of(about["frozen"]) if "frozen" in about else None
    familiar = Familiar.from_content(about["familiar"]) if "familiar" in about else Familiar()
    return Recogniser(model.eval(), settings, vocabulary, base, extraction, frozen, familiar)


def check_skeleton(source: ClipSource, recogniser: Recogniser) -> None:
    """Refuse clips of other points than the run was trained on.

    Raises:
        RunError: naming both skeletons.
    """
    found, wanted = source.extraction.skeleton, recogniser.skeleton.name
    if found != wanted:
        raise RunError(
            f"the run was trained on skeleton {wanted!r}, these clips have {found!r}; give clips"
            " made the same way"
        )


def store_source(store: FeatureStore, split: str) -> ClipSource:
    """The clips of a store, or those of one split.

    Raises:
        StoreError: when there is none.
    """
    table = store.labelled if not split else store.labelled[store.labelled["split"] == split]
    if table.empty:
        raise StoreError(f"store {store.path} has no clip of split {split!r}")
    return LoadedClips(table, store.read, store.extraction)


def file_source(files: Sequence[Path], recogniser: Recogniser) -> tuple[ClipSource, dict[str, str]]:
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
