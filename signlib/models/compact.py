"""A network for sentences of at most 8 million parameters, which can read while people sign.

Convolutions on frames, pooling, then blocks of attention and convolution (conformers). With a
chunk, attention sees its own chunk of frames and everything before it and convolutions look back
only, so what was read stays.
"""

from torch import Tensor, nn
from torch.nn import functional

from signlib.models.ctc import CtcNetwork, FlatEncoder
from signlib.models.ctc_attention import RelativeAttention
from signlib.models.ctc_blocks import Convolution, Output
from signlib.models.layers import DropPath, kept


class Stem(nn.Module):
    """A linear layer and residual separable convolutions: (B, T, F) to (B, T, D).

    Args:
        size, width: F and D.
        blocks, kernel: convolutions and their odd length in frames.
        dropout: on the features and in each block.

    Attributes:
        ahead: frames that it looks ahead.
    """

    def __init__(
        self, size: int, width: int, blocks: int = 2, kernel: int = 5, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.project = nn.Linear(size, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            Convolution(width, width, kernel, separable=True) for _ in range(blocks)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.ahead = blocks * (kernel // 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D)."""
        x = kept(self.norm(self.project(self.drop(x))), mask)
        for block, norm in zip(self.blocks, self.norms, strict=True):
            x = x + kept(self.drop(functional.silu(block(norm(x) * mask[..., None]))), mask)
        return x


class Conformer(nn.Module):
    """Half a frame-wise network, attention, a gated convolution, the other half, a norm.

    All but the norm have a residual connection.

    Args:
        width, heads: D and H.
        kernel: of the convolution, in frames after pooling.
        window: distances that attention tells apart.
        chunk: frames that are read at a time, 0 = the whole clip.
        dropout, drop_path: of every branch.

    Source: Gulati et al. 2020 (Conformer), with a layer norm in the convolution; chunks: Zhang et
        al. 2020 (U2).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kernel: int = 9,
        window: int = 16,
        chunk: int = 0,
        dropout: float = 0.1,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.halves = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, 4 * width),
                nn.SiLU(),
                nn.Dropout(dropout),
                nn.Linear(4 * width, width),
                nn.Dropout(dropout),
            )
            for _ in range(2)
        )
        self.attention = RelativeAttention(
            width, heads, window=window, chunk=chunk, dropout=dropout
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.gate, self.mix = nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.filters = nn.Conv1d(width, width, kernel, groups=width)
        reach = kernel - 1
        self.reach = (reach, 0) if chunk else (reach // 2, reach - reach // 2)
        self.drop = nn.Dropout(dropout)
        self.path = DropPath(drop_path)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D)."""
        x = x + self.path(0.5 * self.halves[0](x))
        x = x + self.path(self.attention(kept(self.norms[0](x), mask), mask))
        inside = kept(functional.glu(self.gate(self.norms[1](x))), mask)
        inside = self.filters(functional.pad(inside.transpose(1, 2), self.reach)).transpose(1, 2)
        x = x + self.path(self.drop(self.mix(functional.silu(self.norms[2](inside)))))
        x = x + self.path(0.5 * self.halves[1](x))
        return kept(self.norms[3](x), mask)


def compact(
    size: int,
    output: Output,
    width: int = 256,
    layers: int = 4,
    heads: int = 4,
    kernel: int = 9,
    window: int = 16,
    chunk: int = 0,
    dropout: float = 0.1,
    drop_path: float = 0.1,
    stride: int = 1,
    checkpointing: bool = False,
) -> CtcNetwork:
    """The small network; the stem's convolutions run on frames, everything else after pooling.

    Args:
        size, width: F and D.
        output: reads `width` numbers a frame.
        layers: blocks after pooling.
        chunk: frames after pooling that are read at a time, 0 = the whole clip.
        stride, checkpointing: of `CtcNetwork`.
    """
    # Later blocks are dropped more often.
    rates = [drop_path * layer / max(1, layers - 1) for layer in range(layers)]
    stages = [
        Conformer(
            width,
            heads,
            kernel,
            window=window,
            chunk=chunk,
            dropout=dropout,
            drop_path=rate,
        )
        for rate in rates
    ]
    stem = FlatEncoder(Stem(size, width, dropout=dropout))
    return CtcNetwork(
        stem, stages, output, stride=stride, checkpointing=checkpointing, early=layers // 2
    )
