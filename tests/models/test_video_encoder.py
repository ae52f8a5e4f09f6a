"""VideoMAE: the source's sizes, its mean token, and a depth encoder that starts from colour."""

import pytest
import torch

from signlib.errors import SettingsError
from signlib.models.classifier import parameter_count
from signlib.models.video import (
    VideoEncoder,
    colour_input,
    depth_from_colour,
    depth_input,
    pretrained_videomae,
    videomae,
)

TINY = {"width": 24, "layers": 2, "heads": 2, "intermediate": 48, "size": 32, "frames": 4}


@pytest.mark.parametrize(
    ("sizes", "channels", "parameters"),
    [
        ((768, 12, 12, 3072), 3, 86_225_664),
        ((512, 8, 8, 2048), 1, 25_477_632),
        ((512, 8, 8, 2048), 3, 26_001_920),
    ],
)
def test_the_seeds_encoders_have_the_seeds_size(sizes, channels, parameters):
    with torch.device("meta"):
        assert parameter_count(videomae(*sizes, channels)) == parameters


def test_one_vector_is_the_mean_of_all_tokens():
    torch.manual_seed(0)
    encoder = VideoEncoder(videomae(channels=3, **TINY)).eval()
    video = torch.randn(2, 4, 3, 32, 32)
    pooled, by_time = encoder.encode(video)
    tokens = encoder.model(video).last_hidden_state
    assert tokens.shape == (2, 2 * 2 * 2, 24)
    assert by_time.shape == (2, 2, 24)
    torch.testing.assert_close(pooled, tokens.mean(1))
    torch.testing.assert_close(by_time[:, 0], tokens[:, :4].mean(1))
    torch.testing.assert_close(encoder(video), pooled)


def test_depth_that_starts_from_colour_sees_a_grey_picture_as_colour_did():
    torch.manual_seed(0)
    colour, depth = videomae(channels=3, **TINY).eval(), videomae(channels=1, **TINY).eval()
    depth_from_colour(depth, colour)
    grey = torch.randn(1, 4, 1, 32, 32)
    with torch.no_grad():
        one = depth(grey).last_hidden_state
        three = colour(grey.expand(-1, -1, 3, -1, -1)).last_hidden_state
    torch.testing.assert_close(one, three)
    other = videomae(channels=1, **{**TINY, "width": 32})
    with pytest.raises(SettingsError, match="depth cannot start"):
        depth_from_colour(other, colour)


def test_motion_takes_away_what_stands_still():
    torch.manual_seed(0)
    encoder = VideoEncoder(videomae(channels=1, **TINY), motion=True).eval()
    video, background = torch.randn(1, 4, 1, 32, 32), torch.randn(1, 1, 1, 32, 32)
    torch.testing.assert_close(encoder(video), encoder(video + background), atol=1e-5, rtol=1e-4)
    still = encoder(background.expand(1, 4, 1, 32, 32))
    torch.testing.assert_close(still, encoder(torch.zeros(1, 4, 1, 32, 32)), atol=1e-5, rtol=1e-4)


def test_checkpointing_changes_no_gradient():
    torch.manual_seed(0)
    plain = VideoEncoder(videomae(channels=1, **TINY))
    thrifty = VideoEncoder(videomae(channels=1, **TINY), checkpointing=True)
    thrifty.load_state_dict(plain.state_dict())
    video = torch.randn(1, 4, 1, 32, 32)
    for encoder in (plain, thrifty):
        encoder.train()(video).square().sum().backward()
    for one, other in zip(plain.parameters(), thrifty.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_pictures_are_scaled_as_the_weights_expect():
    white = colour_input(torch.full((1, 2, 4, 4, 3), 255, dtype=torch.uint8))
    assert white.shape == (1, 2, 3, 4, 4)
    torch.testing.assert_close(
        white[0, 0, :, 0, 0],
        torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]),
    )
    depth = depth_input(torch.tensor([0, 255], dtype=torch.uint8).view(1, 2, 1, 1))
    assert depth.flatten().tolist() == [-1, 1]


def test_saved_weights_are_loaded_by_path_and_a_missing_name_is_explained(tmp_path, monkeypatch):
    torch.manual_seed(0)
    model = videomae(channels=3, **TINY)
    model.save_pretrained(tmp_path / "weights")
    again = pretrained_videomae(str(tmp_path / "weights"))
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    message = r"'no/such-model'.*path of a downloaded copy.*, or set rgb\.weights="
    with pytest.raises(SettingsError, match=message):
        pretrained_videomae("no/such-model")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"heads": 5}, "width/heads"),
        ({"size": 33}, "size/patch"),
        ({"frames": 5}, "frames/tubelet"),
    ],
)
def test_sizes_that_leave_a_rest_are_refused(change, names):
    with pytest.raises(SettingsError, match=names):
        videomae(channels=1, **{**TINY, **change})
