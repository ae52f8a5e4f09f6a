"""Fusion: by hand, any subset of modalities, and what is missing changes nothing."""

import pytest
import torch

from signlib.errors import SettingsError
from signlib.models.fusion import FUSIONS, WeightedFusion, drop_modalities

SIZES, WIDTH = (8, 6, 4), 12
every_fusion = pytest.mark.parametrize("name", FUSIONS)


def inputs(name, batch=5, seed=0):
    torch.manual_seed(seed)
    times = (3, 5, 2) if FUSIONS[name].over_time else (None,) * 3
    return [
        torch.randn(batch, size) if t is None else torch.randn(batch, t, size)
        for t, size in zip(times, SIZES, strict=True)
    ]


def test_weighted_fusion_by_hand():
    fusion = WeightedFusion([1, 1], 1)
    with torch.no_grad():
        for head, factor in zip(fusion.heads, (2.0, 10.0), strict=True):
            head.weight.fill_(factor)
            head.bias.zero_()
        fusion.weights.copy_(torch.tensor([0.0, 3.0]).log1p())  # shares 1 : 4
    both, one = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    x = [torch.tensor([[1.0]]), torch.tensor([[1.0]])]
    torch.testing.assert_close(fusion.shares(both), torch.tensor([[0.2, 0.8]]))
    assert fusion(x, both).item() == pytest.approx(0.2 * 2 + 0.8 * 10)
    assert fusion(x, one).item() == pytest.approx(2.0)


def test_weights_start_equal_and_the_seed_has_three_of_them():
    fusion = WeightedFusion([768, 512, 384], 384)
    assert sum(p.numel() for p in fusion.heads.parameters()) == 295_296 + 196_992 + 147_840
    torch.testing.assert_close(
        fusion.shares(torch.ones(1, 3, dtype=torch.bool)), torch.full((1, 3), 1 / 3)
    )


@every_fusion
def test_what_a_missing_modality_holds_changes_nothing(name):
    fusion = FUSIONS[name](SIZES, WIDTH).eval()
    features = inputs(name)
    present = torch.tensor([[True, False, True]] * 5)
    other = [x.clone() for x in features]
    other[1] = 100 * torch.randn_like(other[1])
    out = fusion(features, present)
    assert out.shape == (5, WIDTH)
    torch.testing.assert_close(fusion(other, present), out)
    assert not torch.allclose(
        fusion(other, torch.ones_like(present)), fusion(features, torch.ones_like(present))
    )


@every_fusion
def test_clips_of_a_batch_do_not_see_each_other(name):
    fusion = FUSIONS[name](SIZES, WIDTH).eval()
    features, present = inputs(name), torch.rand(5, 3) > 0.3
    present[:, 0] = True
    whole = fusion(features, present)
    for row in range(5):
        torch.testing.assert_close(
            fusion([x[row : row + 1] for x in features], present[row : row + 1])[0], whole[row]
        )


@every_fusion
@pytest.mark.parametrize("only", range(3))
def test_one_modality_is_enough_and_every_parameter_it_uses_learns(name, only):
    fusion = FUSIONS[name](SIZES, WIDTH)
    present = torch.zeros(4, 3, dtype=torch.bool)
    present[:, only] = True
    fusion(inputs(name, 4), present).square().sum().backward()
    assert fusion.heads[only].weight.grad.abs().sum() > 0
    others = [head.weight.grad for m, head in enumerate(fusion.heads) if m != only]
    assert all(grad is None or grad.abs().sum() == 0 for grad in others)


def test_padding_in_time_changes_nothing():
    fusion = FUSIONS["cross-attention"](SIZES, WIDTH).eval()
    features, present = inputs("cross-attention"), torch.ones(5, 3, dtype=torch.bool)
    padded = [torch.cat([x, 7 * torch.ones(5, 2, x.shape[2])], 1) for x in features]
    masks = [torch.arange(x.shape[1] + 2).expand(5, -1) < x.shape[1] for x in features]
    torch.testing.assert_close(fusion(padded, present, masks), fusion(features, present))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(SettingsError, match="12 cannot be shared by 5"):
        FUSIONS["cross-attention"](SIZES, WIDTH, heads=5)


def test_dropped_modalities_leave_at_least_one_that_was_there():
    torch.manual_seed(0)
    present = torch.rand(2000, 3) > 0.4
    present[~present.any(1), 1] = True
    kept = drop_modalities(present, 0.5)
    assert kept.any(1).all()
    assert not (kept & ~present).any()
    all_there = drop_modalities(torch.ones(4000, 3, dtype=torch.bool), 0.5)
    # each is kept with 1/2; all three lost (1/8) leaves one of three
    assert all_there.float().mean().item() == pytest.approx(0.5 + 1 / 24, abs=0.02)
    assert drop_modalities(present, 0.0) is present
