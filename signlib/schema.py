"""Every setting of an experiment with its default, its meaning and its limits; nothing else.

`config` builds and checks settings; presets name differences from these defaults.
"""

from dataclasses import dataclass, field

from signlib.schema_phonology import PHONOLOGY_CHOICES, PHONOLOGY_RANGES, PhonologySettings
from signlib.schema_sentences import SENTENCE_CHOICES, SENTENCE_RANGES, SentenceSettings


@dataclass
class DataSettings:
    """Which clips, and who is trained and tested on.

    Attributes:
        corpus: a name of `experiment.CORPORA`, or `store` for a landmark store that `extract` made.
        root: the folder of the corpus or store; "" = where `SIGNLIB_DATA` says.
        annotations: of wlasl, which of its lists, such as `nslt_300.json`; "" = `nslt_100.json`, or the only one.
        split: `official` (the manifest's), `folds` (StratifiedKFold, shuffled), `signer` (leave `test_signers` out).
        split_type: which of a corpus's official splits: xsub or xview (ntu60, generated-actions), view-1 or view-2
            (nw-ucla: the view that trains); "" = the corpus's first.
        folds, fold, fold_seed: number of folds, which one is the test split, the shuffle's seed.
        test_signers: signers of the test split for `signer`.
        validation: share of the training clips kept for validation where the manifest has no validation
            split; 0 = none, then nothing is selected and the last epoch counts.
        validation_by: `clip` (stratified by gloss) or `signer` (whole signers).
        skeleton: give the clips as another skeleton whose joints they have (`face-hands-43`, `upper-53`, ...), so
            that an encoder trained on one corpus fits another; "" = as they are.
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
        joints: a selection of the skeleton (`all`, `118`, `body`, `upper`, `hands`, or parts joined by `+`).
        normalise: signer-centred and scale-free (see `features.normalise`); false = raw coordinates
            about the middle of the picture.
        rotate: also undo the camera's roll, so that the shoulders are level.
        face_camera: also turn the signer about the vertical until both shoulders are equally far away.
        hand_depth: put each hand's depth, which counts from its wrist, at the depth of the body's wrist.
        longest_gap: interpolate gaps of at most so many frames.
        dominant: mirror clips whose more active hand is the left one, so that one hand leads everywhere.
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
        layout: `cls` (learned CLS token, masks, convolutional stem) or `seed` (seed 000: first frame read out).
        streams: what the stem is fed with: point, local (hands about their wrists), bone, pair, velocity.
        width, layers, heads, intermediate: of the transformer.
        max_positions: longest sequence it takes (frames after the stem, CLS included).
        dropout: inside the transformer.
        stem_blocks, stem_kernel, stem_stride, stem_dropout: temporal convolutions before it; stride pools frames.
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
class VideoSettings:
    """One VideoMAE encoder.

    Attributes:
        weights: name or local path of pre-trained weights (the sizes are theirs then); `colour`: depth starts from
            the colour encoder's weights; "" = random.
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
        motion: take the clip's mean picture away, so that only what moves is left. Differs: the seed shows pictures
            as they are, which pre-trained weights expect; encoders trained from nothing on few clips learn faster so.
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
class ActionSettings:
    """What a graph network gets to see of clips of whole bodies.

    Attributes:
        bodies: persons a clip, those who move most first.
        frames: T, sampled from the frames in which somebody is seen.
        crop: a training clip is cut to a random share of at least this, but to no fewer frames than T.
        test_crop: share in the middle that is looked at in validation and test.
        align: turn each clip about the vertical until the first person faces the sensor.
        scale: measure in lengths of the first person's trunk instead of metres.
        noise_joint, noise_bone, noise_velocity, noise_bone_velocity: spread of the noise added to each stream.
    """

    bodies: int = 2
    frames: int = 64
    crop: float = 0.5
    test_crop: float = 0.95
    align: bool = True
    scale: bool = True
    noise_joint: float = 0.01
    noise_bone: float = 0.005
    noise_velocity: float = 0.002
    noise_bone_velocity: float = 0.002


