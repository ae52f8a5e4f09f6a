"""Tables from published runs: the README's, and the last notebook's."""

from pathlib import Path

import numpy as np
import pandas as pd

from signlib import paths
from signlib.evaluation.metrics import wilson_interval
from signlib.files import with_part, write_text
from signlib.runs import publishing
from signlib.runs.run import Metric, Run
from signlib.settings.base import DataSettings

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


def results_table(published: list[Run] | None = None) -> pd.DataFrame:
    """One row a metric of every published run: what, how much, how sure, on what, chosen how.

    The folds of one preset and seed are pooled into one row once all of them are there.

    Args:
        published: the runs; None takes those in `results/`.
    """
    rows, folds = [], {}
    for run in publishing.published() if published is None else published:
        own = [_row(run, metric) for metric in run.metrics]
        data = run.settings.data
        if data.split == "folds":
            folds.setdefault((run.path.parent.name, run.settings.seed, data.folds), []).append(own)
        else:
            rows += own
    for (name, seed, count), members in folds.items():
        rows += (
            _pooled(name, seed, members)
            if len(members) == count
            else [row for own in members for row in own]
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(run: Run, metric: Metric) -> dict:
    low, high = metric.interval or (None, None)
    return {
        "run": run.name,
        "corpus": _corpus(run.settings.data),
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


def _corpus(data: DataSettings) -> str:
    """A store is called by its folder."""
    return data.root.rpartition("/")[2] if data.corpus == "store" else data.corpus


def _pooled(name: str, seed: int, members: list[list[dict]]) -> list[dict]:
    """One row a metric that counts clips: all folds' clips together, each tested once."""
    rows = []
    for metric in ("top-1", "top-5"):
        parts = [row for own in members for row in own if row["metric"] == metric]
        if len(parts) < len(members):
            continue
        hits = np.array([round(row["value"] * row["n"] / 100) for row in parts])
        n = sum(row["n"] for row in parts)
        low, high = wilson_interval(np.arange(n) < hits.sum())
        values = sorted(row["value"] for row in parts)
        note = (
            f"{len(parts)} folds pooled, {values[0]:.1f} to {values[-1]:.1f} % a fold; each fold:"
            f" {parts[0]['note']}"
        )
        rows.append(
            {
                **parts[0],
                "run": f"{name}, seed {seed}",
                "value": 100 * hits.sum() / n,
                "low": low,
                "high": high,
                "n": n,
                "note": note,
            }
        )
    return rows


def markdown(table: pd.DataFrame) -> str:
    """The README's table: one line a metric, with its interval; nothing is left out."""
    if table.empty:
        return "No run has been published yet (`python -m signlib publish RUN`)."
    head = "| run | corpus | metric | value [95 % interval] | n | how selected, what may leak |"
    lines = [head, "|---|---|---|---|---|---|"]
    for row in table.to_dict("records"):
        unit = " %" if row["unit"] == "%" else f" {row['unit']}"
        value = f"{row['value']:.1f}{unit}"
        if pd.notna(row["low"]):
            value += f" [{row['low']:.1f}, {row['high']:.1f}]"
        cells = [
            row["run"],
            row["corpus"],
            f"{row['metric']} ({row['split']})",
            value,
            f"{row['n']:,}",
            row["note"],
        ]
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def update_readme(path: Path | None = None, check_only: bool = False) -> bool:
    """Put the table between the README's marks; returns True when the README differs from it.

    Raises:
        RunError: when the README has no marks.
    """
    path = path or paths.REPOSITORY / "README.md"
    fresh = with_part(path, START, END, markdown(results_table()))
    if fresh == path.read_text(encoding="utf-8"):
        return False
    if not check_only:
        write_text(path, fresh)
    return True
