"""Learning without glosses: chance by hand, codes and their margins, what trains what."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.errors import SettingsError
from signlib.models.classifier import parameter_count
from signlib.models.phonology import PhonologyEncoder
from signlib.models.pretext import (
    PretextNetwork,
    ProductQuantiser,
    chance_of,
    hide,
    nt_xent,
    original_quantiser_loss,
)

SMALL = (4, 5, 3, 6, 2)


def test_views_that_know_nothing_cost_chance():
    same = torch.ones(16, 8)
    assert float(nt_xent(same, same, 0.07)) == pytest.approx(chance_of(16), abs=1e-5)
    assert chance_of(16) == pytest.approx(3.434, abs=5e-4)
    torch.manual_seed(0)
    random = [float(nt_xent(*torch.randn(2, 16, 4096), 1.0)) for _ in range(20)]
    assert sum(random) / 20 == pytest.approx(chance_of(16), abs=0.01)


def test_the_contrast_of_two_clips_by_hand():
    first, second = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    # Each view has its other view at cosine 1, and two strangers at 0.
    assert float(nt_xent(first, second, 0.5)) == pytest.approx(
        -math.log(math.e**2 / (math.e**2 + 2))
    )


def test_sizes_of_the_origin():
    network = PretextNetwork(PhonologyEncoder(128, 2), (64, 32, 32, 16, 16), "original", "last")
    assert parameter_count(network.projection) == 788_608
    assert parameter_count(network.quantiser) == 1_248
    assert parameter_count(ProductQuantiser((64, 128, 32, 64, 32))) == 2_336
    with pytest.raises(SettingsError, match="give 5 sizes from 2 on"):
        ProductQuantiser((64, 32))


def test_codes_by_hand():
    quantiser = ProductQuantiser((2, 2, 2, 2, 2))
    for book in quantiser.books:
        book.data[0], book.data[1] = 0, 1
    x = torch.zeros(1, 36)
    x[:, 10:16], x[:, 31:36] = 0.6, 1
    assert quantiser.codes(x).tolist() == [[0, 1, 0, 0, 1]]
    assert quantiser.nearest(x)[0, 10:16].tolist() == [1] * 6
    # A location 0.6 along the diagonal is sqrt(6) (0.6 - 0.4) nearer to one code than to the other.
    assert float(quantiser.margins(x)[0, 1]) == pytest.approx(math.sqrt(6) * 0.1, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.01, 0.99))
def test_a_move_within_the_margin_changes_no_code(seed, share):
    torch.manual_seed(seed)
    quantiser, x, way = ProductQuantiser(SMALL), torch.randn(30, 36) / 5, torch.randn(30, 36)
    for column, part in enumerate(quantiser.columns):
        way[:, part] *= (
            share * quantiser.margins(x)[:, [column]] / way[:, part].norm(dim=1, keepdim=True)
        )
    assert (quantiser.codes(x + way) == quantiser.codes(x)).all()


def test_the_seeds_quantiser_trains_nothing_but_itself():
    torch.manual_seed(0)
    network = PretextNetwork(PhonologyEncoder(4, 1), SMALL, "original", "last", 8)
    loss = original_quantiser_loss(network.quantiser, torch.randn(40, 36))
    loss.backward()
    trained = {
        name.split(".")[0]
        for name, p in network.named_parameters()
        if p.grad is not None and p.grad.any()
    }
    assert trained == {"quantiser"}


def test_codes_of_hidden_frames_train_the_encoder():
    torch.manual_seed(0)
    network = PretextNetwork(PhonologyEncoder(4, 1), SMALL, "codes", "mean", 8)
    x, lengths = torch.randn(3, 9, 36), torch.tensor([9, 9, 5])
    codes = network.quantiser.codes(x)
    hidden = hide(lengths, 9, 0.4, 2)
    loss = network.code_loss(x, codes, lengths, hidden)
    loss.backward()
    trained = {
        name.split(".")[0]
        for name, p in network.named_parameters()
        if p.grad is not None and p.grad.any()
    }
    assert trained == {"encoder", "heads", "hidden_frame"}
    # What stands in hidden frames cannot be seen.
    other = torch.where(hidden[..., None], torch.randn_like(x), x)
    assert float(network.code_loss(other, codes, lengths, hidden)) == pytest.approx(float(loss))


def test_parts_that_were_not_seen_do_not_count():
    torch.manual_seed(0)
    network = PretextNetwork(PhonologyEncoder(4, 1), SMALL, "codes", "mean", 8)
    x, lengths = torch.randn(1, 6, 36), torch.tensor([6])
    codes, hidden = network.quantiser.codes(x), torch.ones(1, 6, dtype=torch.bool)
    alone = []
    for part in range(5):
        own = codes.clone()
        own[..., [p for p in range(5) if p != part]] = -1
        alone.append(float(network.code_loss(x, own, lengths, hidden)))
    assert float(network.code_loss(x, codes, lengths, hidden)) == pytest.approx(
        sum(alone) / 5, rel=1e-5
    )
    codes[..., 4] = -1
    assert float(network.code_loss(x, codes, lengths, hidden)) == pytest.approx(
        sum(alone[:4]) / 4, rel=1e-5
    )


def test_hidden_stretches():
    torch.manual_seed(0)
    lengths = torch.full((200,), 60)
    lengths[0] = 1
    hidden = hide(lengths, 60, 0.3, 5)
    assert hidden.any(1).all()
    assert not hidden[0, 1:].any()
    assert float(hidden[1:].float().mean()) == pytest.approx(0.3, abs=0.03)
    assert not hide(lengths, 60, 0.0, 5).any()


def test_the_seed_reads_the_last_real_frame():
    torch.manual_seed(0)
    network = PretextNetwork(PhonologyEncoder(4, 1), SMALL, "original", "last", 8).eval()
    x = torch.randn(1, 9, 36)
    padded = torch.cat([x[:, :6], torch.full((1, 3, 36), 5.0)], dim=1)
    torch.testing.assert_close(
        network.embed(padded, torch.tensor([6])), network.embed(x[:, :6], torch.tensor([6]))
    )
