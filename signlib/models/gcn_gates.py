"""What scales the features of a block: a gate for each channel, attention to frames and joints.

Each gives small factors; the block's features are read once for their means and multiplied once by
all factors.
"""

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from signlib.models.gcn_layers import Mix


def reduced(channels: int) -> int:
    """The narrow width inside gates and attention."""
    return max(4, channels // 4)


class Gate(nn.Module):
    """A factor for each channel from how much it moves.

    It is 1 + alpha (sigmoid(W2 relu(W1 d)) - 1), with alpha learned from 0.

    d (N, C) is the mean over frames and joints of |x[t + 1] - x[t]|; with `bands` also the mean
    power in the lower, middle and upper third of the spectrum over time, (N, 4 C) in all.

    Source: source 003, MotionGate and HybridGate.
    """

    def __init__(self, channels: int, bands: bool) -> None:
        super().__init__()
        self.bands = bands
        self.narrow = nn.Linear((4 if bands else 1) * channels, reduced(channels), bias=False)
        self.widen = nn.Linear(reduced(channels), channels, bias=False)
        self.alpha = nn.Parameter(torch.zeros(channels))

    def forward(self, motion: Tensor, x: Tensor) -> Tensor:
        """(N, 1, 1, C) for motion (N, C) and, for its bands, x (N, T, J, C)."""
        d = torch.cat([motion, band_powers(x)], 1) if self.bands else motion
        gate = self.widen(functional.relu(self.narrow(d))).sigmoid()
        return (1 + self.alpha * (gate - 1))[:, None, None]


class Attention(nn.Module):
    """A factor for each frame, joint and channel: 1 + alpha (a_t a_j - 1), alpha from 0.

    a_t (N, T, 1, C) sees the mean over joints, a_j (N, 1, J, C) the mean over frames, each through
    a narrow layer.

    Source: source 003, ST_JointAtt. (That of EfficientGCN shares the first layer between frames and
        joints.)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = reduced(channels)
        self.frames = nn.ModuleList([Mix(channels, narrow), Mix(narrow, channels, normed=False)])
        self.joints = nn.ModuleList([Mix(channels, narrow), Mix(narrow, channels, normed=False)])
        self.alpha = nn.Parameter(torch.zeros(channels))

    def forward(self, by_frame: Tensor, by_joint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """c (C,), u (N, T, 1, C) and w (N, 1, J, C) of the factor c + u w.

        Args:
            by_frame: (N, T, 1, C) means over joints.
            by_joint: (N, 1, J, C) means over frames.
        """
        return (
            1 - self.alpha,
            self.alpha * self._branch(self.frames, by_frame),
            self._branch(self.joints, by_joint),
        )

    @staticmethod
    def _branch(layers: nn.ModuleList, x: Tensor) -> Tensor:
        narrow, widen = layers
        return widen(functional.relu(narrow(x))).sigmoid()


def band_powers(x: Tensor) -> Tensor:
    """(N, 3 C): mean power of the lower, middle and upper third of the spectrum over time.

    Of x (N, T, J, C) the power is |rfft|^2, a mean over joints and over a third of T // 2 + 1 bins.
    In at least 32 bits whatever autocast says: the power of a long clip is beyond half precision.
    """
    n, frames, joints, channels = x.shape
    with torch.autocast(x.device.type, enabled=False):
        x = x.to(torch.promote_types(x.dtype, torch.float32)).flatten(2)
        power = torch.matmul(fourier(frames, x.dtype, x.device), x).square()
        power = power.view(n, 2, -1, joints, channels).sum(1).mean(2)
        bins = power.shape[1]
        third = max(bins // 3, 1)
        bands = power[:, :third], power[:, third : 2 * third], power[:, 2 * third :]
        # Of a very short clip a third may be empty.
        zero = torch.zeros_like(power[:, 0])
        return torch.cat([band.mean(1) if band.shape[1] else zero for band in bands], 1)


@lru_cache
def fourier(frames: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(2 F, T): cosines, then sines, of the F = T // 2 + 1 bins of a real Fourier transform."""
    bins = torch.arange(frames // 2 + 1, dtype=dtype, device=device)
    times = torch.arange(frames, dtype=dtype, device=device)
    turns = torch.outer(bins, times) / frames
    # Whole turns are dropped first: the sine of a large angle is less exact.
    angles = 2 * math.pi * (turns % 1)
    return torch.cat([angles.cos(), angles.sin()])


def summaries(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean absolute step from frame to frame (N, C), and means of x (N, T, J, C).

    The means over joints are (N, T, 1, C), those over frames (N, 1, J, C).
    """
    return _Summaries.apply(x)


def rescale(x: Tensor, c: Tensor, u: Tensor, w: Tensor, rest: Tensor) -> Tensor:
    """rest + x (c + u w).

    Args:
        x, rest: (N, T, J, C).
        c, u, w: (N, 1, 1, C), (N, T, 1, C) and (N, 1, J, C).
    """
    return _Rescale.apply(x, c, u, w, rest)


class _Summaries(torch.autograd.Function):
    """Written out: three gradients meet in one tensor, which autograd would fill three times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(x)
        steps = (x[:, 1:] - x[:, :-1]).abs_().flatten(1, 2)
        motion = steps.mean(1) if steps.shape[1] else x.new_zeros(len(x), x.shape[3])
        return motion, x.mean(2, keepdim=True), x.mean(1, keepdim=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, motion: Tensor, by_frame: Tensor, by_joint: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        frames, joints = x.shape[1:3]
        for_x = by_frame / joints + by_joint / frames
        if frames > 1:
            share = motion[:, None, None] / ((frames - 1) * joints)
            steps = (x[:, 1:] - x[:, :-1]).sgn_().mul_(share)
            for_x[:, 1:] += steps
            for_x[:, :-1] -= steps
        return for_x.to(x.dtype)


class _Rescale(torch.autograd.Function):
    """Written out to pass over the features as seldom as can be."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: Tensor, u: Tensor, w: Tensor, rest: Tensor) -> Tensor:
        factor = torch.addcmul(c, u, w)
        ctx.save_for_backward(x, factor, u, w)
        ctx.kinds = [part.dtype for part in (x, c, u, w, rest)]
        return torch.addcmul(rest, x, factor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, factor, u, w = ctx.saved_tensors
        pull = grad * x
        for_w = (pull * u).sum(1, keepdim=True)
        for_c = pull.sum((1, 2), keepdim=True)
        for_u = pull.mul_(w).sum(2, keepdim=True)
        gradients = grad * factor, for_c, for_u, for_w, grad
        return tuple(part.to(kind) for part, kind in zip(gradients, ctx.kinds, strict=True))
