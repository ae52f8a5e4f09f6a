"""Option A of source 002: its sizes beside true counts, and recognition by vocabulary.

Counted: the subset of K glosses is WLASL's own, the first K classes of its list; clips are those of
the official split, whether their videos can still be had or not. Trained: 20, 100 and 300 generated
signs, tested on signers of their own, as runs of three presets below SIGNLIB_RUNS; a study that was
cut off is resumed. `--converged` trains 300 and 500 signs as long as they need, which takes hours.
`--doc docs/phonology.md` writes all.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from signlib import paths
from signlib.data import wlasl
from signlib.experiments.experiment import train
from signlib.experiments.sweep import finished
from signlib.files import with_part, write_text
from signlib.reports import plots
from signlib.reports.vocabulary_size import SOURCE_SIZES, case_of, size_table, verdict
from signlib.runs.run import Run
from signlib.settings import config, presets
from signlib.statistics.variation import Estimate, difference

BEGIN, END = "<!-- option A: written by studies/vocabulary_size.py -->", "<!-- end of option A -->"
FEWEST = (3, 5, 10)
"""Least training clips of a gloss; the source asks for 3 to 5."""
SEEDS = {"phonology/vocabulary-20": 3, "phonology/vocabulary-100": 3, "phonology/vocabulary-300": 1}
"""Preset -> how many seeds are trained; the largest takes as long as three of the middle one."""
# Preset -> epochs until nothing more is learned, of one seed.
CONVERGED = {"phonology/vocabulary-300": 200, "phonology/vocabulary-500": 120}


def counted(table: pd.DataFrame, order: list[str]) -> tuple[dict[int, int], list[str]]:
    """Training clips of each subset, and rows of a table: how many of its glosses have enough.

    Args:
        table: manifest of all classes.
        order: glosses by class number.
    """
    clips, rows = {}, []
    for glosses in SOURCE_SIZES:
        subset = table[table["gloss"].isin(order[:glosses])]
        each = subset.loc[subset["split"] == "train", "gloss"].value_counts()
        clips[glosses] = int(each.sum())
        parts = subset["split"].value_counts()
        enough = " | ".join(f"{(each >= fewest).sum():,}" for fewest in FEWEST)
        rows.append(
            f"| {glosses:,} | {parts['train']:,} / {parts['val']:,} / {parts['test']:,} |"
            f" {each.median():.0f} ({each.min()} to {each.max()}) | {enough} |"
        )
    return clips, rows


def counts() -> list[str]:
    """Two tables: the source's sizes beside the true ones, and WLASL's numbers of clips."""
    root = paths.data_root() / "wlasl"
    clips, rows = counted(
        wlasl.read_manifest(root, "nslt_2000.json"), wlasl.read_classes(root / wlasl.CLASSES)
    )
    sizes = size_table(clips)
    lines = ["| " + " | ".join(sizes) + " |", "|---" * len(sizes.columns) + "|"]
    for row in sizes.itertuples(index=False):
        lines.append(
            "| "
            + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
            + " |"
        )
    head = ["glosses", "train / val / test", "training clips a gloss: median (least to most)"]
    head += [f"glosses with {fewest} or more" for fewest in FEWEST]
    return [*lines, "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|", *rows]


def trained(only_finished: bool, converged: bool) -> dict[tuple[str, int], list[Run]]:
    """Preset and epochs -> runs; seed by seed, so that a study that is cut off has one of each.

    Args:
        only_finished: train nothing.
        converged: train the long ones instead of the short ones; finished ones of both count.
    """
    epochs = {name: presets.build(name).training.epochs for name in SEEDS}
    short = [
        (name, epochs[name], seed)
        for seed in range(max(SEEDS.values()))
        for name in SEEDS
        if seed < SEEDS[name]
    ]
    long = [(name, count, 0) for name, count in CONVERGED.items()]
    runs: dict[tuple[str, int], list[Run]] = {(name, count): [] for name, count, _ in short + long}
    for name, count, seed in short + long:
        overrides = ["training.threads=1", f"training.epochs={count}"]
        settings = presets.build(name, seed=seed, overrides=overrides)
        asked = not only_finished and converged == ((name, count, seed) in long)
        if asked or finished(name, config.run_name(settings)):
            runs[name, count].append(train(settings, config.run_name(settings), resume=True))
    return {key: done for key, done in runs.items() if done}


def estimate(runs: list[Run]) -> Estimate:
    """Top-1 of all seeds, with an interval over signers, and over several seeds too."""
    tables = [run.predictions for run in runs]
    right = np.array([table["target"] == table["prediction"] for table in tables])
    return difference(None, right, tables[0]["signer"].tolist())


def report(trainings: dict[tuple[str, int], list[Run]]) -> list[str]:
    """What was trained as a table in markdown, and the source's case for each."""
    lines = [
        (
            "| glosses | parameters | epochs | training loss at the end | training clips |"
            " parameters a clip | test clips | top-1 % of each seed | mean [95 %] | over |"
            " chance % | the source's case |"
        ),
        "|---" * 12 + "|",
    ]
    said = []
    for (_, epochs), runs in trainings.items():
        one, glosses = estimate(runs), runs[0].settings.data.limit_classes
        parameters, clips = runs[0].facts["parameters"], runs[0].facts["clips"]["train"]
        tested, ends = runs[0].metrics[0].n, np.clip([one.low, one.high], 0, 100)
        loss = np.mean([run.history["loss"].iloc[-1] for run in runs])
        each = ", ".join(f"{run.metrics[0].value:.1f}" for run in runs)
        lines.append(
            f"| {glosses} | {parameters:,} | {epochs} | {loss:.2f} | {clips:,} |"
            f" {parameters / clips:,.0f} | {tested:,} | {each} |"
            f" {one.value:.1f} [{ends[0]:.1f}, {ends[1]:.1f}] | {one.over} |"
            f" {100 / glosses:.2g} | {case_of(one.value)} |"
        )
        said.append(f"- {glosses} glosses, {epochs} epochs: {verdict(one.value, ends, glosses)}.")
    return [*lines, "", *said]


