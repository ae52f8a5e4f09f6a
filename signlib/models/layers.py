"""Pieces that several models share: streams of a skeleton, masked temporal convolution, masked
mean.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import SettingsError

TIPS_AND_KNUCKLES = (0, 4, 8, 12, 16, 20, 5, 9, 13, 17)
"""Wrist, finger tips and knuckles of a 21-point hand: their distances say which shape it has."""

FINGER_BONES = tuple(
    bone
    for f in range(5)
    for bone in ((0, 4 * f + 1), *((4 * f + k, 4 * f + k + 1) for k in (1, 2, 3)))
)


class LandmarkStreams(nn.Module):
    """What the encoder sees of each frame: (B, T, J, C) points to (B, T, F) numbers.

    Args:
        joints: J.
        coordinates: C, 2 or 3.
        hands: indices of the 21 joints of each hand among the J; empty when there are none.
        streams: `point` (as they are), `local` (hands about their wrists, in palms), `bone`
            (directions of the finger bones), `pair` (distances of tips and knuckles), `velocity`
            (of every point).

    Raises:
        SettingsError: when every stream needs hands and there are none.

    Hands that are not seen give zeros and a 0 among the last features, one per hand.
    """

    def __init__(
        self, joints: int, coordinates: int, hands: Sequence[Sequence[int]], streams: Sequence[str]
    ) -> None:
        super().__init__()
        self.streams, self.hands = tuple(streams), len(hands)
        if not hands and set(streams) <= {"local", "bone", "pair"}:
            raise SettingsError(
                f"model.streams={list(streams)} need hands, and these joints have none; add 'point'"
                " or change features.joints"
            )
        pairs = torch.tensor(list(combinations(TIPS_AND_KNUCKLES, 2)))
        self.register_buffer(
            "hand_joints",
            torch.tensor([list(h) for h in hands], dtype=torch.long),
            persistent=False,
        )
        self.register_buffer("bones", torch.tensor(FINGER_BONES).T, persistent=False)
        self.register_buffer("pairs", pairs.T, persistent=False)
        sizes = {
            "point": joints * coordinates,
            "velocity": joints * coordinates,
            "local": self.hands * 21 * coordinates,
            "bone": self.hands * self.bones.shape[1] * coordinates,
            "pair": self.hands * self.pairs.shape[1],
        }
        self.size = sum(sizes[stream] for stream in self.streams) + self.hands

    def forward(self, points: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F) for points (B, T, J, C) and mask (B, T, J), True where a point was seen."""
        seen = mask[..., None].to(points.dtype)
        points = points.masked_fill(~mask[..., None], 0)
        out = []
        if "point" in self.streams:
            out.append(points.flatten(2))
        if "velocity" in self.streams:
            # A point that appears has no velocity: both frames must show it.
            step = (points[:, 1:] - points[:, :-1]) * (seen[:, 1:] * seen[:, :-1])
            out.append(functional.pad(step, (0, 0, 0, 0, 1, 0)).flatten(2) * 4)
        if self.hands:
            out += self._hand_streams(points, seen)
        return torch.cat(out, dim=-1)

    def _hand_streams(self, points: Tensor, seen: Tensor) -> list[Tensor]:
        hands, shown = points[:, :, self.hand_joints], seen[:, :, self.hand_joints]
        local = (hands - hands[..., :1, :]) * shown
        palm = local[..., [5, 9, 13, 17], :].norm(dim=-1).mean(-1)[..., None, None] + 1e-3
        local = local / palm
        out = []
        if "local" in self.streams:
            out.append(local.flatten(2))
        if "bone" in self.streams:
            bones = local[..., self.bones[1], :] - local[..., self.bones[0], :]
            out.append((bones / (bones.norm(dim=-1, keepdim=True) + 1e-3)).flatten(2))
        if "pair" in self.streams:
            out.append(
                (local[..., self.pairs[1], :] - local[..., self.pairs[0], :])
                .norm(dim=-1)
                .flatten(2)
            )
        return [*out, shown[..., 0, 0]]


class MaskedNorm(nn.BatchNorm1d):
    """Batch normalisation over (B, T, F) that looks only at real frames."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, F), mask (B, T); padded frames come out as zeros."""
        if self.training and not mask.all():
            out = torch.zeros_like(x)
            out[mask] = super().forward(x[mask])
            return out
        return super().forward(x.flatten(0, 1)).view_as(x) * mask[..., None]


class TemporalStem(nn.Module):
    """Frames to tokens: normalise, project, residual depthwise-separable convolutions in time,
    pool.

    Args:
        size: F, features a frame.
        width: D.
        blocks, kernel: convolutions and their odd length in frames.
        stride: frames a token.
        dropout: on the input features and after each block.
    """

    def __init__(
        self, size: int, width: int, blocks: int, kernel: int, stride: int, dropout: float
    ) -> None:
        super().__init__()
        self.norm, self.drop, self.stride = MaskedNorm(size), nn.Dropout(dropout), stride
        self.project = nn.Linear(size, width)
        self.depthwise = nn.ModuleList(
            nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
            for _ in range(blocks)
        )
        self.norms = nn.ModuleList(MaskedNorm(width) for _ in range(blocks))
        self.pointwise = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, F) and mask (B, T) to tokens (B, T', D) and their mask (B, T'), T' = ceil(T /
        stride).
        """
        keep = mask[..., None].to(x.dtype)
        x = self.project(self.drop(self.norm(x, mask))) * keep
        for depthwise, norm, pointwise in zip(
            self.depthwise, self.norms, self.pointwise, strict=True
        ):
            mixed = norm(depthwise(x.transpose(1, 2)).transpose(1, 2), mask)
            x = (x + self.drop(functional.gelu(pointwise(mixed)))) * keep
        return pool_frames(x, mask, self.stride)


def pool_frames(x: Tensor, mask: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Means over `stride` frames, of real frames only: (B, T, D), (B, T) to (B, ceil(T / stride),
    D) and mask.
    """
    if stride == 1:
        return x, mask
    extra = -x.shape[1] % stride
    x, mask = functional.pad(x, (0, 0, 0, extra)), functional.pad(mask, (0, extra))
    groups = mask.unflatten(1, (-1, stride))
    count = groups.sum(2)
    x = (x * mask[..., None]).unflatten(1, (-1, stride)).sum(2) / count.clamp(min=1)[..., None]
    return x, count > 0


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """(B, D): the mean of x (B, T, D) over the frames where mask (B, T) is True."""
    weight = mask[..., None].to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)
