"""A corpus before anybody trains on it: who signs what, how unevenly, what the splits share.

Everything reads a complete manifest; sentences (column `glosses`) are counted sign by sign.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from signlib.data.manifest import SPLITS


def signs_of(table: pd.DataFrame) -> pd.Series:
    """The glosses of each clip as a list: its one gloss, or those of its sentence."""
    single = table["gloss"].map(lambda gloss: [gloss] if gloss else [])
    if "glosses" not in table.columns:
        return single
    return table["glosses"].fillna("").str.split() + single


def gloss_counts(table: pd.DataFrame) -> pd.Series:
    """How often each gloss is signed, most frequent first, equal ones by name."""
    counts = signs_of(table).explode().dropna().value_counts()
    return counts.sort_index().sort_values(ascending=False, kind="stable")


def imbalance(counts: Sequence[int] | pd.Series) -> dict[str, float]:
    """How unevenly signs occur.

    Returns:
        `ratio` largest / smallest; `gini` 0 = even .. 1; `effective` = exp(entropy), the number of
        equally frequent glosses that would be as varied.

    >>> {name: round(value, 2) for name, value in imbalance([30, 10]).items()}
    {'ratio': 3.0, 'gini': 0.25, 'effective': 1.75}
    """
    sizes = np.sort(np.asarray(counts, float))
    if not len(sizes):
        return {"ratio": float("nan"), "gini": float("nan"), "effective": 0.0}
    # Gini: twice the area between the Lorenz curve and the diagonal, from sorted sizes.
    share = sizes / sizes.sum()
    rank = np.arange(1, len(sizes) + 1)
    gini = max(0.0, float((2 * rank - len(sizes) - 1) @ share / len(sizes)))
    return {
        "ratio": float(sizes[-1] / sizes[0]),
        "gini": gini,
        "effective": float(np.exp(-(share * np.log(share)).sum())),
    }


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """How large each split is, and how uneven: one row a split, and one for clips without one."""
    rows = {}
    for split in (*SPLITS, ""):
        part = table[table["split"] == split]
        if part.empty:
            continue
        counts = gloss_counts(part)
        rows[split or "no split"] = {
            "clips": len(part),
            "signers": part.loc[part["signer"] != "", "signer"].nunique(),
            "unknown signer": int((part["signer"] == "").sum()),
            "signs": int(counts.sum()),
            "glosses": len(counts),
            "fewest": int(counts.min()) if len(counts) else 0,
            "median": float(counts.median()) if len(counts) else 0.0,
            "most": int(counts.max()) if len(counts) else 0,
            "ratio": round(imbalance(counts)["ratio"], 2),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def leakage(table: pd.DataFrame, read: Callable[[str], np.ndarray] | None = None) -> pd.DataFrame:
    """What training and the test share: one row a check, with the test clips it concerns.

    `of` is how many could be judged: a clip whose signer is unknown says nothing about signers, and
    no clip does where no training signer is known.

    Args:
        table: a manifest with splits.
        read: clip -> its features; with it, clips whose features are the same bytes are looked for
            (reads every clip once).
    """
    train, test = (table[table["split"] == split] for split in ("train", "test"))
    signers = set(train["signer"]) - {""}
    judged = test.loc[(test["signer"] != "") & bool(signers), "signer"]
    checks = {"signer also trains": judged.isin(signers)}
    if (table["file"] != "").any():
        checks["cut from a training file"] = test["file"].isin(set(train["file"]) - {""})
    signs = signs_of(table)
    sentences = signs.map(" ".join)
    if (signs.map(len) > 1).any():
        checks["sentence also trains"] = sentences[test.index].isin(set(sentences[train.index]))
    trained = set(gloss_counts(train).index)
    checks["has a sign that never trains"] = signs[test.index].map(
        lambda glosses: not trained.issuperset(glosses)
    )
    if read is not None:
        digests = {clip: _digest(read(clip)) for clip in [*train["clip"], *test["clip"]]}
        learnt = {digests[clip] for clip in train["clip"]}
        checks["same features as a training clip"] = test["clip"].map(
            lambda clip: digests[clip] in learnt
        )
    rows = []
    for name, answers in checks.items():
        hits = answers.astype(bool)
        share = float(hits.mean()) if len(hits) else 0.0
        rows.append({"check": name, "test clips": int(hits.sum()), "of": len(hits), "share": share})
    return pd.DataFrame(rows)


def _digest(points: np.ndarray) -> str:
    # The shape too: the same bytes may be 2 frames of 3 points or 3 frames of 2.
    content = np.ascontiguousarray(points).tobytes() + str(points.shape).encode()
    return hashlib.sha256(content).hexdigest()
