"""Networks for sentences, each preset in its full form: a training step, its memory, and how fast
one sentence is read.

Sentences are noise of 150 frames with ten signs; processor time of one thread, so that other
programs do not count. The rival is the seed's promise of 20 to 30 frames a second. Features are
given: making them is not measured here.
"""

import argparse
import json
import multiprocessing
import resource
from pathlib import Path

import torch

from benchmarks._timing import processor_seconds
from signlib.data.skeletons import skeleton
from signlib.decoding.ctc import greedy
from signlib.experiments.sizes import CORPORA, SENTENCE_FRAMES
from signlib.models.classifier import parameter_count
from signlib.settings import presets
from signlib.settings.config import Settings
from signlib.settings.sentences_presets import SENTENCES
from signlib.tasks.recognition import build_model
from signlib.tasks.sentences import CHANNELS
from signlib.training.batches import Batch
from signlib.training.ctc_losses import SentenceLoss
from signlib.training.optim import make_optimizer, parameter_groups

SIGNS, ROUNDS, PROMISED = 10, 3, 30
FEW = 2
"""Sentences a step of the presets that are made for a GPU."""


def noise(settings: Settings, sentences: int, classes: int) -> Batch:
    """A batch of the shapes that the settings give."""
    ctc, lengths = settings.ctc, torch.full((sentences,), SENTENCE_FRAMES)
    joints = len(skeleton(CORPORA[settings.data.corpus][0]).select(settings.features.joints))
    batch = {"lengths": lengths, "sizes": torch.full((sentences,), SIGNS)}
    batch["targets"] = torch.randint(1, classes + 1, (sentences, SIGNS))
    if ctc.input == "streams":
        batch["points"] = torch.randn(
            sentences, SENTENCE_FRAMES, joints, settings.features.coordinates
        )
        batch["mask"] = torch.ones(batch["points"].shape[:3], dtype=torch.bool)
    else:
        batch["features"] = torch.randn(
            sentences, SENTENCE_FRAMES, ctc.reduce or 3 * CHANNELS * joints
        )
    return batch


def measured(name: str) -> dict[str, float]:
    """Figures of one preset; in a process of its own, whose peak of memory is the preset's."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = presets.build(name)
    layout, classes = CORPORA[settings.data.corpus]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = build_model(settings, skeleton(layout), classes).train()
    size = FEW if name.startswith("phoenix") else settings.training.batch_size
    batch, loss = (
        noise(settings, size, classes),
        SentenceLoss(settings.ctc.focal_share, settings.ctc.focal_power),
    )
    groups = parameter_groups(
        model, settings.training.learning_rate, settings.training.weight_decay
    )
    optimizer = make_optimizer(groups, settings.training)

    def step() -> None:
        optimizer.zero_grad()
        frames = model.frames(batch["lengths"])
        loss(model(batch), frames, batch["targets"], batch["sizes"]).backward()
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
        "sentences/s": size / seconds,
        "MiB": peak / 1024,
        "frames/s": SENTENCE_FRAMES / processor_seconds(read, ROUNDS),
    }


def main() -> None:
    """Measure and print one line a preset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="*", help="of these only")
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    # The stitched family has the same networks.
    names = options.presets or [name for name in SENTENCES if not name.startswith("stitched")]
    found = {}
    print(
        "| preset | parameters | batch | sentences a second | peak memory, MiB | frames read a"
        " second | of 30 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in names:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            row = found[name] = pool.apply(measured, (name,))
        times = row["frames/s"] / PROMISED
        print(
            f"| {name} | {row['parameters']:,} | {row['batch']} | {row['sentences/s']:.2f} |"
            f" {row['MiB']:,.0f} | {row['frames/s']:,.0f} | {times:.0f}x |",
            flush=True,
        )
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
