"""Frozen features and landmarks of clips to padded batches; nothing is encoded or decoded any more."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from signlib.features.normalise import masked
from signlib.training import batches
from signlib.training.augment import Augment
from signlib.training.batches import Batch


class FrozenDataset(Dataset):
    """Clips with features, landmarks or both; the same item on every call.

    Args:
        targets: (N,) class numbers.
        features: N arrays (T, D), or None.
        points: N arrays (T', J, C) with NaN for missing points, or None.
        repeats: how often a pass goes through all of them.
    """

    def __init__(
        self,
        targets: Sequence[int],
        features: Sequence[np.ndarray] | None,
        points: Sequence[np.ndarray] | None,
        repeats: int = 1,
    ) -> None:
        self.targets, self.features, self.repeats = np.asarray(targets), features, repeats
        self.points = None if points is None else [masked(clip) for clip in points]

    @staticmethod
    def collate(items: Sequence[dict[str, Any]]) -> Batch:
        """Items to one batch."""
        return collate(items)

    def __len__(self) -> int:
        return len(self.targets) * self.repeats

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)  # ends `for item in dataset`
        n = index % len(self.targets)
        item: dict[str, Any] = {"target": int(self.targets[n])}
        if self.features is not None:
            item["features"] = self.features[n]
        if self.points is not None:
            item["points"], item["mask"] = self.points[n]
        return item


def collate(items: Sequence[dict[str, Any]]) -> Batch:
    """Items to one batch, padded with zeros that are masked out.

    Returns:
        target (B,); features (B, T, D) and shown (B, T) bool, and points (B, T', J, C), mask (B,
            T', J) and lengths
        (B,), where the items have them.
    """
    batch: Batch = {}
    if "points" in items[0]:
        batch = batches.collate([(item["points"], item["mask"], item["target"]) for item in items])
    if "features" in items[0]:
        lengths = torch.tensor([len(item["features"]) for item in items])
        features = np.zeros(
            (len(items), int(lengths.max()), items[0]["features"].shape[1]), np.float32
        )
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
