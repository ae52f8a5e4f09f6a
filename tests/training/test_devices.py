"""Several processes train what one process trains; they are resumed, end in time, and refuse what
cannot be.
"""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import BatchSampler, SequentialSampler

from signlib.errors import RunError, SettingsError
from signlib.settings import config
from signlib.settings.training import AugmentSettings
from signlib.training import devices
from signlib.training.augment import Augment
from signlib.training.batches import ClipDataset
from signlib.training.classification import ClassificationFitting
from signlib.training.fit import CHECKPOINT, DealtBatches, Fitted, ShuffledByEpoch, fit

JOINTS, CLASSES = 4, 3
STILL = {
    **{f"augment.{name}": 0.0 for name in vars(AugmentSettings())},
    "features.frames": 6,
    "features.coordinates": 2,
    "training.batch_size": 4,
    "training.effective_batch": 8,
    "training.epochs": 3,
    "training.learning_rate": 0.2,
    "training.warmup": 0.0,
    "training.average": 0.8,
    "training.patience": 9,
    "training.threads": 1,
    "training.accelerator": "cpu",
}
pytestmark = pytest.mark.xdist_group("devices")  # one server of processes for all of them


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr(devices, "_cores", lambda: 2)


def dataset(size: int, seed: int = 0) -> ClipDataset:
    rng = np.random.default_rng(seed)
    targets = np.arange(size) % CLASSES
    return ClipDataset(
        [(rng.normal(size=(5, JOINTS, 2)) + t).astype(np.float32) for t in targets], targets
    )


class Little(nn.Module):
    """No dropout; a layer that nothing reads; in the second epoch, while the file stands, it does
    what `fate` says.
    """

    classes = CLASSES

    def __init__(self, fate: str = "", file: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(JOINTS * 2, 6), nn.Linear(6, CLASSES)
        self.unread = nn.Linear(2, 2)
        self.fate, self.file, self.calls = fate, Path(file), 0

    def forward(self, batch):
        self.calls += self.training
        scores = self.head(torch.tanh(self.body(batch["points"].mean(dim=1).flatten(1))))
        if (
            self.fate
            and self.calls == 5
            and self.file.is_file()
            and os.environ.get("LOCAL_RANK") == "1"
        ):
            if self.fate == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            scores = scores * float("nan")
        return scores


def run(folder: Path, count: int, model: nn.Module | None = None, resume: bool = False, **more):
    """18 clips are five batches, so that two processes share them unevenly; 9 clips validate in
    three.
    """
    settings = config.build(STILL, {"training.devices": count}, more)
    augment = Augment(settings.augment, range(JOINTS), (), 2)
    task = ClassificationFitting(
        model or Little(), settings, augment, torch.tensor([0.5, 1.0, 2.0])
    )
    folder.mkdir(exist_ok=True)
    return task, fit(task, dataset(18), dataset(9, seed=1), settings, folder, resume, quiet=True)


def assert_same(
    one: tuple[ClassificationFitting, Fitted],
    two: tuple[ClassificationFitting, Fitted],
    **tolerance,
) -> None:
    ours, theirs = one[0].model.state_dict(), two[0].model.state_dict()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, **tolerance)
    assert (one[1].chosen, one[1].epochs, one[1].steps) == (
        two[1].chosen,
        two[1].epochs,
        two[1].steps,
    )
    for a, b in zip(one[1].history, two[1].history, strict=True):
        assert a["validation_accuracy"] == b["validation_accuracy"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-6)
        assert (a["epoch"], a["step"]) == (b["epoch"], b["step"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "_cores", lambda: 2)
        return run(tmp_path_factory.mktemp("whole"), 2)


def test_two_processes_train_what_one_trains(tmp_path, whole):
    alone = run(tmp_path, 1)
    assert alone[1].steps == 3 * 3, "five batches of four are two steps of eight and a rest"
    assert_same(whole, alone, atol=1e-6, rtol=1e-5)
    assert (whole[1].device, alone[1].device) == ("2 x cpu", "cpu")
    start = Little().state_dict()
    assert (whole[0].model.state_dict()["head.weight"] - start["head.weight"]).abs().max() > 0.01
    assert whole[0].history == whole[1].history
    right = [row["validation_accuracy"] * 9 / 100 for row in whole[1].history]
    assert right == pytest.approx([round(count) for count in right])
    assert len(set(right)) > 1
    assert whole[1].chosen.endswith("step 9)"), "else the last weights were not compared"


def test_a_killed_process_ends_the_run_and_resuming_is_as_if_nothing_had_been(tmp_path, whole):
    fate = tmp_path / "fate"
    fate.touch()
    with pytest.raises(RunError, match=r"training process 1 of 2 was killed.*--resume"):
        run(tmp_path / "run", 2, Little("killed", str(fate)))
    assert len(torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)["history"]) == 1
    fate.unlink()
    assert_same(run(tmp_path / "run", 2, resume=True), whole, atol=0, rtol=0)


def test_all_processes_end_when_the_time_is_over_and_any_number_goes_on(tmp_path, whole):
    _, part = run(tmp_path, 2, **{"training.hours": 1e-9})
    assert (part.complete, part.chosen, part.epochs) == (False, "unfinished", 1)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
    assert_same(run(tmp_path, 1, resume=True), whole, atol=1e-6, rtol=1e-5)


