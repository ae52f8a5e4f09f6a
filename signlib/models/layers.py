"""Pieces that several models share: masks, streams of a skeleton, layers, dropped paths."""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import SettingsError

# Wrist, finger tips and knuckles of a 21-point hand: their distances say which shape it has.
TIPS_AND_KNUCKLES = (0, 4, 8, 12, 16, 20, 5, 9, 13, 17)

# From joint to joint of a 21-point hand; each finger's four joints follow the wrist, joint 0.
FINGER_BONES = tuple((joint - 1 if joint % 4 != 1 else 0, joint) for joint in range(1, 21))


def real_frames(lengths: Tensor, frames: int) -> Tensor:
    """(B, T) True for the frames of each clip that are real."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


def kept(x: Tensor, mask: Tensor) -> Tensor:
    """x (B, T, D) with zeros where mask (B, T) is False."""
    return x * mask[..., None].to(x.dtype)


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

    hand_joints: Tensor
    bones: Tensor
    pairs: Tensor

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
        hand_joints = torch.tensor([list(hand) for hand in hands], dtype=torch.long)
        self.register_buffer("hand_joints", hand_joints, persistent=False)
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
            # The first frame has none; four brings steps to about the size of coordinates.
            out.append(functional.pad(step, (0, 0, 0, 0, 1, 0)).flatten(2) * 4)
        if self.hands:
            out += self._hand_streams(points, seen)
        return torch.cat(out, dim=-1)

    def _hand_streams(self, points: Tensor, seen: Tensor) -> list[Tensor]:
        hands, hands_seen = points[:, :, self.hand_joints], seen[:, :, self.hand_joints]
        local = (hands - hands[..., :1, :]) * hands_seen
        # The palm, wrist to knuckles, is the unit of length.
        palm = local[..., [5, 9, 13, 17], :].norm(dim=-1).mean(-1)[..., None, None] + 1e-3
        local = local / palm
        out = []
        if "local" in self.streams:
            out.append(local.flatten(2))
        if "bone" in self.streams:
            bones = local[..., self.bones[1], :] - local[..., self.bones[0], :]
            out.append((bones / (bones.norm(dim=-1, keepdim=True) + 1e-3)).flatten(2))
        if "pair" in self.streams:
            apart = local[..., self.pairs[1], :] - local[..., self.pairs[0], :]
            out.append(apart.norm(dim=-1).flatten(2))
        return [*out, hands_seen[..., 0, 0]]


class MaskedNorm(nn.BatchNorm1d):
    """Batch normalisation over (B, T, F) that looks only at real frames."""

    def forward(  # type: ignore[override]  # torch's norm takes no mask
        self, x: Tensor, mask: Tensor
    ) -> Tensor:
        """x (B, T, F), mask (B, T); padded frames come out as zeros."""
        if self.training and not mask.all():
            out = torch.zeros_like(x)
            out[mask] = super().forward(x[mask])
            return out
        return super().forward(x.flatten(0, 1)).view_as(x) * mask[..., None]


class TemporalStem(nn.Module):
    """Frames to tokens: norm, projection, separable convolutions in time, pooling.

    The convolutions have residual connections.

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
        """Tokens (B, T', D) and their mask (B, T') for x (B, T, F) and mask (B, T).

        T' = ceil(T / stride).
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
    """Means over `stride` frames, of real frames only.

    Args:
        x: (B, T, D).
        mask: (B, T), True where a frame is real.

    Returns:
        (B, T', D) and mask (B, T') with T' = ceil(T / stride).
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


class DropPath(nn.Module):
    """Leaves a branch out of whole clips in training, and scales it up in the others.

    Source: Huang et al. 2016, stochastic depth.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...), in training times 0 or 1 / (1 - rate) for each of the N."""
        if not self.training or self.rate == 0:
            return x
        stays = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * stays.to(x.dtype) / (1 - self.rate)