def picture(trainings: dict[tuple[str, int], list[Run]]) -> Figure:
    """Top-1 against the vocabulary: a dot a seed, a line for the interval, chance below."""
    drawn, (axis,) = plots.figure(5.5, 3.0)
    sizes = [runs[0].settings.data.limit_classes for runs in trainings.values()]
    for glosses, runs in zip(sizes, trainings.values(), strict=True):
        one = estimate(runs)
        axis.plot(
            [glosses] * 2,
            np.clip([one.low, one.high], 0, 100),
            color=plots.BLUE,
            linewidth=6,
            alpha=0.3,
            solid_capstyle="butt",
        )
        axis.plot(
            [glosses] * len(runs),
            [run.metrics[0].value for run in runs],
            "o",
            color=plots.BLUE,
            markersize=4,
        )
    axis.plot(sizes, [100 / glosses for glosses in sizes], "--", color=plots.GREY, label="chance")
    axis.set(xscale="log", xlabel="glosses", ylabel="top-1 of new signers, %", ylim=(0, 101))
    axis.set_xticks(sorted(set(sizes)), [str(size) for size in sorted(set(sizes))])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=8)
    return drawn


def main() -> None:
    """Count, train what is missing and print; write into a page where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--report", action="store_true", help="train nothing; what is finished is reported"
    )
    parser.add_argument(
        "--converged",
        action="store_true",
        help="train 300 and 500 signs for 200 and 120 epochs, one seed, not the short trainings",
    )
    parser.add_argument(
        "--doc", type=Path, help="write tables and figure between this page's marks"
    )
    options = parser.parse_args()
    lines, trainings = counts(), trained(options.report, options.converged)
    if trainings:
        lines += ["", *report(trainings)]
    page = "\n".join(lines)
    print(page)
    if options.doc:
        if trainings:
            beside = options.doc.with_name(f"{options.doc.stem}_vocabulary.png")
            picture(trainings).savefig(beside, dpi=110)
            page += f"\n\n![Top-1 against the vocabulary]({beside.name})"
        write_text(options.doc, with_part(options.doc, BEGIN, END, page))


if __name__ == "__main__":
    main()
