"""What one training step costs: memory and arithmetic are counted, time is measured.

Counting runs the model on tensors that have shapes but no values, so the largest model takes
seconds and no memory. Where shapes depend on values (packed sequences, clips without a second
person) two small batches with values are counted, and what any batch needs lies on their line.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers.modeling_layers import GradientCheckpointingLayer

from signlib.training.batches import Batch
from signlib.training.classification import loss_of

# Makes a model in training mode and a batch with `target`; called where tensors have no values.
Build = Callable[[], tuple[nn.Module, Batch]]
# What training minimises of a batch.
Loss = Callable[[Any, Batch], Tensor]
Counted = TypeVar("Counted", "Memory", "Operations")
HALVES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True)
class Memory:
    """Bytes on one device at the highest point of a training step.

    Attributes:
        weights: parameters and buffers, with their running average where there is one.
        gradients, optimizer: of what is learned.
        activations: what the forward pass keeps for the backward pass, half-precision copies of
            weights included.
        update: what an optimiser step needs for a moment, when there are no activations.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    update: int = 0

    @property
    def total(self) -> int:
        """All together; gradients are there beside activations, because batches are accumulated."""
        return self.weights + self.gradients + self.optimizer + max(self.activations, self.update)


def count_memory(
    build: Build,
    precision: str,
    gpu: bool,
    states: int = 2,
    average: bool = False,
    loss: Loss = loss_of,
    values: bool = False,
) -> Memory:
    """The memory of one training step, counted tensor by tensor.

    With checkpointing the largest part that is computed again is added to what is kept.

    Args:
        build: model and batch.
        precision: `32`, `16-mixed` or `bf16-mixed`.
        gpu: count as a GPU keeps activations, which is more in half precision.
        states: numbers that the optimiser keeps for each learned one; AdamW keeps two.
        average: whether a running average of the weights is kept.
        loss: of the model and a batch.
        values: count on tensors with values.
    """
    if values and precision == "16-mixed":
        # As many bytes, and a CPU computes more in it.
        precision = "bf16-mixed"
    with _tensors(values):
        model, batch = build()
        weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
        learned = sum(p.nbytes for p in model.parameters() if p.requires_grad)
        passed = half(precision, "cpu"), _Shapes(gpu, values)
        kept, _ = _kept(model, batch, loss, passed)
        again = [
            part
            for part in model.modules()
            if isinstance(part, GradientCheckpointingLayer) and part.gradient_checkpointing
        ]
        for part in again:
            part.gradient_checkpointing = False
        if again:
            kept += max(_kept(model, batch, loss, passed, parts=again)[1])
    return Memory(
        weights=weights * (2 if average else 1),
        gradients=learned,
        optimizer=states * learned,
        activations=kept,
        # On a GPU all weights are updated at once.
        update=learned if gpu else 0,
    )


def in_a_batch(few: Counted, more: Counted, sizes: tuple[int, int], clips: int) -> Counted:
    """What a batch of any size needs, on the line through those of two sizes.

    Args:
        few, more: counted with batches
        sizes: of so many clips.
        clips: of the batch that is asked about.
    """
    share, last = (clips - sizes[0]) / (sizes[1] - sizes[0]), vars(more)
    line = {name: value + share * (last[name] - value) for name, value in vars(few).items()}
    return type(few)(**{name: max(0, round(value)) for name, value in line.items()})


def _tensors(values: bool) -> AbstractContextManager[Any]:
    return _without_onednn() if values else FakeTensorMode(allow_non_fake_inputs=True)


@contextmanager
def _without_onednn() -> Iterator[None]:
    # Its recurrent layers are one operation that nobody counts, and lack half precision on some
    # CPUs.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "TF32 acceleration", UserWarning)
        with torch.backends.mkldnn.flags(enabled=False):
            yield


