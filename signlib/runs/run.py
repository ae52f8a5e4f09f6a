"""One run = one folder: settings, metrics, predictions, scores, figures, environment.

Statistics, tables and the README read these folders and nothing else. The test split is opened
once, by a run whose training is over.
"""

import io
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from signlib import paths, reading
from signlib.errors import RunError, SettingsError, shortened
from signlib.files import disk_error, write_bytes, write_json, write_table, write_text
from signlib.processes import alone
from signlib.reading import Unreadable
from signlib.runs import checks
from signlib.settings import config
from signlib.settings.base import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")

SETTINGS = "settings.yaml"
STATUS = "status.json"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
SCORES = "scores.npz"
ENVIRONMENT = "environment.json"
SPLITS = "splits.csv"
HISTORY = "history.csv"
LOCK = ".lock"
STAGES = ("started", "trained", "test opened", "finished")


@dataclass(frozen=True)
class Metric:
    """One number that a run measured.

    Attributes:
        metric: its name, such as `top-1`.
        value: in `unit`.
        n: how many clips (or sentences) it was measured on.
        split: which split they are of.
        unit: `%`, `clips`, `s`, ...
        interval: low and high end of its 95 % interval, or None where it has none.
        note: how it was selected, what the interval resamples, which test clips may have leaked.
    """

    metric: str
    value: float
    n: int
    split: str
    unit: str = "%"
    interval: tuple[float, float] | None = None
    note: str = ""

    @classmethod
    def of(cls, row: Any) -> "Metric":
        """A row of `metrics.json`.

        Raises:
            Unreadable: for another form, or an impossible value.
        """
        names = {entry.name for entry in fields(cls)}
        if not isinstance(row, dict) or not {"metric", "value", "n", "split"} <= set(row) <= names:
            raise Unreadable(f"{str(row)[:60]!r} is no metric with value, n and split")
        interval = row.get("interval")
        if not isinstance(interval, list | None):
            raise Unreadable(f"interval {str(interval)[:40]!r} is no list")
        # JSON has no tuples.
        metric = cls(**{**row, "interval": interval and tuple(interval)})
        metric.check()
        return metric

    def check(self) -> None:
        """Refuse what cannot have been measured.

        Raises:
            Unreadable: with the value and what is allowed.
        """
        checks.check_measured(**vars(self))

    def __str__(self) -> str:
        between = "" if self.interval is None else " [{:.1f}, {:.1f}]".format(*self.interval)
        return f"{self.metric} {self.value:.1f} {self.unit}{between} ({self.split}, n = {self.n})"


def _settings(path: Path) -> tuple[Settings, dict[str, Any]]:
    return config.read(reading.text(path, reading.YAML_BYTES))


def _facts(path: Path) -> dict[str, Any]:
    return checks.facts(reading.read_json(path))


def _status(path: Path) -> dict[str, Any]:
    facts = _facts(path)
    stage = facts.get("stage", "")
    if stage not in STAGES:
        raise ValueError(f"stage {str(stage)[:40]!r} is none of {', '.join(STAGES)}")
    return facts


def _metrics(path: Path) -> list[Metric]:
    rows = reading.read_json(path)
    if not isinstance(rows, list) or not rows:
        raise ValueError("it has no metric")
    return [Metric.of(row) for row in rows]


def _nothing(path: Path) -> list[Metric]:
    # Of a run that tested nothing: its file says why.
    reading.read_json(path)
    return []


