"""Learning from clips without glosses: views of a clip find each other, codes of hidden frames.

In the form of source 002 the quantiser reads the raw features, so its loss trains the codebooks and
nothing else; the encoder learns from the contrast alone. In the form `codes` the encoder learns to
tell the codes of hidden frames.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.errors import SettingsError
from signlib.features.phonology import GROUPS
from signlib.models.layers import masked_mean, real_frames
from signlib.models.network import Batch
from signlib.models.phonology import FEATURES, PhonologyEncoder

EMBEDDING = 128


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """How badly two views of each clip find each other among all views of a batch.

    At chance it is `chance_of(B)`.

    Args:
        first, second: (B, D) of the two views; lengths do not matter.
        temperature: cosines are divided by it.

    Source: Chen et al. 2020, SimCLR, eq. 1.
    """
    both = functional.normalize(torch.cat([first, second]), dim=1)
    # No view may find itself.
    alike = (both @ both.T / temperature).fill_diagonal_(-torch.inf)
    count = len(first)
    other = torch.arange(2 * count, device=first.device).roll(count)
    return functional.cross_entropy(alike, other)


def chance_of(clips: int) -> float:
    """The contrast of views that know nothing: ln(2 B - 1).

    >>> round(chance_of(16), 3)
    3.434
    """
    return math.log(max(1, 2 * clips - 1))


class ProductQuantiser(nn.Module):
    """One codebook for each of handshape, location, orientation, movement and face.

    Args:
        sizes: codes of each; (64, 32, 32, 16, 16) are the 1,248 numbers of source 002.

    Raises:
        SettingsError: when there are not five, or one is below 2.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        if len(sizes) != len(GROUPS) or min(sizes) < 2:
            raise SettingsError(
                f"phonology.codebooks={list(sizes)}: give {len(GROUPS)} sizes from 2 on"
            )
        self.sizes, self.columns = tuple(sizes), tuple(GROUPS.values())
        self.books = nn.ParameterList(
            torch.empty(size, part.stop - part.start).uniform_(-1 / size, 1 / size)
            for size, part in zip(sizes, self.columns, strict=True)
        )

    def distances(self, x: Tensor) -> list[Tensor]:
        """For each part, (..., K) distances of x (..., 36) to its codes."""
        flat = x.reshape(-1, FEATURES)
        return [
            torch.cdist(flat[:, part], book).view(*x.shape[:-1], -1)
            for part, book in zip(self.columns, self.books, strict=True)
        ]

    def codes(self, x: Tensor) -> Tensor:
        """(..., 5) nearest codes."""
        return torch.stack([away.argmin(-1) for away in self.distances(x)], -1)

    def seen(self, present: Tensor) -> Tensor:
        """(..., 5) of which parts any number is there, for present (..., 36) bool."""
        return torch.stack([present[..., part].any(-1) for part in self.columns], -1)

    def nearest(self, x: Tensor) -> Tensor:
        """(..., 36) the codes in place of the features."""
        codes = self.codes(x).unbind(-1)
        return torch.cat([book[code] for book, code in zip(self.books, codes, strict=True)], -1)

    def margins(self, x: Tensor) -> Tensor:
        """(..., 5) how far each part may move before its code can change.

        It is half the gap between its two nearest codes. By the triangle inequality a move shorter
        than that leaves the nearest code nearest.
        """
        two = [away.topk(2, largest=False).values for away in self.distances(x)]
        return torch.stack([(pair[..., 1] - pair[..., 0]) / 2 for pair in two], -1)


def original_quantiser_loss(quantiser: ProductQuantiser, x: Tensor) -> Tensor:
    """The quantiser's loss of source 002, for frames (N, 36).

    It is mse(x, q) + mean over parts of mse(sg e, x) + 0.25 mse(e, sg x); sg stops gradients. Only
    the last term has a gradient, and only for the codebooks: x depends on no parameter.
    """
    nearest = quantiser.nearest(x)
    # The straight-through value x + sg(e - x) is e as a number and x as a gradient.
    loss = functional.mse_loss(x + (nearest - x).detach(), x.detach())
    parts = [
        functional.mse_loss(nearest[:, p].detach(), x[:, p])
        + 0.25 * functional.mse_loss(nearest[:, p], x[:, p].detach())
        for p in quantiser.columns
    ]
    return loss + torch.stack(parts).mean()


