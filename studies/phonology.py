"""Do the thirty-six features tell what was signed?

They are held against the generated signer's truth, and against ASL-LEX. Generated: a linear
classifier names handshape, location, ... of signers it has not seen; and of each feature, how much
of its variance the truth explains. Recorded: of 50 ASL glosses, do those that share a value in
ASL-LEX 2.0 lie closer than those that do not? `--doc docs/phonology.md` writes tables and figure;
only aggregates leave here.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora.clips import load_corpus
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton
from signlib.features.normalise import mirror
from signlib.features.phonology import GROUPS, NAMES, phonology
from signlib.files import with_part, write_text
from signlib.reports import plots
from signlib.settings.base import DataSettings
from signlib.statistics.intervals import t_interval
from signlib.statistics.paired import holm
from signlib.synthesis.clips import GeneratedCorpus

BEGIN, END = "<!-- phonology: written by studies/phonology.py -->", "<!-- end of phonology -->"
GLOSSES, SIGNERS, PERMUTATIONS = 120, 12, 10_000
RIGHT = {"H": slice(5, 10), "L": slice(13, 16), "O": slice(19, 22)}
ASKED = {
    "handshape": "H",
    "location": "L",
    "orientation": "O",
    "movement": "M",
    "direction": "M",
    "internal": "HM",
    "gaze": "N",
    "mouth": "N",
    "brow": "N",
}
"""What was signed -> the groups that should tell it."""
LEXICON = {
    "Handshape.2.0": "H",
    "SelectedFingers.2.0": "H",
    "Flexion.2.0": "H",
    "MajorLocation.2.0": "L",
    "MinorLocation.2.0": "L",
    "Movement.2.0": "M",
    "SignType.2.0": "M",
}
"""Column of ASL-LEX -> the group that should tell it."""


def summary(table: np.ndarray) -> dict[str, np.ndarray]:
    """Group -> one vector for frames (T, 36) of a stroke of the right hand.

    It has means, and of M also paths and spans.
    """
    with np.errstate(all="ignore"):
        mean = {group: np.nanmean(table[:, columns], axis=0) for group, columns in RIGHT.items()}
        steps, left = table[:, 25:28], table[:, 22:25]
        centre = table[:, 13:16]
        spans = np.nanmax(centre, axis=0) - np.nanmin(centre, axis=0)
        mean["M"] = np.concatenate(
            [
                np.nansum(steps, axis=0),
                np.nanmean(abs(steps), axis=0),
                spans,
                np.nanmean(abs(left), axis=0),
                np.nanmean(table[:, 28:31], axis=0),
                np.nanstd(table[:, RIGHT["H"]], axis=0),
            ]
        )
        mean["N"] = np.nanmean(table[:, GROUPS["N"]], axis=0)
    mean["HM"] = np.concatenate([mean["H"], mean["M"]])
    return mean


def generated(form: str) -> tuple[pd.DataFrame, dict[str, np.ndarray], np.ndarray]:
    """Truth of each clip, group -> summaries (N, D), and means of all features (N, 36).

    Left-handed clips are mirrored.
    """
    world = GeneratedCorpus(GLOSSES, SIGNERS, 1)
    truths, vectors, means = [], [], []
    for name in tqdm(world.manifest["clip"], desc=f"generated, {form}", leave=False):
        truth, points = world.truth(name), world.clip(name)
        if truth["left_handed"]:
            points = mirror(points, MEDIAPIPE_543, 0.5)
        table = phonology(points, MEDIAPIPE_543, form, 1.0, world.fps)[
            truth["stroke_start"] : truth["stroke_end"]
        ]
        if np.isfinite(table[:, 5]).sum() < 3:
            continue  # the tracker lost the hand
        truths.append(truth)
        vectors.append(summary(table))
        with np.errstate(all="ignore"):
            means.append(np.nanmean(table, axis=0))
    return (
        pd.DataFrame(truths),
        {group: np.array([v[group] for v in vectors]) for group in vectors[0]},
        np.array(means),
    )


def named(
    values: np.ndarray, truth: pd.Series, signers: pd.Series
) -> tuple[float, float, float, float]:
    """Per cent of unseen signers' clips whose value a linear classifier names.

    Returns:
        The share, its 95 % interval over signers (two numbers), and chance.
    """
    values = np.nan_to_num(values - np.nanmean(values, axis=0))
    values = values[:, values.std(axis=0) > 1e-9]
    truth, right = truth.astype(str).to_numpy(), np.zeros(len(values))
    for signer in signers.unique():
        test = (signers == signer).to_numpy()
        classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(
            values[~test], truth[~test]
        )
        right[test] = classifier.predict(values[test]) == truth[test]
    low, high = t_interval(100 * pd.Series(right).groupby(signers.to_numpy()).mean().to_numpy())
    return (
        100 * right.mean(),
        low,
        high,
        100 * pd.Series(truth).value_counts(normalize=True).iloc[0],
    )


def explained(values: np.ndarray, truth: pd.Series) -> float:
    """Per cent of the variance of values (N,) that lies between the truth's values.

    It is corrected for chance.

    Source: Kelley 1935, epsilon squared.
    """
    seen = np.isfinite(values)
    values, groups = values[seen], truth[seen].astype(str).to_numpy()
    if values.var() < 1e-12:
        return 0.0
    within = sum(
        ((values[groups == g] - values[groups == g].mean()) ** 2).sum() for g in np.unique(groups)
    )
    count = len(np.unique(groups))
    return 100 * float(1 - within / (len(values) - count) / values.var(ddof=1))


def of_feature(name: str) -> str:
    """The value that a feature should tell; of M the direction, or the movement in the hand."""
    if name.startswith("M"):
        return "internal" if name.split("_")[-1] in ("turn", "M.fingers") else "direction"
    if name.startswith("N"):
        return {"N.aperture": "mouth", "N.brow": "brow", "N.placeholder": "brow"}.get(name, "gaze")
    return {"H": "handshape", "L": "location", "O": "orientation"}[name[0]]


def _head(*columns: str) -> tuple[str, str]:
    """The first two lines of a table in markdown."""
    return "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"


def generated_tables() -> tuple[list[str], list[dict[str, Any]]]:
    """What groups name, what the truth explains of each feature, and the first as rows."""
    forms = {form: generated(form) for form in NAMES}
    lines = [
        (
            f"Generated signing: {len(forms['original'][0]):,} clips of {GLOSSES} signs by"
            f" {SIGNERS} signers, with noise and drop-outs; each signer's clips are named by a"
            " classifier that has not seen the signer."
        ),
        "",
        *_head(
            "what was signed",
            "from",
            "most frequent value",
            "`original` names",
            "`corrected` names",
        ),
    ]
    rows = []
    for value, groups in ASKED.items():
        cells = []
        for form, (truth, vectors, _) in forms.items():
            share, low, high, chance = named(vectors[groups], truth[value], truth["signer"])
            cells.append(f"{share:.0f} % [{low:.0f}, {high:.0f}]")
            rows.append(
                {
                    "value": value,
                    "form": form,
                    "seen": share,
                    "low": low,
                    "high": high,
                    "chance": chance,
                }
            )
        lines.append(f"| {value} | {' and '.join(groups)} | {chance:.0f} % | {' | '.join(cells)} |")
    lines += [
        "",
        (
            "Of each feature's variance over clips, the share that the truth explains (per cent;"
            " right hand):"
        ),
        "",
        *_head("feature", "what was signed", "`original`", "`corrected`"),
    ]
    for column, name in enumerate(NAMES["corrected"]):
        if "left" in name:
            continue
        value = of_feature(name)
        cells = [
            f"{explained(means[:, column], truth[value]):.0f}" for truth, _, means in forms.values()
        ]
        original = NAMES["original"][column]
        label = name if name == original else f"{name} (original: {original})"
        lines.append(f"| {label} | {value} | {' | '.join(cells)} |")
    return lines, rows


def lexicon() -> pd.DataFrame:
    """ASL-LEX by gloss: the entry of that name, else its first numbered variant."""
    table = pd.read_csv(
        paths.data_root() / "asl-lex" / "asl_lex_2.csv", encoding="latin-1", low_memory=False
    )
    table["gloss"] = (
        table["EntryID"].str.lower().str.replace(r"_\d+$", "", regex=True).str.replace("_", " ")
    )
    table["number"] = table["EntryID"].str.extract(r"_(\d+)$").fillna(0).astype(int)
    return table.sort_values("number", kind="stable").drop_duplicates("gloss").set_index("gloss")


def recorded(form: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """Glosses of wlasl-50, and group -> their mean summaries (G, D).

    The hand that moves more counts as the right one.
    """
    source = load_corpus(DataSettings(corpus="wlasl-50"))
    rows: dict[str, list[dict[str, np.ndarray]]] = {}
    for clip in source.labelled.itertuples():
        points = _right_handed(source.read(clip.clip), source.skeleton)
        table = phonology(points, source.skeleton, form, clip.width / clip.height)
        seen = np.flatnonzero(np.isfinite(table[:, 5]))
        if len(seen) >= 4:  # the middle half: before and after it the hand goes up and down
            middle = slice(seen[len(seen) // 4], seen[3 * len(seen) // 4] + 1)
            rows.setdefault(clip.gloss, []).append(summary(table[middle]))
    glosses = sorted(rows)
    groups = rows[glosses[0]][0]
    with np.errstate(all="ignore"):
        means = {
            g: np.array([np.nanmean([row[g] for row in rows[name]], axis=0) for name in glosses])
            for g in groups
        }
    return glosses, means


def _right_handed(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The clip, mirrored where the left hand goes further."""
    ways = []
    for side in ("left", "right"):
        wrist = points[:, skeleton.index(f"{side}_wrist"), :2]
        ways.append(np.nansum(np.linalg.norm(np.diff(wrist, axis=0), axis=1)))
    return mirror(points, skeleton, 0.5) if ways[0] > ways[1] else points


