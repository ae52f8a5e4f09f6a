"""Single signs from any of colour, depth and landmarks; a clip may lack some of them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from signlib import paths
from signlib.corpora import clips as corpora
from signlib.corpora import registry, splits
from signlib.corpora.folder import stores_and_clips
from signlib.data import manifest as manifests
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, SettingsError, StoreError
from signlib.extraction import filming
from signlib.extraction.pictures import kept_pictures, pictures_of, write_pictures
from signlib.models import counting, video
from signlib.models.classifier import parameter_count
from signlib.models.fusion import FUSIONS, Fusion, MultimodalClassifier
from signlib.models.network import Encoder
from signlib.processes import scratch
from signlib.runs.run import Run
from signlib.settings.modalities import (
    MODALITIES,
    ModalitiesExperiment,
    PictureSettings,
    VideoSettings,
)
from signlib.stores.pictures import COLOUR, DEPTH, KINDS, PictureStore
from signlib.stores.store import (
    PICTURES_META,
    ClipSource,
    FeatureStore,
    LoadedClips,
)
from signlib.tasks.isolated import (
    IsolatedTask,
    encoder_beside,
    landmarks_beside,
    prepare_those_with_landmarks,
)
from signlib.tasks.task import (
    Facts,
    Inputs,
    Reading,
    Recogniser,
    check_skeleton,
    file_source,
    landmark_batch,
    notes_of,
    rows_of_split,
    store_source,
    table_of,
)
from signlib.training import augment_video, classification, multimodal
from signlib.training.augment import hands_of
from signlib.training.batches import Batch, Clips, Prepared


class ModalitiesTask(IsolatedTask[ModalitiesExperiment, MultimodalClassifier]):
    """Signs from any of colour, depth and landmarks.

    Pictures come from `pictures.store`, or are made once below the folder of runs. Landmarks of a
    corpus that comes as videos come from the store `data.landmarks`.
    """

    parts: ClassVar[Mapping[str, str]] = {
        "colour encoder": "encoders.rgb.",
        "depth encoder": "encoders.depth.",
        "landmark encoder": "encoders.skeleton.",
        "fusion": "fusion.",
        "hidden layer": "classifier.0.",
    }
    outputs: ClassVar[Mapping[str, int]] = {"classifier.3.": 0}
    costly: ClassVar[bool] = True
    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "fusion.modalities")

    def __init__(self, settings: ModalitiesExperiment) -> None:
        super().__init__(settings)
        self.modalities = tuple(name for name in MODALITIES if name in settings.fusion.modalities)
        if settings.features.dominant:
            raise SettingsError(
                "features.dominant=true mirrors the landmarks of left-handed clips but not their "
                "pictures; set it to false with task=modalities"
            )
        asked = "fusion.modalities has skeleton" if "skeleton" in self.modalities else ""
        self.source, self.table = landmarks_beside(settings.data, asked)
        self.pictures = self._pictures() if set(self.modalities) - {"skeleton"} else None
        self.notes, self.examples = notes_of(self.source)
        self.hands: list[tuple[int, ...]] = []
        if self.source is not None:
            chosen = self.source.skeleton.select(settings.features.joints)
            self.mirror, self.hands = chosen.mirror, hands_of(chosen)

    def _pictures(self) -> PictureStore:
        data, pictures = self.settings.data, self.settings.pictures
        if pictures.store:
            return PictureStore(pictures.store)
        corpus, folder = registry.corpus_of(data), paths.runs_root() / "pictures"
        if corpus.rendered:
            # One store for all conditions of an ablation.
            form, world = _form(pictures, (COLOUR, DEPTH)), corpora.generated_world(data)
            return pictures_of(world, folder, form, workers=pictures.workers)
        if not corpus.has_files:
            raise SettingsError(
                f"data.corpus={data.corpus} has no pictures; take a corpus of videos, or only "
                "skeleton"
            )
        kinds = tuple(multimodal.KEYS[name] for name in self.modalities if name != "skeleton")
        root, form = corpora.corpus_root(data), _form(pictures, kinds)
        # Another folder has clips of its own, also where they are called the same.
        place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
        size = f"{pictures.frames}x{pictures.size}"
        # Earlier versions had one name for all folders.
        before = folder / f"{data.corpus}-{'-'.join(kinds)}-{size}"
        source = filming.FilmedClips(self.table, root)
        path = before.with_name(f"{before.name}-{place}")
        return kept_pictures(source, path, before, form, pictures.workers)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        clips, features = rows["clip"].tolist(), self.settings.features
        prepared = (
            None
            if self.source is None
            else prepare_those_with_landmarks(self.source, clips, features, quiet)
        )
        data = multimodal.MultimodalDataset(
            clips,
            splits.class_numbers(rows, clips, vocabulary),
            self.modalities,
            self.pictures,
            prepared,
            self.settings.pictures.in_memory,
            repeats,
        )
        return Clips(data, data.clips, data.left_out)

    @property
    def augment(self) -> augment_video.MultimodalAugment:
        settings = self.settings
        return augment_video.MultimodalAugment(
            settings.augment,
            settings.video_augment,
            self.mirror,
            self.hands,
            settings.features.coordinates,
        )

    @property
    def described(self) -> dict[str, Any]:
        return {"modalities": self.modalities, **super().described}

    def differs(self, part: str, run: Run, facts: Facts) -> bool:
        # Parts of a fusion are numbered in the order of the modalities.
        if part.endswith("encoder"):
            return False
        if not isinstance(run.settings, ModalitiesExperiment):
            return True
        fusions = self.settings.fusion, run.settings.fusion
        ours, theirs = ((fusion.kind, set(fusion.modalities)) for fusion in fusions)
        return ours != theirs

    @classmethod
    def network(
        cls, settings: ModalitiesExperiment, inputs: Inputs, classes: int
    ) -> MultimodalClassifier:
        fusion = settings.fusion
        encoders: dict[str, Encoder] = {}
        for name in sorted(fusion.modalities, key=MODALITIES.index):
            encoders[name] = (
                encoder_beside(settings, inputs.skeleton)
                if name == "skeleton"
                else _video_encoder(name, settings, encoders)
            )
        widths = [encoder.size for encoder in encoders.values()]
        options = {"heads": fusion.heads} if fusion.kind == "cross-attention" else {}
        joined: Fusion = FUSIONS[fusion.kind](widths, fusion.width, **options)
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
        batch = landmark_batch(settings, inputs.skeleton, classes, clips)
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
            landmarks = name == "skeleton"
            parts |= (
                counting.encoder_parts(encoder) if landmarks else {name: parameter_count(encoder)}
            )
        rest = {"fusion": model.fusion, "classifier": model.classifier}
        return parts | {name: parameter_count(part) for name, part in rest.items()}

    @classmethod
    def count_macs(cls, settings: ModalitiesExperiment, inputs: Inputs, classes: int) -> int:
        # Multiply-accumulates of the encoders; those of pictures by hand.
        total = 0
        for name in settings.fusion.modalities:
            if name == "skeleton":
                encoder = encoder_beside(settings, inputs.skeleton).eval()
                total += counting.counted_macs(
                    encoder.encode, landmark_batch(settings, inputs.skeleton, classes, clips=1)
                )
            else:
                channels = 3 if name == "rgb" else 1
                total += counting.video_macs(getattr(settings, name), settings.pictures, channels)
        return total

    @classmethod
    def memory_advice(cls, settings: ModalitiesExperiment) -> str:
        # Video encoders can compute activations again.
        videos = set(settings.fusion.modalities) - {"skeleton"}
        return (
            ""
            if not videos or settings.pictures.checkpointing
            else "set pictures.checkpointing=true (a quarter more time), or a smaller "
            "training.batch_size"
        )

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
        folders, files = stores_and_clips(clips)
        filmed = [folder for folder in folders if (folder / PICTURES_META).is_file()]
        pictures = [PictureStore(folder) for folder in filmed]
        stores = [FeatureStore(folder) for folder in folders if folder not in filmed]
        # Of all splits: a clip of the one that is asked for may have pictures only.
        points = [store_source(store, recogniser) for store in stores]
        if len(pictures) > 1 or len(points) > 1:
            raise RunError(
                f"{len(folders)} stores: give at most one of pictures and one of landmarks"
            )
        readings: list[Reading] = []
        if folders:
            tables = [store.manifest for store in pictures]
            tables += [source.labelled for source in points]
            rows = pd.concat(tables).drop_duplicates("clip")
            table = rows_of_split(rows, recogniser, split)
            if table.empty:
                raise StoreError(f"store {folders[0]} has no clip of split {split!r}")
            readings += _read(
                recogniser, table, next(iter(pictures), None), next(iter(points), None), top
            )
        if files:
            readings += _read_files(recogniser, files, top)
        return table_of(readings)


def _form(pictures: PictureSettings, kinds: tuple[str, ...]) -> filming.PictureSettings:
    # Which pictures are made, how large and how well kept.
    return filming.PictureSettings(
        pictures.frames, pictures.size, pictures.fit, pictures.quality, kinds
    )


def _video_encoder(
    name: str, settings: ModalitiesExperiment, built: dict[str, Encoder]
) -> video.VideoEncoder:
    sizes: VideoSettings = getattr(settings, name)
    channels = 3 if name == "rgb" else 1
    pictures = settings.pictures
    if sizes.weights and sizes.weights != "colour":
        model = video.pretrained_videomae(sizes.weights)
        expected = (channels, pictures.size, pictures.frames)
        for key, value in zip(("num_channels", "image_size", "num_frames"), expected, strict=True):
            given = getattr(model.config, key)
            if given != value:
                raise SettingsError(
                    f"{name}.weights={sizes.weights!r} has {key}={given}, these settings {value};"
                    " change pictures.size or pictures.frames, or take other weights"
                )
    else:
        model = video.videomae(
            sizes.width,
            sizes.layers,
            sizes.heads,
            sizes.intermediate,
            channels,
            pictures.size,
            pictures.patch,
            pictures.frames,
        )
    if sizes.weights == "colour":
        colour = built.get("rgb")
        if not isinstance(colour, video.VideoEncoder):
            raise SettingsError(f"{name}.weights=colour needs rgb among fusion.modalities")
        video.depth_from_colour(model, colour.model)
    encoder = video.VideoEncoder(model, pictures.checkpointing, pictures.motion)
    if sizes.frozen:
        encoder.requires_grad_(False)
    return encoder


class _RunPictures:
    # Pictures for a run: what a store holds of them, and the shapes of what it lacks.

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
        frames, side = self.settings.frames, self.settings.size
        return (frames, side, side, 3) if kind == COLOUR else (frames, side, side)

    def read(self, clip: str, kind: str) -> np.ndarray:
        return self._store_of(clip, kind).read(clip, kind)

    def encoded(self, clip: str, kind: str) -> list[np.ndarray]:
        return self._store_of(clip, kind).encoded(clip, kind)

    def reasons(self, kind: str) -> dict[str, str]:
        return {} if self.store is None else self.store.reasons(kind)

    def _store_of(self, clip: str, kind: str) -> PictureStore:
        if self.store is None:
            raise ClipError(f"clip {clip!r} has no {kind}; no store of pictures was given")
        return self.store


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
    depths = [filming.depth_beside(file) for file in whole]
    table = manifests.complete(
        pd.DataFrame(
            {
                "clip": names,
                "file": [file.relative_to(root).as_posix() for file in whole],
                "depth_file": [
                    "" if file is None else file.relative_to(root).as_posix() for file in depths
                ],
            }
        )
    )
    points: ClipSource | None = None
    unread: dict[str, str] = {}
    if "skeleton" in settings.fusion.modalities:
        source, problems = file_source(files, recogniser)
        ids = {file: name for name, file in file_of.items()}
        labelled = source.labelled.assign(clip=source.labelled["clip"].map(ids))
        points = LoadedClips(labelled, lambda clip: source.read(file_of[clip]), source.extraction)
        unread = {ids[file]: reason for file, reason in problems.items()}
    kinds = tuple(
        multimodal.KEYS[name] for name in ("rgb", "depth") if name in settings.fusion.modalities
    )
    with scratch() as folder:
        films, form = filming.FilmedClips(table, root), _form(settings.pictures, kinds)
        store = write_pictures(films, folder, form, progress=False) if kinds else None
        readings = _read(recogniser, table, store, points, top, unread)
    return [replace(reading, clip=file_of[reading.clip]) for reading in readings]


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
        prepared = prepare_those_with_landmarks(points, clips, settings.features, quiet=True)
    prepared.unusable |= unread or {}
    # The shape of landmarks must be known even where no clip has any.
    prepared.clips.append("")
    prepared.points.append(np.zeros((1, len(chosen), settings.features.coordinates), np.float32))
    targets, pictures = np.zeros(len(clips), int), _RunPictures(settings.pictures, store)
    try:
        data = multimodal.MultimodalDataset(
            clips, targets, settings.fusion.modalities, pictures, prepared
        )
    except ClipError as error:
        return [Reading(clip, gloss_of[clip], problem=str(error)) for clip in clips]
    shares = np.exp(classification.score(recogniser.model, data, settings, chosen.mirror))
    readings: list[Reading] = []
    for clip, best in recogniser.best(data.clips, shares, top):
        lacking = ", ".join(name for name in data.modalities if clip in data.missing[name])
        readings.append(Reading(clip, gloss_of[clip], best, missing=lacking))
    return readings + [
        Reading(clip, gloss_of[clip], problem=why) for clip, why in data.left_out.items()
    ]
