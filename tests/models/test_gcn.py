"""The graph network: the source's counts to each block, receptive field, bodies, order, folding of
norms.
"""

import copy
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from signlib.data.skeletons import HANDS_42, KINECT_20, MEDIAPIPE_75, MEDIAPIPE_543, NTU_25
from signlib.errors import SettingsError
from signlib.models.classifier import parameter_count
from signlib.models.counting import graph_macs
from signlib.models.gcn import TOGETHER, VARIANTS, GraphNetwork, GraphSizes, sizes_of
from signlib.models.graph import adjacency
from signlib.settings import presets
from signlib.tasks.graph import graph_network
from signlib.training.optim import parameter_groups

TINY = GraphSizes(6, (8, 12), (1, 1), hops=1, dropout=0.0)
BLOCKS = {
    "nano": [
        (2850, 4736, 544, 1088, 832),
        (4418, 12576, 1200, 2400, 1632),
        (7522, 21888, 2112, 4224, 3200),
    ],
    "small": [
        (7011, 10176, 1200, 2400, 1632),
        (11795, 21888, 2112, 4224, 3200),
        (14867, 17664, 2112, 4224, 0),
        (21363, 48192, 4704, 9408, 6336),
        (30579, 38784, 4704, 9408, 0),
    ],
    "base": [
        (11795, 17664, 2112, 4224, 3200),
        (14867, 17664, 2112, 4224, 0),
        (21363, 48192, 4704, 9408, 6336),
        (30579, 38784, 4704, 9408, 0),
        (40147, 84736, 8320, 16640, 12544),
        (52435, 68096, 8320, 16640, 0),
    ],
    "large": [
        (14275, 27200, 3280, 6560, 4000),
        (21955, 27200, 3280, 6560, 0),
        (29987, 65184, 6384, 12768, 9184),
        (40739, 52416, 6384, 12768, 0),
        (57395, 131520, 32160, 25920, 18240),
        (80435, 105600, 32160, 25920, 0),
    ],
}
"""Graph, temporal unit, gate, attention and shortcut of each block at 25 joints, as the source's
code has them.
"""
REST = {
    "nano": (282, 4092, 0),
    "small": (370, 6108, 0),
    "base": (546, 8124, 33_024),
    "large": (546, 10_140, 41_216),
}
"""Fusion, head, and the bottleneck's two linear maps."""
TOTALS = {"nano": 75_596, "small": 284_461, "base": 600_912, "large": 911_376}
MACS = {"nano": 0.0576, "small": 0.1861, "base": 0.4066, "large": 0.5839}
"""10^9 multiply-accumulates of one body, 64 frames, channels mixed before joints gather (the
source's order).
"""


def network(variant="nano", skeleton=NTU_25, classes=60, **more) -> GraphNetwork:
    hops = (VARIANTS[variant] if isinstance(variant, str) else variant).hops
    return GraphNetwork(variant, adjacency(skeleton.bones, len(skeleton), hops), classes, **more)


