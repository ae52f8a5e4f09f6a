"""Settings of graph networks on whole bodies."""

from dataclasses import dataclass, field


@dataclass
class ActionSettings:
    """What a graph network gets to see of clips of whole bodies.

    Attributes:
        bodies: persons a clip, those who move most first.
        frames: T, sampled from the frames in which somebody is seen.
        crop: a training clip is cut to a random share of at least this, but to no fewer frames than
            T.
        test_crop: share in the middle that is looked at in validation and test.
        align: turn each clip about the vertical until the first person faces the sensor.
        scale: measure in lengths of the first person's trunk instead of metres.
        noise_joint, noise_bone, noise_velocity, noise_bone_velocity: spread of the noise added to
            each stream.
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
        head: `seed`; `plain`, without its bottleneck; `infogcn`: the classifier reads a sampled
            code.
        ib_loss_weight: weight of the seed head's own loss.
    """

    variant: str = ""
    streams: list[str] = field(default_factory=lambda: ["joint", "velocity", "bone"])
    dropout: float = 0.2
    drop_path: float = 0.0
    partition: str = "distance"
    head: str = "seed"
    ib_loss_weight: float = 0.01


GRAPH_STREAMS = ("joint", "velocity", "bone", "bone_velocity")

ACTIONS_CHOICES = {
    "gcn.variant": ("", "nano", "small", "base", "large"),
    "gcn.partition": ("distance", "spatial"),
    "gcn.head": ("seed", "plain", "infogcn"),
}

ACTIONS_RANGES = {
    "action.bodies": (1, 6),
    "action.frames": (2, 10**4),
    "action.crop": (0.01, 1),
    "action.test_crop": (0.01, 1),
    **{f"action.noise_{stream}": (0, 10) for stream in GRAPH_STREAMS},
    "gcn.dropout": (0, 0.95),
    "gcn.drop_path": (0, 0.95),
    "gcn.ib_loss_weight": (0, 100),
}
