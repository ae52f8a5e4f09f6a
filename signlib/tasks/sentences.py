"""Sentences from landmarks, read by a network with CTC."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib.corpora.clips import load_corpus
from signlib.corpora.splits import Splits, split_sentences
from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.decoding.ctc import check_lengths
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.features.dynamics import dynamics, part_columns
from signlib.features.normalise import mirror, normalise, seen
from signlib.features.reduce import Reduction, fit_reduction
from signlib.models.classifier import parameter_count
from signlib.models.compact import compact
from signlib.models.counting import counted_macs, recurrent_weights
from signlib.models.ctc import (
    CtcNetwork,
    PartEncoder,
    Ranges,
    cnn_lstm,
    hierarchical,
    hybrid,
    teacher,
)
from signlib.models.ctc_front import PartStreams, SentenceModel
from signlib.models.ctc_output import ClusteredOutput, Output, PlainOutput, dealt_clusters
from signlib.runs.run import Run
from signlib.settings.sentences import SentenceExperiment, SentenceSettings
from signlib.stores.store import ClipSource
from signlib.tasks.sentence_report import evaluate_sentences
from signlib.tasks.task import Inputs, Task
from signlib.training.augment import Augment
from signlib.training.augment_sentences import SentenceAugment
from signlib.training.batches import Batch, Clips, left_leads, prepare
from signlib.training.sentence_fitting import SentenceFitting
from signlib.training.sentences import Sentence, SentenceDataset, landmark_sentence

PARTS = {"pose": ("pose",), "hands": ("left_hand", "right_hand"), "face": ("face",)}
# x, y, z and visibility: `dynamics` of 543 landmarks have 543 x 4 x 3 = 6,516 numbers a frame.
CHANNELS = 4
# What a sentence counts as: about the mean of PHOENIX-2014 and of generated sentences.
FRAMES = 150


class SentenceTask(Task[SentenceExperiment, SentenceModel]):
    """Sentences from landmarks."""

    refusals: ClassVar[Mapping[str, str]] = {
        "predict": "reads sentences; prediction from files takes runs on single signs",
        "estimate": "a step depends on the lengths of sentences; `make bench` measures them",
    }
    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "ctc.input", "ctc.reduce", "ctc.stride")

    def __init__(self, settings: SentenceExperiment) -> None:
        super().__init__(settings)
        self.source = load_corpus(settings.data)
        self.table, self.skeleton = self.source.labelled, self.source.skeleton
        if "glosses" not in self.table or (self.table["glosses"] == "").all():
            raise ManifestError(
                f"data.corpus={settings.data.corpus} has single signs, no sentences (no column"
                " 'glosses'); take generated-sentences, stitched-NAME, or a store of a corpus of"
                " sentences"
            )
        self.chosen = self.skeleton.select(settings.features.joints)
        self.mirror, self.notes = list(self.chosen.mirror), source_notes(self.source)

    @cached_property
    def splits(self) -> Splits:
        splits = split_sentences(self.table, self.settings.data)
        splits.notes += self.notes
        return splits

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.from_glosses(
            gloss for text in self.splits.train["glosses"] for gloss in text.split()
        )

    @property
    def inputs(self) -> Inputs:
        counts = Counter(gloss for text in self.splits.train["glosses"] for gloss in text.split())
        return Inputs(
            self.skeleton, counts=tuple(counts[gloss] for gloss in self.vocabulary.glosses)
        )

    def fitting(
        self, model: SentenceModel, train: Clips, weights: Tensor | None, teacher: nn.Module | None
    ) -> SentenceFitting:
        return SentenceFitting(model, self.settings, self.augment, teacher)

    def evaluate(self, run: Run, model: SentenceModel, resume: bool, quiet: bool) -> Run:
        return evaluate_sentences(self, run, model, resume, quiet)

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset. Glosses that training lacks keep their place as class 0.

        Raises:
            ClipError: for a training sentence that the network has too few frames for.
        """
        place = {gloss: k for k, gloss in enumerate(vocabulary.glosses, 1)}
        about, ctc = self.table.set_index("clip"), self.settings.ctc
        aspects = (about["width"] / about["height"].where(about["height"] > 0)).to_dict()
        spans = getattr(self.source, "spans", None) if ctc.sign_mixup or ctc.short_signs else None
        trained = set(self.splits.train["clip"])
        sentences: dict[str, Sentence] = {}
        unusable: dict[str, str] = {}
        hidden = quiet or len(rows) < 200
        for row in tqdm(rows.itertuples(), "preparing sentences", len(rows), False, disable=hidden):
            target = np.array([place.get(gloss, 0) for gloss in row.glosses.split()], np.int64)
            try:
                times = spans(row.clip) if spans is not None and row.clip in trained else None
                sentence = self._sentence(row.clip, aspects[row.clip], target, times)
                sentences[row.clip] = sentence
            except ClipError as error:
                unusable[row.clip] = str(error)
        fitted = {name: item for name, item in sentences.items() if name in trained}
        frames = [-(-len(item) // ctc.stride) for item in fitted.values()]
        check_lengths(frames, [item.target.tolist() for item in fitted.values()], list(fitted))
        names = list(sentences)
        return Clips(
            SentenceDataset(list(sentences.values()), repeats, self._late), names, unusable
        )

    def _sentence(
        self, clip: str, aspect: float, target: np.ndarray, spans: np.ndarray | None
    ) -> Sentence:
        if self.settings.ctc.input == "streams":
            points = prepare(self.source.read(clip), self.skeleton, self.settings.features, aspect)
            return landmark_sentence(points, target, spans)
        points = self._points(clip, aspect)
        if not self.settings.ctc.reduce:
            return Sentence({"points": points}, target, spans)
        return Sentence(self._features(points), target, spans)

    def _points(self, clip: str, aspect: float) -> np.ndarray:
        # (T, J', C) with every channel that the landmarks have, NaN = missing.
        points, features = self.source.read(clip), self.settings.features
        if points.shape[-1] != CHANNELS:
            found = points.shape[-1]
            raise SettingsError(
                f"ctc.input=dynamics needs x, y, z and visibility; these landmarks have {found}"
                " numbers"
            )
        if not seen(points).any():
            raise ClipError("no point of the clip was seen in any frame; leave the clip out")
        out = np.array(points, np.float32)
        if features.normalise:
            out = normalise(
                points,
                self.skeleton,
                aspect if aspect > 0 else 1.0,
                features.rotate,
                features.longest_gap,
            )
        if features.dominant and left_leads(out, self.skeleton):
            out = mirror(out, self.skeleton, 0.0 if features.normalise else 0.5)
        return out[:, self.skeleton.selection(features.joints)]

    def _features(self, points: np.ndarray) -> dict[str, np.ndarray]:
        # Features and which parts are seen, of prepared points.
        parts = part_joints(self.chosen).values()
        present = np.stack([seen(points[:, joints]).any(-1) for joints in parts], axis=-1)
        found = dynamics(points)
        if self.settings.ctc.reduce:
            found = self.reduction(found)
        return {"features": np.nan_to_num(found).astype(np.float32), "present": present}

    @property
    def _late(self) -> Callable[[Sentence], Sentence] | None:
        """What is done when a clip is asked for: 6,516 features of every frame would not fit into
        memory.
        """
        if self.settings.ctc.input == "streams" or self.settings.ctc.reduce:
            return None
        return lambda item: replace(item, frames=self._features(item.frames["points"]))

    @cached_property
    def reduction(self) -> Reduction:
        """Principal components of the training clips' features."""
        about = self.table.set_index("clip")
        ratio = about["width"] / about["height"].where(about["height"] > 0)
        names = self.splits.train["clip"]
        clips = (
            (name, dynamics(self._points(name, ratio[name])))
            for name in tqdm(names, "reduction", leave=False)
        )
        return fit_reduction(
            clips, self.settings.ctc.reduce, self.settings.ctc.whiten, seed=self.settings.seed
        )

    @property
    def augment(self) -> SentenceAugment:
        s = self.settings
        hands = hands_in(self.chosen)
        geometry = (
            Augment(s.augment, self.mirror, hands, s.features.coordinates)
            if s.ctc.input == "streams"
            else None
        )
        return SentenceAugment(s.ctc, s.ctc.stride, geometry)

    @property
    def described(self) -> dict[str, Any]:
        return {"extraction": asdict(self.source.extraction)}

    @classmethod
    def network(cls, settings: SentenceExperiment, inputs: Inputs, classes: int) -> SentenceModel:
        counts = inputs.counts if inputs.counts and len(inputs.counts) == classes else None
        return sentence_model(settings, inputs.skeleton, classes, counts)

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
            coordinates = settings.features.coordinates
            batch["points"] = torch.randn(clips, FRAMES, len(chosen), coordinates)
            batch["mask"] = torch.ones(clips, FRAMES, len(chosen), dtype=torch.bool)
        else:
            numbers = settings.ctc.reduce or 3 * CHANNELS * len(chosen)
            batch["features"] = torch.randn(clips, FRAMES, numbers)
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
        return {name: parameter_count(part) for name, part in parts.items() if part is not None}

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
        return counted_macs(model, batch) + pooled * recurrent_weights(model)

    @classmethod
    def carries(cls, name: str) -> bool:
        # All of the network.
        return name.startswith("network.") and not name.startswith("network.head.")


def hands_in(chosen: Skeleton) -> list[tuple[int, ...]]:
    """The 21 joints of each hand that is whole; the leading one, the right, is the last."""
    hands = [chosen.parts.get("left_hand", ()), chosen.parts.get("right_hand", ())]
    return [hand for hand in hands if len(hand) == 21]


def part_joints(chosen: Skeleton) -> dict[str, list[int]]:
    """Joints of pose, hands and face, as far as the skeleton has them."""
    joints_of: dict[str, list[int]] = {}
    for name, parts in PARTS.items():
        joints = [joint for part in parts for joint in chosen.parts.get(part, ())]
        if joints:
            joints_of[name] = joints
    return joints_of


def sentence_model(
    settings: SentenceExperiment, base: Skeleton, glosses: int, counts: Sequence[int] | None = None
) -> SentenceModel:
    """The untrained model that the settings describe, for landmarks of skeleton `base`.

    Args:
        glosses: V - 1.
        counts: how often each occurs, for the clusters.
    """
    ctc, chosen = settings.ctc, base.select(settings.features.joints)
    parts = part_joints(chosen)
    front: PartStreams | None = None
    ranges: Mapping[str, Ranges]
    if ctc.input == "streams":
        front = PartStreams(parts, settings.features.coordinates, hands_in(chosen))
        size, ranges = front.size, front.ranges
    else:
        size = ctc.reduce or 3 * CHANNELS * len(chosen)
        ranges = part_columns(chosen, CHANNELS, together=PARTS)
    # Components are not made equally large here: that is what `whiten` decides.
    network = _network(ctc, size, ranges, glosses, counts)
    return SentenceModel(front, network, ctc.noise, standardised=0 if ctc.reduce else size)


def _network(
    ctc: SentenceSettings,
    size: int,
    ranges: Mapping[str, Ranges],
    glosses: int,
    counts: Sequence[int] | None,
) -> CtcNetwork:
    width = ctc.width
    options: dict[str, Any] = {
        "stride": ctc.stride,
        "checkpointing": ctc.checkpointing,
        "dropout": ctc.dropout,
    }
    # Bidirectional layers give twice their width.
    read = 2 * width if ctc.network in ("hierarchical", "teacher") else width
    output: Output = PlainOutput(read, glosses + 1, ctc.hidden, ctc.dropout)
    if ctc.output == "clustered":
        clusters = dealt_clusters(counts or [1] * glosses, min(ctc.clusters, glosses))
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
    return compact(
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


def source_notes(source: ClipSource) -> list[str]:
    """What to say beside every number of a corpus whose sentences nobody signed."""
    if source.extraction.extractor.startswith("stitched"):
        return [
            "stitched from single signs; clips of training and test disjoint, signers the same"
            " (closed signers)"
        ]
    return []