class Run:
    """A run's folder: `start` makes one, `Run(path)` opens one.

    Raises:
        RunError: when the folder holds no run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / SETTINGS).is_file():
            raise RunError(
                f"{self.path} holds no run (no {SETTINGS}); `train` makes one and prints its folder"
            )
        # What the file says beyond what was ever read: key -> value.
        self.settings, self.ignored = self._read(SETTINGS, _settings, "cannot be read")
        self._status = self._read(STATUS, _status)

    def _read(
        self, file: str, reader: Callable[[Path], T], problem: str = "is missing or damaged"
    ) -> T:
        # What one of the run's files holds; what is wrong with it names run and file.
        try:
            return reader(self.path / file)
        except (OSError, ValueError, SettingsError) as error:
            raise RunError(f"run {self.path}: {file} {problem} ({error}); train it again") from None

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.stage})"

    @property
    def name(self) -> str:
        """`<experiment>/<run>`."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def stage(self) -> str:
        """How far it is: one of `STAGES`."""
        return self._status.get("stage", "")

    @property
    def finished(self) -> bool:
        """True when metrics and predictions are written."""
        return self.stage == "finished"

    @property
    def metrics(self) -> list[Metric]:
        """Its metrics, once it is finished; none where nothing was tested."""
        self._must_be_finished()
        return self._read(METRICS, _nothing if self.untested else _metrics)

    @property
    def predictions(self) -> pd.DataFrame:
        """One row a test clip: clip, signer, target, prediction, score; once it is finished."""
        self.must_be_tested()
        if not (self.path / PREDICTIONS).is_file():
            raise RunError(
                f"run {self.path} was published without per-clip predictions (its corpus is"
                " restricted); name the run under runs/ that it was published from, or train it"
                " again"
            )
        return self._read(PREDICTIONS, checks.predictions, "is damaged")

    @property
    def scores(self) -> tuple[np.ndarray, list[str], list[str]]:
        """Scores (N, K) float32 with their N clips and K classes; once it is finished."""
        self.must_be_tested()
        if not (self.path / SCORES).is_file():
            raise RunError(
                f"run {self.path} has no {SCORES}: it is published or made none; open the run under"
                " runs/"
            )
        table = self.predictions if (self.path / PREDICTIONS).is_file() else None
        return self._read(SCORES, partial(checks.scores, table=table), "cannot be read")

    @property
    def environment(self) -> dict[str, Any]:
        """Commit, versions, device, wall time and peak memory."""
        return self._read(ENVIRONMENT, _facts)

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch of its training; none where nothing is learned in epochs."""
        if self.facts.get("epochs") == 0:
            return pd.DataFrame(columns=["epoch", "step", "loss"])
        return self._read(HISTORY, reading.read_csv)

    def _must_be_finished(self) -> None:
        if not self.finished:
            raise RunError(
                f"run {self.path} is not finished ({self.stage}); run its training again to"
                " resume it"
            )

    @property
    def untested(self) -> str:
        """Why it tested nothing; "" where it did, or will."""
        return self._status.get("untested", "")

    def must_be_tested(self) -> None:
        """Refuse a run without results.

        Raises:
            RunError: for an unfinished run, or one that tested nothing, with the reason.
        """
        self._must_be_finished()
        if self.untested:
            raise RunError(
                f"run {self.path} has no results: {self.untested}; add clips and train another run"
            )

    @property
    def splits(self) -> dict[str, str]:
        """Clip -> train, val or test; {} of a run that did not keep it.

        Raises:
            RunError: when the file is damaged.
        """
        path = self.path / SPLITS
        if not path.is_file():
            return {}
        try:
            table = reading.read_csv(path, dtype=str, keep_default_na=False)
            unknown = sorted(set(table["split"]) - {*checks.SPLITS, ""})
            if unknown or not table["clip"].is_unique:
                raise ValueError(f"split {unknown[0]!r}" if unknown else "a clip appears twice")
            return dict(zip(table["clip"], table["split"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            raise RunError(
                f"run {self.path}: {SPLITS} is missing or damaged ({error!r}); copy it again, or"
                " train the run again"
            ) from None

    def note(self, **facts: Any) -> None:
        """Keep facts about the run beside its stage, such as the clips that could not be used."""
        self._status.update(facts)
        write_json(self.path / STATUS, self._status)

    @property
    def facts(self) -> dict[str, Any]:
        """What `note` kept."""
        return dict(self._status)

    def trained(self) -> None:
        """Say that training and every selection are over."""
        if self.stage != "started":
            raise RunError(
                f"run {self.path} was trained before ({self.stage}); start another run to train"
                " again"
            )
        self.note(stage="trained")

    def open_test(self, after_crash: bool = False) -> None:
        """Ask for the test split: granted once, to a run whose training is over.

        Args:
            after_crash: resume a run that was killed between opening the split and finishing. Its
                weights were written before, so it can only measure the same again.

        Raises:
            RunError: before training is over, or when the test split was read before.
        """
        if self.stage == "started":
            raise RunError(
                f"run {self.path}: the test split stays closed until training and selection are"
                " over"
            )
        if self.stage != "trained" and not (after_crash and self.stage == "test opened"):
            raise RunError(
                f"run {self.path} has read its test split already; start another run (--run-name)"
            )
        self.note(
            stage="test opened", test_opened=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        )

    def finish(
        self,
        metrics: Sequence[Metric],
        predictions: pd.DataFrame | None = None,
        scores: tuple[np.ndarray, Sequence[str], Sequence[str]] | None = None,
        figures: Mapping[str, Callable[[], "Figure"]] | None = None,
    ) -> "Run":
        """Write the results, draw the figures and close the run.

        Args:
            metrics: what was measured; none where `note(untested=...)` says why.
            predictions: one row a clip: clip, signer, target, prediction, score.
            scores: (N, K) array, N clips, K class names.
            figures: name -> what draws a matplotlib figure, saved as `figures/<name>.png` once the
                results are written. One that cannot be drawn is named in a line, and in the fact
                `undrawn` of the run.

        Raises:
            RunError: when the run is finished already, a metric is not a finite number or was
                measured on a test split that was never opened, or the scores do not fit their clips
                and classes.
        """
        if self.finished:
            raise RunError(f"run {self.path} is finished; start another run (--run-name)")
        if self.stage != "test opened" and any(metric.split == "test" for metric in metrics):
            raise RunError(
                f"run {self.path}: a metric of the test split, which was not opened; call open_test"
                " first"
            )
        if not (metrics or self.untested):
            raise RunError(
                f"run {self.path}: metric (none given) has no value; nothing was written"
            )
        try:
            for metric in metrics:
                metric.check()
        except Unreadable as error:
            raise RunError(f"run {self.path}: {error}; nothing was written") from None
        if scores is not None and np.shape(scores[0]) != (len(scores[1]), len(scores[2])):
            raise RunError(
                f"run {self.path}: scores of shape {np.shape(scores[0])} do not fit"
                f" {len(scores[1])} clips and {len(scores[2])} classes; nothing was written"
            )
        # The last refusal: from here on files are written, `finished` comes after all of them.
        for name in figures or ():
            paths.check_name(name, "figure")
        if predictions is not None:
            write_table(self.path / PREDICTIONS, predictions)
        if scores is not None:
            write_arrays(
                self.path / SCORES,
                {"clips": scores[1], "classes": scores[2]},
                scores=np.asarray(scores[0], np.float32),
            )
        measured = [asdict(metric) for metric in metrics]
        write_json(self.path / METRICS, measured or {"untested": self.untested})
        write_json(self.path / ENVIRONMENT, environment(self._status))
        faults = {
            name: drawn(self.path / "figures" / f"{name}.png", draw)
            for name, draw in (figures or {}).items()
        }
        undrawn = {name: fault for name, fault in faults.items() if fault}
        self.note(stage="finished", **({"undrawn": undrawn} if undrawn else {}))
        return self


def drawn(path: Path, draw: Callable[[], "Figure"]) -> str:
    """Draw a figure into a PNG file.

    Returns:
        What is wrong with it, which is printed too; "" when it was drawn.
    """
    try:
        picture = io.BytesIO()
        draw().savefig(picture, format="png", dpi=120, bbox_inches="tight")
        write_bytes(path, picture.getvalue())
    # Whatever a figure stumbles over: a run's results are worth more than its pictures.
    except Exception as error:
        fault = shortened(f"{type(error).__name__}: {' '.join(str(error).split())}")
        print(f"figure {path} was not drawn: {fault}", file=sys.stderr)
        return fault
    return ""


def write_arrays(path: Path, names: Mapping[str, Sequence[str]], **arrays: np.ndarray) -> None:
    """Write lists of names and arrays as one compressed file, whole or not at all.

    Raises:
        DiskError: when it could not be written; the old file stays.
    """
    # As text, never as objects: an object array would be pickled, and nobody could load it.
    texts = {key: np.array(list(values), dtype=np.str_) for key, values in names.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays, **texts)
    write_bytes(path, content.getvalue())


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Write to a run's folder, which is made, while no other process does.

    A finished run is not written to any more.

    Raises:
        RunError: when another process trains that run.
        DiskError: when the folder cannot be written.
    """
    if (path / SETTINGS).is_file() and Run(path).finished:
        yield
        return
    refusal = RunError(
        f"run {path} is being trained by another process; wait for it, or choose another --run-name"
    )
    with ExitStack() as stack:
        try:
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(path / LOCK, refusal))
        except OSError as error:
            raise disk_error(error, path) from error
        yield


