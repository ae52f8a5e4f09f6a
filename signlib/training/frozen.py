"""Frozen features and landmarks of clips to padded batches; nothing is encoded any more."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from signlib.features.normalise import masked
from signlib.models.layers import real_frames
from signlib.training import batches
from signlib.training.batches import Batch, ClipData, Targets, padded

# `target`, and `features` or `points` with `mask`.
FrozenItem = dict[str, Any]


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
        batch["features"] = padded([item["features"] for item in items]).float()
        batch["shown"] = real_frames(lengths, int(lengths.max()))
    batch["target"] = torch.tensor([item["target"] for item in items])
    return batch


class FrozenDataset(ClipData[FrozenItem]):
    """Clips with features, landmarks or both; the same item on every call.

    Args:
        targets: (N,) class numbers.
        features: N arrays (T, D), or None.
        points: N arrays (T', J, C) with NaN for missing points, or None.
        repeats: how often a pass goes through all of them.
    """

    collate = staticmethod(collate)

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
