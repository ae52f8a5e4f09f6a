"""Pieces of the networks for sentences: convolutions, recurrent layers, and outputs.

Convolutions and recurrent layers take (B, T, D) with zeros in padded frames and a mask (B, T), True
where a frame is real, and give zeros there again: so padding and the other clips of a batch change
nothing. An output gives log probabilities of glosses and the blank: at once, or a cluster first.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from signlib.errors import SettingsError
from signlib.models.layers import MaskedNorm, kept


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
        width: D of input and output, and units in each direction.
        dropout: on what is added.

    Source: source 001, section 3.1, "ResidualBiLSTM".
    """

    def __init__(self, width: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.recurrent = Recurrent(width, width)
        self.narrow = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)
        # The network begins shallow: with three LSTMs in its way CTC says nothing but blanks for
        # hundreds of steps.
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D)."""
        inside = self.drop(self.narrow(self.recurrent(x, mask)))
        return kept(self.norm(x + inside), mask)


class Output(nn.Module):
    """Frames (B, T, D) to log probabilities (B, T, V) of `classes` = V classes.

    Args:
        size: D of a frame.
        classes: V, with the blank as class 0.
        hidden: width of a layer before, 0 = none.
        dropout: before the last layers.
    """

    def __init__(self, size: int, classes: int, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.Linear(size, hidden), nn.GELU()) if hidden else nn.Identity()
        self.drop, self.size, self.classes = nn.Dropout(dropout), size, classes


class PlainOutput(Output):
    """A linear layer, or two, and a softmax over all classes; arguments as for `Output`."""

    def __init__(self, size: int, classes: int, hidden: int = 0, dropout: float = 0.0) -> None:
        super().__init__(size, classes, hidden, dropout)
        self.scores = nn.Linear(hidden or size, classes)

    def forward(self, x: Tensor, blank_bonus: float = 0.0) -> Tensor:
        """(B, T, V) log probabilities.

        Args:
            x: (B, T, D).
            blank_bonus: added to the blank's score; below 0 makes it rarer.
        """
        return with_bonus(self.scores(self.drop(self.before(x))), blank_bonus).log_softmax(-1)


class ClusteredOutput(Output):
    """log p(gloss) = log p(cluster) + log p(gloss | cluster); the blank is a cluster of its own.

    Which gloss is in which cluster is kept with the weights.

    Args:
        size, hidden, dropout: as for `Output`.
        clusters: (V - 1,) the cluster, 0 .. C - 1, of each class 1 .. V - 1; none may be empty.
        adapter: width of a small layer that each cluster has for itself, 0 = none.

    Raises:
        SettingsError: for an empty cluster.

    Source: source 001, "vocabulary-aware design"; Goodman 2001, classes for speeding up maximum
        entropy training.
    """

    belongs: Tensor
    members: Tensor
    places: Tensor
    empty: Tensor

    def __init__(
        self,
        size: int,
        clusters: Sequence[int] | np.ndarray,
        hidden: int = 0,
        adapter: int = 0,
        dropout: float = 0.0,
    ) -> None:
        belongs = np.asarray(clusters, np.int64)
        super().__init__(size, len(belongs) + 1, hidden, dropout)
        counts = np.bincount(belongs)
        if not len(counts) or counts.min() == 0:
            raise SettingsError(
                f"ctc.clusters: {len(counts)} clusters for {len(belongs)} glosses leave one empty;"
                " ask for fewer"
            )
        # Row c holds the glosses of cluster c, -1 where it has fewer than the longest one; `places`
        # says where in that table each gloss is.
        members = np.full((len(counts), counts.max()), -1)
        places = np.empty(len(belongs), np.int64)
        for cluster, count in enumerate(counts):
            members[cluster, :count] = np.flatnonzero(belongs == cluster)
            places[members[cluster, :count]] = cluster * counts.max() + np.arange(count)
        tables = {
            "belongs": belongs,
            "members": np.maximum(members, 0),
            "places": places,
            "empty": members < 0,
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table))
        width = hidden or size
        self.cluster, self.gloss = nn.Linear(width, len(counts) + 1), nn.Linear(width, len(belongs))
        self.adapter = nn.Linear(width, len(counts) * adapter) if adapter else None
        self.adapted = (
            nn.Parameter(torch.randn(*members.shape, adapter) * adapter**-0.5) if adapter else None
        )

    def forward(self, x: Tensor, blank_bonus: float = 0.0) -> Tensor:
        """(B, T, V) log probabilities, as `PlainOutput` gives them."""
        x = self.drop(self.before(x))
        cluster = with_bonus(self.cluster(x), blank_bonus).log_softmax(-1)
        # (B, T, C, longest cluster)
        scores = self.gloss(x)[..., self.members]
        if self.adapter is not None and self.adapted is not None:
            small = functional.gelu(self.adapter(x)).unflatten(-1, (len(self.members), -1))
            scores = scores + torch.einsum("btca,cma->btcm", small, self.adapted)
        inside = scores.masked_fill(self.empty, -torch.inf).log_softmax(-1)
        inside = inside.flatten(2)[..., self.places]
        return torch.cat([cluster[..., :1], cluster[..., 1 + self.belongs] + inside], dim=-1)


def with_bonus(scores: Tensor, blank_bonus: float) -> Tensor:
    """Scores (..., V) with a number added to the blank's."""
    if not blank_bonus:
        return scores
    return scores + functional.pad(scores.new_full((1,), blank_bonus), (0, scores.shape[-1] - 1))


def dealt_clusters(counts: Sequence[int] | np.ndarray, clusters: int) -> np.ndarray:
    """(V - 1,) a cluster for each gloss, so that all clusters weigh alike.

    The commonest glosses are dealt out one by one, to and fro.

    Args:
        counts: (V - 1,) how often each gloss occurs in training.
        clusters: C, at most V - 1.

    >>> dealt_clusters([9, 1, 5, 5], 2).tolist()
    [0, 0, 1, 1]
    """
    if not 1 <= clusters <= len(counts):
        raise SettingsError(
            f"ctc.clusters={clusters} for {len(counts)} glosses: give 1 to {len(counts)}"
        )
    order = np.argsort(-np.asarray(counts), kind="stable")
    deal = np.arange(len(order)) % (2 * clusters)
    out = np.empty(len(order), np.int64)
    out[order] = np.minimum(deal, 2 * clusters - 1 - deal)
    return out
