"""Losses beyond cross-entropy: learning from a larger model's scores."""

from torch import Tensor
from torch.nn import functional


def distillation(scores: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the scores' softened probabilities are from the teacher's: T^2 KL(teacher ||
    student), a batch mean.

    Args:
        scores, teacher: (B, K) of both models for the same batch; the teacher's get no gradient.
        temperature: T, both are divided by it; T^2 keeps the gradient's size whatever T is.

    Source: Hinton, Vinyals and Dean 2015, section 2.
    """
    student = (scores.float() / temperature).log_softmax(1)
    wanted = (teacher.detach().float() / temperature).log_softmax(1)
    return temperature**2 * functional.kl_div(
        student, wanted, reduction="batchmean", log_target=True
    )


def distilled(
    loss: Tensor, scores: Tensor, teacher: Tensor, temperature: float, weight: float
) -> Tensor:
    """(1 - weight) loss + weight distillation; the loss against the true classes stays in the
    mixture.

    Args:
        loss: scalar, the student's own.
        scores, teacher, temperature: see `distillation`.
        weight: 0 to 1.
    """
    return (1 - weight) * loss + weight * distillation(scores, teacher, temperature)
