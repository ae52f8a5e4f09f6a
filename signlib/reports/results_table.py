"""Published runs as one table: the README's, and the last notebook's."""

import subprocess
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signlib import paths
from signlib.errors import RunError
from signlib.files import with_part, write_text
from signlib.reports import cells, run_groups
from signlib.runs import publishing
from signlib.runs.run import Metric, Run
from signlib.statistics.intervals import fold_interval, seeds_interval

START, END = "<!-- results: start -->", "<!-- results: end -->"

# Of every published system.
SEEDS = 3
# What a note says of weights that no validation chose.
UNSELECTED = "nothing was selected"

COLUMNS = [
    "run",
    "corpus",
    "split",
    "metric",
    "value",
    "unit",
    "low",
    "high",
    "n",
    "parameters",
    "device",
    "note",
]

# One metric of one run, by column.
Row = dict[str, Any]


def results_table(published: Sequence[Run] | None = None) -> pd.DataFrame:
    """One row a metric of every published system: what, how much, how sure, on what, chosen how.

    Runs that differ in their random seed only are one system, and so are the folds of a corpus once
    all of them are there: their mean, with an interval that knows that folds share training clips
    and seeds share test clips. The names of the seeds stand beside the system.

    Args:
        published: the runs; None takes those in `results/`.
    """
    published = publishing.published() if published is None else published
    rows: list[Row] = []
    for name, runs in run_groups.systems_of(published).items():
        folds = runs[0].settings.data.folds if runs[0].settings.data.split == "folds" else 1
        parts: dict[int, list[Run]] = {}
        for run in runs:
            parts.setdefault(run.settings.seed, []).append(run)
        # Each fold once; folds of a seed that lacks some, or has one twice, stand by themselves.
        whole = [seed for seed in parts if _folds(parts[seed]) == [*range(folds)]]
        if len(whole) < 2 and folds == 1:
            whole = []
        if whole:
            joined = [[_rows(run) for run in parts[seed]] for seed in whole]
            rows += _joined(f"{name}, {_named(whole)}", joined)
        rows += chain(*(_rows(run) for run in runs if run.settings.seed not in whole))
    return pd.DataFrame(rows, columns=COLUMNS)


def _folds(runs: Sequence[Run]) -> list[int]:
    # Which folds runs have tested, in order; 0 where there are none.
    data = [run.settings.data for run in runs]
    return sorted(each.fold if each.split == "folds" else 0 for each in data)


def faults(published: Sequence[Run] | None = None) -> list[str]:
    """What the table's runs lack: three random seeds, or a commit that is in this history.

    Baselines draw nothing, so one run of them is enough. Outside a checkout with git nobody can
    tell of commits.
    """
    published = publishing.published() if published is None else published
    lines = []
    for name, runs in run_groups.systems_of(published).items():
        seeds = {run.settings.seed for run in runs}
        if len(seeds) < SEEDS and runs[0].facts.get("steps", 1):
            lines.append(f"{name}: {_named(sorted(seeds))}; train it with {SEEDS} random seeds")
    of_commit: dict[str, list[str]] = {}
    for run in published:
        of_commit.setdefault(run.environment.get("commit", ""), []).append(run.name)
    for commit, named in of_commit.items():
        if not in_history(commit):
            lines.append(
                f"{', '.join(named)}: commit {commit or 'unknown'} is not in the history; train"
                " again"
            )
    return lines


def _row(run: Run, metric: Metric) -> Row:
    low, high = metric.interval or (None, None)
    return {
        "run": run.name,
        "corpus": run_groups.corpus_of(run),
        "split": metric.split,
        "metric": metric.metric,
        "value": metric.value,
        "unit": metric.unit,
        "low": low,
        "high": high,
        "n": metric.n,
        "parameters": run.facts.get("parameters"),
        "device": run.environment.get("device"),
        "note": _note(run, metric.note),
    }


def _note(run: Run, note: str) -> str:
    # What its settings had seen before, where they had seen something.
    seen = run.facts.get("seen", "")
    if seen and not any(UNSELECTED in metric.note for metric in run.metrics):
        return f"{note}; but {seen}"
    return note.replace(UNSELECTED, f"{UNSELECTED} here, but {seen}") if seen else note


def _rows(run: Run) -> list[Row]:
    return [_row(run, metric) for metric in run.metrics]


