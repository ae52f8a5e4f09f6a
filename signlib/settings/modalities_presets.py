"""Presets of colour, depth and landmarks together (seed 000) as plain rows; `presets` makes
experiments of them.
"""

from signlib.settings.preset_rows import Row

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
_RGB = {
    "rgb.weights": "MCG-NJU/videomae-base-finetuned-kinetics",
    "training.rates": {"encoders.rgb": 5e-5},
}
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
ABLATION = {
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
"""The ablation on generated clips at sizes that a laptop trains in minutes: more signers, not
larger networks, are what makes an encoder without pre-training generalise."""


_SMALLEST = _TINY | {
    "data.glosses": 4,
    "data.signers": 30,
    # Signers who differ less are learned from fewer clips in fewer epochs.
    "data.hardness": 0.3,
    **{f"{part}.width": 64 for part in ("rgb", "depth", "model")},
    **{f"{part}.intermediate": 128 for part in ("rgb", "depth", "model")},
    "training.epochs": 12,
}


def _conditions() -> dict[str, Row]:
    """The ablation on AUTSL, one preset a condition, and what it is compared with."""
    made = {}
    for variant, about in ABLATION.items():
        modalities = variant.split("+")
        own = dict(_AUTSL, **{"fusion.modalities": modalities})
        for modality, settings in (("rgb", _RGB), ("depth", _DEPTH), ("skeleton", _SEED_SKELETON)):
            own |= settings if modality in modalities else {}
        made[f"autsl/{variant}"] = (f"AUTSL, {about}", own, _TINY, "")
    whole = "autsl/rgb+depth+skeleton"
    made["autsl/current"] = (
        "AUTSL, all three at the sizes that seed 000 calls current",
        {
            "depth.width": 384,
            "depth.layers": 6,
            "depth.heads": 6,
            "depth.intermediate": 1536,
            "model.width": 256,
            "model.layers": 4,
            "model.heads": 4,
            "model.intermediate": 512,
            "fusion.width": 256,
            "fusion.heads": 4,
        },
        {"fusion.heads": 2},
        whole,
    )
    made["autsl/depth-from-colour"] = (
        (
            "AUTSL, colour and depth, depth started from the colour weights: the control that seed"
            " 000 lacks"
        ),
        {
            "depth.weights": "colour",
            "depth.width": 768,
            "depth.layers": 12,
            "depth.heads": 12,
            "depth.intermediate": 3072,
        },
        {},
        "autsl/rgb+depth",
    )
    return made


_PARTS = {"rgb": "rgb", "depth": "depth", "skeleton": "model"}
"""Modality -> the settings of its encoder."""


def _reduced() -> dict[str, Row]:
    """The ablation in small on generated clips, and depth alone, which seed 000 leaves out."""
    made = {}
    for variant, about in {"depth": "what depth alone reaches", **ABLATION}.items():
        base, modalities = f"autsl/{variant}", variant.split("+")
        others = [f"{part}." for modality, part in _PARTS.items() if modality not in modalities]
        own = {key: value for key, value in _REDUCED.items() if not key.startswith(tuple(others))}
        if variant == "depth":
            base, own["fusion.modalities"] = "autsl/rgb+depth", modalities
        if "rgb" in base:
            own["training.rates"] = {}
        made[f"generated/{variant}"] = (
            f"generated clips in small, {about.split(':')[0]}",
            own,
            _SMALLEST,
            base,
        )
    return made


MODALITIES: dict[str, Row] = _conditions() | _reduced()
