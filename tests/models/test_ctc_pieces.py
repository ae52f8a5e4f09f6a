"""Attention, clustered outputs and blocks for sentences, against their definitions."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from signlib.errors import SettingsError
from signlib.models.ctc_attention import CrossModal, RelativeAttention, orthogonal_directions
from signlib.models.ctc_blocks import (
    ClusteredOutput,
    Convolution,
    PlainOutput,
    Recurrent,
    dealt_clusters,
)
from signlib.models.layers import DropPath


def dense(attention: RelativeAttention, x, mask, reach: int | None = None):
    """The same attention, one frame at a time."""
    query, key, value = attention.inputs(x).chunk(3, dim=-1)
    size = x.shape[-1] // attention.heads
    out = torch.zeros_like(x)
    for b in range(len(x)):
        for t in torch.nonzero(mask[b]).ravel().tolist():
            others = [
                s
                for s in torch.nonzero(mask[b]).ravel().tolist()
                if reach is None or abs(s - t) <= reach
            ]
            for h in range(attention.heads):
                own = slice(h * size, (h + 1) * size)
                scores = torch.stack(
                    [
                        query[b, t, own] @ key[b, s, own] / size**0.5
                        + attention.distance[
                            h,
                            max(-attention.window, min(attention.window, s - t)) + attention.window,
                        ]
                        for s in others
                    ]
                )
                out[b, t, own] = scores.softmax(0) @ value[b, others, own]
    return attention.output(out) * mask[..., None]


@pytest.mark.parametrize(
    ("kind", "window", "reach"), [("full", 2, None), ("window", 3, 3), ("window", 20, 20)]
)
def test_attention_is_its_definition(kind, window, reach):
    torch.manual_seed(0)
    attention = RelativeAttention(6, 2, kind, window)
    torch.nn.init.normal_(attention.distance)
    x, mask = torch.randn(2, 10, 6), torch.arange(10) < torch.tensor([[10], [7]])
    torch.testing.assert_close(attention(x, mask), dense(attention, x, mask, reach))


def test_linear_attention_is_its_definition():
    torch.manual_seed(0)
    attention = RelativeAttention(6, 2, "linear")
    x, mask = torch.randn(2, 9, 6), torch.arange(9) < torch.tensor([[9], [5]])
    query, key, value = (
        part.unflatten(-1, (2, 3)) for part in attention.inputs(x).chunk(3, dim=-1)
    )
    query, key = functional.elu(query) + 1, functional.elu(key) + 1
    weight = torch.einsum("bthd,bshd->bhts", query, key) * mask[:, None, None]
    found = torch.einsum("bhts,bshd->bthd", weight / weight.sum(-1, keepdim=True), value).flatten(2)
    expected = attention.output(found + attention.nearby(x)) * mask[..., None]
    torch.testing.assert_close(attention(x, mask), expected)


def softmax_attention(attention: RelativeAttention, x, mask):
    """Attention to all real frames, and the convolution that stands for distances."""
    query, key, value = (
        part.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for part in attention.inputs(x).chunk(3, dim=-1)
    )
    mixed = functional.scaled_dot_product_attention(query, key, value, mask[:, None, None])
    mixed = mixed.transpose(1, 2).flatten(2)
    return attention.output(mixed + attention.nearby(x)) * mask[..., None]


def test_many_random_features_come_to_softmax_attention():
    torch.manual_seed(0)
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    x = torch.randn(2, 9, 6) * mask[..., None]
    errors = []
    for rank in (9, 9000):
        torch.manual_seed(1)
        attention = RelativeAttention(6, 2, "performer", rank=rank)
        with torch.no_grad():
            error = attention(x, mask) - softmax_attention(attention, x, mask)
        errors.append(error.abs().max().item())
    # An estimate's error falls with the root of how many features there are: by 31 here.
    assert errors[1] < 0.04
    assert errors[0] > 3 * errors[1]


def test_directions_are_at_right_angles_and_as_long_as_normal_ones():
    torch.manual_seed(0)
    directions = orthogonal_directions(5000, 4)
    assert directions.shape == (5000, 4)
    for group in directions[:12].split(4):
        angles = group @ group.T
        torch.testing.assert_close(angles, torch.diag(angles.diagonal()), atol=1e-5, rtol=0)
    # The squared length of four normal numbers is 4 on average.
    assert directions.square().sum(1).mean() == pytest.approx(4, abs=0.15)


def test_linformer_that_mixes_nothing_is_softmax_attention():
    torch.manual_seed(0)
    attention = RelativeAttention(6, 2, "linformer", limit=9, rank=9)
    attention.mix_keys.data = attention.mix_values.data = torch.eye(9)
    x, mask = torch.randn(1, 9, 6), torch.ones(1, 9, dtype=torch.bool)
    expected = softmax_attention(attention, x, mask)
    torch.testing.assert_close(attention(x, mask), expected)
    # Two keys that both are the mean of all: the mean of all values, by hand.
    two = RelativeAttention(6, 2, "linformer", limit=9, rank=2)
    two.mix_keys.data = two.mix_values.data = torch.full((2, 9), 1 / 9)
    mean = two.inputs(x)[..., 12:].mean(1, keepdim=True)
    torch.testing.assert_close(two(x, mask), two.output(mean + two.nearby(x)))


@pytest.mark.parametrize("kind", ["full", "performer", "linformer"])
def test_a_clip_beyond_the_limit_is_read_in_pieces(kind):
    torch.manual_seed(0)
    attention = RelativeAttention(6, 2, kind, 4, limit=4, rank=3)
    mask = torch.arange(10) < torch.tensor([[10], [3]])
    x = torch.randn(2, 10, 6) * mask[..., None]
    read = attention(x, mask)
    pieces = [attention(x[:1, t : t + 4], mask[:1, t : t + 4]) for t in (0, 4, 8)]
    torch.testing.assert_close(read[:1], torch.cat(pieces, dim=1))
    torch.testing.assert_close(read[1:, :3], attention(x[1:, :3], mask[1:, :3]))
    assert not read[1:, 3:].any()


@pytest.mark.parametrize("kind", ["full", "window"])
def test_only_distances_count(kind):
    torch.manual_seed(0)
    attention = RelativeAttention(6, 2, kind, 4)
    torch.nn.init.normal_(attention.distance)
    x, mask = torch.randn(1, 6, 6), torch.ones(1, 6, dtype=torch.bool)
    later = functional.pad(x, (0, 0, 5, 2)), functional.pad(mask, (5, 2))
    torch.testing.assert_close(attention(*later)[:, 5:11], attention(x, mask))


def test_a_chunk_sees_itself_and_what_was_before():
    torch.manual_seed(0)
    attention = RelativeAttention(6, 2, chunk=3)
    x, mask = torch.randn(1, 9, 6), torch.ones(1, 9, dtype=torch.bool)
    other = x.clone()
    other[:, 6:] = torch.randn(1, 3, 6)
    before, after = attention(x, mask), attention(other, mask)
    assert torch.equal(before[:, :6], after[:, :6])
    other = x.clone()
    other[:, 5] += 1
    assert not torch.allclose(attention(x, mask)[:, 3], attention(other, mask)[:, 3])


def test_attention_refuses():
    with pytest.raises(SettingsError, match="heads must divide"):
        RelativeAttention(7, 2)
    with pytest.raises(SettingsError, match="choose from full, window, linear"):
        RelativeAttention(6, 2, "sparse")
    with pytest.raises(SettingsError, match="chunks need full"):
        RelativeAttention(6, 2, "window", chunk=4)
    with pytest.raises(SettingsError, match="linformer with"):
        RelativeAttention(6, 2, "linformer")


def test_a_dropped_path_is_made_up_for():
    torch.manual_seed(0)
    path, x = DropPath(0.25), torch.ones(20_000, 1, 1)
    found = path.train()(x)
    assert found.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert found.mean() == pytest.approx(1, abs=0.02)
    assert torch.equal(path.eval()(x), x)


def test_parts_that_are_there_share_the_weight():
    torch.manual_seed(0)
    cross = CrossModal([2, 3], 4, 2).eval()
    parts, mask = [torch.randn(1, 2, 2), torch.randn(1, 2, 3)], torch.ones(1, 2, dtype=torch.bool)
    one = torch.tensor([[[True, False], [True, True]]])
    found = cross(parts, one, mask)
    changed = cross([parts[0], parts[1] + 5], one, mask)
    assert torch.equal(found[:, 0], changed[:, 0])
    assert not torch.allclose(found[:, 1], changed[:, 1])


def test_forgetting_parts_happens_in_training_only():
    torch.manual_seed(0)
    cross = CrossModal([2, 3], 4, 2, dropout=0.0, drop_part=0.5)
    parts, mask = (
        [torch.randn(64, 2, 2), torch.randn(64, 2, 3)],
        torch.ones(64, 2, dtype=torch.bool),
    )
    present = torch.ones(64, 2, 2, dtype=torch.bool)
    whole = cross.eval()(parts, present, mask)
    assert torch.equal(whole, cross(parts, present, mask))
    same = (
        torch.isclose(cross.train()(parts, present, mask), whole).flatten(1).all(1).float().mean()
    )
    assert same == pytest.approx(0.25, abs=0.15)


def test_clustered_probabilities_by_hand():
    torch.manual_seed(0)
    output = ClusteredOutput(5, [0, 1, 1, 0, 1])
    x = torch.randn(1, 2, 5)
    cluster, gloss = output.cluster(x).softmax(-1), output.gloss(x).exp()
    first, second = gloss[..., [0, 3]].sum(-1), gloss[..., [1, 2, 4]].sum(-1)
    expected = torch.stack(
        [
            cluster[..., 0],
            cluster[..., 1] * gloss[..., 0] / first,
            cluster[..., 2] * gloss[..., 1] / second,
            cluster[..., 2] * gloss[..., 2] / second,
            cluster[..., 1] * gloss[..., 3] / first,
            cluster[..., 2] * gloss[..., 4] / second,
        ],
        dim=-1,
    )
    torch.testing.assert_close(output(x).exp(), expected)


@pytest.mark.parametrize("glosses", [1, 50, 51, 1294])
def test_any_vocabulary_is_normalised(glosses):
    count = min(50, glosses)
    output = ClusteredOutput(8, dealt_clusters(np.arange(glosses), count), hidden=8, adapter=3)
    scores = output(3 * torch.randn(2, 3, 8))
    assert scores.shape == (2, 3, glosses + 1)
    torch.testing.assert_close(scores.logsumexp(-1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    assert torch.isfinite(scores).all()


def test_dealing_out_clusters():
    counts = [5, 50, 10, 40, 1, 30]  # the order is 50, 40, 30, 10, 5, 1
    assert dealt_clusters(counts, 3).tolist() == [1, 0, 2, 1, 0, 2]
    assert dealt_clusters(counts, 1).tolist() == [0] * 6
    for wrong in (0, 7):
        with pytest.raises(SettingsError, match=f"ctc.clusters={wrong} for 6 glosses: give 1 to 6"):
            dealt_clusters(counts, wrong)
    with pytest.raises(SettingsError, match="3 clusters for 2 glosses leave one empty"):
        ClusteredOutput(4, [0, 2])


def test_a_bonus_moves_the_blank_alone():
    output, x = PlainOutput(4, 3), torch.randn(1, 2, 4)
    plain, bonus = output(x), output(x, -1.5)
    torch.testing.assert_close(bonus[..., 1] - bonus[..., 2], plain[..., 1] - plain[..., 2])
    torch.testing.assert_close(bonus[..., 0] - bonus[..., 1], plain[..., 0] - plain[..., 1] - 1.5)


@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (7, 2), (5, 4)])
def test_a_convolution_reaches_as_far_as_it_says(kernel, dilation):
    for causal in (False, True):
        for separable in (False, True):
            layer = Convolution(2, 2, kernel, dilation, separable, causal)
            x = torch.zeros(1, 41, 2, requires_grad=True)
            layer(x)[0, 20].sum().backward()
            reached = torch.nonzero(x.grad[0].abs().sum(-1)).ravel() - 20
            reach = dilation * (kernel - 1)
            assert reached.min() == (-reach if causal else -reach // 2)
            assert reached.max() == (0 if causal else reach // 2)


def test_gates_start_open_once():
    lstm = Recurrent(4, 6).lstm
    for direction in ("", "_reverse"):
        bias = getattr(lstm, f"bias_ih_l0{direction}") + getattr(lstm, f"bias_hh_l0{direction}")
        assert (
            bias[6:12].tolist() == [1] * 6
        )  # the forget gate; setting it in both biases would make it 2
        assert bias[:6].abs().sum() == bias[12:].abs().sum() == 0
