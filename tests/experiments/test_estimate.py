"""What a run will cost.

Steps and times by hand, advice where memory is short, and a run that says it first.
"""

from dataclasses import replace

import pytest

from signlib import paths
from signlib.__main__ import main
from signlib.errors import InputError, SettingsError
from signlib.experiments import estimate as estimates
from signlib.experiments.estimate import GIB, Estimate, Work, estimate, work_of
from signlib.experiments.experiment import train
from signlib.experiments.sizes import inputs_of
from signlib.models.classifier import parameter_count
from signlib.settings import presets
from signlib.tasks.graph import GraphTask
from signlib.tasks.registry import build_model, open_task
from signlib.training.footprint import Memory, Operations, Pace

AUTSL = Work(28_142, 4_418, 226, "by hand")
TINY = [
    "data.corpus=generated",
    "data.glosses=3",
    "data.signers=3",
    "data.repetitions=1",
    "features.frames=8",
    "features.joints=hands",
    "model.width=16",
    "model.layers=1",
    "model.heads=2",
    "model.intermediate=16",
    "fusion.width=16",
    "training.epochs=1",
    "training.max_steps=0",
    "training.effective_batch=0",
    "training.batch_size=4",
    "training.workers=0",
    "training.accelerator=cpu",
    "training.threads=1",
]


