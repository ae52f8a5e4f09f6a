"""Settings of fitting: what is varied in a training clip, and how the weights are found."""

from dataclasses import dataclass, field


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
class TrainingSettings:
    """How the model is fitted.

    Attributes:
        epochs: passes over the training clips; `max_steps` > 0 ends earlier.
        repeats: how often a pass shows each clip, augmented anew each time; for corpora of a few
            clips.
        batch_size: clips a step and device; `accumulate` batches make one optimiser step.
        effective_batch: clips an optimiser step, over however many devices; accumulation follows
            from it, 0 = as above.
        devices: GPUs (on a CPU processes, for trying it out), each with its own `batch_size`; 0 =
            all there are.
        optimizer: `adamw` or `sgd`; `momentum` and `nesterov` are of the latter.
        learning_rate, weight_decay: decay acts on matrices only (not biases, norms, embeddings,
            gates, graphs).
        rates: learning rates of parameters by name prefix (`encoder: 5e-5`), for pre-trained parts.
        warmup: share of the steps with rising rate; `warmup_epochs` > 0 says it in epochs instead.
        warmup_start_lr, min_lr: rate of the first step of the warm-up, and at the end of cosine or
            linear.
        schedule: `cosine`, `linear`, `constant` or `multistep` (a tenth after each of `milestones`,
            epochs) after the warm-up.
        label_smoothing: towards uniform.
        class_weights: weigh the loss by N / (K n_k), for unbalanced corpora.
        clip_norm: gradient norm limit, 0 = none.
        average: decay of the exponential moving average of the weights, 0 = none.
        teacher: folder of a finished run whose scores are learned as well; `teacher_weight` is
            their share of the loss, `teacher_temperature` softens them.
        save_interval: keep a checkpoint of its own every so many epochs, 0 = only the last.
        patience: stop after so many validations without gain, never inside the warm-up; 0 = never.
        validate_every: validations an epoch (4 = every quarter), or one in several epochs (0.5).
        precision: `32`, `bf16-mixed` or `16-mixed`, refused where a device cannot do it; `auto`: 32
            on a CPU, else bf16 where there is bf16, else 16.
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


TRAINING_CHOICES = {
    "training.optimizer": ("adamw", "sgd"),
    "training.schedule": ("cosine", "linear", "constant", "multistep"),
    "training.precision": ("32", "bf16-mixed", "16-mixed", "auto"),
    "training.accelerator": ("auto", "cpu", "gpu"),
}

TRAINING_RANGES = {
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
}
