"""A sweep trains what is not trained yet, seed by seed, and can be stopped."""

import fcntl

import numpy as np
import pytest
from usual import SMALL_RUN as TINY

from signlib import __main__
from signlib.errors import RunError, SettingsError
from signlib.experiments import experiment, sweep
from signlib.runs.run import start
from signlib.settings import config, presets
from signlib.settings.registry import all_sweeps
from signlib.stores.journal import JOURNAL
from signlib.stores.pictures import PictureStore
from signlib.stores.store import FeatureStore
from signlib.synthesis.actions import ActionCorpus
from signlib.synthesis.layouts import write_ntu60
from signlib.tasks import graph

NAMES = ["landmarks/small", "landmarks/probe"]
pytestmark = pytest.mark.usefixtures("runs_root")


def test_a_plan_goes_seed_by_seed_through_families_and_presets():
    jobs = sweep.plan(["autsl", "landmarks/small", "autsl/rgb"], [4, 2])
    names = [*all_sweeps()["autsl"], "landmarks/small"]
    assert [(name, run) for name, run, _ in jobs] == [
        (n, f"full-seed{s}") for s in (4, 2) for n in names
    ]
    assert [settings.seed for *_, settings in jobs] == [4] * 6 + [2] * 6
    assert len(all_sweeps()["autsl"]) == 5


def test_without_seeds_a_preset_has_its_own_and_the_two_after_it():
    jobs = sweep.plan(["autsl/rgb", "landmarks/small", "generated/rgb"])
    assert [settings.seed for *_, settings in jobs] == [4000, 0, 0, 4001, 1, 1, 4002, 2, 2]
    assert jobs[0][1] == "full-seed4000"


def test_other_settings_have_other_run_names():
    ((_, plain, _),) = sweep.plan(["landmarks/small"], [0])
    ((_, changed, _),) = sweep.plan(["landmarks/small"], [0], overrides=["training.epochs=3"])
    assert plain == "full-seed0"
    assert changed.startswith("full-seed0-")


@pytest.mark.parametrize(
    ("names", "seeds", "message"),
    [
        (["autsl/rbg"], [0], "neither a family"),
        ([], [0], "needs a family"),
        (["autsl"], [1, 1], "each once"),
        (["autsl"], [], "one or more"),
    ],
)
def test_what_cannot_be_planned_is_refused(names, seeds, message):
    with pytest.raises(SettingsError, match=message):
        sweep.plan(names, seeds)


def test_a_seed_for_all_runs_is_refused():
    with pytest.raises(SettingsError, match="all runs would have one random seed; give --seeds"):
        sweep.plan(["landmarks/small"], [0, 1], "smoke", ["seed=5"])


def test_a_sweep_trains_once_and_finds_its_runs_again(monkeypatch):
    first = sweep.sweep(NAMES, [0, 1], "smoke", TINY, quiet=True)
    assert {name: len(found) for name, found in first.runs.items()} == dict.fromkeys(NAMES, 2)
    assert first.open == []
    monkeypatch.setattr(experiment, "_fit", lambda *_: pytest.fail("trained again"))
    again = sweep.sweep(NAMES, [0, 1], "smoke", TINY, quiet=True)
    assert [r.path for found in again.runs.values() for r in found] == [
        r.path for found in first.runs.values() for r in found
    ]


def test_several_at_once_come_out_as_one_by_one(runs_root, monkeypatch):
    alone = sweep.sweep(NAMES, [0], "smoke", TINY, quiet=True)
    monkeypatch.setenv("SIGNLIB_RUNS", str(runs_root.parent / "others"))
    together = sweep.sweep(NAMES, [0], "smoke", TINY, quiet=True, workers=2)
    for name in NAMES:
        (one,), (other,) = alone.runs[name], together.runs[name]
        assert other.path.is_relative_to(runs_root.parent / "others")
        np.testing.assert_array_equal(other.scores[0], one.scores[0])
    stopped = sweep.sweep(NAMES, [1], "smoke", TINY, hours=1e-9, quiet=True, workers=2)
    assert [len(found) for found in stopped.runs.values()] == [0, 0]
    with pytest.raises(SettingsError, match="workers=0"):
        sweep.sweep(NAMES, [0], "smoke", TINY, workers=0)


