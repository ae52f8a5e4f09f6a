"""The LAST-E graph network: nano, small, base and large as four rows of one table."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import SettingsError
from signlib.models.gcn_heads import Pool, build_head, mean_over_bodies
from signlib.models.gcn_layers import (
    Attention,
    Gate,
    GraphMix,
    Layer,
    Norm,
    Rescale,
    Stretch,
    Summaries,
    hardswish,
)
from signlib.models.graph import Neighbours
from signlib.models.layers import DropPath
from signlib.models.network import Batch, Classifier
from signlib.settings.graph import GraphSettings


@dataclass(frozen=True)
class GraphSizes:
    """One row of the table.

    Attributes:
        stem: channels after fusion.
        channels, blocks: of each stage; every stage but the first halves the frames in its first
            block.
        hops: bones that a layer reaches; the adjacency has one subset more.
        expand: how much wider the temporal unit is inside.
        bands: gates of the last stage see powers of three frequency bands besides motion.
        attend: subsets of the adjacency are weighted clip by clip.
        bottleneck: the original head has its auxiliary loss.
        dropout: before the classifier.
        drop_path: of the last block, falling to 0 in the first.
    """

    stem: int
    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    hops: int = 2
    expand: int = 2
    bands: bool = False
    attend: bool = True
    bottleneck: bool = False
    dropout: float = 0.25
    drop_path: float = 0.0

    @property
    def receptive_field(self) -> int:
        """Hops that reach one joint in all."""
        return self.hops * sum(self.blocks)


# Source: source 003, "Model Variant Configs".
VARIANTS = {
    "nano": GraphSizes(24, (32, 48, 64), (1, 1, 1), hops=1, attend=False, dropout=0.2),
    "small": GraphSizes(32, (48, 64, 96), (1, 2, 2)),
    "base": GraphSizes(48, (64, 96, 128), (2, 2, 2), bottleneck=True, dropout=0.3, drop_path=0.05),
    "large": GraphSizes(
        48, (80, 112, 160), (2, 2, 2), bands=True, bottleneck=True, dropout=0.3, drop_path=0.1
    ),
}


def sizes_of(gcn: GraphSettings) -> GraphSizes:
    """The sizes of the settings' variant, with what the settings have instead of it."""
    sizes = VARIANTS[gcn.variant]
    return replace(
        sizes,
        stem=gcn.stem or sizes.stem,
        channels=tuple(gcn.channels) or sizes.channels,
        blocks=tuple(gcn.blocks) or sizes.blocks,
        hops=gcn.hops or sizes.hops,
        expand=gcn.expand,
        bands=gcn.gate == "hybrid" if gcn.gate else sizes.bands,
        attend=gcn.attend == "weighted" if gcn.attend else sizes.attend,
        bottleneck=gcn.bottleneck == "with" if gcn.bottleneck else sizes.bottleneck,
        dropout=gcn.dropout,
        drop_path=gcn.drop_path,
    )


# Bodies that go through the blocks together on a CPU without gradients: more would leave its
# caches.
TOGETHER = 16


class Block(nn.Module):
    """Gather over joints, filter over time, gate, attend; then the input is added.

    There is no activation after the sum.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        stride: int,
        adjacency: Tensor,
        near: Neighbours,
        attend: bool,
        bands: bool,
        expand: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.graph = GraphMix(channels, out, adjacency, near, attend)
        self.time = Stretch(out, stride, expand)
        self.gate, self.attention = Gate(out, bands), Attention(out)
        self.shortcut = (
            Layer(channels, out, stride=stride) if (channels, stride) != (out, 1) else None
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, Ci) to (N, ceil(T / stride), J, Co)."""
        features = self.time(hardswish(self.graph(x)))
        motion, by_frame, by_joint = Summaries.apply(features)
        gate = self.gate(motion, features)
        # Attention sees what the gate leaves: a factor a channel may as well be drawn into the
        # means.
        c, u, w = self.attention(by_frame * gate, by_joint * gate)
        gate = self.drop_path(gate)
        rest = x if self.shortcut is None else self.shortcut(x)
        return Rescale.apply(features, gate * c, gate * u, w, rest)


