"""Presets of the classifier on frozen visual features (seed 004) as plain rows; `presets` makes
experiments of them.
"""

from signlib.settings.preset_rows import Row

_FROZEN = {
    "data.corpus": "wlasl",
    "frozen.fusion": "concat",
    "features.joints": "54",
    "features.dominant": False,
    "features.frames": 16,
    "augment.mirror": 0.0,
    "training.epochs": 50,
    "training.batch_size": 32,
    "training.weight_decay": 0.01,
    "training.warmup": 0.0,
    "training.min_lr": 1e-6,
    "training.label_smoothing": 0.0,
    "training.average": 0.0,
    "training.threads": 1,
    "training.mirror_at_test": False,
}
_UNCHANGED = {
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
}
_FROZEN_SMOKE = {
    "data.glosses": 6,
    "frozen.tower": "random",
    "frozen.frames": 8,
    "frozen.width": 64,
    "frozen.intermediate": 128,
}

FROZEN: dict[str, Row] = {
    "wlasl/concat": (
        (
            "seed 004: frozen features and landmarks side by side; landmarks normalised and varied,"
            " official split"
        ),
        _FROZEN,
        _FROZEN_SMOKE,
        "",
    ),
    "wlasl/attention": (
        "seed 004's attention over a single key: a linear map, kept to compare",
        {"frozen.fusion": "attention"},
        {},
        "wlasl/concat",
    ),
    "wlasl/attention-over-time": (
        "each stream attends to the moments of the other one",
        {"frozen.fusion": "attention-over-time"},
        {},
        "wlasl/concat",
    ),
    "wlasl/gated": (
        "seed 004: a gate chooses between features and landmarks",
        {"frozen.fusion": "gated"},
        {},
        "wlasl/concat",
    ),
    "wlasl/seed": (
        "seed 004 as it is: concat on raw coordinates, nothing varied; but the official split",
        {"features.normalise": False, **_UNCHANGED},
        {},
        "wlasl/concat",
    ),
    "wlasl/encoder": (
        (
            "frozen features beside our landmark encoder: hands about their wrists, velocities,"
            " convolutions, CLS token"
        ),
        {"frozen.landmarks": "encoder", "features.joints": "body", "features.frames": 32},
        {},
        "wlasl/concat",
    ),
    "wlasl-50/landmark-branch": (
        "seed 004's landmark branch alone on 50 ASL glosses, four folds",
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
    "wlasl-50/landmark-encoder": (
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
