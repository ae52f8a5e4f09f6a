"""Every setting of an experiment with its default, its meaning and its limits; nothing else.

`config` builds and checks settings; presets name differences from these defaults.
"""

from dataclasses import dataclass, field

from signlib.settings.frozen import FROZEN_CHOICES, FROZEN_RANGES, FrozenSettings
from signlib.settings.graph import ACTIONS_CHOICES, ACTIONS_RANGES, ActionSettings, GraphSettings
from signlib.settings.modalities import (
    MODALITIES_CHOICES,
    MODALITIES_RANGES,
    FusionSettings,
    PictureSettings,
    VideoAugmentSettings,
    VideoSettings,
)
from signlib.settings.phonology import PHONOLOGY_CHOICES, PHONOLOGY_RANGES, PhonologySettings
from signlib.settings.sentences import SENTENCE_CHOICES, SENTENCE_RANGES, SentenceSettings
from signlib.settings.training import (
    TRAINING_CHOICES,
    TRAINING_RANGES,
    AugmentSettings,
    TrainingSettings,
)


@dataclass
class DataSettings:
    """Which clips, and who is trained and tested on.

    Attributes:
        corpus: a name that `corpora` knows, or `store` for a landmark store that `extract` made.
        root: the folder of the corpus or store; "" = where `SIGNLIB_DATA` says.
        annotations: of wlasl, which of its lists, such as `nslt_300.json`; "" = `nslt_100.json`, or
            the only one.
        split: `official` (the manifest's), `folds` (StratifiedKFold, shuffled), `signer` (leave
            `test_signers` out).
        split_type: which of a corpus's official splits: xsub or xview (ntu60, generated-actions),
            view-1 or view-2 (nw-ucla: the view that trains); "" = the corpus's first.
        folds, fold, fold_seed: number of folds, which one is the test split, the shuffle's seed.
        test_signers: signers of the test split for `signer`.
        validation: share of the training clips kept for validation where the manifest has no
            validation split; 0 = none, then nothing is selected and the last epoch counts.
        validation_by: `clip` (stratified by gloss) or `signer` (whole signers).
        skeleton: give the clips as another skeleton whose joints they have (`face-hands-43`,
            `upper-53`, ...), so that an encoder trained on one corpus fits another; "" = as they
            are.
        limit_classes: keep only the K glosses with most training clips; 0 = all.
        fewest: keep only glosses with at least so many training clips.
        glosses, signers, repetitions, seed, hardness: of the generated corpus.
        shortest, longest: signs of a sentence, in corpora whose sentences are made here.
        sentences: of training, in stitched corpora.
    """

    corpus: str = "generated"
    root: str = ""
    annotations: str = ""
    split: str = "official"
    split_type: str = ""
    folds: int = 5
    fold: int = 0
    fold_seed: int = 0
    test_signers: list[str] = field(default_factory=list)
    validation: float = 0.0
    validation_by: str = "clip"
    skeleton: str = ""
    limit_classes: int = 0
    fewest: int = 0
    glosses: int = 20
    signers: int = 10
    repetitions: int = 3
    seed: int = 0
    hardness: float = 1.0
    shortest: int = 1
    longest: int = 15
    sentences: int = 600


@dataclass
class FeatureSettings:
    """What a model gets to see of the landmarks.

    Attributes:
        joints: a selection of the skeleton (`all`, `118`, `body`, `upper`, `hands`, or parts joined
            by `+`).
        normalise: signer-centred and scale-free (see `features.normalise`); false = raw coordinates
            about the middle of the picture.
        rotate: also undo the camera's roll, so that the shoulders are level.
        face_camera: also turn the signer about the vertical until both shoulders are equally far
            away.
        hand_depth: put each hand's depth, which counts from its wrist, at the depth of the body's
            wrist.
        longest_gap: interpolate gaps of at most so many frames.
        dominant: mirror clips whose more active hand is the left one, so that one hand leads
            everywhere.
        frames: resample each clip to so many frames; 0 = all frames, padded.
        coordinates: 2 (x, y) or 3 (x, y, z).
        z_weight: factor on z, which MediaPipe guesses.
    """

    joints: str = "body"
    normalise: bool = True
    rotate: bool = True
    face_camera: bool = False
    hand_depth: bool = False
    longest_gap: int = 5
    dominant: bool = True
    frames: int = 32
    coordinates: int = 3
    z_weight: float = 1.0


