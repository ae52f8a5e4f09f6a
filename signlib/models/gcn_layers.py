"""Pieces of the LAST-E graph network, each on (N, T, J, C).

Channels are last, so that every product is one matrix product. A layer is `Mix` (channels) or
`Slide` (frames) with its batch norm inside; `fuse` folds the norm into the weights.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from signlib.models.gcn_gather import Neighbours, gather_densely


class Norm(nn.BatchNorm2d):
    """Batch normalisation of (N, T, J, C) over all but C."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, C), the same shape."""
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Layer(nn.Module):
    """A convolution without bias and its batch norm.

    `fuse` makes it a convolution with bias and no norm.

    Args:
        channels, out: Ci and Co.
        kernel, stride, groups: of the convolution over time.
        normed: whether there is a norm.
        fan_out: outputs that an input reaches, for the initial spread sqrt(2 / fan_out).
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


class Mix(Layer):
    """Mixes channels, a convolution of size 1: (N, T, J, Ci) to (N, ceil(T / stride), J, Co)."""

    def __init__(self, channels: int, out: int, stride: int = 1, normed: bool = True) -> None:
        super().__init__(channels, out, stride=stride, normed=normed)


class Slide(Layer):
    """A filter over time for each channel by itself: (N, T, J, C) to (N, ceil(T / stride), J, C).

    Its initial spread counts all channels' filters, as if each reached every channel: so it is in
    source 003.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel=kernel, stride=stride, groups=channels)


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
        a = self.subset_weights(x, shares, attended)
        # One matrix (K Ci, Co) a clip: a_k is the same for all channels of subset k.
        weights = a.repeat_interleave(x.shape[3], 1)[:, :, None] * self.flat.T
        mixed = torch.bmm(gathered.flatten(1, 2), weights).view(*x.shape[:3], -1)
        return self.normed(mixed if self.conv.bias is None else mixed + self.conv.bias)

    @property
    def flat(self) -> Tensor:
        """The weights as a matrix (Co, K Ci)."""
        return self.conv.weight.flatten(1)

    def subset_weights(self, x: Tensor, shares: Tensor, attended: Tensor) -> Tensor:
        """(N, K) a_k: how much each subset counts in each clip."""
        gathered = torch.einsum("nvc,kv->nkc", x.mean(1), shares.mean(2))
        return functional.linear(gathered.flatten(1), attended).softmax(1)

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
        self.widen = Mix(channels, expand * channels)
        self.slide = Slide(expand * channels, kernel, stride)
        self.narrow = Mix(expand * channels, channels)
        self.shortcut = Mix(channels, channels, stride) if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, J, C) to (N, ceil(T / stride), J, C)."""
        narrowed = self.narrow(hardswish(self.slide(hardswish(self.widen(x)))))
        return plus(narrowed, x if self.shortcut is None else self.shortcut(x))


def hardswish(x: Tensor) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6, in x's own memory where nobody will ask for gradients."""
    return functional.hardswish(x, inplace=not torch.is_grad_enabled())


def plus(x: Tensor, other: Tensor) -> Tensor:
    """x + other, likewise."""
    return x + other if torch.is_grad_enabled() else x.add_(other)