def _joined(name: str, seeds: list[list[list[Row]]]) -> list[Row]:
    # One row a metric that all runs have: rows of each seed, fold by fold.
    first = seeds[0][0]
    rows = []
    for metric in dict.fromkeys((row["metric"], row["split"]) for row in first):
        of_metric = [
            [row for fold in folds for row in fold if (row["metric"], row["split"]) == metric]
            for folds in seeds
        ]
        if any(len(rows_of) != len(folds) for rows_of, folds in zip(of_metric, seeds, strict=True)):
            continue
        # Other metrics do not count clips, so folds cannot be added up.
        if len(seeds[0]) == 1 or metric[0] in ("top-1", "top-5"):
            rows.append(_mean(name, of_metric))
    return rows


def _mean(name: str, seeds: list[list[Row]]) -> Row:
    first, folds = seeds[0][0], len(seeds[0])
    sizes = np.array([[row["n"] for row in of_seed] for of_seed in seeds], float)
    values = np.array([[row["value"] for row in of_seed] for of_seed in seeds])
    # Each seed's value: all of its folds' clips together.
    by_seed = (values * sizes).sum(axis=1) / sizes.sum(axis=1)
    intervals = [(row["low"], row["high"]) for row in chain(*seeds)]
    notes = []
    interval: tuple[float, float] | tuple[None, None] = (None, None)
    if folds > 1:
        of_folds = values.mean(axis=0)
        shift = by_seed.mean() - of_folds.mean()
        low, high = fold_interval(of_folds)
        interval = (low + shift, high + shift)
        notes.append(f"{folds} folds, {of_folds.min():.1f} to {of_folds.max():.1f} % a fold")
        notes.append("t interval over folds that share training clips (Nadeau and Bengio)")
    elif None not in intervals[0]:
        interval = seeds_interval(by_seed, intervals)
        notes.append("interval over clips and seeds")
    if len(seeds) > 1:
        notes.insert(0, f"mean of {cells.each(by_seed)}")
    if first["unit"] == "%" and interval[0] is not None and not first["metric"].startswith("WER"):
        interval = (max(interval[0], 0.0), min(interval[1], 100.0))
    elif interval[0] is not None:
        interval = (max(interval[0], 0.0), interval[1])
    low_end, high_end = interval
    # Steps, rates and folds differ from run to run.
    each = "the first run: " if len(seeds) * folds > 1 else ""
    mean = {
        "run": name,
        "value": by_seed.mean(),
        "low": low_end,
        "high": high_end,
        "n": round(sizes.sum(axis=1).mean()),
        "note": f"{'; '.join(notes)}; {each}{first['note']}",
    }
    return first | mean


def _named(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def in_history(commit: str) -> bool:
    """Whether a run's commit is one of this history; True where git cannot tell.

    A commit with `+` had changes that are in no history.
    """
    if not (paths.REPOSITORY / ".git").exists():
        return True
    base = ["git", "-C", str(paths.REPOSITORY), "merge-base", "--is-ancestor"]
    try:
        shallow = ["git", "-C", str(paths.REPOSITORY), "rev-parse", "--is-shallow-repository"]
        told = subprocess.run(shallow, capture_output=True, text=True, timeout=10, check=True)
        if told.stdout.strip() == "true":
            return True
        done = subprocess.run([*base, commit, "HEAD"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return True
    return done.returncode == 0


def markdown(table: pd.DataFrame) -> str:
    """The README's table: one line a metric, with its interval; nothing is left out."""
    if table.empty:
        return "No run has been published yet (`python -m signlib publish RUN`)."
    rows = []
    for row in table.to_dict("records"):
        value = f"{row['value']:.1f} {row['unit']}"
        if pd.notna(row["low"]):
            value += f" [{row['low']:.1f}, {row['high']:.1f}]"
        rows.append(
            {
                "run": row["run"],
                "corpus": row["corpus"],
                "metric": f"{row['metric']} ({row['split']})",
                "value [95 % interval]": value,
                "n": f"{row['n']:,}",
                "how selected, what may leak": row["note"],
            }
        )
    return cells.markdown_table(pd.DataFrame(rows))


def update_readme(path: Path | None = None, check_only: bool = False) -> bool:
    """Put the table between the README's marks; returns True when the README differs from it.

    Raises:
        RunError: when there is no README, or it has no marks.
    """
    path = path or paths.home() / "README.md"
    if not path.is_file():
        raise RunError(f"{path} does not exist; run `results` in a checkout of the project")
    fresh = with_part(path, START, END, markdown(results_table()))
    if fresh == path.read_text(encoding="utf-8"):
        return False
    if not check_only:
        write_text(path, fresh)
    return True
