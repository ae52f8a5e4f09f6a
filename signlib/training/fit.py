"""The trainer: one call that fits a model, saves every epoch and can be resumed.

Which clips make which batch, in which order and on which device, is said here too.
"""

import logging
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import lightning.pytorch as lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Sampler, SequentialSampler

from signlib import reading
from signlib.errors import RunError
from signlib.processes import terminable
from signlib.settings.base import Settings
from signlib.training.batches import ClipData
from signlib.training.devices import (
    accumulation,
    choose_device,
    device_count,
    in_processes,
    threads_each,
)
from signlib.training.fitting import CHECKPOINT, EpochEnd, Fitting, StopLate
from signlib.training.loggers import HistoryLog
from signlib.training.optim import warmup_share

# Precision in the settings -> Lightning's name of it.
_LIGHTNING: dict[str, Literal["32-true", "16-mixed", "bf16-mixed"]] = {
    "32": "32-true",
    "16-mixed": "16-mixed",
    "bf16-mixed": "bf16-mixed",
}


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
        selected: what chose the weights, and its value; {} where nothing was selected.
    """

    complete: bool
    chosen: str
    epochs: int
    steps: int
    seconds: float
    device: str
    precision: str
    history: list[dict[str, float]]
    selected: dict[str, float] = field(default_factory=dict)


class ShuffledByEpoch(Sampler[int]):
    """A permutation that depends on random seed and epoch alone: a resumed run repeats it."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return iter(torch.randperm(self.size, generator=generator).tolist())

    def __len__(self) -> int:
        return self.size