def test_what_a_process_refuses_is_raised_here(tmp_path):
    fate = tmp_path / "fate"
    fate.touch()
    with pytest.raises(
        RunError,
        match=r"the loss became nan in epoch 2, step \d+: .* lower training\.learning_rate",
    ):
        run(tmp_path / "run", 2, Little("no number", str(fate)))


def rank_and_first(arrays, scale):
    """For `in_processes`: writes to its own copy of a shared array."""
    arrays[0][0] *= scale
    return int(os.environ["LOCAL_RANK"]), [array.copy() for array in arrays]


def test_arrays_reach_the_processes_whole_and_nobody_else_sees_what_one_writes():
    arrays = [np.arange(5.0), np.zeros((0, 3), bool), np.arange(12, dtype=np.uint8).reshape(3, 4)]
    rank, found = devices.in_processes(rank_and_first, (arrays, 2.0), 2, gpu=False)
    assert rank == 0
    for ours, theirs in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert found[0][0] == 0.0
    with pytest.raises(Exception, match="TypeError"):
        devices.in_processes(rank_and_first, (arrays, "no number"), 2, gpu=False)


def test_more_devices_than_there_are_is_refused(monkeypatch):
    on_cpu = config.build({"training.devices": 3, "training.accelerator": "cpu"}).training
    with pytest.raises(
        SettingsError, match=r"training\.devices=3: this CPU has 2 cores; set it to at most 2"
    ):
        devices.device_count(on_cpu)
    everything = config.build({"training.devices": 0, "training.accelerator": "cpu"}).training
    assert devices.device_count(everything) == 1, "one process uses all cores"
    monkeypatch.setattr(devices, "choose_device", lambda _: ("gpu", "16-mixed"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        SettingsError, match=r"training\.devices=3: torch sees 2 GPUs; set it to at most 2, or to 0"
    ):
        devices.device_count(on_cpu)
    assert devices.device_count(everything) == 2


def test_the_effective_batch_is_kept_or_refused():
    training = config.build({"training.batch_size": 8, "training.effective_batch": 32}).training
    assert [devices.accumulation(training, count) for count in (1, 2, 4)] == [4, 2, 1]
    with pytest.raises(
        SettingsError,
        match=r"effective_batch=32 is not divisible by training\.batch_size=8 times 3",
    ):
        devices.accumulation(training, 3)
    with pytest.raises(
        SettingsError, match=r"not divisible by training\.batch_size=8 x training\.devices=3"
    ):
        config.build(
            {"training.batch_size": 8, "training.effective_batch": 32, "training.devices": 3}
        )
    assert devices.accumulation(config.build({"training.accumulate": 3}).training, 2) == 3


def test_processes_share_the_cores():
    assert [devices.threads_each(count, 0) for count in (1, 2, 3)] == [2, 1, 1]
    assert devices.threads_each(2, 5) == 5


@given(st.integers(1, 40), st.integers(1, 7), st.booleans(), st.integers(1, 4))
def test_every_batch_counts_on_one_device_and_all_have_equally_many(clips, size, drop_last, count):
    expected = list(BatchSampler(SequentialSampler(range(clips)), size, drop_last))
    dealt = [
        DealtBatches(SequentialSampler(range(clips)), size, drop_last, rank, count)
        for rank in range(count)
    ]
    lists = [list(each) for each in dealt]
    assert {len(each) for each in lists} == {len(dealt[0])} == {-(-len(expected) // count)}
    rounds = [
        lists[rank][place]
        for place in range(len(dealt[0]))
        for rank in range(count)
        if dealt[rank].counts(place)
    ]
    assert rounds == expected


def test_all_devices_deal_from_the_same_shuffled_order():
    dealt = [DealtBatches(ShuffledByEpoch(20, seed=3), 4, rank=rank, devices=2) for rank in (0, 1)]
    for each in dealt:
        each.sampler.set_epoch(5)
    seen = [clip for each in dealt for batch in each for clip in batch]
    assert len(seen) == 24
    assert sorted(set(seen)) == list(range(20))
    assert list(dealt[0]) != list(dealt[1])


NOTEBOOK = """
from signlib.experiments import experiment
from signlib.settings import presets
settings = presets.build("autsl/skeleton", "smoke", overrides=[
    "training.devices=2", "data.glosses=3", "data.signers=3",
    "training.epochs=1", "training.batch_size=2", "training.threads=1", "training.accelerator=cpu"])
print(experiment.train(settings).facts["device"])
"""


@pytest.mark.slow  # half a minute: a kernel and two processes import everything anew
def test_a_notebook_trains_on_two_devices(tmp_path, monkeypatch):
    notebooks = pytest.importorskip("nbformat").v4
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    made = notebooks.new_notebook(cells=[notebooks.new_code_cell(NOTEBOOK)])
    pytest.importorskip("nbclient").NotebookClient(
        made, timeout=600, kernel_name="python3"
    ).execute()
    outputs = made.cells[0]["outputs"]
    assert "2 x cpu" in "".join(out["text"] for out in outputs if out.get("name") == "stdout")
