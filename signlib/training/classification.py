"""What one step of isolated recognition computes: augmented batch, scores, loss, validation
accuracy.
"""

from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from signlib.settings.config import Settings
from signlib.training.augment import mixup
from signlib.training.augment_video import mirror_batch
from signlib.training.batches import Batch, resample
from signlib.training.devices import choose_device
from signlib.training.losses import distilled
from signlib.training.optim import Average, make_optimizer, parameter_groups, schedule_of


class ClassificationFitting(lightning.LightningModule):
    """Fits a model to the glosses of clips.

    Args:
        model: batch -> (B, K) scores.
        settings: of the experiment.
        augment: the change of training batches.
        class_weights: (K,) factors on the loss, or None.
        teacher: a trained model of the same classes and inputs whose scores are learned as well, or
            None.

    Validation and the end result use the averaged weights where `training.average` > 0.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: Settings,
        augment: Callable[[Batch], Batch],
        class_weights: Tensor | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__()
        # In a tuple the teacher is no part of the task: neither saved nor fitted.
        self._teacher = () if teacher is None else (teacher.eval().requires_grad_(False),)
        self.model, self.settings, self.augment = model, settings, augment
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.average: Average | None = None
        self.best: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []
        self._live: dict[str, Tensor] = {}
        self._seen: list[Tensor] = []
        self._losses: list[Tensor] = []

    def on_fit_start(self) -> None:
        decay = self.settings.training.average
        if decay and self.average is None:
            self.average = Average(self.model, decay)
        for teacher in self._teacher:
            teacher.to(self.device)
        if self.average is not None:
            # A checkpoint is read to the CPU.
            self.average.state = {
                name: value.to(self.device) for name, value in self.average.state.items()
            }

    def on_train_epoch_start(self) -> None:
        # An epoch's randomness depends on seed, epoch and device alone, so a resumed run repeats it
        # exactly.
        torch.manual_seed(
            self.settings.seed * 1_000_003 + self.current_epoch + (self.global_rank << 53)
        )

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
                wanted = teacher(batch)
            loss = distilled(
                loss, scores, wanted, training.teacher_temperature, training.teacher_weight
            )
        loss = loss + self._auxiliary(targets)
        if not self.trainer.train_dataloader.batch_sampler.counts(index):
            return 0 * loss
        self._losses.append(loss.detach())
        return loss

    def _auxiliary(self, targets: Tensor) -> Tensor | float:
        """The network's own loss, weighed; `infogcn` has its weights inside."""
        gcn = self.settings.gcn
        if not gcn.variant:
            return 0.0
        return self.model.auxiliary_loss(targets) * (
            gcn.ib_loss_weight if gcn.head == "seed" else 1.0
        )

    def on_train_batch_end(self, *_: Any) -> None:
        # With accumulation not every batch ends with a step.
        if self.average is not None and self.global_step > self.average.updates:
            self.average.update(self.model)

    def on_train_epoch_end(self) -> None:
        row = {
            "epoch": self.current_epoch + 1,
            "step": self.global_step,
            "loss": self._mean(self._losses),
        }
        if "validated" in self.best:
            row["validation_accuracy"] = self.best.pop("validated")
        self.history.append(row)

    def on_validation_epoch_start(self) -> None:
        if self.average is not None:
            self._live = {
                name: value.detach().clone() for name, value in self.model.state_dict().items()
            }
            self.model.load_state_dict(self.average.state)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Which clips of the batch are recognised."""
        scores = self.model(resample(batch, self.settings.features.frames))
        if self.trainer.val_dataloaders.batch_sampler.counts(index):
            self._seen.append(scores.argmax(dim=1) == batch["target"])

    def _mean(self, values: list[Tensor]) -> float:
        """The mean of the numbers that all devices have kept, which are then forgotten."""
        own = torch.cat(
            [value.flatten() for value in values] or [torch.zeros(0, device=self.device)]
        ).double()
        values.clear()
        total = self.trainer.strategy.reduce(
            torch.stack([own.sum(), own.new_tensor(len(own))]), reduce_op="sum"
        )
        return float(total[0] / total[1])

    def on_validation_epoch_end(self) -> None:
        accuracy = 100 * self._mean(self._seen)
        if not self.trainer.sanity_checking:
            self.log("validation_accuracy", accuracy, sync_dist=True)
            self.best["validated"] = accuracy
            if accuracy > self.best.get("accuracy", -1.0):
                state = {
                    name: value.detach().clone() for name, value in self.model.state_dict().items()
                }
                self.best |= {"accuracy": accuracy, "step": self.global_step, "state": state}
        if self._live:
            self.model.load_state_dict(self._live)
            self._live = {}

    def configure_optimizers(self) -> dict[str, Any]:
        training = self.settings.training
        groups = parameter_groups(
            self.model, training.learning_rate, training.weight_decay, training.rates
        )
        optimizer = make_optimizer(groups, training)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule_of(training, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["best"], checkpoint["history"] = self.best, self.history
        if self.average is not None:
            checkpoint["average"] = {"state": self.average.state, "updates": self.average.updates}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.best, self.history = checkpoint["best"], checkpoint["history"]
        if "average" in checkpoint:
            self.average = Average(self.model, self.settings.training.average)
            self.average.state = checkpoint["average"]["state"]
            self.average.updates = checkpoint["average"]["updates"]

    def load_result(self) -> str:
        """Put the chosen weights into the model, and say which: best on validation, else the last
        ones.
        """
        if "state" in self.best:
            self.model.load_state_dict(self.best["state"])
            return (
                f"best validation accuracy ({self.best['accuracy']:.1f} % at step"
                f" {self.best['step']})"
            )
        if self.average is not None:
            self.model.load_state_dict(self.average.state)
            return "last step, averaged weights; nothing was selected"
        return "last step; nothing was selected"


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


def class_weights(counts: Tensor) -> Tensor:
    """N / (K n_k): (K,) weights under which every class counts the same; empty classes get 0."""
    weights = counts.sum() / (len(counts) * counts.clamp(min=1))
    return torch.where(counts > 0, weights, 0.0).float()


@torch.no_grad()
def log_probabilities(
    model: nn.Module, batches: Any, settings: Settings, mirror: list[int], device: torch.device
) -> Tensor:
    """(N, K) log-probabilities of all batches; averaged over both mirror images when the settings
    say so.
    """
    model.eval()
    out = []
    for batch in batches:
        batch = {key: value.to(device) for key, value in batch.items()}
        batch = resample(batch, settings.features.frames)
        probability = model(batch).float().softmax(dim=-1)
        if settings.training.mirror_at_test:
            flipped = mirror_batch(
                batch, torch.ones(len(probability), dtype=torch.bool, device=device), mirror
            )
            probability = (probability + model(flipped).float().softmax(dim=-1)) / 2
        out.append(probability.clamp(min=1e-12).log().cpu())
    return torch.cat(out)


def score(model: nn.Module, data: Dataset, settings: Settings, mirror: Sequence[int]) -> np.ndarray:
    """(N, K) log-probabilities of the clips of a dataset; `mirror`: for each joint, its mirror
    image.
    """
    accelerator, _ = choose_device(settings.training)
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    loader = DataLoader(data, batch_size=settings.training.batch_size, collate_fn=data.collate)
    return log_probabilities(model.to(device), loader, settings, list(mirror), device).numpy()
