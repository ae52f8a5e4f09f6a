"""Settings chosen on validation clips by Optuna: trials that never open their test, then one run.

The study is a journal beside the runs, so that the same command resumes a search that was stopped,
as if nobody had stopped it. It is tested once: after that it can be read again, but not go on.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from signlib import paths
from signlib.corpora.splits import settled
from signlib.errors import Diverged, RunError, SettingsError, extra
from signlib.experiments import experiment
from signlib.experiments.early import check_asked, check_training, run_names
from signlib.experiments.sweep import check_seeds
from signlib.files import disk_error
from signlib.processes import alone
from signlib.runs.run import Run
from signlib.settings import config, presets
from signlib.settings.base import Settings
from signlib.tasks.registry import open_task

# Why a trial has no results.
UNTESTED = "it is a trial of a search, which chooses on validation clips"
# What decides which clips validate, how long a run may last, or which run it is.
FIXED = ("data.", "seed", "task", "training.hours", "training.logger")
# A range around a preset's own value goes from a tenth of it to ten times it.
AROUND = 10
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?P<log>:log)?")


@dataclass(frozen=True)
class Range:
    """The values that a search may give to one setting.

    Attributes:
        key: of the setting.
        low, high: of a number, both included; None = it is one of the choices.
        whole: only whole numbers.
        log: drawn evenly on a logarithmic scale.
        choices: as they would be typed.
    """

    key: str
    low: float | None = None
    high: float | None = None
    whole: bool = False
    log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def ends(self) -> list[str]:
        """Values that must be possible for all to be."""
        if self.low is None or self.high is None:
            return list(self.choices)
        return [self.typed(self.low), self.typed(self.high)]

    def typed(self, value: Any) -> str:
        """A value as it would be typed."""
        return str(int(value)) if self.whole else str(value)

    def distribution(self, optuna: Any) -> Any:
        """The same for Optuna."""
        if self.low is None or self.high is None:
            return optuna.distributions.CategoricalDistribution(self.choices)
        if self.whole:
            ends = int(self.low), int(self.high)
            return optuna.distributions.IntDistribution(*ends, log=self.log)
        return optuna.distributions.FloatDistribution(self.low, self.high, log=self.log)

    def __str__(self) -> str:
        values = "|".join(self.choices) or "..".join(self.ends)
        return f"{self.key}={values}{':log' if self.log else ''}"


@dataclass
class Searched:
    """What a search has come to.

    Attributes:
        preset: whose settings were searched.
        measure: `validation_accuracy` or `validation_wer`.
        trials: one row a trial, its number as index: value (NaN without one), problem (why it has
            none), and a column for each setting.
        best: number of the best trial; -1 while there is none.
        runs: of the best settings, one a seed, each tested once; none while trials are open.
    """

    preset: str
    measure: str
    trials: pd.DataFrame
    best: int
    runs: list[Run]

    @property
    def open(self) -> bool:
        """Whether the time budget ended first."""
        return not self.runs


def read_space(texts: Iterable[str], settings: Settings, overrides: Sequence[str]) -> list[Range]:
    """The ranges that were typed, once both ends or all choices of each are possible.

    Args:
        texts: `KEY=LOW..HIGH`, `KEY=LOW..HIGH:log` or `KEY=A|B|C`.
        settings: of the preset with these overrides.
        overrides: `key=value`.

    Raises:
        SettingsError: for another form, a setting named twice, one that cannot be searched, or one
            that cannot have such a value.
    """
    ranges = [_read_range(text, settings) for text in texts]
    keys = [each.key for each in ranges]
    twice = sorted({key for key in keys if keys.count(key) > 1 or key in _keys(overrides)})
    SettingsError.raise_if(
        twice, f"--space and --set name {', '.join(twice)} twice; once is enough"
    )
    for each in ranges:
        for value in each.ends:
            asked = [*overrides, f"{each.key}={value}"]
            presets.build(settings.preset, settings.mode, settings.seed, asked)
    return ranges


def _keys(overrides: Iterable[str]) -> set[str]:
    return {text.partition("=")[0].strip() for text in overrides}


def _read_range(text: str, settings: Settings) -> Range:
    key, _, values = (part.strip() for part in text.partition("="))
    SettingsError.raise_if(
        key.startswith(FIXED),
        f"--space {text[:80]!r}: {key} cannot be searched, because trials are compared on the same"
        " clips with the same seed; give it to --set",
    )
    choices = tuple(choice.strip() for choice in values.split("|"))
    match = _RANGE.fullmatch(values)
    if match is None:
        SettingsError.raise_if(
            len(set(choices)) < max(len(choices), 2) or "" in choices,
            f"--space {text[:80]!r} is neither KEY=LOW..HIGH, KEY=LOW..HIGH:log nor KEY=A|B|C with"
            " different values, such as training.learning_rate=1e-4..1e-2:log",
        )
        return Range(key, choices=choices)
    low, high = float(match["low"]), float(match["high"])
    SettingsError.raise_if(
        low >= high or (match["log"] and low <= 0),
        f"--space {text[:80]!r}: the lower end must be below the upper one, and above 0 with :log",
    )
    whole = _kind(key, settings) is int
    SettingsError.raise_if(
        whole and not (low.is_integer() and high.is_integer()),
        f"--space {text[:80]!r}: {key} takes whole numbers; give two",
    )
    return Range(key, low, high, whole, log=bool(match["log"]))


def _kind(key: str, settings: Settings) -> Any:
    # The type of a setting; of an unknown one any, since `presets.build` refuses it with a hint.
    entry = config.entries(type(settings)).get(key)
    return float if entry is None else entry.type


def usual_space(settings: Settings) -> list[str]:
    """What is searched where nobody says: learning rates, weight decay and the task's dropout."""
    training = settings.training
    lowest = max(training.warmup_start_lr, training.min_lr)
    values = {"training.learning_rate": training.learning_rate}
    values |= {f"training.rates.{name}": rate for name, rate in training.rates.items()}
    values["training.weight_decay"] = training.weight_decay
    space = {}
    for key, value in values.items():
        low = value / AROUND
        if key == "training.learning_rate":
            low = max(low, lowest)
        if 0 < low < AROUND * value:
            space[key] = f"{key}={low:g}..{AROUND * value:g}:log"
    space[settings.DROPOUT] = f"{settings.DROPOUT}=0..0.6"
    return [text for key, text in space.items() if _read(settings, key)]


