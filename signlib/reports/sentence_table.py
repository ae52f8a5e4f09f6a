"""What a sweep over networks for sentences found: errors, speed and size of each, and each held
against the first.

Errors of all seeds of a preset are added sentence by sentence before anything is drawn again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from signlib.evaluation import wer
from signlib.reports.ablation import best_validation
from signlib.reports.run_groups import gather
from signlib.runs.run import Run
from signlib.statistics.resampling import compare_rates, rate_interval

GREEDY, SPEED = "WER (greedy)", "frames read a second"
_PAIRS = 3


def spoken(conditions: Mapping[str, Sequence[Run]]) -> bool:
    """Are these runs of sentences?"""
    return any(run.settings.ctc.network for runs in conditions.values() for run in runs)


def sentence_table(conditions: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """One row a condition, the first one the reference.

    Args:
        conditions: name -> its finished runs, one a seed, all tested on the same sentences.

    Returns:
        Columns WER (per cent, seeds together), low, high (95 %, whole signers drawn again;
            sentences where fewer than
        two signers are known), seeds (each one's), greedy (mean), sub, del, ins (mean over seeds,
            sclite's weights),
        found (per cent of the signs signed), by_gloss (the same, mean over glosses), confused (the
            commonest pairs and
        how often), validation (greedy, mean of the best), sentences, words, signers, parameters,
            minutes (wall time
        of training, mean), trained (training sentences a second), read (frames a second, mean),
            memory (peak of the
        process in MB, largest; a process that made several runs knows one peak); and against the
            first: points,
        points_low, points_high, p (nan in the first row).

    Raises:
        RunError: for runs that cannot be compared.
    """
    bench = gather([run for runs in conditions.values() for run in runs])
    words, signers = bench.words, bench.signers
    groups = signers if all(signers) and len(set(signers)) > 1 else None
    owner = {run.path: system for system in bench.systems for run in system.runs}
    rows, first = {}, None
    for name, runs in conditions.items():
        system = owner[runs[0].path]
        errors, count = system.values.sum(0).astype(int), len(system.seeds)
        counts = [wer.edits(bench.references, texts) for texts in system.hypotheses]
        low, high = rate_interval(errors, count * words, groups)
        facts = [run.facts for run in runs]
        rows[name] = {
            "WER": wer.error_rate(errors, count * words),
            "low": low,
            "high": high,
            "seeds": [round(float(rate), 1) for rate in bench.rates(system)],
            "greedy": _metric(runs, GREEDY),
            **{
                short: float(np.mean([getattr(c, long).sum() for c in counts]))
                for short, long in (
                    ("sub", "substitutions"),
                    ("del", "deletions"),
                    ("ins", "insertions"),
                )
            },
            **_signs(bench.references, system.hypotheses),
            "validation": best_validation(runs, "validation_wer", pd.Series.min),
            "sentences": len(words),
            "words": int(words.sum()),
            "signers": len(set(signers) - {""}),
            "parameters": facts[0]["parameters"],
            "minutes": float(np.mean([f["training_seconds"] for f in facts])) / 60,
            "trained": float(
                np.mean([f["clips"]["train"] * f["epochs"] / f["training_seconds"] for f in facts])
            ),
            "read": _metric(runs, SPEED),
            "memory": max(run.environment["peak_memory_mb"] for run in runs),
            "points": np.nan,
            "points_low": np.nan,
            "points_high": np.nan,
            "p": np.nan,
        }
        if first is None:
            first = errors / count
        else:
            rows[name] |= _against(first, errors / count, words, groups)
    return pd.DataFrame.from_dict(rows, orient="index")


def _signs(references: list[list[str]], heard: list[list[list[str]]]) -> dict[str, float | str]:
    aligned = pd.concat([wer.alignment(references, texts) for texts in heard], ignore_index=True)
    glosses = wer.by_gloss(aligned)
    glosses = glosses[glosses["signed"] > 0]
    pairs = wer.confusions(aligned).head(_PAIRS)
    return {
        "found": 100 * glosses["found"].sum() / glosses["signed"].sum(),
        "by_gloss": float((100 * glosses["found"] / glosses["signed"]).mean()),
        "confused": ", ".join(
            f"{r.reference} as {r.hypothesis} ({r.count})" for r in pairs.itertuples(index=False)
        ),
    }


def _against(
    first: np.ndarray, own: np.ndarray, words: np.ndarray, groups: list[str] | None
) -> dict[str, float]:
    # Mean errors over seeds as whole numbers: the unit cancels in the rates.
    unit = 60
    found = compare_rates((unit * first).round(), (unit * own).round(), unit * words, groups)
    low, high = found.signer_interval or found.interval
    return {"points": found.difference, "points_low": low, "points_high": high, "p": found.p}


def _metric(runs: Sequence[Run], name: str) -> float:
    found = [metric.value for run in runs for metric in run.metrics if metric.metric == name]
    return float(np.mean(found)) if found else np.nan


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """What `sentence_table` found as text for a page."""
    gains = [
        "" if np.isnan(r.points) else f"{r.points:+.1f} [{r.points_low:+.1f}, {r.points_high:+.1f}]"
        for r in table.itertuples()
    ]
    kinds = table[["sub", "del", "ins"]].round(0).astype(int)
    return pd.DataFrame(
        {
            "WER %": [f"{r.WER:.1f} [{r.low:.1f}, {r.high:.1f}]" for r in table.itertuples()],
            "sub/del/ins": ["/".join(map(str, row)) for row in kinds.to_numpy()],
            "against the first": gains,
            "each seed": [", ".join(f"{value:.1f}" for value in seeds) for seeds in table["seeds"]],
            "greedy": [f"{value:.1f}" for value in table["greedy"]],
            "signs found %": [f"{value:.1f}" for value in table["found"]],
            "mean over glosses": [f"{value:.1f}" for value in table["by_gloss"]],
            "most confused": table["confused"],
            "sentences (signers)": [f"{r.sentences} ({r.signers})" for r in table.itertuples()],
            "parameters": [f"{count:,}" for count in table["parameters"]],
            "minutes": [f"{value:.1f}" for value in table["minutes"]],
            "sentences/s": [f"{value:.1f}" for value in table["trained"]],
            "frames/s": [f"{value:,.0f}" for value in table["read"]],
            "MB": [f"{value:,.0f}" for value in table["memory"]],
        },
        index=table.index,
    )
