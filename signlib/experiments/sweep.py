"""Several presets, each over several random seeds, as one job that can be resumed.

Every run is an ordinary one; a sweep knows only their names, so that finished ones are found again.
"""

import gc
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora.registry import check_read, corpus_reads
from signlib.errors import SettingsError, did_you_mean, listed
from signlib.experiments.early import check_training, reads
from signlib.runs import run as runs
from signlib.settings import aliases, config, presets, registry
from signlib.settings.base import Settings
from signlib.settings.training import TrainingSettings

# Presets that a line names; of more it says how many.
LISTED = 5
# Runs of a preset where nobody names seeds.
USUAL = 3
# Preset, run name, settings.
Job = tuple[str, str, Settings]


@dataclass
class Sweep:
    """What was trained.

    Attributes:
        runs: preset -> its finished runs with results, in the order of the seeds.
        open: names of runs that the time budget left unfinished or not begun.
        untested: names of finished runs that tested nothing, so that they have no results.
    """

    runs: dict[str, list[runs.Run]]
    open: list[str] = field(default_factory=list)
    untested: list[str] = field(default_factory=list)


def members(names: Iterable[str]) -> list[str]:
    """Presets of a sweep: named families opened, each preset once.

    Raises:
        SettingsError: for a name that is neither a family nor a preset, or none at all.
    """
    sweeps = registry.all_sweeps()
    chosen: list[str] = []
    for name in names:
        if (
            name not in sweeps
            and aliases.RENAMED_PRESETS.get(name, name) not in registry.all_presets()
        ):
            every = [*sweeps, *registry.all_presets()]
            names = did_you_mean(name, every, "python -m signlib sweep --help")
            raise SettingsError(f"{name!r} is neither a family nor a preset; {names}")
        chosen += sweeps.get(name, (aliases.RENAMED_PRESETS.get(name, name),))
    if not chosen:
        raise SettingsError("a sweep needs a family or some presets")
    return list(dict.fromkeys(chosen))


def check_seeds(seeds: Sequence[int] | None, overrides: Iterable[str]) -> None:
    """Refuse runs that would have one random seed and be counted as several.

    Raises:
        SettingsError: for seeds named twice, or none; for a seed among the overrides, which every
            run would have.
    """
    if seeds is not None and len(set(seeds)) < max(len(seeds), 1):
        raise SettingsError(f"seeds={list(seeds)}: give one or more, each once")
    fixed = [text for text in overrides if config.key_of(text) == "seed"]
    SettingsError.raise_if(
        fixed, f"--set {' '.join(fixed)[:80]}: all runs would have one random seed; give --seeds"
    )


def runs_each(seeds: Sequence[int] | None) -> int:
    """How many runs each preset has with these seeds, None = the usual ones."""
    return USUAL if seeds is None else len(seeds)


def plan(
    names: Iterable[str],
    seeds: Sequence[int] | None = None,
    mode: str = "full",
    overrides: Sequence[str] = (),
) -> list[Job]:
    """Preset, run name and settings of each run.

    They come seed by seed, so that an early stop leaves whole seeds.

    Args:
        names, mode, overrides: as for `sweep`.
        seeds: of each preset; None = the preset's own and the two after it.

    Raises:
        SettingsError: for unknown names, seeds named twice, or settings that cannot work or that no
            preset reads.
    """
    check_seeds(seeds, overrides)
    chosen = members(names)
    first_of = {name: presets.build(name, mode).seed for name in chosen}
    seeds_of = {name: seeds or range(first, first + USUAL) for name, first in first_of.items()}
    first_runs = [
        presets.build(name, mode, seeds_of[name][0], overrides, lenient=True) for name in chosen
    ]
    for key in map(config.key_of, overrides):
        if not any(config.is_read(settings, key) for settings in first_runs):
            # Refused with its reason, unless it is the default.
            presets.build(chosen[0], mode, None, overrides)
        unread = [settings for settings in first_runs if not reads(settings, key)]
        if len(unread) == len(first_runs):
            check_read(unread[0].data, [key])
    jobs = []
    for turn, name in product(range(runs_each(seeds)), chosen):
        seed = seeds_of[name][turn]
        settings = presets.build(name, mode, seed, overrides, lenient=True)
        read = [text for text in overrides if corpus_reads(settings.data, config.key_of(text))]
        if len(read) < len(overrides):
            settings = presets.build(name, mode, seed, read, lenient=True)
        jobs.append((name, _run_name(settings) if overrides else f"{mode}-seed{seed}", settings))
    return jobs


def _run_name(settings: Settings) -> str:
    # A preset that no override changes is trained once, whatever the other ones are asked; under
    # a name of its own it may have been trained by an earlier version.
    preset, mode, seed = settings.preset, settings.mode, settings.seed
    own_name = config.run_name(settings)
    changed = settings != presets.build(preset, mode, seed)
    return own_name if changed or finished(preset, own_name) else f"{mode}-seed{seed}"


def left_out(jobs: Iterable[Job], overrides: Iterable[str]) -> str:
    """One line on overrides that some presets of a plan do not read; "" where all read all."""
    settings_of = {name: settings for name, _, settings in jobs}
    words = []
    for key in dict.fromkeys(map(config.key_of, overrides)):
        idle = [
            name
            for name, each in settings_of.items()
            if not (config.is_read(each, key) and corpus_reads(each.data, key))
        ]
        if idle:
            words.append(f"{key} by {listed(idle, LISTED)}")
    return f"left out, because it is not read: {'; '.join(words)}" if words else ""


