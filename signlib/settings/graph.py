"""Actions of whole bodies by graph networks (source 003): settings and presets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from signlib.settings.base import ALONE, OF_SENTENCES, Preset, Settings
from signlib.settings.fields import (
    NEVER,
    Only,
    choice,
    name,
    number,
    numbers,
    section,
    some_of,
    switch,
    unless,
    when,
)

STREAMS = ("joint", "velocity", "bone", "bone_velocity")


@dataclass
class ActionSettings:
    """What a graph network gets to see of clips of whole bodies."""

    bodies: int = number(2, "persons a clip, those who move most first", 1, 6)
    frames: int = number(64, "T, sampled from the frames in which somebody is seen", 2, 10**4)
    crop: float = number(
        0.5,
        "a training clip is cut to a random share of at least this, but to no fewer frames than T",
        0.01,
        1,
    )
    test_crop: float = number(
        0.95, "share in the middle that is looked at in validation and test", 0.01, 1
    )
    align: bool = switch(
        True, "turn each clip about the vertical until the first person faces the sensor"
    )
    scale: bool = switch(True, "measure in lengths of the first person's trunk, not in metres")
    noise_joint: float = number(
        0.01, "spread of the noise added to joints", 0, 10, only=when("gcn.streams", "joint")
    )
    noise_bone: float = number(0.005, "to bones", 0, 10, only=when("gcn.streams", "bone"))
    noise_velocity: float = number(
        0.002, "to velocities", 0, 10, only=when("gcn.streams", "velocity")
    )
    noise_bone_velocity: float = number(
        0.002, "to velocities of bones", 0, 10, only=when("gcn.streams", "bone_velocity")
    )


@dataclass
class GraphSettings:
    """The graph network over joints."""

    variant: str = choice("nano", "its size", "nano", "small", "base", "large")
    stem: int = number(0, "channels after the fusion of streams; 0 = the variant's", 0, 4096)
    channels: list[int] = numbers(
        [], "of the three stages; [] = the variant's", 1, 4096, count=3, optional=True
    )
    blocks: list[int] = numbers(
        [], "of the three stages; [] = the variant's", 1, 100, count=3, optional=True
    )
    expand: int = number(2, "how much wider the temporal unit is inside", 1, 64)
    hops: int = number(0, "bones that a layer reaches; 0 = the variant's", 0, 16)
    gate: str = choice(
        "",
        "what gates of the last stage see: motion, or hybrid: three frequency bands, too; "
        '"" = as the variant',
        "",
        "motion",
        "hybrid",
    )
    attend: str = choice(
        "",
        "how a layer adds up its neighbourhoods: weighted clip by clip, or equally; "
        '"" = as the variant',
        "",
        "weighted",
        "equally",
    )
    streams: list[str] = some_of(
        ["joint", "velocity", "bone"], "what it is fed with, in this order", *STREAMS
    )
    dropout: float = number(0.2, "before the classifier", 0, 0.95)
    drop_path: float = number(
        0.0, "chance that the last block is skipped; earlier ones in proportion", 0, 0.95
    )
    partition: str = choice(
        "distance",
        "distance, or spatial: the source's own with its faults",
        "distance",
        "spatial",
    )
    head: str = choice(
        "original",
        "original; plain, without its bottleneck; infogcn: the classifier reads a sampled code",
        "original",
        "plain",
        "infogcn",
    )
    bottleneck: str = choice(
        "",
        'whether the original head has its bottleneck: with, without; "" = in base and large',
        "",
        "with",
        "without",
        only=when(".head", "original"),
    )
    ib_loss_weight: float = number(
        0.01,
        "weight of the loss that the original head has beside its scores, by its bottleneck",
        0,
        100,
        only=(
            when(".head", "original"),
            when(".variant", "base", "large") | when(".bottleneck", "with"),
            unless(".bottleneck", "without"),
        ),
    )


@dataclass
class GraphExperiment(Settings):
    """Actions of whole bodies, from skeletons."""

    DROPOUT: ClassVar[str] = "gcn.dropout"
    # Of the changes of training clips only those of the whole body.
    ONLY: ClassVar[Mapping[str, Only]] = {
        **OF_SENTENCES,
        **ALONE,
        "data.skeleton": NEVER,
        "features.": NEVER,
        "augment.": NEVER,
        **{
            f"augment.{name}": ()
            for name in ("mirror", "yaw", "pitch", "roll", "scale", "shear", "mixup")
        },
    }

    task: str = name("graph", "the family of models")
    action: ActionSettings = section(ActionSettings, "what is seen of whole bodies")
    gcn: GraphSettings = section(GraphSettings, "the graph network")


PRESETS: dict[str, Preset] = {
    "ntu60/nano": Preset(
        "source 003: everyday actions by a graph network of 75,596 parameters",
        {
            "seed": 42,
            "data.corpus": "ntu60",
            "data.split_type": "xsub",
            # No clip is official validation: one of the twenty training performers.
            "data.validation": 0.05,
            "data.validation_by": "signer",
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
        {
            "data.corpus": "generated-actions",
            "data.repetitions": 1,
            "action.frames": 12,
            "training.epochs": 6,
            "training.batch_size": 8,
            "training.warmup_epochs": 2,
            "training.save_interval": 0,
            "training.workers": 0,
        },
        "",
        stated="75,596 at 60 classes",
    ),
    "ntu60/small": Preset(
        "source 003: 284,461 parameters",
        {"gcn.variant": "small", "gcn.dropout": 0.25, "training.batch_size": 48},
        {},
        "ntu60/nano",
        stated="284,461 at 60 classes",
    ),
    "ntu60/base": Preset(
        "source 003: 600,912 parameters, 33,024 of them in a bottleneck of its own",
        {
            "gcn.variant": "base",
            "gcn.dropout": 0.3,
            "gcn.drop_path": 0.05,
            "training.batch_size": 32,
        },
        {},
        "ntu60/nano",
        stated="600,912 at 60 classes",
    ),
    "ntu60/large": Preset(
        "source 003: 911,376 parameters, gates that see frequencies",
        {"gcn.variant": "large", "gcn.drop_path": 0.1, "training.batch_size": 24},
        {},
        "ntu60/base",
        stated="911,376 at 60 classes",
    ),
    "nw-ucla/nano": Preset(
        ("ten actions, tested on a view that did not train; settings chosen on people of view 1"),
        {
            "seed": 0,
            "data.corpus": "nw-ucla",
            # The official split where view 3 is there, else view 1 trains and view 2 tests.
            "data.split_type": "",
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
        {"data.split_type": "xview"},
        "ntu60/nano",
    ),
    "nw-ucla/small": Preset(
        "the same with 276,236 parameters",
        {"gcn.variant": "small", "gcn.dropout": 0.25},
        {},
        "nw-ucla/nano",
    ),
}