@dataclass
class ModelSettings:
    """The landmark encoder and its head.

    Attributes:
        layout: `cls` (learned CLS token, masks, convolutional stem) or `seed` (seed 000: first
            frame read out).
        streams: what the stem is fed with: point, local (hands about their wrists), bone, pair,
            velocity.
        width, layers, heads, intermediate: of the transformer.
        max_positions: longest sequence it takes (frames after the stem, CLS included).
        dropout: inside the transformer.
        stem_blocks, stem_kernel, stem_stride, stem_dropout: temporal convolutions before it; stride
            pools frames.
        head_dropout: before the classifier.
    """

    layout: str = "cls"
    streams: list[str] = field(default_factory=lambda: ["point", "local", "velocity"])
    width: int = 128
    layers: int = 2
    heads: int = 4
    intermediate: int = 256
    max_positions: int = 256
    dropout: float = 0.1
    stem_blocks: int = 2
    stem_kernel: int = 5
    stem_stride: int = 2
    stem_dropout: float = 0.1
    head_dropout: float = 0.3


@dataclass
class Settings:
    """One experiment. `mode` is `smoke` (small sizes, cannot be published) or `full`."""

    preset: str = "landmarks/small"
    mode: str = "full"
    seed: int = 0
    data: DataSettings = field(default_factory=DataSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    rgb: VideoSettings = field(default_factory=VideoSettings)
    depth: VideoSettings = field(default_factory=VideoSettings)
    pictures: PictureSettings = field(default_factory=PictureSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    frozen: FrozenSettings = field(default_factory=FrozenSettings)
    action: ActionSettings = field(default_factory=ActionSettings)
    gcn: GraphSettings = field(default_factory=GraphSettings)
    ctc: SentenceSettings = field(default_factory=SentenceSettings)
    phonology: PhonologySettings = field(default_factory=PhonologySettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    video_augment: VideoAugmentSettings = field(default_factory=VideoAugmentSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)


CHOICES = {
    "mode": ("smoke", "full"),
    "data.split": ("official", "folds", "signer"),
    "data.split_type": ("", "xsub", "xview", "view-1", "view-2"),
    "data.validation_by": ("clip", "signer"),
    "features.coordinates": (2, 3),
    "model.layout": ("cls", "seed"),
    **MODALITIES_CHOICES,
    **FROZEN_CHOICES,
    **ACTIONS_CHOICES,
    **TRAINING_CHOICES,
    **SENTENCE_CHOICES,
    **PHONOLOGY_CHOICES,
}
STREAMS = ("point", "local", "bone", "pair", "velocity")

# key: (lowest, highest), both allowed; every number has one, which also keeps NaN out
RANGES = {
    "seed": (0, 2**32 - 1),
    "data.fold_seed": (0, 2**32 - 1),
    "data.seed": (0, 2**32 - 1),
    "data.hardness": (0, 3),
    "data.folds": (2, 1000),
    "data.fold": (0, 999),
    "data.validation": (0, 0.9),
    "data.limit_classes": (0, 10**6),
    "data.fewest": (0, 10**6),
    "data.glosses": (2, 10**4),
    "data.signers": (3, 10**4),
    "data.repetitions": (1, 10**4),
    "data.shortest": (1, 15),
    "data.longest": (1, 15),
    "data.sentences": (1, 10**6),
    "features.longest_gap": (0, 10**4),
    "features.frames": (0, 10**4),
    "features.z_weight": (-100, 100),
    "model.width": (1, 10**5),
    "model.layers": (1, 1000),
    "model.heads": (1, 1000),
    "model.intermediate": (1, 10**6),
    "model.max_positions": (2, 10**5),
    "model.dropout": (0, 0.95),
    "model.stem_blocks": (0, 100),
    "model.stem_kernel": (1, 101),
    "model.stem_stride": (1, 16),
    "model.stem_dropout": (0, 0.95),
    "model.head_dropout": (0, 0.95),
    **MODALITIES_RANGES,
    **FROZEN_RANGES,
    **ACTIONS_RANGES,
    **TRAINING_RANGES,
    **SENTENCE_RANGES,
    **PHONOLOGY_RANGES,
}
