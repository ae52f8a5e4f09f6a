"""Named experiments: differences from the defaults in `config`, nothing repeated.

A preset exists twice. Its smoke form changes only sizes and takes the generated corpus, so that
every notebook and test walks the path that the full form walks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from signlib import config
from signlib.errors import SettingsError
from signlib.presets_phonology import PHONOLOGY
from signlib.presets_sentences import ABLATION as SENTENCE_ABLATION
from signlib.presets_sentences import SENTENCES


@dataclass(frozen=True)
class Preset:
    """One named experiment.

    Attributes:
        question: what it is for, in one line.
        settings: dotted keys that differ from the defaults.
        smoke: further differences of the smoke form.
        base: a preset to start from.
    """

    question: str
    settings: dict[str, Any] = field(default_factory=dict)
    smoke: dict[str, Any] = field(default_factory=dict)
    base: str = ""


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

PRESETS: dict[str, Preset] = {
    "landmarks/small": Preset(
        "a small transformer on normalised landmarks: for corpora of some hundred to some thousand clips",
        # Steps this small only wait for a second thread.
        {"training.threads": 1},
    ),
    "landmarks/base": Preset(
        "the size of seed 000's skeleton encoder with CLS token, masks and stem",
        {
            "model.width": 384,
            "model.layers": 6,
            "model.heads": 6,
            "model.intermediate": 1536,
            "training.learning_rate": 3e-4,
        },
        smoke={"model.width": 96, "model.layers": 2, "model.heads": 4, "model.intermediate": 384},
    ),
    "landmarks/seed": Preset(
        "seed 000's skeleton encoder to the last parameter: 543 points x (x, y), 16 frames, first frame read out",
        {
            "features.joints": "all",
            "features.frames": 16,
            "features.coordinates": 2,
            "features.dominant": False,
            "model.layout": "seed",
            "model.streams": ["point"],
            "model.stem_stride": 1,
            "training.learning_rate": 1e-4,
            "training.weight_decay": 0.01,
            "training.warmup": 0.05,
            "training.schedule": "linear",
            "training.mirror_at_test": False,
        },
        smoke={"model.width": 96, "model.layers": 2, "model.heads": 4, "model.intermediate": 384},
        base="landmarks/base",
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
        smoke={"training.repeats": 1},
        base="landmarks/small",
    ),
    "landmarks/probe": Preset(
        "how hard a corpus is: the small transformer beside nearest neighbours",
        {},
        smoke={"data.glosses": 20, "data.repetitions": 3, "training.epochs": 10},
        base="landmarks/small",
    ),
    "dgs-30/small": Preset(
        "30 German signs of a crowd, five folds",
        {
            "data.corpus": "dgs-30",
            "data.split": "folds",
            "training.epochs": 50,
            "training.learning_rate": 2e-3,
        },
        base="landmarks/small",
    ),
    "wlasl-50/small": Preset(
        "50 ASL glosses with four to thirteen clips each, four folds",
        {
            "data.corpus": "wlasl-50",
            "data.split": "folds",
            "data.folds": 4,
            "training.learning_rate": 2e-3,
        },
        base="landmarks/small",
    ),
    "wlasl-50/pretraining": Preset(
        "generated signs seen through the points of wlasl-50: a first encoder for wlasl-50/small (--init-from)",
        {
            "data.skeleton": "upper-53",
            "data.glosses": 200,
            "data.signers": 40,
            "data.repetitions": 2,
            "training.epochs": 12,
            "training.learning_rate": 2e-3,
        },
        base="landmarks/small",
    ),
    "asl-letters/small": Preset(
        "fingerspelled letters of one signer, tested on another: hand shapes only, hands varied widely",
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
        base="landmarks/small",
    ),
}

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
    for name in ("yaw", "pitch", "roll", "scale", "shear", "hand_yaw", "hand_pitch", "hand_roll", "hand_scale",
                 "finger", "joint", "shift", "jitter", "warp", "crop", "drop_hand", "drop_second")
}  # fmt: skip
_FROZEN_SMOKE = {
    "data.glosses": 6,
    "frozen.tower": "random",
    "frozen.frames": 8,
    "frozen.width": 64,
    "frozen.intermediate": 128,
}
PRESETS |= {
    "wlasl/concat": Preset(
        "seed 004: frozen features and landmarks side by side; landmarks normalised and varied, official split",
        _FROZEN,
        smoke=_FROZEN_SMOKE,
    ),
    "wlasl/attention": Preset(
        "seed 004's attention over a single key: a linear map, kept to compare",
        {"frozen.fusion": "attention"},
        base="wlasl/concat",
    ),
    "wlasl/attention-over-time": Preset(
        "each stream attends to the moments of the other one",
        {"frozen.fusion": "attention-over-time"},
        base="wlasl/concat",
    ),
    "wlasl/gated": Preset(
        "seed 004: a gate chooses between features and landmarks", {"frozen.fusion": "gated"}, base="wlasl/concat"
    ),
    "wlasl/seed": Preset(
        "seed 004 as it is: concat on raw coordinates, nothing varied; but the official split",
        {"features.normalise": False, **_UNCHANGED},
        base="wlasl/concat",
    ),
    "wlasl/encoder": Preset(
        "frozen features beside our landmark encoder: hands about their wrists, velocities, convolutions, CLS token",
        {"frozen.landmarks": "encoder", "features.joints": "body", "features.frames": 32},
        base="wlasl/concat",
    ),
    "wlasl-50/landmark-branch": Preset(
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
        base="wlasl/concat",
    ),
    "wlasl-50/landmark-encoder": Preset(
        "the same with our landmark encoder in the branch's place",
        {
            "frozen.landmarks": "encoder",
            "features.frames": 32,
            "training.learning_rate": 2e-3,
            "training.batch_size": 64,
        },
        base="wlasl-50/landmark-branch",
    ),
}

_AUTSL = {
    "data.corpus": "autsl",
    "features.dominant": False,
    "training.epochs": 1000,
    "training.max_steps": 200_000,
    "training.batch_size": 8,
    "training.effective_batch": 32,
    "training.learning_rate": 1e-4,
    "training.weight_decay": 0.01,
    "training.warmup": 0.05,
    "training.schedule": "linear",
    "training.label_smoothing": 0.0,
    "training.class_weights": True,
    "training.average": 0.0,
    "training.patience": 10,
    "training.validate_every": 4.0,
    "training.precision": "auto",
    "training.workers": 2,
    "training.mirror_at_test": False,
}
_SEED_SKELETON = {
    "features.joints": "all",
    "features.frames": 16,
    "features.coordinates": 2,
    "model.layout": "seed",
    "model.width": 384,
    "model.layers": 6,
    "model.heads": 6,
    "model.intermediate": 1536,
    "model.streams": ["point"],
    "model.stem_stride": 1,
}
_RGB = {"rgb.weights": "MCG-NJU/videomae-base-finetuned-kinetics", "training.rates": {"encoders.rgb": 5e-5}}
_DEPTH = {"depth.width": 512, "depth.layers": 8, "depth.heads": 8, "depth.intermediate": 2048}
_TINY = {
    **{
        f"{part}.{size}": value
        for part in ("rgb", "depth")
        for size, value in {"width": 48, "layers": 2, "heads": 2, "intermediate": 96}.items()
    },
    "rgb.weights": "",
    "model.width": 48,
    "model.layers": 1,
    "model.heads": 2,
    "model.intermediate": 96,
    "pictures.size": 48,
    "pictures.frames": 8,
    "fusion.width": 48,
    "training.epochs": 6,
    "training.batch_size": 8,
    "training.max_steps": 0,
    "training.effective_batch": 0,
    "training.workers": 0,
}
_ABLATION = {
    "rgb": "what colour alone reaches",
    "skeleton": "what landmarks alone reach",
    "rgb+depth": "what depth adds to colour",
    "rgb+skeleton": "what landmarks add to colour",
    "rgb+depth+skeleton": "all three: seed 000's recommended sizes",
}
"""Seed 000's five conditions."""
_REDUCED = {
    "data.corpus": "generated",
    "data.glosses": 10,
    "data.signers": 100,
    "data.repetitions": 2,
    **{
        f"{part}.{size}": value
        for part in ("rgb", "depth")
        for size, value in {"width": 128, "layers": 3, "heads": 4, "intermediate": 256}.items()
    },
    "rgb.weights": "",
    "pictures.size": 64,
    "pictures.frames": 8,
    "pictures.in_memory": True,
    "pictures.motion": True,
    "model.width": 96,
    "model.layers": 2,
    "model.heads": 4,
    "model.intermediate": 192,
    "fusion.width": 96,
    "video_augment.crop": 0.08,
    "video_augment.holes": 0.02,
    **{
        f"video_augment.{name}": 0.06
        for name in ("aspect", "brightness", "contrast", "saturation", "depth_shift", "depth_scale")
    },
    "training.epochs": 25,
    "training.max_steps": 0,
    "training.batch_size": 24,
    "training.effective_batch": 0,
    "training.learning_rate": 1e-3,
    "training.weight_decay": 0.05,
    "training.warmup": 0.1,
    "training.schedule": "cosine",
    "training.label_smoothing": 0.1,
    "training.average": 0.98,
    "training.patience": 0,
    "training.validate_every": 0.2,
    "training.precision": "32",
    "training.workers": 0,
}
"""The ablation on generated clips at sizes that a laptop trains in minutes: more signers, not larger networks,
are what makes an encoder without pre-training generalise."""


