"""Sentences to padded batches.

A batch holds `points` with `mask`, or `features` with `present`; `lengths`; `targets` (B, U) padded
with 0 and `sizes` (B,); and `spans` (B, U, 2): first and past-last frame of each sign where the
corpus tells them, else -1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from signlib.features.normalise import masked
from signlib.training.batches import Batch, ClipData, Targets


@dataclass
class Sentence:
    """One clip ready for batches.

    Attributes:
        frames: `points` and `mask`, or `features` and `present`: arrays with time first.
        target: (U,) class numbers, none of them 0.
        spans: (U, 2) first and past-last frame of each sign, or None.
    """

    frames: dict[str, np.ndarray]
    target: np.ndarray
    spans: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.frames.values())))


def landmark_sentence(
    points: np.ndarray, target: Targets, spans: np.ndarray | None = None
) -> Sentence:
    """A sentence of landmarks (T, J, C), NaN = missing."""
    seen, mask = masked(points)
    return Sentence({"points": seen, "mask": mask}, np.asarray(target, np.int64), spans)


class SentenceDataset(ClipData[Sentence]):
    """Sentences in a row.

    Args:
        sentences: N of them.
        repeats: how often a pass goes through all of them.
        late: what is done to one when it is asked for, or None.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        repeats: int = 1,
        late: Callable[[Sentence], Sentence] | None = None,
    ) -> None:
        super().__init__(sentences, repeats=repeats)
        self.late = late

    def item(self, clip: int) -> Sentence:
        # Sentence number `clip`.
        sentence = self.items[clip]
        return sentence if self.late is None else self.late(sentence)

    @staticmethod
    def collate(items: Sequence[Sentence]) -> Batch:
        # Sentences to one batch.
        return collate_sentences(items)


def collate_sentences(items: Sequence[Sentence]) -> Batch:
    """Sentences to one batch, padded with zeros that count as not seen."""
    lengths = torch.tensor([len(item) for item in items])
    sizes = torch.tensor([len(item.target) for item in items])
    batch = {"lengths": lengths, "sizes": sizes}
    for key, first in items[0].frames.items():
        kind = torch.from_numpy(first[:0]).dtype
        batch[key] = torch.zeros(len(items), int(lengths.max()), *first.shape[1:], dtype=kind)
        for row, item in enumerate(items):
            batch[key][row, : len(item)] = torch.from_numpy(item.frames[key])
    batch["targets"] = torch.zeros(len(items), max(1, int(sizes.max())), dtype=torch.long)
    batch["spans"] = torch.full((*batch["targets"].shape, 2), -1)
    for row, item in enumerate(items):
        batch["targets"][row, : len(item.target)] = torch.from_numpy(item.target)
        if item.spans is not None:
            batch["spans"][row, : len(item.target)] = torch.from_numpy(
                np.asarray(item.spans, np.int64)
            )
    return batch
