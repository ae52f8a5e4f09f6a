"""Training on frozen features against fine-tuning VideoMAE-base, and what the features cost.

CPU time of one thread, memory counted for the same batch of the same clips. Extraction with a
base-size encoder (SigLIP's shape, random weights), from videos, is held against the bare forward
pass of that encoder on the same frames.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import SiglipVisionConfig, SiglipVisionModel

from benchmarks._timing import processor_seconds
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.data.video import write_video
from signlib.experiments.estimate import GIB
from signlib.extraction.filming import FilmedClips, RenderedClips
from signlib.extraction.frozen import FrozenSettings, extract_frozen
from signlib.extraction.towers import load_tower
from signlib.settings import presets
from signlib.settings.base import Settings
from signlib.stores.pictures import COLOUR, PictureSettings
from signlib.synthesis.clips import GeneratedCorpus
from signlib.tasks.registry import build_model, task_of
from signlib.tasks.task import Inputs
from signlib.training.batches import Batch
from signlib.training.footprint import count_memory, loss_of
from signlib.training.frozen import FrozenDataset
from signlib.training.optim import make_optimizer, parameter_groups

CLASSES, BATCH, FRAMES = 100, 2, 16
BASE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}


def trainer(settings: Settings, size: int) -> Callable[[dict[str, torch.Tensor]], None]:
    """One optimiser step on a batch."""
    model = build_model(settings, MEDIAPIPE_543, CLASSES, size).train()
    groups = parameter_groups(model, 1e-4, 0.01)
    optimizer = make_optimizer(groups, settings.training)

    def step(batch: dict[str, torch.Tensor]) -> None:
        loss_of(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def random_batch(settings: Settings, clips: int) -> Batch:
    """Random clips of the shapes that the settings give."""
    return task_of(settings).example(settings, Inputs(MEDIAPIPE_543), CLASSES, clips)


def memory(settings: Settings, clips: int) -> float:
    """GiB of a training step, counted."""

    def build() -> tuple[torch.nn.Module, Batch]:
        model = build_model(settings, MEDIAPIPE_543, CLASSES).train()
        return model, random_batch(settings, clips)

    return count_memory(build, "32", gpu=False).total / GIB


def films(folder: Path, clips: int) -> FilmedClips:
    """Generated clips as videos."""
    source = RenderedClips(GeneratedCorpus(4, 3, 1))
    table = source.manifest.head(clips).assign(
        file=[f"{clip}.mp4" for clip in source.manifest["clip"].head(clips)]
    )
    for row in table.itertuples():
        pictures = source.film(row, [COLOUR], PictureSettings(FRAMES, 256))[COLOUR].pictures
        write_video(folder / row.file, list(pictures), 25)
    return FilmedClips(table, folder)


def extraction(folder: Path, clips: int, rounds: int) -> tuple[float, float, np.ndarray]:
    """CPU seconds of extracting all clips, of the encoder alone, and the features."""
    model = folder / "base"
    SiglipVisionModel(
        SiglipVisionConfig(**BASE, image_size=224, patch_size=16, vision_use_head=False)
    ).save_pretrained(model)
    source, settings = (
        films(folder / "films", clips),
        FrozenSettings(str(model), frames=FRAMES, batch=FRAMES),
    )
    tower = load_tower(str(model))
    pixels = torch.zeros(FRAMES, 3, 224, 224)

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(clips):
            tower.model(pixels)

    alone, whole, store = float("inf"), float("inf"), None
    for n in range(rounds):
        alone = min(alone, processor_seconds(bare, 1))
        start = time.process_time()
        store = extract_frozen(source, folder / f"store{n}", settings, progress=False, tower=tower)
        whole = min(whole, time.process_time() - start)
    return whole, alone, np.stack([store.read(clip) for clip in store.clips])


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2, help="(%(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=2, help="of which the fastest counts (%(default)s)"
    )
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = options.clips
    tuned = presets.build(
        "autsl/rgb",
        overrides=[f"training.batch_size={BATCH}", "training.effective_batch=0", "rgb.weights="],
    )
    frozen = presets.build("wlasl/concat")
    with tempfile.TemporaryDirectory() as folder:
        whole, alone, features = extraction(Path(folder), clips, options.rounds)
    points = [
        np.random.default_rng(n).random((FRAMES, 54, 3)).astype(np.float32) for n in range(clips)
    ]
    data = FrozenDataset(list(range(clips)), list(features), points)
    step, tune = trainer(frozen, features.shape[-1]), trainer(tuned, 0)

    def epoch() -> None:
        for first in range(0, clips, BATCH):
            step(data.collate([data[n] for n in range(first, min(first + BATCH, clips))]))

    def tuning() -> None:
        for _ in range(0, clips, BATCH):
            tune(random_batch(tuned, BATCH))

    epoch()
    cheap, dear = processor_seconds(epoch, 10), processor_seconds(tuning, options.rounds)
    small, large = memory(frozen, BATCH), memory(tuned, BATCH)
    wide, huge = memory(frozen, 32), memory(tuned, 32)
    ratios = {
        "epoch: fine-tuning / frozen": dear / cheap,
        f"memory, batch {BATCH}: fine-tuning / frozen": large / small,
        "memory, batch 32: fine-tuning / frozen": huge / wide,
        "extraction: forward alone / all of it": alone / whole,
        "epochs until extraction pays": whole / (dear - cheap),
    }
    print(
        f"| {clips} clips of {FRAMES} frames, one CPU thread | fine-tuning VideoMAE-base | frozen"
        " features | ratio |"
    )
    print("|---|---|---|---|")
    print(f"| an epoch | {dear:.1f} s | {1e3 * cheap:.0f} ms | {dear / cheap:.0f}x |")
    print(
        f"| memory, batch {BATCH}, counted | {large:.2f} GiB | {small:.2f} GiB |"
        f" {large / small:.0f}x |"
    )
    print(f"| memory, batch 32, counted | {huge:.2f} GiB | {wide:.2f} GiB | {huge / wide:.0f}x |")
    print(
        f"extraction once: {whole:.1f} s, of which the encoder's forward pass is"
        f" {alone / whole:.1%}; it pays after {whole / (dear - cheap):.2f} epochs"
    )
    if options.out:
        options.out.write_text(json.dumps(ratios, indent=2) + "\n")


if __name__ == "__main__":
    main()