def closer(
    values: np.ndarray, shared: Callable[[np.ndarray], np.ndarray], seed: int = 0
) -> tuple[float, float, int]:
    """Chance that a pair that shares a value lies closer than one that does not; p; pairs.

    p comes from exchanging glosses.

    Args:
        values: (G, D); shared: order of glosses (G,) -> (P,) bool of each pair in that order.

    Source: Mantel 1967, with ranks.
    """
    values = np.nan_to_num(stats.zscore(values, axis=0, nan_policy="omit"))
    first, second = np.triu_indices(len(values), 1)
    ranks = stats.rankdata(np.linalg.norm(values[first] - values[second], axis=1))

    def chance(same: np.ndarray) -> float:
        count = same.sum()
        return 1 - (ranks[same].sum() - count * (count + 1) / 2) / (count * (len(same) - count))

    rng, order = np.random.default_rng(seed), np.arange(len(values))
    seen = chance(shared(order))
    drawn = [chance(shared(rng.permutation(order))) for _ in range(PERMUTATIONS)]
    return (
        seen,
        float((1 + (np.array(drawn) >= seen).sum()) / (1 + PERMUTATIONS)),
        int(shared(order).sum()),
    )


def recorded_tables() -> tuple[list[str], pd.DataFrame]:
    """Do glosses that share a value of ASL-LEX lie closer? One family of tests (Holm)."""
    words, rows = lexicon(), []
    for form in NAMES:
        glosses, means = recorded(form)
        listed = [k for k, gloss in enumerate(glosses) if gloss in words.index]
        for column, group in LEXICON.items():
            labels = words.loc[[glosses[k] for k in listed], column].fillna("none").to_numpy()
            first, second = np.triu_indices(len(labels), 1)
            chance, p, pairs = closer(
                means[group][listed],
                lambda order, values=labels, a=first, b=second: (
                    values[order][a] == values[order][b]
                ),
            )
            rows.append(
                {
                    "value": column.removesuffix(".2.0"),
                    "group": group,
                    "pairs": pairs,
                    "form": form,
                    "chance": chance,
                    "p": p,
                }
            )
    table = pd.DataFrame(rows)
    table["holm"] = holm(table["p"])
    total = len(listed) * (len(listed) - 1) // 2
    lines = [
        (
            f"Recorded signing: {len(listed)} glosses of `wlasl-50`, {total:,} pairs. Chance that a"
            " pair that shares the value lies closer than one that does not (50 % = the features"
            f" know nothing of it), p of exchanging glosses ({PERMUTATIONS:,} times), Holm over the"
            f" {len(table)} tests."
        ),
        "",
        *_head("shared in ASL-LEX", "pairs", "from", "form", "closer", "p", "p (Holm)"),
    ]
    lines += [
        f"| {r.value} | {r.pairs} | {r.group} | `{r.form}` | {100 * r.chance:.0f} % | {r.p:.2g} |"
        f" {r.holm:.2g} |"
        for r in table.sort_values("value", kind="stable").itertuples()
    ]
    return lines, table


