"""Settings of fitting: what is varied in a training clip, and how the weights are found."""

from dataclasses import dataclass

from signlib.errors import SettingsError
from signlib.settings.fields import choice, free_list, name, number, rates, switch, unless, when


@dataclass
class AugmentSettings:
    """Changes of a training clip that leave its sign the same; 0 switches one off."""

    mirror: float = number(0.5, "chance of a mirror image (left-handed signing)", 0, 1)
    yaw: float = number(10.0, "largest rotation about the vertical, degrees", 0, 180)
    pitch: float = number(10.0, "largest rotation about the shoulders' axis, degrees", 0, 180)
    roll: float = number(10.0, "largest rotation about the line of sight, degrees", 0, 180)
    scale: float = number(0.1, "standard deviation of log size", 0, 10)
    shear: float = number(0.05, "standard deviation of the shear matrix", 0, 10)
    depth: float = number(
        0.0,
        "standard deviation of the log factor on z, which an extractor only guesses",
        0,
        10,
        only=when("features.coordinates", 3),
    )
    body: float = number(0.0, "spread of each body joint's place, constant in a clip", 0, 10)
    hand_yaw: float = number(10.0, "as yaw, of each hand about its wrist", 0, 180)
    hand_pitch: float = number(10.0, "as pitch, of each hand about its wrist", 0, 180)
    hand_roll: float = number(10.0, "as roll, of each hand about its wrist", 0, 180)
    hand_scale: float = number(0.05, "spread of hand size", 0, 10)
    finger: float = number(0.05, "spread of finger length", 0, 10)
    joint: float = number(0.02, "spread of hand shape", 0, 10)
    shift: float = number(0.05, "spread of a hand's place", 0, 10)
    jitter: float = number(0.01, "noise per frame, in palms", 0, 10)
    warp: float = number(0.3, "strength of the smooth time warp", 0, 1)
    crop: float = number(0.1, "largest share cut from each end", 0, 0.45)
    drop_hand: float = number(0.15, "largest share of the frames in which a hand goes unseen", 0, 1)
    drop_second: float = number(0.05, "chance that the less active hand is not seen at all", 0, 1)
    mixup: float = number(0.0, "parameter of the Beta distribution, 0 = off", 0, 100)


