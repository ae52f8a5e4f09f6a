"""Several runs as one: their scores of the same clips added with equal weights.

So nothing is chosen. Streams of one skeleton (joints, bones, and how both move) are usually trained
apart and added so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from signlib.errors import RunError
from signlib.evaluation.metrics import top_k
from signlib.reports import cells, comparison, run_groups
from signlib.runs.run import Run
from signlib.statistics.intervals import cluster_interval, wilson_interval


@dataclass(frozen=True)
class Ensemble:
    """Scores of M runs on the N test clips that all of them could use.

    Attributes:
        names: M run names.
        scores: (M, N, K) log-probabilities.
        clips: N ids; targets: (N,) class numbers; signers, glosses: (N,) of each clip, signers ""
            where unknown.
    """

    names: tuple[str, ...]
    scores: np.ndarray
    clips: tuple[str, ...]
    targets: np.ndarray
    signers: tuple[str, ...]
    glosses: tuple[str, ...]

    @property
    def right(self) -> np.ndarray:
        """(N,) bool: is the clip right when all scores are added?"""
        return top_k(self.scores.sum(axis=0), self.targets, 1)


def ensemble(runs: Sequence[Run]) -> Ensemble:
    """The runs put together.

    Log-probabilities are added, which is the product of the runs' probabilities: as public code
    adds the scores before the softmax, but on one scale.

    Raises:
        RunError: for fewer than two runs, one named twice, or runs that share no test clips with
            the same glosses.
    """
    if len(runs) < 2 or len({run.path.resolve() for run in runs}) < len(runs):
        raise RunError("an ensemble needs two or more different runs; name each once")
    scored = [run.scores for run in runs]
    classes = scored[0][2]
    # runs of other classes share no clip: their scores cannot be added
    alike = all(others == classes for _, _, others in scored)
    table = run_groups.shared_clips(runs, alike)[0][0]
    targets = pd.Index(classes).get_indexer(table["target"])
    if (targets < 0).any():
        raise RunError(
            f"run {runs[0].name}: gloss {table['target'].iloc[int(targets.argmin())]!r} is none of"
            " its classes"
        )
    return Ensemble(
        names=tuple(run.name for run in runs),
        scores=np.stack(
            [pd.DataFrame(values, clips).loc[table.index] for values, clips, _ in scored]
        ),
        clips=tuple(table.index),
        targets=targets,
        signers=tuple(table["signer"]),
        glosses=tuple(table["target"]),
    )


def ensemble_table(together: Ensemble) -> pd.DataFrame:
    """One row a run, and one for all of them together.

    Returns:
        Columns value (top-1, per cent), low, high (Wilson, clips independent), group_low,
        group_high (whole signers drawn again, or glosses where signers are unknown), gain,
        gain_low, gain_high (points that all together have more than this run, groups drawn again),
        n.
    """
    whole, groups = together.right, groups_of(together)[1]
    rows = {}
    singles = [top_k(scores, together.targets, 1) for scores in together.scores]
    for name, right in zip([*together.names, "together"], [*singles, whole], strict=True):
        low, high = wilson_interval(right)
        group_low, group_high = cluster_interval(right, groups)
        rows[name] = {
            "value": 100 * right.mean(),
            "low": low,
            "high": high,
            "group_low": group_low,
            "group_high": group_high,
            **comparison.gain_columns(whole.astype(float) - right, groups),
            "n": len(right),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def groups_of(together: Ensemble) -> tuple[str, tuple[str, ...]]:
    """What rises and falls together: signers where all are known and enough, else glosses."""
    # drawing fewer than five signers again says nothing about another one
    enough = len(set(together.signers)) >= 5 and all(together.signers)
    return ("signers", together.signers) if enough else ("glosses", together.glosses)


def readable(table: pd.DataFrame, together: Ensemble) -> pd.DataFrame:
    """The table of `ensemble_table` as text for a page."""
    kind, groups = groups_of(together)
    gains = cells.spreads(table, ("gain", "gain_low", "gain_high"), "+.1f")
    return pd.DataFrame(
        {
            "top-1 % [95 %, clips]": cells.spreads(table, ("value", "low", "high")),
            f"[95 %, {len(set(groups))} {kind}]": [
                text[text.index("[") :]
                for text in cells.spreads(table, ("value", "group_low", "group_high"))
            ],
            "together minus this": [*gains[:-1], "-"],
            "clips": table["n"].tolist(),
        },
        index=table.index,
    )