def lived_in(model: GraphNetwork) -> GraphNetwork:
    """The model as if trained: gates open, norms uneven, running statistics of random clips."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 0.3 if parameter.ndim == 1 or name.endswith(".edge") else 0.1 * parameter.std()
            parameter.add_(torch.randn_like(parameter) * spread)
        model.train()
        for seed in range(40):
            model(clips(4, joints=model.joints, seed=seed))
    return model


def clips(
    count: int, frames: int = 12, joints: int = 25, seed: int = 0, streams: int = 3
) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    batch = torch.randn(count, 2, streams, frames, joints, 3, generator=generator)
    return {"streams": batch, "bodies": torch.ones(count, 2, dtype=torch.bool)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_part_has_as_many_parameters_as_the_seeds(variant):
    model = network(variant)
    assert [
        tuple(
            0 if part is None else parameter_count(part)
            for part in (block.graph, block.time, block.gate, block.attention, block.shortcut)
        )
        for block in model.blocks
    ] == BLOCKS[variant]
    fusion, head, bottleneck = REST[variant]
    assert parameter_count(model.norm) + parameter_count(model.fusion) == fusion
    assert parameter_count(model.pool) + parameter_count(model.head) == head + bottleneck
    assert parameter_count(model) == TOTALS[variant]
    assert parameter_count(network(variant, head="plain")) == TOTALS[variant] - bottleneck


@pytest.mark.parametrize(
    "skeleton", [KINECT_20, NTU_25, HANDS_42, MEDIAPIPE_75, MEDIAPIPE_543], ids=lambda s: s.name
)
@pytest.mark.parametrize("variant", VARIANTS)
def test_another_skeleton_changes_only_the_weights_of_edges(variant, skeleton):
    sizes, joints = VARIANTS[variant], len(skeleton)
    graph = adjacency(skeleton.bones, joints, sizes.hops)
    with torch.device("meta"):
        model = GraphNetwork(variant, graph, 60)
    edges = sum(sizes.blocks) * (sizes.hops + 1) * (joints**2 - 25**2)
    assert parameter_count(model) == TOTALS[variant] + edges


CHANGED = {
    # 11 a channel in the fusion, and 2 x 32 + 32 in graph and shortcut of the first block.
    "stem=30": 6 * (11 + 3 * 32),
    # First block 14,010 for 10,050, the second 2 x 8 x 48 and 8 x 48 more for its input.
    "channels=[40,48,64]": 3960 + 24 * 48,
    # A block 48 -> 48: 5,954 + 10,176 + 1,200 + 2,400.
    "blocks=[1,2,1]": 19_730,
    # A temporal unit has 2 e C^2 + 9 e C + 2 C numbers.
    "expand=3": 2 * (32**2 + 48**2 + 64**2) + 9 * (32 + 48 + 64),
    # One subset more: Ci Co + 625 a block.
    "hops=2": 24 * 32 + 32 * 48 + 48 * 64 + 3 * 625,
    # Three bands more before the narrow layer of the last block, whose width is 16.
    "gate=hybrid": 3 * 64 * 16,
    # A linear map of two subsets: 4 Co a block.
    "attend=weighted": 4 * (32 + 48 + 64),
    # Two maps 64 -> 64 with bias.
    "bottleneck=with": 2 * (64 * 64 + 64),
}
"""What a setting changed in `ntu60/nano` adds to its 75,596 parameters, by hand."""


@pytest.mark.parametrize("override", CHANGED)
def test_a_changed_size_has_as_many_parameters_as_counted_by_hand(override):
    settings = presets.build("ntu60/nano", overrides=[f"gcn.{override}"])
    with torch.device("meta"):
        model = graph_network(settings, NTU_25, 60)
    assert parameter_count(model) == 75_596 + CHANGED[override]
    assert sizes_of(settings.gcn) == model.sizes != VARIANTS["nano"]


def test_what_larger_variants_have_can_be_taken_away():
    without = ["gcn.bottleneck=without", "gcn.gate=motion", "gcn.attend=equally"]
    with torch.device("meta"):
        model = graph_network(presets.build("ntu60/large", overrides=without), NTU_25, 60)
    # The bottleneck, two gates of 160 channels, K^2 Co of each block.
    gone = 41_216 + 2 * 3 * 160 * 40 + 9 * 2 * (80 + 112 + 160)
    assert parameter_count(model) == 911_376 - gone


def test_multiply_accumulates_follow_changed_sizes():
    """From the hand-counted ones of nano: 25 joints, 64 frames, which halve twice."""
    nano = VARIANTS["nano"]
    plain, wider = (graph_macs(sizes, 64, 25, 9, 60) for sizes in (nano, replace(nano, expand=3)))
    points = [25 * 64, 25 * 64, 25 * 32, 25 * 16]
    more = sum(
        before * width**2 + after * (5 * width + width**2)
        for before, after, width in zip(points, points[1:], (32, 48, 64), strict=False)
    )
    assert wider - plain == more


@pytest.mark.parametrize("joints", [20, 75, 543])
def test_any_skeleton_gives_scores(joints):
    skeleton = {20: KINECT_20, 75: MEDIAPIPE_75, 543: MEDIAPIPE_543}[joints]
    assert network("small", skeleton, 7)(clips(2, 8, joints)).shape == (2, 7)


@pytest.mark.parametrize("variant", VARIANTS)
def test_multiply_accumulates_are_the_seeds_and_ours_are_fewer(variant):
    seeds = graph_macs(VARIANTS[variant], 64, 25, 9, 60)
    assert round(seeds / 1e9, 4) == MACS[variant]
    model = network(variant, bodies=1).eval()
    for block in model.blocks:
        block.graph.sparse = False  # sums over lists are not counted
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(clips(1, 64))
    # Gathered before mixing: each block's K J^2 products are those of Ci channels, not of Co.
    fewer, frames = 0, 64
    for block in model.blocks:
        mixed, subsets = block.graph.conv, len(block.graph.adjacency)
        fewer += frames * 25**2 * (subsets * mixed.out_channels - mixed.in_channels)
        frames //= block.time.slide.conv.stride[0]
    # Attention to subsets is tiny, and the source's Fourier transform is not a product.
    assert counter.get_total_flops() / 2 == pytest.approx(seeds - fewer, rel=0.007)
    assert 0.95 * seeds < seeds - fewer < 0.99 * seeds


CHAIN = 40


@pytest.mark.parametrize(
    ("variant", "hops"), [("nano", 3), ("small", 10), ("base", 12), ("large", 12)]
)
def test_a_joint_sees_as_far_as_the_seeds_table_says(variant, hops):
    torch.manual_seed(0)
    edges = [(i, i + 1) for i in range(CHAIN - 1)]
    model = (
        GraphNetwork(variant, adjacency(edges, CHAIN, VARIANTS[variant].hops), 5).double().eval()
    )
    # Gates start closed; the attention to subsets is the only other way from joint to joint.
    for block in model.blocks:
        if block.graph.attention is not None:
            torch.nn.init.zeros_(block.graph.attention.weight)
    x = torch.randn(1, 3, 8, CHAIN, 3, dtype=torch.float64, requires_grad=True)
    middle = CHAIN // 2
    model.features(x)[:, :, middle].sum().backward()
    felt = x.grad.abs().sum((0, 1, 2, 4)).nonzero().flatten()
    assert felt.tolist() == list(range(middle - hops, middle + hops + 1))
    assert VARIANTS[variant].receptive_field == hops


@pytest.mark.parametrize("head", ["plain", "infogcn"])
@pytest.mark.parametrize("variant", ["nano", "large"])
def test_neither_order_nor_company_nor_an_absent_body_changes_scores(variant, head):
    model = lived_in(network(variant, head=head)).eval()
    batch = clips(4)
    batch["bodies"] = torch.tensor([[True, True], [True, False], [False, True], [True, True]])
    with torch.no_grad():
        scores = model(batch)
        order = torch.tensor([2, 0, 3, 1])
        turned = model({key: value[order] for key, value in batch.items()})
        torch.testing.assert_close(turned, scores[order], atol=1e-5, rtol=1e-4)
        for i in range(4):
            alone = model({key: value[i : i + 1] for key, value in batch.items()})
            torch.testing.assert_close(alone[0], scores[i], atol=1e-5, rtol=1e-4)
        noisy = batch["streams"].clone()
        noisy[~batch["bodies"]] = torch.nan
        torch.testing.assert_close(model({**batch, "streams": noisy}), scores, atol=1e-5, rtol=1e-4)


def test_an_absent_body_changes_nothing_while_training_either():
    single = clips(4)
    single["bodies"][:, 1] = False
    found = []
    for filler in (0.0, 1e4):
        torch.manual_seed(0)
        model = network("nano", dropout=0.0).train()
        single["streams"][:, 1] = filler
        scores = model(single)
        scores.square().sum().backward()
        found.append([scores, model.norm.running_var, *(p.grad for p in model.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_two_bodies_count_the_same_and_one_can_be_asked_for():
    model = lived_in(network("nano")).eval()
    batch = clips(3)
    with torch.no_grad():
        swapped = model({**batch, "streams": batch["streams"].flip(1)})
        torch.testing.assert_close(swapped, model(batch), atol=1e-5, rtol=1e-4)
        model.bodies = 1
        first = model(batch)
        batch["streams"][:, 1] += 1
        assert torch.equal(model(batch), first)
        assert not torch.allclose(first, swapped)


def test_many_bodies_go_through_in_pieces_without_gradients():
    model = lived_in(network("nano")).eval()
    batch = clips(TOGETHER, 8)
    whole = model(batch)
    with torch.no_grad():
        torch.testing.assert_close(model(batch), whole, atol=1e-5, rtol=1e-4)


def test_a_clip_without_anybody_gets_scores_and_spoils_none():
    model = network("nano").eval()
    batch = clips(2)
    with torch.no_grad():
        both = model(batch)
        batch["bodies"][0] = False
        torch.testing.assert_close(model(batch)[1], both[1])
        batch["bodies"][1] = False
        assert model(batch).isfinite().all()


@pytest.mark.parametrize("head", ["original", "plain", "infogcn"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_norms_folded_into_layers_give_the_same_scores(variant, head):
    model = lived_in(network(variant, head=head)).eval()
    batch, fused = clips(3, 16), model.fused()
    assert not [
        part
        for part in fused.modules()
        if isinstance(part, torch.nn.BatchNorm2d) and part is not fused.norm
    ]
    with torch.no_grad():
        expected = model(batch)
        torch.testing.assert_close(fused(batch), expected, atol=1e-5, rtol=0)
        assert expected.std() > 0.01
    assert not any(p.requires_grad for p in fused.parameters())
    assert parameter_count(model) == parameter_count(network(variant, head=head))


def test_every_parameter_learns_unless_its_gate_is_closed():
    torch.manual_seed(0)
    model = lived_in(network("large", head="infogcn")).train()
    scores = model(clips(4))
    targets = torch.tensor([0, 1, 2, 3])
    (torch.nn.functional.cross_entropy(scores, targets) + model.auxiliary_loss(targets)).backward()
    silent = [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert silent == []


def test_a_heads_own_loss_comes_once_after_each_training_forward():
    model = network("base").train()
    assert model(clips(2)).shape == (2, 60)
    assert model.auxiliary_loss().item() > 0
    with pytest.raises(SettingsError, match="once after each forward"):
        model.auxiliary_loss()
    model(clips(2))
    copied = copy.deepcopy(model)  # what forward left has a history, which no copy can have
    with pytest.raises(SettingsError, match="call the model first"):
        copied.auxiliary_loss()
    assert model.auxiliary_loss().requires_grad
    model(clips(2))
    model.eval()(clips(2))
    with pytest.raises(SettingsError, match="training mode"):
        model.auxiliary_loss()
    assert network("nano").auxiliary_loss() == 0
    infogcn = network("nano", head="infogcn")
    infogcn(clips(2))
    with pytest.raises(SettingsError, match="targets"):
        infogcn.auxiliary_loss()


SEED_UNDECAYED = {"nano": 5_668, "small": 13_637, "base": 18_000, "large": 19_424}
UNDECAYED = {"nano": 6_740, "small": 16_061, "base": 21_728, "large": 23_968}


@pytest.mark.parametrize("variant", VARIANTS)
def test_weight_decay_acts_on_matrices_only(variant):
    model = network(variant)
    groups = {
        group["weight_decay"]: group["params"] for group in parameter_groups(model, 0.1, 4e-4)
    }
    counts = {decay: sum(p.numel() for p in found) for decay, found in groups.items()}
    assert counts == {0.0: UNDECAYED[variant], 4e-4: TOTALS[variant] - UNDECAYED[variant]}
    free = {id(p) for p in groups[0.0]}
    assert free == {
        id(p) for name, p in model.named_parameters() if p.ndim == 1 or name.endswith(".edge")
    }
    # The source goes by names, and misses the norms of all layers that it wrote as a sequence.
    missed = ("fusion", "time", "attention", "shortcut")
    gone = sum(
        p.numel()
        for name, p in model.named_parameters()
        if name.endswith("norm.weight") and set(missed) & set(name.split("."))
    )
    assert UNDECAYED[variant] - gone == SEED_UNDECAYED[variant]


@pytest.mark.parametrize("head", ["plain", "infogcn"])
def test_eight_clips_are_learned_by_heart(head):
    torch.manual_seed(0)
    batch, targets = clips(8, seed=5), torch.arange(8)
    model = GraphNetwork(TINY, adjacency(NTU_25.bones, 25, 1), 8, head=head)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(batch), targets) + model.auxiliary_loss(
            targets
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (model.eval()(batch).argmax(1) == targets).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"variant": "micro"}, "nano, small, base, large"),
        ({"adjacency": torch.ones(3, 25, 25)}, "hops=1"),
        ({"head": "mmd"}, "original, plain, infogcn"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, words):
    settings = {"variant": "nano", "adjacency": torch.ones(2, 25, 25), "classes": 5} | arguments
    with pytest.raises(SettingsError, match=words):
        GraphNetwork(**settings)


def test_a_batch_of_another_shape_is_refused():
    with pytest.raises(SettingsError, match=r"\(3, 25, 3\)"):
        network("nano")(clips(1, streams=4))
    with pytest.raises(SettingsError, match=r"\(3, 20, 3\)"):
        network("nano")(clips(1, joints=20))