@dataclass
class GraphSettings:
    """The graph network over joints.

    Attributes:
        variant: nano, small, base or large; "" = no graph network.
        streams: what it is fed with, in this order: joint, velocity, bone, bone_velocity.
        dropout: before the classifier.
        drop_path: chance that the last block is skipped; earlier ones in proportion.
        partition: `distance`, or `spatial`: the seed's own with its faults.
        head: `seed`; `plain`, without its bottleneck; `infogcn`: the classifier reads a sampled code.
        ib_loss_weight: weight of the seed head's own loss.
    """

    variant: str = ""
    streams: list[str] = field(default_factory=lambda: ["joint", "velocity", "bone"])
    dropout: float = 0.2
    drop_path: float = 0.0
    partition: str = "distance"
    head: str = "seed"
    ib_loss_weight: float = 0.01


@dataclass
class FrozenSettings:
    """The classifier on frozen visual features (seed 004).

    Attributes:
        fusion: concat, attention (over a single key, as the seed has it), attention-over-time or gated; "" = no such
            classifier.
        inputs: `visual`, `landmarks` or both.
        landmarks: their branch: `seed`, or `encoder`: the one that the settings `model` describe.
        store: features that `extract --extractor frozen` made; how many numbers a frame has is read there.
        tower: of generated clips, without a store: the encoder whose features are made below the folder of runs;
            `random` = a tiny one with random weights.
        frames: of a clip, for features that are made so.
        width, heads: of both branches and the fusion.
        layers, intermediate: of the landmarks' transformer.
        positions: longest clip in frames.
        dropout: everywhere.
    """

    fusion: str = ""
    inputs: list[str] = field(default_factory=lambda: ["visual", "landmarks"])
    landmarks: str = "seed"
    store: str = ""
    tower: str = ""
    frames: int = 16
    width: int = 256
    heads: int = 4
    layers: int = 2
    intermediate: int = 1024
    positions: int = 64
    dropout: float = 0.3


@dataclass
class AugmentSettings:
    """Changes of a training clip that leave its sign the same; 0 switches one off.

    Attributes:
        mirror: chance of a mirror image (left-handed signing).
        yaw, pitch, roll: largest rotation about the signer in degrees.
        scale, shear: standard deviation of log size and of the shear matrix.
        depth: standard deviation of the log factor on z, which an extractor only guesses.
        body: spread of each body joint's place, constant in a clip.
        hand_yaw, hand_pitch, hand_roll: the same for each hand about its wrist.
        hand_scale, finger, joint, shift: spread of hand size, finger length, hand shape and place.
        jitter: noise per frame, in palms.
        warp, crop: strength of the smooth time warp; largest share cut from each end.
        drop_hand: largest share of the frames in which a hand goes unseen.
        drop_second: chance that the less active hand is not seen at all.
        mixup: parameter of the Beta distribution, 0 = off.
    """

    mirror: float = 0.5
    yaw: float = 10.0
    pitch: float = 10.0
    roll: float = 10.0
    scale: float = 0.1
    shear: float = 0.05
    depth: float = 0.0
    body: float = 0.0
    hand_yaw: float = 10.0
    hand_pitch: float = 10.0
    hand_roll: float = 10.0
    hand_scale: float = 0.05
    finger: float = 0.05
    joint: float = 0.02
    shift: float = 0.05
    jitter: float = 0.01
    warp: float = 0.3
    crop: float = 0.1
    drop_hand: float = 0.15
    drop_second: float = 0.05
    mixup: float = 0.0


