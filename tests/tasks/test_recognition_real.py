"""What the presets reach on real signs; every setting was chosen without the test clips."""

import numpy as np
import pytest

from signlib.experiments import experiment
from signlib.settings import presets


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))


def top_1(preset: str, *overrides: str) -> float:
    """Test accuracy in per cent of a full run on one thread."""
    settings = presets.build(preset, overrides=["training.threads=1", *overrides])
    run = experiment.train(
        settings, "r" + "".join(c for c in "".join(overrides) if c.isdigit()), quiet=True
    )
    (metric,) = [metric for metric in run.metrics if metric.metric == "top-1"]
    assert metric.interval[0] < metric.value < metric.interval[1]
    return metric.value


@pytest.mark.slow  # more than a minute
def test_one_fold_of_30_german_signs(real_data):
    """Five folds reach 92 % on average; a support vector machine on raw coordinates 81 %."""
    real_data("dgs-30")
    assert top_1("dgs-30/small", "data.fold=0") >= 92


@pytest.mark.slow  # five trainings of more than a minute each
def test_five_folds_of_30_german_signs(real_data):
    real_data("dgs-30")
    assert np.mean([top_1("dgs-30/small", f"data.fold={fold}") for fold in range(5)]) >= 92


@pytest.mark.slow  # more than a minute
def test_letters_of_a_signer_never_seen(real_data):
    """A support vector machine reaches 45 % on raw and 77.5 % on wrist-centred hands."""
    real_data("asl-words-letters")
    assert top_1("asl-letters/small") >= 88
