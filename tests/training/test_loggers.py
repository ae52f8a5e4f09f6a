"""Each logger has the history, also of a run that was resumed; who lacks its package is told."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from signlib.errors import SettingsError
from signlib.experiments.experiment import train
from signlib.runs.run import Run
from signlib.settings import presets
from signlib.training.loggers import LOG, check_logger

SMALL = (
    "data.glosses=3 data.signers=4 data.repetitions=1 training.threads=1 training.accelerator=cpu"
    " training.batch_size=4 training.epochs=2 training.validate_every=0.5 features.frames=8"
    " features.joints=hands model.width=8 model.intermediate=8 model.layers=1 model.heads=2"
).split()


def read_csv(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv")


def read_tensorboard(folder: Path) -> pd.DataFrame:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    columns = {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
    }
    return pd.DataFrame(columns).rename_axis("step").reset_index()


def read_mlflow(folder: Path) -> pd.DataFrame:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "landmarks/small"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "mlflow"
    assert run.data.params["training.epochs"] == "2"
    columns = {
        name: {
            metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, name)
        }
        for name in run.data.metrics
    }
    return pd.DataFrame(columns).rename_axis("step").reset_index()


READERS = {"csv": read_csv, "tensorboard": read_tensorboard, "mlflow": read_mlflow}


@pytest.fixture(autouse=True)
def small_runs(tmp_path, monkeypatch):
    """Runs below the test's folder; drawing, which takes longest, is left out."""
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path))
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: None)


def trained(name: str, *overrides: str) -> Run:
    settings = presets.build("landmarks/small", "smoke", overrides=[*SMALL, *overrides])
    return train(settings, name, resume=True, quiet=True)


@pytest.mark.parametrize("logger", READERS)
def test_a_log_is_the_history_also_where_the_run_was_resumed(logger):
    if logger != "csv" and find_spec(logger) is None:
        pytest.skip(f"the extra {logger} is not installed")
    chosen = f"training.logger={logger}"
    first = trained(logger, chosen, "training.hours=1e-9")
    assert not first.finished
    assert len(READERS[logger](first.path / LOG)) == 1
    run = trained(logger, chosen)
    history = pd.read_csv(run.path / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["validation_accuracy"].isna().tolist() == [True, False]
    logged = READERS[logger](run.path / LOG)[list(history.columns)]
    pd.testing.assert_frame_equal(logged, history, check_dtype=False, rtol=1e-6)


def test_a_run_may_take_a_logger_later_and_none_is_usual():
    first = trained("later", "training.hours=1e-9")
    assert not (first.path / LOG).exists()
    run = trained("later", "training.logger=csv")
    assert read_csv(run.path / LOG)["epoch"].tolist() == [1, 2]


@pytest.mark.parametrize("logger", ["tensorboard", "mlflow"])
def test_a_logger_that_is_not_installed_is_refused_before_anything_is_written(
    logger, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, logger, None)
    with pytest.raises(SettingsError, match=rf'pip install "signlib-course\[{logger}\]"'):
        trained("refused", f"training.logger={logger}")
    assert not any(tmp_path.iterdir())
    check_logger("none")
    check_logger("csv")
