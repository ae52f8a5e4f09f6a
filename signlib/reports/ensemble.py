"""Several runs as one: their scores of the same test clips added with equal weights, so that
nothing is chosen.

Streams of one skeleton (joints, bones, and how both move) are usually trained apart and added so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from signlib.errors import RunError
from signlib.evaluation.metrics import cluster_interval, top_k, wilson_interval
from signlib.runs.run import Run

FEWEST_SIGNERS = 5
"""Drawing fewer than these again says nothing about another one."""


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
    found = [run.scores for run in runs]
    tables = [run.predictions.set_index("clip") for run in runs]
    first_classes = found[0][2]
    clips = [clip for clip in found[0][1] if all(clip in table.index for table in tables)]
    glosses = tables[0].loc[clips, "target"]
    for (_, _, classes), table in zip(found, tables, strict=True):
        if classes != first_classes or not clips or (table.loc[clips, "target"] != glosses).any():
            raise RunError(
                f"runs {', '.join(each.name for each in runs)} share no test clips with the same"
                " glosses; put runs of one corpus and split together"
            )
    scores = np.stack([_aligned(own, names, clips) for own, names, _ in found])
    place = {gloss: number for number, gloss in enumerate(first_classes)}
    targets = np.array([place.get(gloss, -1) for gloss in glosses])
    if (targets < 0).any():
        raise RunError(
            f"run {runs[0].name}: gloss {glosses.iloc[int(targets.argmin())]!r} is none of its"
            " classes"
        )
    signers = tables[0].loc[clips, "signer"]
    return Ensemble(
        tuple(run.name for run in runs),
        scores,
        tuple(clips),
        targets,
        tuple(signers),
        tuple(glosses),
    )


def _aligned(scores: np.ndarray, names: Sequence[str], clips: Sequence[str]) -> np.ndarray:
    rows = {name: row for row, name in enumerate(names)}
    return scores[[rows[clip] for clip in clips]]


def ensemble_table(together: Ensemble) -> pd.DataFrame:
    """One row a run, and one for all of them together.

    Returns:
        Columns value (top-1, per cent), low, high (Wilson, clips independent), group_low,
            group_high (whole signers
        drawn again, or glosses where signers are unknown), gain, gain_low, gain_high (points that
            all together have
        more than this run, groups drawn again), n.
    """
    whole, groups = together.right, groups_of(together)[1]
    rows = {}
    singles = [top_k(own, together.targets, 1) for own in together.scores]
    for name, right in zip([*together.names, "together"], [*singles, whole], strict=True):
        gain = whole.astype(float) - right
        rows[name] = {
            "value": 100 * right.mean(),
            **_pair("", wilson_interval(right)),
            **_pair("group_", cluster_interval(right, groups)),
            "gain": 100 * gain.mean(),
            **_pair("gain_", cluster_interval(gain, groups)),
            "n": len(right),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def groups_of(together: Ensemble) -> tuple[str, tuple[str, ...]]:
    """What rises and falls together: signers where enough are known and none is unknown, else
    glosses.
    """
    known = len(set(together.signers)) >= FEWEST_SIGNERS and all(together.signers)
    return ("signers", together.signers) if known else ("glosses", together.glosses)


def _pair(prefix: str, interval: tuple[float, float]) -> dict[str, float]:
    return {f"{prefix}low": interval[0], f"{prefix}high": interval[1]}


def readable(table: pd.DataFrame, together: Ensemble) -> pd.DataFrame:
    """What `ensemble_table` found as text for a page."""
    kind, groups = groups_of(together)
    rows = list(table.itertuples())
    gain = [f"{row.gain:+.1f} [{row.gain_low:+.1f}, {row.gain_high:+.1f}]" for row in rows]
    columns = {
        "top-1 % [95 %, clips]": [
            f"{row.value:.1f} [{row.low:.1f}, {row.high:.1f}]" for row in rows
        ],
        f"[95 %, {len(set(groups))} {kind}]": [
            f"[{row.group_low:.1f}, {row.group_high:.1f}]" for row in rows
        ],
        "together minus this": [*gain[:-1], "-"],
        "clips": [row.n for row in rows],
    }
    return pd.DataFrame(columns, index=table.index)
