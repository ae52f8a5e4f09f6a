"""Attention for sentences: over time by distance, and over the parts of the body in one frame."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import SettingsError
from signlib.models.ctc_blocks import Convolution
from signlib.models.layers import DropPath, kept

KINDS = ("full", "window", "linear", "linformer", "performer")


class RelativeAttention(nn.Module):
    """Self-attention over time in which only the distance of two frames counts.

    Args:
        width, heads: D and H; heads must divide the width.
        kind: `full`; `window` (frames at most `window` apart, in time and memory proportional to
            T); or one that sees all frames in time proportional to T, with a convolution in place
            of the table of distances: `linear`; `linformer` (keys and values are mixed to `rank`
            ones); `performer` (softmax attention, estimated by `rank` random features).
        window: reach to each side in frames; beyond it `full` knows only that a frame is far.
        chunk: frames see their own chunk and everything before it (0 = everything), for `full`
            only.
        limit: a longer clip is read in pieces of so many frames that do not see each other (0 = no
            limit); `linformer` learns a matrix of rank x limit, so it needs one.
        rank: of `linformer` and `performer`.
        dropout: on the output.

    Source: a learned number for each distance and head: Raffel et al. 2020 (T5), section 2.1,
        without buckets. Linear: Katharopoulos et al. 2020, with elu(x) + 1. Linformer: Wang et al.
        2020, equation 7, one pair of matrices for all heads. Performer: Choromanski et al. 2021,
        FAVOR+, positive features (lemma 1) of orthogonal directions, drawn once.

    Raises:
        SettingsError: for heads that do not divide the width, another kind, or no limit.
    """

    directions: Tensor

    def __init__(
        self,
        width: int,
        heads: int,
        kind: str = "full",
        window: int = 32,
        chunk: int = 0,
        dropout: float = 0.0,
        limit: int = 0,
        rank: int = 64,
    ) -> None:
        super().__init__()
        if width % heads:
            raise SettingsError(
                f"ctc.width={width} cannot be shared by ctc.heads={heads}; heads must divide the"
                " width"
            )
        if kind not in KINDS or (chunk and kind != "full"):
            raise SettingsError(
                f"ctc.attention={kind!r} with chunk={chunk}: choose from {', '.join(KINDS)}, chunks"
                " need full"
            )
        if kind == "linformer" and not limit:
            raise SettingsError(
                f"ctc.attention={kind} with ctc.seq_len_limit={limit} does not know how long clips"
                " are; set the limit to the frames of the longest one after pooling, such as 256"
            )
        self.heads, self.kind = heads, kind
        self.window, self.chunk, self.limit = window, chunk, limit
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)
        if kind in ("full", "window"):
            self.distance = nn.Parameter(torch.zeros(heads, 2 * window + 1))
        else:
            self.nearby = Convolution(width, width, 5, separable=True)
        if kind == "linformer":
            # E and F of the paper; a sum over all frames has the size of one.
            self.mix_keys, self.mix_values = (
                nn.Parameter(torch.randn(rank, limit) * limit**-0.5) for _ in range(2)
            )
        if kind == "performer":
            self.register_buffer("directions", orthogonal_directions(rank, width // heads))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) for x (B, T, D) and mask (B, T)."""
        frames = x.shape[1]
        if not self.limit or frames <= self.limit:
            return self._attend(x, mask)
        extra = -frames % self.limit
        pieces = functional.pad(x, (0, 0, 0, extra)).unflatten(1, (-1, self.limit))
        real = functional.pad(mask, (0, extra)).unflatten(1, (-1, self.limit))
        mixed = self._attend(pieces.flatten(0, 1), real.flatten(0, 1))
        return mixed.unflatten(0, (len(x), -1)).flatten(1, 2)[:, :frames]

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        # Each (B, H, T, D / H).
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.inputs(x).chunk(3, dim=-1)
        )
        attend = {
            "full": self._full,
            "window": self._windowed,
            "linear": self._linear,
            "linformer": self._linformer,
            "performer": self._performer,
        }[self.kind]
        mixed = attend(query, key, value, mask).transpose(1, 2).flatten(2)
        if self.kind not in ("full", "window"):
            mixed = mixed + self.nearby(x)
        return kept(self.drop(self.output(mixed)), mask)

    def _full(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        time = torch.arange(query.shape[2], device=query.device)
        allowed = mask[:, None, None]
        if self.chunk:
            allowed = allowed & (time[None] // self.chunk <= time[:, None] // self.chunk)
        return self._by_distance(query, key, value, time[None] - time[:, None], allowed)

    def _windowed(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        frames, size = query.shape[2], self.window
        extra = -frames % size
        # Blocks of queries, each with its own block of keys and both neighbours.
        blocks = functional.pad(query, (0, 0, 0, extra)).unflatten(2, (-1, size))
        key, value = (
            functional.pad(part, (0, 0, size, extra + size)).unfold(2, 3 * size, size).mT
            for part in (key, value)
        )
        # (B, blocks, 3 W): which of a block's keys are real frames.
        seen = functional.pad(mask, (size, extra + size)).unfold(1, 3 * size, size)
        ours = torch.arange(size, device=mask.device)
        theirs = torch.arange(-size, 2 * size, device=mask.device)
        apart = (theirs[None] - ours[:, None])[None]
        allowed = seen[:, None, :, None] & (apart.abs() <= size)
        mixed = self._by_distance(blocks, key, value, apart, allowed)
        return mixed.flatten(2, 3)[:, :, :frames]

    def _by_distance(
        self, query: Tensor, key: Tensor, value: Tensor, apart: Tensor, allowed: Tensor
    ) -> Tensor:
        # Attention where `allowed`, with the learned number of each distance `apart`.
        bias = self.distance[:, apart.clamp(-self.window, self.window) + self.window]
        # A padded query sees itself, so that no row is empty.
        bias = bias.to(query.dtype).masked_fill(~(allowed | (apart == 0)), -torch.inf)
        return functional.scaled_dot_product_attention(query, key, value, bias)

    def _linear(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        key = (functional.elu(key) + 1) * mask[:, None, :, None].to(key.dtype)
        return _summed_first(functional.elu(query) + 1, key, value)

    def _linformer(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        frames = mask.shape[1]
        key, value = (
            torch.einsum("kt,bhtd->bhkd", mix[:, :frames], part * mask[:, None, :, None])
            for mix, part in ((self.mix_keys, key), (self.mix_values, value))
        )
        return functional.scaled_dot_product_attention(query, key, value)

    def _performer(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        # Numbers that all features of a query, or of all keys, share go out of the quotient: they
        # are taken off, so that no exponential grows too large.
        asked, given = self._log_features(query), self._log_features(key)
        given = given.masked_fill(~mask[:, None, :, None], torch.finfo(given.dtype).min)
        asked = (asked - asked.amax(-1, keepdim=True)).exp()
        given = (given - given.amax((2, 3), keepdim=True)).exp()
        return _summed_first(asked, given, value.float()).to(value.dtype)

    def _log_features(self, x: Tensor) -> Tensor:
        # Logarithms of positive features (..., R) whose mean product is exp(q k / sqrt(D)).
        x = x.float() * x.shape[-1] ** -0.25
        return x @ self.directions.T - x.square().sum(-1, keepdim=True) / 2


def _summed_first(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    # Attention by products of positive features. Sums over all keys come first: then time grows
    # with T, not with its square.
    total = torch.einsum("bhtd,bhd->bht", query, key.sum(2)).clamp(min=1e-6)
    summed = torch.einsum("bhtd,bhte->bhde", key, value)
    return torch.einsum("bhtd,bhde->bhte", query, summed) / total[..., None]


def orthogonal_directions(count: int, size: int) -> Tensor:
    """(count, size) normal random vectors, at right angles to one another in groups of `size`.

    Source: Choromanski et al. 2021, section 2.4: fewer surprises than independent ones.
    """
    groups = []
    for _ in range(-(-count // size)):
        columns, triangle = torch.linalg.qr(torch.randn(size, size))
        # The signs of R make all directions equally likely: Mezzadri 2007, section 5.
        groups.append((columns * triangle.diagonal().sign()).T)
    # A normal vector's length does not depend on its direction.
    return torch.cat(groups)[:count] * torch.randn(count, size).norm(dim=1, keepdim=True)


class TransformerBlock(nn.Module):
    """Attention and a frame-wise network, each behind a norm, with residual connections.

    Args:
        width, heads, kind, window, limit, rank: of the attention.
        intermediate: width of the frame-wise network.
        dropout, drop_path: of both branches.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        intermediate: int,
        kind: str = "full",
        window: int = 32,
        dropout: float = 0.1,
        drop_path: float = 0.0,
        limit: int = 0,
        rank: int = 64,
    ) -> None:
        super().__init__()
        self.attention = RelativeAttention(
            width, heads, kind=kind, window=window, dropout=dropout, limit=limit, rank=rank
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.inside = nn.Sequential(
            nn.Linear(width, intermediate),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(intermediate, width),
            nn.Dropout(dropout),
        )
        self.path = DropPath(drop_path)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D)."""
        x = x + self.path(self.attention(kept(self.norms[0](x), mask), mask))
        return x + kept(self.path(self.inside(self.norms[1](x))), mask)


class CrossModal(nn.Module):
    """Parts of the body in one frame look at one another, then are weighed and added up.

    A part that is not seen in a frame is neither looked at nor added; one learned token is always
    there, so that a frame may lack all parts.

    Args:
        sizes: D of each part.
        width, heads: of the attention.
        dropout: of both branches.
        drop_part: chance of forgetting a part of a training clip.

    Source: source 001, section 3.2: relationships between parts, their importance in each frame,
        missing parts.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        width: int,
        heads: int,
        dropout: float = 0.1,
        drop_part: float = 0.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise SettingsError(
                f"ctc.width={width} cannot be shared by {heads} heads; heads must divide the width"
            )
        self.project = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.nothing = nn.Parameter(torch.randn(width) * 0.02)
        self.heads, self.drop_part = heads, drop_part
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.inside = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.weigh, self.drop = nn.Linear(width, 1, bias=False), nn.Dropout(dropout)

    def forward(self, parts: Sequence[Tensor], present: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width) for P tensors (B, T, D_p), present (B, T, P) and mask (B, T)."""
        if self.training and self.drop_part:
            draws = torch.rand(len(present), 1, present.shape[-1], device=present.device)
            present = present & ~(draws < self.drop_part)
        tokens = [
            layer(part).masked_fill(~seen[..., None], 0)
            for layer, part, seen in zip(self.project, parts, present.unbind(-1), strict=True)
        ]
        # (B, T, P + 1, D): the last token is always there.
        x = torch.stack([*tokens, self.nothing.expand_as(tokens[0])], dim=2)
        there = functional.pad(present, (0, 1), value=True)
        x = x + self._look(self.norms[0](x), there)
        x = x + self.drop(self.inside(self.norms[1](x)))
        share = self.weigh(x)[..., 0].masked_fill(~there, -torch.inf).softmax(-1)
        return kept(self.norms[2]((share[..., None] * x).sum(2)), mask)

    def _look(self, x: Tensor, there: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(2, 3)
            for part in self.inputs(x).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, there[:, :, None, None])
        return self.drop(self.output(mixed.transpose(2, 3).flatten(3)))
