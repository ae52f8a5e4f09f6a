"""What an experiment needs of its clips and its model: landmarks, several modalities, frozen
features, whole bodies.

All kinds answer the same questions (`Recognition`), so that training and evaluation need not know
which it is.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import pandas as pd
from torch import nn

from signlib import paths
from signlib.corpora.clips import (
    GENERATED,
    VIDEO_READERS,
    class_numbers,
    corpus_root,
    failed_note,
    generated_world,
    load_corpus,
    load_landmarks,
    load_manifest,
)
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import SettingsError
from signlib.extraction import filming
from signlib.extraction.pictures import PictureStore, pictures_of, write_pictures
from signlib.models.classifier import LandmarkClassifier, landmark_classifier, landmark_encoder
from signlib.models.frozen import GEMMA_WIDTH, FrozenClassifier
from signlib.models.fusion import FUSIONS, CrossAttentionFusion
from signlib.models.multimodal import MODALITIES, MultimodalClassifier
from signlib.models.phonology import GlossReader
from signlib.models.pretext import PretextNetwork
from signlib.models.video import VideoEncoder, depth_from_colour, pretrained_videomae, videomae
from signlib.settings.config import Settings, VideoSettings
from signlib.stores.store import ClipSource
from signlib.tasks.frozen import FrozenRecognition, frozen_classifier
from signlib.tasks.graph import ActionRecognition, action_classifier
from signlib.tasks.phonology import PhonologyRecognition, phonology_model
from signlib.tasks.sentences import SentenceRecognition, sentence_model
from signlib.training.actions import ActionClassifier
from signlib.training.augment import Augment, hands_of
from signlib.training.augment_video import MultimodalAugment
from signlib.training.batches import Batch, ClipDataset, Clips, Prepared, prepare_clips
from signlib.training.multimodal import KEYS, MultimodalDataset


class Recognition(Protocol):
    """Clips and model of one experiment."""

    settings: Settings
    table: pd.DataFrame
    notes: list[str]
    mirror: list[int]

    def model(self, classes: int) -> nn.Module:
        """The untrained model."""
        ...

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset."""
        ...

    @property
    def augment(self) -> Callable[[Batch], Batch]:
        """The change of training batches."""
        ...

    @property
    def described(self) -> dict[str, Any]:
        """What prediction must know besides settings and classes."""
        ...


def open_recognition(settings: Settings) -> Recognition:
    """Clips and model that the settings describe: landmarks alone, unless they name another kind."""
    if settings.gcn.variant:
        return ActionRecognition(settings)
    if settings.ctc.network:
        return SentenceRecognition(settings)
    if settings.phonology.network:
        return PhonologyRecognition(settings)
    if settings.frozen.fusion:
        return FrozenRecognition(settings)
    return (
        MultimodalRecognition(settings)
        if settings.fusion.modalities
        else LandmarkRecognition(settings)
    )


def build_model(
    settings: Settings, base: Skeleton, classes: int, feature_size: int = GEMMA_WIDTH
) -> (
    LandmarkClassifier
    | MultimodalClassifier
    | ActionClassifier
    | GlossReader
    | PretextNetwork
    | FrozenClassifier
):
    """The untrained classifier that the settings describe, for landmarks of skeleton `base`.

    Args:
        feature_size: numbers a frame of frozen features; only a classifier on those reads it.
    """
    if settings.gcn.variant:
        return action_classifier(settings, base, classes)
    if settings.ctc.network:
        return sentence_model(settings, base, classes)
    if settings.phonology.network:
        return phonology_model(settings, classes)
    if settings.frozen.fusion:
        return frozen_classifier(settings, base, classes, feature_size)
    chosen = base.select(settings.features.joints)
    sizes = (len(chosen), settings.features.coordinates, hands_of(chosen), settings.features.frames)
    if not settings.fusion.modalities:
        return landmark_classifier(settings.model, *sizes, classes)
    encoders: dict[str, nn.Module] = {}
    for name in MODALITIES:
        if name in settings.fusion.modalities:
            skeleton = name == "skeleton"
            encoders[name] = (
                landmark_encoder(settings.model, *sizes)
                if skeleton
                else _video_encoder(name, settings, encoders)
            )
    widths = [encoder.size for encoder in encoders.values()]
    fusion = FUSIONS[settings.fusion.kind]
    more = {"heads": settings.fusion.heads} if fusion is CrossAttentionFusion else {}
    return MultimodalClassifier(
        encoders,
        fusion(widths, settings.fusion.width, **more),
        classes,
        settings.fusion.dropout,
        settings.fusion.drop_modality,
    )


def _video_encoder(name: str, settings: Settings, built: dict[str, nn.Module]) -> VideoEncoder:
    wanted: VideoSettings = getattr(settings, name)
    channels = 3 if name == "rgb" else 1
    pictures = settings.pictures
    sizes = (wanted.width, wanted.layers, wanted.heads, wanted.intermediate)
    if wanted.weights and wanted.weights != "colour":
        model = pretrained_videomae(wanted.weights)
        found = model.config
        expected = {
            "num_channels": channels,
            "image_size": pictures.size,
            "num_frames": pictures.frames,
        }
        for key, value in expected.items():
            if getattr(found, key) != value:
                raise SettingsError(
                    f"{name}.weights={wanted.weights!r} has {key}={getattr(found, key)}, these"
                    f" settings {value}; change pictures.size or pictures.frames, or take other"
                    " weights"
                )
    else:
        model = videomae(*sizes, channels, pictures.size, pictures.patch, pictures.frames)
    if wanted.weights == "colour":
        if "rgb" not in built:
            raise SettingsError(f"{name}.weights=colour needs rgb among fusion.modalities")
        depth_from_colour(model, built["rgb"].model)
    encoder = VideoEncoder(model, pictures.checkpointing, pictures.motion)
    if wanted.frozen:
        encoder.requires_grad_(False)
    return encoder


