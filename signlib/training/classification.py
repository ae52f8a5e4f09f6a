"""What one step of isolated recognition computes: scores of augmented clips, loss, accuracy."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from signlib.models.network import Classifier
from signlib.settings.base import Settings
from signlib.training.augment import mixup
from signlib.training.augment_video import mirror_batch
from signlib.training.batches import Batch, ClipData, resample
from signlib.training.devices import choose_device
from signlib.training.fitting import Fitting, counts
from signlib.training.losses import distilled


class ClassificationFitting(Fitting):
    """Fits a model to the glosses of clips; arguments as for `Fitting`."""

    model: Classifier

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one augmented batch."""
        augment, training = self.settings.augment, self.settings.training
        # Half precision is for the network: it would round the points.
        with torch.autocast(self.device.type, enabled=False):
            batch = self.augment(
                resample(batch, self.settings.features.frames, augment.warp, augment.crop)
            )
        targets = functional.one_hot(batch["target"], self.model.classes).float()
        if augment.mixup:
            batch, targets = mixup(batch, targets, augment.mixup)
        scores = self.model(batch)
        loss = soft_cross_entropy(scores, targets, training.label_smoothing, self.class_weights)
        for teacher in self._teacher:
            with torch.no_grad():
                taught = teacher(batch)
            loss = distilled(
                loss,
                scores,
                taught,
                temperature=training.teacher_temperature,
                weight=training.teacher_weight,
            )
        return self.counted(loss + self.auxiliary_loss(targets), index)

    def auxiliary_loss(self, targets: Tensor) -> Tensor | float:
        """What the network adds to the loss, for targets (B, K); most networks add nothing."""
        return 0.0

    def validation_step(self, batch: Batch, index: int) -> None:
        """Which clips of the batch are recognised."""
        scores = self.model(resample(batch, self.settings.features.frames))
        if counts(self.trainer.val_dataloaders, index):
            self._seen.append(scores.argmax(dim=1) == batch["target"])


def soft_cross_entropy(
    scores: Tensor, targets: Tensor, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy with soft targets, the weighted mean over the batch.

    Args:
        scores: (B, K).
        targets: (B, K), rows that sum to 1.
        smoothing: share spread evenly over all classes.
        class_weights: (K,) factors; a clip's weight is its targets' mean factor, as torch does for
            hard ones.
    """
    loss = functional.cross_entropy(
        scores, targets, weight=class_weights, label_smoothing=smoothing, reduction="sum"
    )
    total = targets.sum() if class_weights is None else (targets * class_weights).sum()
    return loss / total


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """The plain loss of a batch with `target` (B,)."""
    scores = model(batch)
    return soft_cross_entropy(scores, functional.one_hot(batch["target"], scores.shape[1]).float())


def class_weights(counts: Tensor) -> Tensor:
    """N / (K n_k): (K,) weights under which every class counts the same; empty classes get 0."""
    weights = counts.sum() / (len(counts) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, 0.0).float()


@torch.no_grad()
def log_probabilities(
    model: nn.Module,
    batches: Iterable[Batch],
    settings: Settings,
    mirror: Sequence[int],
    device: torch.device,
) -> Tensor:
    """(N, K) log-probabilities of all batches.

    They are averaged over both mirror images where `training.mirror_at_test` says so.

    Args:
        mirror: for each joint, its mirror image.
    """
    model.eval()
    out = []
    for batch in batches:
        moved = {key: value.to(device) for key, value in batch.items()}
        batch = resample(moved, settings.features.frames)
        probability = model(batch).float().softmax(dim=-1)
        if settings.training.mirror_at_test:
            all_clips = torch.ones(len(probability), dtype=torch.bool, device=device)
            flipped = mirror_batch(batch, all_clips, mirror)
            probability = (probability + model(flipped).float().softmax(dim=-1)) / 2
        out.append(probability.clamp(min=1e-12).log().cpu())
    return torch.cat(out)


def score(
    model: nn.Module, data: ClipData, settings: Settings, mirror: Sequence[int]
) -> np.ndarray:
    """(N, K) log-probabilities of the clips of a dataset.

    Args:
        mirror: for each joint, its mirror image.
    """
    device = torch.device("cuda" if choose_device(settings.training)[0] == "gpu" else "cpu")
    loader = DataLoader(data, batch_size=settings.training.batch_size, collate_fn=data.collate)
    return log_probabilities(model.to(device), loader, settings, mirror, device).numpy()
