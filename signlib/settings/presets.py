"""Named experiments: differences from the defaults in `config`, nothing repeated.

A preset exists twice. Its smoke form changes only sizes and takes the generated corpus, so that
every notebook and test walks the path that the full form walks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from signlib.errors import SettingsError
from signlib.settings import config
from signlib.settings.frozen_presets import FROZEN
from signlib.settings.graph_presets import ACTIONS
from signlib.settings.landmarks_presets import LANDMARKS
from signlib.settings.modalities_presets import ABLATION, MODALITIES
from signlib.settings.phonology_presets import PHONOLOGY
from signlib.settings.sentences_presets import ABLATION as SENTENCE_ABLATION
from signlib.settings.sentences_presets import SENTENCES


@dataclass(frozen=True)
class Preset:
    """One named experiment.

    Attributes:
        question: what it is for, in one line.
        settings: dotted keys that differ from the defaults.
        smoke: further differences of the smoke form.
        base: a preset to start from; "" = the defaults.
    """

    question: str
    settings: dict[str, Any]
    smoke: dict[str, Any]
    base: str


SMOKE = {
    "data.corpus": "generated",
    "data.root": "",
    "data.split": "official",
    "data.glosses": 10,
    "data.repetitions": 2,
    "training.epochs": 12,
    "training.batch_size": 16,
    "training.hours": 0.0,
}

PRESETS = {
    name: Preset(*row)
    for family in (LANDMARKS, FROZEN, MODALITIES, ACTIONS, PHONOLOGY, SENTENCES)
    for name, row in family.items()
}

SWEEPS = {
    "autsl": tuple(f"autsl/{variant}" for variant in ABLATION),
    "generated": tuple(f"generated/{variant}" for variant in ("depth", *ABLATION)),
    **{
        family: tuple(f"{family}/{row}" for row in SENTENCE_ABLATION)
        for family in ("sentences", "stitched")
    },
}
"""Named families of presets that `sweep` trains over several seeds."""


def build(
    name: str, mode: str = "full", seed: int | None = None, overrides: Iterable[str] = ()
) -> config.Settings:
    """The settings of a preset after its base, its form and the overrides.

    Args:
        name: `family/variant`.
        mode: `smoke` or `full`.
        seed: of everything random; None = the preset's own.
        overrides: `key=value` strings, which win over all.

    Raises:
        SettingsError: for an unknown preset or mode, and for what `config.build` refuses.
    """
    if name not in PRESETS:
        raise SettingsError(f"preset {name!r} is unknown; choose from {', '.join(PRESETS)}")
    overrides = list(overrides)
    named = [text for text in overrides if text.partition("=")[0].strip() in ("preset", "mode")]
    if named:
        # A smoke run that calls itself full could be published.
        raise SettingsError(
            f"override {named[0]!r}: preset and mode are chosen by name, not as a setting"
        )
    chain, at = [], name
    while at:
        chain.insert(0, PRESETS[at])
        at = PRESETS[at].base
    layers = [preset.settings for preset in chain]
    if mode == "smoke":
        layers += [SMOKE, *(preset.smoke for preset in chain)]
    chosen = {"preset": name, "mode": mode} | ({} if seed is None else {"seed": seed})
    return config.build(*layers, chosen, overrides=overrides)
