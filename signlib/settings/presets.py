"""Named experiments: differences from the defaults of their task, nothing repeated.

A preset exists twice. Its smoke form changes only sizes and takes the generated corpus, so that
every notebook and test walks the path that the full form walks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from signlib.errors import SettingsError, did_you_mean
from signlib.settings import config
from signlib.settings.aliases import RENAMED_PRESETS
from signlib.settings.base import Settings
from signlib.settings.registry import all_presets

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


def build(
    name: str,
    mode: str = "full",
    seed: int | None = None,
    overrides: Iterable[str] = (),
    lenient: bool = False,
) -> Settings:
    """The settings of a preset after its base, its form and the overrides.

    Args:
        name: `family/variant`.
        mode: `smoke` or `full`.
        seed: of everything random; None = the preset's own.
        overrides: `key=value` strings, which win over all.
        lenient: overrides that nothing reads are left out, not refused.

    Raises:
        SettingsError: for an unknown preset or mode, with those that there are, and for what
            `config.build` refuses.
    """
    overrides = list(overrides)
    for text in overrides:
        # A smoke run that calls itself full could be published.
        if text.partition("=")[0].strip() in ("preset", "mode"):
            raise SettingsError(
                f"override {text!r}: preset and mode are chosen by name, not as a setting"
            )
    name = RENAMED_PRESETS.get(name, name)
    presets = all_presets()
    if name not in presets:
        names = did_you_mean(name, presets, "python -m signlib models")
        raise SettingsError(f"preset {name!r} is unknown; {names}")
    task, chosen = presets[name]
    chain = [chosen]
    while chain[0].base:
        chain.insert(0, presets[chain[0].base][1])
    layers: list[Mapping[str, Any]] = [{"task": task}, *(each.settings for each in chain)]
    if mode == "smoke":
        layers += [SMOKE, *(each.smoke for each in chain)]
    layers.append({"preset": name, "mode": mode} | ({} if seed is None else {"seed": seed}))
    settings = config.assembled(*layers, overrides=overrides)
    # A preset may say more than the network reads that somebody chose in its place.
    asked = [] if lenient else [config.key_of(text) for text in overrides]
    config.put_back(settings, asked=asked)
    config.check(settings)
    return settings