def test_settings_under_any_names_are_trained_once(monkeypatch):
    chosen = {
        "one": presets.build(NAMES[0], "smoke", 0, TINY),
        "two": presets.build(NAMES[0], "smoke", 1, TINY),
    }
    found = sweep.train_all(chosen, quiet=True)
    assert {name: run.settings.seed for name, run in found.items()} == {"one": 0, "two": 1}
    monkeypatch.setattr(experiment, "_fit", lambda *_: pytest.fail("trained again"))
    assert sweep.train_all(chosen, quiet=True)["two"].path == found["two"].path
    with pytest.raises(SettingsError, match="workers=0"):
        sweep.train_all(chosen, workers=0)


def test_pictures_that_runs_share_are_made_once_before_them(runs_root):
    smallest = [
        "data.glosses=3",
        "data.signers=10",
        "data.repetitions=1",
        "pictures.frames=4",
        "pictures.size=32",
    ]
    jobs = sweep.plan(
        ["generated/rgb", "generated/rgb+depth", "generated/skeleton"], [0, 1], "smoke", smallest
    )
    sweep._make_shared_stores(jobs)
    (store,) = (runs_root / "pictures").iterdir()
    assert PictureStore(store).manifest["clip"].nunique() == 30
    sweep._make_shared_stores(job for job in jobs if job[0] == "generated/skeleton")


def skeletons(root):
    """Overrides for a small corpus in NTU's layout."""
    layout = write_ntu60(ActionCorpus(2, 3, 3, 1), root / "ntu60", progress=False)
    return [
        "data.corpus=ntu60",
        f"data.root='{layout}'",
        "data.split=folds",
        "data.folds=2",
        "gcn.streams=[joint]",
        "action.frames=8",
        "training.epochs=3",
        "training.threads=1",
    ]


def test_skeletons_that_runs_share_are_read_once_before_them(tmp_path, runs_root, monkeypatch):
    asked = []
    load = graph.corpora.load_actions
    monkeypatch.setattr(
        graph.corpora, "load_actions", lambda data: asked.append(data) or load(data)
    )
    jobs = sweep.plan(["ntu60/nano"], [0, 1, 2], "smoke", skeletons(tmp_path))
    sweep._make_shared_stores(jobs)
    assert len(asked) == 1, "runs that differ in the random seed alone share all stores"
    (store,) = (runs_root / "skeletons").iterdir()
    assert len(FeatureStore(store)) == 18
    # Another run may hold the store's lock: readers do not ask for it.
    with open(store / JOURNAL, "a") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        assert len(load(jobs[0][2].data).labelled) == 18


def test_two_runs_at_once_read_skeleton_files(tmp_path):
    done = sweep.sweep(["ntu60/nano"], [0, 1], "smoke", skeletons(tmp_path), quiet=True, workers=2)
    assert [run.finished for run in done.runs["ntu60/nano"]] == [True, True]


def test_a_time_budget_stops_it_and_the_same_call_resumes_it():
    stopped = sweep.sweep(NAMES, [0], "smoke", [*TINY, "training.epochs=3"], hours=1e-9, quiet=True)
    assert stopped.runs == {name: [] for name in NAMES}
    assert len(stopped.open) == 2
    done = sweep.sweep(NAMES, [0], "smoke", [*TINY, "training.epochs=3"], hours=1.0, quiet=True)
    assert [len(found) for found in done.runs.values()] == [1, 1]
    assert done.open == []


def test_only_the_length_of_a_session_may_differ_when_a_run_is_resumed(runs_root):
    settings = presets.build("landmarks/small", "smoke", 0, TINY)
    start("e", "r", settings)
    longer = presets.build("landmarks/small", "smoke", 0, [*TINY, "training.hours=2"])
    assert start("e", "r", longer, resume=True).settings.training.hours == 2
    with pytest.raises(RunError, match=r"training\.epochs"):
        start(
            "e",
            "r",
            presets.build("landmarks/small", "smoke", 0, [*TINY, "training.epochs=9"]),
            resume=True,
        )


