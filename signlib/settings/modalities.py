"""Colour, depth and landmarks together (source 000): settings and presets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from signlib.errors import SettingsError
from signlib.settings.base import (
    OF_SENTENCES,
    FeatureSettings,
    Preset,
    Settings,
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
    switch,
    unless,
    when,
)
from signlib.settings.landmarks import ModelSettings, check_encoder

MODALITIES = ("rgb", "depth", "skeleton")
_COLOUR, _DEPTH, _SKELETON = (when("fusion.modalities", name) for name in MODALITIES)
# Weights that somebody trained bring their own sizes; the weights of colour fit any.
_SIZED = when(".weights", "", "colour")


@dataclass
class VideoSettings:
    """One VideoMAE encoder."""

    weights: str = name(
        "",
        "name or local path of pre-trained weights (the sizes are theirs then); colour: depth "
        'starts from the colour encoder\'s weights; "" = random',
    )
    width: int = number(768, "of the transformer", 1, 10**6, only=_SIZED)
    layers: int = number(12, "of the transformer", 1, 10**6, only=_SIZED)
    heads: int = number(12, "of the transformer", 1, 10**6, only=_SIZED)
    intermediate: int = number(3072, "of the transformer", 1, 10**6, only=_SIZED)
    frozen: bool = switch(False, "keep the encoder's weights as they are")


@dataclass
class PictureSettings:
    """What video encoders get to see."""

    size: int = number(224, "side of a picture in pixels", 16, 2048)
    patch: int = number(16, "side of a patch in pixels", 1, 1024)
    frames: int = number(16, "evenly spaced in the clip; one token spans two", 2, 1024)
    fit: str = choice(
        "crop",
        "crop (middle of the longer side) or letterbox (black bars)",
        "crop",
        "letterbox",
    )
    quality: int = number(92, "of JPEG, for colour", 1, 100, only=(_COLOUR, unless(".store")))
    store: str = name(
        "", 'a picture store made before; "" = made when needed, below the folder of runs'
    )
    workers: int = number(1, "processes that make it", 1, 1024, only=unless(".store"))
    in_memory: bool = switch(False, "keep all pictures decoded")
    motion: bool = switch(
        False,
        "take the clip's mean picture away, so that only what moves is left. Differs: the source "
        "shows pictures as they are, which pre-trained weights expect; encoders trained from "
        "nothing on few clips learn faster so",
    )
    checkpointing: bool = switch(
        False, "compute activations again in the backward pass instead of keeping them"
    )


@dataclass
class FusionSettings:
    """How modalities are put together."""

    modalities: list[str] = some_of(MODALITIES, "which ones, each once", *MODALITIES)
    kind: str = choice(
        "weighted",
        "how they are put together",
        "weighted",
        "concat",
        "gated",
        "cross-attention",
    )
    width: int = number(384, "of the fused vector", 1, 10**5)
    heads: int = number(6, "of attention", 1, 1000, only=when(".kind", "cross-attention"))
    dropout: float = number(0.1, "in the classifier", 0, 0.95)
    drop_modality: float = number(
        0.0, "chance of forgetting a modality of a training clip", 0, 0.95
    )


@dataclass
class VideoAugmentSettings:
    """Changes of a training clip's pictures; 0 switches one off.

    Mirroring is `augment.mirror`, for all modalities.
    """

    crop: float = number(
        0.25,
        "largest share of the picture's area cut off, the same for all frames, in colour and depth",
        0,
        0.9,
    )
    aspect: float = number(0.1, "largest log change of the cut-out's shape", 0, 1)
    brightness: float = number(
        0.2, "largest change as a share; one draw a clip", 0, 1, only=_COLOUR
    )
    contrast: float = number(0.2, "the same of contrast", 0, 1, only=_COLOUR)
    saturation: float = number(0.2, "the same of saturation", 0, 1, only=_COLOUR)
    depth_shift: float = number(
        0.1,
        "the same of depth, as a share of its range; 0 (nothing measured) stays 0",
        0,
        1,
        only=_DEPTH,
    )
    depth_scale: float = number(0.1, "the same of the scale of depth", 0, 1, only=_DEPTH)
    holes: float = number(
        0.05,
        "largest share of a depth picture in which nothing is measured, anew in each frame",
        0,
        1,
        only=_DEPTH,
    )


@dataclass
class ModalitiesExperiment(Settings):
    """Signs from any of colour, depth and landmarks."""

    DROPOUT: ClassVar[str] = "fusion.dropout"
    # Pictures are mirrored with their landmarks; all other changes of landmarks need some.
    ONLY: ClassVar[Mapping[str, Only]] = {
        **OF_SENTENCES,
        "data.landmarks": _SKELETON,
        "data.skeleton": _SKELETON,
        "features.": _SKELETON,
        "augment.": _SKELETON,
        "augment.mirror": (),
        "model.head_dropout": NEVER,
    }

    task: str = name("modalities", "the family of models")
    features: FeatureSettings = section(
        FeatureSettings, "what is seen of the landmarks", dominant=False
    )
    model: ModelSettings = section(ModelSettings, "the landmark encoder", only=_SKELETON)
    rgb: VideoSettings = section(VideoSettings, "the encoder of colour", only=_COLOUR)
    depth: VideoSettings = section(VideoSettings, "the encoder of depth", only=_DEPTH)
    pictures: PictureSettings = section(
        PictureSettings, "what video encoders see", only=_COLOUR | _DEPTH
    )
    fusion: FusionSettings = section(FusionSettings, "how modalities are put together")
    video_augment: VideoAugmentSettings = section(
        VideoAugmentSettings,
        "what is varied in pictures of training clips",
        only=_COLOUR | _DEPTH,
    )

    def check(self) -> None:
        super().check()
        check_encoder(self, self.model)
        if self.fusion.kind == "cross-attention":
            refuse_uneven(self.fusion, "fusion")
        for part in ("rgb", "depth"):
            if part in self.fusion.modalities:
                refuse_uneven(getattr(self, part), part)
        pictures = self.pictures
        SettingsError.raise_if(
            pictures.size % pictures.patch,
            f"pictures.size={pictures.size} is not divisible by pictures.patch={pictures.patch}",
        )
        SettingsError.raise_if(
            pictures.frames % 2,
            f"pictures.frames={pictures.frames} is odd; a token spans two frames",
        )
        SettingsError.raise_if(
            self.augment.mixup,
            f"augment.mixup={self.augment.mixup} is for landmarks alone; set it to 0 with "
            "task=modalities",
        )


_AUTSL: dict[str, Any] = {
    # Source 000 has this one for all its conditions.
    "seed": 4000,
    "data.corpus": "autsl",
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
# Modality -> its encoder as source 000 has it.
_ENCODERS: dict[str, dict[str, Any]] = {
    "rgb": {
        "rgb.weights": "MCG-NJU/videomae-base-finetuned-kinetics",
        "training.rates": {"encoders.rgb": 5e-5},
    },
    "depth": {
        "depth.width": 512,
        "depth.layers": 8,
        "depth.heads": 8,
        "depth.intermediate": 2048,
    },
    "skeleton": {
        "features.joints": "all",
        "features.frames": 16,
        "features.coordinates": 2,
        "model.layout": "original",
        "model.width": 384,
        "model.layers": 6,
        "model.heads": 6,
        "model.intermediate": 1536,
        "model.stem_stride": 1,
    },
}
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
# Source 000's five conditions.
ABLATION = {
    "rgb": "what colour alone reaches",
    "skeleton": "what landmarks alone reach",
    "rgb+depth": "what depth adds to colour",
    "rgb+skeleton": "what landmarks add to colour",
    "rgb+depth+skeleton": "all three: source 000's recommended sizes",
}
# The ablation on generated clips at sizes that a laptop trains in minutes: more signers, not larger
# networks, are what makes an encoder without pre-training generalise.
_REDUCED = {
    "seed": 0,
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


_SMALLEST = _TINY | {
    "data.glosses": 4,
    "data.signers": 30,
    # Signers who differ less are learned from fewer clips in fewer epochs.
    "data.hardness": 0.3,
    **{f"{part}.width": 64 for part in ("rgb", "depth", "model")},
    **{f"{part}.intermediate": 128 for part in ("rgb", "depth", "model")},
    "training.epochs": 12,
}


def _on_autsl(variant: str) -> dict[str, Any]:
    # One condition of the ablation on AUTSL.
    modalities = variant.split("+")
    # All of them are the default, which a preset does not repeat.
    chosen = {} if modalities == list(MODALITIES) else {"fusion.modalities": modalities}
    settings = _AUTSL | chosen
    for modality in modalities:
        settings |= _ENCODERS[modality]
    return settings


def _reduced(variant: str) -> dict[str, Any]:
    # One condition in small; sizes of encoders that it does not have are left out.
    parts = {"rgb": "rgb.", "depth": "depth.", "skeleton": "model."}
    unused = tuple(part for name, part in parts.items() if name not in variant.split("+"))
    return {key: value for key, value in _REDUCED.items() if not key.startswith(unused)}


PRESETS: dict[str, Preset] = {
    **{
        f"autsl/{variant}": Preset(f"AUTSL, {question}", _on_autsl(variant), _TINY)
        for variant, question in ABLATION.items()
    },
    "autsl/current": Preset(
        "AUTSL, all three at the sizes that source 000 calls current",
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
        "autsl/rgb+depth+skeleton",
    ),
    "autsl/depth-from-colour": Preset(
        (
            "AUTSL, colour and depth, depth started from the colour weights: the control that"
            " source 000 lacks"
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
    ),
    # Depth alone, which source 000 leaves out.
    "generated/depth": Preset(
        "generated clips in small, what depth alone reaches",
        {**_reduced("depth"), "fusion.modalities": ["depth"], "training.rates": {}},
        _SMALLEST,
        "autsl/rgb+depth",
    ),
    **{
        f"generated/{variant}": Preset(
            f"generated clips in small, {question.split(':')[0]}",
            _reduced(variant) | ({"training.rates": {}} if "rgb" in variant else {}),
            _SMALLEST,
            f"autsl/{variant}",
        )
        for variant, question in ABLATION.items()
    },
}

# Named families of presets that are trained over several random seeds.
SWEEPS = {
    "autsl": tuple(f"autsl/{variant}" for variant in ABLATION),
    "generated": tuple(f"generated/{variant}" for variant in ("depth", *ABLATION)),
}
