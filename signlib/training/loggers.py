"""What a training writes for other programs to draw, by Lightning's loggers.

A run's own record stays `history.csv`; a logger gets the same rows, one an epoch.
"""

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from signlib.errors import extra
from signlib.settings import config
from signlib.settings.base import Settings
from signlib.training.fitting import Fitting

# The folder of a run that a logger writes into.
LOG = "log"


def check_logger(name: str) -> None:
    """Refuse a logger whose package is not installed.

    Raises:
        SettingsError: with the command that installs it.
    """
    # csv needs no package; the others are called as their package and its extra.
    if name not in ("none", "csv"):
        with extra(name):
            import_module(name)


def _new_logger(name: str, settings: Settings, folder: Path) -> Logger:
    # The logger of that name without any rows; those of an earlier part of the run are taken away.
    if name == "mlflow":
        return _new_mlflow(settings, folder)
    shutil.rmtree(folder, ignore_errors=True)
    if name == "csv":
        return CSVLogger(folder, name="", version="")
    return TensorBoardLogger(folder, name="", version="", default_hp_metric=False)


def _new_mlflow(settings: Settings, folder: Path) -> MLFlowLogger:
    # MLflow keeps the database open as long as the process lives, so its file must stay.
    folder.mkdir(exist_ok=True)
    logger = MLFlowLogger(
        experiment_name=settings.preset,
        run_name=folder.parent.name,
        tracking_uri=f"sqlite:///{(folder / 'mlflow.db').absolute().as_posix()}",
        artifact_location=(folder / "artifacts").absolute().as_uri(),
    )
    client = logger.experiment
    for run in client.search_runs([logger.experiment_id]):
        if run.info.run_id != logger.run_id:
            client.delete_run(run.info.run_id)
    return logger


class HistoryLog(Checkpoint):
    """Hands each row of the history to a logger, in the folder `log` of the run.

    A `Checkpoint` as `EpochEnd` is: the trainer calls those when an epoch's row is complete.
    A run that is resumed writes its log again from the history in its checkpoint, so whatever ended
    the run, no epoch is missing and none is there twice.

    Args:
        fitting: whose history it is.
        settings: of the run; they become the parameters that loggers show beside the curves.
        folder: of the run.
    """

    def __init__(self, fitting: Fitting, settings: Settings, folder: Path) -> None:
        self.fitting, self.settings, self.folder = fitting, settings, folder / LOG
        self.logger: Logger | None = None

    def on_train_start(self, trainer: lightning.Trainer, _: Any) -> None:
        # Of several processes the first writes.
        if not trainer.is_global_zero:
            return
        self.logger = _new_logger(self.settings.training.logger, self.settings, self.folder)
        self.logger.log_hyperparams(config.flat(self.settings))
        for row in self.fitting.history:
            self._write(row)

    def on_train_epoch_end(self, *_: Any) -> None:
        if self.logger is not None:
            self._write(self.fitting.history[-1])

    def _write(self, row: dict[str, float]) -> None:
        assert self.logger is not None
        numbers = {name: value for name, value in row.items() if name != "step"}
        self.logger.log_metrics(numbers, step=int(row["step"]))
        self.logger.save()

    def on_train_end(self, *_: Any) -> None:
        self._close("success")

    def on_exception(self, *_: Any) -> None:
        self._close("failed")

    def _close(self, status: str) -> None:
        if self.logger is not None:
            self.logger.finalize(status)
            self.logger = None
