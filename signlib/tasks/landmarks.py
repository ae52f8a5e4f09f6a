"""Single signs from landmarks alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from signlib.corpora.clips import load_corpus
from signlib.corpora.splits import class_numbers
from signlib.data.vocabulary import Vocabulary
from signlib.models import classifier, counting
from signlib.settings.landmarks import LandmarkExperiment
from signlib.stores.store import ClipSource
from signlib.tasks.isolated import IsolatedTask
from signlib.tasks.task import (
    Inputs,
    M,
    Reading,
    Recogniser,
    S,
    landmark_batch,
    notes_of,
    table_of,
)
from signlib.training.augment import Augment, hands_of
from signlib.training.batches import Batch, ClipData, ClipDataset, Clips, Prepared, prepare_clips
from signlib.training.classification import score


class LandmarkReader(IsolatedTask[S, M]):
    """A family that reads landmarks and nothing else: clips come from stores and landmark files."""

    source: ClipSource
    # What makes batches of its clips.
    dataset: ClassVar[type[ClipData]] = ClipDataset

    def __init__(self, settings: S) -> None:
        super().__init__(settings)
        self.source = load_corpus(settings.data)
        self.table = self.source.labelled
        self.notes, self.examples = notes_of(self.source)

    @classmethod
    def read(
        cls, source: ClipSource, clips: Sequence[str], settings: S, quiet: bool = False
    ) -> Prepared:
        """The given clips as the network reads them; one that cannot be used is named."""
        return prepare_clips(source, clips, settings.features, quiet)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        prepared = self.read(self.source, rows["clip"].tolist(), self.settings, quiet)
        targets = class_numbers(rows, prepared.clips, vocabulary)
        return Clips(
            self.dataset(prepared.points, targets, repeats), prepared.clips, prepared.unusable
        )

    @classmethod
    def recognise(
        cls, recogniser: Recogniser[S, M], source: ClipSource, clips: Sequence[str]
    ) -> tuple[np.ndarray, Prepared]:
        """Probabilities (N, K) of the clips that can be used; `unusable` says which cannot."""
        settings = recogniser.settings
        prepared = cls.read(source, clips, settings, quiet=True)
        if not prepared.clips:
            return np.empty((0, len(recogniser.vocabulary))), prepared
        data = cls.dataset(prepared.points, np.zeros(len(prepared.clips), int))
        return cls.shares(recogniser, data), prepared

    @classmethod
    def shares(cls, recogniser: Recogniser[S, M], data: ClipData) -> np.ndarray:
        """Probabilities (N, K) of the clips of a dataset."""
        settings = recogniser.settings
        mirrored = settings.training.mirror_at_test
        mirror = recogniser.skeleton.select(settings.features.joints).mirror if mirrored else ()
        return np.exp(score(recogniser.model, data, settings, mirror))

    @classmethod
    def notes_on(cls, recogniser: Recogniser[S, M], source: ClipSource) -> Mapping[str, str]:
        """Clip -> what was assumed of it, where something was."""
        return {}

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[S, M],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        sources, problems = cls.sources(recogniser, clips, split)
        readings: list[Reading] = []
        for source in sources:
            gloss_of = source.labelled.set_index("clip")["gloss"]
            shares, prepared = cls.recognise(recogniser, source, gloss_of.index.tolist())
            problems |= prepared.unusable
            notes = cls.notes_on(recogniser, source)
            readings += [
                Reading(clip, gloss_of[clip], best, note=notes.get(clip, ""))
                for clip, best in recogniser.best(prepared.clips, shares, top)
            ]
        return table_of(readings + [Reading(clip, problem=why) for clip, why in problems.items()])


class LandmarkTask(LandmarkReader[LandmarkExperiment, classifier.LandmarkClassifier]):
    """Signs from landmarks alone."""

    parts: ClassVar[Mapping[str, str]] = {"landmark encoder": "encoder."}
    outputs: ClassVar[Mapping[str, int]] = {"head.": 0}

    def __init__(self, settings: LandmarkExperiment) -> None:
        super().__init__(settings)
        self.chosen = self.source.skeleton.select(settings.features.joints)
        self.mirror = self.chosen.mirror

    @property
    def augment(self) -> Augment:
        return Augment(
            self.settings.augment,
            self.mirror,
            hands_of(self.chosen),
            self.settings.features.coordinates,
        )

    @classmethod
    def network(
        cls, settings: LandmarkExperiment, inputs: Inputs, classes: int
    ) -> classifier.LandmarkClassifier:
        chosen, features = inputs.skeleton.select(settings.features.joints), settings.features
        return classifier.landmark_classifier(
            settings.model,
            len(chosen),
            features.coordinates,
            hands_of(chosen),
            features.frames,
            classes,
        )

    @classmethod
    def example(
        cls, settings: LandmarkExperiment, inputs: Inputs, classes: int, clips: int
    ) -> Batch:
        return landmark_batch(settings, inputs.skeleton, classes, clips)

    @classmethod
    def count_parts(cls, model: classifier.LandmarkClassifier) -> dict[str, int]:
        # Transformer, what leads into it, and the head.
        return counting.encoder_parts(model.encoder) | {
            "classifier": classifier.parameter_count(model.head)
        }
