"""Several presets, each over several seeds, as one job that can be stopped and gone on with.

Every run is an ordinary one; a sweep knows only their names, so that finished ones are found again.
"""

import gc
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
from tqdm.auto import tqdm

from signlib import config, estimate, experiment, paths, presets, runs
from signlib.config import Settings
from signlib.errors import SettingsError


@dataclass
class Sweep:
    """What was trained.

    Attributes:
        runs: preset -> its finished runs, in the order of the seeds.
        open: names of runs that the time budget left unfinished or not begun.
    """

    runs: dict[str, list[runs.Run]]
    open: list[str] = field(default_factory=list)


def members(names: Iterable[str]) -> list[str]:
    """Presets of a sweep: families of `presets.SWEEPS` opened, each preset once.

    Raises:
        SettingsError: for a name that is neither a family nor a preset, or none at all.
    """
    found: list[str] = []
    for name in names:
        if name not in presets.SWEEPS and name not in presets.PRESETS:
            families = ", ".join(presets.SWEEPS)
            raise SettingsError(f"{name!r} is neither a family ({families}) nor a preset (`signlib models` lists them)")
        found += presets.SWEEPS.get(name, (name,))
    if not found:
        raise SettingsError("a sweep needs a family or some presets")
    return list(dict.fromkeys(found))


def plan(
    names: Iterable[str], seeds: Sequence[int] = (0, 1, 2), mode: str = "full", overrides: Sequence[str] = ()
) -> list[tuple[str, str, Settings]]:
    """Preset, run name and settings of each run: seed by seed, so that an early stop leaves whole seeds.

    Raises:
        SettingsError: for unknown names, seeds named twice, or settings that cannot work.
    """
    if not seeds or len(set(seeds)) < len(seeds):
        raise SettingsError(f"seeds={list(seeds)}: give one or more, each once")
    jobs = []
    chosen = members(names)
    for seed in seeds:
        for name in chosen:
            settings = presets.build(name, mode, seed, overrides)
            run_name = config.run_name(settings) if overrides else f"{mode}-seed{seed}"
            jobs.append((name, run_name, settings))
    return jobs


def sweep(
    names: Iterable[str],
    seeds: Sequence[int] = (0, 1, 2),
    mode: str = "full",
    overrides: Sequence[str] = (),
    hours: float = 0.0,
    quiet: bool = False,
) -> Sweep:
    """Train what is not trained yet, and give all runs.

    Args:
        names: presets, or families of `presets.SWEEPS`.
        seeds: of each preset.
        mode, overrides: as for `presets.build`, for every run.
        hours: time budget of this call; a run that it ends is gone on with by the same call later. 0 = none.
        quiet: no progress bars.

    Raises:
        SettingsError: for what cannot work, before anything is trained.
        RunError: for a run whose name is taken by other settings.
    """
    jobs = plan(names, seeds, mode, overrides)
    done = Sweep({name: [] for name, *_ in jobs})
    end = time.monotonic() + 3600 * hours
    with tqdm(total=len(jobs), desc="runs", unit="run", disable=quiet) as bar:
        for name, run_name, settings in jobs:
            bar.set_postfix_str(f"{name} seed {settings.seed}")
            left = (end - time.monotonic()) / 3600
            if hours and left <= 0 and not finished(name, run_name):
                done.open.append(f"{name} {run_name}")
                continue
            if hours:
                settings = replace(settings, training=replace(settings.training, hours=max(left, 1e-6)))
            run = experiment.train(settings, run_name, resume=True, quiet=quiet)
            if run.finished:
                done.runs[name].append(run)
            else:
                done.open.append(f"{name} {run_name}")
            bar.update()
            gc.collect()  # trainer and model know each other: without this their clips stay in memory
    return done


def cost(
    names: Iterable[str],
    seeds: Sequence[int] = (0, 1, 2),
    mode: str = "full",
    overrides: Sequence[str] = (),
    seconds: float = 10.0,
) -> pd.DataFrame:
    """What the whole sweep would take; one row a preset, before anything is trained.

    Args:
        names, seeds, mode, overrides: as for `plan`.
        seconds: about how long to measure each preset on this machine.

    Returns:
        Columns hours (all seeds, on this machine, measured), T4 (the same on a T4, computed), memory and memory_t4
        (GiB a device, counted), device.
    """
    rows = {}
    jobs = plan(names, seeds, mode, overrides)
    for name, _, settings in jobs[: len(jobs) // len(seeds)]:
        found = estimate.estimate(settings, estimate.work_of(settings), seconds=seconds)
        rows[name] = {
            "hours": len(seeds) * found.seconds()[2] / 3600, "T4": len(seeds) * found.seconds(t4=True)[2] / 3600,
            "memory": found.memory.total / estimate.GIB, "memory_t4": found.memory_t4.total / estimate.GIB,
            "device": found.here[0],
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def finished(preset: str, run_name: str) -> bool:
    """Is that run there, with its results?"""
    path = paths.runs_root() / preset.replace("/", "-") / run_name
    return (path / runs.SETTINGS).is_file() and runs.Run(path).finished