class DealtBatches(Sampler[list[int]]):
    """One device's part of the batches: the first to device 0, the second to device 1, and so on.

    The batches themselves do not depend on the number of devices, so with an effective batch
    neither does what an optimiser step sees. All devices get equally many, as their gradients are
    averaged: where the last round is not full, a device goes through an early batch again, and that
    one does not count.

    Args:
        sampler: the order of all clips; the same on every device.
        size: clips a batch.
        drop_last: leave out a last batch that is not full.
        rank, devices: which device this is, and of how many.
    """

    def __init__(
        self,
        sampler: Sampler[int],
        size: int,
        drop_last: bool = False,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        self.sampler = sampler
        self.rank, self.devices = rank, devices
        self.batches = BatchSampler(sampler, size, drop_last)

    def __iter__(self) -> Iterator[list[int]]:
        first: list[int] = []
        for number, batch in enumerate(self.batches):
            first = first or batch
            if number % self.devices == self.rank:
                yield batch
        # The last round is not full: this device computes a batch that does not count.
        if not self.counts(len(self) - 1):
            yield first

    def __len__(self) -> int:
        return -(-len(self.batches) // self.devices)

    def counts(self, index: int) -> bool:
        """False for a batch (by its number on this device) that only keeps devices in step."""
        return index * self.devices + self.rank < len(self.batches)


def fit(
    fitting: Fitting,
    train: ClipData,
    validation: ClipData | None,
    settings: Settings,
    folder: Path,
    resume: bool = False,
    quiet: bool = False,
) -> Fitted:
    """Fit a model, and leave the chosen weights in it.

    Args:
        fitting: the model and what one step computes.
        train, validation: datasets of prepared clips; without validation nothing is selected.
        folder: where the checkpoint is kept, once an epoch.
        resume: start from that checkpoint when there is one.

    Raises:
        RunError: when the loss is not finite, one of several processes was killed, or a run is
            resumed on other clips.
        SettingsError: for a device or precision that is not there, or an effective batch that
            devices cannot share.
    """
    started, training = time.monotonic(), settings.training
    devices = device_count(training)
    accumulation(training, devices)
    parts = {"training": train, "validation": validation}
    fitting.clips = {
        part: (data.told(), torch.from_numpy(data.marks()))
        for part, data in parts.items()
        if data is not None
    }
    arguments = (fitting, train, validation, settings, folder, resume, quiet, devices, started)
    if devices == 1:
        return _fit(*arguments)[0]
    # The processes fit copies: what they learned and noted comes back.
    fitted, state = in_processes(_fit, arguments, devices, gpu=choose_device(training)[0] == "gpu")
    fitting.history = fitted.history
    fitting.model.load_state_dict(state)
    return fitted


def _fit(
    fitting: Fitting,
    train: ClipData,
    validation: ClipData | None,
    settings: Settings,
    folder: Path,
    resume: bool,
    quiet: bool,
    devices: int,
    started: float,
) -> tuple[Fitted, dict[str, Tensor]]:
    """What happened, and the chosen weights on the CPU.

    Each of several processes calls it where `devices` > 1.
    """
    training = settings.training
    accelerator, precision = choose_device(training)
    save = EpochEnd(fitting, folder, quiet, started)
    callbacks: list[Callback] = [save]
    if training.logger != "none":
        callbacks.append(HistoryLog(fitting, settings, folder))
    if training.patience and validation is not None:
        callbacks.append(StopLate(training.patience, warmup_share(training)))
    strategy: Strategy | str = "auto"
    if devices > 1:
        # The BERT of source 000 has a pooler that nothing reads.
        strategy = DDPStrategy(
            cluster_environment=LightningEnvironment(),
            find_unused_parameters=True,
            gradient_as_bucket_view=True,
        )
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=devices,
        strategy=strategy,
        use_distributed_sampler=False,
        precision=_LIGHTNING[precision],
        max_epochs=training.epochs,
        max_steps=training.max_steps or -1,
        accumulate_grad_batches=accumulation(training, devices),
        gradient_clip_val=training.clip_norm or None,
        val_check_interval=1.0 / training.validate_every if training.validate_every > 1 else 1.0,
        check_val_every_n_epoch=max(1, round(1 / training.validate_every)),
        num_sanity_val_steps=0,
        # Some operations have no deterministic form on a GPU: torch then warns.
        deterministic="warn"
        if training.deterministic and accelerator == "gpu"
        else training.deterministic,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    checkpoint = folder / CHECKPOINT
    threads = training.threads if devices == 1 else threads_each(devices, training.threads)
    with warnings.catch_warnings(), _torch_settings(threads), _interruptible():
        # Batches are made from memory: worker processes would cost more than they bring.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        validated = (
            None if validation is None else _loader(validation, settings, trainer, shuffled=False)
        )
        trainer.fit(
            fitting,
            _loader(train, settings, trainer, shuffled=True),
            validated,
            ckpt_path=_readable(checkpoint) if resume and checkpoint.exists() else None,
            weights_only=True,
        )
    name = torch.cuda.get_device_name() if accelerator == "gpu" else "cpu"
    fitted = Fitted(
        complete=not save.out_of_time,
        chosen=fitting.load_result() if not save.out_of_time else "unfinished",
        epochs=len(fitting.history),
        steps=trainer.global_step,
        seconds=save.seconds(),
        device=name if devices == 1 else f"{devices} x {name}",
        precision=precision,
        history=fitting.history,
        selected=fitting.selected,
    )
    return fitted, {key: value.cpu() for key, value in fitting.model.state_dict().items()}


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM stay what they are.

    Lightning makes an exit of Ctrl-C, ignores it from then on, and goes on to the end of the batch
    and to a good end after SIGTERM.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        with terminable():
            yield
    except SystemExit as end:
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise end.__context__ from None


def _readable(checkpoint: Path) -> Path:
    """The checkpoint, once it is sure that it can be loaded.

    Objects in it are refused, never built.
    """
    try:
        if "state_dict" not in reading.checkpoint(checkpoint):
            raise ValueError("it holds no state_dict")
    except (OSError, ValueError) as error:
        raise RunError(
            f"{checkpoint} is damaged or no checkpoint of torch ({error}); delete it to start"
            " again, or put an older one (epoch-*.ckpt) in its place"
        ) from None
    return checkpoint


@contextmanager
def _torch_settings(threads: int) -> Iterator[None]:
    """torch's number of threads for a while.

    That and the deterministic mode are put back at the end.
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
    dataset: ClipData, settings: Settings, trainer: lightning.Trainer, shuffled: bool
) -> DataLoader:
    size = settings.training.batch_size
    dealt = DealtBatches(
        ShuffledByEpoch(len(dataset), settings.seed) if shuffled else SequentialSampler(dataset),
        size,
        # Batch statistics of a single clip are useless: a last batch of one is left out.
        drop_last=shuffled and len(dataset) > size and len(dataset) % size == 1,
        rank=trainer.global_rank,
        devices=trainer.world_size,
    )
    # Starting an epoch draws a number: from a generator of its own, since a resumed run starts one
    # at another time.
    return DataLoader(
        dataset,
        batch_sampler=dealt,
        collate_fn=dataset.collate,
        generator=torch.Generator(),
        num_workers=settings.training.workers,
        persistent_workers=settings.training.workers > 0,
        pin_memory=settings.training.pin_memory and torch.cuda.is_available(),
    )
