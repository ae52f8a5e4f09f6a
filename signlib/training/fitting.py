"""What fitting has in common, whatever the loss: averaged weights, history, selection, resume.

And what the trainer does between epochs: stop early, save, show progress, keep to a time budget.
"""

import math
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from tqdm.auto import tqdm

from signlib.data.origins import alike
from signlib.errors import Diverged, RunError
from signlib.files import disk_error
from signlib.settings.base import Settings
from signlib.training.batches import Batch, not_finite
from signlib.training.optim import (
    Average,
    make_optimizer,
    parameter_groups,
    schedule_of,
    warmup_steps,
)

CHECKPOINT = "last.ckpt"
# N clips, and (N, K, 2) what tells each of them from another one of its name.
Marked = tuple[list[str], Tensor]


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
        # Of each part of the data.
        self.clips: dict[str, Marked] = {}
        self._live: dict[str, Tensor] = {}
        # The loss of this step, and its batch, to be looked at when that is no number.
        self._loss: Callable[[], float] = float
        self._batch: Batch = {}
        self._seen: list[Tensor] = []
        self._losses: list[Tensor] = []
        # What the history tells beside the loss; a subclass names it.
        self._parts: dict[str, list[Tensor]] = {}

    def on_fit_start(self) -> None:
        if self.settings.training.average and self.average is None:
            self.average = Average(self.model, self.settings.training.average)
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
            # 0 times infinity is no number, and would end the run. Looked at once an epoch.
            return 0 * loss if loss.isfinite() else self.nothing()
        self._losses.append(loss.detach())
        for name, part in parts.items():
            self._parts[name].append(part.detach())
        return loss

    def nothing(self) -> Tensor:
        """A loss of 0 in which all weights take part, as processes that learn together need it."""
        zero = torch.zeros((), device=self.device)
        # 0 times a weight that is no number is none either.
        return sum((torch.nan_to_num(p * 0).sum() for p in self.model.parameters()), start=zero)

    def on_train_batch_start(self, batch: Batch, _: int) -> None:
        self._batch = batch

    def on_before_backward(self, loss: Tensor) -> None:
        """A loss that is no number ends the run before it spoils the weights.

        Raises:
            Diverged: with the step, what went first, and what to do.
        """
        self._loss = fetched(loss)
        if not runs_apart(loss):
            self._check_loss()

    def on_after_backward(self) -> None:
        """On a GPU the loss is looked at here, as late as it can be: before the optimiser's step.

        The GPU has its backward pass to do while the program waits for the loss.
        """
        self._check_loss()

    def _check_loss(self) -> None:
        loss = self._loss()
        if not math.isfinite(loss):
            raise Diverged(
                f"run {self.trainer.default_root_dir}: the loss became {loss} in epoch"
                f" {self.current_epoch + 1}, step {self.global_step + 1}: {self.first_broken()}"
            )

    def first_broken(self) -> str:
        """What of this step is not finite: inputs, weights or only the loss; and what to do."""
        training = self.settings.training
        loader: Any = self.trainer.train_dataloader
        inputs = not_finite(self._batch)
        if inputs:
            clips = ", ".join(loader.dataset.broken()) or "no clip by itself"
            return (
                f"its inputs went first ({', '.join(inputs)} of clips {clips}); mend these clips"
                " or leave them out"
            )
        advice = (
            f"lower training.learning_rate (now {training.learning_rate}), raise training.warmup,"
            " or set training.clip_norm"
        )
        for name, value in self.model.named_parameters():
            if not value.isfinite().all():
                return f"the gradients of the step before went first ({name} is spoilt); {advice}"
        return (
            f"inputs and weights are finite, the scores went first; {advice} or"
            " training.precision=32"
        )

    def on_train_batch_end(self, *_: Any) -> None:
        self._batch = {}
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
        checkpoint["clips"] = self.clips
        if self.average is not None:
            checkpoint["average"] = {"state": self.average.state, "updates": self.average.updates}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Checkpoints of earlier versions do not know their clips.
        if "clips" in checkpoint:
            self._check_clips(checkpoint["clips"])
        self.best, self.history = checkpoint["best"], checkpoint["history"]
        if "average" in checkpoint:
            self.average = Average(self.model, self.settings.training.average)
            self.average.state = checkpoint["average"]["state"]
            self.average.updates = checkpoint["average"]["updates"]

    def _check_clips(self, before: dict[str, Marked]) -> None:
        # Refuse to go on with other clips than those that the run was started on.
        nothing: Marked = ([], torch.empty(0))
        for part in before | self.clips:
            other = other_clips(before.get(part, nothing), self.clips.get(part, nothing))
            if other:
                raise RunError(
                    f"run {self.trainer.default_root_dir}: {len(other)} {part} clips are no longer"
                    f" those that it was started on (first {other[0][:80]!r}): their store, files"
                    " or labels have changed; start another run (--run-name), or put them back"
                )

    @property
    def selected(self) -> dict[str, float]:
        """By what the weights were chosen, with its value; {} where nothing was selected."""
        return {"validation_accuracy": self.best["accuracy"]} if "state" in self.best else {}

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


