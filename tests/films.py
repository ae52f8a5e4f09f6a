"""A small video classifier, and what a process takes for a training step of it: `python films.py`.

It imports no trainer, which would take longer than what is measured.
"""

import ctypes
import gc
import re
from pathlib import Path

import torch
from torch import nn

from signlib.models.video import VideoEncoder, videomae

CASES = ((True, "32"), (False, "32"), (False, "bf16-mixed"))
"""With checkpointing or not, and in which precision."""


class Film(nn.Module):
    """A small video encoder with a head."""

    classes = 5

    def __init__(self, checkpointing: bool, width: int, layers: int) -> None:
        super().__init__()
        self.encoder = VideoEncoder(
            videomae(width, layers, 4, 4 * width, 3, 96, 16, 8), checkpointing
        )
        self.head = nn.Linear(width, 5)

    def forward(self, batch):
        return self.head(self.encoder(batch["video"]))


def film(checkpointing: bool, size: int, width: int = 64, layers: int = 3):
    batch = {
        "video": torch.zeros(size, 8, 3, 96, 96),
        "target": torch.zeros(size, dtype=torch.long),
    }
    return Film(checkpointing, width, layers).train(), batch


def step(model: nn.Module, batch: dict[str, torch.Tensor], precision: str) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=precision != "32"):
        loss = nn.functional.cross_entropy(model(batch), batch["target"])
    loss.backward()


def memory(name: str) -> int:
    return 1024 * int(re.search(name + r":\s+(\d+)", Path("/proc/self/status").read_text())[1])


def main() -> None:
    step(*film(True, 1), "bf16-mixed")
    for again, precision in CASES:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(
            0
        )  # back to the system, so that the next case does not live on it
        before = memory("VmRSS")
        model, batch = film(again, 8, 256, 6)
        optimizer = torch.optim.AdamW(model.parameters())
        step(model, {key: value[:1] for key, value in batch.items()}, precision)
        optimizer.step()  # the gradients stay, as while batches are accumulated
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        step(model, batch, precision)
        print(memory("VmHWM") - before)
        del model, batch, optimizer


if __name__ == "__main__":
    main()
