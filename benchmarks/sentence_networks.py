"""Networks for sentences in their full form: a training step, its memory, and reading.

Sentences are noise of 150 frames with ten signs; processor time of one thread, so that other
programs do not count. The rival is the promise of source 001 of 20 to 30 frames a
second. Features are given: making them is not measured here. `--memory` trades memory for time, as
source 001 asks in its section 6: the same eight sentences a step, whole, two at a time
(accumulation 4), with stages computed again in the backward pass, and both.
"""

import argparse
import json
import multiprocessing
import resource
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks._timing import processor_seconds
from signlib.decoding.ctc import greedy
from signlib.experiments.sizes import classes_of, inputs_of
from signlib.models.classifier import parameter_count
from signlib.settings import presets
from signlib.settings.base import Settings
from signlib.settings.sentences import PRESETS
from signlib.tasks.registry import task_of
from signlib.tasks.sentences import FRAMES
from signlib.training.batches import Batch
from signlib.training.optim import make_optimizer, parameter_groups

SIGNS, ROUNDS, PROMISED = 10, 3, 30
FEW = 2
"""Sentences a step of the presets that are made for a GPU."""
LARGE = ("phoenix/hierarchical", "phoenix/hybrid")
"""Presets whose memory is traded for time."""
AGAIN = ("ctc.checkpointing=true",)
TRADES: dict[str, tuple[tuple[str, ...], int, int]] = {
    "8 at once": ((), 8, 1),
    "accumulation 4 of 2": ((), 2, 4),
    "8 at once, checkpointing": (AGAIN, 8, 1),
    "accumulation 4 of 2, checkpointing": (AGAIN, 2, 4),
}
"""Overrides, sentences a batch, batches a step."""


def noise(settings: Settings, sentences: int, classes: int) -> Batch:
    """A batch of the shapes that the settings give, with `SIGNS` signs a sentence."""
    batch = task_of(settings).example(settings, inputs_of(settings), classes, sentences)
    batch["sizes"] = torch.full((sentences,), SIGNS)
    batch["targets"] = torch.randint(1, classes + 1, (sentences, SIGNS))
    return batch


def measured(
    name: str, overrides: Sequence[str] = (), size: int = 0, accumulate: int = 1
) -> dict[str, float]:
    """Figures of one preset; in a process of its own, whose peak of memory is the preset's.

    Args:
        size: sentences a batch; 0 = the preset's, or `FEW`.
        accumulate: batches a step.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = presets.build(name, overrides=overrides)
    classes = classes_of(settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = task_of(settings).network(settings, inputs_of(settings), classes).train()
    size = size or (FEW if name.startswith("phoenix") else settings.training.batch_size)
    batch = noise(settings, size, classes)
    groups = parameter_groups(
        model, settings.training.learning_rate, settings.training.weight_decay
    )
    optimizer = make_optimizer(groups, settings.training)

    def step() -> None:
        optimizer.zero_grad()
        for _ in range(accumulate):
            (task_of(settings).loss(settings, model, batch) / accumulate).backward()
        optimizer.step()

    step()
    seconds = processor_seconds(step, ROUNDS - 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    model.eval()
    one = noise(settings, 1, classes)

    @torch.inference_mode()
    def read() -> None:
        greedy(model(one).numpy(), model.frames(one["lengths"]).tolist())

    read()
    return {
        "parameters": parameter_count(model),
        "batch": size,
        "sentences/s": accumulate * size / seconds,
        "MiB": peak / 1024,
        "frames/s": FRAMES / processor_seconds(read, ROUNDS),
    }


def main() -> None:
    """Measure and print one line a preset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="*", help="of these only")
    parser.add_argument("--memory", action="store_true", help="trade memory for time instead")
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    rows = trades() if options.memory else speeds(options.presets)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=2) + "\n")


def alone(*asked: object) -> dict[str, float]:
    """`measured` in a process of its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(measured, asked)


def trades() -> dict[str, dict[str, float]]:
    """Print and give a line a way of making one step of `LARGE` presets."""
    rows = {}
    print("| preset | a step | seconds of it | peak memory, MiB |")
    print("|---|---|---|---|")
    for name in LARGE:
        for way, (overrides, size, accumulate) in TRADES.items():
            row = rows[f"{name}, {way}"] = alone(name, overrides, size, accumulate)
            seconds = size * accumulate / row["sentences/s"]
            print(f"| {name} | {way} | {seconds:.2f} | {row['MiB']:,.0f} |", flush=True)
    return rows


def speeds(chosen: Sequence[str] | None) -> dict[str, dict[str, float]]:
    """Print and give a line a preset."""
    # The stitched family has the same networks.
    names = chosen or [name for name in PRESETS if not name.startswith("stitched")]
    rows = {}
    print(
        "| preset | parameters | batch | sentences a second | peak memory, MiB | frames read a"
        " second | of 30 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in names:
        row = rows[name] = alone(name)
        times = row["frames/s"] / PROMISED
        print(
            f"| {name} | {row['parameters']:,} | {row['batch']} | {row['sentences/s']:.2f} |"
            f" {row['MiB']:,.0f} | {row['frames/s']:,.0f} | {times:.0f}x |",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
