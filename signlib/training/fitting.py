"""What fitting has in common, whatever the loss: averaged weights, history, selection, resume."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from signlib.settings.base import Settings
from signlib.training.batches import Batch
from signlib.training.optim import Average, make_optimizer, parameter_groups, schedule_of


class Fitting(lightning.LightningModule):
    """Fits a model; a subclass says what one step computes.

    Args:
        model: the network.
        settings: of the experiment.
        augment: the change of training batches.
        class_weights: (K,) factors on the loss, or None.
        teacher: a trained model of the same classes and inputs whose scores are learned as well, or
            None.

    Validation and the end result use the averaged weights where `training.average` > 0.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        model: nn.Module,
        settings: Settings,
        augment: Callable[[Batch], Batch],
        class_weights: Tensor | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__()
        # In a tuple the teacher is no part of this module: neither saved nor fitted.
        self._teacher: tuple[nn.Module, ...] = (
            () if teacher is None else (teacher.eval().requires_grad_(False),)
        )
        self.model = model
        self.settings = settings
        self.augment = augment
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.average: Average | None = None
        self.best: dict[str, Any] = {}
        self.history: list[dict[str, float]] = []
        self._live: dict[str, Tensor] = {}
        self._seen: list[Tensor] = []
        self._losses: list[Tensor] = []
        # What the history tells beside the loss; a subclass names it.
        self._parts: dict[str, list[Tensor]] = {}

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
        # An epoch's randomness depends on random seed, epoch and device alone, so a resumed run
        # repeats it exactly.
        torch.manual_seed(
            self.settings.seed * 1_000_003 + self.current_epoch + (self.global_rank << 53)
        )

    def counted(self, loss: Tensor, index: int, **parts: Tensor) -> Tensor:
        """The loss, noted for the history; times 0 for a batch that only keeps devices in step.

        Args:
            parts: what else is noted, by the names of `_parts`.
        """
        if not counts(self.trainer.train_dataloader, index):
            return 0 * loss
        self._losses.append(loss.detach())
        for name, part in parts.items():
            self._parts[name].append(part.detach())
        return loss

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
        self.history.append(row | {name: self._mean(part) for name, part in self._parts.items()})

    def on_validation_epoch_start(self) -> None:
        if self.average is not None:
            self._live = _copy_of_state(self.model)
            self.model.load_state_dict(self.average.state)

    def _mean(self, values: list[Tensor]) -> float:
        # The mean of the numbers that all devices have kept, which are then forgotten.
        flat = [value.flatten() for value in values]
        here = torch.cat(flat or [torch.zeros(0, device=self.device)]).double()
        values.clear()
        # Sums and counts are added up: devices may have kept unequally many.
        total = self.trainer.strategy.reduce(
            torch.stack([here.sum(), here.new_tensor(len(here))]), reduce_op="sum"
        )
        return float(total[0] / total[1])

    def on_validation_epoch_end(self) -> None:
        accuracy = 100 * self._mean(self._seen)
        if not self.trainer.sanity_checking:
            self.log("validation_accuracy", accuracy, sync_dist=True)
            self.best["validated"] = accuracy
            if accuracy > self.best.get("accuracy", -1.0):
                self._select(accuracy=accuracy)
        self._restore_live()

    def _select(self, **reason: float) -> None:
        # Keep the present weights as the best ones.
        self.best |= {**reason, "step": self.global_step, "state": _copy_of_state(self.model)}

    def _restore_live(self) -> None:
        # Fitting resumes with the weights from before validation, not with their average.
        if self._live:
            self.model.load_state_dict(self._live)
            self._live = {}

    def rate_schedule(self, steps: int) -> Callable[[int], float]:
        """Step -> factor on the learning rate."""
        return schedule_of(self.settings.training, steps)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        training = self.settings.training
        groups = parameter_groups(
            self.model, training.learning_rate, training.weight_decay, training.rates
        )
        optimizer = make_optimizer(groups, training)
        factor = self.rate_schedule(int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
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
        """Put the chosen weights into the model, and say which.

        The best ones on validation are chosen; without validation the last ones.
        """
        if "state" in self.best:
            self.model.load_state_dict(self.best["state"])
            accuracy, step = self.best["accuracy"], self.best["step"]
            return f"best validation accuracy ({accuracy:.1f} % at step {step})"
        if self.average is not None:
            self.model.load_state_dict(self.average.state)
            return "last step, averaged weights; nothing was selected"
        return "last step; nothing was selected"


def counts(loader: Any, index: int) -> bool:
    """False for a batch that only keeps several devices in step.

    Args:
        loader: a `DataLoader` over `DealtBatches`; Lightning gives its loaders no type.
        index: of the batch on this device.
    """
    return loader.batch_sampler.counts(index)


def _copy_of_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
