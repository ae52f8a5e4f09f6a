"""Several runs on the same test clips: how much better or worse than one of them, clip by clip."""

from collections.abc import Mapping

import pandas as pd

from signlib.errors import RunError
from signlib.evaluation.metrics import cluster_interval
from signlib.runs.run import Run


def compare(found: Mapping[str, Run], reference: str) -> pd.DataFrame:
    """One row a run: top-1 and its interval, and the gain over the reference on the clips that all
    could use.

    Args:
        found: name -> finished run, all of one corpus and split.
        reference: the name that the others are held against.

    Returns:
        Columns value, low, high, n (top-1 of the run itself, %), gain, gain_low, gain_high (points,
            interval
        from drawing whole glosses with replacement), shared (clips it stands on), parameters.

    Raises:
        RunError: when the runs were not tested on the same glosses of the same clips.
    """
    tables = {name: run.predictions.set_index("clip") for name, run in found.items()}
    target = pd.DataFrame({name: table["target"] for name, table in tables.items()}).dropna()
    if target.empty or target.nunique(axis=1).max() > 1:
        raise RunError(
            f"runs {', '.join(run.name for run in found.values())} share no test clips with the"
            " same glosses; compare runs of one corpus and split"
        )
    right = pd.DataFrame(
        {name: table["target"] == table["prediction"] for name, table in tables.items()}
    )
    right = right.loc[target.index].astype(float)
    rows = {}
    for name, run in found.items():
        top = run.metrics[0]
        gain = right[name] - right[reference]
        low, high = cluster_interval(gain.to_numpy(), target[reference].tolist())
        rows[name] = {
            "value": top.value,
            "low": top.interval[0],
            "high": top.interval[1],
            "n": top.n,
            "gain": 100 * gain.mean(),
            "gain_low": low,
            "gain_high": high,
            "shared": len(gain),
            "parameters": run.facts["parameters"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def readable(table: pd.DataFrame, reference: str) -> pd.DataFrame:
    """What `compare` found as text for a page: values beside their intervals."""
    value = [f"{row.value:.1f} [{row.low:.0f}, {row.high:.0f}]" for row in table.itertuples()]
    gain = [
        f"{row.gain:+.1f} [{row.gain_low:+.0f}, {row.gain_high:+.0f}]" for row in table.itertuples()
    ]
    gain = [
        "-" if name == reference else text for name, text in zip(table.index, gain, strict=True)
    ]
    columns = {
        "top-1 % [95 % interval]": value,
        f"points against {reference}": gain,
        "test clips": table["n"].astype(int).to_numpy(),
        "parameters": [f"{count:,.0f}" for count in table["parameters"]],
    }
    return pd.DataFrame(columns, index=table.index)
