"""Runs grouped into systems and lined up on the same clips; small tables, counted by hand."""

import pandas as pd
import pytest

from signlib.errors import RunError
from signlib.reports.run_groups import by_corpus, gather
from signlib.runs.run import PREDICTIONS, Metric, start
from signlib.settings import presets
from signlib.settings.base import Settings


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A function that makes a finished run whose test predictions are given letter by letter."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))

    def make(
        experiment,
        predictions,
        seed=0,
        clips="abcd",
        targets="XXYY",
        overrides=(),
        name="",
        **facts,
    ):
        settings = presets.build("landmarks/small", "full", seed, list(overrides))
        run = start(experiment, name or f"seed{seed}", settings)
        run.note(parameters=1234, **facts)
        run.trained()
        run.open_test()
        table = pd.DataFrame(
            {
                "clip": list(clips),
                "signer": ["p", "q", "p", "q"][: len(clips)],
                "target": list(targets),
                "prediction": list(predictions),
                "score": 1.0,
            }
        )
        right = 100 * (table["target"] == table["prediction"]).mean()
        return run.finish([Metric("top-1", right, len(table), "test")], table)

    return make


def test_seeds_of_one_system_stand_together(finished):
    found = gather(
        [finished("small", "XXYY", 0), finished("large", "XYYX", 0), finished("small", "YXYX", 1)]
    )
    assert [(own.name, own.seeds) for own in found.systems] == [("small", [0, 1]), ("large", [0])]
    assert found.systems[0].values.tolist() == [[1, 1, 1, 1], [0, 1, 1, 0]]
    assert found.systems[1].values.tolist() == [[1, 0, 1, 0]]
    assert found.rates(found.systems[0]).tolist() == [100, 50]
    assert (found.signers, found.words, found.left_out) == (["p", "q", "p", "q"], None, 0)


def test_folds_of_one_seed_are_one_row(finished):
    folds = ["data.split=folds", "data.folds=2"]
    first = finished("small", "XX", 0, "ab", "XX", [*folds, "data.fold=0"], "fold0")
    second = finished("small", "YX", 0, "cd", "YY", [*folds, "data.fold=1"], "fold1")
    found = gather([second, first])
    assert [own.seeds for own in found.systems] == [[0]]
    assert dict(zip(found.clips, found.systems[0].values[0], strict=True)) == {
        "a": 1,
        "b": 1,
        "c": 1,
        "d": 0,
    }


def test_order_of_clips_does_not_matter_and_others_are_left_out(finished):
    found = gather(
        [finished("small", "XXYY"), finished("large", "YXY", clips="dab", targets="YXX")]
    )
    assert (found.clips, found.left_out) == (["a", "b", "d"], 1)
    assert found.systems[1].values.tolist() == [[1, 0, 1]]


def test_names_tell_what_differs(finished):
    plain = finished("small", "XXYY", name="one")
    longer = finished("small", "XXYY", overrides=["training.epochs=7"], name="two")
    begun = finished("small", "XXYY", name="three", init_from="pretext/seed3")
    assert [own.name for own in gather([plain, longer]).systems] == [
        f"small (training.epochs={plain.settings.training.epochs})",
        "small (training.epochs=7)",
    ]
    assert [own.name for own in gather([plain, begun]).systems] == [
        "small (from scratch)",
        "small (from pretext)",
    ]


def test_no_two_systems_have_one_name_however_many_settings_differ(finished):
    many = "features.coordinates=2 features.frames=9 training.epochs=7 training.batch_size=3"
    more = [*many.split(), "training.learning_rate=0.1", "training.weight_decay=0.2"]
    systems = [[], more, [*more, "training.clip_norm=0.5"], [*more[:-1], "training.clip_norm=0.5"]]
    runs = [
        finished("small", "XXYY", overrides=overrides, name=f"run{number}")
        for number, overrides in enumerate(systems)
    ]
    assert [own.runs for own in gather(runs).systems] == [[run] for run in runs]


def test_threads_and_folders_make_no_other_system(finished):
    one, other = (
        finished("small", "XXYY"),
        finished("small", "XXYX", 1, overrides=["training.threads=1", "data.root=x"]),
    )
    assert len(gather([one, other]).systems) == 1


def test_seeds_begun_from_other_seeds_of_one_encoder_are_one_system(finished):
    one, other = (
        finished("small", "XXYY", seed, init_from=f"pretext/seed{seed}") for seed in (0, 1)
    )
    assert gather([one, other]).systems[0].seeds == [0, 1]


def test_runs_of_several_corpora_are_told_apart_and_a_moved_folder_is_none(finished):
    stores = [["data.corpus=store", f"data.root=stores/{name}"] for name in "ab"]
    one = finished("small", "XXYY", overrides=stores[0], name="one")
    moved = finished("large", "XXYY", overrides=stores[1], name="moved")
    other = finished("small", "XXYY", clips="efgh", overrides=stores[1], name="other")
    assert by_corpus([one, other]) == {"a": [one], "b": [other]}
    assert by_corpus([one, moved]) == {"a": [one, moved]}


def test_sentences_are_counted_in_errors(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    run = start("ctc", "seed0", Settings())
    run.trained()
    run.open_test()
    table = pd.DataFrame(
        {
            "clip": ["a", "b"],
            "signer": "",
            "target": ["I GO HOME", "NO"],
            "hypothesis": ["I HOME", ""],
        }
    )
    run.finish([Metric("WER", 50.0, 2, "test")], table)
    found = gather([run])
    assert found.systems[0].values.tolist() == [[1, 1]]
    assert found.systems[0].hypotheses == [[["I", "HOME"], []]]
    assert found.words.tolist() == [3, 1]
    assert found.rates(found.systems[0]).tolist() == [50]


def test_what_cannot_be_lined_up_is_refused(finished, tmp_path):
    run = finished("small", "XXYY")
    with pytest.raises(RunError, match="no run to compare"):
        gather([])
    with pytest.raises(RunError, match="seed 0 tested the same clips in two runs"):
        gather([run, run])
    with pytest.raises(RunError, match="one corpus and split"):
        gather([run, finished("other", "XXYY", clips="efgh")])
    with pytest.raises(RunError, match="one corpus and split"):
        gather([run, finished("third", "XXYY", targets="XXYX")])
    (run.path / PREDICTIONS).unlink()
    with pytest.raises(RunError, match=r"published without per-clip predictions .* under runs/"):
        gather([run])
    with pytest.raises(RunError, match="not finished"):
        gather([start("small", "open", Settings())])


def test_signs_and_sentences_do_not_mix(finished):
    run, other = finished("small", "XXYY"), finished("ctc", "XXYY")
    table = other.predictions.rename(columns={"prediction": "hypothesis"})
    table.to_csv(other.path / PREDICTIONS, index=False)
    with pytest.raises(RunError, match="those of one kind"):
        gather([run, other])
