"""Settings of colour, depth and landmarks together: encoders of video, their pictures, the fusion."""

from dataclasses import dataclass, field


@dataclass
class VideoSettings:
    """One VideoMAE encoder.

    Attributes:
        weights: name or local path of pre-trained weights (the sizes are theirs then); `colour`:
            depth starts from the colour encoder's weights; "" = random.
        width, layers, heads, intermediate: of the transformer.
        frozen: keep the encoder's weights as they are.
    """

    weights: str = ""
    width: int = 768
    layers: int = 12
    heads: int = 12
    intermediate: int = 3072
    frozen: bool = False


@dataclass
class PictureSettings:
    """What video encoders get to see.

    Attributes:
        size, patch: sides of picture and patch in pixels.
        frames: evenly spaced in the clip; one token spans two.
        fit: `crop` (middle of the longer side) or `letterbox` (black bars).
        quality: of JPEG, for colour.
        store: a picture store made before; "" = made when needed, below the folder of runs.
        workers: processes that make it.
        in_memory: keep all pictures decoded.
        motion: take the clip's mean picture away, so that only what moves is left. Differs: the
            seed shows pictures as they are, which pre-trained weights expect; encoders trained from
            nothing on few clips learn faster so.
        checkpointing: compute activations again in the backward pass instead of keeping them.
    """

    size: int = 224
    patch: int = 16
    frames: int = 16
    fit: str = "crop"
    quality: int = 92
    store: str = ""
    workers: int = 1
    in_memory: bool = False
    motion: bool = False
    checkpointing: bool = False


@dataclass
class FusionSettings:
    """How modalities are put together.

    Attributes:
        modalities: some of rgb, depth, skeleton; empty = landmarks alone, without a fusion.
        kind: weighted, concat, gated or cross-attention.
        width: of the fused vector.
        heads: of cross-attention.
        dropout: in the classifier.
        drop_modality: chance of forgetting a modality of a training clip.
        landmarks: store of landmarks, for corpora that come as videos.
    """

    modalities: list[str] = field(default_factory=list)
    kind: str = "weighted"
    width: int = 384
    heads: int = 6
    dropout: float = 0.1
    drop_modality: float = 0.0
    landmarks: str = ""


@dataclass
class VideoAugmentSettings:
    """Changes of a training clip's pictures; 0 switches one off. Mirroring is `augment.mirror`, for
    all modalities.

    Attributes:
        crop: largest share of the picture's area cut off, the same for all frames, in colour and
            depth.
        aspect: largest log change of the cut-out's shape.
        brightness, contrast, saturation: largest change of each, as a share; one draw a clip.
        depth_shift, depth_scale: the same for depth levels, as a share of their range; 0 (nothing
            measured) stays 0.
        holes: largest share of a depth picture in which nothing is measured, anew in each frame.
    """

    crop: float = 0.25
    aspect: float = 0.1
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    depth_shift: float = 0.1
    depth_scale: float = 0.1
    holes: float = 0.05


MODALITIES = ("rgb", "depth", "skeleton")

MODALITIES_CHOICES = {
    "fusion.kind": ("weighted", "concat", "gated", "cross-attention"),
    "pictures.fit": ("crop", "letterbox"),
}

MODALITIES_RANGES = {
    **{
        f"{modality}.{size}": (1, 10**6)
        for modality in ("rgb", "depth")
        for size in ("width", "layers", "heads", "intermediate")
    },
    "pictures.size": (16, 2048),
    "pictures.patch": (1, 1024),
    "pictures.frames": (2, 1024),
    "pictures.quality": (1, 100),
    "pictures.workers": (1, 1024),
    "video_augment.crop": (0, 0.9),
    **{
        f"video_augment.{name}": (0, 1)
        for name in (
            "aspect",
            "brightness",
            "contrast",
            "saturation",
            "depth_shift",
            "depth_scale",
            "holes",
        )
    },
    "fusion.width": (1, 10**5),
    "fusion.heads": (1, 1000),
    "fusion.dropout": (0, 0.95),
    "fusion.drop_modality": (0, 0.95),
}
