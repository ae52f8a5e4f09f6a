"""Published runs as one table: the README's, and the last notebook's."""

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
from signlib.statistics.intervals import wilson_interval

START, END = "<!-- results: start -->", "<!-- results: end -->"

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
    """One row a metric of every published run: what, how much, how sure, on what, chosen how.

    The folds of one preset and seed are pooled into one row once all of them are there.

    Args:
        published: the runs; None takes those in `results/`.
    """
    rows: list[Row] = []
    folds: dict[tuple[str, int, int], list[list[Row]]] = {}
    for run in publishing.published() if published is None else published:
        of_run = [_row(run, metric) for metric in run.metrics]
        data = run.settings.data
        if data.split == "folds":
            key = (run.path.parent.name, run.settings.seed, data.folds)
            folds.setdefault(key, []).append(of_run)
        else:
            rows += of_run
    for (name, seed, count), members in folds.items():
        rows += _pooled(name, seed, members) if len(members) == count else chain(*members)
    return pd.DataFrame(rows, columns=COLUMNS)


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
        "note": metric.note,
    }


def _pooled(name: str, seed: int, members: list[list[Row]]) -> list[Row]:
    # One row a metric that counts clips: all folds' clips together, each tested once.
    rows = []
    for metric in ("top-1", "top-5"):
        parts = [row for of_run in members for row in of_run if row["metric"] == metric]
        if len(parts) < len(members):
            continue
        hits = sum(round(row["value"] * row["n"] / 100) for row in parts)
        n = sum(row["n"] for row in parts)
        low, high = wilson_interval(np.arange(n) < hits)
        values = sorted(row["value"] for row in parts)
        pooled = {
            "run": f"{name}, seed {seed}",
            "value": 100 * hits / n,
            "low": low,
            "high": high,
            "n": n,
            "note": f"{len(parts)} folds pooled, {values[0]:.1f} to {values[-1]:.1f} % a fold;"
            f" each fold: {parts[0]['note']}",
        }
        rows.append(parts[0] | pooled)
    return rows


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