def _read(settings: Settings, key: str) -> bool:
    # `training.rates` takes any name.
    setting = key if key in config.entries(type(settings)) else key.rpartition(".")[0]
    return config.is_read(settings, setting)


def search(
    preset: str,
    trials: int,
    space: Sequence[str] = (),
    mode: str = "full",
    seeds: Sequence[int] | None = None,
    overrides: Sequence[str] = (),
    hours: float = 0.0,
    quiet: bool = False,
) -> Searched:
    """The settings that do best on validation clips, and the runs that were then tested.

    Args:
        preset: `family/variant`.
        trials: how many settings are tried, by Optuna's tree-structured Parzen estimator; the same
            call resumes a search that was stopped, and a larger number goes on with it, until its
            test was opened.
        space: see `read_space`; none = `usual_space`.
        mode, overrides: as for `presets.build`.
        seeds: of the last runs; the first one is that of all trials. None = the preset's own.
        hours: time budget of this call; 0 = none.
        quiet: no progress bars.

    Raises:
        SettingsError: for what cannot work, clips without validation, a task without anything to
            search, a package that is not installed, or a search that was tested before.
        RunError: when no trial has a result, or another process makes the same search.

    Source: Bergstra et al. 2011 for the estimator; source 000 recommends such a search.
    """
    with extra("search"):
        import optuna
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    SettingsError.raise_if(trials < 1, f"trials={trials}: give at least 1")
    check_seeds(seeds, overrides)
    base = presets.build(preset, mode, seeds[0] if seeds else None, overrides)
    check_asked(base, overrides)
    ranges = read_space(space or usual_space(base), base, overrides)
    SettingsError.raise_if(
        not ranges, f"preset {base.preset} reads nothing that is usually searched; give --space"
    )
    check_training(base)
    lower_is_better = _check_clips(base)
    base = replace(base, training=replace(base.training, hours=0.0))
    content = "\n".join([config.to_yaml(base), *map(str, ranges)])
    name = f"search-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    folder = paths.runs_root() / run_names(base)[0]
    end = time.time() + 3600 * hours if hours else None
    build = partial(presets.build, base.preset, mode)
    with _study(optuna, folder / f"{name}.journal", lower_is_better) as study:
        steps = _Steps(study, name, ranges, overrides, build, base.seed, end, quiet)
        _check_untested(study, trials, name)
        while len(_closed(study)) < trials:
            if not steps.trial(optuna):
                return steps.result(base, [])
        so_far = steps.result(base, [])
        RunError.raise_if(
            so_far.best < 0,
            f"search {folder / name}: none of {trials} trials has a result; the last one:"
            f" {so_far.trials['problem'].iloc[-1]}; give another --space",
        )
        study.set_user_attr("tested", trials)
        return steps.result(base, steps.best(seeds or [base.seed], trials))


def _check_clips(settings: Settings) -> bool:
    # Whether less is better on the validation clips, which must be there.
    task = open_task(settings)
    reason = task.refusal(settings, "search")
    SettingsError.raise_if(reason, f"task={settings.task} cannot be searched: {reason}")
    task.settings = replace(settings, data=settled(settings.data, task.table))
    SettingsError.raise_if(
        not len(task.splits.val),
        f"preset {settings.preset}: no clip of corpus {settings.data.corpus} validates"
        f" (data.validation={settings.data.validation:g}), and a search chooses on validation"
        " clips; hold some out, such as --set data.validation=0.2",
    )
    return task.lower_is_better


