"""The networks for sentences of source 001: features of frames to log probabilities of glosses.

Sizes are arguments. `hierarchical` and `teacher` have the source's parameter counts to the last
one, the others are what its section 4 asks for; `compact` (in a file of its own) is ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from typing import TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from signlib.errors import SettingsError
from signlib.models.ctc_attention import CrossModal, TransformerBlock
from signlib.models.ctc_blocks import (
    Convolution,
    InvertedResidual,
    Output,
    ParallelConvolutions,
    Recurrent,
    ResidualRecurrent,
    TemporalBlock,
)
from signlib.models.layers import MaskedNorm, kept, pool_frames, real_frames
from signlib.models.network import Batch, Classifier

# First and past-last column of each block of features that belong to one part.
Ranges = Sequence[tuple[int, int]]


class Options(TypedDict, total=False):
    """What the networks below hand on to `CtcNetwork`, which says what it means."""

    stride: int
    checkpointing: bool
    normed: bool


class CtcNetwork(Classifier):
    """An encoder of frames, pooling, stages over time, an output: (B, T, F) to (B, T', V).

    T' = ceil(T / stride).

    Args:
        encoder: (features, mask, present) to (B, T, D).
        stages: each (x, mask) to (B, T', D').
        output: (B, T', D') to log probabilities (B, T', V).
        stride: frames that are averaged into one after the encoder.
        checkpointing: compute what is inside the stages again in the backward pass instead of
            keeping it.
        early: how many stages come before the frames that `twice` reads, too.
        norms: how many stages come before a norm -> D' there. The norm has no parameters; it looks
            at all real frames of a batch.
        normed: whether there are norms.

    What is the same in every frame grows from layer to layer, most of all in an LSTM, and CTC does
    not see what little changes: such a network says nothing but blanks for long. A norm takes away
    what is the same.

    Attributes:
        blank_bonus: added to the blank's score; the training schedule sets it below 0 at first.
    """

    def __init__(
        self,
        encoder: nn.Module,
        stages: Sequence[nn.Module],
        output: Output,
        stride: int = 1,
        checkpointing: bool = False,
        early: int = 0,
        norms: Mapping[int, int] | None = None,
        normed: bool = False,
    ) -> None:
        super().__init__()
        self.early = early
        sizes = norms if norms and normed else {}
        self.norms = nn.ModuleDict(
            {str(stage): MaskedNorm(size, affine=False) for stage, size in sizes.items()}
        )
        self.encoder, self.stages, self.output = encoder, nn.ModuleList(stages), output
        self.stride, self.checkpointing = stride, checkpointing
        self.classes = output.classes
        self.blank_bonus = 0.0

    def frames(self, lengths: Tensor) -> Tensor:
        """(B,) frames that come out of clips of so many frames."""
        return -(-lengths // self.stride)

    def forward(self, batch: Batch) -> Tensor:
        """Log probabilities (B, T', V); those of padded frames mean nothing.

        Args:
            batch: `features` (B, T, F), `lengths` (B,), and where parts may be missing `present`
                (B, T, P) bool.
        """
        return self.output(self.encode(batch)[0], self.blank_bonus)

    def twice(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log probabilities as `forward` gives them, and those of the early frames.

        Both are said by the same output, so that training for both costs no parameters. Early
        frames of half as many numbers are read as twice the same.

        Source: Lee and Watanabe 2021, intermediate CTC.
        """
        late, early = self.encode(batch)
        early = early.repeat(1, 1, self.output.size // early.shape[-1])
        return self.output(late, self.blank_bonus), self.output(early, self.blank_bonus)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Frames (B, T', D') behind all stages, which the output reads, and behind early ones."""
        mask = real_frames(batch["lengths"], batch["features"].shape[1])
        x = self.encoder(kept(batch["features"], mask), mask, batch.get("present"))
        x, mask = pool_frames(x, mask, self.stride)
        again = self.checkpointing and self.training
        x = early = self._normed(0, x, mask)
        for number, stage in enumerate(self.stages, 1):
            x = _computed_again(stage, x, mask) if again else stage(x, mask)
            x = self._normed(number, x, mask)
            if number == self.early:
                early = x
        return x, early

    def _normed(self, stages: int, x: Tensor, mask: Tensor) -> Tensor:
        return self.norms[str(stages)](x, mask) if str(stages) in self.norms else x


def _computed_again(stage: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    # What the stage gives; the backward pass computes once more what is inside.
    return checkpoint(
        stage,
        x,
        mask,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _unchanged(stage)),
    )


@contextmanager
def _unchanged(stage: nn.Module) -> Iterator[None]:
    # Puts buffers back at the end: batch norms would count a batch twice that they see twice.
    before = {name: buffer.clone() for name, buffer in stage.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in stage.named_buffers():
            buffer.copy_(before[name])


class FlatEncoder(nn.Module):
    """An encoder that reads a frame's features as one vector, whatever parts are present."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: Tensor, mask: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, T, D)."""
        return self.inside(x, mask)


class PartEncoder(nn.Module):
    """One small convolution a part of the body, then attention over the parts of each frame.

    Args:
        parts: name (pose, hands, face or another) -> its columns of the features.
        widths: D of each part, in the order of `parts`.
        width, heads: of the attention.
        kernel: of the convolutions, in frames.
        dropout, drop_part: see `CrossModal`.

    Raises:
        SettingsError: when parts and widths are not as many, or a range is empty.
    """

    def __init__(
        self,
        parts: Mapping[str, Ranges],
        widths: Sequence[int],
        width: int,
        heads: int,
        kernel: int = 3,
        dropout: float = 0.1,
        drop_part: float = 0.0,
    ) -> None:
        super().__init__()
        pairs = chain.from_iterable(parts.values())
        if len(parts) != len(widths) or any(not 0 <= a < b for a, b in pairs):
            raise SettingsError(
                f"parts {dict(parts)} with widths {list(widths)}: give each part a width and its"
                " columns"
            )
        self.names, self.ranges = tuple(parts), [tuple(ranges) for ranges in parts.values()]
        sizes = [sum(b - a for a, b in ranges) for ranges in self.ranges]
        self.convolutions = nn.ModuleList(
            Convolution(size, part_width, kernel, separable=True)
            for size, part_width in zip(sizes, widths, strict=True)
        )
        self.norms = nn.ModuleList(MaskedNorm(part_width) for part_width in widths)
        self.together = CrossModal(widths, width, heads, dropout=dropout, drop_part=drop_part)

    def forward(self, x: Tensor, mask: Tensor, present: Tensor | None = None) -> Tensor:
        """(B, T, width); a part counts where `present` (B, T, P) is True; None = everywhere."""
        if present is None:
            present = mask[..., None].expand(-1, -1, len(self.names))
        parts = []
        layers = zip(self.ranges, self.convolutions, self.norms, strict=True)
        for p, (ranges, convolution, norm) in enumerate(layers):
            columns = torch.cat([x[..., a:b] for a, b in ranges], dim=-1)
            seen = columns.masked_fill(~present[..., p, None], 0)
            parts.append(norm(convolution(seen), mask).relu())
        return self.together(parts, present, mask)


class NormedConvolutions(nn.Module):
    """Three convolutions of five frames, each with batch norm and ReLU.

    Source: source 001, section 1.2.
    """

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(Convolution(s, width, 5) for s in (size, width, width))
        self.norms = nn.ModuleList(MaskedNorm(width) for _ in range(3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width)."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = kept(norm(kept(convolution(x), mask), mask).relu(), mask)
        return x


class NormedAttention(nn.Module):
    """A norm, attention over all frames with a residual connection, a norm.

    Source: source 001, section 1.2.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D)."""
        x = kept(self.norms[0](x), mask)
        mixed, _ = self.attention(x, x, x, key_padding_mask=~mask, need_weights=False)
        return kept(self.norms[1](x + mixed), mask)


def hierarchical(
    size: int,
    output: Output,
    width: int = 512,
    kernels: Sequence[int] = (3, 5, 7),
    dropout: float = 0.1,
    residual: bool = False,
    separable: bool = False,
    multiscale: bool = False,
    encoder: nn.Module | None = None,
    **options: Unpack[Options],
) -> CtcNetwork:
    """Convolutions side by side, then two bidirectional LSTMs; and the source's additions.

    With 1,024 features and a plain output of 966 classes: 20,146,118 parameters. `width=768,
    kernels=(5, 9, 15), residual=True` and a hidden layer of 1,536 in the output is phase 1.

    Args:
        size, width: F and D; each LSTM has `width` units in each direction.
        output: reads 2 width numbers a frame.
        residual: residual connections around the LSTMs.
        separable: depthwise-separable convolutions.
        multiscale: dilated blocks between convolutions and LSTMs.
        encoder: in place of the convolutions, such as a `PartEncoder`.
        options: of `CtcNetwork`; norms stand before each LSTM and before the output.
    """
    front = encoder or FlatEncoder(ParallelConvolutions(size, width, kernels, separable))
    blocks = multiscale_blocks(width, dropout, separable) if multiscale else []
    early = len(blocks)
    stages = [
        *blocks,
        Recurrent(width, width, dropout=dropout, residual=residual),
        Recurrent(2 * width, width, dropout=dropout, residual=residual),
    ]
    return CtcNetwork(
        front,
        stages,
        output,
        early=early,
        norms={early: width, early + 1: 2 * width, early + 2: 2 * width},
        **options,
    )


def multiscale_blocks(width: int, dropout: float, separable: bool = False) -> list[nn.Module]:
    """Blocks for short (3 to 7 frames) and for medium patterns (10 to 20).

    Source: source 001, section 3.1.
    """
    half = width // 2
    sizes = [(width, half, 3, 1), (half, half, 5, 1), (half, width, 7, 2), (width, width, 7, 4)]
    return [TemporalBlock(*block, dropout=dropout, separable=separable) for block in sizes]


def teacher(
    size: int,
    output: Output,
    width: int = 512,
    heads: int = 8,
    dropout: float = 0.3,
    **options: Unpack[Options],
) -> CtcNetwork:
    """Three convolutions, three stacked bidirectional LSTMs, attention.

    With 6,516 features and a plain output of 1,295 classes: 41,638,671 parameters, 40 % of them in
    the first layer.

    Args:
        size, width: F and D.
        output: reads 2 width numbers a frame.
        options: of `CtcNetwork`; norms stand before the LSTMs and before the output.
    """
    stages = [
        Recurrent(width, width, layers=3, dropout=dropout),
        NormedAttention(2 * width, heads, dropout),
    ]
    front = FlatEncoder(NormedConvolutions(size, width))
    return CtcNetwork(
        front,
        stages,
        output,
        norms={0: width, 2: 2 * width},
        **options,
    )


def cnn_lstm(
    size: int,
    output: Output,
    width: int = 768,
    kernels: Sequence[int] = (3, 5, 7),
    dropout: float = 0.1,
    **options: Unpack[Options],
) -> CtcNetwork:
    """Phase 2: separable convolutions, inverted residual blocks, three residual LSTMs.

    The blocks have a growing reach. With 1,024 features and 1,295 classes, clustered: 26,533,441
    parameters.

    Args:
        size, width: F and D; each LSTM has width / 2 units in each direction.
        output: reads width numbers a frame; phase 2 clusters it.
        options: of `CtcNetwork`; norms stand before the LSTMs and before the output.
    """
    stages = [
        *(InvertedResidual(width, *block, dropout) for block in ((2, 5), (3, 9), (4, 15))),
        *(Recurrent(width, width // 2, dropout=dropout, residual=True) for _ in range(3)),
    ]
    front = FlatEncoder(ParallelConvolutions(size, width, kernels, separable=True))
    return CtcNetwork(
        front,
        stages,
        output,
        early=3,
        norms={3: width, 6: width},
        **options,
    )


def hybrid(
    encoder: PartEncoder,
    output: Output,
    width: int = 512,
    heads: int = 8,
    attention: str = "full",
    window: int = 32,
    limit: int = 0,
    rank: int = 64,
    dropout: float = 0.1,
    drop_path: float = 0.1,
    **options: Unpack[Options],
) -> CtcNetwork:
    """Phase 3: encoders of the parts, blocks of growing reach, a transformer, residual LSTMs.

    Args:
        encoder: gives `width` numbers a frame.
        output: reads `width` numbers a frame; that of the source is clustered.
        attention, window, limit, rank: see `RelativeAttention`.
        options: of `CtcNetwork`; norms stand before the LSTMs and before the output.

    Source: source 001, section 3.1. With its slices (258, 252 and 1,404 numbers), 1,295 glosses in
        50 clusters: 33,199,793 parameters; the source's items do not sum to the 35 million that it
        states.
    """
    stages = [
        *multiscale_blocks(width, dropout),
        TransformerBlock(
            width,
            heads,
            4 * width,
            kind=attention,
            window=window,
            dropout=dropout,
            drop_path=drop_path,
            limit=limit,
            rank=rank,
        ),
        *(ResidualRecurrent(width, dropout) for _ in range(3)),
    ]
    return CtcNetwork(
        encoder,
        stages,
        output,
        early=5,
        norms={5: width, 8: width},
        **options,
    )
