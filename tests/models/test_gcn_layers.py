"""Layers of the graph network against a slow one, from the formulas in the source's order."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from signlib.data.skeletons import HANDS_42, KINECT_20, MEDIAPIPE_543
from signlib.models.gcn import Block
from signlib.models.gcn_heads import InfoGcnHead, OriginalHead, Pool, mean_over_bodies
from signlib.models.gcn_layers import (
    Gate,
    GraphMix,
    Layer,
    Rescale,
    Stretch,
    Summaries,
    band_powers,
)
from signlib.models.graph import Neighbours, adjacency, gather_densely
from signlib.models.layers import DropPath

CHAIN = adjacency([(0, 1), (1, 2), (2, 3)], 4, hops=2)


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter and running statistic away from its start, so that nothing is inert."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.data = 0.5 + noise.square()
        elif not name.endswith(("adjacency", "num_batches_tracked")):
            value.data = value.data + 0.3 * noise
    return module


def normed(x: torch.Tensor, norm: nn.Module, training: bool) -> torch.Tensor:
    """Batch norm of (N, C, T, J), spelled out."""
    mean, variance = norm.running_mean, norm.running_var
    if training:
        mean = x.mean((0, 2, 3))
        variance = ((x - mean[:, None, None]) ** 2).mean((0, 2, 3))
    x = (x - mean[:, None, None]) / torch.sqrt(variance[:, None, None] + 1e-5)
    return x * norm.weight[:, None, None] + norm.bias[:, None, None]


def slow_layer(layer: Layer, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
    out = torch.einsum("oc,nctv->notv", layer.conv.weight[:, :, 0, 0], x[:, :, ::stride])
    return out if layer.norm is None else normed(out, layer.norm, layer.training)


def slow_graph(layer: GraphMix, x: torch.Tensor) -> torch.Tensor:
    """(N, C, T, J): K C' channels are made, then gathered subset by subset."""
    n, channels, frames, joints = x.shape
    subsets, out = len(layer.adjacency), layer.conv.out_channels
    gathered = []
    for k in range(subsets):
        weight = layer.conv.weight[:, k * channels : (k + 1) * channels, 0, 0]
        mixed = torch.einsum("oc,nctv->notv", weight, x)
        y = torch.zeros(n, out, frames, joints)
        for w in range(joints):
            for v in range(joints):
                y[..., w] += mixed[..., v] * layer.adjacency[k, v, w] * layer.edge[k, v, w]
        gathered.append(y)
    if layer.attention is None:
        total = sum(gathered)
    else:
        means = torch.cat([y.mean((2, 3)) for y in gathered], 1)
        share = (means @ layer.attention.weight.T).softmax(1)
        total = sum(share[:, k, None, None, None] * y for k, y in enumerate(gathered))
    return normed(total, layer.norm, layer.training)


def hardswish(x: torch.Tensor) -> torch.Tensor:
    return x * (x + 3).clamp(0, 6) / 6


def slow_stretch(part: Stretch, x: torch.Tensor, stride: int) -> torch.Tensor:
    wide = hardswish(slow_layer(part.widen, x))
    frames = wide.shape[2]
    kept = []
    for t in range(0, frames, stride):
        total = torch.zeros_like(wide[:, :, 0])
        for tap in range(5):
            if 0 <= t + tap - 2 < frames:
                total = total + part.slide.conv.weight[:, 0, tap] * wide[:, :, t + tap - 2]
        kept.append(total)
    slid = hardswish(normed(torch.stack(kept, 2), part.slide.norm, part.training))
    return slow_layer(part.narrow, slid) + (
        x if part.shortcut is None else slow_layer(part.shortcut, x, stride)
    )


