"""Weights come back as they were written, or an error names the file."""

import errno
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
