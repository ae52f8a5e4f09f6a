"""Settings of recognition from readable features, and of pre-training on them."""

from dataclasses import dataclass, field


@dataclass
class PhonologySettings:
    """A recurrent network on the 36 phonological features of each frame. Empty `network`: none.

    Attributes:
        network: `ctc` (one gloss a clip, read with CTC) or `pretext` (pre-training without
            glosses).
        form: of the features, `corrected` or `seed`.
        stride: every how many-th frame is read; 2 halves the time.
        scale: bring all features to about one size before the network; the seed takes them as they
            are.
        width, layers, dropout: of the encoder; seed 002's are 64 and 1 (71,893 parameters at 20
            glosses), or 128 and 2.
        views: train the classifier on random views of its clips too, as pre-training does.
        crop, speed, noise: a view keeps at least this share of a clip, is played at most so much
            faster or slower, and each number moves with this spread.
        blank_weight: of the mean probability of the blank in the classifier's loss.
        pretext: `seed` (views of one clip find each other; a quantiser of the input beside them) or
            `codes` (views, and the codes of hidden frames are told from the frames around them).
        codebooks: codes for handshape, location, orientation, movement and face.
        readout: what stands for a clip among views: `last` (frame, as in the seed) or `mean`.
        temperature: of the contrast.
        projection: width between encoder and contrast.
        contrast_weight, code_weight: of the two losses.
        hidden, span: share of frames that is hidden in `codes`, in stretches of so many.
    """

    network: str = ""
    form: str = "corrected"
    stride: int = 1
    scale: bool = True
    width: int = 64
    layers: int = 1
    dropout: float = 0.5
    views: bool = True
    crop: float = 0.7
    speed: float = 0.2
    noise: float = 0.05
    blank_weight: float = 0.0
    pretext: str = "codes"
    codebooks: list[int] = field(default_factory=lambda: [64, 128, 32, 64, 32])
    readout: str = "mean"
    temperature: float = 0.07
    projection: int = 2048
    contrast_weight: float = 1.0
    code_weight: float = 1.0
    hidden: float = 0.3
    span: int = 5


PHONOLOGY_CHOICES = {
    "phonology.network": ("", "ctc", "pretext"),
    "phonology.form": ("corrected", "seed"),
    "phonology.pretext": ("codes", "seed"),
    "phonology.readout": ("mean", "last"),
}

PHONOLOGY_RANGES = {
    "phonology.stride": (1, 100),
    "phonology.width": (1, 10**5),
    "phonology.layers": (1, 100),
    "phonology.dropout": (0, 0.95),
    "phonology.crop": (0.1, 1),
    "phonology.speed": (0, 0.9),
    "phonology.noise": (0, 10),
    "phonology.blank_weight": (0, 100),
    "phonology.temperature": (1e-3, 100),
    "phonology.projection": (1, 10**5),
    "phonology.contrast_weight": (0, 100),
    "phonology.code_weight": (0, 100),
    "phonology.hidden": (0, 0.9),
    "phonology.span": (1, 10**4),
}