def start(experiment: str, name: str, settings: Settings, resume: bool = False) -> Run:
    """A run's folder below the runs root, fresh or resumed.

    Args:
        experiment: such as `landmarks-small`.
        name: of this run.
        settings: fully resolved.
        resume: take an unfinished run of the same settings up again.

    Returns:
        A run; a finished one of the same settings is returned as it is.

    Raises:
        RunError: when the name is taken by a run with other settings, or by an unfinished one
            without `resume`.
    """
    path = paths.runs_root().joinpath(
        paths.check_name(experiment, "experiment"), paths.check_name(name, "run name")
    )
    if (path / SETTINGS).is_file():
        run = Run(path)
        changed = config.differences(settings, run.settings)
        # How long a session may last and who draws its curves are no part of the experiment.
        if changed and changed.keys() <= {"training.hours", "training.logger"}:
            if not run.finished:
                write_text(path / SETTINGS, config.to_yaml(settings))
                run = Run(path)
        elif changed:
            key, value = next(iter(changed.items()))
            raise RunError(
                f"run {path} has {key}={config.flat(run.settings)[key]!r}, not {value!r}; "
                "choose another --run-name, or delete it"
            )
        if not run.finished and not resume:
            raise RunError(
                f"run {path} is unfinished ({run.stage}); add --resume to resume it, or choose"
                " another --run-name"
            )
        return run
    write_json(
        path / STATUS,
        {"stage": "started", "smoke": settings.mode == "smoke", "started": time.time()},
    )
    # Last: a folder is a run once its settings stand in it.
    write_text(path / SETTINGS, config.to_yaml(settings))
    return Run(path)


