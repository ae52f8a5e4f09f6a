"""What the graph networks are measured against.

A plain ST-GCN, and their own formulas with channels first. This is no benchmark by itself:
`benchmarks.gcn` runs both.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.models.gcn import Block, GraphNetwork


class StGcnBlock(nn.Module):
    """Graph convolution with K = 3 subsets, temporal convolution of 9 frames, shortcut, ReLU."""

    def __init__(self, channels: int, out: int, stride: int, graph: Tensor, shortcut: bool) -> None:
        super().__init__()
        self.register_buffer("graph", graph)
        self.edge = nn.Parameter(torch.ones_like(graph))
        self.mix = nn.Conv2d(channels, len(graph) * out, 1)
        self.time = nn.Sequential(
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, (9, 1), (stride, 1), (4, 0)),
            nn.BatchNorm2d(out),
            nn.Dropout(0.5),
        )
        self.straight = shortcut and (channels, stride) == (out, 1)
        turned = shortcut and not self.straight
        self.shortcut = (
            nn.Sequential(nn.Conv2d(channels, out, 1, (stride, 1)), nn.BatchNorm2d(out))
            if turned
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, J) to (N, C', T / stride, J)."""
        mixed = self.mix(x).unflatten(1, (len(self.graph), -1))
        features = self.time(torch.einsum("nkctv,kvw->nctw", mixed, self.graph * self.edge))
        if self.straight:
            features = features + x
        elif self.shortcut is not None:
            features = features + self.shortcut(x)
        return features.relu()


class StGcn(nn.Module):
    """The rival: ten blocks of 64 (four), 128 (three) and 256 (three) channels.

    The frames are halved twice.

    Source: Yan et al. 2018 (ST-GCN), sections 3.5 and 4.1, in the layout that the paper's terms
    suggest.
    """

    def __init__(self, graph: Tensor, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3 * graph.shape[1])
        channels, blocks = 3, []
        for i, out in enumerate([64] * 4 + [128] * 3 + [256] * 3):
            blocks.append(StGcnBlock(channels, out, 2 if i in (4, 7) else 1, graph, shortcut=i > 0))
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Scores (B, K) from the first stream of (B, P, S, T, J, C), of both bodies."""
        x = batch["streams"][:, :, 0]
        clips, bodies, frames, joints, channels = x.shape
        x = self.norm(x.permute(0, 1, 4, 3, 2).reshape(clips * bodies, channels * joints, frames))
        x = x.unflatten(1, (channels, joints)).transpose(2, 3)
        return self.classifier(self.blocks(x).mean((2, 3)).unflatten(0, (clips, bodies)).mean(1))


def as_in_the_source(model: GraphNetwork, batch: dict[str, Tensor]) -> Tensor:
    """The network's own scores with its own weights, the way one writes it first.

    (N, C, T, J) throughout, channels mixed before all K shares of all joints are multiplied out,
    every gate applied to a copy, every gradient left to autograd.
    """
    x = batch["streams"].flatten(0, 1).permute(0, 1, 4, 2, 3).flatten(1, 2)
    x = layer(model.fusion, norm(model.norm, x)).relu()
    for block in model.blocks:
        x = source_block(block, x)
    share = model.pool.gate.sigmoid()
    pooled = share * x.mean((2, 3)) + (1 - share) * x.amax((2, 3))
    return model.head(pooled.unflatten(0, batch["bodies"].shape).mean(1))


def source_block(block: Block, x: Tensor) -> Tensor:
    """One block on (N, C, T, J)."""
    features = functional.hardswish(norm(block.graph.norm, gathered(block.graph, x)))
    time = block.time
    wide = functional.hardswish(layer(time.widen, features))
    narrow = layer(time.narrow, functional.hardswish(layer(time.slide, wide)))
    features = narrow + (features if time.shortcut is None else layer(time.shortcut, features))
    gate = block.gate
    moved = (features[:, :, 1:] - features[:, :, :-1]).abs().mean((2, 3))
    if gate.bands:
        power = torch.fft.rfft(features, dim=2).abs().square()
        third = max(power.shape[2] // 3, 1)
        bands = power[:, :, :third], power[:, :, third : 2 * third], power[:, :, 2 * third :]
        moved = torch.cat([moved, *(band.mean((2, 3)) for band in bands)], 1)
    open_ = gate.widen(gate.narrow(moved).relu()).sigmoid()[:, :, None, None]
    features = features + gate.alpha[:, None, None] * (features * open_ - features)
    by_frame, by_joint = (
        layer(widen, layer(narrow, features.mean(axis, True)).relu()).sigmoid()
        for (narrow, widen), axis in ((block.attention.frames, 3), (block.attention.joints, 2))
    )
    features = features + block.attention.alpha[:, None, None] * (
        features * by_frame * by_joint - features
    )
    return features + (x if block.shortcut is None else layer(block.shortcut, x))


def gathered(graph: nn.Module, x: Tensor) -> Tensor:
    """Mixed, then gathered with all shares, (N, C, T, J) to (N, C', T, J)."""
    subsets = len(graph.adjacency)
    weight = graph.conv.weight.unflatten(1, (subsets, -1)).transpose(0, 1).flatten(0, 1)
    mixed = functional.conv2d(x, weight).unflatten(1, (subsets, -1))
    out = torch.einsum("nkctv,kvw->nkctw", mixed, graph.adjacency * graph.edge)
    if graph.attention is None:
        return out.sum(1)
    share = graph.attention(out.mean((3, 4)).flatten(1)).softmax(1)
    return torch.einsum("nk,nkctw->nctw", share, out)


def layer(part: nn.Module, x: Tensor) -> Tensor:
    """A layer's convolution and norm on (N, C, T, J)."""
    out = part.conv(x)
    return out if part.norm is None else norm(part.norm, out)


def norm(part: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Its batch norm on (N, C, T, J)."""
    return functional.batch_norm(
        x,
        part.running_mean,
        part.running_var,
        part.weight,
        part.bias,
        part.training,
        part.momentum,
        part.eps,
    )
