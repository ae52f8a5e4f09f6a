"""A sweep over networks for sentences as a table: errors, speed, size, each against the first.

Errors of all seeds of a preset are added sentence by sentence before anything is drawn again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from signlib.evaluation import wer
from signlib.reports import ablation, cells, run_groups, wer_report
from signlib.runs.run import Run
from signlib.statistics.error_rates import rate_interval

# Mean errors over seeds are counted in sixtieths, so that they are whole numbers; it cancels.
_UNIT = 60


def spoken(conditions: Mapping[str, Sequence[Run]]) -> bool:
    """Are these runs of sentences?"""
    return any("hypothesis" in run.predictions for runs in conditions.values() for run in runs)


def sentence_table(conditions: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """One row a condition, the first one the reference.

    Args:
        conditions: name -> its finished runs, one a seed, all tested on the same sentences.

    Returns:
        Columns WER (per cent, seeds together), low, high (95 %, whole signers drawn again;
        sentences where fewer than two signers are known), seeds (each one's), greedy (mean), sub,
        del, ins (mean over seeds, sclite's weights), found (per cent of the signs signed), by_gloss
        (the same, mean over glosses), confused (the commonest pairs and how often), validation
        (greedy, mean of the best), sentences, words, signers, parameters, minutes (wall time of
        training, mean), trained (training sentences a second), read (frames a second, mean), memory
        (peak of the process in MB, largest; a process that made several runs knows one peak); and
        against the first: points, points_low, points_high, p (nan in the first row).

    Raises:
        RunError: for runs that cannot be compared.
    """
    lineup = run_groups.gather([run for runs in conditions.values() for run in runs])
    words = np.array([len(text) for text in lineup.references])
    system_of = {run.path: system for system in lineup.systems for run in system.runs}
    rows, first = {}, None
    for name, runs in conditions.items():
        system = system_of[runs[0].path]
        errors, count = system.values.sum(0).astype(int), len(system.seeds)
        counts = [wer.edits(lineup.references, texts) for texts in system.hypotheses]
        low, high = rate_interval(errors, count * words, lineup.groups)
        facts = [run.facts for run in runs]
        seconds = [fact["training_seconds"] for fact in facts]
        sentences = [fact["clips"]["train"] * fact["epochs"] for fact in facts]
        mean_errors = (_UNIT * (errors / count)).round()
        rows[name] = {
            "WER": wer.error_rate(errors, count * words),
            "low": low,
            "high": high,
            "seeds": [round(float(rate), 1) for rate in lineup.rates(system)],
            "greedy": _metric(runs, "WER (greedy)"),
            "sub": float(np.mean([edits.substitutions.sum() for edits in counts])),
            "del": float(np.mean([edits.deletions.sum() for edits in counts])),
            "ins": float(np.mean([edits.insertions.sum() for edits in counts])),
            **_signs(lineup.references, system.hypotheses),
            "validation": ablation.best_validation(runs, "validation_wer", pd.Series.min),
            "sentences": len(words),
            "words": int(words.sum()),
            "signers": len(set(lineup.signers) - {""}),
            "parameters": facts[0]["parameters"],
            "minutes": float(np.mean(seconds)) / 60,
            "trained": float(np.mean(np.divide(sentences, seconds))),
            "read": _metric(runs, "frames read a second"),
            "memory": max(run.environment["peak_memory_mb"] for run in runs),
            **wer_report.against(first, mean_errors, _UNIT * words, lineup.groups),
        }
        first = mean_errors if first is None else first
    return pd.DataFrame.from_dict(rows, orient="index")


def _signs(references: list[list[str]], heard: list[list[list[str]]]) -> dict[str, float | str]:
    # Columns found, by_gloss and confused, all seeds together.
    aligned = pd.concat([wer.alignment(references, texts) for texts in heard], ignore_index=True)
    glosses = wer.by_gloss(aligned)
    glosses = glosses[glosses["signed"] > 0]
    pairs = wer.confusions(aligned).head(3).itertuples(index=False)
    return {
        "found": 100 * glosses["found"].sum() / glosses["signed"].sum(),
        "by_gloss": float((100 * glosses["found"] / glosses["signed"]).mean()),
        "confused": ", ".join(
            f"{pair.reference} as {pair.hypothesis} ({pair.count})" for pair in pairs
        ),
    }


def _metric(runs: Sequence[Run], name: str) -> float:
    # Mean over runs of a metric; nan where one of them did not measure it.
    values = [metric.value for run in runs for metric in run.metrics if metric.metric == name]
    return float(np.mean(values)) if len(values) == len(runs) else np.nan


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `sentence_table` as text for a page."""
    return wer_report.readable(table.rename(columns={"WER": "value"})).assign(
        **{
            "each seed": [cells.each(values) for values in table["seeds"]],
            "greedy": [f"{value:.1f}" for value in table["greedy"]],
            "signs found %": [f"{value:.1f}" for value in table["found"]],
            "mean over glosses": [f"{value:.1f}" for value in table["by_gloss"]],
            "most confused": table["confused"],
            "sentences (signers)": [
                f"{row.sentences} ({row.signers})" for row in table.itertuples()
            ],
            "parameters": [f"{count:,}" for count in table["parameters"]],
            "minutes": [f"{value:.1f}" for value in table["minutes"]],
            "sentences/s": [f"{value:.1f}" for value in table["trained"]],
            "frames/s": [f"{value:,.0f}" for value in table["read"]],
            "MB": [f"{value:,.0f}" for value in table["memory"]],
        }
    )
