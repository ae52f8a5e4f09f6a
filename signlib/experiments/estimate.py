"""What a run will cost before it starts: memory counted, time measured here, and both for a T4.

Source 000's runs take days on the GPU that most people can have, and a batch that does not fit
fails after the data has been prepared; both are better known first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil
import torch
from torch import nn

from signlib.corpora import clips as corpora
from signlib.corpora import registry
from signlib.corpora.splits import settled
from signlib.errors import InputError, SettingsError
from signlib.experiments.sizes import inputs_of
from signlib.settings.base import Settings
from signlib.tasks.registry import task_of
from signlib.tasks.task import Inputs
from signlib.training import footprint, optim
from signlib.training.batches import Batch
from signlib.training.devices import accumulation, choose_device, device_count
from signlib.training.footprint import Counted

GIB = 2**30
# Operations a second of a T4 in half precision, by its data sheet.
T4_PEAK = 65e12
# Of that peak, what a training step is assumed to reach.
# Large matrix products alone sustain about 24e12 (37 %), since the card may draw only 70 W, and
# norms, softmax and optimiser come on top.
T4_SHARE = 0.25
# Seconds that Python and the driver need to start one operation, however small.
T4_CALL = 10e-6
# Bytes a second: an optimiser step reads and writes weights and states once.
T4_BANDWIDTH = 0.75 * 320e9
# Of its 16 GB the driver offers 15 GiB, and CUDA's own libraries take half a GiB of that.
T4_MEMORY = 14.5 * GIB


@dataclass(frozen=True)
class Work:
    """How much there is to do.

    Attributes:
        clips, validation: of a training epoch (repeats included) and of one validation.
        classes: K.
        source: where these numbers come from.
    """

    clips: int
    validation: int
    classes: int
    source: str


@dataclass(frozen=True)
class Estimate:
    """Cost of a run.

    Attributes:
        settings, work: of what.
        here: the device, and its precision.
        devices, accumulate: how many of them, and batches of each a step.
        room: bytes of one device.
        memory, memory_t4: counted for this device and for a T4.
        pace: measured on this device; None = not asked for.
        operations: of one batch.
        frames: of each clip, where clips of any length are read; 0 = the settings say.
    """

    settings: Settings
    work: Work
    here: tuple[str, str]
    devices: int
    accumulate: int
    room: float
    memory: footprint.Memory
    memory_t4: footprint.Memory
    pace: footprint.Pace | None
    operations: footprint.Operations
    frames: int = 0

    @property
    def steps(self) -> tuple[int, int]:
        """Optimiser steps an epoch, and at most in all."""
        training = self.settings.training
        epoch = math.ceil(self.work.clips / training.batch_size / self.devices / self.accumulate)
        whole = epoch * training.epochs
        return epoch, min(whole, training.max_steps or whole)

    def seconds(self, t4: bool = False) -> tuple[float, float, float]:
        """Of one step, one epoch with its validations, and at most of the whole run."""
        size = self.settings.training.batch_size
        if t4:
            asked, launches = self.operations, self.operations.calls * T4_CALL
            forward, batch = (flops / (T4_PEAK * T4_SHARE) for flops in (asked.forward, asked.both))
            forward, batch = max(forward, launches / 3), max(batch, launches)
            held = self.memory_t4
            update = 2 * (held.weights + held.gradients + held.optimizer) / T4_BANDWIDTH
        elif self.pace is None:
            raise SettingsError("the time here was not measured; give estimate some seconds")
        else:
            scale = size / self.pace.clips
            forward, batch, update = (
                self.pace.forward * scale,
                self.pace.batch * scale,
                self.pace.update,
            )
        step = self.accumulate * batch + update
        epoch, whole = self.steps
        # The validations of an epoch are forward passes alone.
        length = (
            epoch * step
            + (self.settings.training.validate_every * self.work.validation / size / self.devices)
            * forward
        )
        return step, length, whole / epoch * length

    @property
    def advice(self) -> str:
        """What to change where a device's memory is too small; "" where it fits."""
        cure = task_of(self.settings).memory_advice(self.settings) or (
            f"set a smaller training.batch_size (now {self.settings.training.batch_size})"
        )
        devices = ((self.here[0], self.memory, self.room), ("T4", self.memory_t4, T4_MEMORY))
        return "\n".join(
            f"{name}: {_size(memory.total)} do not fit into {_size(room)}; {cure}"
            for name, memory, room in devices
            if memory.total > room
        )

    def check(self) -> None:
        """Refuse what cannot fit into the device at hand.

        Raises:
            SettingsError: with the memory needed, the memory there is, and what to do.
        """
        if self.memory.total > self.room:
            raise SettingsError(f"the run does not fit: {self.advice.splitlines()[0]}")

    def report(self) -> str:
        """All of it, line by line."""
        training = self.settings.training
        epoch, whole = self.steps
        long = f" of {self.frames} frames" if self.frames else ""
        lines = [
            (
                f"{self.work.clips:,} clips{long} an epoch ({self.work.source}), batch"
                f" {training.batch_size} x {self.accumulate} accumulated x {self.devices}"
                f" device{'s' if self.devices > 1 else ''}: {epoch:,} steps an epoch, at most"
                f" {whole:,}"
            ),
            (
                f"memory a device, counted ({self.here[1]}): {_parts(self.memory)}; it has"
                f" {_size(self.room)}"
            ),
        ]
        if self.pace is not None:
            peak = f", {_size(self.pace.peak)} at most" if self.pace.peak else ""
            lines.append(
                f"{self.here[0]}, measured with batches of {self.pace.clips}{peak}:"
                f" {_times(*self.seconds())}"
            )
        if "T4" not in self.here[0]:
            lines += [
                f"T4, computed, not measured ({100 * T4_SHARE:.0f} % of {T4_PEAK / 1e12:.0f}"
                " TFLOP/s): " + _times(*self.seconds(t4=True)),
                (
                    f"T4 memory, counted (16-mixed): {_parts(self.memory_t4)}; it has"
                    f" {_size(T4_MEMORY)}"
                ),
            ]
        if training.patience:
            lines.append("early stopping usually ends a run sooner")
        return "\n".join(lines + [f"does not fit: {line}" for line in self.advice.splitlines()])

    def __str__(self) -> str:
        """One line."""
        measured = (
            "" if self.pace is None else f"{_times(*self.seconds())} on {self.here[0]} (measured); "
        )
        t4 = (
            "" if "T4" in self.here[0] else f"; on a T4 {_times(*self.seconds(t4=True))} (computed)"
        )
        return f"estimate: {measured}{_size(self.memory.total)} a device (counted){t4}"


