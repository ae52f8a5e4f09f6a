"""One gloss a clip with CTC: the source's counts, all alignments by hand and against torch, the
seed's answer.
"""

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

from signlib.decoding.ctc import collapse
from signlib.models.classifier import parameter_count
from signlib.models.phonology import (
    GlossReader,
    PhonologyEncoder,
    PooledReader,
    blank_share,
    first_gloss,
    one_gloss,
)


def scores_of(clips, frames, glosses, seed=0):
    torch.manual_seed(seed)
    return (2 * torch.randn(clips, frames, glosses + 1)).log_softmax(-1)


@pytest.mark.parametrize(
    ("width", "layers", "glosses", "parameters"),
    [
        (64, 1, 20, 71_893),
        (128, 2, 20, 670_101),
        (128, 2, 100, 690_661),
        (128, 2, 2000, 1_178_961),
        (128, 1, 100, 295_397),
        (256, 2, 500, 2_897_141),
        (512, 2, 2000, 12_574_161),
    ],
)
def test_the_seeds_sizes(width, layers, glosses, parameters):
    assert parameter_count(GlossReader(PhonologyEncoder(width, layers), glosses, 0.5)) == parameters


@pytest.mark.parametrize(
    ("width", "layers", "glosses"), [(64, 1, 20), (128, 2, 100), (256, 2, 500)]
)
def test_a_pooled_reader_has_no_blank(width, layers, glosses):
    encoder = PhonologyEncoder(width, layers)
    counted = parameter_count(GlossReader(encoder, glosses, 0.5))
    # One row of the last layer less, and its bias.
    pooled = parameter_count(PooledReader(encoder, glosses, 0.5))
    assert pooled == counted - 2 * width - 1


def test_a_pooled_reader_reads_the_mean_of_real_frames():
    torch.manual_seed(0)
    model = PooledReader(PhonologyEncoder(4, 1), 3, 0.5).eval()
    x, lengths = torch.randn(1, 6, 36), torch.tensor([4])
    states = model.encoder(x[:, :4], torch.ones(1, 4, dtype=torch.bool))
    expected = model.classifier(states.sum(1) / 4)
    torch.testing.assert_close(model({"features": x, "lengths": lengths}), expected)


def test_the_encoder_of_stage_one():
    assert parameter_count(PhonologyEncoder(128, 2)) == 664_704


def test_all_alignments_of_one_gloss_by_hand():
    scores = scores_of(1, 4, 2)
    found = torch.zeros(2)
    for path in product(range(3), repeat=4):
        said = collapse(path)
        if len(said) == 1:
            found[said[0] - 1] += scores[0, range(4), path].sum().exp()
    torch.testing.assert_close(one_gloss(scores, torch.tensor([4]))[0], found.log())


def test_the_same_as_torchs_ctc_loss_for_every_gloss_and_its_gradient():
    lengths, ours = torch.tensor([30, 17, 1]), scores_of(3, 30, 7).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    expected = torch.stack(
        [
            -functional.ctc_loss(
                theirs.transpose(0, 1),
                torch.full((3, 1), k),
                lengths,
                torch.ones(3, dtype=int),
                reduction="none",
            )
            for k in range(1, 8)
        ],
        dim=1,
    )
    found = one_gloss(ours, lengths)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found[0].sum().backward()
    expected[0].sum().backward()
    # torch's gradient is of scores before their softmax: it differs by a multiple of the
    # probabilities.
    share = theirs.grad - theirs.detach().exp() * theirs.grad.sum(-1, keepdim=True)
    own = ours.grad - ours.detach().exp() * ours.grad.sum(-1, keepdim=True)
    torch.testing.assert_close(own, share, rtol=1e-3, atol=1e-4)


def test_long_clips_lose_nothing():
    scores = scores_of(1, 900, 3)
    expected = -functional.ctc_loss(
        scores.transpose(0, 1),
        torch.tensor([[2]]),
        torch.tensor([900]),
        torch.tensor([1]),
        reduction="none",
    )
    assert float(one_gloss(scores, torch.tensor([900]))[0, 1]) == pytest.approx(
        float(expected), rel=1e-5
    )


@pytest.mark.parametrize("reader", [GlossReader, PooledReader])
def test_padding_and_order_of_a_batch_change_nothing(reader):
    torch.manual_seed(0)
    model = reader(PhonologyEncoder(8, 2), 5, 0.5).eval()
    long, short = torch.randn(1, 20, 36), torch.randn(1, 11, 36)
    alone = [model({"features": x, "lengths": torch.tensor([x.shape[1]])}) for x in (short, long)]
    padded = torch.cat([functional.pad(short, (0, 0, 0, 9), value=7.0), long])
    found = model({"features": padded, "lengths": torch.tensor([11, 20])})
    torch.testing.assert_close(found, torch.cat(alone))
    turned = model({"features": padded.flip(0), "lengths": torch.tensor([20, 11])})
    torch.testing.assert_close(turned.flip(0), found)


def test_the_seed_answers_with_the_first_gloss_of_the_best_path():
    best = [[0, 3, 3, 1], [0, 0, 0, 2], [0, 0, 0, 0]]
    scores = torch.from_numpy(np.eye(4, dtype=np.float32)[best])
    assert first_gloss(scores, torch.tensor([4, 3, 4])).tolist() == [2, -1, -1]


def test_the_blanks_share_can_be_learned():
    logits = torch.zeros(2, 3, 4, requires_grad=True)
    share = blank_share(logits.log_softmax(-1), torch.tensor([3, 1]))
    assert share.item() == pytest.approx(0.25)
    share.backward()
    assert logits.grad[0, 0, 0] > 0
    assert (logits.grad[1, 1:] == 0).all()  # padding has no say


def test_eight_clips_are_learned():
    torch.manual_seed(0)
    model, target = GlossReader(PhonologyEncoder(16, 1), 4, 0.0), torch.arange(8) % 4
    batch = {"features": torch.randn(8, 12, 36), "lengths": torch.full((8,), 12)}
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = -model(batch).gather(1, target[:, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss) < 0.2
    assert model(batch).argmax(1).tolist() == target.tolist()