def other_clips(before: Marked, now: Marked) -> list[str]:
    """Clips that only one of two times had, or had at another place, or that have changed."""
    (names, marks), (names_now, marks_now) = before, now
    if names != names_now:
        moved = [old for old, new in zip(names, names_now, strict=False) if old != new]
        return sorted(set(names) ^ set(names_now)) or moved
    if marks.shape != marks_now.shape:
        return names
    same = alike(marks.numpy(), marks_now.numpy()).all(axis=1)
    return [name for name, kept in zip(names, same, strict=True) if not kept]


def runs_apart(value: Tensor) -> bool:
    """Is it computed by a device that works on by itself while the program does other things?"""
    return value.is_cuda


def fetched(value: Tensor) -> Callable[[], float]:
    """A number that is on its way from its device; to call it waits for this number alone."""
    copy = value.detach().to("cpu", non_blocking=value.is_cuda)
    if not value.is_cuda:
        return copy.item
    arrived = torch.cuda.Event()
    arrived.record(torch.cuda.current_stream(value.device))

    def number() -> float:
        arrived.synchronize()
        return copy.item()

    return number


def counts(loader: Any, index: int) -> bool:
    """False for a batch that only keeps several devices in step.

    Args:
        loader: a `DataLoader` over `DealtBatches`; Lightning gives its loaders no type.
        index: of the batch on this device.
    """
    return loader.batch_sampler.counts(index)


def _copy_of_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class StopLate(EarlyStopping):
    """Early stopping that cannot fire, nor count, while the learning rate still rises.

    Differs: that of source 000 can end a run during its warm-up.
    """

    def __init__(self, patience: int, warmup: float) -> None:
        super().__init__(
            "validation_accuracy", patience=patience, mode="max", check_on_train_epoch_end=False
        )
        self.warmup = warmup

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        # A run that was killed after it had stopped stays stopped when it is resumed.
        trainer.should_stop = self.wait_count >= self.patience

    def _should_skip_check(self, trainer: lightning.Trainer) -> bool:
        rising = warmup_steps(int(trainer.estimated_stepping_batches), self.warmup)
        return super()._should_skip_check(trainer) or trainer.global_step < rising


class EpochEnd(Checkpoint):
    """Saves after each epoch, shows one progress bar, and ends in time for the session's limit.

    A `Checkpoint`, because the trainer calls those last, when an epoch's counters are complete.
    """

    def __init__(self, fitting: Fitting, folder: Path, quiet: bool, start: float) -> None:
        self.fitting, self.training = fitting, fitting.settings.training
        self.path = folder / CHECKPOINT
        self.quiet = quiet
        self.start = self.epoch_start = start
        self.earlier = self.longest = 0.0
        self.out_of_time = False
        # Its real one needs the number of steps, which the trainer knows once it starts.
        self.bar = tqdm(disable=True)

    def state_dict(self) -> dict[str, float]:
        """What the checkpoint keeps: a run that was killed has taken its time, too."""
        return {"seconds": self.seconds()}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """What an earlier part took."""
        self.earlier = state["seconds"]

    def seconds(self) -> float:
        """Of all parts of the run so far."""
        return self.earlier + time.monotonic() - self.start

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        # A log file gets a line every ten seconds, a person a bar that moves.
        watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        self.bar = tqdm(
            total=int(trainer.estimated_stepping_batches),
            initial=trainer.global_step,
            desc="training",
            unit="step",
            disable=self.quiet or not trainer.is_global_zero,
            mininterval=0.1 if watched else 10,
        )

    def on_train_epoch_start(self, *_: Any) -> None:
        self.epoch_start = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: Any) -> None:
        row = self.fitting.history[-1]
        if not math.isfinite(row["loss"]):
            raise Diverged(
                f"run {self.path.parent}: the loss became {row['loss']} in epoch"
                f" {len(self.fitting.history)}; lower training.learning_rate (now"
                f" {self.training.learning_rate}) or raise training.warmup"
            )
        numbers = {key: f"{x:.3g}" for key, x in row.items() if key not in ("epoch", "step")}
        self.bar.set_postfix(numbers, refresh=False)
        self._save(trainer, int(row["epoch"]))
        self._stop_in_time(trainer)

    def _save(self, trainer: lightning.Trainer, epoch: int) -> None:
        temporary, interval = self.path.with_suffix(".tmp"), self.training.save_interval
        try:
            # The first of several processes writes, all wait for it.
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                temporary.replace(self.path)
                if interval and epoch % interval == 0:
                    shutil.copyfile(self.path, temporary)
                    temporary.replace(self.path.with_name(f"epoch-{epoch:03d}.ckpt"))
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise disk_error(error, self.path) from error

    def _stop_in_time(self, trainer: lightning.Trainer) -> None:
        # End the training where another epoch would last beyond the limit.
        now = time.monotonic()
        self.longest = max(self.longest, now - self.epoch_start)
        ended = (
            trainer.current_epoch + 1 >= self.training.epochs
            or 0 < trainer.max_steps <= trainer.global_step
        )
        limit = self.training.hours * 3600
        if limit and not ended and not trainer.should_stop:
            late = now - self.start + 1.1 * self.longest > limit
            # Clocks of several processes differ a little; they must stop together.
            self.out_of_time = trainer.should_stop = trainer.strategy.reduce_boolean_decision(
                late, all=False
            )

    def on_train_end(self, *_: Any) -> None:
        self.bar.close()

    def on_exception(self, *_: Any) -> None:
        self.bar.close()
