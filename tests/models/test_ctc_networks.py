"""Source 001's networks: their sizes, and that neither padding nor company nor a missing part
changes a clip.
"""

import numpy as np
import pytest
import torch
from torch import nn

from signlib.decoding.ctc import greedy
from signlib.errors import SettingsError
from signlib.models.classifier import parameter_count
from signlib.models.ctc import PartEncoder, cnn_lstm, hierarchical, hybrid, teacher
from signlib.models.ctc_blocks import ClusteredOutput, PlainOutput, Recurrent, dealt_clusters
from signlib.models.layers import DropPath

SEED_PARTS = {"pose": [(0, 258)], "hands": [(258, 510)], "face": [(510, 1914)]}
PARTS = {"pose": [(0, 3), (8, 10)], "hands": [(3, 6)], "face": [(6, 8)]}
CLASSES, SIZE = 7, 10


def clusters(glosses: int = CLASSES - 1, count: int = 3) -> np.ndarray:
    return dealt_clusters(np.ones(glosses), count)


def parts(width: int = 8, **options) -> PartEncoder:
    return PartEncoder(PARTS, (4, 8, 4), width, 2, **options)


SMALL = {
    "hierarchical": lambda **o: hierarchical(SIZE, PlainOutput(16, CLASSES), 8, **o),
    "improved": lambda **o: hierarchical(
        SIZE, PlainOutput(16, CLASSES, 12), 8, (5, 9, 15), residual=True, **o
    ),
    "everything": lambda **o: hierarchical(
        SIZE,
        ClusteredOutput(16, clusters()),
        8,
        residual=True,
        separable=True,
        multiscale=True,
        encoder=parts(),
        **o,
    ),
    "separable": lambda **o: hierarchical(SIZE, PlainOutput(16, CLASSES), 8, separable=True, **o),
    "teacher": lambda **o: teacher(SIZE, PlainOutput(16, CLASSES), 8, 2, **o),
    "cnn_lstm": lambda **o: cnn_lstm(SIZE, ClusteredOutput(8, clusters()), 8, **o),
    "hybrid": lambda **o: hybrid(parts(), ClusteredOutput(8, clusters(), 12, 4), 8, 2, **o),
    "hybrid, windows": lambda **o: hybrid(parts(), PlainOutput(8, CLASSES), 8, 2, "window", 3, **o),
    "hybrid, normed": lambda **o: hybrid(parts(), PlainOutput(8, CLASSES), 8, 2, normed=True, **o),
    "hybrid, linear": lambda **o: hybrid(parts(), PlainOutput(8, CLASSES), 8, 2, "linear", **o),
    "hybrid, performer": lambda **o: hybrid(
        parts(), PlainOutput(8, CLASSES), 8, 2, "performer", rank=6, **o
    ),
    "hybrid, linformer in pieces": lambda **o: hybrid(
        parts(), PlainOutput(8, CLASSES), 8, 2, "linformer", limit=3, rank=2, **o
    ),
}


def without_chance(network: nn.Module) -> nn.Module:
    for part in network.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, DropPath):
            part.rate = 0.0
    return network