def sweep(
    names: Iterable[str],
    seeds: Sequence[int] | None = None,
    mode: str = "full",
    overrides: Sequence[str] = (),
    hours: float = 0.0,
    quiet: bool = False,
    workers: int = 1,
) -> Sweep:
    """Train what is not trained yet, and give all runs.

    Args:
        names: presets, or named families of them.
        seeds: of each preset; None = the preset's own and the two after it.
        mode, overrides: as for `presets.build`, for every run that reads them.
        hours: time budget of this call; the same call later resumes a run that it ends;
            0 = none.
        quiet: no progress bars, and no word on overrides that some presets do not read.
        workers: so many runs at once, each in a process of its own; give each its share of cores by
            `training.threads`. Runs come out as with one.

    Raises:
        SettingsError: for what cannot work, before anything is trained.
        RunError: for a run whose name is taken by other settings.
    """
    jobs = plan(names, seeds, mode, overrides)
    for _, run_name, settings in jobs:
        check_training(settings, run_name)
    if not quiet:
        _say(left_out(jobs, overrides))
    done = Sweep({name: [] for name, *_ in jobs})
    end = time.time() + 3600 * hours if hours else None
    for (name, run_name, _), run in zip(jobs, _trained(jobs, workers, quiet, end), strict=True):
        if run is None:
            done.open.append(f"{name} {run_name}")
        elif run.untested:
            done.untested.append(f"{name} {run_name}")
        else:
            done.runs[name].append(run)
    return done


def train_all(
    chosen: Mapping[str, Settings], workers: int = 1, quiet: bool = False
) -> dict[str, runs.Run]:
    """The run of each settings, under the same key; finished ones are found again.

    Args:
        chosen: any keys -> settings; a run's name comes from its settings.
        workers, quiet: as for `sweep`.

    Raises:
        SettingsError: for fewer than one worker.
    """
    jobs = [(settings.preset, config.run_name(settings), settings) for settings in chosen.values()]
    pairs = zip(chosen, _trained(jobs, workers, quiet, end=None), strict=True)
    # Without an end no run stays open.
    return {key: run for key, run in pairs if run is not None}


def _trained(
    jobs: Sequence[Job], workers: int, quiet: bool, end: float | None
) -> Iterator[runs.Run | None]:
    # The runs in their order, None for one that the end of the time left open.
    if workers < 1:
        raise SettingsError(f"workers={workers}: give at least 1")
    alone = min(workers, len(jobs)) == 1
    if not alone:
        _make_shared_stores(jobs)
    # Whole paths: a process that is older than this call may stand in another folder.
    roots = {"SIGNLIB_RUNS": paths.runs_root(), "SIGNLIB_DATA": paths.data_root()}
    environment = {} if alone else {name: str(root.absolute()) for name, root in roots.items()}
    # With one job everything happens here; the bars of several processes would overwrite each
    # other.
    trained = Parallel(n_jobs=min(workers, len(jobs)), return_as="generator", batch_size=1)(
        delayed(_train)(job, end, quiet or not alone, environment) for job in jobs
    )
    yield from tqdm(trained, desc="runs", total=len(jobs), unit="run", disable=quiet)


def _train(
    job: Job, end: float | None, quiet: bool, environment: Mapping[str, str]
) -> runs.Run | None:
    # The run if it is finished, None if the time was over.
    from signlib.experiments import experiment

    name, run_name, settings = job
    os.environ.update(environment)  # a process may be older than it is
    if end is not None:
        left = (end - time.time()) / 3600
        if left <= 0 and not finished(name, run_name):
            return None
        settings = replace(settings, training=replace(settings.training, hours=max(left, 1e-6)))
    run = experiment.train(settings, run_name, resume=True, quiet=quiet)
    gc.collect()  # trainer and model know each other: without this their clips stay in memory
    return run if run.finished else None


def _make_shared_stores(jobs: Iterable[Job]) -> None:
    # Stores that several runs share are made before them: a store has one writer.
    from signlib.tasks.registry import task_of

    asked: list[Settings] = []
    for name, run_name, settings in jobs:
        # Neither the random seed nor how long is trained decides what a store holds.
        alike = replace(settings, preset="", seed=0, training=TrainingSettings())
        if alike not in asked and not finished(name, run_name):
            task_of(settings).share_stores(settings)
            asked.append(alike)


def cost(
    names: Iterable[str],
    seeds: Sequence[int] | None = None,
    mode: str = "full",
    overrides: Sequence[str] = (),
    seconds: float = 10.0,
) -> pd.DataFrame:
    """What the whole sweep would take; one row a preset, before anything is trained.

    Args:
        names, seeds, mode, overrides: as for `plan`.
        seconds: about how long to measure each preset on this machine.

    Returns:
        Columns hours (all seeds, on this machine, measured), T4 (the same on a T4, computed),
            memory and memory_t4
        (GiB a device, counted), device.
    """
    from signlib.experiments import estimate

    rows = {}
    jobs = plan(names, seeds, mode, overrides)
    _say(left_out(jobs, overrides))
    count = runs_each(seeds)
    for name, _, settings in jobs[: len(jobs) // count]:
        one = estimate.estimate(settings, estimate.work_of(settings), seconds=seconds)
        rows[name] = {
            "hours": count * one.seconds()[2] / 3600,
            "T4": count * one.seconds(t4=True)[2] / 3600,
            "memory": one.memory.total / estimate.GIB,
            "memory_t4": one.memory_t4.total / estimate.GIB,
            "device": one.here[0],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _say(line: str) -> None:
    if line:
        print(line)


def finished(preset: str, run_name: str) -> bool:
    """Is that run there, with its results?"""
    path = paths.runs_root() / preset.replace("/", "-") / run_name
    return (path / runs.SETTINGS).is_file() and runs.Run(path).finished
