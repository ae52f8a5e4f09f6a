"""The trainer: one call that fits a task, shows progress, saves every epoch and can be resumed."""

import logging
import math
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm.auto import tqdm

from signlib.config import Settings, TrainingSettings
from signlib.errors import RunError, SettingsError
from signlib.files import disk_error
from signlib.training.optim import warmup_steps
from signlib.training.tasks import ClassificationTask

CHECKPOINT = "last.ckpt"


@dataclass
class Fitted:
    """What happened.

    Attributes:
        complete: False when the time budget ended the run early; resume it then.
        chosen: which weights the model has now, and what chose them.
        epochs, steps: done in all, earlier parts of a resumed run included.
        seconds: of this part.
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


class ShuffledByEpoch(Sampler[int]):
    """A permutation that depends on seed and epoch alone, so that a resumed run goes through the same one."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(self.size, generator=generator).tolist())

    def __len__(self) -> int:
        return self.size


class StopLate(EarlyStopping):
    """Early stopping that cannot fire, nor count, while the learning rate still rises."""

    def __init__(self, patience: int, warmup: float) -> None:
        super().__init__("validation_accuracy", patience=patience, mode="max", check_on_train_epoch_end=False)
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

    def __init__(self, folder: Path, hours: float, quiet: bool) -> None:
        self.path, self.limit, self.quiet = folder / CHECKPOINT, hours * 3600, quiet
        self.start = self.epoch_start = time.monotonic()
        self.longest, self.out_of_time = 0.0, False
        self.bar: tqdm | None = None

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        steps = int(trainer.estimated_stepping_batches)
        # A log file gets a line every ten seconds, a person a bar that moves.
        watched = sys.stderr.isatty() or "ipykernel" in sys.modules
        self.bar = tqdm(
            total=steps, initial=trainer.global_step, desc="training", unit="step", disable=self.quiet,
            mininterval=0.1 if watched else 10,
        )  # fmt: skip

    def on_train_epoch_start(self, *_: Any) -> None:
        self.epoch_start = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: ClassificationTask) -> None:
        _check_finite(task, self.path.parent)
        row = task.history[-1]
        self.bar.set_postfix({k: f"{v:.3g}" for k, v in row.items() if k not in ("epoch", "step")}, refresh=False)
        temporary = self.path.with_suffix(".tmp")
        try:
            trainer.save_checkpoint(temporary)
            temporary.replace(self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise disk_error(error, self.path) from error
        now = time.monotonic()
        self.longest = max(self.longest, now - self.epoch_start)
        ended = trainer.current_epoch + 1 >= trainer.max_epochs or 0 < trainer.max_steps <= trainer.global_step
        more = not ended and not trainer.should_stop
        if self.limit and more and now - self.start + 1.1 * self.longest > self.limit:
            self.out_of_time = trainer.should_stop = True

    def on_train_end(self, *_: Any) -> None:
        self.bar.close()

    def on_exception(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()


def choose_device(settings: TrainingSettings) -> tuple[str, str]:
    """Accelerator and precision that will really be used: ("cpu", "32"), ("gpu", "16-mixed"), ...

    Raises:
        SettingsError: for a device that is not there, one this build of torch has no kernels for, or a
            precision that the device lacks (torch would silently take another).
    """
    cuda = torch.cuda.is_available()
    if settings.accelerator == "gpu" and not cuda:
        raise SettingsError("training.accelerator=gpu: torch sees no GPU; use cpu or auto")
    accelerator = "gpu" if cuda and settings.accelerator != "cpu" else "cpu"
    if accelerator == "cpu" and settings.precision == "16-mixed":
        raise SettingsError("training.precision=16-mixed would silently become bf16 on a CPU; use 32 or bf16-mixed")
    if accelerator == "gpu":
        capability = torch.cuda.get_device_capability()
        name = torch.cuda.get_device_name()
        built = {arch.split("_")[1] for arch in torch.cuda.get_arch_list() if arch.startswith("sm_")}
        if built and all(int(arch.rstrip("a")) // 10 > capability[0] for arch in built):
            raise SettingsError(f"{name} (compute {capability}) has no kernels in this torch; ask for a T4 or newer")
        if settings.precision == "bf16-mixed" and capability[0] < 8:
            raise SettingsError(f"training.precision=bf16-mixed: {name} has no bf16; use 16-mixed or 32")
        if settings.precision == "auto":
            return accelerator, "bf16-mixed" if capability[0] >= 8 else "16-mixed"
    return accelerator, "32" if settings.precision == "auto" else settings.precision


def accumulation(settings: TrainingSettings) -> int:
    """Batches an optimiser step: as set, or what makes the effective batch."""
    return settings.effective_batch // settings.batch_size if settings.effective_batch else settings.accumulate


def fit(
    task: ClassificationTask,
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
        RunError: when the loss is not finite.
        SettingsError: for a device or precision that is not there.
    """
    training = settings.training
    accelerator, precision = choose_device(training)
    save = EpochEnd(folder, training.hours, quiet)
    callbacks: list[Callback] = [save]
    if training.patience and validation is not None:
        callbacks.append(StopLate(training.patience, training.warmup))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator=accelerator, devices=1, precision="32-true" if precision == "32" else precision,
        max_epochs=training.epochs, max_steps=training.max_steps or -1,
        accumulate_grad_batches=accumulation(training), gradient_clip_val=training.clip_norm or None,
        val_check_interval=1.0 / training.validate_every if training.validate_every > 1 else 1.0,
        check_val_every_n_epoch=max(1, round(1 / training.validate_every)), num_sanity_val_steps=0,
        deterministic="warn" if training.deterministic and accelerator == "gpu" else training.deterministic,
        callbacks=callbacks, logger=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip
    checkpoint = folder / CHECKPOINT
    started = time.monotonic()
    with warnings.catch_warnings(), _torch_settings(training.threads):
        # Batches are made from memory: worker processes would cost more than they bring.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        trainer.fit(
            task,
            _loader(train, settings, shuffled=True),
            _loader(validation, settings, shuffled=False) if validation is not None else None,
            ckpt_path=checkpoint if resume and checkpoint.exists() else None,
            weights_only=True,
        )
    return Fitted(
        complete=not save.out_of_time,
        chosen=task.load_result() if not save.out_of_time else "unfinished",
        epochs=len(task.history),
        steps=trainer.global_step,
        seconds=time.monotonic() - started,
        device=torch.cuda.get_device_name() if accelerator == "gpu" else "cpu",
        precision=precision,
        history=task.history,
    )


@contextmanager
def _torch_settings(threads: int) -> Iterator[None]:
    """torch's number of threads for a while; that and the deterministic mode are put back at the end."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(threads or before[0])
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1], warn_only=warn_only)


def _loader(dataset: Dataset, settings: Settings, shuffled: bool) -> DataLoader:
    size = settings.training.batch_size
    sampler = ShuffledByEpoch(len(dataset), settings.seed) if shuffled else None
    # Batch statistics of a single clip are useless: a last batch of one is left out.
    lonely = shuffled and len(dataset) > size and len(dataset) % size == 1
    # Starting an epoch draws a number: from a generator of its own, since a resumed run starts one at another time.
    return DataLoader(
        dataset, batch_size=size, sampler=sampler, collate_fn=dataset.collate, drop_last=lonely,
        generator=torch.Generator(), num_workers=settings.training.workers,
        persistent_workers=settings.training.workers > 0, pin_memory=torch.cuda.is_available(),
    )  # fmt: skip


def _check_finite(task: ClassificationTask, folder: Path) -> None:
    loss = task.history[-1]["loss"]
    if not math.isfinite(loss):
        raise RunError(
            f"run {folder}: the loss became {loss} in epoch {len(task.history)}; lower training.learning_rate "
            f"(now {task.settings.training.learning_rate}) or raise training.warmup"
        )
