"""Signs from frozen visual features, landmarks or both: the clips and the model of such an
experiment.

How many numbers a frame has is read from the store of features (`extraction.json`), never from a
setting.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from signlib import paths
from signlib.corpora.clips import (
    GENERATED,
    VIDEO_READERS,
    class_numbers,
    failed_note,
    generated_world,
    load_landmarks,
    load_manifest,
)
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import SettingsError
from signlib.extraction import frozen_files
from signlib.extraction.filming import RenderedClips
from signlib.extraction.frozen import EXTRACTOR, FrozenSettings, extract_frozen, extraction_of_tower
from signlib.extraction.towers import random_tower
from signlib.features.novelty import Familiar
from signlib.models.classifier import landmark_encoder
from signlib.models.frozen import GEMMA_WIDTH, FrozenClassifier, frozen_model
from signlib.settings.config import Settings
from signlib.stores.store import ClipSource, FeatureStore, is_finished, plain
from signlib.training.augment import Augment, hands_of
from signlib.training.batches import Clips, prepare_clips
from signlib.training.frozen import FrozenAugment, FrozenDataset

RANDOM = "random"
"""Of `frozen.tower`: a tiny encoder with random weights, for trying the whole way without a
download.
"""


def frozen_classifier(
    settings: Settings, base: Skeleton, classes: int, size: int = GEMMA_WIDTH
) -> FrozenClassifier:
    """The untrained classifier that the settings describe, for features of `size` numbers a frame."""
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


def feature_size(described: Mapping[str, Any]) -> int:
    """D of a run's features, from what it wrote of its clips."""
    return described["frozen"]["shape"][0] if "frozen" in described else GEMMA_WIDTH


class FrozenRecognition:
    """Clips with frozen features, landmarks or both; a clip that lacks one of them is left out, by
    name.

    Features come from the store `frozen.store`, or, of generated clips, from `frozen.tower` once,
    below the folder of runs. Landmarks of a corpus that comes as videos come from the store
    `fusion.landmarks`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, data = settings, settings.data
        inputs = settings.frozen.inputs
        videos = data.corpus in VIDEO_READERS
        self.features = self._features() if "visual" in inputs else None
        self.points: ClipSource | None = None
        if "landmarks" in inputs:
            self.points = load_landmarks(
                data, settings.fusion.landmarks, "frozen.inputs has landmarks"
            )
        self.table = load_manifest(data) if videos or self.points is None else self.points.labelled
        self.notes = [
            note
            for source in (self.features, self.points)
            if source is not None
            for note in failed_note(source)
        ]
        self.skeleton = MEDIAPIPE_543 if self.points is None else self.points.skeleton
        self.chosen = self.skeleton.select(settings.features.joints)
        self.mirror = list(self.chosen.mirror)
        self.familiar: Familiar | None = None

    def _features(self) -> FeatureStore:
        data, wanted = self.settings.data, self.settings.frozen
        if not wanted.store and data.corpus in GENERATED and wanted.tower:
            return self._made()
        if not wanted.store:
            raise SettingsError(
                "frozen.inputs has visual: make features with `python -m signlib extract ROOT"
                " --extractor frozen --out STORE` and set frozen.store=STORE (of generated clips,"
                " frozen.tower names the encoder)"
            )
        store = frozen_files.open_store(wanted.store, frozen_files.FEATURES)
        if store.extraction.extractor != EXTRACTOR or len(store.extraction.shape) != 1:
            raise SettingsError(
                f"frozen.store={wanted.store} holds {store.extraction.extractor} of shape"
                f" {store.extraction.shape}; give one that `extract --extractor frozen` made"
            )
        return store

    def _made(self) -> FeatureStore:
        """Features of a generated corpus, made below the folder of runs or, where they stand there
        already, read.
        """
        wanted, root = self.settings.frozen, paths.runs_root() / "frozen"
        model = str(random_tower(root / "random-tower")) if wanted.tower == RANDOM else wanted.tower
        source = RenderedClips(generated_world(self.settings.data))
        made = FrozenSettings(model, frames=wanted.frames)
        tower = made.tower()
        about = (
            plain(asdict(extraction_of_tower(tower, made.frames, source.about))),
            source.manifest["clip"].tolist(),
        )
        path = root / hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
        if is_finished(path):
            return FeatureStore(
                path
            )  # without a lock: several processes of one training may ask at once
        return extract_frozen(source, path, made, tower=tower)

    def model(self, classes: int) -> FrozenClassifier:
        """The untrained model."""
        size = GEMMA_WIDTH if self.features is None else self.features.extraction.shape[0]
        return frozen_classifier(self.settings, self.skeleton, classes, size)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset; the first ones asked for are for training: `familiar`
        describes them.
        """
        clips, unusable = rows["clip"].tolist(), {}
        points: dict[str, np.ndarray] | None = None
        if self.features is not None:
            reasons = dict(
                zip(self.features.failed["clip"], self.features.failed["reason"], strict=True)
            )
            unusable |= {
                c: reasons.get(c, "it has no features") for c in clips if c not in self.features
            }
        if self.points is not None:
            known = set(self.points.labelled["clip"])
            prepared = prepare_clips(
                self.points, [c for c in clips if c in known], self.settings.features, quiet
            )
            points = dict(zip(prepared.clips, prepared.points, strict=True))
            unusable |= {
                c: prepared.unusable.get(c, "it has no landmarks") for c in clips if c not in points
            }
        kept = [clip for clip in clips if clip not in unusable]
        features = None if self.features is None else [self.features.read(clip) for clip in kept]
        shown = None if points is None else [points[clip] for clip in kept]
        if self.familiar is None and kept:
            self.familiar = Familiar.of(shown, hands_of(self.chosen), features)
        data = FrozenDataset(class_numbers(rows, kept, vocabulary), features, shown, repeats)
        return Clips(data, kept, unusable)

    @property
    def augment(self) -> FrozenAugment:
        """The change of training batches."""
        s = self.settings
        return FrozenAugment(
            Augment(s.augment, self.mirror, hands_of(self.chosen), s.features.coordinates)
        )

    @property
    def described(self) -> dict[str, Any]:
        """How features and landmarks were made, and what the training clips were like."""
        about: dict[str, Any] = (
            {} if self.familiar is None else {"familiar": self.familiar.content()}
        )
        if self.features is not None:
            about["frozen"] = asdict(self.features.extraction)
        if self.points is not None:
            about["extraction"] = asdict(self.points.extraction)
        return about