def cost_of(
    *overrides, memory=8 * GIB, room=16 * GIB, pace=None, devices=1, accumulate=4, memory_t4=8 * GIB
) -> Estimate:
    settings = presets.build("autsl/rgb", overrides=overrides)
    held, held_t4 = (
        Memory(size // 8, size // 8, size // 4, size // 2) for size in (memory, memory_t4)
    )
    operations = Operations(forward=8 * 10**12, both=24 * 10**12, calls=1000)
    return Estimate(
        settings, AUTSL, ("cpu", "32"), devices, accumulate, room, held, held_t4, pace, operations
    )


def test_steps_are_those_of_source_000_on_any_number_of_devices():
    assert cost_of().steps == (880, 200_000)
    assert cost_of(devices=2, accumulate=2).steps == (880, 200_000)
    assert cost_of("training.max_steps=0", "training.epochs=3").steps == (880, 2_640)


def test_measured_times_are_scaled_from_the_batches_that_were_measured():
    step, epoch, whole = cost_of(
        pace=Pace(clips=2, batch=3.0, forward=1.0, update=0.5, peak=0)
    ).seconds()
    assert step == 4 * 12.0 + 0.5
    assert epoch == pytest.approx(880 * step + 4 * 4_418 / 8 * 4.0)
    assert whole == pytest.approx(200_000 / 880 * epoch)


def test_a_t4_is_computed_from_a_stated_share_of_its_peak():
    found = cost_of()
    rate = estimates.T4_SHARE * estimates.T4_PEAK
    assert rate == 16.25e12
    step, epoch, _ = found.seconds(t4=True)
    assert step == pytest.approx(4 * 24e12 / rate + 2 * 4 * GIB / estimates.T4_BANDWIDTH)
    assert epoch == pytest.approx(880 * step + 4 * 4_418 / 8 * 8e12 / rate)
    small = replace(found, operations=Operations(1, 3, calls=1000))
    assert small.seconds(t4=True)[0] == pytest.approx(
        4 * 1000 * 10e-6 + 2 * 4 * GIB / estimates.T4_BANDWIDTH
    )
    assert "T4, computed, not measured (25 % of 65 TFLOP/s)" in found.report()
    assert "measured" not in str(found)


def test_what_does_not_fit_is_refused_with_what_to_do():
    cost_of().check()
    small = cost_of(room=7 * GIB)
    with pytest.raises(
        SettingsError,
        match=r"cpu: 8\.00 GiB do not fit into 7\.00 GiB; set pictures\.checkpointing=true",
    ):
        small.check()
    with pytest.raises(SettingsError, match=r"set a smaller training\.batch_size \(now 8\)"):
        cost_of("pictures.checkpointing=true", room=7 * GIB).check()
    elsewhere = cost_of(memory_t4=16 * GIB)
    elsewhere.check()
    assert "does not fit: T4: 16.00 GiB do not fit into 14.50 GiB" in elsewhere.report()


def test_the_work_on_autsl_is_known_without_its_files(tmp_path):
    settings = presets.build("autsl/rgb", overrides=[f"data.root='{tmp_path}'"])
    found = work_of(settings)
    assert (found.clips, found.validation, found.classes) == (28_142, 4_418, 226)
    assert found.source.startswith("official counts")
    with pytest.raises(InputError):
        work_of(
            presets.build("autsl/rgb", overrides=["data.corpus=folder", f"data.root='{tmp_path}'"])
        )


def test_the_work_on_another_corpus_is_counted():
    found = work_of(
        presets.build("autsl/rgb", "smoke", overrides=["data.glosses=3", "training.repeats=2"])
    )
    settings = presets.build("autsl/rgb", "smoke", overrides=["data.glosses=3"])
    assert found.clips == 2 * work_of(settings).clips
    assert (found.classes, found.validation > 0) == (3, True)


def test_the_command_line_says_it_and_makes_no_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    assert (
        main(
            [
                "train",
                "autsl/rgb+skeleton",
                "--mode",
                "smoke",
                "--estimate",
                "--set",
                "training.threads=1",
            ]
        )
        == 0
    )
    told = capsys.readouterr().out
    for part in (
        "memory a device, counted (32)",
        "cpu, measured with batches of 8",
        "T4, computed, not measured",
    ):
        assert part in told
    assert list(tmp_path.iterdir()) == []


def test_a_full_run_of_several_modalities_says_it_first_or_is_refused(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    settings = presets.build("autsl/skeleton", overrides=TINY)
    monkeypatch.setattr(estimates, "device_memory", lambda gpu: 1000)
    with pytest.raises(
        SettingsError, match=r"the run does not fit: cpu: .* do not fit into 0\.0 MiB"
    ):
        train(settings, "small", quiet=True)
    assert not (paths.runs_root() / "autsl-skeleton").exists()
    monkeypatch.undo()
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    assert train(settings, "whole").finished
    told = capsys.readouterr().out
    assert told.startswith("estimate: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("preset", "frames", "overrides"),
    [
        ("ntu60/nano", 12, ["gcn.streams=[joint]"]),
        ("phonology/pooled", 64, ["phonology.width=8"]),
        ("phonology/ctc", 64, ["phonology.width=8"]),
        ("phonology/pretraining", 64, ["phonology.width=8"]),
        ("sentences/compact", 150, ["ctc.width=8", "ctc.layers=1"]),
        ("sentences/hybrid", 150, ["ctc.width=8"]),
    ],
)
def test_every_family_is_counted_and_measured(preset, frames, overrides):
    settings = presets.build(preset, "smoke", overrides=["training.accelerator=cpu", *overrides])
    work = work_of(settings)
    found = estimate(settings, work, seconds=1e-9)
    assert work.classes > 1 or settings.preset == "phonology/pretraining"
    assert f" clips of {frames} frames an epoch" in found.report()
    assert min(found.seconds()) > 0
    assert found.memory.activations > found.memory_t4.activations > 0
    assert found.memory.weights >= 4 * parameter_count(
        build_model(settings, inputs_of(settings).skeleton, work.classes)
    )
    assert found.operations.both > found.operations.forward > 0


def test_glosses_of_sentences_are_the_classes():
    settings = presets.build("sentences/compact", "smoke", overrides=["data.glosses=4"])
    work, task = work_of(settings), open_task(settings)
    assert work.classes == len(task.vocabulary)
    assert (work.clips, work.validation) == (len(task.splits.train), len(task.splits.val))


def test_a_task_may_refuse_an_estimate(monkeypatch):
    settings = presets.build("ntu60/nano")
    monkeypatch.setattr(GraphTask, "refusals", {"estimate": "nobody knows"})
    with pytest.raises(SettingsError, match="task=graph: no estimate; nobody knows"):
        estimate(settings, AUTSL)
