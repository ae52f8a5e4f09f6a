"""Presets of recognition from readable features as plain rows; `presets` makes experiments of them."""

from signlib.settings.preset_rows import Row

_TRAINING = {
    "training.epochs": 30,
    "training.weight_decay": 1e-4,
    "training.warmup": 0.0,
    "training.label_smoothing": 0.0,
    "training.average": 0.0,
    "training.mirror_at_test": False,
    "training.threads": 1,
}
_WLASL = {"data.corpus": "wlasl-50", "data.split": "folds", "data.folds": 4}
_READER = {
    **_TRAINING,
    "phonology.network": "ctc",
    "training.batch_size": 8,
    "training.clip_norm": 5.0,
}
_VOCABULARY = {
    "data.split": "signer",
    "data.test_signers": [f"signer{k:02d}" for k in range(9, 15)],
    "data.signers": 15,
    "data.repetitions": 1,
    "phonology.stride": 2,
    "training.batch_size": 16,
    "training.learning_rate": 2e-3,
}
_UNLABELLED = {
    **_TRAINING,
    "phonology.network": "pretext",
    "phonology.dropout": 0.3,
    "training.min_lr": 1e-6,
}
_PRETEXT = {**_UNLABELLED, "training.batch_size": 16}
_SMOKE = {"data.glosses": 6, "data.repetitions": 1}
_SMOKE_READER = {**_SMOKE, "training.batch_size": 8}
_SMOKE_VOCABULARY = {
    "data.glosses": 6,
    "data.signers": 10,
    "data.repetitions": 1,
    "training.batch_size": 8,
}
_LARGE = {"phonology.width": 128, "phonology.layers": 2}
_SEED = {
    "phonology.form": "seed",
    "phonology.scale": False,
    "features.dominant": False,
    "features.longest_gap": 0,
}

PHONOLOGY: dict[str, Row] = {
    "phonology/ctc": (
        "seed 002, stage 2: one of 20 glosses by CTC, 71,893 parameters",
        {**_READER, **_WLASL, "data.limit_classes": 20},
        _SMOKE_READER,
        "",
    ),
    "phonology/ctc-large": (
        (
            "the same with two layers of 128, the size that seed 002's stage 1 trains: 670,101"
            " parameters"
        ),
        _LARGE,
        {},
        "phonology/ctc",
    ),
    "phonology/ctc-seed": (
        "seed 002, stage 2, to the letter: its form of the features, clips as they are",
        {**_SEED, "phonology.views": False},
        {},
        "phonology/ctc",
    ),
    "phonology/wlasl-100": (
        "100 glosses of WLASL, its official split, from a store: 690,661 parameters",
        {**_READER, **_LARGE, "data.corpus": "store", "data.limit_classes": 100},
        _SMOKE_READER,
        "",
    ),
    "phonology/wlasl-2000": (
        "all 2,000 glosses of WLASL: 1,178,961 parameters",
        {"data.limit_classes": 2000},
        {},
        "phonology/wlasl-100",
    ),
    "phonology/vocabulary-20": (
        (
            "seed 002, option A: 20 generated signs of nine signers, tested on six others: 71,893"
            " parameters"
        ),
        {**_READER, **_VOCABULARY, "data.limit_classes": 20, "training.epochs": 120},
        {**_SMOKE_VOCABULARY, "training.epochs": 30},
        "",
    ),
    "phonology/vocabulary-100": (
        "the same with 100 signs and two layers of 128: 690,661 parameters",
        {**_LARGE, "data.glosses": 100, "data.limit_classes": 100, "training.epochs": 32},
        {"data.glosses": 12, "phonology.width": 64, "phonology.layers": 1, "training.epochs": 28},
        "phonology/vocabulary-20",
    ),
    "phonology/vocabulary-300": (
        "the same with 300 signs: 742,061 parameters",
        {"data.glosses": 300, "data.limit_classes": 300, "training.epochs": 16},
        {"data.glosses": 24, "training.epochs": 15},
        "phonology/vocabulary-100",
    ),
    "phonology/pretraining": (
        (
            "an encoder for phonology/ctc without glosses: views find each other, hidden frames are"
            " told by their codes"
        ),
        # The glosses of phonology/ctc, so that both have the same folds and no test clip is seen
        # here.
        {**_PRETEXT, **_WLASL, "data.limit_classes": 20},
        {**_SMOKE, "phonology.codebooks": [16] * 5},
        "",
    ),
    "phonology/pretraining-seed": (
        (
            "seed 002, stage 1, to the letter: 128/2, last frame read, a quantiser that only trains"
            " itself"
        ),
        {
            **_SEED,
            **_LARGE,
            "phonology.pretext": "seed",
            "phonology.readout": "last",
            "phonology.codebooks": [64, 32, 32, 16, 16],
        },
        {},
        "phonology/pretraining",
    ),
    "phonology/pretraining-generated": (
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
