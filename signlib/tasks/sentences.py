"""Sentences from landmarks, read by a network with CTC."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib.corpora import clips as corpora
from signlib.corpora import splits
from signlib.data.vocabulary import Vocabulary
from signlib.decoding.ctc import check_lengths
from signlib.errors import ClipError, ManifestError, SettingsError
from signlib.evaluation.metrics import NO_NUMBERS, are_numbers
from signlib.features import dynamics, reduce
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
from signlib.runs.run import Run
from signlib.runs.weights import load_model_facts
from signlib.settings.sentences import SentenceExperiment, SentenceSettings
from signlib.stores.store import ClipSource, why
from signlib.tasks.sentence_clips import (
    CHANNELS,
    PARTS,
    SentenceClips,
    part_joints,
    rates_of,
    usual_rate,
)
from signlib.tasks.sentence_reading import SentenceReader, SentenceReading, decoders_of
from signlib.tasks.sentence_report import Decoders, ReportedSentences, emissions_of
from signlib.tasks.task import Facts, Inputs, Recogniser, rate_notes, table_of
from signlib.training import augment_sentences, sentences
from signlib.training.augment import Augment, hands_of
from signlib.training.batches import Batch, Clips

REDUCTION = "reduction.npz"
# What a sentence counts as: about the mean of PHOENIX-2014 and of generated sentences.
FRAMES = 150


class SentenceTask(ReportedSentences):
    """Sentences from landmarks."""

    same_inputs: ClassVar[tuple[str, ...]] = ("features.", "ctc.input", "ctc.reduce", "ctc.stride")
    parts: ClassVar[Mapping[str, str]] = {
        "encoder of frames": "network.encoder.",
        "stages": "network.stages.",
        "norms": "network.norms.",
        "output": "network.output.",
    }
    # The blank is the first class.
    outputs: ClassVar[Mapping[str, int]] = {"network.output.scores.": 1}
    # Recurrent layers read packed sentences.
    counted_with = (2, 4)

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
        self.rates = dict(zip(self.table["clip"], rates_of(self.table), strict=True))
        if self.source.extraction.extractor.startswith("stitched"):
            # Nobody signed these sentences.
            self.notes = [
                "stitched from single signs; clips of training and test disjoint, signers the same"
                " (closed signers)"
            ]

    @classmethod
    def glosses(cls, rows: pd.DataFrame) -> Sequence[str]:
        return " ".join(rows["glosses"]).split()

    @property
    def inputs(self) -> Inputs:
        counts = Counter(self.glosses(self.splits.train))
        return replace(
            super().inputs, counts=tuple(counts[gloss] for gloss in self.vocabulary.glosses)
        )

    def fitting(
        self, model: SentenceModel, train: Clips, weights: Tensor | None, teacher: nn.Module | None
    ) -> sentences.SentenceFitting:
        return sentences.SentenceFitting(model, self.settings, self.augment, teacher)

    def differs(self, part: str, run: Run, facts: Facts) -> bool:
        # Clusters are made of the glosses; a plain output goes by rows.
        same = tuple(facts["classes"]) == tuple(self.vocabulary.glosses)
        return part == "output" and self.settings.ctc.output == "clustered" and not same

    @classmethod
    def loss(cls, settings: SentenceExperiment, model: SentenceModel, batch: Batch) -> Tensor:
        loss, frames = sentences.loss_settings(settings), model.frames(batch["lengths"])

        def cost(scores: Tensor) -> Tensor:
            return loss(scores, frames, batch["targets"], batch["sizes"])

        return sentences.early_and_late(model, batch, settings.ctc.early_share, cost)[1]

    def prepare(
        self, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1, quiet: bool = False
    ) -> Clips:
        """Rows of the table as a dataset. Glosses that training lacks keep their place as class 0.

        Raises:
            ClipError: for a training sentence that the network has too few frames for.
        """
        number_of = {gloss: k for k, gloss in enumerate(vocabulary.glosses, 1)}
        form = self.form
        ctc, trained = self.settings.ctc, set(self.splits.train["clip"])
        reads_spans = ctc.sign_mixup or ctc.short_signs or ctc.frame_share
        spans = getattr(self.source, "spans", None) if reads_spans else None
        prepared: dict[str, sentences.Sentence] = {}
        unusable: dict[str, str] = {}
        hidden = quiet or len(rows) < 200
        for row in tqdm(rows.itertuples(), "preparing sentences", len(rows), False, disable=hidden):
            target = np.array([number_of.get(gloss, 0) for gloss in row.glosses.split()], np.int64)
            try:
                times = spans(row.clip) if spans is not None and row.clip in trained else None
                prepared[row.clip] = form.sentence(
                    self.source.read(row.clip),
                    self.aspects[row.clip],
                    self.rates[row.clip],
                    target,
                    times,
                )
            except ClipError as error:
                unusable[row.clip] = why(self.source, row.clip, error)
        fitted = {name: item for name, item in prepared.items() if name in trained}
        frames = [-(-len(item) // ctc.stride) for item in fitted.values()]
        check_lengths(frames, [item.target.tolist() for item in fitted.values()], list(fitted))
        data = sentences.SentenceDataset(list(prepared.values()), repeats, form.late)
        return Clips(data, list(prepared), unusable)

    @property
    def form(self) -> SentenceClips:
        """What makes sentences of these clips."""
        reduction = (lambda: self.reduction) if self.settings.ctc.reduce else None
        return SentenceClips(self.settings, self.skeleton, reduction, self.rate)

    @cached_property
    def rate(self) -> float:
        """Frames a second that the network learns: those of most training clips."""
        return usual_rate(self.splits.train)

    @property
    def described(self) -> dict[str, Any]:
        return {"fps": self.rate, **super().described}

    @cached_property
    def reduction(self) -> reduce.Reduction:
        """Principal components of the training clips' features."""
        form, ctc, names = self.form, self.settings.ctc, self.splits.train["clip"]
        clips = (
            (name, form.dynamics(self.source.read(name), self.aspects[name], self.rates[name]))
            for name in tqdm(names, "reduction", leave=False)
        )
        return reduce.fit_reduction(clips, ctc.reduce, ctc.whiten, seed=self.settings.seed)

    def begin(self, folder: Path) -> None:
        """Keep the reduction; a run that is resumed must have the clips that it was started on."""
        path = folder / REDUCTION
        if not self.settings.ctc.reduce:
            return
        if path.is_file():
            reduce.Reduction.load(path).check_clips(self.reduction, path)
        self.reduction.save(path)

    def decoders(self, run: Run, model: SentenceModel, quiet: bool) -> Decoders:
        """The decoders, kept for prediction, and so are the principal components."""
        self.begin(run.path)
        return super().decoders(run, model, quiet)

    @classmethod
    def predict(
        cls,
        recogniser: Recogniser[SentenceExperiment, SentenceModel],
        clips: Sequence[str | Path],
        split: str = "",
        top: int = 5,
        tower: str = "",
    ) -> pd.DataFrame:
        """The sentences of clips, one row a `SentenceReading`."""
        settings, run, ctc = recogniser.settings, recogniser.run, recogniser.settings.ctc
        vocabulary, kept = recogniser.vocabulary, run.path / REDUCTION
        # Runs that were made before they kept a rate have learned each clip at its own.
        rate = load_model_facts(run).get("fps", 0.0)

        @cache
        def task() -> SentenceTask:
            # Asked only for runs that were made before n-grams and reduction were kept.
            opened = cls(settings)
            opened.rate = rate
            return opened

        def trained() -> list[list[str]]:
            return [text.split() for text in task().splits.train["glosses"]]

        @cache
        def reduction() -> reduce.Reduction:
            return reduce.Reduction.load(kept) if kept.is_file() else task().reduction

        reader = SentenceReader(
            decoders_of(run, ctc, vocabulary, trained), vocabulary, ctc.stride, top
        )
        form = SentenceClips(settings, recogniser.skeleton, reduction if ctc.reduce else None, rate)
        sources, problems = cls.sources(recogniser, clips, split)
        readings: list[SentenceReading] = []
        for source in sources:
            told, unusable = _read_source(recogniser.model, source, form, reader)
            readings += told
            problems |= unusable
        readings += [SentenceReading(clip, problem=why) for clip, why in problems.items()]
        return table_of(readings, SentenceReading)

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


