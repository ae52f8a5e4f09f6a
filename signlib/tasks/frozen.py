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
from signlib.corpora import clips as corpora
from signlib.corpora import registry, splits
from signlib.corpora.folder import stores_and_clips
from signlib.data import manifest as manifests
from signlib.data import skeletons
from signlib.data.vocabulary import Vocabulary
from signlib.errors import RunError, SettingsError
from signlib.extraction import filming, frozen_files, towers
from signlib.extraction.frozen import (
    EXTRACTOR,
    FrozenSettings,
    encoded,
    extract_frozen,
    extraction_of_tower,
)
from signlib.features.novelty import TrainingRanges
from signlib.models.classifier import parameter_count
from signlib.models.frozen import GEMMA_WIDTH, FrozenClassifier, frozen_model
from signlib.runs.run import Run
from signlib.settings.frozen import FrozenExperiment
from signlib.stores.pictures import COLOUR, PictureSettings
from signlib.stores.store import (
    ClipSource,
    Extraction,
    FeatureStore,
    LoadedClips,
    extraction_of,
    is_finished,
    plain,
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
    joints_read,
    landmark_batch,
    notes_of,
    reasons_of,
    store_source,
    table_of,
)
from signlib.training.augment import Augment, hands_of
from signlib.training.batches import Batch, Clips, prepare_clips
from signlib.training.classification import score
from signlib.training.frozen import FrozenDataset

FrozenRecogniser = Recogniser[FrozenExperiment, FrozenClassifier]
Features = Mapping[str, np.ndarray]


