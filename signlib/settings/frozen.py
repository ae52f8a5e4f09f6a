"""The classifier on frozen visual features (source 004): settings and presets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from signlib.errors import SettingsError
from signlib.settings.base import (
    OF_SENTENCES,
    FeatureSettings,
    Preset,
    Settings,
    refuse_switched_on,
    refuse_uneven,
)
from signlib.settings.fields import (
    NEVER,
    Only,
    choice,
    name,
    number,
    section,
    some_of,
    unless,
    when,
)
from signlib.settings.landmarks import ModelSettings, check_encoder
from signlib.settings.training import AugmentSettings, TrainingSettings

INPUTS = ("visual", "landmarks")
_VISUAL, _LANDMARKS = (when("frozen.inputs", name) for name in INPUTS)
_BRANCH = (_LANDMARKS, when("frozen.landmarks", "original"))
# What has attention of its own and learned positions: all but our encoder alone.
_ATTENTION = _VISUAL | when("frozen.landmarks", "original")


@dataclass
class FrozenSettings:
    """The classifier on frozen visual features, landmarks or both."""

    fusion: str = choice(
        "concat",
        "how both are put together; attention is over a single key, as the source has it",
        "concat",
        "attention",
        "attention-over-time",
        "gated",
        only=(_VISUAL, _LANDMARKS),
    )
    inputs: list[str] = some_of(INPUTS, "visual, landmarks or both", *INPUTS)
    landmarks: str = choice(
        "original",
        "branch of the landmarks: original, or encoder: the one that `model` describes",
        "original",
        "encoder",
        only=_LANDMARKS,
    )
    store: str = name(
        "",
        "features that `extract --extractor frozen` made; how many numbers a frame has is read "
        "there",
        only=_VISUAL,
    )
    tower: str = name(
        "",
        "of generated clips, without a store: the encoder whose features are made below the "
        "folder of runs; random = a tiny one with random weights",
        only=(_VISUAL, unless(".store")),
    )
    frames: int = number(16, "of a clip, for features that are made so", 1, 1024, only=_VISUAL)
    width: int = number(256, "of both branches and the fusion", 1, 10**5)
    heads: int = number(4, "of both branches and the fusion", 1, 1000, only=_ATTENTION)
    layers: int = number(2, "of the landmarks' transformer", 1, 1000, only=_BRANCH)
    intermediate: int = number(1024, "of the landmarks' transformer", 1, 10**6, only=_BRANCH)
    positions: int = number(64, "longest clip in frames", 1, 10**5, only=_ATTENTION)
    dropout: float = number(0.3, "everywhere", 0, 0.95)


@dataclass
class FrozenExperiment(Settings):
    """Signs from frozen visual features, landmarks or both."""

    DROPOUT: ClassVar[str] = "frozen.dropout"
    ONLY: ClassVar[Mapping[str, Only]] = {
        **OF_SENTENCES,
        "data.landmarks": _LANDMARKS,
        "data.skeleton": _LANDMARKS,
        "features.": _LANDMARKS,
        "augment.": _LANDMARKS,
        "model.head_dropout": NEVER,
    }

    task: str = name("frozen", "the family of models")
    features: FeatureSettings = section(
        FeatureSettings, "what is seen of the landmarks", dominant=False
    )
    augment: AugmentSettings = section(
        AugmentSettings, "what is varied in training clips", mirror=0.0
    )
    training: TrainingSettings = section(
        TrainingSettings, "how the model is fitted", mirror_at_test=False
    )
    model: ModelSettings = section(
        ModelSettings,
        "the encoder of landmarks",
        only=(_LANDMARKS, when("frozen.landmarks", "encoder")),
    )
    frozen: FrozenSettings = section(FrozenSettings, "the classifier")

    def check(self) -> None:
        super().check()
        check_encoder(self, self.model)
        refuse_uneven(self.frozen, "frozen")
        frames, positions = self.features.frames, self.frozen.positions
        # Our encoder has positions of its own, `model.max_positions`.
        too_long = self.frozen.landmarks == "original" and frames > positions
        SettingsError.raise_if(
            "landmarks" in self.frozen.inputs and (frames < 1 or too_long),
            f"features.frames={frames} must lie within 1..{positions} (frozen.positions)",
        )
        if "visual" in self.frozen.inputs:
            refuse_switched_on(
                self,
                (
                    "features.dominant",
                    "augment.mirror",
                    "augment.mixup",
                    "training.mirror_at_test",
                ),
                "changes landmarks, but not what a frozen encoder saw",
            )


PRESETS: dict[str, Preset] = {
    "wlasl/concat": Preset(
        (
            "source 004: frozen features and landmarks side by side; landmarks normalised and"
            " varied, official split"
        ),
        {
            "data.corpus": "wlasl",
            "features.joints": "54",
            "features.frames": 16,
            "training.epochs": 50,
            "training.batch_size": 32,
            "training.weight_decay": 0.01,
            "training.warmup": 0.0,
            "training.min_lr": 1e-6,
            "training.label_smoothing": 0.0,
            "training.average": 0.0,
            "training.threads": 1,
        },
        {
            "data.glosses": 6,
            "frozen.tower": "random",
            "frozen.frames": 8,
            "frozen.width": 64,
            "frozen.intermediate": 128,
        },
        "",
        stated="2.8M at 100 classes",
        stated_width=2048,
    ),
    "wlasl/attention": Preset(
        "source 004's attention over a single key: a linear map, kept to compare",
        {"frozen.fusion": "attention"},
        {},
        "wlasl/concat",
    ),
    "wlasl/attention-over-time": Preset(
        "each stream attends to the moments of the other one",
        {"frozen.fusion": "attention-over-time"},
        {},
        "wlasl/concat",
    ),
    "wlasl/gated": Preset(
        "source 004: a gate chooses between features and landmarks",
        {"frozen.fusion": "gated"},
        {},
        "wlasl/concat",
    ),
    "wlasl/original": Preset(
        "source 004 as it is: concat on raw coordinates, nothing varied; but the official split",
        {
            "features.normalise": False,
            **{
                f"augment.{name}": 0.0
                for name in (
                    "yaw",
                    "pitch",
                    "roll",
                    "scale",
                    "shear",
                    "hand_yaw",
                    "hand_pitch",
                    "hand_roll",
                    "hand_scale",
                    "finger",
                    "joint",
                    "shift",
                    "jitter",
                    "warp",
                    "crop",
                    "drop_hand",
                    "drop_second",
                )
            },
        },
        {},
        "wlasl/concat",
        stated="2.8M at 100 classes",
        stated_width=2048,
    ),
    "wlasl/encoder": Preset(
        (
            "frozen features beside our landmark encoder: hands about their wrists, velocities,"
            " convolutions, CLS token"
        ),
        {"frozen.landmarks": "encoder", "features.joints": "body", "features.frames": 32},
        {},
        "wlasl/concat",
    ),
    "wlasl-50/landmark-branch": Preset(
        "source 004's landmark branch alone on 50 ASL glosses, four folds",
        {
            "data.corpus": "wlasl-50",
            "data.split": "folds",
            "data.folds": 4,
            "features.joints": "body",
            "features.dominant": True,
            "frozen.inputs": ["landmarks"],
            "augment.mirror": 0.5,
            "training.epochs": 60,
            "training.weight_decay": 0.05,
            "training.warmup": 0.1,
            "training.label_smoothing": 0.1,
            "training.average": 0.99,
            "training.mirror_at_test": True,
        },
        {},
        "wlasl/concat",
    ),
    "wlasl-50/landmark-encoder": Preset(
        "the same with our landmark encoder in the branch's place",
        {
            "frozen.landmarks": "encoder",
            "features.frames": 32,
            "training.learning_rate": 2e-3,
            "training.batch_size": 64,
        },
        {},
        "wlasl-50/landmark-branch",
    ),
}
