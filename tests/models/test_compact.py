"""The small network for sentences: its size, what a chunk may see, and the front that makes
features of landmarks.
"""

import pytest
import torch

from signlib.data.skeletons import MEDIAPIPE_543
from signlib.models.classifier import parameter_count
from signlib.models.compact import compact
from signlib.models.ctc_blocks import PlainOutput
from signlib.models.ctc_front import PartStreams, SentenceModel

SIZE, CLASSES = 6, 5


def network(**options):
    torch.manual_seed(0)
    return compact(SIZE, PlainOutput(16, CLASSES), 16, 2, 2, 5, 8, **options).eval()


def batch(lengths, seed: int = 0, frames: int = 0):
    torch.manual_seed(seed)
    lengths = torch.tensor(lengths)
    return {
        "features": torch.randn(len(lengths), frames or int(lengths.max()), SIZE),
        "lengths": lengths,
    }


@pytest.mark.parametrize("chunk", [0, 4])
def test_padding_and_company_change_nothing(chunk):
    own, made = network(stride=2, chunk=chunk), batch([17, 9, 12])
    whole = own(made)
    frames = own.frames(made["lengths"]).tolist()
    assert frames == [9, 5, 6]
    padded = {
        "features": torch.nn.functional.pad(made["features"], (0, 0, 0, 5), value=7.0),
        "lengths": made["lengths"],
    }
    for row, count in enumerate(frames):
        alone = {
            "features": made["features"][row : row + 1, : made["lengths"][row]],
            "lengths": made["lengths"][row, None],
        }
        torch.testing.assert_close(own(alone)[0], whole[row, :count], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            own(padded)[row, :count], whole[row, :count], atol=1e-5, rtol=1e-4
        )
    torch.testing.assert_close(whole.exp().sum(-1), torch.ones(whole.shape[:2]))


def test_what_was_read_in_chunks_stays():
    own, made = network(stride=2, chunk=4), batch([48])
    whole, ahead = own(made), own.encoder.inside.ahead
    later = made["features"].clone()
    later[:, 24 + ahead :] = 0
    # chunks of four pooled frames are eight frames: three of them are over before frame 24
    torch.testing.assert_close(own({**made, "features": later})[:, :12], whole[:, :12])
    assert (own({**made, "features": later})[:, 20:] - whole[:, 20:]).abs().max() > 0.01
    free = network(stride=2)
    assert (free({**made, "features": later})[:, :12] - free(made)[:, :12]).abs().max() > 1e-4


def test_the_full_one_stays_below_eight_million():
    with torch.device("meta"):
        made = compact(1500, PlainOutput(256, 1296), 256, 4, 4)
    assert parameter_count(made) < 8_000_000


def test_streams_of_parts_by_hand():
    chosen = MEDIAPIPE_543.select("upper")
    pose, hand = list(chosen.parts["pose"]), list(chosen.parts["left_hand"])
    front = PartStreams({"pose": pose, "hands": hand}, 3, [hand])
    # a point and a velocity of each; hands also have shapes about the wrist, and bones
    assert front.ranges["pose"][0][1] == front.ranges["hands"][0][0]
    points, mask = (
        torch.randn(1, 4, len(chosen), 3),
        torch.ones(1, 4, len(chosen), dtype=torch.bool),
    )
    mask[:, 2, hand] = False
    features, present = front(points, mask)
    assert features.shape == (1, 4, front.size)
    assert present[0].tolist() == [[True, True], [True, True], [True, False], [True, True]]


def test_noise_is_for_training_and_standardising_learns_places_and_spreads():
    torch.manual_seed(0)
    made = batch([400, 300])
    made["features"] = 5 + 3 * made["features"]
    model = SentenceModel(None, network(), noise=0.5, standardised=SIZE)
    model.train()
    for _ in range(60):
        model(made)
    assert (model(made) - model(made)).abs().max() > 0
    model.eval()
    assert torch.equal(model(made), model(made))
    seen = model.norm(made["features"], torch.arange(400) < made["lengths"][:, None])
    real = torch.cat([seen[0], seen[1, :300]])
    assert real.mean(0).abs().max() < 0.05
    assert (real.std(0) - 1).abs().max() < 0.05
