"""A training step by modality: time, memory, checkpointing and half precision; and the loader.

On a CPU at a reduced size, CPU time of one thread; with a GPU the full model at batch 8 and the
GPU's own peak. The loader's rival is keeping all pictures decoded in memory: the share is what a
step without workers waits for.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch

from benchmarks._timing import processor_seconds
from signlib.data.skeletons import MEDIAPIPE_543
from signlib.experiments.estimate import GIB
from signlib.extraction.pictures import pictures_of
from signlib.settings import presets
from signlib.settings.base import Settings
from signlib.stores.pictures import PictureSettings
from signlib.synthesis.clips import GeneratedCorpus
from signlib.tasks.registry import build_model, task_of
from signlib.tasks.task import Inputs
from signlib.training.devices import choose_device
from signlib.training.footprint import count_memory, half, loss_of, measure
from signlib.training.multimodal import MultimodalDataset
from signlib.training.optim import make_optimizer, parameter_groups

MODALITIES = ("rgb", "rgb+depth", "skeleton", "rgb+depth+skeleton")
CLASSES, ROUNDS = 226, 3
REDUCED = [
    "pictures.size=96",
    "pictures.frames=8",
    "training.batch_size=4",
    "training.effective_batch=0",
    "rgb.width=192",
    "rgb.layers=4",
    "rgb.heads=4",
    "rgb.intermediate=768",
    "depth.width=192",
    "depth.layers=4",
    "depth.heads=4",
    "depth.intermediate=768",
]


def settings_of(modalities: str, checkpointing: bool, gpu: bool) -> Settings:
    """The preset of these modalities with random weights, reduced on a CPU."""
    base = f"autsl/{modalities}"
    changes = ["rgb.weights=", f"pictures.checkpointing={str(checkpointing).lower()}"]
    return presets.build(base, overrides=[*changes, *([] if gpu else REDUCED)])


def step_of(settings: Settings, precision: str) -> tuple[float, float]:
    """Seconds of a batch forward and backward, and GiB: counted on a CPU, measured on a GPU."""
    gpu = torch.cuda.is_available()
    device, size = torch.device("cuda" if gpu else "cpu"), settings.training.batch_size

    def make(clips: int) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
        model = build_model(settings, MEDIAPIPE_543, CLASSES).train()
        batch = task_of(settings).example(settings, Inputs(MEDIAPIPE_543), CLASSES, clips)
        return model, batch

    model, batch = make(size)
    if gpu:
        groups = parameter_groups(model.to(device), 1e-4, 0.01)
        optimizer = make_optimizer(groups, settings.training)
        pace = measure(
            model,
            lambda clips: {k: v.to(device) for k, v in make(clips)[1].items()},
            optimizer,
            size,
            precision,
            device,
        )
        return pace.batch, pace.peak / GIB

    def step() -> None:
        with half(precision, "cpu"):
            loss = loss_of(model, batch)
        loss.backward()
        model.zero_grad()

    step()
    return (
        processor_seconds(step, ROUNDS),
        count_memory(lambda: make(size), precision, gpu=False).total / GIB,
    )


def loading(seconds: float, folder: Path) -> dict[str, float]:
    """Share of a step of so many seconds that waits for its batch, without workers."""
    settings = settings_of("rgb+depth", False, False)
    corpus, pictures, size = (
        GeneratedCorpus(4, 3, 1),
        settings.pictures,
        settings.training.batch_size,
    )
    store = pictures_of(
        corpus, folder, PictureSettings(pictures.frames, pictures.size), progress=False
    )
    shares = {}
    for name, kept in (("store", False), ("memory", True)):
        data = MultimodalDataset(
            store.clips, [0] * len(store), ("rgb", "depth"), store, in_memory=kept
        )
        wait = processor_seconds(lambda d=data: d.collate([d[n] for n in range(size)]), ROUNDS)
        shares[name] = wait / (wait + seconds)
    return shares


def main() -> None:
    """Measure and print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    gpu = torch.cuda.is_available()
    probe = presets.build("autsl/rgb").training
    precisions = ["32", choose_device(probe)[1] if gpu else "bf16-mixed"]
    ratios, steps = {}, {}
    name = torch.cuda.get_device_name() if gpu else "one CPU thread, reduced size"
    print(f"| {name} | precision | step | memory | step, checkpointing | memory, checkpointing |")
    print("|---|---|---|---|---|---|")
    for modalities in MODALITIES:
        for precision in precisions:
            plain, again = (
                step_of(settings_of(modalities, way, gpu), precision) for way in (False, True)
            )
            steps[modalities, precision] = plain[0]
            ratios[f"{modalities}, {precision}: checkpointing / step"] = again[0] / plain[0]
            ratios[f"{modalities}, {precision}: memory / checkpointing"] = plain[1] / again[1]
            figures = " | ".join(
                f"{1e3 * seconds:.0f} ms | {size:.2f} GiB" for seconds, size in (plain, again)
            )
            print(f"| {modalities} | {precision} | {figures} |")
    if not gpu:
        with tempfile.TemporaryDirectory() as folder:
            shares = loading(steps["rgb+depth", "32"], Path(folder))
        ratios |= {f"waiting, {name}": share for name, share in shares.items()}
        print(
            f"waiting without workers: {shares['store']:.1%} from the store, {shares['memory']:.1%}"
            " from memory"
        )
    if options.out:
        options.out.write_text(json.dumps(ratios, indent=2) + "\n")


if __name__ == "__main__":
    main()