def environment(status: Mapping[str, Any]) -> dict[str, Any]:
    """Commit, versions, machine, wall time since the start and peak memory of this process."""
    packages = (
        "numpy",
        "pandas",
        "scipy",
        "scikit-learn",
        "torch",
        "transformers",
        "lightning",
        "mediapipe",
        "av",
    )
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages if _version(name)},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "device": status.get("device", "cpu"),
        "precision": status.get("precision", "32"),
        "wall_seconds": round(time.time() - status["started"], 1) if "started" in status else None,
        "training_seconds": status.get("training_seconds"),
        "peak_memory_mb": round(_peak_memory() / 2**20),
    }


def _peak_memory() -> int:
    # Bytes that this process had at most.
    try:
        import resource
    except ImportError:
        # Windows, where psutil knows it.
        import psutil

        return psutil.Process().memory_info().peak_wset
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In bytes on macOS and in KiB on Linux.
    return peak if sys.platform == "darwin" else 2**10 * peak


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def commit() -> str:
    """The commit of this checkout, with `+` when the work tree differs; "" outside git."""
    # An installed package may lie below another project's checkout, whose commit says nothing.
    if paths.home() != paths.REPOSITORY:
        return ""
    try:
        return subprocess.run(
            [
                "git",
                "-C",
                str(paths.REPOSITORY),
                "describe",
                "--always",
                "--dirty=+",
                "--abbrev=10",
                "--exclude=*",
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
