"""Distillation worked out by hand, and what the temperature does to gradients."""

import math

import pytest
import torch
from torch import nn

from signlib.training.losses import distillation, distilled


def test_distillation_of_two_classes_is_worked_out_by_hand():
    # At temperature 2 the teacher says 3/4 and 1/4, the student one half each; the second clip
    # agrees.
    teacher = torch.tensor([[2 * math.log(3), 0.0], [1.0, 1.0]])
    student = torch.tensor([[5.0, 5.0], [7.0, 7.0]])
    divergence = 3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1 / 2)
    assert distillation(student, teacher, 2.0).item() == pytest.approx(4 * divergence / 2, rel=1e-6)
    mixed = distilled(torch.tensor(10.0), student, teacher, 2.0, weight=0.25)
    assert mixed.item() == pytest.approx(0.75 * 10 + 0.25 * 2 * divergence, rel=1e-6)


def test_a_student_that_agrees_up_to_a_constant_has_nothing_to_learn():
    teacher = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    student = (teacher + 3).requires_grad_()
    loss = distillation(student, teacher, 4.0)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert student.grad.abs().max() < 1e-6


def test_gradients_keep_their_size_at_any_high_temperature_and_spare_the_teacher():
    generator = torch.Generator().manual_seed(1)
    teacher = torch.randn(5, 7, generator=generator).requires_grad_()
    found = []
    for temperature in (20.0, 100.0):
        student = torch.randn(5, 7, generator=torch.Generator().manual_seed(2)).requires_grad_()
        distillation(student, teacher, temperature).backward()
        found.append(student.grad)
    torch.testing.assert_close(*found, rtol=0.1, atol=2e-3)
    # Far up the temperature scale the loss is half the mean squared distance of centred scores.
    gap = (student - student.mean(1, True)) - (teacher - teacher.mean(1, True))
    torch.testing.assert_close(found[1], gap / (7 * 5), rtol=0.1, atol=2e-3)
    assert teacher.grad is None


def test_a_small_model_learns_a_large_ones_scores():
    torch.manual_seed(0)
    x, teacher, student = torch.randn(64, 4), nn.Linear(4, 3), nn.Linear(4, 3)
    optimiser = torch.optim.Adam(student.parameters(), 0.05)
    for _ in range(200):
        optimiser.zero_grad()
        distilled(torch.zeros(()), student(x), teacher(x), 3.0, 1.0).backward()
        optimiser.step()
    torch.testing.assert_close(student(x).softmax(1), teacher(x).softmax(1), atol=0.01, rtol=0)
