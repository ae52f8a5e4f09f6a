"""Graph networks against a plain ST-GCN: latency, forward pass and training.

On a CPU, and training also on a GPU where there is one. All in one run on the same random clips,
in turns: 64 frames, 25 joints, two bodies. Beside ST-GCN stands nano written channels first in the
source's order of operations: what the ratio owes to its size, and what to how it is written.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._gcn_rivals import StGcn, as_in_the_source
from signlib.data.skeletons import NTU_25
from signlib.models.classifier import parameter_count
from signlib.models.gcn import VARIANTS, GraphNetwork
from signlib.models.gcn_layers import Layer
from signlib.models.graph import adjacency

FRAMES, JOINTS, CLASSES, ROUNDS = 64, 25, 60, 5
FORWARD, TRAINING = 10, 7
"""How many times ST-GCN's throughput is wanted of nano."""
CASES = {"batch 1": 1, "batch 16": 16, "training, batch 8": 8}
RIVAL, FIRST = "ST-GCN", "nano, channels first"
GPU_BATCH, GPU_STEPS = 64, 20


def clips(count: int, device: str = "cpu") -> dict[str, Tensor]:
    """Random clips of two bodies."""
    streams = torch.randn(count, 2, 3, FRAMES, JOINTS, 3, device=device)
    return {"streams": streams, "bodies": torch.ones(count, 2, dtype=torch.bool, device=device)}


def networks() -> dict[str, nn.Module]:
    """The rival and ours, untrained."""
    torch.manual_seed(0)
    graphs = {hops: adjacency(NTU_25.bones, JOINTS, hops) for hops in (1, 2)}
    ours = {
        name: GraphNetwork(name, graphs[sizes.hops], CLASSES) for name, sizes in VARIANTS.items()
    }
    return {RIVAL: StGcn(graphs[2], CLASSES), **ours}


def scorers(models: dict[str, nn.Module]) -> dict[str, Callable[[dict[str, Tensor]], Tensor]]:
    """What each network scores a batch with, outside training: ours with norms folded."""
    calls: dict[str, Callable[[dict[str, Tensor]], Tensor]] = {}
    for name, model in models.items():
        model.eval()
        calls[name] = model.fused() if isinstance(model, GraphNetwork) else model
    calls[FIRST] = lambda batch: as_in_the_source(models["nano"], batch)
    return calls


def training_step(
    forward: Callable[[dict[str, Tensor]], Tensor],
    batch: dict[str, Tensor],
    half: torch.dtype | None = None,
) -> None:
    """Forward, in half precision if asked, and backward; gradients add up, no optimiser."""
    device = batch["bodies"].device
    with torch.autocast(device.type, half, enabled=half is not None):
        scores = forward(batch)
    targets = torch.arange(len(scores), device=device) % CLASSES
    functional.cross_entropy(scores.float(), targets).backward()


def in_turns(
    calls: dict[str, Callable[[], object]], clock: Callable[[], float]
) -> dict[str, float]:
    """Least seconds of each call."""
    best = dict.fromkeys(calls, float("inf"))
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            start = clock()
            call()
            # The first turn makes kernels and lists.
            best[name] = min(best[name], clock() - start) if turn else best[name]
    return best


def on_cpu(threads: int) -> dict[str, dict[str, float]]:
    """Samples a second of each network in each case.

    One thread is measured in processor time, which other programs disturb less; more threads on the
    clock.
    """
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    models = networks()
    rates: dict[str, dict[str, float]] = {name: {} for name in (*models, FIRST)}
    for case, count in CASES.items():
        batch = clips(count)
        if case.startswith("training"):
            forwards = {name: model.train() for name, model in models.items()}
            forwards[FIRST] = lambda batch: as_in_the_source(models["nano"], batch)
            calls = {
                name: lambda f=forward, b=batch: training_step(f, b)
                for name, forward in forwards.items()
            }
            seconds = in_turns(calls, clock)
        else:
            with torch.no_grad():
                calls = {
                    name: lambda f=score, b=batch: f(b) for name, score in scorers(models).items()
                }
                torch.testing.assert_close(calls["nano"](), calls[FIRST](), atol=1e-5, rtol=1e-4)
                seconds = in_turns(calls, clock)
        for name in rates:
            rates[name][case] = count / seconds[name]
    return rates


