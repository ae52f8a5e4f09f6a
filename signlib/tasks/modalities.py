"""Single signs from any of colour, depth and landmarks; a clip may lack some of them."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from signlib import paths
from signlib.corpora.clips import corpus_root, generated_world, load_landmarks, load_manifest
from signlib.corpora.registry import corpus_of
from signlib.corpora.splits import class_numbers
from signlib.data import manifest as manifests
from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, SettingsError, StoreError
from signlib.extraction import filming
from signlib.extraction.filming import FilmedClips, depth_beside
from signlib.extraction.pictures import pictures_of, write_pictures
from signlib.models.classifier import landmark_encoder, parameter_count
from signlib.models.counting import counted_macs, encoder_parts, video_macs
from signlib.models.fusion import FUSIONS, CrossAttentionFusion, Fusion
from signlib.models.landmarks import LandmarkEncoder, OriginalLandmarkEncoder
from signlib.models.multimodal import MultimodalClassifier
from signlib.models.network import Encoder
from signlib.models.video import VideoEncoder, depth_from_colour, pretrained_videomae, videomae
from signlib.settings.modalities import (
    MODALITIES,
    ModalitiesExperiment,
    PictureSettings,
    VideoSettings,
)
from signlib.stores.pictures import COLOUR, DEPTH, KINDS, PictureStore
from signlib.stores.store import PICTURES_META, ClipSource, FeatureStore, LoadedClips
from signlib.tasks.isolated import IsolatedTask
from signlib.tasks.recogniser import Reading, Recogniser, check_skeleton, file_source, table_of
from signlib.tasks.task import Inputs, landmark_batch, notes_of
from signlib.training.augment import hands_of
from signlib.training.augment_video import MultimodalAugment
from signlib.training.batches import Batch, Clips, Prepared, prepare_clips
from signlib.training.classification import score
from signlib.training.multimodal import KEYS, MultimodalDataset


class ModalitiesTask(IsolatedTask[ModalitiesExperiment, MultimodalClassifier]):
    """Signs from any of colour, depth and landmarks.

    Pictures come from `pictures.store`, or are made once below the folder of runs. Landmarks of a
    corpus that comes as videos come from the store `data.landmarks`.
    """

    refusals: ClassVar[Mapping[str, str]] = {
        "warm start": "which encoders there are differs from run to run",
    }
    costly: ClassVar[bool] = True
    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "fusion.modalities")

    def __init__(self, settings: ModalitiesExperiment) -> None:
        super().__init__(settings)
        data = settings.data
        self.modalities = tuple(name for name in MODALITIES if name in settings.fusion.modalities)
        if settings.features.dominant:
            raise SettingsError(
                "features.dominant=true mirrors the landmarks of left-handed clips but not their "
                "pictures; set it to false with task=modalities"
            )
        self.points: ClipSource | None = None
        if "skeleton" in self.modalities:
            asked_by = "fusion.modalities has skeleton"
            self.points = load_landmarks(data, data.landmarks, asked_by)
        if self.points is not None and not corpus_of(data).has_files:
            self.table = self.points.labelled
        else:
            self.table = load_manifest(data)
        self.pictures = self._pictures() if set(self.modalities) - {"skeleton"} else None
        self.notes = notes_of(self.points)
        self.chosen: Skeleton | None = None
        if self.points is not None:
            self.chosen = self.points.skeleton.select(settings.features.joints)
            self.mirror = list(self.chosen.mirror)

    def _pictures(self) -> PictureStore:
        data, pictures = self.settings.data, self.settings.pictures
        if pictures.store:
            return PictureStore(pictures.store)
        corpus = corpus_of(data)
        kinds = tuple(KEYS[name] for name in self.modalities if name != "skeleton")
        if corpus.rendered:
            kinds = (COLOUR, DEPTH)  # one store for all conditions of an ablation
        form = filming.PictureSettings(
            pictures.frames, pictures.size, pictures.fit, pictures.quality, kinds
        )
        folder = paths.runs_root() / "pictures"
        if corpus.rendered:
            return pictures_of(generated_world(data), folder, form, workers=pictures.workers)
        if not corpus.has_files:
            raise SettingsError(
                f"data.corpus={data.corpus} has no pictures; take a corpus of videos, or only "
                "skeleton"
            )
        name = f"{data.corpus}-{'-'.join(kinds)}-{pictures.frames}x{pictures.size}"
        source = FilmedClips(self.table, corpus_root(data))
        return write_pictures(source, folder / name, form, pictures.workers)

    @property
    def inputs(self) -> Inputs:
        return Inputs() if self.points is None else Inputs(self.points.skeleton)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        prepared: Prepared | None = None
        if self.points is not None:
            there = set(self.points.labelled["clip"])
            names = [clip for clip in rows["clip"] if clip in there]
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
        hands = [] if self.chosen is None else hands_of(self.chosen)
        settings = self.settings
        return MultimodalAugment(
            settings.augment,
            settings.video_augment,
            self.mirror,
            hands,
            settings.features.coordinates,
        )

    @property
    def described(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"modalities": self.modalities}
        if self.points is not None:
            facts["extraction"] = asdict(self.points.extraction)
        return facts

    @classmethod
    def share_stores(cls, settings: ModalitiesExperiment) -> None:
        # Make the pictures that several runs read.
        if set(settings.fusion.modalities) - {"skeleton"}:
            cls(settings)

    @classmethod
    def network(
        cls, settings: ModalitiesExperiment, inputs: Inputs, classes: int
    ) -> MultimodalClassifier:
        fusion = settings.fusion
        encoders: dict[str, Encoder] = {}
        for name in MODALITIES:
            if name not in fusion.modalities:
                continue
            if name == "skeleton":
                encoders[name] = _landmark_encoder(settings, inputs.skeleton)
            else:
                encoders[name] = _video_encoder(name, settings, encoders)
        widths = [encoder.size for encoder in encoders.values()]
        if fusion.kind == "cross-attention":
            joined: Fusion = CrossAttentionFusion(widths, fusion.width, heads=fusion.heads)
        else:
            joined = FUSIONS[fusion.kind](widths, fusion.width)
        return MultimodalClassifier(encoders, joined, classes, fusion.dropout, fusion.drop_modality)

    @classmethod
    def offline(cls, settings: ModalitiesExperiment) -> ModalitiesExperiment:
        # The same without pre-trained weights.
        rgb, depth = replace(settings.rgb, weights=""), replace(settings.depth, weights="")
        return replace(settings, rgb=rgb, depth=depth)

    @classmethod
    def example(
        cls, settings: ModalitiesExperiment, inputs: Inputs, classes: int, clips: int
    ) -> Batch:
        pictures, modalities = settings.pictures, settings.fusion.modalities
        joints = len(inputs.skeleton.select(settings.features.joints))
        batch = landmark_batch(settings, joints, classes, clips)
        batch["present"] = torch.ones(clips, len(modalities), dtype=torch.bool)
        shape = (clips, pictures.frames, pictures.size, pictures.size)
        if "rgb" in modalities:
            batch[COLOUR] = torch.randint(256, (*shape, 3), dtype=torch.uint8)
        if "depth" in modalities:
            batch[DEPTH] = torch.randint(256, shape, dtype=torch.uint8)
        return batch

    @classmethod
    def compact(cls, settings: ModalitiesExperiment) -> ModalitiesExperiment:
        """Settings of a model with as many parameters, for pictures of one patch.

        Positions of a video encoder are not learned, so its size does not depend on the pictures.
        """
        pictures = replace(settings.pictures, size=settings.pictures.patch, frames=2)
        return replace(cls.offline(settings), pictures=pictures)

    @classmethod
    def count_parts(cls, model: MultimodalClassifier) -> dict[str, int]:
        # Video encoders, the landmark encoder's parts, fusion and head.
        parts: dict[str, int] = {}
        for name, encoder in model.encoders.items():
            if isinstance(encoder, LandmarkEncoder | OriginalLandmarkEncoder):
                parts |= encoder_parts(encoder)
            else:
                parts[name] = parameter_count(encoder)
        parts["fusion"] = parameter_count(model.fusion)
        return parts | {"classifier": parameter_count(model.classifier)}

    @classmethod
    def count_macs(cls, settings: ModalitiesExperiment, inputs: Inputs, classes: int) -> int:
        # Multiply-accumulates of the encoders; those of pictures by hand.
        total = 0
        for name in settings.fusion.modalities:
            if name == "skeleton":
                encoder = _landmark_encoder(settings, inputs.skeleton).eval()
                joints = len(inputs.skeleton.select(settings.features.joints))
                batch = landmark_batch(settings, joints, classes, clips=1)
                total += counted_macs(encoder.encode, batch)
            else:
                channels = 3 if name == "rgb" else 1
                total += video_macs(getattr(settings, name), settings.pictures, channels)
        return total

    @classmethod
    def memory_advice(cls, settings: ModalitiesExperiment) -> str:
        # Video encoders can compute activations again.
        videos = set(settings.fusion.modalities) - {"skeleton"}
        if not videos or settings.pictures.checkpointing:
            return ""
        return (
            "set pictures.checkpointing=true (a quarter more time), or a smaller "
            "training.batch_size"
        )

    @classmethod
    def carries(cls, name: str) -> bool:
        # No part: which of the encoders are there differs from run to run.
        return False

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[ModalitiesExperiment, MultimodalClassifier],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        """The likeliest glosses of clips, from whatever modalities each has.

        Depth stands in `X_depth.mp4` beside `X_color.mp4`; at most one store of pictures and one
        of landmarks can be given.
        """
        folders = [Path(clip) for clip in clips if Path(clip).is_dir()]
        filmed = [folder for folder in folders if (folder / PICTURES_META).is_file()]
        pictures = [PictureStore(folder) for folder in filmed]
        points = [FeatureStore(folder) for folder in folders if folder not in filmed]
        if len(pictures) > 1 or len(points) > 1:
            raise RunError(
                f"{len(folders)} stores: give at most one of pictures and one of landmarks"
            )
        readings: list[Reading] = []
        if folders:
            tables = [*(store.manifest for store in pictures), *(s.labelled for s in points)]
            table = pd.concat(tables).drop_duplicates("clip")
            if split:
                table = table[table["split"] == split]
            if table.empty:
                raise StoreError(f"store {folders[0]} has no clip of split {split!r}")
            store, source = next(iter(pictures), None), next(iter(points), None)
            readings += _read(recogniser, table, store, source, top)
        files = [Path(clip) for clip in clips if not Path(clip).is_dir()]
        if files:
            readings += _read_files(recogniser, files, top)
        return table_of(readings)


def _landmark_encoder(
    settings: ModalitiesExperiment, base: Skeleton
) -> LandmarkEncoder | OriginalLandmarkEncoder:
    chosen, features = base.select(settings.features.joints), settings.features
    return landmark_encoder(
        settings.model, len(chosen), features.coordinates, hands_of(chosen), features.frames
    )


def _video_encoder(
    name: str, settings: ModalitiesExperiment, built: dict[str, Encoder]
) -> VideoEncoder:
    video: VideoSettings = getattr(settings, name)
    channels = 3 if name == "rgb" else 1
    pictures = settings.pictures
    sizes = (video.width, video.layers, video.heads, video.intermediate)
    if video.weights and video.weights != "colour":
        model = pretrained_videomae(video.weights)
        config = model.config
        expected = {
            "num_channels": channels,
            "image_size": pictures.size,
            "num_frames": pictures.frames,
        }
        for key, value in expected.items():
            if getattr(config, key) != value:
                raise SettingsError(
                    f"{name}.weights={video.weights!r} has {key}={getattr(config, key)}, these"
                    f" settings {value}; change pictures.size or pictures.frames, or take other"
                    " weights"
                )
    else:
        model = videomae(*sizes, channels, pictures.size, pictures.patch, pictures.frames)
    if video.weights == "colour":
        colour = built.get("rgb")
        if not isinstance(colour, VideoEncoder):
            raise SettingsError(f"{name}.weights=colour needs rgb among fusion.modalities")
        depth_from_colour(model, colour.model)
    encoder = VideoEncoder(model, pictures.checkpointing, pictures.motion)
    if video.frozen:
        encoder.requires_grad_(False)
    return encoder


class RunPictures:
    """Pictures for a run: what a store holds of them, and the shapes of what it lacks.

    Raises:
        RunError: for a store with other pictures than the run was trained on.
    """

    kinds: tuple[str, ...] = KINDS

    def __init__(self, settings: PictureSettings, store: PictureStore | None) -> None:
        self.settings, self.store = settings, store
        for name in ("frames", "size", "fit"):
            if store is not None and getattr(store.settings, name) != getattr(settings, name):
                raise RunError(
                    f"the run was trained on pictures with {name}={getattr(settings, name)}, store"
                    f" {store.path} has {getattr(store.settings, name)}; make one the same way"
                    " (`extract --extractor pictures`)"
                )

    def __contains__(self, key: tuple[str, str]) -> bool:
        return self.store is not None and key in self.store

    def shape(self, kind: str) -> tuple[int, ...]:
        """(T, H, W, 3) of colour, (T, H, W) of depth."""
        side = (self.settings.frames, self.settings.size, self.settings.size)
        return (*side, 3) if kind == COLOUR else side

    def read(self, clip: str, kind: str) -> np.ndarray:
        """A clip's pictures."""
        if self.store is None:
            raise ClipError(f"clip {clip!r} has no {kind}; no store of pictures was given")
        return self.store.read(clip, kind)

    def reasons(self, kind: str) -> dict[str, str]:
        """Clip -> why it has no pictures of that kind."""
        return {} if self.store is None else self.store.reasons(kind)


