"""What recognition costs little: untuned readers of a clip's numbers, as they are (no network)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from signlib.errors import SettingsError
from signlib.settings.base import ALONE, OF_SENTENCES, Preset, Settings
from signlib.settings.fields import NEVER, Only, choice, name, section, switch, when
from signlib.settings.phonology import PhonologySettings

_LANDMARKS, _PHONOLOGY = (when("baseline.reads", word) for word in ("landmarks", "phonology"))
# Of phonological features only how they are made; the rest is about a network.
_MADE_BY = ("form", "stride", "scale")


@dataclass
class BaselineSettings:
    """A reader that nobody tunes."""

    method: str = choice(
        "svm",
        "svm (support vector machine: RBF kernel, C = 1, gamma = 1 / (numbers x variance)) or "
        "neighbour (the gloss of the most similar training clip)",
        "svm",
        "neighbour",
    )
    standardise: bool = switch(
        False,
        "bring each number to mean 0 and standard deviation 1 over the training clips",
        only=when(".method", "svm"),
    )
    reads: str = choice(
        "landmarks",
        "landmarks (as features.* says) or phonology (the 36 numbers a frame, as phonology.* says)",
        "landmarks",
        "phonology",
    )


@dataclass
class BaselineExperiment(Settings):
    """Single signs by a support vector machine, or by the nearest training clip."""

    DROPOUT: ClassVar[str] = ""
    # Nothing is learned in steps, and nothing but the clips' numbers is read.
    ONLY: ClassVar[Mapping[str, Only]] = {
        **OF_SENTENCES,
        **ALONE,
        **{
            f"phonology.{entry.name}": NEVER
            for entry in fields(PhonologySettings)
            if entry.name not in _MADE_BY
        },
        "phonology.": _PHONOLOGY,
        "features.": _LANDMARKS,
        # Phonological features are made with these, too.
        "features.longest_gap": when("features.normalise") | _PHONOLOGY,
        "features.dominant": (),
        "features.frames": (),
        "augment.": NEVER,
        "training.": NEVER,
    }

    task: str = name("baseline", "the family of models")
    baseline: BaselineSettings = section(BaselineSettings, "which reader")
    phonology: PhonologySettings = section(PhonologySettings, "how phonological features are made")

    def check(self) -> None:
        super().check()
        SettingsError.raise_if(
            self.features.frames == 0,
            "features.frames=0: a baseline reads as many numbers of each clip; set it to 1 or more",
        )


# Where a clip's numbers are read out, whatever its length.
_MOMENTS = {"features.frames": 16}
_SMOKE = {"data.glosses": 6, "data.repetitions": 1}

PRESETS: dict[str, Preset] = {
    "baseline/svm": Preset(
        "how far an untuned support vector machine gets (--set data.corpus=dgs-30 ...)",
        _MOMENTS,
        _SMOKE,
    ),
    "baseline/neighbour": Preset(
        "how far the gloss of the most similar training clip gets",
        {"baseline.method": "neighbour"},
        {},
        "baseline/svm",
    ),
}