@contextmanager
def _study(optuna: Any, path: Path, lower_is_better: bool) -> Iterator[Any]:
    # The study in a journal, new or as it was left, for this process alone.
    journal = optuna.storages.journal
    refusal = RunError(f"search {path} is made by another process; wait for it")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone(path.with_suffix(".lock"), refusal))
        except OSError as error:
            raise disk_error(error, path) from error
        try:
            # The lock above is enough, and goes with the process.
            backend = journal.JournalFileBackend(
                str(path), lock_obj=journal.JournalFileOpenLock(str(path))
            )
            study = optuna.create_study(
                study_name=path.stem,
                storage=optuna.storages.JournalStorage(backend),
                direction="minimize" if lower_is_better else "maximize",
                load_if_exists=True,
            )
        except (ValueError, KeyError) as error:
            raise RunError(
                f"search {path} is damaged ({str(error)[:80]}); delete it to search anew"
            ) from None
        yield study


def _closed(study: Any) -> list[Any]:
    # Trials that have a value, or never will.
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def _check_untested(study: Any, trials: int, name: str) -> None:
    tested = study.user_attrs.get("tested", trials)
    SettingsError.raise_if(
        tested != trials,
        f"{name} was tested after {tested} trials: to go on would choose with the test in sight;"
        f" ask for {tested} trials to see its result, or search anew with another --space or"
        " --seeds",
    )
    tried = len(_closed(study))
    SettingsError.raise_if(
        tried > trials,
        f"{name} has tried {tried} settings, and the best of all of them would be tested; ask for"
        f" {tried} trials or more, not {trials}",
    )


@dataclass
class _Steps:
    """The steps of one search."""

    study: Any
    name: str
    ranges: Sequence[Range]
    overrides: Sequence[str]
    build: Any
    seed: int
    end: float | None
    quiet: bool

    def trial(self, optuna: Any) -> bool:
        """Train one trial and tell its value; False when the time budget ended first."""
        state = optuna.trial.TrialState
        begun = self.study.get_trials(deepcopy=False, states=[state.RUNNING])
        if not begun:
            # A sampler that draws from number and seed alone: a resumed search asks what one that
            # nobody stopped would have asked.
            number = len(self.study.get_trials(deepcopy=False))
            seed = (self.seed * 1_000_003 + number) % 2**32
            self.study.sampler = optuna.samplers.TPESampler(seed=seed)
            spread = {each.key: each.distribution(optuna) for each in self.ranges}
            begun = [self.study.ask(spread)]
        trial = begun[0]
        if set(trial.params) < {each.key for each in self.ranges}:
            # It was killed while it was asked for.
            self.study.tell(trial.number, state=state.FAIL)
            return True
        try:
            run = self._train(trial.params, self.seed, f"trial-{trial.number:03d}", UNTESTED)
        # Each value is possible by itself, but not all together; or the network fell apart.
        except (Diverged, SettingsError) as error:
            self.study.set_user_attr(f"problem-{trial.number}", str(error))
            self.study.tell(trial.number, state=state.FAIL)
            print(f"trial {trial.number} has no value: {error}")
            return True
        if run is None:
            return False
        selected = run.facts.get("selected", {})
        RunError.raise_if(
            not selected,
            f"run {run.path} was never validated; raise training.epochs or training.validate_every",
        )
        (value,) = selected.values()
        self.study.tell(trial.number, value)
        if not self.quiet:
            print(f"trial {trial.number}: {value:.2f} with {self._words(trial.params)}")
        return True

    def best(self, seeds: Iterable[int], trials: int) -> list[Run]:
        """The runs of the best settings; none when the time budget ended first."""
        best = self.study.best_trial
        runs = []
        for seed in seeds:
            run = self._train(best.params, seed, f"best-seed{seed}")
            if run is None:
                return []
            run.note(search={"trials": trials, "best": best.number, "value": best.value})
            runs.append(run)
        return runs

    def _train(
        self, params: Mapping[str, Any], seed: int, run_name: str, untested: str = ""
    ) -> Run | None:
        settings = self.build(seed, [*self.overrides, *self._typed(params)])
        if self.end is not None:
            left = (self.end - time.time()) / 3600
            settings = replace(settings, training=replace(settings.training, hours=max(left, 1e-6)))
            if left <= 0:
                return None
        run_name = f"{self.name}-{run_name}"
        run = experiment.train(settings, run_name, True, self.quiet, untested=untested)
        return run if run.finished else None

    def _typed(self, params: Mapping[str, Any]) -> list[str]:
        return [f"{each.key}={each.typed(params[each.key])}" for each in self.ranges]

    def _words(self, params: Mapping[str, Any]) -> str:
        return " ".join(
            f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
            for key, value in params.items()
        )

    def result(self, base: Settings, runs: list[Run]) -> Searched:
        """What the search has come to so far."""
        closed = _closed(self.study)
        rows = {
            trial.number: {
                "value": trial.value,
                "problem": self.study.user_attrs.get(f"problem-{trial.number}", ""),
                **trial.params,
            }
            for trial in closed
        }
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("trial")
        has_best = any(trial.value is not None for trial in closed)
        measure = "validation_wer" if self.study.direction.name == "MINIMIZE" else ""
        return Searched(
            base.preset,
            measure or "validation_accuracy",
            table,
            self.study.best_trial.number if has_best else -1,
            runs,
        )
