"""Pieces of the networks for sentences: convolutions and recurrent layers without padding.

Every piece takes (B, T, D) with zeros in padded frames and a mask (B, T), True where a frame is
real, and gives zeros there again: so padding and the other clips of a batch change nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from signlib.models.layers import MaskedNorm


def real_frames(lengths: Tensor, frames: int) -> Tensor:
    """(B, T) True for the frames of each clip that are real."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


def kept(x: Tensor, mask: Tensor) -> Tensor:
    """x (B, T, D) with zeros where mask (B, T) is False."""
    return x * mask[..., None].to(x.dtype)


class Convolution(nn.Module):
    """A convolution in time of odd length that keeps the number of frames.

    Args:
        size, width: D of input and output.
        kernel, dilation: in frames.
        separable: one filter a channel, then a linear mix of channels.
        causal: look back only.
    """

    def __init__(
        self,
        size: int,
        width: int,
        kernel: int,
        dilation: int = 1,
        separable: bool = False,
        causal: bool = False,
    ) -> None:
        super().__init__()
        reach = dilation * (kernel - 1)
        self.reach = (reach, 0) if causal else (reach // 2, reach - reach // 2)
        self.filters = nn.Conv1d(
            size,
            size if separable else width,
            kernel,
            dilation=dilation,
            groups=size if separable else 1,
        )
        self.mix = nn.Linear(size, width) if separable else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, size) to (B, T, width); padded frames are no longer zero."""
        return self.mix(self.filters(functional.pad(x.transpose(1, 2), self.reach)).transpose(1, 2))


class ParallelConvolutions(nn.Module):
    """Convolutions of several lengths side by side, then a linear layer and a norm.

    Args:
        size, width: D of input and output; each convolution has `width` channels.
        kernels: lengths in frames.
        separable: depthwise-separable convolutions.

    Source: source 001, section 1.1; with 1024, 512 and (3, 5, 7): 8,653,824 parameters.
    """

    def __init__(
        self, size: int, width: int, kernels: Sequence[int], separable: bool = False
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            Convolution(size, width, kernel, separable=separable) for kernel in kernels
        )
        self.mix = nn.Linear(width * len(self.branches), width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width)."""
        side_by_side = torch.cat([branch(x).relu() for branch in self.branches], dim=-1)
        return kept(self.norm(self.mix(side_by_side)), mask)


class TemporalBlock(nn.Module):
    """Two dilated convolutions with norms, and a residual connection.

    Args:
        size, width: D of input and output.
        kernel, dilation: in frames.
        dropout: after each convolution.
        separable: depthwise-separable convolutions.

    Source: source 001, section 3.1.

    Norms look at all real frames of a batch: what is the same in every frame, which says nothing,
    goes, and CTC sooner finds what changes. Once trained, a clip does not depend on the others.
    """

    def __init__(
        self,
        size: int,
        width: int,
        kernel: int,
        dilation: int = 1,
        dropout: float = 0.1,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.first = Convolution(size, width, kernel, dilation, separable=separable)
        self.second = Convolution(width, width, kernel, dilation, separable=separable)
        self.norms = nn.ModuleList(MaskedNorm(width) for _ in range(2))
        self.short = nn.Linear(size, width) if size != width else nn.Identity()
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width)."""
        inside = kept(self.drop(functional.gelu(self.norms[0](self.first(x), mask))), mask)
        inside = self.drop(self.norms[1](self.second(inside), mask))
        return kept(functional.gelu(inside + self.short(x)), mask)


class InvertedResidual(nn.Module):
    """Widen each frame, filter every channel in time, narrow again, add the input.

    Args:
        width: D.
        expansion: how many times wider inside.
        kernel: in frames.
        dropout: before adding.

    Source: Sandler et al. 2018 (MobileNetV2), in one dimension.
    """

    def __init__(self, width: int, expansion: int, kernel: int, dropout: float = 0.1) -> None:
        super().__init__()
        inner = width * expansion
        self.norm, self.widen = nn.LayerNorm(width), nn.Linear(width, inner)
        self.filter = Convolution(inner, width, kernel, separable=True)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width)."""
        wide = kept(functional.gelu(self.widen(self.norm(x))), mask)
        return x + kept(self.drop(self.filter(wide)), mask)


class Recurrent(nn.Module):
    """A bidirectional LSTM over the real frames: (B, T, size) to (B, T, 2 width).

    Args:
        size: D of the input.
        width: hidden units in each direction.
        layers: stacked inside.
        dropout: on the output, and between stacked layers.
        residual: add the input; where it is half as wide it is taken twice, which costs no
            parameters.

    The forget gates start open (bias 1), recurrent weights orthogonal.
    """

    def __init__(
        self, size: int, width: int, layers: int = 1, dropout: float = 0.0, residual: bool = False
    ) -> None:
        super().__init__()
        if residual and size not in (width, 2 * width):
            raise ValueError(f"a residual needs {width} or {2 * width} numbers a frame, not {size}")
        self.lstm = nn.LSTM(
            size,
            width,
            layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.drop, self.copies = nn.Dropout(dropout), 2 * width // size if residual else 0
        self.size = 2 * width
        # torch keeps the four gates below one another: input, forget, cell, output.
        for name, parameter in self.lstm.named_parameters():
            if "weight_hh" in name:
                for gate in parameter.data.chunk(4):
                    nn.init.orthogonal_(gate)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(parameter.data)
            else:
                parameter.data.zero_()
                if "bias_ih" in name:
                    parameter.data[width : 2 * width] = 1

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, 2 width)."""
        packed = pack_padded_sequence(x, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = self.lstm(packed)
        out, _ = pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])
        out = self.drop(out)
        return out + x.repeat(1, 1, self.copies) if self.copies else out


class ResidualRecurrent(nn.Module):
    """A bidirectional LSTM, narrowed again, with a residual connection, then a norm.

    Args:
        size, width: D of input and output.
        dropout: on what is added.
        hidden: units in each direction; 0 = `width`.

    Source: source 001, section 3.1, "ResidualBiLSTM".
    """

    def __init__(self, size: int, width: int, dropout: float = 0.1, hidden: int = 0) -> None:
        super().__init__()
        self.recurrent = Recurrent(size, hidden or width)
        self.narrow = nn.Linear(self.recurrent.size, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        self.short = nn.Linear(size, width) if size != width else nn.Identity()
        # The network begins shallow: with three LSTMs in its way CTC says nothing but blanks for
        # hundreds of steps.
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width)."""
        inside = self.drop(self.narrow(self.recurrent(x, mask)))
        return kept(self.norm(self.short(x) + inside), mask)
