"""Losses beyond cross-entropy: a larger model's scores, and all alignments of a sentence.

Scores of sentences are log probabilities (B, T, V), class 0 the blank; their targets (B, U) are
padded with anything.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from signlib.decoding.ctc import BLANK
from signlib.errors import ClipError, SettingsError
from signlib.models.layers import real_frames


def distillation(scores: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far softened probabilities are from the teacher's: T^2 KL(teacher || student).

    It is a mean over the batch.

    Args:
        scores, teacher: (B, K) of both models for the same batch; the teacher's get no gradient.
        temperature: T, both are divided by it; T^2 keeps the gradient's size whatever T is.

    Source: Hinton, Vinyals and Dean 2015, section 2.
    """
    student = (scores.float() / temperature).log_softmax(1)
    taught = (teacher.detach().float() / temperature).log_softmax(1)
    return temperature**2 * functional.kl_div(
        student, taught, reduction="batchmean", log_target=True
    )


def distilled(
    loss: Tensor, scores: Tensor, teacher: Tensor, temperature: float, weight: float
) -> Tensor:
    """(1 - weight) loss + weight distillation.

    Args:
        loss: scalar, the student's own.
        scores, teacher, temperature: see `distillation`.
        weight: 0 to 1.
    """
    return (1 - weight) * loss + weight * distillation(scores, teacher, temperature)


def frames_needed(targets: Tensor, sizes: Tensor) -> Tensor:
    """(B,) fewest frames that can say each target: one a gloss, and one between equal neighbours.

    Args:
        targets: (B, U) class numbers.
        sizes: (B,) how many of them are real.
    """
    twice = (targets[:, 1:] == targets[:, :-1]) & real_frames(sizes - 1, targets.shape[1] - 1)
    return sizes + twice.sum(1)


def sentence_losses(scores: Tensor, frames: Tensor, targets: Tensor, sizes: Tensor) -> Tensor:
    """(B,) negative log likelihood of each target, over all its alignments.

    Args:
        scores: (B, T, V) log probabilities.
        frames: (B,) frames that are real.
        targets, sizes: (B, U) and (B,).

    Raises:
        ClipError: for a target that so few frames cannot say; its loss would be infinite, and
            silently zero where infinities are ignored.
    """
    short = torch.nonzero(frames_needed(targets, sizes) > frames).ravel().tolist()
    if short:
        first = short[0]
        raise ClipError(
            f"{len(short)} of {len(frames)} targets are longer than their clips:"
            f" {int(frames[first])} frames for {int(sizes[first])} glosses; leave such clips out,"
            " lower ctc.stride or drop fewer frames"
        )
    # torch wants time first, and the lengths of inputs before those of targets.
    return functional.ctc_loss(
        scores.float().transpose(0, 1),
        targets,
        frames,
        sizes,
        blank=BLANK,
        reduction="none",
    )


def focal(losses: Tensor, sizes: Tensor, power: float) -> Tensor:
    """Mean loss a gloss, in which sentences that are likely already count less.

    Each has the factor (1 - p)^power with p = exp(-loss a gloss).

    Args:
        losses: (B,) negative log likelihoods.
        sizes: (B,) glosses of each.
        power: 0 gives the plain mean.

    Source: Lin et al. 2017, applied to the likelihood of each sentence.
    Differs: source 001, section 5.1, weighs by `probs[targets]`. That takes rows of the first
        axis, which is time, by class numbers: it is no probability of any target (or fails where a
        class number exceeds the frames). What CTC gives for a target is one likelihood over all
        alignments, so that is what is weighed.
    """
    each = losses / sizes.clamp(min=1)
    return ((1 - torch.exp(-each)).pow(power) * each).mean()


def uniform_cross_entropy(scores: Tensor, frames: Tensor) -> Tensor:
    """Mean over real frames and all classes of -log p: least, log V, where all are as likely."""
    return -scores.float().mean(-1)[real_frames(frames, scores.shape[1])].mean()