def test_the_verb_prints_each_condition_with_its_interval(capsys):
    code = __main__.main(
        ["sweep", "landmarks/small", "--seeds", "0", "1", "--mode", "smoke", "--set", *TINY]
    )
    out = capsys.readouterr().out
    assert code == 0
    assert "top-1 % [over signers]" in out
    assert "smoke runs" in out
    assert __main__.main(["sweep", "nothing"]) == 2


def test_what_a_sweep_will_cost_is_said_before_it(capsys):
    code = __main__.main(
        ["sweep", *NAMES, "--seeds", "0", "1", "--mode", "smoke", "--estimate", "--set", *TINY]
    )
    out = capsys.readouterr().out
    assert code == 0
    assert "hours on cpu (measured)" in out
    assert "in all:" in out
    one, two = (
        sweep.cost(["landmarks/small"], seeds, "smoke", TINY, seconds=0.1)
        for seeds in ([0], [0, 1])
    )
    assert two["T4"].iloc[0] == pytest.approx(2 * one["T4"].iloc[0])
    assert 0 < one["hours"].iloc[0] < 1
    assert list(sweep.cost(["landmarks/small"], [0], "smoke", TINY, seconds=0.1).index) == [
        "landmarks/small"
    ]


def test_a_setting_of_some_presets_is_left_out_of_the_others_and_one_of_none_is_refused():
    names = ["generated/rgb", "generated/skeleton"]
    by_name = {name: one for name, _, one in sweep.plan(names, [0], "smoke", ["rgb.heads=2"])}
    assert by_name["generated/rgb"].rgb.heads == 2
    assert by_name["generated/skeleton"].rgb.heads == 12, "its default: it has no pictures"
    with pytest.raises(SettingsError, match=r"depth\.heads=2 is read only with"):
        sweep.plan(names, [0], "smoke", ["depth.heads=2"])


def test_what_the_corpus_does_not_read_changes_neither_settings_nor_name(runs_root):
    names, asked = ["wlasl/concat", "landmarks/small"], ["data.glosses=7", "data.holdout=0.3"]
    with pytest.raises(SettingsError, match=r"data\.holdout=0\.3 is read only with"):
        sweep.plan(names, [0], overrides=asked)
    jobs = sweep.plan(names, [0], overrides=asked[:1])
    (_, name, plain), (_, other, changed) = jobs
    assert (name, plain) == ("full-seed0", presets.build("wlasl/concat", seed=0))
    assert other.startswith("full-seed0-")
    assert changed.data.glosses == 7
    assert sweep.left_out(jobs, asked[:1]).endswith(": data.glosses by wlasl/concat")
    # Of an earlier version, which named it otherwise.
    run = start("wlasl-concat", config.run_name(plain), plain)
    run.note(stage="finished")
    assert sweep.plan(names, [0], overrides=asked[:1])[0][1] == run.path.name


def test_what_some_presets_do_not_read_is_said_once_in_one_line(monkeypatch, capsys):
    names, asked = ["generated/rgb", "generated/skeleton"], ["rgb.heads=2", "training.epochs=1"]
    line = "left out, because it is not read: rgb.heads by generated/skeleton"
    for seeds in ([0], [0, 1]):
        assert sweep.left_out(sweep.plan(names, seeds, "smoke", asked), asked) == line
    assert sweep.left_out(sweep.plan(names[:1], [0], "smoke", asked), asked) == ""
    every = [f"generated/{name}" for name in ("skeleton", "rgb", "depth", "rgb+depth+skeleton")]
    both = ["rgb.heads=2", "depth.heads=2"]
    assert sweep.left_out(sweep.plan(every, [0], "smoke", both), both).endswith(
        ": rgb.heads by generated/skeleton, generated/depth;"
        " depth.heads by generated/skeleton, generated/rgb"
    )
    monkeypatch.setattr(sweep, "_trained", lambda jobs, *_: iter([None] * len(jobs)))
    sweep.sweep(names, [0, 1], "smoke", asked)
    assert capsys.readouterr().out == f"{line}\n"
    sweep.sweep(names, [0, 1], "smoke", asked, quiet=True)
    assert capsys.readouterr().out == ""