def picture(named_rows: list[dict[str, Any]], recordings: pd.DataFrame | None) -> Figure:
    """What is named of generated signing, and how often pairs that share a value lie closer."""
    drawn, axes = plots.figure(11, 3.6, columns=1 if recordings is None else 2)
    tables = [pd.DataFrame(named_rows)] + (
        [] if recordings is None else [recordings.assign(seen=100 * recordings["chance"])]
    )
    titles = (
        "generated: named of unseen signers, %",
        "recorded: pairs that share it lie closer, %",
    )
    for axis, table, title in zip(axes, tables, titles, strict=False):
        values = list(dict.fromkeys(table["value"]))[::-1]
        for offset, (form, colour) in zip(
            (0.18, -0.18), (("original", plots.GREY), ("corrected", plots.BLUE)), strict=True
        ):
            rows = table[table["form"] == form].set_index("value").loc[values]
            places = np.arange(len(values)) + offset
            axis.barh(places, rows["seen"], 0.34, color=colour, label=form)
            if "low" in rows:
                spread = [rows["seen"] - rows["low"], rows["high"] - rows["seen"]]
                axis.errorbar(
                    rows["seen"], places, xerr=spread, fmt="none", ecolor=plots.INK, elinewidth=1
                )
            else:
                marks = ["*" if p < 0.05 else "" for p in rows["holm"]]
                for height, seen, mark in zip(places, rows["seen"], marks, strict=True):
                    axis.text(seen + 0.5, height - 0.22, mark, color=plots.INK)
        chance = rows["chance"] if "low" in rows else pd.Series(50.0, rows.index)
        for height, level in enumerate(chance):
            axis.plot(
                [level, level],
                [height - 0.42, height + 0.42],
                color=plots.ORANGE,
                linewidth=2,
                label="" if height else "most frequent value, or 50 %",
            )
        axis.set_yticks(range(len(values)), values)
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_xlim(0 if "low" in rows else 40, None)
    axes[-1].legend(frameon=False, fontsize=8, loc="lower right")
    return drawn


def main() -> None:
    """Measure and print; write into a page where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--doc", type=Path, help="write the tables between this page's marks")
    options = parser.parse_args()
    lines, named_rows = generated_tables()
    recordings = None
    if (paths.data_root() / "asl-lex").is_dir() and (paths.data_root() / "wlasl").is_dir():
        more, recordings = recorded_tables()
        lines += ["", *more]
    page = "\n".join(lines)
    print(page)
    if options.doc:
        beside = options.doc.with_suffix(".png")
        picture(named_rows, recordings).savefig(beside, dpi=110)
        page += f"\n\n![What the features tell]({beside.name})\n\n(* = p below 0.05 after Holm)"
        write_text(options.doc, with_part(options.doc, BEGIN, END, page))


if __name__ == "__main__":
    main()
