"""Settings of tests: what a preset reads of the usual small ones, and what a test asks for."""

from collections.abc import Sequence

from signlib.settings import config, presets
from signlib.settings.base import Settings

# A landmark network that is trained in a moment; a test adds its clips.
SMALL_NETWORK = [
    "features.joints=hands",
    "features.frames=8",
    "model.width=16",
    "model.layers=1",
    "model.heads=2",
    "model.intermediate=16",
    "training.epochs=2",
    "training.batch_size=6",
    "training.threads=1",
    "training.accelerator=cpu",
]
# What sweeps and searches train: three signs of ten signers.
SMALL_RUN = [
    "data.glosses=3",
    "data.signers=10",
    "data.repetitions=2",
    "model.max_positions=16",
    *SMALL_NETWORK,
]


def built(
    preset: str, usual: Sequence[str], more: Sequence[str] = (), seed: int | None = None
) -> Settings:
    """The smoke form of a preset; every one of `more` must be read, or it is refused."""
    whole = presets.build(preset, "smoke", seed, [*usual, *more], lenient=True)
    read = [text for text in usual if config.is_read(whole, config.key_of(text))]
    return presets.build(preset, "smoke", seed, [*read, *more])