class GraphNetwork(Classifier):
    """Class scores (B, K) from streams of one or more bodies.

    Args:
        variant: `nano`, `small`, `base`, `large`, or other sizes.
        adjacency: (hops + 1, J, J) of the skeleton, from `graph.adjacency`.
        classes: K.
        streams, channels: S and C of the batch; source 003 has joint, velocity and bone, and C = 3.
        head: `original`, `plain`, or `infogcn` (see `gcn_heads`).
        bodies: how many bodies of a clip are looked at; 1 takes the first.
        dropout, drop_path: instead of the variant's.

    Bodies that are there are folded into the batch; others are never computed and never enter a
    statistic. Their pooled features are averaged, not their scores: so the head's batch norm,
    bottleneck and classifier see each clip once, however many bodies it shows.

    Raises:
        SettingsError: for an unknown variant, head, or an adjacency whose subsets do not fit the
            variant's hops.

    Source: source 003 at the commit that has the stated counts: 75,596 / 284,461 / 600,912 /
        911,376 parameters for 25 joints, 60 classes and three streams.
    Differs: the source looks at the first body only.
    """

    def __init__(
        self,
        variant: str | GraphSizes,
        adjacency: Tensor,
        classes: int,
        streams: int = 3,
        channels: int = 3,
        head: str = "original",
        bodies: int = 2,
        dropout: float | None = None,
        drop_path: float | None = None,
    ) -> None:
        super().__init__()
        if isinstance(variant, str) and variant not in VARIANTS:
            raise SettingsError(
                f"variant={variant!r} is unknown; choose from {', '.join(VARIANTS)}"
            )
        sizes = VARIANTS[variant] if isinstance(variant, str) else variant
        if len(adjacency) != sizes.hops + 1:
            raise SettingsError(
                f"the adjacency has {len(adjacency)} subsets, this variant needs {sizes.hops + 1}:"
                f" make it with hops={sizes.hops}"
            )
        self.sizes, self.bodies = sizes, bodies
        self.classes = classes
        self.streams, self.channels = streams, channels
        self.joints = adjacency.shape[1]
        self.norm, self.fusion = Norm(streams * channels), Layer(streams * channels, sizes.stem)
        self.blocks = _blocks(sizes, adjacency, sizes.drop_path if drop_path is None else drop_path)
        self.pool = Pool(sizes.channels[-1])
        dropout = sizes.dropout if dropout is None else dropout
        self.head = build_head(
            head, sizes.channels[-1], classes, dropout=dropout, bottleneck=sizes.bottleneck
        )
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.01)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, K), not normalised.

        Args:
            batch: `streams` (B, P, S, T, J, C) and `bodies` (B, P), True where there is one.
        """
        streams, bodies = batch["streams"][:, : self.bodies], batch["bodies"][:, : self.bodies]
        shape = (streams.shape[2], *streams.shape[4:])
        expected = (self.streams, self.joints, self.channels)
        if shape != expected:
            raise SettingsError(
                f"a batch with (streams, joints, channels)={shape} came to a model for"
                f" {expected}; change model.streams or the skeleton"
            )
        folded = streams.flatten(0, 1) if bodies.all() else streams[bodies]
        return self.head(mean_over_bodies(self.pooled(folded), bodies))

    def pooled(self, streams: Tensor) -> Tensor:
        """(N, D) for the streams of N bodies (N, S, T, J, C)."""
        if not len(streams):
            return streams.new_zeros(0, self.sizes.channels[-1])
        alone = not (self.training or torch.is_grad_enabled()) and streams.device.type == "cpu"
        parts = streams.split(TOGETHER) if alone else [streams]
        # In training all bodies go together: batch norms must see the whole batch.
        return torch.cat([self.pool(self.features(part)) for part in parts])

    def features(self, streams: Tensor) -> Tensor:
        """(N, T', J, D) for the streams of N bodies (N, S, T, J, C); T' = T / 4 in three stages."""
        x = streams.permute(0, 2, 3, 1, 4).flatten(3)
        return self.blocks(functional.relu(self.fusion(self.norm(x))))

    def auxiliary_loss(self, targets: Tensor | None = None) -> Tensor:
        """The head's loss for the last forward in training mode: a scalar, 0 for a head without.

        Args:
            targets: (B,) or (B, K); only `infogcn` needs them.

        It can be asked once after each such forward, in the thread that called it. Source 003
        weighs it by 0.01 (`gcn.ib_loss_weight`); `infogcn` has its weights inside.
        """
        return self.head.auxiliary_loss(targets)

    def fused(self) -> "GraphNetwork":
        """A copy for inference with the same scores: every batch norm is folded into its layer."""
        model = copy.deepcopy(self).eval().requires_grad_(False)
        for part in model.modules():
            if isinstance(part, Layer):
                part.fuse()
        return model


def _blocks(sizes: GraphSizes, adjacency: Tensor, drop_path: float) -> nn.Sequential:
    blocks, channels, last = nn.Sequential(), sizes.stem, sum(sizes.blocks) - 1
    near = Neighbours(adjacency)
    for stage, (out, count) in enumerate(zip(sizes.channels, sizes.blocks, strict=True)):
        for i in range(count):
            block = Block(
                channels,
                out,
                2 if stage > 0 and i == 0 else 1,
                adjacency,
                near=near,
                attend=sizes.attend,
                bands=sizes.bands and stage == len(sizes.channels) - 1,
                expand=sizes.expand,
                drop_path=drop_path * len(blocks) / max(last, 1),
            )
            blocks.append(block)
            channels = out
    return blocks
