"""Losses beyond cross-entropy: learning from a larger model's scores."""

from torch import Tensor
from torch.nn import functional


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
    divergence = functional.kl_div(student, taught, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


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