def traffic(model: GraphNetwork, batch: dict[str, Tensor]) -> int:
    """Numbers that a training step must at least move.

    They are each layer's inputs and outputs, once forward and twice backward.
    """
    moved = 0

    def count(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal moved
        moved += 3 * (inputs[0].numel() + output.numel())

    hooks = [
        part.register_forward_hook(count) for part in model.modules() if isinstance(part, Layer)
    ]
    with torch.no_grad():
        model(batch)
    for hook in hooks:
        hook.remove()
    return moved


def copy_bandwidth(device: str, size: int = 2**28) -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = in_turns(
        {"copy": lambda: finished(device, lambda: target.copy_(source))}, time.perf_counter
    )
    return 2 * size / seconds["copy"]


def finished(device: str, call: Callable[[], object]) -> None:
    """The call, waited for."""
    call()
    if device == "cuda":
        torch.cuda.synchronize()


def on_gpu(
    device: str = "cuda", batch_size: int = GPU_BATCH, compiled: bool = True
) -> dict[str, dict[str, float]]:
    """Training samples a second in half precision, and their share of the memory's limit."""
    bandwidth = copy_bandwidth(device)
    kind = torch.float16 if device == "cuda" else torch.bfloat16
    rates = {}
    for name, model in networks().items():
        if not isinstance(model, GraphNetwork):
            continue
        model.to(device).train()
        batch = clips(batch_size, device)
        limit = bandwidth / (2 * traffic(model, batch)) * batch_size
        if compiled:
            model.features = torch.compile(model.features)

        def steps(model: nn.Module = model, batch: dict[str, Tensor] = batch) -> None:
            for _ in range(GPU_STEPS):
                training_step(model, batch, kind)

        seconds = in_turns({name: lambda run=steps: finished(device, run)}, time.perf_counter)[name]
        rate = GPU_STEPS * batch_size / seconds
        rates[name] = {"training samples/s": rate, "share of the memory limit": rate / limit}
    return rates


def show(threads: int, rates: dict[str, dict[str, float]]) -> None:
    """One table."""
    clock = "processor time of one thread" if threads == 1 else f"{threads} threads, on the clock"
    head = " | ".join(f"{case}, samples/s | x" for case in CASES)
    print(f"\n| {clock} | parameters | {head} |\n|{'---|' * (2 + 2 * len(CASES))}")
    counts = {name: parameter_count(model) for name, model in networks().items()}
    for name, row in rates.items():
        cells = " | ".join(
            f"{rate:.1f} | {rate / rates[RIVAL][case]:.1f}" for case, rate in row.items()
        )
        print(f"| {name} | {counts.get(name, counts['nano']):,} | {cells} |")
    nano = {case: rates["nano"][case] / rates[RIVAL][case] for case in CASES}
    print(
        f"nano: {nano['batch 16']:.1f}x forward (wanted: {FORWARD}), "
        f"{nano['training, batch 8']:.1f}x training (wanted: {TRAINING})"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    options = parser.parse_args()
    figures = {}
    for threads in sorted(set(options.threads)):
        figures[f"{threads} threads"] = on_cpu(threads)
        show(threads, figures[f"{threads} threads"])
    print(f"load while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if torch.cuda.is_available():
        figures["gpu"] = on_gpu()
        print(
            f"\n| {torch.cuda.get_device_name()} | training samples/s | share of the memory limit"
            " |\n|---|---|---|"
        )
        for name, row in figures["gpu"].items():
            print(
                f"| {name} | {row['training samples/s']:.0f} |"
                f" {row['share of the memory limit']:.0%} |"
            )
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