_SMALLEST = _TINY | {
    "data.glosses": 4,
    "data.signers": 30,
    # Signers who differ less are learned from fewer clips in fewer epochs.
    "data.hardness": 0.3,
    **{f"{part}.width": 64 for part in ("rgb", "depth", "model")},
    **{f"{part}.intermediate": 128 for part in ("rgb", "depth", "model")},
    "training.epochs": 12,
}


def _conditions() -> dict[str, Preset]:
    """The ablation on AUTSL, one preset a condition, and what it is compared with."""
    made = {}
    for variant, about in _ABLATION.items():
        modalities = variant.split("+")
        own = dict(_AUTSL, **{"fusion.modalities": modalities})
        for modality, settings in (("rgb", _RGB), ("depth", _DEPTH), ("skeleton", _SEED_SKELETON)):
            own |= settings if modality in modalities else {}
        made[f"autsl/{variant}"] = Preset(f"AUTSL, {about}", own, smoke=_TINY)
    whole = "autsl/rgb+depth+skeleton"
    made["autsl/current"] = Preset(
        "AUTSL, all three at the sizes that seed 000 calls current",
        {
            "depth.width": 384, "depth.layers": 6, "depth.heads": 6, "depth.intermediate": 1536, "model.width": 256,
            "model.layers": 4, "model.heads": 4, "model.intermediate": 512, "fusion.width": 256, "fusion.heads": 4,
        },
        smoke={"fusion.heads": 2}, base=whole,
    )  # fmt: skip
    made["autsl/depth-from-colour"] = Preset(
        "AUTSL, colour and depth, depth started from the colour weights: the control that seed 000 lacks",
        {
            "depth.weights": "colour", "depth.width": 768, "depth.layers": 12, "depth.heads": 12,
            "depth.intermediate": 3072,
        },
        base="autsl/rgb+depth",
    )  # fmt: skip
    return made


