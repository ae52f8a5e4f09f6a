"""Settings of the classifier on frozen visual features."""

from dataclasses import dataclass, field


@dataclass
class FrozenSettings:
    """The classifier on frozen visual features (seed 004).

    Attributes:
        fusion: concat, attention (over a single key, as the seed has it), attention-over-time or
            gated; "" = no such classifier.
        inputs: `visual`, `landmarks` or both.
        landmarks: their branch: `seed`, or `encoder`: the one that the settings `model` describe.
        store: features that `extract --extractor frozen` made; how many numbers a frame has is read
            there.
        tower: of generated clips, without a store: the encoder whose features are made below the
            folder of runs; `random` = a tiny one with random weights.
        frames: of a clip, for features that are made so.
        width, heads: of both branches and the fusion.
        layers, intermediate: of the landmarks' transformer.
        positions: longest clip in frames.
        dropout: everywhere.
    """

    fusion: str = ""
    inputs: list[str] = field(default_factory=lambda: ["visual", "landmarks"])
    landmarks: str = "seed"
    store: str = ""
    tower: str = ""
    frames: int = 16
    width: int = 256
    heads: int = 4
    layers: int = 2
    intermediate: int = 1024
    positions: int = 64
    dropout: float = 0.3


FROZEN_INPUTS = ("visual", "landmarks")

FROZEN_CHOICES = {
    "frozen.landmarks": ("seed", "encoder"),
    "frozen.fusion": ("", "concat", "attention", "attention-over-time", "gated"),
}

FROZEN_RANGES = {
    "frozen.frames": (1, 1024),
    "frozen.width": (1, 10**5),
    "frozen.heads": (1, 1000),
    "frozen.layers": (1, 1000),
    "frozen.intermediate": (1, 10**6),
    "frozen.positions": (1, 10**5),
    "frozen.dropout": (0, 0.95),
}
