"""Pieces of the LAST-E graph network, each on (N, T, J, C): channels last, so that every product is one matrix product.

A layer is `Mix` (channels) or `Slide` (frames) with its batch norm inside; `fuse` folds the norm into the weights.
Gates give factors instead of scaled copies: a block multiplies its features once.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Norm(nn.BatchNorm2d):
    """Batch normalisation of (N, T, J, C) over all but C."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, C), the same shape."""
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Layer(nn.Module):
    """A convolution without bias and its batch norm; `fuse` makes it a convolution with bias and no norm.

    Args:
        channels, out: Ci and Co.
        kernel, stride, groups: of the convolution over time.
        normed: whether there is a norm.
        fan_out: outputs that an input reaches, for the initial spread sqrt(2 / fan_out).
    """

    def __init__(
        self, channels: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1, normed: bool = True,
        fan_out: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        size, step, pad = (kernel, 1), (stride, 1), (kernel // 2, 0)
        self.conv = nn.Conv2d(channels, out, size, step, pad, groups=groups, bias=False)
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


class Mix(Layer):
    """Mixes channels, a convolution of size 1: (N, T, J, Ci) to (N, ceil(T / stride), J, Co)."""

    def __init__(self, channels: int, out: int, stride: int = 1, normed: bool = True) -> None:
        super().__init__(channels, out, stride=stride, normed=normed)


class Slide(Layer):
    """A filter over time for each channel by itself: (N, T, J, C) to (N, ceil(T / stride), J, C).

    Its initial spread counts all channels' filters, as if each reached every channel: so the seed's.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, groups=channels)


class GraphMix(Layer):
    """Joints gather from their neighbours, then channels mix: (N, T, J, Ci) to (N, T, J, Co).

    y_w = norm(sum_k a_k W_k sum_v A_k[v, w] E_k[v, w] x_v), with E learned from ones, and a_k = 1 or, with `attend`,
    the softmax over k of a linear map L of all K means of W_k A_k x over frames and joints.

    Source: seed 003, SpatialGCN; Yan et al. 2018, section 3.5, for the learned importance of edges.
    Differs: the seed mixes first and gathers K Co channels; gathering first is the same sum over K Ci of them. The
        means are linear in x, so attention needs the mean of x alone.
    """

    def __init__(self, channels: int, out: int, adjacency: Tensor, attend: bool) -> None:
        subsets, joints = adjacency.shape[:2]
        super().__init__(subsets * channels, out, fan_out=subsets * out)
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.edge = nn.Parameter(torch.ones(subsets, joints, joints))
        self.attention = nn.Linear(subsets * out, subsets, bias=False) if attend else None
        self.register_buffer("attended", None)

    def forward(self, x: Tensor) -> Tensor:
        """Gathered, mixed and normed."""
        n, frames, joints, channels = x.shape
        shares = self.adjacency * self.edge
        # Rows (w, k): the K neighbourhoods of a joint come to lie side by side, as channels.
        gathered = torch.matmul(shares.permute(2, 0, 1).reshape(-1, joints), x).view(n, frames, joints, -1)
        if self.attention is None and self.attended is None:
            return super().forward(gathered)
        weights = self.subset_weights(x, shares).repeat_interleave(channels, 1)[:, :, None] * self.flat.T
        mixed = torch.bmm(gathered.flatten(1, 2), weights).view(n, frames, joints, -1)
        return self.normed(mixed if self.conv.bias is None else mixed + self.conv.bias)

    @property
    def flat(self) -> Tensor:
        """The weights as a matrix (Co, K Ci)."""
        return self.conv.weight.flatten(1)

    def subset_weights(self, x: Tensor, shares: Tensor) -> Tensor:
        """(N, K): how much each subset counts in each clip."""
        gathered = torch.einsum("nvc,kv->nkc", x.mean(1), shares.mean(2))
        attended = self.attention_of_gathered() if self.attended is None else self.attended
        return functional.linear(gathered.flatten(1), attended).softmax(1)

    def attention_of_gathered(self) -> Tensor:
        """(K, K Ci): L and W in one, since nothing lies between them."""
        subsets = len(self.adjacency)
        attention, weight = self.attention.weight.unflatten(1, (subsets, -1)), self.flat.unflatten(1, (subsets, -1))
        return torch.einsum("jko,okc->jkc", attention, weight).flatten(1)

    @torch.no_grad()
    def fuse(self) -> None:
        """As for every layer; attention looks at what comes before the norm, so it is folded first."""
        if self.attention is not None:
            self.attended, self.attention = self.attention_of_gathered(), None
        super().fuse()


class Stretch(nn.Module):
    """The temporal unit: widen, filter over time, narrow, each with a norm, beside a shortcut.

    Source: seed 003, EpSepTCN (depth 1); Song et al. 2022 (EfficientGCN), separable temporal layers.
    """

    def __init__(self, channels: int, stride: int, expand: int = 2, kernel: int = 5) -> None:
        super().__init__()
        self.widen = Mix(channels, expand * channels)
        self.slide = Slide(expand * channels, kernel, stride)
        self.narrow = Mix(expand * channels, channels)
        self.shortcut = Mix(channels, channels, stride) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, C) to (N, ceil(T / stride), J, C)."""
        inner = functional.hardswish(self.slide(functional.hardswish(self.widen(x))))
        return self.narrow(inner) + (x if self.shortcut is None else self.shortcut(x))


def reduced(channels: int) -> int:
    """The narrow width inside gates and attention."""
    return max(4, channels // 4)


class Gate(nn.Module):
    """A factor for each channel from how much it moves: 1 + alpha (sigmoid(W2 relu(W1 d)) - 1), alpha from 0.

    d (N, C) is the mean over frames and joints of |x[t + 1] - x[t]|; with `bands` also the mean power in the lower,
    middle and upper third of the spectrum over time, (N, 4 C) in all.

    Source: seed 003, MotionGate and HybridGate.
    """

    def __init__(self, channels: int, bands: bool) -> None:
        super().__init__()
        self.bands = bands
        self.narrow = nn.Linear((4 if bands else 1) * channels, reduced(channels), bias=False)
        self.widen = nn.Linear(reduced(channels), channels, bias=False)
        self.alpha = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 1, C) for x (N, T, J, C)."""
        found = motion(x)
        if self.bands:
            found = torch.cat([found, band_powers(x)], 1)
        gate = self.widen(functional.relu(self.narrow(found))).sigmoid()
        return (1 + self.alpha * (gate - 1))[:, None, None]


def motion(x: Tensor) -> Tensor:
    """(N, C): the mean absolute step from frame to frame of x (N, T, J, C); 0 for a single frame."""
    if x.shape[1] < 2:
        return x.new_zeros(len(x), x.shape[3])
    return (x[:, 1:] - x[:, :-1]).abs().mean((1, 2))


def band_powers(x: Tensor) -> Tensor:
    """(N, 3 C): mean of |rfft|^2 over time, over joints and over the lower, middle, upper third of T // 2 + 1 bins.

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
        return torch.cat([band.mean(1) if band.shape[1] else torch.zeros_like(power[:, 0]) for band in bands], 1)


@lru_cache
def fourier(frames: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(2 F, T): cosines, then sines, of the F = T // 2 + 1 bins of a real Fourier transform."""
    bins, times = (torch.arange(count, dtype=dtype, device=device) for count in (frames // 2 + 1, frames))
    turns = torch.outer(bins, times) / frames
    # Whole turns are dropped first: the sine of a large angle is less exact.
    angles = 2 * math.pi * (turns % 1)
    return torch.cat([angles.cos(), angles.sin()])


class Attention(nn.Module):
    """A factor for each frame, joint and channel: 1 + alpha (a_t a_j - 1), alpha from 0.

    a_t (N, T, 1, C) sees the mean over joints, a_j (N, 1, J, C) the mean over frames, each through a narrow layer.

    Source: seed 003, ST_JointAtt. (EfficientGCN's own shares the first layer between frames and joints.)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = reduced(channels)
        self.frames = nn.ModuleList([Mix(channels, narrow), Mix(narrow, channels, normed=False)])
        self.joints = nn.ModuleList([Mix(channels, narrow), Mix(narrow, channels, normed=False)])
        self.alpha = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        """The factor (N, T, J, C) for gate * x; gate (N, 1, 1, C) may be drawn before the means, so it is."""
        by_frame = self._branch(self.frames, x.mean(2, keepdim=True) * gate)
        by_joint = self._branch(self.joints, x.mean(1, keepdim=True) * gate)
        return torch.addcmul(1 - self.alpha, self.alpha * by_frame, by_joint)

    @staticmethod
    def _branch(layers: nn.ModuleList, x: Tensor) -> Tensor:
        narrow, widen = layers
        return widen(functional.relu(narrow(x))).sigmoid()


class DropPath(nn.Module):
    """Leaves a body's features out with probability `rate` while training, and scales up those that stay."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T, J, C), the same shape."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        return x * (torch.rand(len(x), 1, 1, 1, device=x.device) < keep).to(x.dtype) / keep