@dataclass
class VideoAugmentSettings:
    """Changes of a training clip's pictures; 0 switches one off. Mirroring is `augment.mirror`, for all modalities.

    Attributes:
        crop: largest share of the picture's area cut off, the same for all frames, in colour and depth.
        aspect: largest log change of the cut-out's shape.
        brightness, contrast, saturation: largest change of each, as a share; one draw a clip.
        depth_shift, depth_scale: the same for depth levels, as a share of their range; 0 (nothing measured) stays 0.
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


@dataclass
class TrainingSettings:
    """How the model is fitted.

    Attributes:
        epochs: passes over the training clips; `max_steps` > 0 ends earlier.
        repeats: how often a pass shows each clip, augmented anew each time; for corpora of a few clips.
        batch_size: clips a step and device; `accumulate` batches make one optimiser step.
        effective_batch: clips an optimiser step, over however many devices; accumulation follows from it, 0 = as above.
        devices: GPUs (on a CPU processes, for trying it out), each with its own `batch_size`; 0 = all there are.
        optimizer: `adamw` or `sgd`; `momentum` and `nesterov` are of the latter.
        learning_rate, weight_decay: decay acts on matrices only (not biases, norms, embeddings, gates, graphs).
        rates: learning rates of parameters by name prefix (`encoder: 5e-5`), for pre-trained parts.
        warmup: share of the steps with rising rate; `warmup_epochs` > 0 says it in epochs instead.
        warmup_start_lr, min_lr: rate of the first step of the warm-up, and at the end of cosine or linear.
        schedule: `cosine`, `linear`, `constant` or `multistep` (a tenth after each of `milestones`, epochs) after
            the warm-up.
        label_smoothing: towards uniform.
        class_weights: weigh the loss by N / (K n_k), for unbalanced corpora.
        clip_norm: gradient norm limit, 0 = none.
        average: decay of the exponential moving average of the weights, 0 = none.
        teacher: folder of a finished run whose scores are learned as well; `teacher_weight` is their share of the
            loss, `teacher_temperature` softens them.
        save_interval: keep a checkpoint of its own every so many epochs, 0 = only the last.
        patience: stop after so many validations without gain, never inside the warm-up; 0 = never.
        validate_every: validations an epoch (4 = every quarter), or one in several epochs (0.5).
        precision: `32`, `bf16-mixed` or `16-mixed`, refused where a device cannot do it; `auto`: 32 on a CPU, else
            bf16 where there is bf16, else 16.
        accelerator, threads: where it runs; threads 0 = torch's own choice.
        workers: processes that load batches.
        hours: time budget; the run ends cleanly and can be resumed, 0 = none.
        deterministic: the same numbers on every run on one machine.
        mirror_at_test: average the scores of a clip and its mirror image.
    """

    epochs: int = 60
    repeats: int = 1
    max_steps: int = 0
    batch_size: int = 64
    accumulate: int = 1
    effective_batch: int = 0
    devices: int = 1
    optimizer: str = "adamw"
    momentum: float = 0.9
    nesterov: bool = True
    learning_rate: float = 1e-3
    rates: dict[str, float] = field(default_factory=dict)
    weight_decay: float = 0.05
    warmup: float = 0.1
    warmup_epochs: int = 0
    warmup_start_lr: float = 0.0
    min_lr: float = 0.0
    schedule: str = "cosine"
    milestones: list[int] = field(default_factory=list)
    label_smoothing: float = 0.1
    class_weights: bool = False
    clip_norm: float = 1.0
    average: float = 0.99
    teacher: str = ""
    teacher_weight: float = 0.5
    teacher_temperature: float = 4.0
    save_interval: int = 0
    patience: int = 0
    validate_every: float = 1.0
    precision: str = "32"
    accelerator: str = "auto"
    threads: int = 0
    workers: int = 0
    hours: float = 0.0
    deterministic: bool = True
    mirror_at_test: bool = True


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
    "fusion.kind": ("weighted", "concat", "gated", "cross-attention"),
    "frozen.landmarks": ("seed", "encoder"),
    "frozen.fusion": ("", "concat", "attention", "attention-over-time", "gated"),
    "pictures.fit": ("crop", "letterbox"),
    "gcn.variant": ("", "nano", "small", "base", "large"),
    "gcn.partition": ("distance", "spatial"),
    "gcn.head": ("seed", "plain", "infogcn"),
    "training.optimizer": ("adamw", "sgd"),
    "training.schedule": ("cosine", "linear", "constant", "multistep"),
    "training.precision": ("32", "bf16-mixed", "16-mixed", "auto"),
    "training.accelerator": ("auto", "cpu", "gpu"),
    **SENTENCE_CHOICES,
    **PHONOLOGY_CHOICES,
}
MODALITIES = ("rgb", "depth", "skeleton")
FROZEN_INPUTS = ("visual", "landmarks")
STREAMS = ("point", "local", "bone", "pair", "velocity")
GRAPH_STREAMS = ("joint", "velocity", "bone", "bone_velocity")

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
        for name in ("aspect", "brightness", "contrast", "saturation", "depth_shift", "depth_scale", "holes")
    },
    "fusion.width": (1, 10**5),
    "fusion.heads": (1, 1000),
    "fusion.dropout": (0, 0.95),
    "fusion.drop_modality": (0, 0.95),
    "frozen.frames": (1, 1024),
    "frozen.width": (1, 10**5),
    "frozen.heads": (1, 1000),
    "frozen.layers": (1, 1000),
    "frozen.intermediate": (1, 10**6),
    "frozen.positions": (1, 10**5),
    "frozen.dropout": (0, 0.95),
    "action.bodies": (1, 6),
    "action.frames": (2, 10**4),
    "action.crop": (0.01, 1),
    "action.test_crop": (0.01, 1),
    **{f"action.noise_{stream}": (0, 10) for stream in GRAPH_STREAMS},
    "gcn.dropout": (0, 0.95),
    "gcn.drop_path": (0, 0.95),
    "gcn.ib_loss_weight": (0, 100),
    "augment.mirror": (0, 1),
    "augment.yaw": (0, 180),
    "augment.pitch": (0, 180),
    "augment.roll": (0, 180),
    "augment.scale": (0, 10),
    "augment.shear": (0, 10),
    "augment.depth": (0, 10),
    "augment.body": (0, 10),
    "augment.hand_yaw": (0, 180),
    "augment.hand_pitch": (0, 180),
    "augment.hand_roll": (0, 180),
    "augment.hand_scale": (0, 10),
    "augment.finger": (0, 10),
    "augment.joint": (0, 10),
    "augment.shift": (0, 10),
    "augment.jitter": (0, 10),
    "augment.drop_hand": (0, 1),
    "augment.drop_second": (0, 1),
    "augment.warp": (0, 1),
    "augment.crop": (0, 0.45),
    "augment.mixup": (0, 100),
    "training.epochs": (1, 10**6),
    "training.repeats": (1, 10**5),
    "training.max_steps": (0, 10**9),
    "training.batch_size": (1, 10**6),
    "training.accumulate": (1, 10**5),
    "training.momentum": (0, 0.9999),
    "training.learning_rate": (0, 100),
    "training.weight_decay": (0, 100),
    "training.warmup": (0, 0.9),
    "training.warmup_epochs": (0, 10**6),
    "training.warmup_start_lr": (0, 100),
    "training.min_lr": (0, 100),
    "training.teacher_weight": (0, 1),
    "training.teacher_temperature": (0.1, 100),
    "training.save_interval": (0, 10**6),
    "training.label_smoothing": (0, 0.99),
    "training.clip_norm": (0, 10**6),
    "training.average": (0, 0.99999),
    "training.patience": (0, 10**6),
    "training.validate_every": (1e-6, 1000),
    "training.effective_batch": (0, 10**7),
    "training.devices": (0, 1024),
    "training.workers": (0, 1024),
    "training.threads": (0, 1024),
    "training.hours": (0, 10**4),
    **SENTENCE_RANGES,
    **PHONOLOGY_RANGES,
}