_PARTS = {"rgb": "rgb", "depth": "depth", "skeleton": "model"}
"""Modality -> the settings of its encoder."""


def _reduced() -> dict[str, Preset]:
    """The ablation in small on generated clips, and depth alone, which seed 000 leaves out."""
    made = {}
    for variant, about in {"depth": "what depth alone reaches", **_ABLATION}.items():
        base, modalities = f"autsl/{variant}", variant.split("+")
        others = [f"{part}." for modality, part in _PARTS.items() if modality not in modalities]
        own = {key: value for key, value in _REDUCED.items() if not key.startswith(tuple(others))}
        if variant == "depth":
            base, own["fusion.modalities"] = "autsl/rgb+depth", modalities
        if "rgb" in base:
            own["training.rates"] = {}
        made[f"generated/{variant}"] = Preset(f"generated clips in small, {about.split(':')[0]}", own, _SMALLEST, base)
    return made


PRESETS |= _conditions() | _reduced()

SWEEPS = {
    "autsl": tuple(f"autsl/{variant}" for variant in _ABLATION),
    "generated": tuple(f"generated/{variant}" for variant in ("depth", *_ABLATION)),
    **{family: tuple(f"{family}/{row}" for row in SENTENCE_ABLATION) for family in ("sentences", "stitched")},
}
"""Named families of presets that `sweep` trains over several seeds."""

