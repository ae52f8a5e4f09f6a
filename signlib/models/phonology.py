"""Recognisers of 36 numbers a frame: a recurrent encoder, and two readers of what it says.

A pooled reader scores the mean of all frames. Source 002 reads by CTC: a clip says one gloss, so
what is wanted of CTC is one number a gloss, the probability that the clip says this gloss and
nothing else, over all alignments. It is computed for all glosses at once.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from signlib.models.ctc_blocks import Recurrent
from signlib.models.layers import kept, masked_mean, real_frames
from signlib.models.network import Batch, Classifier, Encoder

FEATURES = 36


class PhonologyEncoder(Encoder):
    """Each frame with all of its clip: (B, T, 36) to (B, T, 2 width).

    Args:
        width, layers: hidden units in each direction, and stacked LSTMs.
        dropout: on what comes out, and between the LSTMs.

    Source: source 002. Width 64 and one layer: 69,184 parameters; 128 and two: 664,704.
    """

    def __init__(self, width: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.size = 2 * width
        self.project = nn.Linear(FEATURES, width)
        self.recurrent = Recurrent(width, width, layers, dropout)
        self.norm = nn.LayerNorm(self.size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, 2 width), zeros where mask (B, T) is False."""
        return kept(self.norm(self.recurrent(self.project(x), mask)), mask)


class PooledReader(Classifier):
    """Batch -> (B, K) scores of glosses, from the mean of each clip's frames after the encoder.

    Args:
        encoder: of frames.
        glosses: K.
        dropout: before the last layer.

    Differs: source 002 reads by CTC (`GlossReader`). A clip of one sign has nothing to align, and
        there is no blank that could take all of its frames.
    """

    def __init__(self, encoder: PhonologyEncoder, glosses: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.drop = encoder, nn.Dropout(dropout)
        self.classes = glosses
        # Another name than in `GlossReader`, whose rows begin with the blank.
        self.classifier = nn.Linear(encoder.size, glosses)

    def forward(self, batch: Batch) -> Tensor:
        """(B, K)."""
        x = batch["features"]
        mask = real_frames(batch["lengths"], x.shape[1])
        return self.classifier(self.drop(masked_mean(self.encoder(x, mask), mask)))


class GlossReader(Classifier):
    """Batch -> (B, K) log probabilities that a clip says exactly one gloss, this one.

    Args:
        encoder: of frames.
        glosses: K; the frames' scores are K + 1, class 0 the blank.
        dropout: before the last layer.

    Source: source 002, stage 2: with width 64, one layer and 20 glosses 71,893 parameters.
    Differs: the source answers with the first gloss of the best path, which may be none, or one
        that the whole reading gives little; here the likeliest reading of one gloss is the answer.
        `first_gloss` gives the source's answer.
    """

    def __init__(self, encoder: PhonologyEncoder, glosses: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.drop = encoder, nn.Dropout(dropout)
        self.classes = glosses
        self.head = nn.Linear(encoder.size, glosses + 1)

    def frames(self, batch: Batch) -> Tensor:
        """(B, T, K + 1) log probabilities of each frame."""
        x = batch["features"]
        encoded = self.encoder(x, real_frames(batch["lengths"], x.shape[1]))
        return self.head(self.drop(encoded)).log_softmax(-1)

    def forward(self, batch: Batch) -> Tensor:
        """(B, K)."""
        return one_gloss(self.frames(batch).float(), batch["lengths"])


def one_gloss(scores: Tensor, lengths: Tensor) -> Tensor:
    """(B, K) log probability of each one-gloss reading: blanks, the gloss, blanks.

    Args:
        scores: (B, T, K + 1) log probabilities, class 0 the blank.
        lengths: (B,) real frames.

    The gloss takes frames s <= t < e. With B and G the sums of the blank's and the gloss's log
    probabilities over the frames before, a reading has B_s + G_e - G_s + B_T - B_e; all s < e are
    summed by one running sum.
    """
    # Sums in single precision lose the small terms.
    before = functional.pad(scores.double().cumsum(1), (0, 0, 1, 0))
    # B_s - G_s for s = 0 .. T: (B, T + 1, K).
    lead = before[..., :1] - before[..., 1:]
    started = torch.logcumsumexp(lead[:, :-1], dim=1)
    over = torch.arange(1, lead.shape[1], device=lengths.device) > lengths[:, None]
    ended = (started - lead[:, 1:]).masked_fill(over[..., None], -torch.inf)
    blanks = before[..., :1].gather(1, lengths[:, None, None])[:, 0]
    return (blanks + torch.logsumexp(ended, dim=1)).to(scores.dtype)


def first_gloss(scores: Tensor, lengths: Tensor) -> Tensor:
    """(B,) the answer of source 002: the first gloss (from 0) of each best path.

    It is -1 where all frames are blank.
    """
    real = real_frames(lengths, scores.shape[1])
    best = scores.argmax(-1).masked_fill(~real, 0)
    first = (best > 0).int().argmax(1)
    return best.gather(1, first[:, None])[:, 0] - 1


def blank_share(scores: Tensor, lengths: Tensor) -> Tensor:
    """Mean probability of the blank over all real frames.

    Unlike a share of best classes it has a gradient.
    """
    return scores[..., 0].exp()[real_frames(lengths, scores.shape[1])].mean()