def batch(lengths, seed: int = 0, frames: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    lengths = torch.tensor(lengths)
    return {
        "features": torch.randn(len(lengths), frames or int(lengths.max()), SIZE),
        "lengths": lengths,
    }


def test_the_seeds_own_counts():
    with torch.device("meta"):
        assert parameter_count(hierarchical(1024, PlainOutput(1024, 966))) == 20_146_118
        whole = teacher(6516, PlainOutput(1024, 1295))
        assert parameter_count(whole) == 41_638_671
        assert parameter_count(whole.encoder.inside.convolutions[0]) == 16_681_472
        improved = hierarchical(1024, PlainOutput(1536, 966, 1536), 768, (5, 9, 15), residual=True)
        assert parameter_count(improved) == 52_043_718


def test_sizes_of_phases_2_and_3():
    dealt = dealt_clusters(np.ones(1294), 50)
    with torch.device("meta"):
        assert parameter_count(cnn_lstm(1024, ClusteredOutput(768, dealt))) == 26_533_441
        encoder = PartEncoder(SEED_PARTS, (128, 256, 128), 512, 16)
        made = hybrid(encoder, ClusteredOutput(512, dealt, 1024, 64))
    assert parameter_count(made) == 33_199_793
    # the source's own items by hand: two convolutions, two norms and a short cut each; a
    # transformer block
    by_hand = [
        (512 * 3 + 1) * 256 + (256 * 3 + 1) * 256 + 4 * 256 + (512 + 1) * 256,
        2 * (256 * 5 + 1) * 256 + 4 * 256,
        (256 * 7 + 1) * 512 + (512 * 7 + 1) * 512 + 4 * 512 + (256 + 1) * 512,
        2 * (512 * 7 + 1) * 512 + 4 * 512,
        4 * (512 + 1) * 512 + (512 + 1) * 2048 + (2048 + 1) * 512 + 4 * 512 + 8 * 65,
    ]
    assert [parameter_count(stage) for stage in made.stages[:5]] == by_hand


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("name", SMALL)
def test_neither_padding_nor_company_changes_a_clip(name, stride):
    torch.manual_seed(1)
    network = SMALL[name](stride=stride).eval()
    lengths = [11, 4, 9, 1]
    found = batch(lengths, frames=14)
    frames = network.frames(found["lengths"]).tolist()
    assert frames == [-(-length // stride) for length in lengths]
    together = network(found)
    assert together.shape == (4, -(-14 // stride), CLASSES)
    order = [2, 0, 3, 1]
    shuffled = network({key: value[order] for key, value in found.items()})
    for row, (length, out) in enumerate(zip(lengths, frames, strict=True)):
        alone = {
            "features": found["features"][row : row + 1, :length],
            "lengths": found["lengths"][row : row + 1],
        }
        torch.testing.assert_close(together[row, :out], network(alone)[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            together[row, :out], shuffled[order.index(row), :out], atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("name", ["teacher", "hybrid", "hybrid, normed", "cnn_lstm"])
def test_padding_changes_no_gradient_in_training(name):
    """In training, too, statistics and norms look at real frames only."""
    torch.manual_seed(1)
    network = without_chance(SMALL[name](dropout=0.0)).train().double()
    found = batch([9, 6])
    found["features"] = found["features"].double()
    longer = {**found, "features": nn.functional.pad(found["features"], (0, 0, 0, 5), value=3.0)}
    gradients = []
    for given in (found, longer):
        network.zero_grad()
        out = network(given)
        torch.stack([out[0, :9].sum(), out[1, :6].sum()]).sum().backward()
        gradients.append({name: p.grad.clone() for name, p in network.named_parameters()})
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][key], atol=1e-9, rtol=1e-9, msg=key)


NORMED = ("hierarchical", "everything", "teacher", "cnn_lstm", "hybrid")


@pytest.mark.parametrize("name", NORMED)
def test_norms_show_the_output_what_changes_and_have_no_parameters(name):
    """Why a network leaves the blank: frames are much alike, what they share says nothing."""
    found = batch([40, 40])
    found["features"] = 1 + 0.1 * found["features"]
    spreads, parameters = [], []
    for normed in (False, True):
        torch.manual_seed(2)
        network = without_chance(SMALL[name](dropout=0.0, normed=normed)).train()
        spreads.append(network(found).std(1).mean().item())
        parameters.append({key: p.clone() for key, p in network.named_parameters()})
    # Most where two bare LSTMs stand before the output.
    assert spreads[1] > (3 if name == "hierarchical" else 1) * spreads[0]
    # What is trained is the same, to the first value: runs start from runs without norms.
    torch.testing.assert_close(*parameters)


@pytest.mark.parametrize("name", NORMED)
def test_norms_stand_before_the_output(name):
    network = without_chance(SMALL[name](dropout=0.0, normed=True)).train()
    frames, early = (x.flatten(0, 1) for x in network.encode(batch([12, 12])))
    for x in (frames, early):
        torch.testing.assert_close(x.mean(0), torch.zeros(x.shape[1]), atol=1e-5, rtol=0)
        assert (x.var(0, unbiased=False) > 0.9).float().mean() > 0.9


def test_early_frames_are_read_by_the_same_output():
    network = SMALL["hierarchical"](stride=2).eval()
    found = batch([7, 4])
    late, early = network.twice(found)
    assert torch.equal(late, network(found))
    mask = torch.arange(7) < found["lengths"][:, None]
    inside = network.encoder(found["features"] * mask[..., None], mask)
    # The first pooled frame is the mean of two, read as twice the same eight numbers.
    pooled = inside[:, :2].mean(1).repeat(1, 2)
    expected = network.output.scores(pooled).log_softmax(-1)
    torch.testing.assert_close(early[:, 0], expected)


@pytest.mark.parametrize(
    ("name", "stages"),
    [("hierarchical", 0), ("everything", 4), ("teacher", 0), ("cnn_lstm", 3), ("hybrid", 5)],
)
def test_early_frames_come_before_the_recurrent_layers(name, stages):
    network = SMALL[name]()
    kinds = [type(stage).__name__ for stage in network.stages]
    assert network.early == stages
    assert all("Recurrent" not in kind for kind in kinds[:stages])
    assert "Recurrent" in kinds[stages]


@pytest.mark.parametrize("name", SMALL)
def test_classes_sum_to_one_whatever_the_blank_is_given(name):
    network = SMALL[name]().eval()
    plain = network(batch([6, 3]))
    network.blank_bonus = -2.0
    rarer = network(batch([6, 3]))
    for scores in (plain, rarer):
        torch.testing.assert_close(scores.logsumexp(-1), torch.zeros(2, 6), atol=1e-5, rtol=0)
    odds = (plain[..., 0].exp() / (1 - plain[..., 0].exp())) / (
        rarer[..., 0].exp() / (1 - rarer[..., 0].exp())
    )
    torch.testing.assert_close(
        odds, torch.full((2, 6), np.exp(2.0), dtype=torch.float32), atol=1e-2, rtol=1e-3
    )


@pytest.mark.parametrize("name", ["everything", "hybrid", "hybrid, linear"])
def test_what_a_missing_part_held_changes_nothing(name):
    network = SMALL[name]().eval()
    found = batch([8, 5])
    present = torch.rand(2, 8, 3) > 0.4
    present[0, 3] = False  # nothing at all
    changed = found["features"].clone()
    for part, ranges in enumerate(PARTS.values()):
        for start, end in ranges:
            changed[..., start:end][~present[..., part]] = 99.0
    first = network({**found, "present": present})
    assert torch.equal(first, network({**found, "features": changed, "present": present}))
    assert torch.isfinite(first).all()
    assert not torch.equal(first, network(found))


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name):
    network = SMALL[name]().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    # What stands beside a short cut may begin with nothing, and wakes up in the first step.
    for _ in range(2):
        optimizer.zero_grad()
        network(batch([9, 7])).pow(2).mean().backward()
        optimizer.step()
    dead = [
        key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert dead == []


@pytest.mark.parametrize("name", ["improved", "hybrid", "cnn_lstm", "everything"])
def test_checkpointing_gives_the_same_gradients_and_statistics_bit_for_bit(name):
    gradients, buffers, normed = [], [], 0
    for again in (False, True):
        torch.manual_seed(3)
        network = SMALL[name](checkpointing=again).train()
        before = {key: buffer.clone() for key, buffer in network.named_buffers()}
        network(batch([9, 7])).pow(2).sum().backward()
        gradients.append([p.grad for p in network.parameters()])
        buffers.append(list(network.buffers()))
        normed = sum(
            not torch.equal(b, before[key])
            for key, b in network.named_buffers()
            if key.startswith("stages.")
        )
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(*buffers, strict=True))
    # mean, variance and count of the two norms in each of four temporal blocks have moved
    assert normed == (24 if name in ("hybrid", "everything") else 0)


@pytest.mark.parametrize("name", SMALL)
def test_each_learns_four_sentences_by_heart(name):
    torch.manual_seed(0)
    network = without_chance(SMALL[name](dropout=0.0))
    found = batch([16, 14, 16, 12], seed=5)
    targets = [[1, 2, 3], [2, 2], [6, 5, 4, 1], [3]]
    flat, sizes = (
        torch.tensor([k for target in targets for k in target]),
        torch.tensor([len(t) for t in targets]),
    )
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    lengths = network.frames(found["lengths"])
    for step in range(300):
        scores = network.train()(found)
        if (
            step % 10 == 0
            and greedy(network.eval()(found).detach().numpy(), lengths.tolist()) == targets
        ):
            return
        loss = nn.functional.ctc_loss(scores.transpose(0, 1), flat, lengths, sizes)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    pytest.fail("not learned in 300 steps")


def test_what_is_refused():
    with pytest.raises(SettingsError, match="give each part a width"):
        PartEncoder(PARTS, (4, 8), 8, 2)
    with pytest.raises(SettingsError, match="heads must divide the width"):
        parts(7)
    with pytest.raises(ValueError, match="a residual needs 8 or 16 numbers a frame, not 5"):
        Recurrent(5, 8, residual=True)
