"""Single signs without a network: support vectors, or the nearest training clip."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from signlib.data.vocabulary import Vocabulary
from signlib.errors import InputError
from signlib.evaluation.neighbours import flatten
from signlib.models.baseline import ClipReader, NearestClip, VectorMachine
from signlib.models.phonology import FEATURES
from signlib.settings.baseline import BaselineExperiment
from signlib.settings.phonology import PhonologyExperiment
from signlib.stores.store import ClipSource
from signlib.tasks.landmarks import LandmarkReader
from signlib.tasks.phonology import phonology_clips
from signlib.tasks.task import Facts, Inputs
from signlib.training import fit
from signlib.training.baseline import VectorDataset, fit_reader
from signlib.training.batches import Batch, ClipData, Clips, Prepared, prepare_clips

METHODS: dict[str, type[ClipReader]] = {"svm": VectorMachine, "neighbour": NearestClip}
# `baseline.method` -> what a run says of it.
WORDS = {
    "svm": "support vector machine, RBF kernel, C = 1, untuned",
    "neighbour": "1-nearest neighbour",
}
# More training clips than these are no count of clips, whatever a file says.
_MOST = 10**7


class BaselineTask(LandmarkReader[BaselineExperiment, ClipReader]):
    """Single signs without a network."""

    refusals: ClassVar[Mapping[str, str]] = {
        "estimate": "nothing is learned in steps that could be counted; it takes seconds to train",
        "warm start": "has no weights that another run could start",
        "search": "nothing of a baseline is selected on validation clips; it is untuned",
    }
    dataset: ClassVar[type[ClipData]] = VectorDataset
    parts: ClassVar[Mapping[str, str]] = {}
    in_steps = False

    @classmethod
    def read(
        cls,
        source: ClipSource,
        clips: Sequence[str],
        settings: BaselineExperiment,
        quiet: bool = False,
    ) -> Prepared:
        if settings.baseline.reads == "phonology":
            # They are made by two sections that both tasks have.
            prepared = phonology_clips(source, clips, cast(PhonologyExperiment, settings), quiet)
        else:
            prepared = prepare_clips(source, clips, settings.features, quiet)
        frames = settings.features.frames
        vectors = [flatten(points, frames).astype(np.float32) for points in prepared.points]
        return replace(prepared, points=vectors)

    @property
    def described(self) -> dict[str, Any]:
        # How many clips of each gloss there are: a reader keeps them.
        counts = Counter(self.glosses(self.splits.train))
        return super().described | {"counts": [counts[gloss] for gloss in self.vocabulary.glosses]}

    @classmethod
    def inputs_of(cls, facts: Facts) -> Inputs:
        counts = facts.get("counts", [])
        whole = isinstance(counts, list) and all(type(count) is int for count in counts)
        InputError.raise_if(
            not whole or min(counts, default=0) < 0 or sum(counts) > _MOST,
            f"counts {str(counts)[:60]}: a baseline keeps 0 to {_MOST:,} training clips; train the"
            " run again",
        )
        return replace(super().inputs_of(facts), counts=tuple(counts))

    @classmethod
    def network(cls, settings: BaselineExperiment, inputs: Inputs, classes: int) -> ClipReader:
        numbers = FEATURES
        if settings.baseline.reads == "landmarks":
            joints = len(inputs.skeleton.select(settings.features.joints))
            numbers = joints * settings.features.coordinates
        clips = sum(inputs.counts or ())
        method = METHODS[settings.baseline.method]
        return method(clips, settings.features.frames * numbers, classes)

    @classmethod
    def example(
        cls, settings: BaselineExperiment, inputs: Inputs, classes: int, clips: int
    ) -> Batch:
        numbers = cls.network(settings, inputs, classes).rows.shape[1]
        return {
            "vectors": torch.randn(clips, numbers),
            "target": torch.randint(classes, (clips,)),
        }

    @property
    def augment(self) -> Callable[[Batch], Batch]:
        return lambda batch: batch

    def learn(
        self,
        model: ClipReader,
        train: Clips,
        val: Clips | None,
        weights: Tensor | None,
        teacher: nn.Module | None,
        folder: Path,
        resume: bool,
        quiet: bool,
    ) -> fit.Fitted:
        start = perf_counter()
        vectors, targets = zip(*train.data.items, strict=True)
        chosen = self.settings.baseline
        fit_reader(model, np.stack(vectors), np.array(targets), chosen.standardise)
        return fit.Fitted(
            complete=True,
            chosen=f"{WORDS[chosen.method]}; nothing was selected",
            epochs=0,
            steps=0,
            seconds=perf_counter() - start,
            device="cpu",
            precision="64",
            history=[],
        )

    def test_scores(
        self, model: ClipReader, test: Clips, quiet: bool
    ) -> tuple[np.ndarray, Vocabulary]:
        """Log-shares (N, K) of the test clips: an order of the classes, no probabilities."""
        return _log_shares(model, test.data).astype(np.float32), self.vocabulary

    @classmethod
    def shares(cls, recogniser: Any, data: ClipData) -> np.ndarray:
        return np.exp(_log_shares(recogniser.model, data))


@torch.no_grad()
def _log_shares(model: ClipReader, data: ClipData, batch: int = 64) -> np.ndarray:
    # As they are: no softened floor, so that the order of unlikely classes stays.
    parts = [data.items[start : start + batch] for start in range(0, len(data.items), batch)]
    return torch.cat([model(data.collate(part)).log_softmax(1) for part in parts]).numpy()
