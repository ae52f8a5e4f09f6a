"""The trainer: one call that fits a task, shows progress, saves every epoch and can be resumed."""

import logging
import math
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch.utils.data import DataLoader, Dataset, SequentialSampler
from tqdm.auto import tqdm

from signlib.errors import RunError
from signlib.files import disk_error
from signlib.settings.config import Settings, TrainingSettings
from signlib.training.classification import ClassificationFitting
from signlib.training.devices import (
    accumulation,
    choose_device,
    device_count,
    in_processes,
    threads_each,
)
from signlib.training.optim import warmup_share, warmup_steps
from signlib.training.order import DealtBatches, ShuffledByEpoch

CHECKPOINT = "last.ckpt"


@dataclass
class Fitted:
    """What happened.

    Attributes:
        complete: False when the time budget ended the run early; resume it then.
        chosen: which weights the model has now, and what chose them.
        epochs, steps: done in all, earlier parts of a resumed run included.
        seconds: of all parts of a resumed run up to its last saved epoch, and of this one.
        device, precision: what was really used.
        history: one row an epoch.
    """

    complete: bool
    chosen: str
    epochs: int
    steps: int
    seconds: float
    device: str
    precision: str
    history: list[dict[str, float]]


class StopLate(EarlyStopping):
    """Early stopping that cannot fire, nor count, while the learning rate still rises."""

    def __init__(self, patience: int, warmup: float) -> None:
        super().__init__(
            "validation_accuracy", patience=patience, mode="max", check_on_train_epoch_end=False
        )
        self.warmup = warmup

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        # A run that was killed after it had stopped, and is resumed, must not go on.
        trainer.should_stop = self.wait_count >= self.patience

    def _should_skip_check(self, trainer: lightning.Trainer) -> bool:
        rising = warmup_steps(int(trainer.estimated_stepping_batches), self.warmup)
        return super()._should_skip_check(trainer) or trainer.global_step < rising


class EpochEnd(Checkpoint):
    """Saves after each epoch, shows one progress bar, and ends in time for the session's limit.

    A `Checkpoint`, because the trainer calls those last, when an epoch's counters are complete.
    """

    def __init__(self, folder: Path, training: TrainingSettings, quiet: bool, start: float) -> None:
        self.path, self.limit, self.quiet = folder / CHECKPOINT, training.hours * 3600, quiet
        self.interval = training.save_interval
        self.start = self.epoch_start = start
        self.earlier = 0.0
        self.longest, self.out_of_time = 0.0, False
        self.bar: tqdm | None = None

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
        steps = int(trainer.estimated_stepping_batches)
        # A log file gets a line every ten seconds, a person a bar that moves.
        watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        self.bar = tqdm(
            total=steps,
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

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: ClassificationFitting) -> None:
        _check_finite(task, self.path.parent)
        row = task.history[-1]
        self.bar.set_postfix(
            {k: f"{v:.3g}" for k, v in row.items() if k not in ("epoch", "step")}, refresh=False
        )
        temporary = self.path.with_suffix(".tmp")
        try:
            trainer.save_checkpoint(
                temporary
            )  # the first of several processes writes, all wait for it
            if trainer.is_global_zero:
                temporary.replace(self.path)
                if self.interval and row["epoch"] % self.interval == 0:
                    shutil.copyfile(self.path, temporary)
                    temporary.replace(self.path.with_name(f"epoch-{row['epoch']:03d}.ckpt"))
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise disk_error(error, self.path) from error
        now = time.monotonic()
        self.longest = max(self.longest, now - self.epoch_start)
        ended = (
            trainer.current_epoch + 1 >= trainer.max_epochs
            or 0 < trainer.max_steps <= trainer.global_step
        )
        if self.limit and not ended and not trainer.should_stop:
            late = now - self.start + 1.1 * self.longest > self.limit
            # Clocks of several processes differ a little; they must stop together.
            self.out_of_time = trainer.should_stop = trainer.strategy.reduce_boolean_decision(
                late, all=False
            )

    def on_train_end(self, *_: Any) -> None:
        self.bar.close()

    def on_exception(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()


def fit(
    task: ClassificationFitting,
    train: Dataset,
    validation: Dataset | None,
    settings: Settings,
    folder: Path,
    resume: bool = False,
    quiet: bool = False,
) -> Fitted:
    """Fit a task, and leave the chosen weights in its model.

    Args:
        task: model, losses and settings.
        train, validation: datasets of prepared clips; without validation nothing is selected.
        folder: where the checkpoint is kept, once an epoch.
        resume: go on from that checkpoint when there is one.

    Raises:
        RunError: when the loss is not finite, or one of several processes was killed.
        SettingsError: for a device or precision that is not there, or an effective batch that
            devices cannot share.
    """
    started, training = time.monotonic(), settings.training
    devices = device_count(training)
    accumulation(training, devices)
    arguments = (task, train, validation, settings, folder, resume, quiet, devices, started)
    if devices == 1:
        return _fit(*arguments)[0]
    fitted, state, task.history = in_processes(
        _fit, arguments, devices, choose_device(training)[0] == "gpu"
    )
    task.model.load_state_dict(state)
    return fitted


def _fit(
    task: ClassificationFitting,
    train: Dataset,
    validation: Dataset | None,
    settings: Settings,
    folder: Path,
    resume: bool,
    quiet: bool,
    devices: int,
    started: float,
) -> tuple[Fitted, dict[str, torch.Tensor], list[dict[str, float]]]:
    """What happened, the chosen weights on the CPU, the history; in each of several processes where
    `devices` > 1.
    """
    training = settings.training
    accelerator, precision = choose_device(training)
    save = EpochEnd(folder, training, quiet, started)
    callbacks: list[Callback] = [save]
    if training.patience and validation is not None:
        callbacks.append(StopLate(training.patience, warmup_share(training)))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy=_strategy(devices),
        use_distributed_sampler=False,
        precision="32-true" if precision == "32" else precision,
        max_epochs=training.epochs,
        max_steps=training.max_steps or -1,
        accumulate_grad_batches=accumulation(training, devices),
        gradient_clip_val=training.clip_norm or None,
        val_check_interval=1.0 / training.validate_every if training.validate_every > 1 else 1.0,
        check_val_every_n_epoch=max(1, round(1 / training.validate_every)),
        num_sanity_val_steps=0,
        deterministic=(
            "warn" if training.deterministic and accelerator == "gpu" else training.deterministic
        ),
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    checkpoint = folder / CHECKPOINT
    threads = training.threads if devices == 1 else threads_each(devices, training.threads)
    with warnings.catch_warnings(), _torch_settings(threads):
        # Batches are made from memory: worker processes would cost more than they bring.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        trainer.fit(
            task,
            _loader(train, settings, trainer, shuffled=True),
            (
                _loader(validation, settings, trainer, shuffled=False)
                if validation is not None
                else None
            ),
            ckpt_path=_readable(checkpoint) if resume and checkpoint.exists() else None,
            weights_only=True,
        )
    name = torch.cuda.get_device_name() if accelerator == "gpu" else "cpu"
    fitted = Fitted(
        complete=not save.out_of_time,
        chosen=task.load_result() if not save.out_of_time else "unfinished",
        epochs=len(task.history),
        steps=trainer.global_step,
        seconds=save.seconds(),
        device=name if devices == 1 else f"{devices} x {name}",
        precision=precision,
        history=task.history,
    )
    return (
        fitted,
        {key: value.cpu() for key, value in task.model.state_dict().items()},
        task.history,
    )