class FrozenTask(IsolatedTask[FrozenExperiment, FrozenClassifier]):
    """Clips with frozen features, landmarks or both; one that lacks any is left out, by name.

    Features come from the store `frozen.store`, or, of generated clips, from `frozen.tower` once,
    below the folder of runs. Landmarks of a corpus that comes as videos come from the store
    `data.landmarks`.
    """

    parts: ClassVar[Mapping[str, str]] = {
        "visual branch": "visual.",
        "landmark encoder": "landmarks.encoder.",
        "landmark branch": "landmarks.",
        "fusion": "fusion.",
        "hidden layer": "head.0.",
    }
    outputs: ClassVar[Mapping[str, int]] = {"head.3.": 0}
    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "frozen.inputs", "frozen.store")

    def __init__(self, settings: FrozenExperiment) -> None:
        super().__init__(settings)
        inputs = settings.frozen.inputs
        self.features = self._features() if "visual" in inputs else None
        asked = "frozen.inputs has landmarks" if "landmarks" in inputs else ""
        self.source, self.table = landmarks_beside(settings.data, asked)
        self.notes, self.examples = notes_of(self.features, self.source)
        self.skeleton = skeletons.MEDIAPIPE_543 if self.source is None else self.source.skeleton
        self.chosen = self.skeleton.select(settings.features.joints)
        self.mirror = self.chosen.mirror
        self.familiar: TrainingRanges | None = None

    def _features(self) -> FeatureStore:
        folder = self.settings.frozen.store
        if (
            not folder
            and registry.corpus_of(self.settings.data).rendered
            and self.settings.frozen.tower
        ):
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
        # `random` is a tiny encoder, for trying the whole way without a download.
        drawn = settings.tower == "random"
        model = str(towers.random_tower(root / "random-tower")) if drawn else settings.tower
        source = filming.RenderedClips(corpora.generated_world(self.settings.data))
        form = FrozenSettings(model, frames=settings.frames)
        tower = form.tower()
        extraction = plain(asdict(extraction_of_tower(tower, form.frames, source.origin)))
        identity = json.dumps((extraction, source.manifest["clip"].tolist()), sort_keys=True)
        path = root / hashlib.sha256(identity.encode()).hexdigest()[:12]
        if is_finished(path):
            # Without a lock: several processes of one training may ask at once.
            return FeatureStore(path)
        return extract_frozen(source, path, form, tower=tower)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset.

        The first ones asked for are those of training: `familiar` describes them.
        """
        clips, source, store = rows["clip"].tolist(), self.source, self.features
        unusable: dict[str, str] = {}
        points: dict[str, np.ndarray] | None = None
        if store is not None:
            reasons = dict(zip(store.failed["clip"], store.failed["reason"], strict=True))
            unusable |= {
                clip: reasons.get(clip, "it has no features") for clip in clips if clip not in store
            }
        if source is not None:
            prepared = prepare_those_with_landmarks(source, clips, self.settings.features, quiet)
            points = dict(zip(prepared.clips, prepared.points, strict=True))
            unusable |= {
                clip: prepared.unusable.get(clip, "it has no landmarks")
                for clip in clips
                if clip not in points
            }
        if store is not None:
            unusable |= _broken(store, [clip for clip in clips if clip not in unusable])
        kept = [clip for clip in clips if clip not in unusable]
        features = None if store is None else [store.read(clip) for clip in kept]
        tracks = None if points is None else [points[clip] for clip in kept]
        if self.familiar is None and kept:
            self.familiar = TrainingRanges.of(tracks, hands_of(self.chosen), features)
        targets = splits.class_numbers(rows, kept, vocabulary)
        return Clips(FrozenDataset(targets, features, tracks, repeats), kept, unusable)

    @property
    def augment(self) -> Augment:
        strengths, coordinates = self.settings.augment, self.settings.features.coordinates
        return Augment(strengths, self.mirror, hands_of(self.chosen), coordinates)

    @property
    def described(self) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if self.familiar is not None:
            facts["familiar"] = self.familiar.content()
        if self.features is not None:
            facts["frozen"] = asdict(self.features.extraction)
        return facts | super().described

    def differs(self, part: str, run: Run, facts: Facts) -> bool:
        # Of another encoder's features, or fused otherwise.
        if part.startswith("landmark"):
            return False
        if not isinstance(run.settings, FrozenExperiment):
            return True
        if self.features is not None and "frozen" in facts:
            try:
                check_extraction(self.features.extraction, extraction_of(facts["frozen"]))
            except RunError:
                return True
        ours, theirs = (
            (settings.frozen.fusion, set(settings.frozen.inputs))
            for settings in (self.settings, run.settings)
        )
        return part != "visual branch" and ours != theirs

    @classmethod
    def network(cls, settings: FrozenExperiment, inputs: Inputs, classes: int) -> FrozenClassifier:
        f, joints = settings.frozen, len(inputs.skeleton.select(settings.features.joints))
        return frozen_model(
            f.inputs,
            f.fusion,
            inputs.width,
            joints * settings.features.coordinates,
            classes,
            f.width,
            f.layers,
            f.heads,
            f.intermediate,
            f.dropout,
            f.positions,
            encoder_beside(settings, inputs.skeleton) if f.landmarks == "encoder" else None,
        )

    @classmethod
    def inputs_of(cls, facts: Facts) -> Inputs:
        # Skeleton and width of a run's clips.
        shape = facts["frozen"]["shape"] if "frozen" in facts else (GEMMA_WIDTH,)
        return replace(super().inputs_of(facts), width=shape[0])

    @classmethod
    def widths(cls, settings: FrozenExperiment) -> tuple[int, ...]:
        # Gemma 3's tower, its 4b's projected tokens, and what source 004 states.
        return (GEMMA_WIDTH, 2560, 2048) if "visual" in settings.frozen.inputs else (GEMMA_WIDTH,)

    @classmethod
    def example(cls, settings: FrozenExperiment, inputs: Inputs, classes: int, clips: int) -> Batch:
        batch = landmark_batch(settings, inputs.skeleton, classes, clips)
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
    def predict(
        cls,
        recogniser: FrozenRecogniser,
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        """The likeliest glosses of clips, for a run on frozen features, landmarks or both.

        A video goes through landmarks and encoder as the training clips did.

        Args:
            recogniser: of the run.
            clips: videos or folders of pictures; or stores (or folders of source 004's files), at
                most one of features and one of landmarks.
            split: of stores, only the clips of this split.
            top: how many glosses a clip.
            tower: where the encoder lies now; "" = where it lay when the run's features were each.

        Raises:
            RunError: for stores or an encoder that are not the run's.
            SettingsError: when the encoder cannot be loaded.
        """
        visual, points = frozen_files.FEATURES, frozen_files.LANDMARKS

        def in_files(folder: Path) -> bool:
            return any(frozen_files.holds(folder, ending) for ending in (visual, points))

        folders, files = stores_and_clips(dict.fromkeys(clips), in_files)
        stores = [
            frozen_files.open_store(
                folder, visual if frozen_files.holds(folder, visual) else points
            )
            for folder in folders
        ]
        readings: list[Reading] = []
        if stores:
            readings += _of_stores(recogniser, stores, split, top)
        if files:
            readings += _of_files(recogniser, files, top, tower)
        return table_of(readings)


def _broken(store: FeatureStore, clips: Sequence[str]) -> dict[str, str]:
    # Why clips cannot be used whose features are no numbers.
    return {
        clip: "its features hold numbers that are not finite; make them again"
        for clip in clips
        if not np.isfinite(store.read(clip)).all()
    }


def _of_stores(
    recogniser: FrozenRecogniser, stores: Sequence[FeatureStore], split: str, top: int
) -> list[Reading]:
    inputs = recogniser.settings.frozen.inputs
    visual = [store for store in stores if store.extraction.extractor == EXTRACTOR]
    points = [store for store in stores if store.extraction.extractor != EXTRACTOR]
    if [len(visual), len(points)] != [int(name in inputs) for name in ("visual", "landmarks")]:
        raise RunError(
            f"the run reads {' and '.join(inputs)}; {len(visual)} stores of features and "
            f"{len(points)} of landmarks were given: give one of each that it reads"
        )
    sources = {store: store_source(store, recogniser, split) for store in stores}
    features: Features | None = None
    problems: dict[str, str] = {}
    for store in visual:
        check_extraction(store.extraction, recogniser.features)
        clips = sources[store].labelled["clip"].tolist()
        problems |= _broken(store, clips)
        features = {clip: store.read(clip) for clip in clips if clip not in problems}
    for store in stores:
        problems |= reasons_of(store, recogniser, split)
    table = pd.concat([source.labelled for source in sources.values()]).drop_duplicates("clip")
    source = sources[points[0]] if points else None
    return _read(recogniser, table, features, source, problems, top)


def _of_files(
    recogniser: FrozenRecogniser, files: Sequence[Path], top: int, tower: str
) -> list[Reading]:
    inputs = recogniser.settings.frozen.inputs
    source: ClipSource | None = None
    problems: dict[str, str] = {}
    if "landmarks" in inputs:
        whole = recogniser
        if _original_files(recogniser) is not None:
            # Read as the detector sees them; `_as_in_original_files` makes them what the run knows.
            whole = replace(recogniser, skeleton=skeletons.MEDIAPIPE_543)
        source, problems = file_source(files, whole, joints_read(recogniser))
    features: Features | None = None
    if "visual" in inputs:
        frames = recogniser.features.settings["frames"]
        encoded_files = features_of(files, tower_of(recogniser, tower), frames).items()
        features = {file: each for file, each in encoded_files if not isinstance(each, str)}
        problems |= {file: each for file, each in encoded_files if isinstance(each, str)}
    table = pd.DataFrame({"clip": [str(file) for file in files], "gloss": ""})
    return _read(recogniser, table, features, source, problems, top)


def _read(
    recogniser: FrozenRecogniser,
    table: pd.DataFrame,
    features: Features | None,
    source: ClipSource | None,
    problems: Mapping[str, str],
    top: int,
) -> list[Reading]:
    # The clips of a table that have all that the run reads; the others with their reason.
    settings, problems = recogniser.settings, dict(problems)
    chosen = recogniser.skeleton.select(settings.features.joints)
    points: Features | None = None
    if source is not None:
        source = _as_in_original_files(source, recogniser)
        check_skeleton(source, recogniser)
        prepared = prepare_clips(
            source, source.labelled["clip"].tolist(), settings.features, quiet=True
        )
        points = dict(zip(prepared.clips, prepared.points, strict=True))
        problems |= prepared.unusable
    inputs = [given for given in (features, points) if given is not None]
    clips = [clip for clip in table["clip"] if all(clip in given for given in inputs)]
    for clip in set(table["clip"]) - set(clips):
        problems.setdefault(clip, "it has features or landmarks only, the run reads both")
    gloss_of = dict(zip(table["clip"], table["gloss"], strict=True))
    readings: list[Reading] = []
    if clips:
        vectors = None if features is None else [features[clip] for clip in clips]
        tracks = None if points is None else [points[clip] for clip in clips]
        data = FrozenDataset(np.zeros(len(clips), int), vectors, tracks)
        shares = np.exp(score(recogniser.model, data, settings, chosen.mirror))
        for clip, best in recogniser.best(clips, shares, top):
            track, vector = (points or {}).get(clip), (features or {}).get(clip)
            unlike = recogniser.familiar.warnings(track, hands_of(chosen), vector)
            readings.append(Reading(clip, gloss_of[clip], best, warning="; ".join(unlike)))
    return readings + [
        Reading(clip, gloss_of.get(clip, ""), problem=why) for clip, why in problems.items()
    ]


def _original_files(recogniser: FrozenRecogniser) -> Extraction | None:
    # How its landmarks were made, for a run that was trained on those in the source's own files.
    trained = recogniser.extraction
    original = trained is not None and trained.settings.get("files") == frozen_files.LANDMARKS
    return trained if original else None


def _as_in_original_files(source: ClipSource, recogniser: FrozenRecogniser) -> ClipSource:
    # The clips as the source's files keep landmarks, for a run that was trained on such files.
    trained = _original_files(recogniser)
    if trained is None or trained.skeleton == source.extraction.skeleton:
        return source
    frames, skeleton = recogniser.settings.frozen.frames, source.skeleton
    return LoadedClips(
        # Those files do not tell the shape of the picture, so the run has never known one.
        source.labelled.assign(width=0, height=0),
        lambda clip: frozen_files.points_of(
            frozen_files.original_landmarks(source.read(clip), skeleton, frames)
        ),
        trained,
    )


def tower_of(recogniser: FrozenRecogniser, path: str = "") -> towers.Tower:
    """The encoder of a run, loaded from where its features say it lay, or from `path`.

    Raises:
        RunError: when it is another encoder, or the features came from elsewhere.
        SettingsError: when it cannot be loaded.
    """
    expected, options = recogniser.features.model_hash, recogniser.features.settings
    tower = towers.load_tower(
        path or options["model"],
        options.get("revision") or "main",
        options.get("embedding", "tower"),
        fit=options.get("fit", ""),
    )
    if expected and tower.facts.digest != expected:
        raise RunError(
            f"encoder {tower.facts.model!r} has other weights than the one of the run's features"
            f" (digest {tower.facts.digest[:12]} instead of {expected[:12]}); give the run's own"
        )
    return tower


def features_of(
    files: Sequence[Path], tower: towers.Tower, frames: int
) -> dict[str, np.ndarray | str]:
    """Each video's features (T, D), or why it has none."""
    settings = PictureSettings(frames, tower.facts.side, tower.facts.fit, kinds=(COLOUR,))
    vectors: dict[str, np.ndarray | str] = {}
    for file in files:
        table = manifests.complete(pd.DataFrame([{"clip": "clip", "file": file.name}]))
        source = filming.FilmedClips(table, file.resolve().parent)
        film = source.film(next(table.itertuples()), [COLOUR], settings)[COLOUR]
        vectors[str(file)] = next(encoded(iter([("clip", film)]), tower, batch=32))[1]
    return vectors


def check_extraction(given: Extraction, expected: Extraction) -> None:
    """Refuse features that another encoder, or another way of preparing pictures, each.

    Raises:
        RunError: naming what differs.
    """
    theirs, ours = (
        {**each.settings, "model_hash": each.model_hash, "shape": tuple(each.shape)}
        for each in (expected, given)
    )
    for key in (
        "model_hash",
        "shape",
        "embedding",
        "side",
        "fit",
        "mean",
        "deviation",
        "pooling",
        "frames",
    ):
        if ours.get(key) != theirs.get(key):
            raise RunError(
                f"the run was trained on features with {key}={theirs.get(key)}, these have"
                f" {ours.get(key)}; extract them alike"
            )