def _kept(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    passed: tuple[AbstractContextManager[Any], ...],
    parts: Sequence[nn.Module] = (),
) -> tuple[int, list[int]]:
    # Bytes that the forward pass keeps, and how many of them each of the parts keeps.
    # Weights are counted elsewhere; two tensors may share one storage, which counts once.
    weights = {_storage(tensor) for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in weights:
            kept.setdefault(_storage(tensor), tensor)
        return tensor

    # What is kept when each part begins and ends.
    spans: dict[nn.Module, list[int]] = {part: [] for part in parts}

    def note(part: nn.Module, *_: object) -> None:
        spans[part].append(_bytes(kept))

    hooks = [part.register_forward_pre_hook(note) for part in parts]
    hooks += [part.register_forward_hook(note) for part in parts]
    precision, shapes = passed
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), precision, shapes:
        loss(model, batch)
    for hook in hooks:
        hook.remove()
    return _bytes(kept), [after - before for before, after in spans.values()]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _bytes(kept: Mapping[int, Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


class _Shapes(TorchFunctionMode):
    """For tensors without values: whatever is asked about them is true.

    A mask, for one, then says that all its frames are real; with `values` it is asked itself. With
    `gpu`, norms and softmax are in full precision, as a GPU's automatic half precision has them and
    a CPU's not.
    """

    FULL = (
        functional.layer_norm,
        functional.softmax,
        torch.softmax,
        Tensor.softmax,
        functional.log_softmax,
    )

    def __init__(self, gpu: bool = False, values: bool = False) -> None:
        super().__init__()
        self.gpu, self.values = gpu, values

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is Tensor.__bool__ and not self.values:
            return True
        if self.gpu and func in self.FULL:
            args = [
                a.float() if isinstance(a, Tensor) and a.is_floating_point() else a for a in args
            ]
        return func(*args, **(kwargs or {}))


def half(precision: str, device: str) -> torch.autocast:
    """The context in which a forward pass runs with that precision."""
    return torch.autocast(
        device, dtype=HALVES.get(precision, torch.bfloat16), enabled=precision in HALVES
    )


@dataclass(frozen=True)
class Operations:
    """What a batch asks for.

    Attributes:
        forward, both: floating-point operations of matrix products, forward alone and forward with
            backward; what checkpointing computes again is counted again.
        calls: of torch's functions, forward with backward.
    """

    forward: int
    both: int
    calls: int


def count_operations(build: Build, loss: Loss = loss_of, values: bool = False) -> Operations:
    """The arithmetic of a batch, counted; arguments as for `count_memory`."""
    # The fused attention of a CPU is not counted, the plain one is.
    with _tensors(values), sdpa_kernel(SDPBackend.MATH), _Shapes(values=values):
        model, batch = build()
        with _Calls() as calls:
            with FlopCounterMode(display=False) as forward:
                lost = loss(model, batch)
            with FlopCounterMode(display=False) as backward:
                lost.backward()
    both = forward.get_total_flops() + backward.get_total_flops()
    return Operations(forward.get_total_flops(), both, calls.count)


class _Calls(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Pace:
    """Seconds that were measured.

    Attributes:
        clips: of each batch.
        batch, forward: of one batch, forward with backward and forward alone.
        update: of one optimiser step.
        peak: most bytes that a GPU held; 0 on a CPU.
    """

    clips: int
    batch: float
    forward: float
    update: float
    peak: int


def measure(
    model: nn.Module,
    batch_of: Callable[[int], Batch],
    optimizer: torch.optim.Optimizer,
    clips: int,
    precision: str,
    device: torch.device,
    seconds: float = 20.0,
    rounds: int = 3,
    loss: Loss = loss_of,
    fewest: int = 1,
) -> Pace:
    """Least seconds of a few real steps, without loading and augmentation.

    The steps change the model's weights.

    Args:
        model: on the device, in training mode.
        batch_of: a batch of so many clips, on the device.
        optimizer: of the model.
        clips: wished in a batch; fewer are taken where even one round would last longer than
            `seconds`.
        precision: as for `count_memory`.
        seconds: about how long to measure.
        rounds: at most.
        loss: of the model and a batch.
        fewest: clips that a batch needs.
    """
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "16-mixed")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def run(batch: Batch) -> tuple[float, float, float]:
        start = _now(device)
        with torch.no_grad(), half(precision, device.type):
            model(batch)
        forward = _now(device)
        with half(precision, device.type):
            lost = loss(model, batch)
        scaler.scale(lost).backward()
        backward = _now(device)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        return forward - start, backward - forward, _now(device) - backward

    times = run(batch_of(fewest))
    if sum(times) < seconds:
        times = run(batch_of(fewest))  # the first one of all also sets up
        room = max(1, int(seconds / (sum(times) * (rounds + 1))))
        in_time = fewest * 2 ** int(math.log2(room))
        clips = clips if device.type == "cuda" else max(fewest, min(clips, in_time))
        batch = batch_of(clips)
        first = run(batch)
        again = [run(batch) for _ in range(min(rounds, int(seconds / sum(first))))]
        forwards, backwards, updates = zip(*(again or [first]), strict=True)
        times = (min(forwards), min(backwards), min(updates))
    else:
        clips = fewest
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return Pace(clips, batch=times[1], forward=times[0], update=times[2], peak=peak)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
