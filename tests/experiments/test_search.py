"""A search chooses on validation clips, resumes as if it had not stopped, and is tested once.

What trains needs Optuna, which is an extra: without it these tests are skipped.
"""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from usual import SMALL_RUN as TINY

from signlib.__main__ import main
from signlib.errors import Diverged, RunError, SettingsError
from signlib.experiments import experiment, search
from signlib.runs.run import Run
from signlib.settings import config, presets

SPACE = ["training.learning_rate=1e-4..1e-1:log", "model.head_dropout=0..0.5"]
NAME = "landmarks/small"
pytestmark = pytest.mark.usefixtures("runs_root")


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)


def searched(trials, space=SPACE, preset=NAME, overrides=TINY, **more):
    pytest.importorskip("optuna")
    return search.search(preset, trials, space, "smoke", overrides=overrides, quiet=True, **more)


def test_what_is_typed_becomes_ranges():
    settings = presets.build(NAME, "smoke")
    texts = [*SPACE, "model.layers=1..4", "model.width=64|128", "training.optimizer=adamw|sgd"]
    ranges = search.read_space(texts, settings, [])
    assert [str(each) for each in ranges] == [
        "training.learning_rate=0.0001..0.1:log",
        "model.head_dropout=0.0..0.5",
        *texts[2:],
    ]
    assert [each.whole for each in ranges] == [False, False, True, False, False]
    assert ranges[2].ends == ["1", "4"]
    assert ranges[4].ends == ["adamw", "sgd"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training.learning_rate", "neither KEY=LOW..HIGH"),
        ("training.learning_rate=1e-3", "neither KEY=LOW..HIGH"),
        ("model.width=64|64", "different values"),
        ("training.learning_rate=1e-2..1e-3", "lower end must be below"),
        ("training.weight_decay=0..1:log", "above 0 with :log"),
        ("model.layers=1..2.5", "whole numbers"),
        ("training.learnin_rate=0..1", "did you mean 'training.learning_rate'"),
        ("training.learning_rate=1e-3..1000", "outside 0..100"),
        ("training.momentum=0..0.9", "is read only with training.optimizer=sgd"),
        ("data.hardness=0..1", "compared on the same clips"),
        ("seed=0..9", "compared on the same clips"),
        ("training.epochs=1..3", "name training.epochs twice"),
    ],
)
def test_a_space_that_cannot_be_is_refused(text, message):
    overrides = ["training.epochs=2"]
    settings = presets.build(NAME, "smoke", overrides=overrides)
    with pytest.raises(SettingsError, match=message):
        search.read_space([text], settings, overrides)


@pytest.mark.parametrize("preset", ["landmarks/small", "autsl/rgb", "ntu60/large", "wlasl/concat"])
def test_the_usual_space_is_possible_for_every_kind_of_preset(preset):
    settings = presets.build(preset)
    ranges = {
        each.key: each for each in search.read_space(search.usual_space(settings), settings, [])
    }
    rate = ranges["training.learning_rate"]
    assert rate.low < settings.training.learning_rate < rate.high
    assert rate.low >= settings.training.warmup_start_lr
    assert settings.DROPOUT in ranges
    # Pre-trained parts have rates of their own.
    assert ("training.rates.encoders.rgb" in ranges) == (preset == "autsl/rgb")


def test_the_best_on_validation_is_trained_once_more_and_tested_once(
    monkeypatch, runs_root, capsys
):
    result = searched(4)
    folder = runs_root / "landmarks-small"
    trials = [Run(path) for path in sorted(folder.glob("search-*-trial-*"))]
    assert len(trials) == len(result.trials) == 4
    for run, (_, row) in zip(trials, result.trials.iterrows(), strict=True):
        assert run.stage == "finished"
        assert "trial of a search" in run.untested
        assert "test_opened" not in run.facts
        assert run.settings.training.learning_rate == row["training.learning_rate"]
        assert row["value"] == run.facts["selected"]["validation_accuracy"]
        assert row["value"] == run.history["validation_accuracy"].max()
    assert result.trials["value"].idxmax() == result.best
    assert len(set(result.trials["training.learning_rate"])) == 4
    (best,) = result.runs
    assert "test_opened" in best.facts
    assert best.facts["search"]["best"] == result.best
    same = {"training.learning_rate", "model.head_dropout"}
    assert config.differences(best.settings, trials[result.best].settings) == {}
    assert set(config.differences(best.settings, presets.build(NAME, "smoke", 0, TINY))) == same
    # What is asked again is read, not trained; more trials would choose with the test in sight.
    monkeypatch.setattr(experiment, "_fit", lambda *_: pytest.fail("trained again"))
    again = searched(4)
    assert again.runs[0].path == best.path
    pd.testing.assert_frame_equal(again.trials, result.trials)
    with pytest.raises(SettingsError, match="was tested after 4 trials"):
        searched(5)
    line = ["sweep", NAME, "--mode", "smoke", "--search", "4", "--space", *SPACE, "--set", *TINY]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert f"preset {NAME}: 4 trials, by validation_accuracy" in said
    assert f"trial {result.best} was best; its settings with seed 0:\n  {best.metrics[0]}" in said


