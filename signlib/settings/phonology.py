"""Recognition from readable features, and pre-training on them (source 002)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from signlib.settings.base import ALONE, OF_SENTENCES, Preset, Settings
from signlib.settings.fields import (
    NEVER,
    Only,
    choice,
    name,
    number,
    numbers,
    section,
    switch,
    unless,
    when,
)
from signlib.settings.training import TrainingSettings

_CTC, _PRETEXT = when(".network", "ctc"), when(".network", "pretext")
_READER = unless(".network", "pretext")
_VIEWS = when(".views") | _PRETEXT
_CODES = (_PRETEXT, when(".pretext", "codes"))


@dataclass
class PhonologySettings:
    """A recurrent network on the 36 phonological features of each frame."""

    network: str = choice(
        "pooled",
        "pooled (one gloss a clip, cross-entropy on the mean of its frames), ctc (one gloss a clip,"
        " over all alignments: the source's reader) or pretext (pre-training without glosses)",
        "pooled",
        "ctc",
        "pretext",
    )
    form: str = choice("corrected", "of the features", "corrected", "original")
    stride: int = number(1, "every how many-th frame is read; 2 halves the time", 1, 100)
    scale: bool = switch(
        True,
        "bring all features to about one size before the network; the source takes them as they "
        "are",
    )
    width: int = number(
        64,
        "of the encoder; the source's are 64 and 1 layer (71,893 parameters at 20 glosses), or "
        "128 and 2",
        1,
        10**5,
    )
    layers: int = number(1, "of the encoder", 1, 100)
    dropout: float = number(
        0.5,
        "before the classifier and between layers of the encoder",
        0,
        0.95,
        only=_READER | unless(".layers", 1),
    )
    views: bool = switch(
        True,
        "train the classifier on random views of its clips too, as pre-training does",
        only=_READER,
    )
    crop: float = number(0.7, "a view keeps at least this share of a clip", 0.1, 1, only=_VIEWS)
    speed: float = number(0.2, "a view is at most so much faster or slower", 0, 0.9, only=_VIEWS)
    noise: float = number(0.05, "spread by which each number of a view moves", 0, 10, only=_VIEWS)
    blank_weight: float = number(
        0.0,
        "of the mean probability of the blank in the classifier's loss",
        0,
        100,
        only=_CTC,
    )
    pretext: str = choice(
        "codes",
        "original (views of one clip find each other; a quantiser of the input beside them) or "
        "codes (views, and the codes of hidden frames are told from the frames around them)",
        "codes",
        "original",
        only=_PRETEXT,
    )
    codebooks: list[int] = numbers(
        [64, 128, 32, 64, 32],
        "codes for handshape, location, orientation, movement and face",
        2,
        10**5,
        count=5,
        only=_PRETEXT,
    )
    readout: str = choice(
        "mean",
        "what stands for a clip among views: last (frame, as in the source) or mean",
        "mean",
        "last",
        only=_PRETEXT,
    )
    temperature: float = number(0.07, "of the contrast", 1e-3, 100, only=_PRETEXT)
    projection: int = number(2048, "width between encoder and contrast", 1, 10**5, only=_PRETEXT)
    contrast_weight: float = number(1.0, "of the contrast in the loss", 0, 100, only=_PRETEXT)
    code_weight: float = number(1.0, "of the codes in the loss", 0, 100, only=_PRETEXT)
    hidden: float = number(0.3, "share of frames that is hidden", 0, 0.9, only=_CODES)
    span: int = number(
        5, "length of a hidden stretch in frames", 1, 10**4, only=(*_CODES, when(".hidden"))
    )


@dataclass
class PhonologyExperiment(Settings):
    """Signs, or pre-training, from 36 numbers a frame."""

    DROPOUT: ClassVar[str] = "phonology.dropout"
    # Readable features have no coordinates, and their own views instead of augmentation.
    ONLY: ClassVar[Mapping[str, Only]] = {
        **OF_SENTENCES,
        **ALONE,
        "features.": NEVER,
        "features.longest_gap": (),
        "features.dominant": (),
        "augment.": NEVER,
        "training.label_smoothing": unless("phonology.network", "pretext"),
        "training.teacher": NEVER,
        "training.mirror_at_test": NEVER,
        "training.class_weights": unless("phonology.network", "pretext"),
    }

    task: str = name("phonology", "the family of models")
    training: TrainingSettings = section(
        TrainingSettings, "how the model is fitted", label_smoothing=0.0, mirror_at_test=False
    )
    phonology: PhonologySettings = section(PhonologySettings, "features and network")


_TRAINING = {
    "training.epochs": 30,
    "training.weight_decay": 1e-4,
    "training.warmup": 0.0,
    "training.average": 0.0,
    "training.threads": 1,
}
_WLASL = {"data.corpus": "wlasl-50", "data.split": "folds", "data.folds": 4}
_GLOSSES = {
    **_TRAINING,
    "training.batch_size": 8,
    "training.clip_norm": 5.0,
}
_UNLABELLED = {
    **_TRAINING,
    "phonology.network": "pretext",
    "phonology.dropout": 0.3,
    "training.min_lr": 1e-6,
}
_SMOKE = {"data.glosses": 6, "data.repetitions": 1}
_SMOKE_READER = {**_SMOKE, "training.batch_size": 8}
_LARGE = {"phonology.width": 128, "phonology.layers": 2}
_FIVE_HUNDRED = {
    "data.limit_classes": 500,
    "phonology.width": 256,
    "training.label_smoothing": 0.1,
}
_CTC_READER = {"phonology.network": "ctc"}
# Of 90 % that do not test a ninth validates: 80, 10 and 10 %.
_EIGHTY_TEN_TEN = {"data.split": "holdout", "data.holdout": 0.1, "data.validation": 1 / 9}
_ORIGINAL = {
    "phonology.form": "original",
    "phonology.scale": False,
    "features.dominant": False,
    "features.longest_gap": 0,
}

PRESETS: dict[str, Preset] = {
    "phonology/pooled": Preset(
        "one of 20 glosses, from the mean of a clip's frames: 71,764 parameters",
        {**_GLOSSES, **_WLASL, "data.limit_classes": 20},
        _SMOKE_READER,
    ),
    "phonology/ctc": Preset(
        "source 002, stage 2: one of 20 glosses by CTC, 71,893 parameters",
        _CTC_READER,
        {},
        "phonology/pooled",
        stated="71,893 at 21 classes",
    ),
    "phonology/ctc-large": Preset(
        (
            "the same with two layers of 128, the size that source 002's stage 1 trains: 670,101"
            " parameters"
        ),
        _LARGE,
        {},
        "phonology/ctc",
    ),
    "phonology/ctc-original": Preset(
        "source 002, stage 2, to the letter: its form of the features, clips as they are",
        {**_ORIGINAL, "phonology.views": False},
        {},
        "phonology/ctc",
        stated="71,893 at 21 classes",
    ),
    "phonology/wlasl-100": Preset(
        "100 glosses of WLASL, its official split, from a store: 690,661 parameters",
        {**_GLOSSES, **_CTC_READER, **_LARGE, "data.corpus": "store", "data.limit_classes": 100},
        _SMOKE_READER,
        "",
        stated="130K at 100 classes",
    ),
    "phonology/wlasl-500": Preset(
        (
            "500 glosses of WLASL, two layers of 256, 80 % of the clips train, 10 % validate, 10 %"
            " test, smoothed: 2,897,141 parameters"
        ),
        {**_EIGHTY_TEN_TEN, **_FIVE_HUNDRED},
        {"phonology.width": 64, "phonology.layers": 1},
        "phonology/wlasl-100",
        stated="1M at 500 classes",
    ),
    "phonology/wlasl-2000-large": Preset(
        "the same with 2,000 glosses and two layers of 512: 12,574,161 parameters",
        {"data.limit_classes": 2000, "phonology.width": 512},
        {},
        "phonology/wlasl-500",
        stated="4M at 2,000 classes",
    ),
    "phonology/wlasl-2000": Preset(
        "all 2,000 glosses of WLASL: 1,178,961 parameters",
        {"data.limit_classes": 2000},
        {},
        "phonology/wlasl-100",
    ),
    "phonology/vocabulary-20": Preset(
        (
            "source 002, option A: 20 generated signs of nine signers, tested on six others: 71,893"
            " parameters"
        ),
        {
            **_GLOSSES,
            **_CTC_READER,
            "data.split": "signer",
            "data.test_signers": [f"signer{k:02d}" for k in range(9, 15)],
            "data.signers": 15,
            "data.repetitions": 1,
            "phonology.stride": 2,
            "training.batch_size": 16,
            "training.learning_rate": 2e-3,
            "data.limit_classes": 20,
            "training.epochs": 120,
        },
        {
            "data.glosses": 6,
            "data.signers": 10,
            "data.repetitions": 1,
            "training.batch_size": 8,
            "training.epochs": 30,
        },
        "",
        stated="71,893 at 21 classes",
    ),
    "phonology/vocabulary-100": Preset(
        "the same with 100 signs and two layers of 128: 690,661 parameters",
        {**_LARGE, "data.glosses": 100, "data.limit_classes": 100, "training.epochs": 32},
        {"data.glosses": 12, "phonology.width": 64, "phonology.layers": 1, "training.epochs": 28},
        "phonology/vocabulary-20",
        stated="130K at 100 classes",
    ),
    "phonology/vocabulary-300": Preset(
        "the same with 300 signs: 742,061 parameters",
        {"data.glosses": 300, "data.limit_classes": 300, "training.epochs": 16},
        {"data.glosses": 24, "training.epochs": 15},
        "phonology/vocabulary-100",
        stated="260K at 300 classes",
    ),
    "phonology/vocabulary-500": Preset(
        "the same with 500 signs and two layers of 256, smoothed: 2,897,141 parameters",
        {"data.glosses": 500, **_FIVE_HUNDRED},
        {"data.glosses": 24, "phonology.width": 64},
        "phonology/vocabulary-300",
        stated="1M at 500 classes",
    ),
    "phonology/pretraining": Preset(
        (
            "an encoder for phonology/ctc without glosses: views find each other, hidden frames are"
            " told by their codes"
        ),
        # The glosses of phonology/ctc, so that both have the same folds and no test clip is seen
        # here.
        {**_UNLABELLED, "training.batch_size": 16, **_WLASL, "data.limit_classes": 20},
        {**_SMOKE, "phonology.codebooks": [16] * 5},
        "",
    ),
    "phonology/pretraining-original": Preset(
        (
            "source 002, stage 1, to the letter: 128/2, last frame read, a quantiser that only"
            " trains itself"
        ),
        {
            **_ORIGINAL,
            **_LARGE,
            "phonology.pretext": "original",
            "phonology.readout": "last",
            "phonology.codebooks": [64, 32, 32, 16, 16],
        },
        {},
        "phonology/pretraining",
    ),
    "phonology/pretraining-generated": Preset(
        "the same encoder from many generated clips, seen through the points of wlasl-50",
        {
            **_UNLABELLED,
            "data.skeleton": "upper-53",
            "data.glosses": 200,
            "data.signers": 40,
            "data.repetitions": 2,
            "training.epochs": 10,
            "training.learning_rate": 2e-3,
        },
        {**_SMOKE, "phonology.codebooks": [16] * 5, "training.epochs": 8},
        "",
    ),
}
