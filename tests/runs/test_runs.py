"""One run = one folder; the test split opens once, and only what may be published is."""

import dataclasses
import errno
import json
import os
import pickle
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from signlib import paths, processes
from signlib.errors import DiskError, InputError, RunError
from signlib.runs.publishing import publish, published
from signlib.runs.run import Metric, Run, commit, start
from signlib.settings import config, presets

TOP1 = Metric("top-1", 50.0, 4, "test", "%", (15.0, 85.0), "Wilson")


@pytest.fixture(autouse=True)
def roots(tmp_path, monkeypatch):
    """Runs and results below the test's own folder."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(paths, "results_root", lambda: tmp_path / "results")
    return tmp_path


def settings(**overrides):
    return dataclasses.replace(presets.build("landmarks/small"), **overrides)


def table():
    return pd.DataFrame(
        {
            "clip": ["007", "b", "c", "NULL"],
            "signer": ["", "s1", "s1", "02"],
            "target": ["007", "NULL", "1e5", "ä, b"],
            "prediction": ["1e5", "NULL", "1e5", 'say "a"'],
            "score": [0.5, 0.25, 0.125, 1.0],
        }
    )


def scores():
    return (
        np.arange(12, dtype=np.float64).reshape(4, 3),
        ["007", "b", "c", "NULL"],
        ["1e5", "NULL", 'say "a"'],
    )


def opened(name="one", **overrides):
    run = start("landmarks-small", name, settings(**overrides))
    run.trained()
    run.open_test()
    return run


def finished(name="one", **overrides):
    return opened(name, **overrides).finish([TOP1], table(), scores())


def figure():
    from matplotlib.figure import Figure

    drawn = Figure()
    drawn.subplots().plot([0, 1])
    return drawn


def test_a_new_run_says_what_it_is_from_the_start(roots):
    run = start("landmarks-small", "one", settings(mode="smoke"))
    assert run.path == roots / "runs" / "landmarks-small" / "one"
    assert run.name == "landmarks-small/one"
    assert (run.stage, run.finished) == ("started", False)
    assert run.facts["smoke"] is True
    assert Run(run.path).settings == run.settings == settings(mode="smoke")


def test_the_test_split_opens_once_and_only_after_training():
    run = start("landmarks-small", "one", settings())
    with pytest.raises(RunError, match="stays closed until training"):
        run.open_test()
    assert run.stage == "started"
    run.trained()
    run.open_test()
    with pytest.raises(RunError, match="has read its test split already"):
        run.open_test()
    # Another process that opens the same folder is refused as well.
    with pytest.raises(RunError, match="has read its test split already"):
        Run(run.path).open_test()
    with pytest.raises(RunError, match="was trained before"):
        run.trained()
    with pytest.raises(RunError, match="has read its test split already"):
        run.finish([TOP1]).open_test()


@pytest.mark.parametrize("stage", ["started", "trained"])
def test_a_test_metric_of_a_closed_test_split_is_refused(stage):
    run = start("landmarks-small", "one", settings())
    if stage == "trained":
        run.trained()
    with pytest.raises(RunError, match="not opened"):
        run.finish([TOP1])
    assert not (run.path / "metrics.json").exists()
    assert run.stage == stage
    run.finish([dataclasses.replace(TOP1, split="val")])
    assert run.finished


def test_finish_writes_every_file_of_the_contract():
    run = opened()
    run.note(device="cpu", precision="32", training_seconds=1.5)
    run.finish(
        [TOP1, Metric("clips", np.float32(4), np.int64(4), "test", "clips")],
        table(),
        scores(),
        {"a": figure},
    )
    assert {path.name for path in run.path.iterdir()} == {
        "settings.yaml",
        "status.json",
        "metrics.json",
        "predictions.csv",
        "scores.npz",
        "environment.json",
        "figures",
    }
    assert (run.path / "settings.yaml").read_text() == config.to_yaml(settings())
    rows = json.loads((run.path / "metrics.json").read_text())
    assert rows[0] == {
        "metric": "top-1",
        "value": 50.0,
        "n": 4,
        "split": "test",
        "unit": "%",
        "interval": [15.0, 85.0],
        "note": "Wilson",
    }
    assert (rows[1]["value"], rows[1]["n"], rows[1]["interval"]) == (4.0, 4, None)
    environment = json.loads((run.path / "environment.json").read_text())
    assert {"commit", "packages", "device", "wall_seconds", "peak_memory_mb"} <= set(environment)
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["device"] == "cpu"
    assert environment["training_seconds"] == 1.5
    assert 0 <= environment["wall_seconds"] < 600
    assert 10 < environment["peak_memory_mb"] < 10**5
    assert (run.path / "figures" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_run_reads_back_what_was_written():
    run = Run(finished().path)
    assert run.finished
    assert run.metrics == [TOP1]
    pd.testing.assert_frame_equal(run.predictions, table())
    array, clips, classes = run.scores
    np.testing.assert_array_equal(array, scores()[0])
    assert array.dtype == np.float32
    assert (clips, classes) == scores()[1:]
    assert run.environment["python"]
    assert str(TOP1) == "top-1 50.0 % [15.0, 85.0] (test, n = 4)"
    assert str(Metric("time", 3, 1, "val", "s")) == "time 3.0 s (val, n = 1)"


@pytest.mark.parametrize("kind", [pd.Series, lambda names: np.array(names, dtype=object), tuple])
def test_names_of_any_kind_are_stored_as_text_and_never_pickled(kind):
    array, clips, classes = scores()
    run = opened().finish([TOP1], None, (array, kind(clips), kind(classes)))
    assert Run(run.path).scores[1:] == (clips, classes)


@pytest.mark.parametrize(
    "broken",
    [
        [],
        [TOP1, dataclasses.replace(TOP1, metric="top-5", value=float("nan"))],
        [dataclasses.replace(TOP1, metric="top-5", value=float("inf"))],
        [dataclasses.replace(TOP1, metric="top-5", interval=(float("nan"), 1.0))],
    ],
    ids=["none", "nan", "inf", "nan interval"],
)
def test_a_metric_without_a_value_is_refused_and_nothing_written(broken):
    run = opened()
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    with pytest.raises(RunError, match=r"has no value; nothing was written") as refused:
        run.finish(broken, table(), scores())
    assert ("top-5" if broken else "none given") in str(refused.value)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
    assert not run.finished


def test_scores_that_do_not_fit_and_a_figure_with_a_path_are_refused_before_writing():
    run = opened()
    before = sorted(path.name for path in run.path.iterdir())
    array, clips, classes = scores()
    with pytest.raises(RunError, match=r"\(4, 3\) do not fit 3 clips and 3 classes"):
        run.finish([TOP1], table(), (array, clips[:3], classes))
    with pytest.raises(InputError, match=r"figure '\.\./a'"):
        run.finish([TOP1], table(), scores(), {"../a": figure})
    assert sorted(path.name for path in run.path.iterdir()) == before


def test_a_figure_that_fails_is_named_and_loses_no_result(capsys):
    def broken():
        raise ValueError("no" * 1000)

    run = opened()
    written = []

    def second():
        written.extend(path.name for path in run.path.iterdir())
        return figure()

    run.finish([TOP1], table(), scores(), {"a": broken, "b": second})
    # what was measured is on the disk before anything is drawn
    assert {"metrics.json", "predictions.csv", "scores.npz", "environment.json"} <= {*written}
    again = Run(run.path)
    assert again.finished
    assert again.metrics == [TOP1]
    assert [path.name for path in (run.path / "figures").iterdir()] == ["b.png"]
    said = capsys.readouterr().err
    assert said.startswith(f"figure {run.path}/figures/a.png was not drawn: ValueError: nono")
    assert len(said.splitlines()) == 1
    fault = again.facts["undrawn"]["a"]
    assert fault.startswith("ValueError: nono")
    assert len(fault) <= 500


def test_a_run_that_is_interrupted_while_it_draws_is_resumed(capsys):
    def interrupted():
        raise KeyboardInterrupt

    run = opened()
    with pytest.raises(KeyboardInterrupt):
        run.finish([TOP1], table(), scores(), {"a": interrupted})
    assert Run(run.path).stage == "test opened"


def test_a_finished_run_stays_as_it_is():
    run = finished()
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    with pytest.raises(RunError, match="is finished"):
        run.finish([TOP1])
    again = start("landmarks-small", "one", settings())
    assert again.finished
    assert again.metrics == [TOP1]
    assert start("landmarks-small", "one", settings(), resume=True).finished
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_a_name_taken_by_other_settings_is_refused_with_key_and_values():
    finished()
    with pytest.raises(RunError, match="seed=0, not 3") as refused:
        start("landmarks-small", "one", settings(seed=3), resume=True)
    assert "--run-name" in str(refused.value)


def test_an_unfinished_run_asks_for_resume():
    run = start("landmarks-small", "one", settings())
    run.note(epochs=2)
    with pytest.raises(RunError, match=r"unfinished \(started\); add --resume"):
        start("landmarks-small", "one", settings())
    assert start("landmarks-small", "one", settings(), resume=True).facts["epochs"] == 2


def test_results_of_an_unfinished_run_cannot_be_read():
    run = opened()
    for name in ("metrics", "predictions", "scores"):
        with pytest.raises(RunError, match="not finished"):
            getattr(run, name)


@pytest.mark.parametrize(
    ("experiment", "name"),
    [("../out", "one"), ("landmarks", ".."), ("landmarks", "a/b"), ("", "a")],
)
def test_a_run_cannot_be_made_elsewhere(roots, experiment, name):
    with pytest.raises(InputError, match="not a plain name"):
        start(experiment, name, settings())
    assert not (roots / "runs").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": 250.0}, r"'top-1': 250 % of .* is outside 0 to 100 %"),
        ({"value": -0.5, "interval": None}, r"-0.5 % of None is outside 0 to 100 %"),
        ({"value": None}, "'top-1' has no value"),
        ({"value": "50"}, "'top-1' has no value"),
        ({"value": True}, "'top-1' has no value"),
        ({"n": -3}, "n=-3 is not a whole number of at least 1"),
        ({"n": 4.5}, "n=4.5 is not a whole number"),
        ({"split": "tests"}, "split 'tests' is none of train, val, test"),
        ({"interval": [60.0, 85.0]}, r"50 lies outside its interval \(60.0, 85.0\)"),
        ({"interval": [85.0, 15.0]}, "has no low and high end"),
        ({"interval": [15.0]}, "has no low and high end"),
        ({"interval": [15.0, 850.0]}, "is outside 0 to 100 %"),
        ({"interval": "15-85"}, "interval '15-85' is no list"),
        ({"metric": ""}, "metric '': metric='' is no text"),
        ({"note": 7}, "note='7' is no text"),
        ({"made_up": 7}, "is no metric with value, n and split"),
    ],
)
def test_metrics_that_nobody_can_have_measured_are_refused(change, words):
    run = finished()
    rows = json.loads((run.path / "metrics.json").read_text())
    (run.path / "metrics.json").write_text(json.dumps([{**rows[0], **change}]))
    with pytest.raises(RunError, match=rf"metrics\.json is missing or damaged \(.*{words}"):
        _ = run.metrics
    for text in ('[{"value": NaN}]', "{}", "[]", "[3]"):
        (run.path / "metrics.json").write_text(text)
        with pytest.raises(RunError, match=r"metrics\.json is missing or damaged"):
            _ = run.metrics


def test_impossible_metrics_are_not_written_either_but_errors_may_exceed_their_words():
    with pytest.raises(RunError, match=r"n=0 is not a whole .* nothing was written"):
        opened().finish([dataclasses.replace(TOP1, n=0)])
    rate = Metric("WER (greedy)", 250.0, 4, "test", "%", (200.0, 300.0))
    assert opened("two").finish([rate]).metrics == [rate]


def test_a_clip_keeps_its_name_however_long_it_is():
    # Stores keep such names, too: 400 bytes.
    longest = "ä" * 200
    rows, (array, clips, classes) = table(), scores()
    rows["clip"], clips = [longest, *clips[1:]], [longest, *clips[1:]]
    run = opened().finish([TOP1], rows, (array, clips, classes))
    assert Run(run.path).predictions["clip"].iloc[0] == longest
    assert Run(run.path).scores[1][0] == longest


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("clip,", "id,", 1), "no column 'clip'"),
        (lambda text: text.replace(",prediction", ",x", 1), "no column 'prediction'"),
        (lambda text: text + text.splitlines()[1] + "\n", "clip '007' appears twice"),
        (lambda text: text.replace("\nb,", "\n../b,"), "clip '../b' is not a plain name"),
        (lambda text: text.replace("0.5", "inf"), "its scores are not all finite numbers"),
        (lambda text: text.replace("0.5", "high"), "its scores are not all finite numbers"),
        (lambda text: text.splitlines()[0] + "\n", "no clip"),
        (lambda text: "", "No columns"),
    ],
)
def test_predictions_that_contradict_themselves_are_refused(change, words):
    run = finished()
    path = run.path / "predictions.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(RunError, match=rf"predictions\.csv is damaged \(.*{words}"):
        _ = run.predictions


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": np.ones((3, 3), np.float32)}, r"'clips': .* shape \(4,\), not text of shape"),
        ({"scores": np.full((4, 3), np.nan, np.float32)}, "scores that are not finite"),
        ({"scores": np.ones((4, 3), int)}, "not floats"),
        ({"clips": np.array(["007", "b", "c", "../d"])}, "'../d' is not a plain name"),
        ({"clips": np.array(["007", "b", "c", "d"])}, "in only one of scores and predictions"),
        ({"clips": np.array(["007", "b", "c", "c"])}, "clip 'c' appears twice"),
        ({"classes": np.array(["x", "x", "y"])}, "class 'x' appears twice"),
        ({"classes": np.array(["x", "y", "z"])}, "prediction '1e5' is none of its classes"),
    ],
)
def test_scores_that_do_not_fit_their_predictions_are_refused(change, words):
    run = finished()
    array, clips, classes = scores()
    content = {"scores": np.float32(array), "clips": np.array(clips), "classes": np.array(classes)}
    np.savez(run.path / "scores.npz", **content | change)
    with pytest.raises(RunError, match=rf"scores\.npz cannot be read \(.*{words}"):
        _ = run.scores


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": ["finished"]}, "is none of started, trained"),
        ({"epochs": 2.5}, "epochs is '2.5', not a whole number"),
        ({"missing": -1}, "missing is '-1', not a whole number of at least 0"),
        ({"smoke": "no"}, "smoke is 'no', not true or false"),
        ({"split": "mine"}, "split is 'mine', not a list"),
        ({"started": True}, "started is 'True', not a number"),
    ],
)
def test_facts_of_another_kind_are_refused(change, words):
    run = finished()
    status = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps(status | change))
    with pytest.raises(RunError, match=rf"status\.json is missing or damaged \(.*{words}"):
        Run(run.path)
    (run.path / "environment.json").write_text('{"peak_memory_mb": "much"}')
    with pytest.raises(RunError, match=r"environment\.json is .* \(peak_memory_mb is 'much', not"):
        _ = run.environment


def test_settings_of_a_run_never_look_into_the_environment(monkeypatch):
    monkeypatch.setenv("SECRET", "leaked")
    run = start("landmarks-small", "one", settings())
    text = (run.path / "settings.yaml").read_text()
    for root in ("${oc.env:SECRET}", '"$\\x7boc.env:SECRET}"', '"\\x24{oc.env:SECRET}"'):
        (run.path / "settings.yaml").write_text(text.replace("  root: ''", f"  root: {root}"))
        with pytest.raises(RunError, match=r"settings are plain values") as refused:
            Run(run.path)
        assert "leaked" not in str(refused.value)
    (run.path / "settings.yaml").write_text(text.replace("  root: ''", "  root: &a [*a]"))
    with pytest.raises(RunError, match=r"alias \*a is not taken"):
        Run(run.path)


def test_a_folder_without_a_run_and_a_damaged_one_are_named(roots):
    with pytest.raises(RunError, match=re.escape(str(roots))):
        Run(roots)
    run = start("landmarks-small", "one", settings())
    for damage in ("{", "{}", '{"stage": "almost"}', "[]"):
        (run.path / "status.json").write_text(damage)
        with pytest.raises(RunError, match=r"status\.json is missing or damaged"):
            Run(run.path)
    (run.path / "status.json").unlink()
    with pytest.raises(RunError, match=r"status\.json is missing or damaged"):
        Run(run.path)


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


@pytest.mark.parametrize("as_archive", [True, False])
def test_a_pickle_in_place_of_the_scores_is_never_loaded(roots, as_archive):
    run, target = finished(), roots / "exploded"
    if as_archive:
        objects = np.array([Bomb(target)], dtype=object)
        np.savez(run.path / "scores.npz", scores=objects, clips=objects, classes=objects)
    else:
        (run.path / "scores.npz").write_bytes(pickle.dumps(Bomb(target)))
    with pytest.raises(RunError, match=r"scores\.npz cannot be read"):
        _ = run.scores
    assert not target.exists()
    pickle.loads(pickle.dumps(Bomb(target))).close()
    assert target.exists()  # the bomb is a real one


def test_a_full_run_of_an_open_corpus_is_published_with_predictions(roots):
    run = opened()
    run.finish([TOP1], table(), scores(), {"a": figure})
    target = publish(run, restricted=False)
    assert target == roots / "results" / "landmarks-small" / "one"
    assert {path.name for path in target.iterdir()} == {
        "settings.yaml",
        "status.json",
        "metrics.json",
        "predictions.csv",
        "environment.json",
        "figures",
    }
    (copy,) = published()
    assert (copy.name, copy.metrics) == (run.name, run.metrics)
    pd.testing.assert_frame_equal(copy.predictions, table())
    with pytest.raises(RunError, match=r"has no scores\.npz"):
        _ = copy.scores


def test_of_a_restricted_corpus_nothing_of_a_single_clip_is_published(roots):
    target = publish(finished(), restricted=True)
    assert not [
        path for path in target.rglob("*") if path.name in ("predictions.csv", "scores.npz")
    ]
    everything = "".join(path.read_text() for path in target.rglob("*") if path.is_file())
    assert "1e5" in table().to_csv()
    assert "1e5" not in everything
    (copy,) = published()
    assert copy.metrics == [TOP1]
    with pytest.raises(RunError, match="its corpus is restricted"):
        _ = copy.predictions


def test_publishing_again_replaces_the_folder_whole(roots):
    run = finished()
    publish(run, restricted=False)
    target = publish(run, restricted=True)
    assert not (target / "predictions.csv").exists()
    assert [path.name for path in target.parent.iterdir()] == ["one"]


def test_smoke_and_unfinished_runs_cannot_be_published(roots):
    with pytest.raises(RunError, match="is a smoke run"):
        publish(finished("smoke", mode="smoke"), restricted=False)
    with pytest.raises(RunError, match="not finished"):
        publish(opened("open"), restricted=False)
    assert not (roots / "results").exists()


def test_the_rest_of_a_killed_publish_is_no_run(roots):
    target = publish(finished(), restricted=True)
    target.rename(target.with_name(".one.4711"))
    assert published() == []


def test_a_publish_on_a_full_disk_leaves_nothing_and_sweeps_what_a_killed_one_left(
    roots, monkeypatch
):
    run = opened()
    run.finish([TOP1], table(), scores(), {"a": figure})
    target = publish(run, restricted=True)
    dead = subprocess.Popen(["true"])
    dead.wait()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: dead.pid)
        target.rename(processes.temporary(target, ""))
    other = processes.temporary(target.with_name("two"), "")
    other.mkdir()
    processes.clean.cache_clear()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copy2", full)
        with pytest.raises(DiskError, match=r"results.*one: the disk is full.*make room"):
            publish(run, restricted=False)
    assert list(target.parent.iterdir()) == [other]
    assert publish(run, restricted=False) == target


def test_damaged_settings_and_metrics_are_named(roots):
    run = finished()
    for text in ("[", '[{"metric": "top-1"}]', "{}"):
        (run.path / "metrics.json").write_text(text)
        with pytest.raises(RunError, match=r"one: metrics\.json is missing or damaged"):
            publish(run, restricted=True)
    (run.path / "settings.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match=r"one: settings\.yaml cannot be read"):
        Run(run.path)


def test_the_commit_is_told_apart_from_a_changed_tree(roots, monkeypatch):
    def git(*words):
        subprocess.run(
            ["git", "-C", roots, "-c", "user.name=n", "-c", "user.email=e", *words],
            check=True,
            capture_output=True,
        )

    monkeypatch.setattr(paths, "REPOSITORY", roots)
    (roots / "pyproject.toml").touch()
    assert commit() == ""
    git("init")
    (roots / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "a")
    clean = commit()
    assert re.fullmatch(r"[0-9a-f]{10}", clean)
    (roots / "a").write_text("2")
    assert commit() == clean + "+"


def test_a_run_killed_while_testing_can_be_finished():
    run = opened()
    again = Run(run.path)
    again.open_test(after_crash=True)
    assert again.finish([TOP1], table(), scores()).finished
    with pytest.raises(RunError, match="has read its test split already"):
        again.open_test(after_crash=True)
    fresh = start("landmarks-small", "two", settings())
    with pytest.raises(RunError, match="stays closed until training"):
        fresh.open_test(after_crash=True)


@pytest.mark.parametrize(
    "text",
    ["", "clip\na\n", "clip,split\na,train\na,val\n", "clip,split\na,trian\n", "a\0,b\n1,2\n"],
)
def test_a_damaged_list_of_who_trained_is_refused(text):
    run = opened()
    (run.path / "splits.csv").write_text("clip,split\na,train\nb,\n")
    assert run.splits == {"a": "train", "b": ""}
    (run.path / "splits.csv").write_text(text)
    with pytest.raises(RunError, match=r"splits\.csv is missing or damaged"):
        _ = run.splits