PRESETS |= {
    "ntu60/nano": Preset(
        "seed 003: everyday actions by a graph network of 75,596 parameters",
        {
            "seed": 42,
            "data.corpus": "ntu60",
            "data.split_type": "xsub",
            # No clip is official validation: one of the twenty training performers.
            "data.validation": 0.05,
            "data.validation_by": "signer",
            "gcn.variant": "nano",
            "augment.mirror": 0.0,
            "augment.yaw": 15.0,
            "augment.pitch": 0.0,
            "augment.roll": 0.0,
            "augment.scale": 0.06,
            "augment.shear": 0.06,
            "training.epochs": 120,
            "training.optimizer": "sgd",
            "training.learning_rate": 0.1,
            "training.weight_decay": 4e-4,
            "training.warmup_epochs": 5,
            "training.warmup_start_lr": 0.01,
            "training.min_lr": 1e-4,
            "training.average": 0.0,
            "training.save_interval": 10,
            "training.precision": "auto",
            "training.workers": 4,
            "training.mirror_at_test": False,
        },
        smoke={
            "data.corpus": "generated-actions",
            "data.repetitions": 1,
            "action.frames": 16,
            "training.epochs": 6,
            "training.batch_size": 8,
            "training.warmup_epochs": 2,
            "training.save_interval": 0,
            "training.workers": 0,
        },
    ),
    "ntu60/small": Preset(
        "seed 003: 284,461 parameters",
        {"gcn.variant": "small", "gcn.dropout": 0.25, "training.batch_size": 48},
        base="ntu60/nano",
    ),
    "ntu60/base": Preset(
        "seed 003: 600,912 parameters, 33,024 of them in a bottleneck of its own",
        {"gcn.variant": "base", "gcn.dropout": 0.3, "gcn.drop_path": 0.05, "training.batch_size": 32},
        base="ntu60/nano",
    ),
    "ntu60/large": Preset(
        "seed 003: 911,376 parameters, gates that see frequencies",
        {"gcn.variant": "large", "gcn.drop_path": 0.1, "training.batch_size": 24},
        base="ntu60/base",
    ),
    "nw-ucla/nano": Preset(
        "ten actions, trained on one view and tested on another; settings chosen on people of the training view",
        {
            "seed": 0,
            "data.corpus": "nw-ucla",
            "data.split_type": "view-1",
            # Nothing is selected: the last epoch counts, and every person of the view trains.
            "data.validation": 0.0,
            "action.bodies": 1,
            "action.frames": 32,
            "augment.mirror": 0.5,
            "augment.yaw": 30.0,
            "augment.pitch": 10.0,
            "augment.scale": 0.1,
            "training.epochs": 60,
            "training.batch_size": 16,
            "training.precision": "32",
            "training.save_interval": 0,
            "training.workers": 0,
            "training.threads": 1,
            "training.mirror_at_test": True,
        },
        smoke={"data.split_type": "xview"},
        base="ntu60/nano",
    ),
    "nw-ucla/small": Preset(
        "the same with 276,236 parameters",
        {"gcn.variant": "small", "gcn.dropout": 0.25},
        base="nw-ucla/nano",
    ),
}

PRESETS |= {name: Preset(*row) for name, row in PHONOLOGY.items()}


PRESETS |= {name: Preset(*row) for name, row in SENTENCES.items()}


def build(name: str, mode: str = "full", seed: int | None = None, overrides: Iterable[str] = ()) -> config.Settings:
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
        raise SettingsError(f"override {named[0]!r}: preset and mode are chosen by name, not as a setting")
    chain, at = [], name
    while at:
        chain.insert(0, PRESETS[at])
        at = PRESETS[at].base
    layers = [preset.settings for preset in chain]
    if mode == "smoke":
        layers += [SMOKE, *(preset.smoke for preset in chain)]
    chosen = {"preset": name, "mode": mode} | ({} if seed is None else {"seed": seed})
    return config.build(*layers, chosen, overrides=overrides)