@dataclass(frozen=True)
class SentenceLoss:
    """What a batch of sentences costs.

    Attributes:
        focal_share: of the focal loss beside the plain one; source 001 mixes 0.7 and 0.3.
        focal_power: source 001 has 2.
        smoothing: share of the cross-entropy against the uniform distribution, in every real frame.

    Raises:
        SettingsError: for a share outside 0..1 or a negative power.
    """

    focal_share: float = 0.3
    focal_power: float = 2.0
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if not (0 <= self.focal_share <= 1 and 0 <= self.smoothing <= 1 and self.focal_power >= 0):
            raise SettingsError(f"{self}: shares lie within 0..1, the power is not negative")

    def __call__(self, scores: Tensor, frames: Tensor, targets: Tensor, sizes: Tensor) -> Tensor:
        """The loss; arguments as for `sentence_losses`.

        Plain CTC is the mean over sentences of the loss a gloss, so that long ones count no more
        than short ones.
        """
        losses = sentence_losses(scores, frames, targets, sizes)
        loss = (losses / sizes.clamp(min=1)).mean()
        if self.focal_share:
            focused = focal(losses, sizes, self.focal_power)
            loss = (1 - self.focal_share) * loss + self.focal_share * focused
        if self.smoothing:
            uniform = uniform_cross_entropy(scores, frames)
            loss = (1 - self.smoothing) * loss + self.smoothing * uniform
        return loss


def frame_labels(
    spans: Tensor, targets: Tensor, frames: Tensor, longest: int, stride: int
) -> Tensor:
    """(B, T) the class of each frame of scores: the gloss that is signed in its middle, or blank.

    It is -1 in padding, and in clips whose corpus does not tell when signs begin and end.

    Args:
        spans: (B, U, 2) first and past-last frame of each sign before pooling; -1 = unknown.
        targets: (B, U).
        frames: (B,) frames of scores that are real.
        longest: T.
        stride: frames that the network makes one of.

    >>> spans, frames = torch.tensor([[[1, 5], [6, 9]]]), torch.tensor([5])
    >>> frame_labels(spans, torch.tensor([[7, 3]]), frames, longest=6, stride=2).tolist()
    [[7, 7, 0, 3, 0, -1]]
    """
    middle = torch.arange(longest, device=spans.device) * stride + stride // 2
    first, end = spans[..., None, 0], spans[..., None, 1]
    inside = (first >= 0) & (first <= middle) & (middle < end)
    labels = (inside * targets[..., None]).amax(1)
    timed = (spans >= 0).flatten(1).any(1)
    return labels.masked_fill(~(real_frames(frames, longest) & timed[:, None]), -1)


def frame_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean of -log p(label) over all frames with a label; 0 where there is none.

    Args:
        scores: (B, T, V) log probabilities.
        labels: (B, T) class numbers, -1 = none.
    """
    labelled = labels >= 0
    # A label for the others, whose frames do not count.
    of_label = scores.float().gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -of_label[labelled].sum() / labelled.sum().clamp(min=1)


def frame_distillation(
    scores: Tensor, teacher: Tensor, frames: Tensor, temperature: float
) -> Tensor:
    """How far real frames are from the teacher's softened probabilities, on average.

    For each frame it is T^2 KL(teacher || student).

    Args:
        scores, teacher: (B, T, V) log probabilities (or scores) of both for the same frames.
        frames: (B,) frames that are real; padding has no say.
        temperature: T.

    Differs: source 001 divides by the number of clips only, so that longer clips pull harder, and
        counts padding.
    """
    real = real_frames(frames, scores.shape[1])
    return distillation(scores[real], teacher[real], temperature)


def fading(done: float, start: float, until: float) -> float:
    """A number that is `start` at first, goes evenly to 0, and stays 0 after `until`.

    Added to the blank's score, a start below 0 makes the blank rarer while the network would
    otherwise learn to say nothing.

    Args:
        done, until: shares of the training, 0 to 1.

    Differs: source 001 takes max(end, start - rate epoch) with start < end, which is the end from
        the first epoch on.

    >>> [fading(done, -4.0, 0.5) for done in (0, 0.25, 0.5, 1)]
    [-4.0, -2.0, 0.0, 0.0]
    """
    return start * (1 - done / until) if done < until else 0.0
