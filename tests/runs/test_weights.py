"""Weights come back as they were written, or an error names the file."""

import errno
import json
import os
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from signlib.errors import DiskError, RunError
from signlib.runs import weights
from signlib.runs.run import start
from signlib.settings import presets


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    return start("landmarks-small", "one", presets.build("landmarks/small"))


def test_weights_come_back_bit_for_bit(run):
    model = nn.Linear(3, 2)
    model.weight.data = model.weight.data.T.contiguous().T
    weights.save_weights(run, model)
    loaded = weights.load_weights(run)
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())


def test_a_full_disk_leaves_no_half_written_weights(run, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = set(run.path.iterdir())
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"model\.safetensors: the disk is full"):
        weights.save_weights(run, nn.Linear(3, 2))
    assert set(run.path.iterdir()) == before


class Bomb:
    def __reduce__(self):
        return open, (os.devnull + "/never", "w")


@pytest.mark.parametrize("content", [pickle.dumps(Bomb()), b"", b"text", np.arange(5).tobytes()])
def test_what_is_no_safetensors_file_is_named_and_never_loaded(run, content):
    (run.path / weights.WEIGHTS).write_bytes(content)
    with pytest.raises(
        RunError, match=r"one: model\.safetensors is damaged or no safetensors file"
    ):
        weights.load_weights(run)


def test_a_file_that_was_cut_off_is_named(run):
    weights.save_weights(run, nn.Linear(3, 2))
    path = run.path / weights.WEIGHTS
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RunError, match="is damaged"):
        weights.load_weights(run)


def test_weights_that_are_not_there_are_named(run):
    with pytest.raises(RunError, match=r"has no model\.safetensors; its training is not over"):
        weights.load_weights(run)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"classes": 3}'])
def test_damaged_facts_of_a_model_are_named(run, text):
    if text is not None:
        (run.path / weights.MODEL).write_text(text)
    with pytest.raises(RunError, match=r"one: model\.json is missing or damaged"):
        weights.load_model_facts(run)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ([], "no class"),
        (["a", "b", "a"], "class 'a' appears twice"),
        (["a", 3], "no list of classes"),
        ([str(number) for number in range(100_001)], "100,001 classes, more than 100,000"),
    ],
)
def test_classes_that_a_model_cannot_have_are_refused(run, classes, words):
    (run.path / weights.MODEL).write_text(json.dumps({"classes": classes}))
    with pytest.raises(RunError, match=rf"model\.json is missing or damaged \(.*{words}"):
        weights.load_model_facts(run)


def test_weights_that_are_no_numbers_are_never_loaded(run):
    model = nn.Linear(3, 2)
    model.bias.data[1] = torch.nan
    weights.save_weights(run, model)
    with pytest.raises(RunError, match=r"tensor 'bias' holds numbers that are not finite"):
        weights.load_weights(run)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (nn.Linear(3, 4), r"'bias' is float32 \(4,\) in .*json make it float32 \(2,\)"),
        (nn.Linear(3, 2).half(), r"'bias' is float16 \(2,\) in .* make it float32 \(2,\)"),
        (nn.Linear(3, 2, bias=False), r"'bias' is missing in .* make it float32 \(2,\)"),
        (nn.Sequential(nn.Linear(3, 2)), r"'0.bias' is float32 \(2,\) in .* make it unknown"),
    ],
)
def test_weights_of_another_network_are_refused_by_their_tensor(run, other, words):
    model = nn.Linear(3, 2)
    before = model.weight.clone()
    weights.save_weights(run, other)
    with pytest.raises(RunError, match=words) as refused:
        weights.fill(model, weights.load_weights(run), run)
    assert len(str(refused.value)) < 500
    assert torch.equal(model.weight, before)
    weights.save_weights(run, nn.Linear(3, 2))
    weights.fill(model, weights.load_weights(run), run)
    assert not torch.equal(model.weight, before)