def _parts(memory: footprint.Memory) -> str:
    parts = [f"{name} {_size(part)}" for name, part in vars(memory).items() if name != "update"]
    return f"{_size(memory.total)} ({' + '.join(parts)})"


def _size(count: float) -> str:
    return f"{count / GIB:.2f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"


def _times(step: float, epoch: float, whole: float) -> str:
    return f"{_span(step)} a step, {_span(epoch)} an epoch, {_span(whole)} in all"


def _span(seconds: float) -> str:
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.2f} s"


def work_of(settings: Settings) -> Work:
    """How much a run on the settings' corpus has to do.

    Where its files are not there, a corpus whose counts are official is known without them.
    """
    refuse_estimate(settings)
    task, repeats = task_of(settings), settings.training.repeats
    try:
        table = corpora.load_manifest(settings.data)
        splits = task.split_table(table, settled(settings.data, table))
    except InputError as error:
        corpus = registry.corpus_of(settings.data)
        counts = corpus.split_counts
        if not counts or settings.data.split != "official":
            raise
        return Work(
            counts["train"] * repeats,
            counts["val"],
            corpus.glosses or 0,
            source=f"official counts, as {error}".split(";")[0],
        )
    return Work(
        len(splits.train) * repeats,
        len(splits.val),
        len(set(task.glosses(splits.train))),
        f"corpus {settings.data.corpus}",
    )


def refuse_estimate(settings: Settings) -> None:
    """Refuse a task that has no estimate.

    Raises:
        SettingsError: with the reason.
    """
    reason = task_of(settings).refusal(settings, "estimate")
    if reason:
        raise SettingsError(f"task={settings.task}: no estimate; {reason}")


def estimate(
    settings: Settings, work: Work, inputs: Inputs | None = None, seconds: float = 20.0
) -> Estimate:
    """The cost of a run.

    Args:
        settings: of the run.
        work: as `work_of` says, or as a run knows.
        inputs: what the clips give the network; None = what those of its corpus do.
        seconds: about how long to measure; 0 = do not measure.

    Raises:
        SettingsError: for a task without an estimate, or settings that do not go together.
    """
    refuse_estimate(settings)
    task, shape = task_of(settings), inputs or inputs_of(settings)
    # Values do not matter, and nothing is downloaded.
    settings = task.offline(settings)
    training = settings.training
    accelerator, precision = choose_device(training)
    devices = device_count(training)
    gpu = accelerator == "gpu"
    device = torch.device("cuda" if gpu else "cpu")
    loss = partial(task.loss, settings)

    def build(clips: int = training.batch_size) -> tuple[nn.Module, Batch]:
        return (
            task.network(settings, shape, work.classes).train(),
            task.example(settings, shape, work.classes, clips),
        )

    def counted(count: Callable[..., Counted], **options: Any) -> Counted:
        sizes = task.counted_with
        if not sizes:
            return count(build, loss=loss, **options)
        few, more = (count(partial(build, n), loss=loss, values=True, **options) for n in sizes)
        return footprint.in_a_batch(few, more, sizes, training.batch_size)

    memory_of = partial(
        counted,
        footprint.count_memory,
        states=2 if training.optimizer == "adamw" else 1,
        average=training.average > 0,
    )
    pace: footprint.Pace | None = None
    if seconds:
        model = task.network(settings, shape, work.classes).train().to(device)
        groups = optim.parameter_groups(
            model, training.learning_rate, training.weight_decay, training.rates
        )
        optimizer = optim.make_optimizer(groups, training)

        def batch_of(clips: int) -> Batch:
            batch = task.example(settings, shape, work.classes, clips)
            return {key: value.to(device) for key, value in batch.items()}

        pace = footprint.measure(
            model,
            batch_of,
            optimizer,
            training.batch_size,
            precision,
            device,
            seconds,
            loss=loss,
            fewest=min(task.counted_with, default=1),
        )
    lengths = task.example(settings, shape, work.classes, clips=1)["lengths"]
    return Estimate(
        settings,
        work,
        here=(torch.cuda.get_device_name() if gpu else "cpu", precision),
        devices=devices,
        accumulate=accumulation(training, devices),
        room=device_memory(gpu) / (1 if gpu else devices),
        memory=memory_of(precision=precision, gpu=gpu),
        memory_t4=memory_of(precision="16-mixed", gpu=True),
        pace=pace,
        operations=counted(footprint.count_operations),
        frames=int(lengths.max()) if task.counted_with else 0,
    )


def device_memory(gpu: bool) -> int:
    """Bytes of the first GPU, or of this machine."""
    return (
        torch.cuda.get_device_properties(0).total_memory if gpu else psutil.virtual_memory().total
    )