class PretextNetwork(nn.Module):
    """An encoder with what it needs to learn without glosses.

    As a model it gives one vector a clip.

    Args:
        encoder: of frames.
        codebooks: sizes, see `ProductQuantiser`.
        form: `original` or `codes`.
        readout: `last` or `mean`.
        projection: width before the contrast.

    Source: source 002, stage 1. At 128/2 with its codebooks: 664,704 + 788,608 + 1,248 parameters.
    Differs: `mean` reads all frames where the source takes the last one, of which the backward LSTM
        has seen nothing but itself; in `codes` codebooks are fitted once (k-means) and fixed, so
        that they cannot collapse.
    """

    def __init__(
        self,
        encoder: PhonologyEncoder,
        codebooks: Sequence[int],
        form: str = "codes",
        readout: str = "mean",
        projection: int = 2048,
    ) -> None:
        super().__init__()
        self.encoder, self.form, self.readout = encoder, form, readout
        self.projection = nn.Sequential(
            nn.Linear(encoder.size, projection), nn.ReLU(), nn.Linear(projection, EMBEDDING)
        )
        self.quantiser = ProductQuantiser(codebooks)
        if form == "codes":
            self.quantiser.requires_grad_(False)
            self.hidden_frame = nn.Parameter(torch.zeros(FEATURES))
            self.heads = nn.ModuleList(nn.Linear(encoder.size, size) for size in codebooks)

    def forward(self, batch: Batch) -> Tensor:
        """(B, D): the mean of each clip's frames after the encoder."""
        x = batch["features"]
        mask = real_frames(batch["lengths"], x.shape[1])
        return masked_mean(self.encoder(x, mask), mask)

    def embed(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, 128) of views (B, T, 36), for the contrast."""
        mask = real_frames(lengths, x.shape[1])
        encoded = self.encoder(x, mask)
        if self.readout == "mean":
            return self.projection(masked_mean(encoded, mask))
        return self.projection(encoded[torch.arange(len(x), device=x.device), lengths - 1])

    def code_loss(self, x: Tensor, codes: Tensor, lengths: Tensor, hidden: Tensor) -> Tensor:
        """Mean cross-entropy of the codes of hidden frames; parts that were not seen do not count.

        Args:
            x: (B, T, 36).
            codes: (B, T, 5), -1 = not seen.
            lengths: (B,).
            hidden: (B, T) bool.
        """
        mask = real_frames(lengths, x.shape[1])
        covered = torch.where(hidden[..., None], self.hidden_frame, x)
        encoded = self.encoder(covered, mask)[hidden & mask]
        targets = codes[hidden & mask]
        each = [
            functional.cross_entropy(head(encoded), target, ignore_index=-1, reduction="sum")
            / (target >= 0).sum().clamp(min=1)
            for head, target in zip(self.heads, targets.unbind(-1), strict=True)
        ]
        # A part that no hidden frame shows has no say.
        seen = (targets >= 0).any(0)
        return (torch.stack(each) * seen).sum() / seen.sum().clamp(min=1)


def hide(lengths: Tensor, frames: int, share: float, span: int) -> Tensor:
    """(B, T) which frames are hidden: stretches of `span` frames, about that share of each clip."""
    if not share:
        return torch.zeros(len(lengths), frames, dtype=torch.bool, device=lengths.device)
    # A frame stays visible when none of `span` draws begins a stretch that covers it.
    chance = 1 - (1 - share) ** (1 / span)
    starts = torch.rand(len(lengths), frames, device=lengths.device) < chance
    hidden = starts.clone()
    for step in range(1, span):
        hidden[:, step:] |= starts[:, : frames - step]
    hidden &= real_frames(lengths, frames)
    empty = ~hidden.any(1)
    # A clip with nothing hidden would teach nothing; one frame of its middle is.
    hidden[empty, lengths[empty] // 2] = True
    return hidden
