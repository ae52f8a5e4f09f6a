"""The baseline is a run like every other.

One look at the test clips, finished once, paired with others.
"""

import numpy as np
import pytest

from signlib import paths
from signlib.__main__ import main
from signlib.corpora.clips import load_corpus
from signlib.corpora.splits import split_clips
from signlib.errors import RunError, SettingsError
from signlib.evaluation.neighbours import flatten
from signlib.experiments import baseline
from signlib.runs.run import Run
from signlib.settings import presets
from signlib.training.batches import prepare

SMALL = ["data.glosses=4", "data.signers=3", "data.repetitions=2", "features.coordinates=2"]


@pytest.fixture(autouse=True)
def _own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))


def test_the_nearest_training_clip_names_the_test_clip():
    settings = presets.build("landmarks/small", "smoke", overrides=SMALL)
    run = baseline.nearest_neighbour(settings, "nn", quiet=True)
    source = load_corpus(settings.data)
    splits = split_clips(source.labelled, settings.data)

    def flat(clip):
        return flatten(prepare(source.read(clip), source.skeleton, settings.features))

    nearest = {}
    for row in splits.test.itertuples():
        away = [np.linalg.norm(flat(row.clip) - flat(clip)) for clip in splits.train["clip"]]
        nearest[row.clip] = splits.train["gloss"].iloc[int(np.argmin(away))]
    assert run.finished
    assert run.metrics[0].n == len(splits.test) == 8
    assert run.metrics[0].interval[0] <= run.metrics[0].value <= run.metrics[0].interval[1]
    assert run.predictions.set_index("clip")["prediction"].to_dict() == nearest
    scores, clips, classes = run.scores
    assert scores.shape == (8, 4)
    assert (scores <= 0).all()
    named = [classes[k] for k in scores.argmax(axis=1)]
    assert run.predictions.set_index("clip").loc[list(clips), "prediction"].tolist() == named


def test_a_finished_baseline_is_loaded_and_other_settings_are_refused():
    settings = presets.build("landmarks/small", "smoke", overrides=SMALL)
    first = baseline.nearest_neighbour(settings, "nn", quiet=True)
    again = baseline.nearest_neighbour(settings, "nn", resume=True, quiet=True)
    assert again.path == first.path == paths.runs_root() / "landmarks-small" / "nn"
    np.testing.assert_array_equal(again.scores[0], first.scores[0])
    other = presets.build(
        "landmarks/small", "smoke", overrides=[*SMALL, "features.normalise=false"]
    )
    with pytest.raises(RunError):
        baseline.nearest_neighbour(other, "nn", resume=True, quiet=True)


def test_a_sweep_of_baselines_ends_with_its_table(capsys):
    more = ["data.glosses=3", "data.signers=10", "data.repetitions=1", "features.joints=hands"]
    names = ["baseline/svm", "baseline/neighbour"]
    assert main(["sweep", *names, "--seeds", "0", "--mode", "smoke", "--set", *more]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in names)
    (folder,) = (paths.runs_root() / "baseline-svm").glob("smoke-seed0*")
    # Nothing is learned in epochs.
    assert Run(folder).history.empty


def test_a_baseline_reads_what_the_network_beside_it_reads():
    beside = baseline.baseline_of(presets.build("phonology/ctc", "smoke", 3), "svm")
    assert (beside.task, beside.seed, beside.preset) == ("baseline", 3, "phonology/ctc")
    assert (beside.baseline.method, beside.baseline.reads) == ("svm", "phonology")
    assert beside.phonology.form == "corrected"
    settings = presets.build("landmarks/small", "smoke", overrides=SMALL)
    ours = baseline.baseline_of(settings, "neighbour")
    assert (ours.data, ours.features.coordinates) == (settings.data, 2)
    with pytest.raises(SettingsError, match="task=graph: baselines read landmarks"):
        baseline.baseline_of(presets.build("ntu60/nano"), "svm")
