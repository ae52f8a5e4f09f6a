"""Tables from published runs: the README's, and the last notebook's."""

from pathlib import Path

import pandas as pd

from signlib import paths, runs
from signlib.errors import RunError
from signlib.files import write_text

START, END = "<!-- results: start -->", "<!-- results: end -->"


def results_table(published: list[runs.Run] | None = None) -> pd.DataFrame:
    """One row a metric of every published run: what, how much, how sure, on what, chosen how.

    Args:
        published: the runs; None takes those in `results/`.
    """
    rows = []
    for run in runs.published() if published is None else published:
        for metric in run.metrics:
            low, high = metric.interval or (None, None)
            rows.append(
                {
                    "run": run.name,
                    "corpus": run.settings.data.corpus,
                    "split": metric.split,
                    "metric": metric.metric,
                    "value": metric.value,
                    "unit": metric.unit,
                    "low": low,
                    "high": high,
                    "n": metric.n,
                    "parameters": run.facts.get("parameters"),
                    "training s": run.environment.get("training_seconds"),
                    "device": run.environment.get("device"),
                    "note": metric.note,
                }
            )
    columns = (
        "run corpus split metric value unit low high n parameters".split() + ["training s", "device", "note"]
    )
    return pd.DataFrame(rows, columns=columns)


def markdown(table: pd.DataFrame) -> str:
    """The README's table: one line a metric, with its interval; nothing is left out."""
    if table.empty:
        return "No run has been published yet (`python -m signlib publish RUN`)."
    lines = ["| run | corpus | metric | value [95 % interval] | n | how selected, what may leak |", "|---|---|---|---|---|---|"]
    for row in table.to_dict("records"):
        unit = " %" if row["unit"] == "%" else f" {row['unit']}"
        value = f"{row['value']:.1f}{unit}"
        if pd.notna(row["low"]):
            value += f" [{row['low']:.1f}, {row['high']:.1f}]"
        cells = [row["run"], row["corpus"], f"{row['metric']} ({row['split']})", value, f"{row['n']:,}", row["note"]]
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def update_readme(path: Path | None = None, check_only: bool = False) -> bool:
    """Put the table between the README's marks; returns True when the README differs from it.

    Raises:
        RunError: when the README has no marks.
    """
    path = path or paths.REPOSITORY / "README.md"
    text = path.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise RunError(f"{path} must hold {START} and {END} once each, around the results table")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    fresh = f"{before}{START}\n{markdown(results_table())}\n{END}{after}"
    if fresh == text:
        return False
    if not check_only:
        write_text(path, fresh)
    return True