def test_a_search_that_was_stopped_asks_what_it_would_have_asked(monkeypatch, runs_root):
    whole = searched(3)
    monkeypatch.setenv("SIGNLIB_RUNS", str(runs_root.parent / "others"))
    stopped = searched(3, hours=1e-9)
    assert stopped.open
    assert len(stopped.trials) == 0
    fitted = experiment._fit

    def killed(run, *more):
        if "trial-001" in run.path.name:
            raise KeyboardInterrupt
        return fitted(run, *more)

    monkeypatch.setattr(experiment, "_fit", killed)
    with pytest.raises(KeyboardInterrupt):
        searched(3)
    monkeypatch.setattr(experiment, "_fit", fitted)
    pd.testing.assert_frame_equal(searched(3).trials, whole.trials)


def test_a_trial_that_diverges_or_cannot_be_has_no_value(monkeypatch, capsys):
    fitted = experiment._fit

    def broken(run, *more):
        if "trial-000" in run.path.name:
            raise Diverged("the loss became nan")
        return fitted(run, *more)

    monkeypatch.setattr(experiment, "_fit", broken)
    result = searched(2, ["training.label_smoothing=0.1|0.2"])
    assert result.trials["value"].isna().tolist() == [True, False]
    assert result.trials["problem"].tolist() == ["the loss became nan", ""]
    assert result.best == 1
    assert "trial 0 has no value: the loss became nan" in capsys.readouterr().out
    with pytest.raises(RunError, match="none of 1 trials has a result; the last one"):
        searched(1, ["training.label_smoothing=0.2|0.3"])


def test_fewer_trials_than_were_tried_are_refused(monkeypatch):
    trial, turns = search._Steps.trial, iter((True, True, False))
    monkeypatch.setattr(
        search._Steps, "trial", lambda steps, optuna: next(turns) and trial(steps, optuna)
    )
    assert searched(3).open
    with pytest.raises(SettingsError, match=r"has tried 2 settings.* 2 trials or more, not 1"):
        searched(1)


@pytest.mark.parametrize("more", [{"seeds": [1, 1]}, {"overrides": [*TINY, "seed=3"]}])
def test_seeds_that_would_be_one_are_refused(more):
    with pytest.raises(SettingsError, match=r"each once|all runs would have one random seed"):
        searched(1, **more)


def test_the_largest_seed_has_trials(monkeypatch):
    # A value for each trial, without training.
    facts = {"selected": {"validation_accuracy": 50.0}}
    run = SimpleNamespace(path="run", facts=facts, note=lambda **_: None)
    monkeypatch.setattr(search._Steps, "_train", lambda *_: run)
    assert len(searched(2, seeds=[2**32 - 1]).trials) == 2


def test_several_presets_share_one_budget(monkeypatch):
    given = []

    def spent(preset, *options):
        given.append(options[-1])
        return search.Searched(preset, "validation_accuracy", pd.DataFrame(), -1, [])

    monkeypatch.setattr(search, "search", spent)
    line = ["sweep", "landmarks/small", "dgs-30/small", "--search", "3", "--hours", "1"]
    assert main(line) == 3
    # What the first one took is off the second one's.
    assert 1 > given[0] > given[1] > 0.9


def test_sentences_are_searched_for_fewest_word_errors():
    small = [
        "data.glosses=3",
        "data.signers=4",
        "data.repetitions=3",
        "data.longest=2",
        "data.shortest=1",
        "features.joints=hands+pose",
        "ctc.width=8",
        "ctc.beam=2",
        "ctc.alphas=[0.3]",
        "ctc.betas=[1.0]",
        "ctc.heads=2",
        "ctc.layers=1",
        "training.epochs=2",
        "training.batch_size=4",
        "training.threads=1",
        "training.accelerator=cpu",
    ]
    result = searched(2, ["training.learning_rate=1e-4..1e-1:log"], "sentences/compact", small)
    assert result.measure == "validation_wer"
    assert result.trials["value"].idxmin() == result.best
    assert result.runs[0].facts["search"]["value"] == result.trials["value"].min()


def test_clips_without_validation_are_refused_before_anything_is_trained():
    with pytest.raises(
        SettingsError, match=r"no clip of corpus generated validates .*validation=0\.2"
    ):
        searched(2, overrides=[*TINY, "data.split=holdout"])
    with pytest.raises(SettingsError, match="trials=0: give at least 1"):
        searched(0)
    with pytest.raises(SettingsError, match="task=baseline cannot be searched: nothing"):
        searched(1, ["features.frames=8..16"], "baseline/svm", [])


def test_a_damaged_study_is_refused_by_name(monkeypatch, runs_root):
    pytest.importorskip("optuna")
    monkeypatch.setattr(experiment, "_fit", lambda *_: _interrupt())
    with pytest.raises(KeyboardInterrupt):
        searched(1)
    (journal,) = runs_root.glob("*/search-*.journal")
    journal.write_text("no journal\nat all\n")
    with pytest.raises(RunError, match=r"search-\w+\.journal is damaged .* delete it"):
        searched(1)


def _interrupt():
    raise KeyboardInterrupt


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["sweep", NAME, "--search", "2"]) == 2
    assert 'pip install "signlib-course[search]"' in capsys.readouterr().err
    assert main(["sweep", NAME, "--search", "2", "--workers", "2"]) == 2
    assert "--workers does not go with --search" in capsys.readouterr().err