def _readable(checkpoint: Path) -> Path:
    """The checkpoint, once it is sure that it can be loaded; objects in it are refused, never
    built.
    """
    try:
        content = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise ValueError("it holds no state_dict")
    except (UnpicklingError, RuntimeError, ValueError, LookupError, EOFError, OSError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(
            f"{checkpoint} is damaged or no checkpoint of torch ({first}); delete it to start"
            " again, or put an older one (epoch-*.ckpt) in its place"
        ) from None
    return checkpoint


def _strategy(devices: int) -> Strategy | str:
    if devices == 1:
        return "auto"
    # Seed 000's BERT has a pooler that nothing reads.
    return DDPStrategy(
        cluster_environment=LightningEnvironment(),
        find_unused_parameters=True,
        gradient_as_bucket_view=True,
    )


@contextmanager
def _torch_settings(threads: int) -> Iterator[None]:
    """torch's number of threads for a while; that and the deterministic mode are put back at the
    end.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads or before[0])
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=warn_only)


def _loader(
    dataset: Dataset, settings: Settings, trainer: lightning.Trainer, shuffled: bool
) -> DataLoader:
    size = settings.training.batch_size
    sampler = (
        ShuffledByEpoch(len(dataset), settings.seed) if shuffled else SequentialSampler(dataset)
    )
    # Batch statistics of a single clip are useless: a last batch of one is left out.
    lonely = shuffled and len(dataset) > size and len(dataset) % size == 1
    # Starting an epoch draws a number: from a generator of its own, since a resumed run starts one
    # at another time.
    return DataLoader(
        dataset,
        batch_sampler=DealtBatches(sampler, size, lonely, trainer.global_rank, trainer.world_size),
        collate_fn=dataset.collate,
        generator=torch.Generator(),
        num_workers=settings.training.workers,
        persistent_workers=settings.training.workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _check_finite(task: ClassificationFitting, folder: Path) -> None:
    loss = task.history[-1]["loss"]
    if not math.isfinite(loss):
        raise RunError(
            f"run {folder}: the loss became {loss} in epoch {len(task.history)}; lower"
            f" training.learning_rate (now {task.settings.training.learning_rate}) or raise"
            " training.warmup"
        )