def _read_files(
    recogniser: Recogniser[ModalitiesExperiment, MultimodalClassifier],
    files: Sequence[Path],
    top: int,
) -> list[Reading]:
    # Files; their pictures are made as for training, in a store that does not last.
    settings = recogniser.settings
    names = [f"clip{n}" for n in range(len(files))]
    file_of = dict(zip(names, map(str, files), strict=True))
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
    points: ClipSource | None = None
    unread: dict[str, str] = {}
    if "skeleton" in settings.fusion.modalities:
        source, problems = file_source(files, recogniser)
        ids = {file: name for name, file in file_of.items()}
        labelled = source.labelled.assign(clip=source.labelled["clip"].map(ids))
        points = LoadedClips(labelled, lambda clip: source.read(file_of[clip]), source.extraction)
        unread = {ids[file]: reason for file, reason in problems.items()}
    kinds = tuple(KEYS[name] for name in ("rgb", "depth") if name in settings.fusion.modalities)
    with tempfile.TemporaryDirectory(prefix="signlib-") as folder:
        store = None
        if kinds:
            p = settings.pictures
            form = filming.PictureSettings(p.frames, p.size, p.fit, p.quality, kinds)
            store = write_pictures(FilmedClips(table, root), folder, form, progress=False)
        readings = _read(recogniser, table, store, points, top, unread)
    return [replace(reading, clip=file_of[reading.clip]) for reading in readings]


