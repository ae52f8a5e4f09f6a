"""Test clips with modalities hidden: what is counted and changes; hidden means hidden."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from signlib.data.vocabulary import Vocabulary
from signlib.errors import RunError, SettingsError
from signlib.experiments import experiment
from signlib.settings import presets
from signlib.tasks import lost_modalities
from signlib.tasks.registry import open_task
from signlib.training.classification import score

TINY = [
    "data.glosses=3",
    "data.signers=10",
    "data.repetitions=1",
    "pictures.size=32",
    "pictures.frames=2",
    "rgb.layers=1",
    "depth.layers=1",
    "training.epochs=1",
    "training.batch_size=6",
    "training.threads=1",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNLIB_RUNS", str(tmp_path_factory.mktemp("runs")))
        settings = presets.build("generated/rgb+depth", "smoke", overrides=TINY)
        yield experiment.train(settings, "missing", quiet=True)


def test_clips_with_nothing_left_are_gone():
    data = SimpleNamespace(
        modalities=("rgb", "depth"),
        clips=["a", "b", "c"],
        targets=np.array([2, 0, 1]),
        present=np.array([[True, True], [True, False], [False, True]]),
    )
    left = lost_modalities.hide(data, ["rgb"])
    assert left.clips == ["a", "c"]
    assert left.targets.tolist() == [2, 1]
    assert left.present.tolist() == [[False, True], [False, True]]
    assert data.clips == ["a", "b", "c"], "the data itself stays"
    assert data.present.sum() == 4
    with pytest.raises(RunError, match="anything left without rgb and depth"):
        lost_modalities.hide(data, ["rgb", "depth"])


def test_with_nothing_hidden_it_is_the_runs_own_accuracy(run):
    table = lost_modalities.accuracy_without([run])
    assert table.index.tolist() == ["nothing hidden", "without rgb", "without depth"]
    whole = table.loc["nothing hidden"]
    assert whole["value"] == pytest.approx(run.metrics[0].value)
    assert (whole["gain"], whole["gain_low"], whole["gain_high"]) == (0, 0, 0)
    assert table["clips"].tolist() == [6, 6, 6]
    assert lost_modalities.readable(table)["points lost or gained"].tolist()[0] == "-"


def test_what_a_hidden_modality_holds_changes_nothing(run):
    task = open_task(run.settings)
    rows = task.table[task.table["split"] == "test"]
    data = task.prepare(rows, Vocabulary.from_glosses(task.table["gloss"]), quiet=True).data
    model = task.model(3)
    seen = score(model, lost_modalities.hide(data, ["rgb"]), run.settings, [])
    assert np.abs(seen - score(model, data, run.settings, [])).max() > 1e-4, "colour does count"
    for key in data._kept:
        if key[1] == "colour":
            data._kept[key] = 255 - data._kept[key]
    np.testing.assert_array_equal(
        score(model, lost_modalities.hide(data, ["rgb"]), run.settings, []), seen
    )


def test_values_and_gains_by_hand(run, monkeypatch):
    """Six clips of three signers, two seeds; one clip has no colour and is gone without depth."""
    columns = {
        "signer": ["a", "a", "b", "b", "c", "c"],
        "nothing hidden": [1.0, 1, 1, 1, 1, 1],
        "without depth": [1.0, 0, 0, 0, 1, np.nan],
    }
    seeds = [
        pd.DataFrame(columns),
        pd.DataFrame(columns | {"without depth": [0.0, 0, 1, 0, 1, np.nan]}),
    ]
    monkeypatch.setattr(lost_modalities, "_right", lambda run, *_: seeds.pop(0))
    table = lost_modalities.accuracy_without([run, run], [["depth"]])
    row = table.loc["without depth"]
    # Clips: 1/2, 0, 1/2, 0, 1: mean 40 %. Signers: 1/4, 1/4, 1: mean 50 %, deviation 43.3 points,
    # t(2 degrees) 4.303.
    assert row["value"] == pytest.approx(40)
    half = 4.3026527 * 75 / np.sqrt(3) / np.sqrt(3)
    assert (row["low"], row["high"]) == pytest.approx((50 - half, 50 + half))
    assert row["gain"] == pytest.approx(-60)
    assert (row["gain_low"], row["gain_high"]) == pytest.approx((-50 - half, -50 + half))
    assert row["clips"] == 5
    assert row["seeds"] == [40, 40]


def test_other_clips_and_wrong_groups_are_refused(run, monkeypatch):
    with pytest.raises(SettingsError, match="not all of them"):
        lost_modalities.accuracy_without([run], [["rgb", "depth"]])
    with pytest.raises(SettingsError, match="must be some of rgb, depth"):
        lost_modalities.accuracy_without([run], [["skeleton"]])
    with pytest.raises(RunError, match="no run was given"):
        lost_modalities.accuracy_without([])
    alone = SimpleNamespace(path="x", name="x", settings=presets.build("generated/depth", "smoke"))
    with pytest.raises(RunError, match="reads depth; give runs"):
        lost_modalities.accuracy_without([alone])
    seeds = [pd.DataFrame({"signer": list(names), "nothing hidden": 1.0}) for names in ("ab", "ba")]
    monkeypatch.setattr(lost_modalities, "_right", lambda run, *_: seeds.pop(0))
    with pytest.raises(RunError, match="not tested on the same clips"):
        lost_modalities.accuracy_without([run, run])


def test_holes_are_nothing_measured_and_the_same_each_time(run):
    task = open_task(run.settings)
    rows = task.table[task.table["split"] == "test"]
    data = task.prepare(rows, Vocabulary.from_glosses(task.table["gloss"]), quiet=True).data
    items = [data[i] for i in range(len(data))]
    plain, once, twice = (
        data.collate(items),
        *(lost_modalities.holed(data, 0.3).collate(items) for _ in range(2)),
    )
    assert torch.equal(once["depth"], twice["depth"])
    lost = once["depth"] != plain["depth"]
    assert (once["depth"][lost] == 0).all()
    measured = plain["depth"] > 0
    assert (lost & measured).sum() / measured.sum() == pytest.approx(0.3, abs=0.1)
    assert torch.equal(once["colour"], plain["colour"])
    table = lost_modalities.accuracy_with_holes([run], [0.1, 0.3])
    assert table.index.tolist() == ["nothing lost", "10 % lost", "30 % lost"]
    assert table["value"].iloc[0] == pytest.approx(run.metrics[0].value)


def test_holes_need_depth_and_a_share(run):
    with pytest.raises(SettingsError, match=r"0\.9 is outside"):
        lost_modalities.accuracy_with_holes([run], [0.9])
    with pytest.raises(RunError, match="no run was given"):
        lost_modalities.accuracy_with_holes([], [0.1])
    colour = SimpleNamespace(path="x", settings=presets.build("generated/rgb", "smoke"))
    with pytest.raises(RunError, match="does not read depth"):
        lost_modalities.accuracy_with_holes([colour], [0.1])
