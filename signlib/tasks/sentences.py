"""Sentences from landmarks, read by a network with CTC."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib.corpora import clips as corpora
from signlib.corpora import splits
from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.decoding.ctc import check_lengths
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.features import dynamics, normalise, reduce
from signlib.models import classifier, compact, counting
from signlib.models.ctc import (
    CtcNetwork,
    PartEncoder,
    Ranges,
    cnn_lstm,
    hierarchical,
    hybrid,
    teacher,
)
from signlib.models.ctc_blocks import ClusteredOutput, Output, PlainOutput, dealt_clusters
from signlib.models.ctc_front import PartStreams, SentenceModel
from signlib.settings.sentences import SentenceExperiment, SentenceSettings
from signlib.stores.store import ClipSource
from signlib.tasks.sentence_report import ReportedSentences
from signlib.tasks.task import Inputs
from signlib.training import augment_sentences, sentences
from signlib.training.augment import Augment, hands_of
from signlib.training.batches import Batch, Clips, left_leads, prepare

PARTS = {"pose": ("pose",), "hands": ("left_hand", "right_hand"), "face": ("face",)}
# x, y, z and visibility: `dynamics` of 543 landmarks have 543 x 4 x 3 = 6,516 numbers a frame.
CHANNELS = 4
# What a sentence counts as: about the mean of PHOENIX-2014 and of generated sentences.
FRAMES = 150


class SentenceTask(ReportedSentences):
    """Sentences from landmarks."""

    refusals: ClassVar[Mapping[str, str]] = {
        "predict": "reads sentences; prediction from files takes runs on single signs",
        "estimate": "a step depends on the lengths of sentences; `make bench` measures them",
    }
    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "ctc.input", "ctc.reduce", "ctc.stride")
    carried: ClassVar[tuple[str, ...]] = ("network.",)

    source: ClipSource
    split_table = staticmethod(splits.split_sentences)

    def __init__(self, settings: SentenceExperiment) -> None:
        super().__init__(settings)
        self.source = corpora.load_corpus(settings.data)
        self.table, self.skeleton = self.source.labelled, self.source.skeleton
        if "glosses" not in self.table or (self.table["glosses"] == "").all():
            raise ManifestError(
                f"data.corpus={settings.data.corpus} has single signs, no sentences (no column"
                " 'glosses'); take generated-sentences, stitched-NAME, or a store of a corpus of"
                " sentences"
            )
        self.chosen = self.skeleton.select(settings.features.joints)
        self.mirror = self.chosen.mirror
        # Width / height of each clip's picture; NaN where nobody knows it.
        ratios = self.table["width"] / self.table["height"].where(self.table["height"] > 0)
        self.aspects = dict(zip(self.table["clip"], ratios, strict=True))
        if self.source.extraction.extractor.startswith("stitched"):
            # Nobody signed these sentences.
            self.notes = [
                "stitched from single signs; clips of training and test disjoint, signers the same"
                " (closed signers)"
            ]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.from_glosses(" ".join(self.splits.train["glosses"]).split())

    @property
    def inputs(self) -> Inputs:
        counts = Counter(" ".join(self.splits.train["glosses"]).split())
        return replace(
            super().inputs, counts=tuple(counts[gloss] for gloss in self.vocabulary.glosses)
        )

    def fitting(
        self, model: SentenceModel, train: Clips, weights: Tensor | None, teacher: nn.Module | None
    ) -> sentences.SentenceFitting:
        return sentences.SentenceFitting(model, self.settings, self.augment, teacher)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset. Glosses that training lacks keep their place as class 0.

        Raises:
            ClipError: for a training sentence that the network has too few frames for.
        """
        number_of = {gloss: k for k, gloss in enumerate(vocabulary.glosses, 1)}
        ctc, trained = self.settings.ctc, set(self.splits.train["clip"])
        spans = getattr(self.source, "spans", None) if ctc.sign_mixup or ctc.short_signs else None
        prepared: dict[str, sentences.Sentence] = {}
        unusable: dict[str, str] = {}
        hidden = quiet or len(rows) < 200
        for row in tqdm(rows.itertuples(), "preparing sentences", len(rows), False, disable=hidden):
            target = np.array([number_of.get(gloss, 0) for gloss in row.glosses.split()], np.int64)
            try:
                times = spans(row.clip) if spans is not None and row.clip in trained else None
                prepared[row.clip] = self._sentence(row.clip, target, times)
            except ClipError as error:
                unusable[row.clip] = str(error)
        fitted = {name: item for name, item in prepared.items() if name in trained}
        frames = [-(-len(item) // ctc.stride) for item in fitted.values()]
        check_lengths(frames, [item.target.tolist() for item in fitted.values()], list(fitted))
        # 6,516 features of every frame would not fit into memory: they are made when asked for.
        late = None if ctc.input == "streams" or ctc.reduce else self._with_features
        data = sentences.SentenceDataset(list(prepared.values()), repeats, late)
        return Clips(data, list(prepared), unusable)

    def _sentence(
        self, clip: str, target: np.ndarray, spans: np.ndarray | None
    ) -> sentences.Sentence:
        if self.settings.ctc.input == "streams":
            points = prepare(
                self.source.read(clip), self.skeleton, self.settings.features, self.aspects[clip]
            )
            return sentences.landmark_sentence(points, target, spans)
        sentence = sentences.Sentence({"points": self._points(clip)}, target, spans)
        return self._with_features(sentence) if self.settings.ctc.reduce else sentence

    def _points(self, clip: str) -> np.ndarray:
        # (T, J', C) with every channel that the landmarks have, NaN = missing.
        points, features = self.source.read(clip), self.settings.features
        if points.shape[-1] != CHANNELS:
            raise SettingsError(
                "ctc.input=dynamics needs x, y, z and visibility; these landmarks have"
                f" {points.shape[-1]} numbers"
            )
        if not normalise.seen(points).any():
            raise ClipError("no point of the clip was seen in any frame; leave the clip out")
        out = np.array(points, np.float32)
        if features.normalise:
            aspect = self.aspects[clip] if self.aspects[clip] > 0 else 1.0
            out = normalise.normalise(
                points, self.skeleton, aspect, features.rotate, features.longest_gap
            )
        if features.dominant and left_leads(out, self.skeleton):
            out = normalise.mirror(out, self.skeleton, 0.0 if features.normalise else 0.5)
        return out[:, self.skeleton.selection(features.joints)]

    def _with_features(self, sentence: sentences.Sentence) -> sentences.Sentence:
        # The sentence with features and which parts are seen, instead of its prepared points.
        points, parts = sentence.frames["points"], part_joints(self.chosen).values()
        present = np.stack([normalise.seen(points[:, joints]).any(-1) for joints in parts], axis=-1)
        numbers = dynamics.dynamics(points)
        features = self.reduction(numbers) if self.settings.ctc.reduce else numbers
        frames = {"features": np.nan_to_num(features).astype(np.float32), "present": present}
        return replace(sentence, frames=frames)

    @cached_property
    def reduction(self) -> reduce.Reduction:
        """Principal components of the training clips' features."""
        names = tqdm(self.splits.train["clip"], "reduction", leave=False)
        clips = ((name, dynamics.dynamics(self._points(name))) for name in names)
        ctc = self.settings.ctc
        return reduce.fit_reduction(clips, ctc.reduce, ctc.whiten, seed=self.settings.seed)

    @property
    def augment(self) -> augment_sentences.SentenceAugment:
        settings, ctc = self.settings, self.settings.ctc
        coordinates, hands = settings.features.coordinates, hands_of(self.chosen)
        geometry = (
            Augment(settings.augment, self.mirror, hands, coordinates)
            if ctc.input == "streams"
            else None
        )
        return augment_sentences.SentenceAugment(ctc, ctc.stride, geometry)

    @classmethod
    def network(cls, settings: SentenceExperiment, inputs: Inputs, classes: int) -> SentenceModel:
        ctc, chosen = settings.ctc, inputs.skeleton.select(settings.features.joints)
        front: PartStreams | None = None
        ranges: Mapping[str, Ranges]
        if ctc.input == "streams":
            parts, coordinates = part_joints(chosen), settings.features.coordinates
            front = PartStreams(parts, coordinates, hands_of(chosen))
            size, ranges = front.size, front.ranges
        else:
            size = ctc.reduce or 3 * CHANNELS * len(chosen)
            ranges = dynamics.part_columns(chosen, CHANNELS, together=PARTS)
        # How often each gloss occurs decides its cluster; without that all count the same.
        given = inputs.counts or ()
        counts = given if len(given) == classes else (1,) * classes
        # Components are not made equally large here: that is what `whiten` decides.
        network = _network(ctc, size, ranges, counts)
        return SentenceModel(front, network, ctc.noise, standardised=0 if ctc.reduce else size)

    @classmethod
    def example(
        cls, settings: SentenceExperiment, inputs: Inputs, classes: int, clips: int
    ) -> Batch:
        chosen = inputs.skeleton.select(settings.features.joints)
        batch: Batch = {
            "lengths": torch.full((clips,), FRAMES),
            "targets": torch.randint(1, classes + 1, (clips, 1)),
            "sizes": torch.ones(clips, dtype=torch.long),
        }
        if settings.ctc.input == "streams":
            batch["points"] = torch.randn(clips, FRAMES, len(chosen), settings.features.coordinates)
            batch["mask"] = torch.ones(clips, FRAMES, len(chosen), dtype=torch.bool)
        else:
            batch["features"] = torch.randn(
                clips, FRAMES, settings.ctc.reduce or 3 * CHANNELS * len(chosen)
            )
        return batch

    @classmethod
    def count_parts(cls, model: SentenceModel) -> dict[str, int]:
        # What works on every frame, what works on pooled ones, and the output.
        network = model.network
        parts = {
            "projection": network.encoder,
            "encoder": network.stages,
            "classifier": network.output,
        }
        return {
            name: classifier.parameter_count(part)
            for name, part in parts.items()
            if part is not None
        }

    @classmethod
    def count_macs(cls, settings: SentenceExperiment, inputs: Inputs, classes: int) -> int:
        """Those of a sentence of `FRAMES` frames.

        Recurrent layers are counted by hand, because torch leaves them out.
        """
        with torch.device("meta"):
            model = cls.network(settings, inputs, classes).eval()
        # Values do not matter: making 40 million of them would take longer than counting.
        model.to_empty(device="cpu")
        for values in (*model.parameters(), *model.buffers()):
            values.data.zero_()
        batch = cls.example(settings, inputs, classes, clips=1)
        pooled = int(model.frames(batch["lengths"]))
        return counting.counted_macs(model, batch) + pooled * counting.recurrent_weights(model)


def part_joints(chosen: Skeleton) -> dict[str, list[int]]:
    """Joints of pose, hands and face, as far as the skeleton has them."""
    joints_of: dict[str, list[int]] = {}
    for name, parts in PARTS.items():
        joints = [joint for part in parts for joint in chosen.parts.get(part, ())]
        if joints:
            joints_of[name] = joints
    return joints_of


def _network(
    ctc: SentenceSettings,
    size: int,
    ranges: Mapping[str, Ranges],
    counts: Sequence[int],
) -> CtcNetwork:
    glosses, width = len(counts), ctc.width
    options: dict[str, Any] = {
        "stride": ctc.stride,
        "checkpointing": ctc.checkpointing,
        "dropout": ctc.dropout,
    }
    # Bidirectional layers give twice their width.
    read = 2 * width if ctc.network in ("hierarchical", "teacher") else width
    output: Output = PlainOutput(read, glosses + 1, ctc.hidden, ctc.dropout)
    if ctc.output == "clustered":
        clusters = dealt_clusters(counts, min(ctc.clusters, glosses))
        output = ClusteredOutput(read, clusters, ctc.hidden, ctc.adapter, ctc.dropout)
    if ctc.network == "hybrid":
        return hybrid(
            _part_encoder(ctc, ranges),
            output,
            width,
            ctc.heads,
            attention=ctc.attention,
            window=ctc.window,
            drop_path=ctc.drop_path,
            **options,
        )
    if ctc.network == "hierarchical":
        return hierarchical(
            size,
            output,
            width,
            ctc.kernels,
            encoder=_part_encoder(ctc, ranges) if ctc.crossmodal else None,
            residual=ctc.residual,
            separable=ctc.separable,
            multiscale=ctc.multiscale,
            **options,
        )
    if ctc.network == "teacher":
        return teacher(size, output, width, ctc.heads, **options)
    if ctc.network == "cnn-lstm":
        return cnn_lstm(size, output, width, ctc.kernels, **options)
    return compact.compact(
        size,
        output,
        width,
        ctc.layers,
        ctc.heads,
        window=ctc.window,
        chunk=ctc.chunk,
        drop_path=ctc.drop_path,
        **options,
    )


def _part_encoder(ctc: SentenceSettings, ranges: Mapping[str, Ranges]) -> PartEncoder:
    if ctc.reduce:
        raise SettingsError(
            f"ctc.reduce={ctc.reduce} mixes the parts of the body; {ctc.network} wants them apart: "
            "set it to 0"
        )
    return PartEncoder(
        ranges,
        ctc.part_widths[: len(ranges)],
        ctc.width,
        ctc.part_heads,
        kernel=3,
        dropout=ctc.dropout,
        drop_part=ctc.drop_part,
    )
