"""Several runs on the same test clips: how much better or worse than one of them, clip by clip."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from signlib.reports import cells, run_groups
from signlib.runs.run import Run
from signlib.statistics.intervals import cluster_interval


def compare(runs: Mapping[str, Run], reference: str) -> pd.DataFrame:
    """One row a run: its top-1, and its gain over the reference on the clips that all could use.

    Args:
        runs: name -> finished run, all of one corpus and split.
        reference: the name that the others are held against.

    Returns:
        Columns value, low, high, n (top-1 of the run itself, %), gain, gain_low, gain_high (points,
        interval from drawing whole glosses with replacement), shared (clips it stands on),
        parameters.

    Raises:
        RunError: when the runs were not tested on the same glosses of the same clips.
    """
    shared = dict(zip(runs, run_groups.shared_clips(list(runs.values()))[0], strict=True))
    glosses = shared[reference]["target"].tolist()
    right = {name: run_groups.right_clips(table) for name, table in shared.items()}
    rows = {}
    for name, run in runs.items():
        top = run.metrics[0]
        low, high = top.interval or (np.nan, np.nan)
        rows[name] = {
            "value": top.value,
            "low": low,
            "high": high,
            "n": top.n,
            **gain_columns(right[name] - right[reference], glosses),
            "shared": len(glosses),
            "parameters": run.facts["parameters"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def gain_columns(gain: np.ndarray, groups: Sequence[str]) -> dict[str, float]:
    """Columns gain, gain_low, gain_high in points: of gains (N,), whole groups drawn again."""
    low, high = cluster_interval(gain, groups)
    return {"gain": 100 * gain.mean(), "gain_low": low, "gain_high": high}


def readable(table: pd.DataFrame, reference: str) -> pd.DataFrame:
    """The table of `compare` as text for a page: values beside their intervals."""
    gains = cells.spreads(table, ("gain", "gain_low", "gain_high"), "+.1f", "+.0f")
    gains[table.index.get_loc(reference)] = "-"
    return pd.DataFrame(
        {
            "top-1 % [95 % interval]": cells.spreads(table, ("value", "low", "high"), ".1f", ".0f"),
            f"points against {reference}": gains,
            "test clips": table["n"].astype(int).to_numpy(),
            "parameters": [f"{count:,.0f}" for count in table["parameters"]],
        },
        index=table.index,
    )
