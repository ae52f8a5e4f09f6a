"""Single signs from phonological features, with pre-training or without."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, RunError, SettingsError
from signlib.features.normalise import fill_gaps, mirror, to_square_pixels
from signlib.features.phonology import GROUPS, RATE, phonology
from signlib.models.classifier import parameter_count
from signlib.models.phonology import FEATURES, GlossReader, PhonologyEncoder, PooledReader
from signlib.models.pretext import PretextNetwork
from signlib.runs.run import Run
from signlib.settings import aliases
from signlib.settings.phonology import PhonologyExperiment
from signlib.stores.store import ClipSource, Extraction, why
from signlib.tasks.landmarks import LandmarkReader
from signlib.tasks.task import ANCHORS, Inputs, Recogniser, rate_notes
from signlib.training.batches import Batch, ClipData, Clips, Prepared, left_leads
from signlib.training.fitting import Fitting
from signlib.training.phonology import (
    SCALES,
    PhonologyDataset,
    PretextFitting,
    ReaderFitting,
    Views,
    collate,
    embeddings,
    fit_codebooks,
    nearest_glosses,
    pretext_losses,
    reader_loss,
)

# What a clip of one sign counts as.
FRAMES = 64


# What `phonology.network` can mean: two readers of one gloss a clip, and pre-training.
Network: TypeAlias = PooledReader | GlossReader | PretextNetwork


def phonology_model(settings: PhonologyExperiment, classes: int) -> Network:
    """The untrained network that the settings describe."""
    p = settings.phonology
    encoder = PhonologyEncoder(p.width, p.layers, p.dropout if p.layers > 1 else 0.0)
    if p.network == "pretext":
        return PretextNetwork(encoder, p.codebooks, p.pretext, p.readout, p.projection)
    reader = PooledReader if p.network == "pooled" else GlossReader
    return reader(encoder, classes, p.dropout)


def features_of(
    points: np.ndarray,
    skeleton: Skeleton,
    settings: PhonologyExperiment,
    aspect: float = 1.0,
    fps: float = RATE,
) -> np.ndarray:
    """One clip of landmarks as the network's input.

    Returns:
        (T, 36) float32, NaN = not seen; T counts the frames that are read.

    Raises:
        ClipError: when no hand is seen in any frame.
    """
    points = fill_gaps(points, settings.features.longest_gap)
    if settings.features.dominant and left_leads(to_square_pixels(points, aspect), skeleton):
        points = mirror(points, skeleton, 0.5)
    return _usable(phonology(points, skeleton, settings.phonology.form, aspect, fps), settings)


def _usable(table: np.ndarray, settings: PhonologyExperiment) -> np.ndarray:
    if not np.isfinite(table[:, GROUPS["H"]]).any():
        raise ClipError("no hand was seen in any frame of the clip; leave the clip out")
    table = table[:: settings.phonology.stride]
    if settings.phonology.form == "original":
        # The placeholder of M is 0 in every frame; without a hand it is missing like the rest.
        table, last = table.copy(), GROUPS["M"].stop - 1
        moves = np.isfinite(table[:, GROUPS["M"].start : last]).any(axis=1)
        table[~moves, last] = np.nan
    return table * SCALES if settings.phonology.scale else table


def _stores_features(extraction: Extraction | None) -> bool:
    return extraction is not None and extraction.extractor == "phonology"


def _stored_form(extraction: Extraction) -> str:
    return aliases.current("phonology.form", extraction.settings.get("form"))[1]


def phonology_clips(
    source: ClipSource, clips: Sequence[str], settings: PhonologyExperiment, quiet: bool = False
) -> Prepared:
    """The given clips as features; a clip that cannot be used is named, not raised.

    A store of features is taken as it is.

    Raises:
        SettingsError: for a store of features in another form than `phonology.form`.
    """
    form, ready = settings.phonology.form, _stores_features(source.extraction)
    if ready and _stored_form(source.extraction) != form:
        raise SettingsError(
            f"phonology.form={form}: this store was made with"
            f" form={_stored_form(source.extraction)}; set it to the same"
        )
    rows, prepared = source.labelled.set_index("clip"), Prepared([], [], {})
    for clip in tqdm(
        clips, desc="preparing clips", unit="clip", leave=False, disable=quiet or len(clips) < 500
    ):
        row = rows.loc[clip]
        aspect = row["width"] / row["height"] if row["height"] > 0 else 1.0
        # 0 and NaN: nobody knows it.
        rate = float(pd.to_numeric(row.get("fps"), errors="coerce"))
        fps = rate if rate > 0 else np.nan
        try:
            given = source.read(clip)
            table = (
                _usable(given, settings)
                if ready
                else features_of(given, source.skeleton, settings, aspect, fps)
            )
        except ClipError as error:
            prepared.unusable[clip] = why(source, clip, error)
            continue
        prepared.clips.append(clip)
        prepared.points.append(table)
    return prepared


class PhonologyTask(LandmarkReader[PhonologyExperiment, Network]):
    """Signs, or pre-training, from 36 numbers a frame.

    Pre-training takes clips that nobody labelled, too.
    """

    # Recurrent layers read packed clips.
    counted_with = (2, 4)
    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "phonology.")
    parts: ClassVar[Mapping[str, str]] = {"encoder of phonology": "encoder."}
    # By CTC the blank is the first class.
    outputs: ClassVar[Mapping[str, int]] = {"head.": 1, "classifier.": 0}
    dataset: ClassVar[type[ClipData]] = PhonologyDataset

    def __init__(self, settings: PhonologyExperiment) -> None:
        super().__init__(settings)
        without_gloss = (self.table["gloss"] == "").any()
        self.unlabelled = settings.phonology.network == "pretext" and bool(without_gloss)
        if self.unlabelled:
            # One gloss for all where pre-training has some clips without one.
            self.table = self.table.assign(gloss="(not looked at)")

    @classmethod
    def read(
        cls,
        source: ClipSource,
        clips: Sequence[str],
        settings: PhonologyExperiment,
        quiet: bool = False,
    ) -> Prepared:
        return phonology_clips(source, clips, settings, quiet)

    @classmethod
    def check_source(cls, source: ClipSource, recogniser: Recogniser) -> None:
        """Refuse features of another form, and landmarks other than those of training.

        A run that was trained on stored features does not know whose landmarks they were made of,
        so it takes any with two hands.

        Raises:
            RunError: with both forms, or both skeletons.
        """
        form = recogniser.settings.phonology.form
        if not _stores_features(source.extraction):
            if not _stores_features(recogniser.extraction):
                super().check_source(source, recogniser)
        elif _stored_form(source.extraction) != form:
            raise RunError(
                f"the run reads features in the form {form}, this store has"
                f" {_stored_form(source.extraction)}; make one with `python -m signlib extract"
                f" LANDMARKS --out STORE --extractor phonology --set form={form}`"
            )

    @classmethod
    def joints_read(cls, recogniser: Recogniser) -> list[str]:
        # Hands and arms; the face as well, unless the run knows only features, not their joints.
        skeleton, stored = recogniser.skeleton, _stores_features(recogniser.extraction)
        face = () if stored else skeleton.parts.get("face", ())
        hands = [joint for joint in skeleton.joints if "_hand_" in joint]
        arms = filter(skeleton.has, ANCHORS)
        return [*hands, *arms, *(skeleton.joints[joint] for joint in face)]

    @classmethod
    def recognise(
        cls, recogniser: Recogniser, source: ClipSource, clips: Sequence[str]
    ) -> tuple[np.ndarray, Prepared]:
        """Probabilities (N, K); landmarks are read as the features of training were made."""
        if _stores_features(recogniser.extraction):
            settings = recogniser.settings
            features = replace(settings.features, dominant=False, longest_gap=0)
            recogniser = replace(recogniser, settings=replace(settings, features=features))
        return super().recognise(recogniser, source, clips)

    @classmethod
    def notes_on(cls, recogniser: Recogniser, source: ClipSource) -> Mapping[str, str]:
        settings, trained = recogniser.settings, _stores_features(recogniser.extraction)
        if not _stores_features(source.extraction):
            return rate_notes(source) if settings.phonology.form == "corrected" else {}
        if trained or not (settings.features.dominant or settings.features.longest_gap):
            return {}
        note = "stored features are read as they are: no gap is filled, no left-hander mirrored"
        return dict.fromkeys(source.labelled["clip"], note)

    @property
    def augment(self) -> Views:
        return Views(self.settings.phonology)

    @classmethod
    def network(cls, settings: PhonologyExperiment, inputs: Inputs, classes: int) -> Network:
        return phonology_model(settings, classes)

    @classmethod
    def example(
        cls, settings: PhonologyExperiment, inputs: Inputs, classes: int, clips: int
    ) -> Batch:
        tables = np.random.default_rng(0).normal(size=(clips, FRAMES, FEATURES))
        return collate([(table, n % classes) for n, table in enumerate(tables.astype(np.float32))])

    @classmethod
    def count_parts(cls, model: Network) -> dict[str, int]:
        # Recurrent layers, what leads into them, and the rest.
        encoder = model.encoder
        return {
            "encoder": parameter_count(encoder.recurrent) + parameter_count(encoder.norm),
            "projection": parameter_count(encoder.project),
            "classifier": parameter_count(model) - parameter_count(encoder),
        }

    @classmethod
    def count_macs(cls, settings: PhonologyExperiment, inputs: Inputs, classes: int) -> int:
        # Those of a clip of `FRAMES` frames, by hand: torch does not count recurrent layers.
        width, layers = settings.phonology.width, settings.phonology.layers
        # Both directions of an LSTM; all but the first one read both of the layer below.
        recurrent = 8 * width * (2 * width + (layers - 1) * 3 * width)
        encoder = FRAMES * (FEATURES * width + recurrent)
        # By CTC each frame has scores, pooled the whole clip; pre-training has none.
        rows = {"ctc": FRAMES * (classes + 1), "pooled": classes, "pretext": 0}
        return encoder + 2 * width * rows[settings.phonology.network]

    @classmethod
    def refusal(cls, settings: PhonologyExperiment, capability: str) -> str:
        # Pre-training names no gloss.
        if capability == "predict" and settings.phonology.network == "pretext":
            return "is pre-training, which names no gloss; start another from it (--init-from)"
        return super().refusal(settings, capability)

    @classmethod
    def check_start(cls, settings: PhonologyExperiment, run: Run) -> None:
        """Refuse an encoder of another shape, or one that was made for another form of features.

        Raises:
            RunError: with both shapes.
        """
        if not isinstance(run.settings, PhonologyExperiment):
            return
        ours, theirs = (_encoder_words(each) for each in (settings, run.settings))
        if ours != theirs:
            raise RunError(
                f"--init-from {run.path} has an encoder of phonology {theirs}, this model one of "
                f"{ours}; make them the same"
            )

    @classmethod
    def loss(cls, settings: PhonologyExperiment, model: Network, batch: Batch) -> Tensor:
        # Of pre-training both views are the clips as they are.
        p = settings.phonology
        if isinstance(model, PooledReader):
            return super().loss(settings, model, batch)
        if isinstance(model, GlossReader):
            return reader_loss(model, batch, p.blank_weight, settings.training.label_smoothing)
        contrast, codes = pretext_losses(model, batch, batch, p)
        return p.contrast_weight * contrast + p.code_weight * codes

    def fitting(
        self,
        model: Network,
        train: Clips,
        weights: Tensor | None,
        teacher: nn.Module | None,
    ) -> Fitting:
        if isinstance(model, PooledReader):
            return super().fitting(model, train, weights, teacher)
        if isinstance(model, GlossReader):
            return ReaderFitting(model, self.settings, self.augment, weights)
        chance = None
        if model.form == "codes":
            chance = fit_codebooks(
                model.quantiser, [table for table, _ in train.data.items], self.settings.seed
            )
        return PretextFitting(model, self.settings, self.augment, chance)

    def test_scores(
        self, model: Network, test: Clips, quiet: bool
    ) -> tuple[np.ndarray, Vocabulary]:
        """Log-probabilities (N, K) of the test clips, and the K classes.

        Of pre-training: what its frozen encoder knows of signs, by the nearest training clip of
        each gloss. Without glosses every test clip is a class of its own, written into the splits
        and into `test`: is a view of it, among views of all test clips, nearest to another view of
        it?
        """
        if self.settings.phonology.network != "pretext":
            return super().test_scores(model, test, quiet)
        size, temperature = self.settings.training.batch_size, self.settings.phonology.temperature
        vocabulary = self.vocabulary
        if not self.unlabelled:
            train = self.prepare(self.splits.train, vocabulary, 1, quiet).data
            vectors, queries = (embeddings(model, data, size) for data in (train, test.data))
            self.splits.notes.append("by the nearest training clip, encoder as pre-trained")
            targets, count = train.targets, len(vocabulary)
            return nearest_glosses(queries, vectors, targets, count, temperature), vocabulary
        torch.manual_seed(self.settings.seed)
        queries, vectors = (embeddings(model, test.data, size, self.augment.one) for _ in range(2))
        self.splits.notes.append(
            "no glosses: which clip the nearest other view is of, encoder as pre-trained"
        )
        self.splits.test = self.splits.test.assign(gloss=self.splits.test["clip"])
        test.data.targets = np.arange(len(queries))
        targets, classes = test.data.targets, Vocabulary(tuple(test.clips))
        return nearest_glosses(queries, vectors, targets, len(classes), temperature), classes


def _encoder_words(settings: PhonologyExperiment) -> str:
    return ", ".join(
        f"{key}={getattr(settings.phonology, key)}" for key in ("width", "layers", "form", "scale")
    )
