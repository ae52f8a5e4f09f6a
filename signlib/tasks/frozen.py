"""Single signs from frozen visual features, landmarks or both.

How many numbers a frame has is read from the store of features (`extraction.json`), never from a
setting.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from signlib import paths
from signlib.corpora.clips import generated_world, load_landmarks, load_manifest
from signlib.corpora.registry import corpus_of
from signlib.corpora.splits import class_numbers
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import SettingsError
from signlib.extraction import frozen_files
from signlib.extraction.filming import RenderedClips
from signlib.extraction.frozen import EXTRACTOR, FrozenSettings, extract_frozen, extraction_of_tower
from signlib.extraction.towers import random_tower
from signlib.features.novelty import TrainingRanges
from signlib.models.classifier import landmark_encoder, parameter_count
from signlib.models.counting import counted_macs
from signlib.models.frozen import GEMMA_WIDTH, FrozenClassifier, frozen_model
from signlib.settings.frozen import FrozenExperiment
from signlib.stores.store import ClipSource, FeatureStore, is_finished, plain
from signlib.tasks.frozen_prediction import predict_frozen
from signlib.tasks.isolated import IsolatedTask
from signlib.tasks.recogniser import Recogniser
from signlib.tasks.task import Facts, Inputs, landmark_batch, notes_of
from signlib.training.augment import Augment, hands_of
from signlib.training.batches import Batch, Clips, prepare_clips
from signlib.training.frozen import FrozenAugment, FrozenDataset

# Numbers a frame that sizes are counted for.
# Gemma 3's tower, its 4b's projected tokens, and what source 004 states.
FEATURE_SIZES = (GEMMA_WIDTH, 2560, 2048)
# Of `frozen.tower`: a tiny encoder with random weights, for trying the whole way without a
# download.
RANDOM = "random"


def frozen_classifier(
    settings: FrozenExperiment, base: Skeleton, classes: int, size: int = GEMMA_WIDTH
) -> FrozenClassifier:
    """The untrained classifier, for features of `size` numbers a frame."""
    f = settings.frozen
    chosen = base.select(settings.features.joints)
    joints, coordinates = len(chosen), settings.features.coordinates
    encoder = None
    if f.landmarks == "encoder":
        hands = hands_of(chosen)
        encoder = landmark_encoder(
            settings.model, joints, coordinates, hands, settings.features.frames
        )
    return frozen_model(
        f.inputs,
        f.fusion,
        size,
        joints * coordinates,
        classes,
        f.width,
        f.layers,
        f.heads,
        f.intermediate,
        f.dropout,
        f.positions,
        encoder,
    )


class FrozenTask(IsolatedTask[FrozenExperiment, FrozenClassifier]):
    """Clips with frozen features, landmarks or both; one that lacks any is left out, by name.

    Features come from the store `frozen.store`, or, of generated clips, from `frozen.tower` once,
    below the folder of runs. Landmarks of a corpus that comes as videos come from the store
    `data.landmarks`.
    """

    refusals: ClassVar[Mapping[str, str]] = {
        "warm start": "its branches differ with the features",
    }
    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "frozen.inputs", "frozen.store")

    def __init__(self, settings: FrozenExperiment) -> None:
        super().__init__(settings)
        data, inputs = settings.data, settings.frozen.inputs
        self.features = self._features() if "visual" in inputs else None
        self.points: ClipSource | None = None
        if "landmarks" in inputs:
            self.points = load_landmarks(data, data.landmarks, "frozen.inputs has landmarks")
        if self.points is None or corpus_of(data).has_files:
            self.table = load_manifest(data)
        else:
            self.table = self.points.labelled
        self.notes = notes_of(self.features, self.points)
        self.skeleton = MEDIAPIPE_543 if self.points is None else self.points.skeleton
        self.chosen = self.skeleton.select(settings.features.joints)
        self.mirror = list(self.chosen.mirror)
        self.familiar: TrainingRanges | None = None

    def _features(self) -> FeatureStore:
        folder = self.settings.frozen.store
        if not folder and corpus_of(self.settings.data).rendered and self.settings.frozen.tower:
            return self._generated_features()
        if not folder:
            raise SettingsError(
                "frozen.inputs has visual: make features with `python -m signlib extract ROOT "
                "--extractor frozen --out STORE` and set frozen.store=STORE (of generated clips, "
                "frozen.tower names the encoder)"
            )
        store = frozen_files.open_store(folder, frozen_files.FEATURES)
        if store.extraction.extractor != EXTRACTOR or len(store.extraction.shape) != 1:
            raise SettingsError(
                f"frozen.store={folder} holds {store.extraction.extractor} of shape "
                f"{store.extraction.shape}; give one that `extract --extractor frozen` made"
            )
        return store

    def _generated_features(self) -> FeatureStore:
        # Features of a generated corpus, made below the folder of runs or read where they are.
        settings, root = self.settings.frozen, paths.runs_root() / "frozen"
        model = settings.tower
        if model == RANDOM:
            model = str(random_tower(root / "random-tower"))
        source = RenderedClips(generated_world(self.settings.data))
        form = FrozenSettings(model, frames=settings.frames)
        tower = form.tower()
        extraction = plain(asdict(extraction_of_tower(tower, form.frames, source.origin)))
        identity = json.dumps((extraction, source.manifest["clip"].tolist()), sort_keys=True)
        path = root / hashlib.sha256(identity.encode()).hexdigest()[:12]
        if is_finished(path):
            # Without a lock: several processes of one training may ask at once.
            return FeatureStore(path)
        return extract_frozen(source, path, form, tower=tower)

    @property
    def inputs(self) -> Inputs:
        width = GEMMA_WIDTH if self.features is None else self.features.extraction.shape[0]
        return Inputs(self.skeleton, width)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset.

        The first ones asked for are those of training: `familiar` describes them.
        """
        clips = rows["clip"].tolist()
        unusable: dict[str, str] = {}
        points: dict[str, np.ndarray] | None = None
        if self.features is not None:
            failed = self.features.failed
            reasons = dict(zip(failed["clip"], failed["reason"], strict=True))
            lacking = [clip for clip in clips if clip not in self.features]
            unusable |= {clip: reasons.get(clip, "it has no features") for clip in lacking}
        if self.points is not None:
            there = set(self.points.labelled["clip"])
            names = [clip for clip in clips if clip in there]
            prepared = prepare_clips(self.points, names, self.settings.features, quiet)
            points = dict(zip(prepared.clips, prepared.points, strict=True))
            lacking = [clip for clip in clips if clip not in points]
            reasons = prepared.unusable
            unusable |= {clip: reasons.get(clip, "it has no landmarks") for clip in lacking}
        kept = [clip for clip in clips if clip not in unusable]
        features = None if self.features is None else [self.features.read(clip) for clip in kept]
        kept_points = None if points is None else [points[clip] for clip in kept]
        if self.familiar is None and kept:
            self.familiar = TrainingRanges.of(kept_points, hands_of(self.chosen), features)
        targets = class_numbers(rows, kept, vocabulary)
        return Clips(FrozenDataset(targets, features, kept_points, repeats), kept, unusable)

    @property
    def augment(self) -> FrozenAugment:
        settings = self.settings
        coordinates = settings.features.coordinates
        hands = hands_of(self.chosen)
        return FrozenAugment(Augment(settings.augment, self.mirror, hands, coordinates))

    @property
    def described(self) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if self.familiar is not None:
            facts["familiar"] = self.familiar.content()
        if self.features is not None:
            facts["frozen"] = asdict(self.features.extraction)
        if self.points is not None:
            facts["extraction"] = asdict(self.points.extraction)
        return facts

    @classmethod
    def share_stores(cls, settings: FrozenExperiment) -> None:
        # Make the features of generated clips that several runs read.
        if settings.frozen.tower:
            cls(settings)

    @classmethod
    def network(cls, settings: FrozenExperiment, inputs: Inputs, classes: int) -> FrozenClassifier:
        return frozen_classifier(settings, inputs.skeleton, classes, inputs.width)

    @classmethod
    def inputs_of(cls, facts: Facts) -> Inputs:
        # Skeleton and width of a run's clips.
        inputs = super().inputs_of(facts)
        if "frozen" not in facts:
            return inputs
        return replace(inputs, width=facts["frozen"]["shape"][0])

    @classmethod
    def widths(cls, settings: FrozenExperiment) -> tuple[int, ...]:
        # Numbers a frame that its size is counted for.
        return FEATURE_SIZES if "visual" in settings.frozen.inputs else (GEMMA_WIDTH,)

    @classmethod
    def example(cls, settings: FrozenExperiment, inputs: Inputs, classes: int, clips: int) -> Batch:
        joints = len(inputs.skeleton.select(settings.features.joints))
        batch = landmark_batch(settings, joints, classes, clips)
        batch["features"] = torch.randn(clips, settings.frozen.frames, inputs.width)
        batch["shown"] = torch.ones(clips, settings.frozen.frames, dtype=torch.bool)
        return batch

    @classmethod
    def count_parts(cls, model: FrozenClassifier) -> dict[str, int]:
        # Both branches, fusion and head.
        parts = {
            "encoder": model.landmarks,
            "projection": model.visual,
            "fusion": model.fusion,
            "classifier": model.head,
        }
        return {name: parameter_count(part) for name, part in parts.items() if part is not None}

    @classmethod
    def count_macs(cls, settings: FrozenExperiment, inputs: Inputs, classes: int) -> int:
        # Multiply-accumulates of one clip, without the encoder that made its features.
        model = cls.network(settings, inputs, classes).eval()
        return counted_macs(model, cls.example(settings, inputs, classes, 1))

    @classmethod
    def carries(cls, name: str) -> bool:
        # No part: branches differ with the features.
        return False

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[FrozenExperiment, FrozenClassifier],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        return predict_frozen(recogniser, clips, split, top, tower)