def slow_gate(gate: Gate, x: torch.Tensor) -> torch.Tensor:
    frames = x.shape[2]
    found = sum((x[:, :, t + 1] - x[:, :, t]).abs() for t in range(frames - 1)).mean(2) / (
        frames - 1
    )
    if gate.bands:
        power = torch.fft.rfft(x, dim=2).abs().square()
        third = max(power.shape[2] // 3, 1)
        bands = power[:, :, :third], power[:, :, third : 2 * third], power[:, :, 2 * third :]
        found = torch.cat([found] + [band.mean((2, 3)) for band in bands], 1)
    share = torch.sigmoid(torch.relu(found @ gate.narrow.weight.T) @ gate.widen.weight.T)
    alpha = gate.alpha[:, None, None]
    return x + alpha * (x * share[:, :, None, None] - x)


def slow_attention(attention: nn.Module, x: torch.Tensor) -> torch.Tensor:
    def branch(layers: nn.ModuleList, mean: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(slow_layer(layers[1], torch.relu(slow_layer(layers[0], mean))))

    by_frame, by_joint = (
        branch(attention.frames, x.mean(3, True)),
        branch(attention.joints, x.mean(2, True)),
    )
    return x + attention.alpha[:, None, None] * (x * by_frame * by_joint - x)


def slow_block(block: Block, x: torch.Tensor, stride: int) -> torch.Tensor:
    found = slow_stretch(block.time, hardswish(slow_graph(block.graph, x)), stride)
    found = slow_attention(block.attention, slow_gate(block.gate, found))
    return found + (x if block.shortcut is None else slow_layer(block.shortcut, x, stride))


BLOCKS = [
    (5, 6, 1, False, False),
    (5, 6, 2, True, True),
    (6, 6, 1, True, False),
    (8, 8, 2, False, True),
]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("channels", "out", "stride", "attend", "bands"), BLOCKS)
def test_a_block_is_the_slow_one_forward_and_backward(
    channels, out, stride, attend, bands, training
):
    torch.manual_seed(1)
    block = (
        randomised(Block(channels, out, stride, CHAIN, Neighbours(CHAIN), attend, bands, 2, 0.0))
        .double()
        .train(training)
    )
    x = torch.randn(3, 9, 4, channels, dtype=torch.float64, requires_grad=True)
    torch.set_default_dtype(torch.float64)
    try:
        close = {"atol": 1e-9, "rtol": 1e-9}
        slow = slow_block(block, x.permute(0, 3, 1, 2), stride).permute(0, 2, 3, 1)
        pull = torch.randn(slow.shape)
        learned = [x, *block.parameters()]
        expected = torch.autograd.grad((slow * pull).sum(), learned)
        fast = block(x)
        torch.testing.assert_close(fast, slow, **close)
        for ours, theirs in zip(
            torch.autograd.grad((fast * pull).sum(), learned), expected, strict=True
        ):
            torch.testing.assert_close(ours, theirs, **close)
    finally:
        torch.set_default_dtype(torch.float32)


def test_gathering_on_a_chain_is_worked_out_by_hand():
    graph = adjacency([(0, 1), (1, 2), (2, 3)], 4, hops=1)
    layer = GraphMix(1, 1, graph, Neighbours(graph), attend=False).eval()
    with torch.no_grad():
        layer.conv.weight.copy_(torch.tensor([10.0, 1.0])[None, :, None, None])
        layer.edge[1, 0, 1] = 2  # what joint 0 gives to joint 1 counts twice; the way back does not
    x = torch.tensor([6.0, 12.0, 30.0, 60.0]).view(1, 1, 4, 1)
    root = 6**0.5
    own = [10 * 6 / 2, 10 * 12 / 3, 10 * 30 / 3, 10 * 60 / 2]
    near = [12 / root, 2 * 6 / root + 30 / 3, 12 / 3 + 60 / root, 30 / root]
    expected = torch.tensor([a + b for a, b in zip(own, near, strict=True)])
    torch.testing.assert_close(layer(x).flatten(), expected, rtol=2e-5, atol=0)


def test_motion_is_the_mean_absolute_step_and_zero_for_one_frame():
    x = torch.zeros(1, 3, 2, 1)
    x[0, :, 0, 0], x[0, :, 1, 0] = torch.tensor([0.0, 2, -1]), torch.tensor([5.0, 5, 6])
    motion, by_frame, by_joint = Summaries.apply(x)
    assert motion.item() == (2 + 3 + 0 + 1) / 4
    assert by_frame.flatten().tolist() == [2.5, 3.5, 2.5]
    assert by_joint.flatten().tolist() == pytest.approx([1 / 3, 16 / 3])
    assert Summaries.apply(x[:, :1])[0].item() == 0


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_gradients_written_out_are_those_of_the_formulas(frames):
    torch.manual_seed(0)
    shapes = [(2, frames, 3, 4), (2, 1, 1, 4), (2, frames, 1, 4), (2, 1, 3, 4), (2, frames, 3, 4)]
    parts = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(Rescale.apply, parts)
    assert torch.autograd.gradcheck(Summaries.apply, parts[:1])
    x, c, u, w, rest = parts
    torch.testing.assert_close(Rescale.apply(*parts), rest + x * (c + u * w))


@pytest.mark.parametrize("limit", [2**22, 1000])
@pytest.mark.parametrize("skeleton", [KINECT_20, HANDS_42, MEDIAPIPE_543], ids=lambda s: s.name)
def test_gathering_over_lists_is_the_product_with_the_whole_matrix(skeleton, limit, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr("signlib.models.graph.LISTED", limit)
    joints = len(skeleton)
    graph = adjacency(skeleton.bones, joints, hops=2).double()
    near = Neighbours(graph)
    assert len(near.giver) == (graph > 0).sum() < 0.25 * graph.numel()
    pull = torch.randn(2, 3, joints, 3 * 4, dtype=torch.float64)
    found = []
    for gather in (near.gather, gather_densely):
        x = torch.randn(
            2, 3, joints, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
        )
        edge = torch.ones_like(graph).requires_grad_()
        out = gather(x.requires_grad_(), graph * edge)
        found.append((out, *torch.autograd.grad((out * pull).sum(), (x, edge))))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 16, 17, 64])
