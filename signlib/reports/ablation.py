"""What each part of a system adds: conditions over several seeds, each against its best member.

The member is chosen by validation accuracy; the test decides nothing. Seeds are averaged clip by
clip first, then signers are what varies, since clips of one signer rise and fall together.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from signlib.errors import RunError
from signlib.reports import cells, run_groups
from signlib.runs.run import Run
from signlib.statistics.intervals import answer_of, numbers, t_interval


def condition_table(conditions: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """One row a condition.

    Args:
        conditions: name -> its finished runs, one a seed, all tested on the same clips.

    Returns:
        Columns value, low, high (top-1 in per cent, mean over seeds; 95 % t interval over signers),
        seeds (each one's), validation (mean of the best validation accuracy), clips, signers,
        parameters, minutes (training, mean), memory (peak of the process in MB, largest).

    Raises:
        RunError: when runs were not tested on the same glosses of the same clips.
    """
    right, signers = shares(conditions)
    rows = {}
    for name, runs in conditions.items():
        low, high = t_interval(100 * by_signer(right[name], signers))
        rows[name] = {
            "value": 100 * right[name].mean(),
            "low": low,
            "high": high,
            "seeds": [round(run.metrics[0].value, 1) for run in runs],
            "validation": validation_accuracy(runs),
            "clips": len(right),
            "signers": signers.nunique(),
            "parameters": runs[0].facts["parameters"],
            "minutes": float(np.mean([run.environment["training_seconds"] for run in runs])) / 60,
            "memory": max(run.environment["peak_memory_mb"] for run in runs),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def against_best_member(conditions: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """One row a condition with several modalities: its gain over the best of those it is made of.

    Args:
        conditions: as for `condition_table`; a name ends with modalities joined by `+`, as
            `autsl/rgb+depth`.

    Returns:
        Columns member (single modality with the best mean validation accuracy among those trained),
        gain, low, high (points; 95 % t interval over signers of the seeds' mean), seeds (each one's
        gain), answer.
    """
    right, signers = shares(conditions)
    rows = {}
    for name, runs in conditions.items():
        family, _, made_of = name.rpartition("/")
        parts = [f"{family}/{part}" if family else part for part in made_of.split("+")]
        trained = [part for part in parts if part in conditions]
        if len(parts) < 2 or not trained:
            continue
        # validation chooses the rival: choosing it by the test would favour the rival
        best = max(trained, key=lambda part: validation_accuracy(conditions[part]))
        gain = right[name] - right[best]
        low, high = t_interval(100 * by_signer(gain, signers))
        rows[name] = {
            "member": best,
            "gain": 100 * gain.mean(),
            "low": low,
            "high": high,
            "seeds": [
                round(run.metrics[0].value - rival.metrics[0].value, 1)
                for run, rival in zip(runs, conditions[best], strict=True)
            ],
            "answer": answer_of((low, high)),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `condition_table` as text for a page."""
    return pd.DataFrame(
        {
            "top-1 % [over signers]": cells.spreads(table, ("value", "low", "high")),
            "each seed": [cells.each(values) for values in table["seeds"]],
            "validation": [f"{value:.1f}" for value in table["validation"]],
            "n (signers)": [f"{row.clips} ({row.signers})" for row in table.itertuples()],
            "parameters": [f"{count:,}" for count in table["parameters"]],
            "minutes": [f"{value:.1f}" for value in table["minutes"]],
        },
        index=table.index,
    )


def readable_gains(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `against_best_member` as text for a page."""
    return pd.DataFrame(
        {
            "best member": table["member"],
            "points [over signers]": cells.spreads(table, ("gain", "low", "high"), "+.1f"),
            "each seed": [cells.each(values, "+.1f") for values in table["seeds"]],
            "answer": table["answer"],
        },
        index=table.index,
    )


def shares(conditions: Mapping[str, Sequence[Run]]) -> tuple[pd.DataFrame, pd.Series]:
    """(clips x conditions) the share of seeds that got a clip right, and each clip's signer.

    Raises:
        RunError: for a condition without runs, or runs that were not tested on the same glosses of
            the same clips.
    """
    for name, runs in conditions.items():
        if not runs:
            raise RunError(f"condition {name} has no finished run; train it first")
    shared, left_out = run_groups.shared_clips(
        [run for runs in conditions.values() for run in runs]
    )
    if left_out:
        raise RunError(
            f"{left_out} clips were not tested by every run: runs of conditions that were"
            " not tested on the same clips cannot be held against each other; compare runs of one"
            " corpus"
        )
    tables, columns = iter(shared), {}
    for name, runs in conditions.items():
        columns[name] = sum(run_groups.right_clips(next(tables)) for _ in runs) / len(runs)
    return pd.DataFrame(columns, index=shared[0].index), shared[0]["signer"]


def by_signer(values: pd.Series, signers: pd.Series) -> np.ndarray:
    """(G,) mean of the clips' values of each signer.

    Raises:
        RunError: with fewer than two known signers, from whom no spread can be read.
    """
    # pandas would leave out values that are no numbers.
    means = pd.Series(numbers(values), values.index).groupby(signers).mean()
    if len(means) < 2:
        raise RunError(
            f"the test clips have {len(means)} signer; an interval over signers needs two at least:"
            " add signers (of generated clips data.signers, a fifth of them is tested), or name"
            " them in the manifest"
        )
    return means.to_numpy()


def validation_accuracy(runs: Sequence[Run]) -> float:
    """Mean over runs of the best validation accuracy; NaN where nothing was validated."""
    return best_validation(runs, "validation_accuracy", pd.Series.max)


def best_validation(runs: Sequence[Run], column: str, best: Callable[[pd.Series], float]) -> float:
    """Mean over runs of the best of a column of their history; NaN where nothing was validated."""
    histories = [run.history for run in runs]
    return float(np.mean([best(t[column]) if column in t else np.nan for t in histories]))
