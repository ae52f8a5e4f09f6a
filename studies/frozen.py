"""The landmark half of the classifier on frozen features, against a support vector machine.

wlasl-50, four folds. The branch of source 004 and our encoder are trained by their presets; nothing
is selected, the last epoch counts. The machine is scikit-learn's own (C = 10) on body-normalised
points at 16 moments of each clip, hands about their wrists in palms: the strongest of several ways
of feeding one that were tried on these folds. Both see the same folds, and nobody knows who signs:
a fold may share signers with another. Only aggregates are printed.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from signlib.corpora.clips import load_corpus
from signlib.corpora.splits import split_clips
from signlib.data.skeletons import Skeleton
from signlib.evaluation.neighbours import flatten
from signlib.experiments.experiment import train
from signlib.settings import presets
from signlib.settings.base import Settings
from signlib.statistics.intervals import cluster_interval
from signlib.statistics.paired import mcnemar
from signlib.training.batches import prepare_clips

PRESETS = {
    "our encoder": "wlasl-50/landmark-encoder",
    "the source's branch": "wlasl-50/landmark-branch",
}
FOLDS, MACHINE = 4, "support vector machine"


def feed(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """What the machine is fed with: (numbers,) for normalised points (T, J, 2).

    What was not found is 0.
    """
    hands = [list(skeleton.parts[f"{side}_hand"]) for side in ("left", "right")]
    parts = [
        points[:, [joint for joint in range(len(skeleton)) if joint not in hands[0] + hands[1]]]
    ]
    for joints in hands:
        hand = points[:, joints]
        local = hand - hand[:, :1]
        spread = np.linalg.norm(local[:, [5, 9, 13, 17]], axis=-1)
        palm = np.nanmedian(spread) if np.isfinite(spread).any() else 1.0
        parts += [hand[:, :1], local / palm]
    return flatten(np.nan_to_num(np.concatenate(parts, axis=1)))


def machine(settings: Settings) -> pd.DataFrame:
    """The test clips of a fold, and whether the machine named each."""
    # Hips and wrists yes, knees no; depth is guessed, and nothing is mirrored.
    features = replace(settings.features, joints="upper", coordinates=2, dominant=False)
    source = load_corpus(settings.data)
    chosen = source.skeleton.select(features.joints)
    splits = split_clips(source.labelled, settings.data)
    sets = []
    for rows in (splits.train, splits.test):
        prepared = prepare_clips(source, rows["clip"], features, quiet=True)
        gloss = rows.set_index("clip")["gloss"].loc[prepared.clips]
        sets.append((np.stack([feed(points, chosen) for points in prepared.points]), gloss))
    (fitted, learnt), (test, expected) = sets
    named = make_pipeline(StandardScaler(), SVC(C=10)).fit(fitted, learnt).predict(test)
    return _table(MACHINE, expected.index, expected, named)


def trained(name: str, settings: Settings) -> pd.DataFrame:
    """The test clips of a fold, and whether the run named each."""
    run = train(settings, f"seed{settings.seed}-fold{settings.data.fold}", resume=True)
    predictions = run.predictions
    return _table(name, predictions["clip"], predictions["target"], predictions["prediction"])


def _table(name: str, clips: pd.Series, expected: pd.Series, named: np.ndarray) -> pd.DataFrame:
    right = np.asarray(expected) == np.asarray(named)
    return pd.DataFrame(
        {"arm": name, "clip": list(clips), "gloss": list(expected), "right": right.astype(float)}
    )


def report(results: pd.DataFrame) -> str:
    """Pooled accuracy of each arm, and its paired difference from the machine, over glosses."""
    wide = results.pivot_table(index=["gloss", "clip"], columns="arm", values="right")
    glosses = wide.index.get_level_values("gloss").tolist()
    lines = [
        (
            "| arm | top-1 (%) [95 %, over glosses] | points against the machine | only it / only"
            " the machine, p |"
        ),
        "|---|---|---|---|",
    ]
    for arm in dict.fromkeys(results["arm"]):
        right = wide[arm].to_numpy()
        low, high = cluster_interval(right, glosses)
        gain = right - wide[MACHINE].to_numpy()
        first, second = cluster_interval(gain, glosses)
        won, lost = int((gain > 0).sum()), int((gain < 0).sum())
        against = (
            "- | -"
            if arm == MACHINE
            else (
                f"{100 * gain.mean():+.1f} [{first:+.1f}, {second:+.1f}] | {won} / {lost},"
                f" {mcnemar(lost, won):.2g}"
            )
        )
        lines.append(f"| {arm} | {100 * right.mean():.1f} [{low:.1f}, {high:.1f}] | {against} |")
    return "\n".join(
        [
            *lines,
            (
                f"\n{len(wide)} clips of {len(set(glosses))} glosses, each tested once; signers"
                " unknown"
            ),
        ]
    )


def main() -> None:
    """Train all folds, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument(
        "--arms", nargs="+", choices=list(PRESETS), default=list(PRESETS), help="(default: all)"
    )
    options = parser.parse_args()
    tables = []
    for fold in range(FOLDS):
        chosen = {
            name: presets.build(PRESETS[name], seed=options.seed, overrides=[f"data.fold={fold}"])
            for name in options.arms
        }
        tables.append(machine(chosen[options.arms[0]]))
        tables += [trained(name, settings) for name, settings in chosen.items()]
    print(report(pd.concat(tables)))


if __name__ == "__main__":
    main()
