"""Single signs from landmarks alone."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from signlib.corpora.clips import load_corpus
from signlib.corpora.splits import class_numbers
from signlib.data.vocabulary import Vocabulary
from signlib.models.classifier import LandmarkClassifier, landmark_classifier, parameter_count
from signlib.models.counting import counted_macs, encoder_parts
from signlib.settings.landmarks import LandmarkExperiment
from signlib.stores.store import ClipSource
from signlib.tasks.isolated import LandmarkReader
from signlib.tasks.recogniser import Recogniser
from signlib.tasks.task import Inputs, landmark_batch, notes_of
from signlib.training.augment import Augment, hands_of
from signlib.training.batches import Batch, ClipDataset, Clips, prepare_clips
from signlib.training.classification import score


class LandmarkTask(LandmarkReader[LandmarkExperiment, LandmarkClassifier]):
    """Signs from landmarks alone."""

    def __init__(self, settings: LandmarkExperiment) -> None:
        super().__init__(settings)
        self.source = load_corpus(settings.data)
        self.table, self.notes = self.source.labelled, notes_of(self.source)
        self.chosen = self.source.skeleton.select(settings.features.joints)
        self.mirror = list(self.chosen.mirror)

    @property
    def inputs(self) -> Inputs:
        return Inputs(self.source.skeleton)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        prepared = prepare_clips(self.source, rows["clip"], self.settings.features, quiet)
        targets = class_numbers(rows, prepared.clips, vocabulary)
        data = ClipDataset(prepared.points, targets, repeats)
        return Clips(data, prepared.clips, prepared.unusable)

    @property
    def augment(self) -> Augment:
        coordinates = self.settings.features.coordinates
        return Augment(self.settings.augment, self.mirror, hands_of(self.chosen), coordinates)

    @property
    def described(self) -> dict[str, Any]:
        return {"extraction": asdict(self.source.extraction)}

    @classmethod
    def network(
        cls, settings: LandmarkExperiment, inputs: Inputs, classes: int
    ) -> LandmarkClassifier:
        chosen, features = inputs.skeleton.select(settings.features.joints), settings.features
        return landmark_classifier(
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
        joints = len(inputs.skeleton.select(settings.features.joints))
        return landmark_batch(settings, joints, classes, clips)

    @classmethod
    def count_parts(cls, model: LandmarkClassifier) -> dict[str, int]:
        # Transformer, what leads into it, and the head.
        return encoder_parts(model.encoder) | {"classifier": parameter_count(model.head)}

    @classmethod
    def count_macs(cls, settings: LandmarkExperiment, inputs: Inputs, classes: int) -> int:
        # Multiply-accumulates of one clip, counted by torch.
        model = cls.network(settings, inputs, classes).eval()
        return counted_macs(model, cls.example(settings, inputs, classes, 1))

    @classmethod
    def recognise(
        cls,
        recogniser: Recogniser[LandmarkExperiment, LandmarkClassifier],
        source: ClipSource,
        clips: Sequence[str],
    ) -> tuple[np.ndarray, Clips]:
        settings = recogniser.settings
        prepared = prepare_clips(source, clips, settings.features, quiet=True)
        data = ClipDataset(prepared.points, np.zeros(len(prepared.clips), int))
        readable = Clips(data, prepared.clips, prepared.unusable)
        if not readable.clips:
            return np.empty((0, len(recogniser.vocabulary))), readable
        mirror = recogniser.skeleton.select(settings.features.joints).mirror
        return np.exp(score(recogniser.model, data, settings, mirror)), readable
