"""Single signs from landmarks: the settings of the encoder and its head, and their presets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from signlib.errors import SettingsError
from signlib.settings.base import ALONE, OF_SENTENCES, Preset, Settings, refuse_uneven
from signlib.settings.fields import Only, choice, number, section, some_of, when

STREAMS = ("point", "local", "bone", "pair", "velocity")
# Source 000's encoder has neither streams nor a stem.
_CLS = when(".layout", "cls")


@dataclass
class ModelSettings:
    """The landmark encoder and its head."""

    layout: str = choice(
        "cls",
        "cls (learned CLS token, masks, convolutional stem) or original (source 000: the first "
        "frame is read out)",
        "cls",
        "original",
    )
    streams: list[str] = some_of(
        ["point", "local", "velocity"],
        "what the stem is fed with; local = hands about their wrists",
        *STREAMS,
        only=_CLS,
    )
    width: int = number(128, "of the transformer", 1, 10**5)
    layers: int = number(2, "of the transformer", 1, 1000)
    heads: int = number(4, "of the transformer", 1, 1000)
    intermediate: int = number(256, "of the transformer", 1, 10**6)
    max_positions: int = number(
        256, "longest sequence: frames after the stem, CLS token included", 2, 10**5, only=_CLS
    )
    dropout: float = number(0.1, "inside the transformer", 0, 0.95)
    stem_blocks: int = number(2, "temporal convolutions before the transformer", 0, 100, only=_CLS)
    stem_kernel: int = number(
        5, "their length in frames, odd", 1, 101, only=(_CLS, when(".stem_blocks"))
    )
    stem_stride: int = number(2, "frames that they pool into one", 1, 16)
    stem_dropout: float = number(0.1, "inside the stem", 0, 0.95, only=_CLS)
    head_dropout: float = number(0.3, "before the classifier", 0, 0.95)


@dataclass
class LandmarkExperiment(Settings):
    """Signs from landmarks alone."""

    ONLY: ClassVar[Mapping[str, Only]] = {**OF_SENTENCES, **ALONE}

    model: ModelSettings = section(ModelSettings, "the landmark encoder and its head")

    def check(self) -> None:
        super().check()
        check_encoder(self, self.model)


def check_encoder(settings: Settings, model: ModelSettings) -> None:
    """Refuse an encoder of landmarks that cannot be built.

    Raises:
        SettingsError: with key, value and limit.
    """
    refuse_uneven(model, "model")
    SettingsError.raise_if(
        model.stem_kernel % 2 == 0,
        f"model.stem_kernel={model.stem_kernel} is even; take an odd number of frames",
    )
    SettingsError.raise_if(
        model.layout == "original" and (settings.features.frames < 1 or model.stem_stride != 1),
        "model.layout=original reads a fixed number of frames: set features.frames >= 1 and "
        "model.stem_stride=1",
    )


PRESETS: dict[str, Preset] = {
    "landmarks/small": Preset(
        (
            "a small transformer on normalised landmarks: for corpora of some hundred to some"
            " thousand clips"
        ),
        # Steps this small only wait for a second thread.
        {"training.threads": 1},
        {},
        "",
    ),
    "landmarks/base": Preset(
        "the size of source 000's skeleton encoder with CLS token, masks and stem",
        {
            "model.width": 384,
            "model.layers": 6,
            "model.heads": 6,
            "model.intermediate": 1536,
            "training.learning_rate": 3e-4,
        },
        {"model.width": 96, "model.layers": 2, "model.heads": 4, "model.intermediate": 384},
        "",
    ),
    "landmarks/original": Preset(
        (
            "source 000's skeleton encoder to the last parameter: 543 points x (x, y), 16 frames,"
            " first frame read out"
        ),
        {
            "features.joints": "all",
            "features.frames": 16,
            "features.coordinates": 2,
            "features.dominant": False,
            "model.layout": "original",
            "model.stem_stride": 1,
            "training.learning_rate": 1e-4,
            "training.weight_decay": 0.01,
            "training.warmup": 0.05,
            "training.schedule": "linear",
            "training.mirror_at_test": False,
        },
        {"model.width": 96, "model.layers": 2, "model.heads": 4, "model.intermediate": 384},
        "landmarks/base",
    ),
    "landmarks/one-shot": Preset(
        "one or a few clips a sign: strong augmentation stands in for other signers and cameras",
        {
            "features.joints": "signing",
            "features.face_camera": True,
            "features.hand_depth": True,
            "features.dominant": False,
            "model.streams": ["point", "local", "bone", "velocity"],
            "augment.mirror": 0.0,
            "augment.yaw": 40.0,
            "augment.pitch": 15.0,
            "augment.depth": 0.4,
            "augment.body": 0.05,
            "augment.hand_yaw": 20.0,
            "augment.hand_pitch": 20.0,
            "augment.hand_roll": 15.0,
            "augment.finger": 0.1,
            "augment.joint": 0.05,
            "augment.shift": 0.1,
            "augment.jitter": 0.02,
            "augment.warp": 0.4,
            "augment.drop_hand": 0.25,
            "training.repeats": 16,
            "training.mirror_at_test": False,
        },
        {"training.repeats": 1},
        "landmarks/small",
    ),
    "landmarks/probe": Preset(
        "how hard a corpus is: the small transformer beside nearest neighbours",
        {},
        {"data.glosses": 20, "data.repetitions": 3, "training.epochs": 10},
        "landmarks/small",
    ),
    "dgs-30/small": Preset(
        "30 German signs of a crowd, five folds",
        {
            "data.corpus": "dgs-30",
            "data.split": "folds",
            "training.epochs": 50,
            "training.learning_rate": 2e-3,
        },
        {},
        "landmarks/small",
    ),
    "wlasl-50/small": Preset(
        "50 ASL glosses with four to thirteen clips each, four folds",
        {
            "data.corpus": "wlasl-50",
            "data.split": "folds",
            "data.folds": 4,
            "training.learning_rate": 2e-3,
        },
        {},
        "landmarks/small",
    ),
    "wlasl-50/pretraining": Preset(
        (
            "generated signs seen through the points of wlasl-50: a first encoder for"
            " wlasl-50/small (--init-from)"
        ),
        {
            "data.skeleton": "upper-53",
            "data.glosses": 200,
            "data.signers": 40,
            "data.repetitions": 2,
            "training.epochs": 12,
            "training.learning_rate": 2e-3,
        },
        {},
        "landmarks/small",
    ),
    "asl-letters/small": Preset(
        (
            "fingerspelled letters of one signer, tested on another: hand shapes only, hands varied"
            " widely"
        ),
        {
            "data.corpus": "asl-letters",
            "features.frames": 16,
            "model.streams": ["local", "bone", "pair"],
            "augment.mirror": 0.0,
            "augment.yaw": 25.0,
            "augment.pitch": 25.0,
            "augment.roll": 15.0,
            "augment.shear": 0.1,
            "augment.hand_yaw": 25.0,
            "augment.hand_pitch": 25.0,
            "augment.hand_roll": 15.0,
            "augment.finger": 0.15,
            "augment.joint": 0.1,
            "augment.jitter": 0.03,
            "augment.crop": 0.2,
            "training.epochs": 25,
            "training.mirror_at_test": False,
        },
        {},
        "landmarks/small",
    ),
}
