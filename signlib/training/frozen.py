"""Frozen features and landmarks of clips to padded batches; nothing is encoded any more."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from signlib.features.normalise import masked
from signlib.training import batches
from signlib.training.augment import Augment
from signlib.training.batches import Batch, ClipData, Targets

# `target`, and `features` or `points` with `mask`.
FrozenItem = dict[str, Any]


class FrozenDataset(ClipData[FrozenItem]):
    """Clips with features, landmarks or both; the same item on every call.

    Args:
        targets: (N,) class numbers.
        features: N arrays (T, D), or None.
        points: N arrays (T', J, C) with NaN for missing points, or None.
        repeats: how often a pass goes through all of them.
    """

    def __init__(
        self,
        targets: Targets,
        features: Sequence[np.ndarray] | None,
        points: Sequence[np.ndarray] | None,
        repeats: int = 1,
    ) -> None:
        items: list[FrozenItem] = [{"target": int(target)} for target in targets]
        for clip, item in enumerate(items):
            if features is not None:
                item["features"] = features[clip]
            if points is not None:
                item["points"], item["mask"] = masked(points[clip])
        super().__init__(items, targets, repeats)

    @staticmethod
    def collate(items: Sequence[FrozenItem]) -> Batch:
        # Items to one batch.
        return collate(items)


def collate(items: Sequence[FrozenItem]) -> Batch:
    """Items to one batch, padded with zeros that are masked out.

    Returns:
        target (B,). Where the items have them: features (B, T, D) with shown (B, T) bool, and
        points (B, T', J, C) with mask (B, T', J) and lengths (B,).
    """
    batch: Batch = {}
    if "points" in items[0]:
        batch = batches.collate([(item["points"], item["mask"], item["target"]) for item in items])
    if "features" in items[0]:
        lengths = torch.tensor([len(item["features"]) for item in items])
        shape = (len(items), int(lengths.max()), items[0]["features"].shape[1])
        features = np.zeros(shape, np.float32)
        for row, item in zip(features, items, strict=True):
            row[: len(item["features"])] = item["features"]
        batch["features"] = torch.from_numpy(features)
        batch["shown"] = torch.arange(features.shape[1]) < lengths[:, None]
    batch["target"] = torch.tensor([item["target"] for item in items])
    return batch


class FrozenAugment:
    """Augmentation of the landmarks of a batch, where it has some; what a tower saw stays as it is.

    Args:
        augment: of landmarks.
    """

    def __init__(self, augment: Augment) -> None:
        self.augment = augment

    def __call__(self, batch: Batch) -> Batch:
        """The batch with points and mask changed."""
        return self.augment(batch) if "points" in batch else batch