def _read_source(
    model: SentenceModel, source: ClipSource, form: SentenceClips, reader: SentenceReader
) -> tuple[list[SentenceReading], dict[str, str]]:
    # What is read in each clip, and why clips cannot be used.
    rows: list[Any] = []
    prepared: list[sentences.Sentence] = []
    read_at: list[float] = []
    unusable: dict[str, str] = {}
    rates = rates_of(source.labelled)
    for row, fps in zip(source.labelled.itertuples(), rates, strict=True):
        aspect = row.width / row.height if row.height > 0 else np.nan
        try:
            points, nothing = source.read(row.clip), np.zeros(0, np.int64)
            prepared.append(form.sentence(points, aspect, fps, nothing))
            rows.append(row)
            read_at.append(form.rate_of(fps))
        except ClipError as error:
            unusable[row.clip] = why(source, row.clip, error)
    if not prepared:
        return [], unusable
    data = sentences.SentenceDataset(prepared, late=form.late)
    emissions, notes = emissions_of(model, data, form.settings), rate_notes(source)
    broken = [row.clip for row, each in zip(rows, emissions, strict=True) if not are_numbers(each)]
    unusable |= dict.fromkeys(broken, NO_NUMBERS)
    return [
        reader.read(
            row.clip,
            scores,
            frames=len(sentence),
            fps=fps,
            glosses=getattr(row, "glosses", ""),
            note=notes.get(row.clip, ""),
        )
        for row, sentence, fps, scores in zip(rows, prepared, read_at, emissions, strict=True)
        if row.clip not in unusable
    ], unusable


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
    if ctc.network != "compact":
        options["normed"] = ctc.normed
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
            limit=ctc.seq_len_limit,
            rank=ctc.rank,
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