@dataclass
class TrainingSettings:
    """How the model is fitted."""

    epochs: int = number(60, "passes over the training clips", 1, 10**6)
    repeats: int = number(
        1,
        "how often a pass shows each clip, augmented anew each time; for corpora of a few clips",
        1,
        10**5,
    )
    max_steps: int = number(0, "optimiser steps that end the training earlier, 0 = none", 0, 10**9)
    batch_size: int = number(64, "clips a step and device", 1, 10**6)
    accumulate: int = number(
        1, "batches that make one optimiser step", 1, 10**5, only=unless(".effective_batch")
    )
    effective_batch: int = number(
        0,
        "clips an optimiser step, over however many devices; accumulation follows from it, "
        "0 = as `accumulate` says",
        0,
        10**7,
    )
    devices: int = number(
        1,
        "GPUs (on a CPU processes, for trying it out), each with its own batch_size; 0 = all",
        0,
        1024,
    )
    optimizer: str = choice("adamw", "adamw or sgd", "adamw", "sgd")
    momentum: float = number(0.9, "of sgd", 0, 0.9999, only=when(".optimizer", "sgd"))
    nesterov: bool = switch(True, "of sgd", only=when(".optimizer", "sgd"))
    learning_rate: float = number(1e-3, "largest learning rate", 0, 100)
    rates: dict[str, float] = rates(
        "learning rates of parameters by name prefix (encoder: 5e-5), for pre-trained parts",
        0,
        100,
    )
    weight_decay: float = number(
        0.05, "acts on matrices only (not biases, norms, embeddings, gates, graphs)", 0, 100
    )
    warmup: float = number(
        0.1, "share of the steps with rising rate", 0, 0.9, only=unless(".warmup_epochs")
    )
    warmup_epochs: int = number(0, "the same in epochs, 0 = `warmup` counts", 0, 10**6)
    warmup_start_lr: float = number(
        0.0,
        "rate of the first step of the warm-up",
        0,
        100,
        only=when(".warmup") | when(".warmup_epochs"),
    )
    min_lr: float = number(
        0.0, "rate at the end", 0, 100, only=when(".schedule", "cosine", "linear")
    )
    schedule: str = choice(
        "cosine",
        "after the warm-up: cosine, linear, constant, or multistep (a tenth after each milestone)",
        "cosine",
        "linear",
        "constant",
        "multistep",
    )
    milestones: list[int] = free_list([], "epochs", only=when(".schedule", "multistep"))
    label_smoothing: float = number(0.1, "towards uniform", 0, 0.99)
    class_weights: bool = switch(False, "weigh the loss by N / (K n_k), for unbalanced corpora")
    clip_norm: float = number(1.0, "limit of the gradient's norm, 0 = none", 0, 10**6)
    average: float = number(
        0.99, "decay of the exponential moving average of the weights, 0 = none", 0, 0.99999
    )
    teacher: str = name("", "folder of a finished run whose scores are learned as well")
    teacher_weight: float = number(
        0.5, "the teacher's share of the loss", 0, 1, only=when(".teacher")
    )
    teacher_temperature: float = number(
        4.0, "softens the teacher's scores", 0.1, 100, only=when(".teacher")
    )
    save_interval: int = number(
        0, "keep a checkpoint of its own every so many epochs, 0 = only the last", 0, 10**6
    )
    patience: int = number(
        0,
        "stop after so many validations without gain, never inside the warm-up; 0 = never",
        0,
        10**6,
    )
    validate_every: float = number(
        1.0, "validations an epoch (4 = every quarter), or one in several (0.5)", 1e-6, 1000
    )
    precision: str = choice(
        "32",
        "32, bf16-mixed or 16-mixed, refused where a device cannot do it; auto: 32 on a CPU, "
        "else bf16 where there is bf16, else 16",
        "32",
        "bf16-mixed",
        "16-mixed",
        "auto",
    )
    accelerator: str = choice("auto", "where it runs", "auto", "cpu", "gpu")
    threads: int = number(0, "threads of the processor, 0 = torch's own choice", 0, 1024)
    workers: int = number(0, "processes that load batches", 0, 1024)
    pin_memory: bool = switch(
        True, "load batches into pinned memory, from which a GPU copies faster; without one nothing"
    )
    logger: str = choice(
        "none",
        "who gets each epoch's row of history.csv, in the run's folder log: csv, tensorboard or "
        "mlflow, each with the extra of that name",
        "none",
        "csv",
        "tensorboard",
        "mlflow",
    )
    hours: float = number(
        0.0, "time budget; the run ends cleanly and can be resumed, 0 = none", 0, 10**4
    )
    deterministic: bool = switch(True, "the same numbers on every run on one machine")
    mirror_at_test: bool = switch(True, "average the scores of a clip and its mirror image")


def check_training(training: TrainingSettings) -> None:
    """Refuse a schedule or a batch that does not fit together.

    Raises:
        SettingsError: with key, value and limit.
    """
    # With 0 devices, which are all there are, the trainer checks it again.
    if training.effective_batch % (training.batch_size * max(training.devices, 1)):
        devices = f" x training.devices={training.devices}" if training.devices > 1 else ""
        raise SettingsError(
            f"training.effective_batch={training.effective_batch} is not divisible by "
            f"training.batch_size={training.batch_size}{devices}; change one of them"
        )
    for key in ("warmup_start_lr", "min_lr"):
        rate = getattr(training, key)
        SettingsError.raise_if(
            rate > training.learning_rate,
            f"training.{key}={rate} is above training.learning_rate="
            f"{training.learning_rate}; lower it",
        )
    SettingsError.raise_if(
        training.warmup_epochs and training.warmup_epochs >= training.epochs,
        f"training.warmup_epochs={training.warmup_epochs} leaves nothing of "
        f"training.epochs={training.epochs}; lower it",
    )
    SettingsError.raise_if(
        training.optimizer == "sgd" and training.nesterov and not training.momentum,
        "training.nesterov=true needs training.momentum above 0; set it false",
    )
    milestones = training.milestones
    rising = sorted({epoch for epoch in milestones if epoch > 0})
    SettingsError.raise_if(
        bool(milestones) != (training.schedule == "multistep") or milestones != rising,
        f"training.milestones={milestones} with training.schedule={training.schedule}: "
        "multistep needs rising epochs such as [50,65], other schedules none",
    )
