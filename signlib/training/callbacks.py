"""What the trainer does between epochs: stop early, save, show progress, keep to a time budget."""

import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping
from tqdm.auto import tqdm

from signlib.errors import RunError
from signlib.files import disk_error
from signlib.training.fitting import Fitting
from signlib.training.optim import warmup_steps

CHECKPOINT = "last.ckpt"


class StopLate(EarlyStopping):
    """Early stopping that cannot fire, nor count, while the learning rate still rises."""

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
            raise RunError(
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