def _relative(path: Path | None, root: Path) -> str:
    return "" if path is None else path.relative_to(root).as_posix()


def _read(
    recogniser: Recogniser[ModalitiesExperiment, MultimodalClassifier],
    table: pd.DataFrame,
    store: PictureStore | None,
    points: ClipSource | None,
    top: int,
    unread: Mapping[str, str] | None = None,
) -> list[Reading]:
    # The clips of a manifest, from whatever modalities each has.
    settings = recogniser.settings
    clips = table["clip"].tolist()
    gloss_of = dict(zip(clips, table["gloss"], strict=True))
    chosen = recogniser.skeleton.select(settings.features.joints)
    prepared = Prepared([], [], {})
    if points is not None:
        check_skeleton(points, recogniser)
        there = set(points.labelled["clip"])
        names = [clip for clip in clips if clip in there]
        prepared = prepare_clips(points, names, settings.features, quiet=True)
    prepared.unusable |= unread or {}
    # The shape of landmarks must be known even where no clip has any.
    prepared.clips.append("")
    prepared.points.append(np.zeros((1, len(chosen), settings.features.coordinates), np.float32))
    targets, pictures = np.zeros(len(clips), int), RunPictures(settings.pictures, store)
    try:
        data = MultimodalDataset(clips, targets, settings.fusion.modalities, pictures, prepared)
    except ClipError as error:
        return [Reading(clip, gloss_of[clip], problem=str(error)) for clip in clips]
    mirror = list(chosen.mirror) if "skeleton" in settings.fusion.modalities else []
    shares = np.exp(score(recogniser.model, data, settings, mirror))
    readings: list[Reading] = []
    for clip, best in recogniser.best(data.clips, shares, top):
        lacking = ", ".join(name for name in data.modalities if clip in data.missing[name])
        readings.append(Reading(clip, gloss_of[clip], best, missing=lacking))
    left_out = data.left_out.items()
    return readings + [Reading(clip, gloss_of[clip], problem=why) for clip, why in left_out]
