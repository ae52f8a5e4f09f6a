"""Pieces of the LAST-E graph network, each on (N, T, J, C): layers, gates and attention.

Channels are last, so that every product is one matrix product. A layer has its batch norm inside;
`fuse` folds the norm into the weights. Gates and attention give small factors: a block's features
are read once for their means and multiplied once by all factors.
"""

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from signlib.models.graph import Neighbours, gather_densely


class Norm(nn.BatchNorm2d):
    """Batch normalisation of (N, T, J, C) over all but C."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, C), the same shape."""
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Layer(nn.Module):
    """A convolution over time without bias, and its batch norm; a kernel of 1 mixes channels.

    `fuse` makes it a convolution with bias and no norm.

    Args:
        channels, out: Ci and Co.
        kernel, stride, groups: of the convolution over time.
        normed: whether there is a norm.
        fan_out: outputs that an input reaches, for the initial spread sqrt(2 / fan_out). Left out
            it counts all channels' filters, whatever the groups: so it is in source 003.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        normed: bool = True,
        fan_out: int = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels,
            out,
            kernel_size=(kernel, 1),
            stride=(stride, 1),
            padding=(kernel // 2, 0),
            groups=groups,
            bias=False,
        )
        self.norm = Norm(out) if normed else None
        nn.init.normal_(self.conv.weight, std=math.sqrt(2 / (fan_out or out * kernel)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, Ci) to (N, ceil(T / stride), J, Co)."""
        return self.normed(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))

    def normed(self, x: Tensor) -> Tensor:
        """The norm, if it is still there."""
        return x if self.norm is None else self.norm(x)

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the norm's running statistics into weight and bias, for inference."""
        if self.norm is not None:
            self.conv, self.norm = fuse_conv_bn_eval(self.conv, self.norm), None


class GraphMix(Layer):
    """Joints gather from their neighbours, then channels mix: (N, T, J, Ci) to (N, T, J, Co).

    y_w = norm(sum_k a_k W_k sum_v A_k[v, w] E_k[v, w] x_v), with E learned from ones, and a_k = 1
    or, with `attend`, the softmax over k of a linear map L of all K means of W_k A_k x over frames
    and joints.

    Source: source 003, SpatialGCN; Yan et al. 2018, section 3.5, for the learned importance of
        edges.
    Differs: the source mixes first and gathers K Co channels; gathering first is the same sum over
        K Ci of them. The means are linear in x, so attention needs the mean of x alone.

    `sparse = False` gathers by a matrix product everywhere, for exporters that have no sums over
    lists.
    """

    adjacency: Tensor
    attended: Tensor | None

    def __init__(
        self, channels: int, out: int, adjacency: Tensor, near: Neighbours, attend: bool
    ) -> None:
        subsets, joints = adjacency.shape[:2]
        super().__init__(subsets * channels, out, fan_out=subsets * out)
        self.register_buffer("adjacency", adjacency, persistent=False)
        # Shared by all layers; not a part of this one, so it is not saved.
        self.near, self.sparse = near, True
        self.edge = nn.Parameter(torch.ones(subsets, joints, joints))
        self.attention = nn.Linear(subsets * out, subsets, bias=False) if attend else None
        self.register_buffer("attended", None)

    def forward(self, x: Tensor) -> Tensor:
        shares = self.adjacency * self.edge
        gathered = self.near.gather(x, shares) if self.sparse else gather_densely(x, shares)
        attended = self._attended()
        if attended is None:
            return super().forward(gathered)
        # a (N, K): how much each subset counts in each clip.
        means = torch.einsum("nvc,kv->nkc", x.mean(1), shares.mean(2)).flatten(1)
        a = functional.linear(means, attended).softmax(1)
        # One matrix (K Ci, Co) a clip: a_k is the same for all channels of subset k.
        weights = a.repeat_interleave(x.shape[3], 1)[:, :, None] * self.flat.T
        mixed = torch.bmm(gathered.flatten(1, 2), weights).view(*x.shape[:3], -1)
        return self.normed(mixed if self.conv.bias is None else mixed + self.conv.bias)

    @property
    def flat(self) -> Tensor:
        """The weights as a matrix (Co, K Ci)."""
        return self.conv.weight.flatten(1)

    def _attended(self) -> Tensor | None:
        # (K, K Ci): L and W in one, since nothing lies between them; None without attention.
        if self.attention is None:
            return self.attended
        subsets = len(self.adjacency)
        attention = self.attention.weight.unflatten(1, (subsets, -1))
        weight = self.flat.unflatten(1, (subsets, -1))
        return torch.einsum("jko,okc->jkc", attention, weight).flatten(1)

    @torch.no_grad()
    def fuse(self) -> None:
        # As for every layer; attention reads what comes before the norm, so it is folded first.
        self.attended, self.attention = self._attended(), None
        super().fuse()


class Stretch(nn.Module):
    """The temporal unit: widen, filter over time, narrow, each with a norm; add the input.

    Source: source 003, EpSepTCN (depth 1); Song et al. 2022 (EfficientGCN), separable temporal
        layers.
    """

    def __init__(self, channels: int, stride: int, expand: int = 2, kernel: int = 5) -> None:
        super().__init__()
        wide = expand * channels
        self.widen = Layer(channels, wide)
        self.slide = Layer(wide, wide, kernel, stride, groups=wide)
        self.narrow = Layer(wide, channels)
        self.shortcut = Layer(channels, channels, stride=stride) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, C) to (N, ceil(T / stride), J, C)."""
        narrowed = self.narrow(hardswish(self.slide(hardswish(self.widen(x)))))
        rest = x if self.shortcut is None else self.shortcut(x)
        # In its own memory where nobody will ask for gradients, as in `hardswish`.
        return narrowed + rest if torch.is_grad_enabled() else narrowed.add_(rest)


def hardswish(x: Tensor) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6, in x's own memory where nobody will ask for gradients."""
    return functional.hardswish(x, inplace=not torch.is_grad_enabled())


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
        self.frames = nn.ModuleList(
            [Layer(channels, narrow), Layer(narrow, channels, normed=False)]
        )
        self.joints = nn.ModuleList(
            [Layer(channels, narrow), Layer(narrow, channels, normed=False)]
        )
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


class Summaries(torch.autograd.Function):
    """Mean absolute step from frame to frame (N, C), and means of x (N, T, J, C).

    The means over joints are (N, T, 1, C), those over frames (N, 1, J, C). Written out: three
    gradients meet in one tensor, which autograd would fill three times.
    """

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


class Rescale(torch.autograd.Function):
    """rest + x (c + u w), for x and rest (N, T, J, C) and factors of fewer axes.

    c, u and w are (N, 1, 1, C), (N, T, 1, C) and (N, 1, J, C). Written out to pass over the
    features as seldom as can be.
    """

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
