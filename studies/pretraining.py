"""Does pre-training on generated signs help on recorded ones? wlasl-50, four folds.

Each seed pre-trains one encoder on generated clips, seen through the 53 points of wlasl-50, and
trains every fold twice with the same settings: from that encoder and from random weights. Nothing
is selected: both train the same number of epochs. Runs are kept below SIGNLIB_RUNS and resumed.
Only aggregates are printed.
"""

import argparse

import joblib
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from signlib.experiments.experiment import train
from signlib.runs.run import Run
from signlib.settings import presets
from signlib.statistics.intervals import cluster_interval

TARGET, SOURCE = "wlasl-50/small", "wlasl-50/pretraining"
ARMS = ("random weights", "pre-trained")
FOLDS = 4


def pretrained(seed: int) -> Run:
    """The run whose encoder learned generated signs."""
    settings = presets.build(
        SOURCE, seed=seed, overrides=["training.threads=1", f"data.seed={seed}"]
    )
    return train(settings, f"seed{seed}", resume=True, quiet=True)


def tested(seed: int, fold: int, arm: str) -> pd.DataFrame:
    """The test clips of a fold, and whether each was recognised."""
    settings = presets.build(
        TARGET, seed=seed, overrides=[f"data.fold={fold}", "training.threads=1"]
    )
    first = pretrained(seed) if arm == ARMS[1] else None
    name = f"seed{seed}-fold{fold}-{arm.replace(' ', '-')}"
    table = train(settings, name, resume=True, quiet=True, init_from=first).predictions
    right = (table["target"] == table["prediction"]).astype(float)
    return pd.DataFrame(
        {"seed": seed, "arm": arm, "clip": table["clip"], "gloss": table["target"], "right": right}
    )


def report(results: pd.DataFrame) -> str:
    """Pooled accuracy of both arms, and their paired difference with an interval over glosses."""
    wide = results.pivot_table(index=["gloss", "clip"], columns=["arm", "seed"], values="right")
    lines = ["| arm | top-1 by seed (%) | mean (%) [95 %, over glosses] |", "|---|---|---|"]
    glosses = wide.index.get_level_values("gloss").tolist()
    means = {arm: wide[arm].mean(axis=1).to_numpy() for arm in ARMS}
    for arm, right in means.items():
        by_seed = ", ".join(f"{100 * value:.1f}" for value in wide[arm].mean())
        low, high = cluster_interval(right, glosses)
        lines.append(f"| {arm} | {by_seed} | {100 * right.mean():.1f} [{low:.1f}, {high:.1f}] |")
    gain = means[ARMS[1]] - means[ARMS[0]]
    low, high = cluster_interval(gain, glosses)
    by_seed = ", ".join(f"{100 * value:+.1f}" for value in (wide[ARMS[1]] - wide[ARMS[0]]).mean())
    lines.append(f"| difference | {by_seed} | {100 * gain.mean():+.1f} [{low:+.1f}, {high:+.1f}] |")
    return "\n".join(
        [*lines, f"\n{len(wide)} clips of {len(set(glosses))} glosses, each tested once a seed"]
    )


def main() -> None:
    """Pre-train, train all folds, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    options = parser.parse_args()
    seeds = range(options.seeds)
    with joblib.Parallel(options.workers) as parallel:
        parallel(
            joblib.delayed(lambda seed: pretrained(seed).name)(seed)
            for seed in tqdm(seeds, desc="pre-training")
        )
        jobs = [(seed, fold, arm) for seed in seeds for fold in range(FOLDS) for arm in ARMS]
        results = parallel(joblib.delayed(tested)(*job) for job in tqdm(jobs, desc="folds"))
    print(report(pd.concat(results)))
    accuracy = [pretrained(seed).metrics[0].value for seed in seeds]
    print(
        f"the encoders name {np.mean(accuracy):.1f} % of generated test clips (200 glosses, unseen"
        " signers)"
    )


if __name__ == "__main__":
    main()
