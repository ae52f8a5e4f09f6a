"""What an experiment needs of signs read from phonological features, with pre-training or without."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib.corpora.clips import Splits, load_corpus
from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ClipError, SettingsError
from signlib.features.normalise import fill_gaps, mirror, to_square_pixels
from signlib.features.phonology import GROUPS, RATE, phonology
from signlib.models.phonology import GlossReader, PhonologyEncoder
from signlib.models.pretext import PretextNetwork
from signlib.settings.config import Settings
from signlib.stores.store import ClipSource, FeatureStore
from signlib.training.batches import Clips, Prepared, left_leads
from signlib.training.classification import ClassificationFitting
from signlib.training.phonology import (
    SCALES,
    PhonologyDataset,
    PretextFitting,
    ReaderFitting,
    Views,
    embeddings,
    fit_codebooks,
    nearest_glosses,
)


def phonology_model(settings: Settings, classes: int) -> GlossReader | PretextNetwork:
    """The untrained network that the settings describe."""
    p = settings.phonology
    encoder = PhonologyEncoder(p.width, p.layers, p.dropout if p.layers > 1 else 0.0)
    if p.network == "ctc":
        return GlossReader(encoder, classes, p.dropout)
    return PretextNetwork(encoder, p.codebooks, p.pretext, p.readout, p.projection)


def features_of(
    points: np.ndarray,
    skeleton: Skeleton,
    settings: Settings,
    aspect: float = 1.0,
    fps: float = RATE,
) -> np.ndarray:
    """One clip of landmarks as the network's input: (T, 36) float32, NaN = not seen; T counts the
    frames that are read.

    Raises:
        ClipError: when no hand is seen in any frame.
    """
    points = fill_gaps(points, settings.features.longest_gap)
    if settings.features.dominant and left_leads(to_square_pixels(points, aspect), skeleton):
        points = mirror(points, skeleton, 0.5)
    return _usable(phonology(points, skeleton, settings.phonology.form, aspect, fps), settings)


def _usable(table: np.ndarray, settings: Settings) -> np.ndarray:
    if not np.isfinite(table[:, GROUPS["H"]]).any():
        raise ClipError("no hand was seen in any frame of the clip; leave the clip out")
    table = table[:: settings.phonology.stride]
    return table * SCALES if settings.phonology.scale else table


def phonology_clips(
    source: ClipSource, clips: Sequence[str], settings: Settings, quiet: bool = False
) -> Prepared:
    """The given clips as features; a clip that cannot be used is named, not raised. A store of
    features is taken as is.

    Raises:
        SettingsError: for a store of features in another form than `phonology.form`.
    """
    made = source.extraction.extractor == "phonology"
    if made and source.extraction.settings.get("form") != settings.phonology.form:
        raise SettingsError(
            f"phonology.form={settings.phonology.form}: this store was made with form="
            f"{source.extraction.settings.get('form')}; set it to the same"
        )
    about, prepared = source.labelled.set_index("clip"), Prepared([], [], {})
    for clip in tqdm(
        clips, desc="preparing clips", unit="clip", leave=False, disable=quiet or len(clips) < 500
    ):
        row = about.loc[clip]
        aspect = row["width"] / row["height"] if row["height"] > 0 else 1.0
        fps = float(pd.to_numeric(row.get("fps"), errors="coerce"))
        try:
            table = source.read(clip)
            table = (
                _usable(table, settings)
                if made
                else features_of(table, source.skeleton, settings, aspect, fps)
            )
        except ClipError as error:
            prepared.unusable[clip] = str(error)
            continue
        prepared.clips.append(clip)
        prepared.points.append(table)
    return prepared


UNLABELLED = "(not looked at)"
"""The gloss of every clip where pre-training has some without one."""


class PhonologyRecognition:
    """Signs, or pre-training, from 36 numbers a frame. Pre-training takes clips that nobody
    labelled, too.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.source = settings, load_corpus(settings.data)
        self.table, self.mirror = self.source.labelled, []
        failed = self.source.failed if isinstance(self.source, FeatureStore) else ()
        self.notes = (
            [f"{len(failed)} of {len(self.source.manifest)} clips have no features"]
            if len(failed)
            else []
        )
        self.unlabelled = settings.phonology.network == "pretext" and bool(
            (self.table["gloss"] == "").any()
        )
        if self.unlabelled:
            self.table = self.table.assign(gloss=UNLABELLED)

    def model(self, classes: int) -> nn.Module:
        """The untrained model."""
        return phonology_model(self.settings, classes)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset."""
        prepared = phonology_clips(self.source, rows["clip"].tolist(), self.settings, quiet)
        gloss = rows.set_index("clip")["gloss"].loc[prepared.clips]
        data = PhonologyDataset(prepared.points, vocabulary.encode(gloss.tolist()), repeats)
        return Clips(data, prepared.clips, prepared.unusable)

    @property
    def augment(self) -> Views:
        """The change of training batches."""
        return Views(self.settings)

    def task(
        self, model: nn.Module, train: PhonologyDataset, weights: Tensor | None
    ) -> ClassificationFitting:
        """What fits the model; codebooks are fitted to the training clips first."""
        if isinstance(model, GlossReader):
            return ReaderFitting(model, self.settings, self.augment, weights)
        chance = None
        if model.form == "codes":
            chance = fit_codebooks(model.quantiser, train.items, self.settings.seed)
        return PretextFitting(model, self.settings, self.augment, chance)

    def probe(
        self,
        model: nn.Module,
        splits: Splits,
        vocabulary: Vocabulary,
        test: Clips,
        quiet: bool = False,
    ) -> tuple[np.ndarray, Vocabulary]:
        """(N, K) of the test clips, and the K classes: what a frozen encoder knows of signs.

        By the nearest training clip of each gloss. Without glosses every test clip is a class of
        its own, written into `splits` and `test`: is a view of it, among views of all test clips,
        nearest to another view of it?
        """
        size, temperature = self.settings.training.batch_size, self.settings.phonology.temperature
        if not self.unlabelled:
            known = self.prepare(splits.train, vocabulary, 1, quiet).data
            vectors, queries = (embeddings(model, data, size) for data in (known, test.data))
            splits.notes.append("by the nearest training clip, encoder as pre-trained")
            return (
                nearest_glosses(queries, vectors, known.targets, len(vocabulary), temperature),
                vocabulary,
            )
        torch.manual_seed(self.settings.seed)
        queries, vectors = (embeddings(model, test.data, size, self.augment.one) for _ in range(2))
        splits.notes.append(
            "no glosses: which clip the nearest other view is of, encoder as pre-trained"
        )
        splits.test = splits.test.assign(gloss=splits.test["clip"])
        test.data.targets = np.arange(len(queries))
        scores = nearest_glosses(queries, vectors, test.data.targets, len(queries), temperature)
        return scores, Vocabulary(tuple(test.clips))

    @property
    def described(self) -> dict[str, Any]:
        """How the landmarks were made."""
        return {"extraction": asdict(self.source.extraction)}