def test_band_powers_are_those_of_torchs_fourier_transform(frames):
    x = torch.randn(2, frames, 3, 5)
    power = torch.fft.rfft(x, dim=1).abs().square().mean(2)
    third = max(power.shape[1] // 3, 1)
    expected = [power[:, :third], power[:, third : 2 * third], power[:, 2 * third :]]
    expected = [band.mean(1) if band.shape[1] else torch.zeros(2, 5) for band in expected]
    torch.testing.assert_close(band_powers(x), torch.cat(expected, 1), rtol=1e-4, atol=1e-3)


def test_drop_path_drops_whole_bodies_and_keeps_the_mean():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    x = torch.ones(4000, 1, 1, 3)
    out = drop(x)
    assert sorted(set(out.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert (out.flatten(1).std(1) == 0).all()
    assert out.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(drop.eval()(x), x)


def test_pooling_starts_half_mean_half_maximum():
    x = torch.tensor([[1.0, 3], [5, 7]])[None, :, :, None]
    pool = Pool(1)
    assert pool(x).item() == (4 + 7) / 2
    pool.gate.data.fill_(100)
    assert pool(x).item() == 4


def test_bodies_that_are_there_are_averaged():
    bodies = torch.tensor([[True, True], [False, True], [False, False]])
    found = mean_over_bodies(torch.tensor([[1.0], [5.0], [7.0]]), bodies)
    assert found.tolist() == [[3], [7], [0]]


def test_the_seeds_bottleneck_is_the_divergence_from_a_standard_normal():
    head = OriginalHead(4, 3, dropout=0.0)
    for part in (head.mean, head.log_variance):
        nn.init.zeros_(part.weight)
    head.mean.bias.data = torch.tensor([1.0, 0, 0, 0])
    head.log_variance.bias.data = torch.tensor([0.0, 2, 0, 0])
    head(torch.randn(5, 4))
    one = torch.distributions.Normal(torch.zeros(4), torch.ones(4))
    other = torch.distributions.Normal(head.mean.bias, (head.log_variance.bias / 2).exp())
    expected = torch.distributions.kl_divergence(other, one).sum()
    torch.testing.assert_close(head.auxiliary_loss(), expected)


def test_the_seeds_bottleneck_is_inert_and_the_other_one_is_not():
    torch.manual_seed(0)
    x = torch.randn(6, 8)
    for kind, matters in ((OriginalHead, False), (InfoGcnHead, True)):
        head = kind(8, 3, dropout=0.0).train()
        scores = head(x)
        grads = torch.autograd.grad(scores.square().sum(), head.mean.weight, allow_unused=True)
        assert (grads[0] is not None) == matters


def test_infogcn_draws_the_latent_only_while_training():
    torch.manual_seed(0)
    head = InfoGcnHead(8, 3, dropout=0.0)
    x = torch.randn(6, 8)
    head.log_variance.bias.data.fill_(3)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))
    torch.testing.assert_close(head(x), head.classifier(head.mean(head.norm(x))))


def test_infogcns_own_loss_is_worked_out_by_hand():
    head = InfoGcnHead(2, 3, dropout=0.0, centre=10.0, prior=0.5)
    head.directions = torch.tensor([[3.0, 0], [0, 3], [7, 7]])
    head._last = (torch.tensor([[1.0, 0], [3, 0], [0, 5]]),)
    # Means (2, 0) and (0, 5); their distances to the directions (3, 0) and (0, 3) squared, halved;
    # nobody has class 2.
    expected = 10 * ((4 / 3) ** 2 + (5 / 3) ** 2) ** 0.5 + 0.5 * ((1 / 2) + (4 / 2)) / 2
    loss = head.auxiliary_loss(torch.tensor([0, 0, 1]))
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    head._last = (torch.tensor([[1.0, 0], [3, 0], [0, 5]]),)
    soft = functional.one_hot(torch.tensor([0, 0, 1]), 3).float()
    assert head.auxiliary_loss(soft).item() == pytest.approx(expected, rel=1e-6)


def test_directions_of_infogcn_are_orthogonal_and_of_length_three():
    head = InfoGcnHead(128, 60, dropout=0.0)
    torch.testing.assert_close(
        head.directions @ head.directions.T, 9 * torch.eye(60), atol=1e-4, rtol=0
    )
