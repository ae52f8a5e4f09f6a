"""Settings of tests: what a preset reads of the usual small ones, and what a test asks for."""

from collections.abc import Sequence

from signlib.settings import config, presets
from signlib.settings.base import Settings


def built(
    preset: str, usual: Sequence[str], more: Sequence[str] = (), seed: int | None = None
) -> Settings:
    """The smoke form of a preset; every one of `more` must be read, or it is refused."""
    whole = presets.build(preset, "smoke", seed, [*usual, *more], lenient=True)
    read = [text for text in usual if config.is_read(whole, config.key_of(text))]
    return presets.build(preset, "smoke", seed, [*read, *more])
