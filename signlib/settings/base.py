"""What every experiment can set, whatever its task; and what a preset is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar

from signlib.errors import SettingsError
from signlib.settings.fields import (
    NEVER,
    Only,
    choice,
    free_list,
    name,
    number,
    section,
    switch,
    when,
)
from signlib.settings.training import AugmentSettings, TrainingSettings, check_training

# Corpora whose manifest a person made: where that has no split, an official one becomes holdout.
PERSONAL = ("store", "folder")


@dataclass
class DataSettings:
    """Which clips, and who is trained and tested on."""

    corpus: str = name(
        "generated",
        "a name that the registry of corpora knows, or `store`: a landmark store of `extract`",
    )
    root: str = name("", 'folder of the corpus or store; "" = where SIGNLIB_DATA says')
    annotations: str = name(
        "",
        'of wlasl, which of its lists, such as nslt_300.json; "" = nslt_100.json, or the only one',
    )
    cut: bool = switch(
        False, "of videos: each film is one clip already, whatever segments its list names"
    )
    landmarks: str = name(
        "", "store of landmarks beside pictures or features, for corpora that come as videos"
    )
    split: str = choice(
        "official",
        "official (the manifest's; holdout where a manifest of one's own says none), folds"
        " (stratified, shuffled), signer (leave test_signers out), holdout (a share of each"
        " gloss's clips tests, by signers who do not train where that can be)",
        "official",
        "folds",
        "signer",
        "holdout",
    )
    split_type: str = choice(
        "",
        "which official split: xsub or xview (ntu60, generated-actions); official (nw-ucla: views "
        "1 and 2 train, view 3 tests), view-1 or view-2 (it trains, the other one of them tests); "
        '"" = the first of these that the files allow',
        "",
        "xsub",
        "xview",
        "official",
        "view-1",
        "view-2",
    )
    folds: int = number(5, "number of folds", 2, 1000, only=when(".split", "folds"))
    fold: int = number(0, "which fold is the test split", 0, 999, only=when(".split", "folds"))
    fold_seed: int = number(
        0,
        "random seed of the shuffle before folding, or before test or validation are held out",
        0,
        2**32 - 1,
        only=(
            when(".split", "folds", "holdout") | when(".validation") | when(".corpus", *PERSONAL),
            when(".split", "folds", "holdout", "official") | when(".validation"),
        ),
    )
    holdout: float = number(
        0.2,
        "share of each gloss's clips that tests, at least one of two; of sentences, of all",
        0.01,
        0.9,
        only=(
            when(".split", "holdout") | when(".corpus", *PERSONAL),
            when(".split", "holdout", "official"),
        ),
    )
    test_signers: list[str] = free_list(
        [], "signers of the test split", only=when(".split", "signer")
    )
    validation: float = number(
        0.0,
        "share of the training clips held out where the manifest has no validation split; "
        "0 = none: nothing is selected and the last epoch counts",
        0,
        0.9,
    )
    validation_by: str = choice(
        "clip",
        "clip (stratified by gloss) or signer (whole signers)",
        "clip",
        "signer",
        only=when(".validation"),
    )
    skeleton: str = name(
        "",
        "give the clips as another skeleton whose joints they have (upper-53, ...), so that an "
        'encoder trained on one corpus fits another; "" = as they are',
    )
    limit_classes: int = number(
        0, "keep only so many glosses, those with most training clips; 0 = all", 0, 10**6
    )
    fewest: int = number(0, "keep only glosses with at least so many training clips", 0, 10**6)
    glosses: int = number(20, "of a generated corpus", 2, 10**4)
    signers: int = number(10, "of a generated corpus", 3, 10**4)
    repetitions: int = number(3, "of a generated corpus: each signer says each so often", 1, 10**4)
    seed: int = number(0, "random seed of a generated corpus", 0, 2**32 - 1)
    hardness: float = number(1.0, "of a generated corpus: how much signers differ", 0, 3)
    shortest: int = number(1, "fewest signs of a generated sentence", 1, 15)
    longest: int = number(15, "most signs of a generated sentence", 1, 15)
    sentences: int = number(600, "training sentences of a stitched corpus", 1, 10**6)


@dataclass
class FeatureSettings:
    """What a model gets to see of the landmarks."""

    joints: str = name(
        "body",
        "a selection of the skeleton: all, 118, body, upper, hands, or parts joined by +",
    )
    normalise: bool = switch(
        True,
        "signer-centred and scale-free; false = raw coordinates about the picture's middle",
    )
    rotate: bool = switch(
        True, "also undo the camera's roll: the shoulders are level", only=when(".normalise")
    )
    face_camera: bool = switch(
        False,
        "also turn the signer about the vertical until both shoulders are equally far away",
        only=when(".normalise"),
    )
    hand_depth: bool = switch(
        False,
        "put each hand's depth, which counts from its wrist, at the depth of the body's wrist",
        only=when(".normalise"),
    )
    longest_gap: int = number(
        5, "interpolate gaps of at most so many frames", 0, 10**4, only=when(".normalise")
    )
    dominant: bool = switch(
        True,
        "mirror clips whose more active hand is the left one, so that one hand leads everywhere",
    )
    frames: int = number(
        32, "resample each clip to so many frames; 0 = all frames, padded", 0, 10**4
    )
    coordinates: int = choice(3, "2 (x, y) or 3 (x, y, z)", 2, 3)
    z_weight: float = number(
        1.0, "factor on z, which MediaPipe guesses", -100, 100, only=when(".coordinates", 3)
    )


# What a task on single signs does not read, and one that has landmarks as its only clips.
OF_SENTENCES = dict.fromkeys(("data.shortest", "data.longest", "data.sentences"), NEVER)
ALONE = {"data.landmarks": NEVER}


@dataclass
class Settings:
    """One experiment; each task adds its own sections in a subclass."""

    # The setting that `--dropout` means; "" = the task has none.
    DROPOUT: ClassVar[str] = "model.head_dropout"
    # When this task reads what all tasks can set: of a key, in the place of what its declaration
    # says; of the beginning of keys, besides that.
    ONLY: ClassVar[Mapping[str, Only]] = {}

    preset: str = name("landmarks/small", "the preset that these settings started from")
    task: str = name("landmarks", "the family of models")
    mode: str = choice("full", "smoke (small sizes, cannot be published) or full", "smoke", "full")
    seed: int = number(0, "random seed of weights, order and augmentation", 0, 2**32 - 1)
    data: DataSettings = section(DataSettings, "which clips")
    features: FeatureSettings = section(FeatureSettings, "what is seen of the landmarks")
    augment: AugmentSettings = section(AugmentSettings, "what is varied in training clips")
    training: TrainingSettings = section(TrainingSettings, "how the model is fitted")

    def check(self) -> None:
        """Refuse values that do not go together; limits of single values are checked before.

        Raises:
            SettingsError: with key, value and what to do.
        """
        check_training(self.training)
        SettingsError.raise_if(
            self.data.shortest > self.data.longest,
            f"data.shortest={self.data.shortest} is more than data.longest={self.data.longest}",
        )
        SettingsError.raise_if(
            self.data.fold >= self.data.folds,
            f"data.fold={self.data.fold} must lie within 0..{self.data.folds - 1}",
        )
        SettingsError.raise_if(
            self.data.split == "signer" and not self.data.test_signers,
            "data.split=signer needs data.test_signers, such as data.test_signers=[signer2]",
        )


@dataclass(frozen=True)
class Preset:
    """One named experiment: differences from the defaults of its task.

    Attributes:
        question: what it is for, in one line.
        settings: dotted keys that differ from the defaults, or from `base`.
        smoke: further differences of the smoke form.
        base: a preset to start from; "" = the defaults.
        stated: parameters that the source of the preset states, as `NUMBER at CLASSES classes`,
            or without the classes where it does not say them; "" = none. A preset that starts from
            this one states its own. CTC counts the blank as a class, our column `classes` does not.
        stated_width: numbers a frame of frozen features for which it states them; 0 = the usual.
    """

    question: str
    settings: Mapping[str, Any]
    smoke: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    stated: str = ""
    stated_width: int = 0


def refuse_uneven(settings: Any, prefix: str) -> None:
    """Refuse a width that is not divisible by the number of heads.

    Args:
        settings: a section with `width` and `heads`.
        prefix: its name in the settings.

    Raises:
        SettingsError: with both values.
    """
    SettingsError.raise_if(
        settings.width % settings.heads,
        f"{prefix}.width={settings.width} cannot be shared by {prefix}.heads={settings.heads}; "
        "heads must divide the width",
    )


def refuse_switched_on(settings: Settings, keys: Iterable[str], reason: str) -> None:
    """Refuse settings that must be off here: 0, false or "".

    Raises:
        SettingsError: with key, value and reason.
    """
    for key in keys:
        value = attrgetter(key)(settings)
        SettingsError.raise_if(value, f"{key}={value} {reason}; switch it off")