class LandmarkRecognition:
    """Signs from landmarks alone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.source = load_corpus(settings.data)
        self.table, self.notes = self.source.labelled, failed_note(self.source)
        self.chosen = self.source.skeleton.select(settings.features.joints)
        self.mirror = list(self.chosen.mirror)

    def model(self, classes: int) -> nn.Module:
        """The untrained model."""
        return build_model(self.settings, self.source.skeleton, classes)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset."""
        prepared = prepare_clips(self.source, rows["clip"], self.settings.features, quiet)
        data = ClipDataset(
            prepared.points, class_numbers(rows, prepared.clips, vocabulary), repeats
        )
        return Clips(data, prepared.clips, prepared.unusable)

    @property
    def augment(self) -> Augment:
        """The change of training batches."""
        return Augment(
            self.settings.augment,
            self.mirror,
            hands_of(self.chosen),
            self.settings.features.coordinates,
        )

    @property
    def described(self) -> dict[str, Any]:
        """How the landmarks were made."""
        return {"extraction": asdict(self.source.extraction)}


class MultimodalRecognition:
    """Signs from any of colour, depth and landmarks; a clip may lack some of them.

    Pictures come from `pictures.store`, or are made once below the folder of runs; landmarks of a
    corpus that comes as videos come from the store `fusion.landmarks`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, data = settings, settings.data
        self.modalities = tuple(name for name in MODALITIES if name in settings.fusion.modalities)
        if settings.features.dominant:
            raise SettingsError(
                "features.dominant=true mirrors the landmarks of left-handed clips but not their"
                " pictures; set it to false with fusion.modalities"
            )
        self.points: ClipSource | None = None
        if "skeleton" in self.modalities:
            self.points = load_landmarks(
                data, settings.fusion.landmarks, "fusion.modalities has skeleton"
            )
        own = self.points is not None and data.corpus not in VIDEO_READERS
        self.table = self.points.labelled if own else load_manifest(data)
        self.pictures = self._pictures() if set(self.modalities) - {"skeleton"} else None
        self.notes = [] if self.points is None else failed_note(self.points)
        self.chosen = (
            None if self.points is None else self.points.skeleton.select(settings.features.joints)
        )
        self.mirror = [] if self.chosen is None else list(self.chosen.mirror)

    def _pictures(self) -> PictureStore:
        data, wanted = self.settings.data, self.settings.pictures
        if wanted.store:
            return PictureStore(wanted.store)
        kinds = tuple(KEYS[name] for name in self.modalities if name != "skeleton")
        if data.corpus in GENERATED:
            kinds = (filming.COLOUR, filming.DEPTH)  # one store for all conditions of an ablation
        made = filming.PictureSettings(
            wanted.frames, wanted.size, wanted.fit, wanted.quality, kinds
        )
        folder = paths.runs_root() / "pictures"
        if data.corpus in GENERATED:
            return pictures_of(generated_world(data), folder, made, workers=wanted.workers)
        if data.corpus not in VIDEO_READERS:
            raise SettingsError(
                f"data.corpus={data.corpus} has no pictures; take a corpus of videos, or only"
                " skeleton"
            )
        name = f"{data.corpus}-{'-'.join(kinds)}-{wanted.frames}x{wanted.size}"
        source = filming.FilmedClips(self.table, corpus_root(data))
        return write_pictures(source, folder / name, made, wanted.workers)

    def model(self, classes: int) -> nn.Module:
        """The untrained model."""
        return build_model(self.settings, self.skeleton, classes)

    @property
    def skeleton(self) -> Skeleton:
        """Of the landmarks, whether the model reads them or not."""
        return MEDIAPIPE_543 if self.points is None else self.points.skeleton

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset."""
        prepared: Prepared | None = None
        if self.points is not None:
            known = set(self.points.labelled["clip"])
            names = [clip for clip in rows["clip"] if clip in known]
            prepared = prepare_clips(self.points, names, self.settings.features, quiet)
        clips = rows["clip"].tolist()
        data = MultimodalDataset(
            clips,
            class_numbers(rows, clips, vocabulary),
            self.modalities,
            self.pictures,
            prepared,
            self.settings.pictures.in_memory,
            repeats,
        )
        return Clips(data, data.clips, data.left_out)

    @property
    def augment(self) -> MultimodalAugment:
        """The change of training batches."""
        s = self.settings
        hands = [] if self.chosen is None else hands_of(self.chosen)
        return MultimodalAugment(
            s.augment, s.video_augment, self.mirror, hands, s.features.coordinates
        )

    @property
    def described(self) -> dict[str, Any]:
        """Modalities, and how their inputs were made."""
        about: dict[str, Any] = {"modalities": self.modalities}
        if self.points is not None:
            about["extraction"] = asdict(self.points.extraction)
        return about
