"""Option B of source 002: does pre-training without glosses help its classifier?

Each seed trains the same classifier from random weights and from two encoders: pre-trained in the
original form, and to tell hidden codes. Pre-training sees training clips only (of all 50 glosses),
never a test clip. One training a fold, seed and arm, each kept below SIGNLIB_RUNS; a study that was
cut off is resumed. `--doc` writes the tables into a page.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from sklearn.model_selection import StratifiedKFold
from torch import nn
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora.clips import load_corpus
from signlib.files import with_part, write_text
from signlib.models.phonology import first_gloss, one_gloss
from signlib.reports import plots
from signlib.settings import presets
from signlib.settings.base import Settings
from signlib.statistics.paired import holm
from signlib.statistics.two_systems import compare, verdict
from signlib.tasks.phonology import phonology_clips, phonology_model
from signlib.training.phonology import Views, collate, fit_codebooks, pretext_losses

BEGIN, END = (
    "<!-- option B: written by studies/phonology_pretraining.py -->",
    "<!-- end of option B -->",
)
ARMS = ("random weights", "pre-trained, original form", "pre-trained, hidden codes")
FOLDS, SEEDS = 4, 10
READER_EPOCHS, PRETEXT_STEPS, BATCH, RATE = 60, 120, 32, 3e-3
STRIDE = 2
"""Every second frame is read, which halves the time; a clip of wlasl-50 keeps about twelve."""


@dataclass
class Clips:
    """Clips of one task.

    Attributes:
        tables: N arrays (T, 36); targets: (N,) class numbers, -1 = not of this task, for
            pre-training only.
        folds: (N,) the fold that tests a clip, -1 = never tested.
    """

    tables: list[np.ndarray]
    targets: np.ndarray
    folds: np.ndarray


def settings(arm: str = ARMS[2]) -> Settings:
    """Of classifier and pre-training alike; the arms differ in what trains the encoder."""
    form = (
        []
        if arm == ARMS[2]
        else [
            "phonology.pretext=original",
            "phonology.readout=last",
            "phonology.codebooks=[64,32,32,16,16]",
        ]
    )
    return presets.build("phonology/pretraining", overrides=["phonology.dropout=0.5", *form])


def recorded(glosses: int) -> Clips:
    """wlasl-50: its glosses with most clips.

    The folds are those of all 50, so that one pre-training serves both.
    """
    source = load_corpus(presets.build("phonology/ctc").data)
    prepared = phonology_clips(source, source.labelled["clip"].tolist(), settings(), quiet=True)
    labels = source.labelled.set_index("clip").loc[prepared.clips, "gloss"]
    counts = labels.value_counts()
    chosen = sorted(counts.index, key=lambda gloss: (-counts[gloss], gloss))[:glosses]
    folds = np.empty(len(labels), int)
    for fold, (_, test) in enumerate(
        StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(labels, labels)
    ):
        folds[test] = fold
    targets = (
        labels.map({gloss: k for k, gloss in enumerate(sorted(chosen))})
        .fillna(-1)
        .astype(int)
        .to_numpy()
    )
    return Clips([points[::STRIDE] for points in prepared.points], targets, folds)


def generated(unlabelled: int = 40) -> Clips:
    """20 glosses by five signers to learn from and ten others to test.

    Many clips of other glosses come without a label.
    """
    overrides = [
        "data.corpus=generated",
        f"data.glosses={20 + unlabelled}",
        "data.signers=15",
        "data.repetitions=1",
    ]
    chosen = presets.build(
        "phonology/ctc", overrides=[*overrides, "data.split=official", "data.limit_classes=0"]
    )
    source = load_corpus(chosen.data)
    prepared = phonology_clips(source, source.labelled["clip"].tolist(), settings(), quiet=True)
    table = source.labelled.set_index("clip").loc[prepared.clips]
    names, signers = sorted(table["gloss"].unique())[:20], sorted(table["signer"].unique())
    targets = (
        table["gloss"]
        .map({gloss: k for k, gloss in enumerate(names)})
        .fillna(-1)
        .astype(int)
        .to_numpy()
    )
    labelled = table["signer"].isin(signers[:5]).to_numpy()
    folds = np.where((targets >= 0) & ~labelled, 0, -1)
    return Clips([points[::STRIDE] for points in prepared.points], targets, folds)


TASKS = {
    "wlasl-50, 20 glosses": (lambda: recorded(20), FOLDS),
    "generated, 20 glosses": (generated, 1),
    "wlasl-50, 50 glosses": (lambda: recorded(50), FOLDS),
}
"""Name -> its clips, and how many folds it has."""


def batches(
    tables: Sequence[np.ndarray], targets: np.ndarray, epochs: int
) -> Iterator[dict[str, torch.Tensor]]:
    """Shuffled batches of all epochs; a last one of a single clip is left out."""
    for _ in range(epochs):
        order = torch.randperm(len(tables)).tolist()
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            if len(chosen) > 1:
                yield collate([(tables[k], int(targets[k])) for k in chosen])


class Steps:
    """AdamW under a half cosine, with clipped gradients."""

    def __init__(self, model: nn.Module, clips: int, epochs: int) -> None:
        fitted = [p for p in model.parameters() if p.requires_grad]
        self.optimizer, self.fitted = torch.optim.AdamW(fitted, RATE, weight_decay=1e-4), fitted
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, -(-clips // BATCH) * epochs
        )

    def __call__(self, loss: torch.Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.fitted, 5.0)
        self.optimizer.step()
        self.schedule.step()


def pretrain(
    tables: list[np.ndarray], arm: str, seed: int
) -> tuple[dict[str, torch.Tensor], float]:
    """An encoder's weights, and the contrast of its last epoch (chance: ln 63 = 4.14)."""
    chosen = settings(arm)
    torch.manual_seed(seed)
    model, views = phonology_model(chosen, 2), Views(chosen.phonology)
    if chosen.phonology.pretext == "codes":
        fit_codebooks(model.quantiser, tables, seed)
    epochs = -(-PRETEXT_STEPS // -(-len(tables) // BATCH))
    step, seen = Steps(model, len(tables), epochs), []
    for batch in batches(tables, np.zeros(len(tables)), epochs):
        contrast, codes = pretext_losses(
            model, views.one(batch), views.one(batch), chosen.phonology
        )
        step(contrast + codes)
        if len(batch["lengths"]) == BATCH:
            seen.append(contrast.item())
    return model.encoder.state_dict(), float(np.mean(seen[-max(1, len(tables) // BATCH) :]))


def learn(
    clips: Clips, fold: int, seed: int, first: dict[str, torch.Tensor] | None
) -> dict[str, np.ndarray]:
    """Test clips of a fold: named by the likeliest gloss, or by the first of the best path?"""
    chosen = presets.build("phonology/ctc")
    torch.manual_seed(seed)
    model, views = phonology_model(chosen, int(clips.targets.max()) + 1), Views(chosen.phonology)
    if first is not None:
        model.encoder.load_state_dict(first)
    train = np.flatnonzero((clips.targets >= 0) & (clips.folds != fold))
    test = np.flatnonzero((clips.targets >= 0) & (clips.folds == fold))
    tables = [clips.tables[k] for k in train]
    torch.manual_seed(seed + 1)  # the same order and views for all arms
    step = Steps(model, len(tables), READER_EPOCHS)
    for batch in batches(tables, clips.targets[train], READER_EPOCHS):
        batch = views(batch)
        step(
            -one_gloss(model.frames(batch), batch["lengths"])
            .gather(1, batch["target"][:, None])
            .mean()
        )
    whole = collate([(clips.tables[k], int(clips.targets[k])) for k in test])
    with torch.no_grad():
        frames = model.eval().frames(whole)
    best = one_gloss(frames, whole["lengths"]).argmax(1)
    heard = first_gloss(frames, whole["lengths"])
    return {
        "clip": test,
        "right": (best == whole["target"]).numpy(),
        "heard": (heard == whole["target"]).numpy(),
    }


def run(task: str, seeds: int, folds: int) -> None:
    """Do all trainings of a task that are not there yet."""
    make, most = TASKS[task]
    jobs = [
        (fold, seed, arm)
        for fold in range(min(folds, most))
        for seed in range(seeds)
        for arm in ARMS
    ]
    jobs = [job for job in jobs if not result_path(task, *job).is_file()]
    clips = make() if jobs else None
    for fold, seed, arm in tqdm(jobs, desc=task, mininterval=10):
        started, first, contrast = time.process_time(), None, float("nan")
        if arm != ARMS[0]:
            first, contrast = encoder_of(task, clips, fold, arm, seed)
        results = learn(clips, fold, seed, first)
        write_arrays(
            result_path(task, fold, seed, arm),
            **results,
            contrast=contrast,
            seconds=time.process_time() - started,
        )


def encoder_of(
    task: str, clips: Clips, fold: int, arm: str, seed: int
) -> tuple[dict[str, torch.Tensor], float]:
    """A pre-trained encoder, made once for both tasks of a corpus."""
    path = result_path(task.split(",")[0], fold, seed, arm).with_suffix(".pt")
    if not path.is_file():
        tables = [clips.tables[k] for k in np.flatnonzero(clips.folds != fold)]
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(pretrain(tables, arm, seed), path)
    return torch.load(path, weights_only=True)


def write_arrays(path: Path, **arrays: object) -> None:
    """An `.npz`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    np.savez(unfinished, **arrays)
    unfinished.replace(path)


def result_path(task: str, fold: int, seed: int, arm: str) -> Path:
    """Where one training's result is kept."""
    name = (
        f"{task}-fold{fold}-seed{seed}-{arm}".replace(", ", "-").replace(" ", "-").replace("'", "")
    )
    return paths.runs_root() / "studies" / "phonology_pretraining" / f"{name}.npz"


def gathered(task: str, seeds: int, folds: int) -> dict[str, pd.DataFrame]:
    """Arm -> one row a training of folds that all arms and seeds have done; else empty."""
    rows: dict[str, list[dict]] = {arm: [] for arm in ARMS}
    for fold in range(min(folds, TASKS[task][1])):
        files = {arm: [result_path(task, fold, seed, arm) for seed in range(seeds)] for arm in ARMS}
        if not all(path.is_file() for trainings in files.values() for path in trainings):
            continue
        for arm, trainings in files.items():
            rows[arm] += [
                {"seed": s, "fold": fold, **np.load(path)} for s, path in enumerate(trainings)
            ]
    return {arm: pd.DataFrame(trainings) for arm, trainings in rows.items()}


def values(table: pd.DataFrame, column: str = "right") -> np.ndarray:
    """(S, N) of all test clips, folds side by side."""
    return np.array(
        [np.concatenate(of_seed[column].tolist()) for _, of_seed in table.groupby("seed")], float
    )


def report(seeds: int, folds: int) -> tuple[list[str], dict[str, dict[str, pd.DataFrame]]]:
    """Tables and verdicts of all tasks of which at least one fold is whole."""
    results = {task: gathered(task, seeds, folds) for task in TASKS}
    results = {task: arms for task, arms in results.items() if len(arms[ARMS[0]])}
    lines = [
        (
            "| task | test clips | arm | top-1 %, mean over seeds (least to most) | first gloss of"
            " the best path % | contrast after pre-training (chance 4.14) |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for task, arms in results.items():
        for arm, table in arms.items():
            each, heard = 100 * values(table).mean(1), 100 * values(table, "heard").mean()
            contrast = "" if arm == ARMS[0] else f"{table['contrast'].astype(float).mean():.2f}"
            lines.append(
                f"| {task} | {values(table).shape[1]} | {arm} | {each.mean():.1f} ({each.min():.1f}"
                f" to {each.max():.1f}) | {heard:.1f} | {contrast} |"
            )
    lines += ["", f"Held against {ARMS[0]}, {seeds} seeds each, one family (Holm):", ""]
    pairs = [(task, arm) for task in results for arm in ARMS[1:]]
    held = [
        compare(values(results[task][ARMS[0]]), values(results[task][arm])) for task, arm in pairs
    ]
    minded = holm([comparison.deciding.p for comparison in held]) if held else []
    for (task, arm), comparison, p in zip(pairs, held, minded, strict=True):
        lines.append(f"- {task}: {verdict(comparison, (ARMS[0], arm), float(p), len(held))}")
    return lines, results


def picture(results: dict[str, dict[str, pd.DataFrame]]) -> Figure:
    """Every seed as a dot, arms side by side, one panel a task."""
    drawn, axes = plots.figure(3.6 * len(results), 3.2, columns=len(results))
    colours = (plots.GREY, plots.ORANGE, plots.BLUE)
    for axis, (task, arms) in zip(axes, results.items(), strict=True):
        each = np.array([100 * values(table).mean(1) for table in arms.values()])
        axis.plot(each, color=plots.GREY, linewidth=0.6, zorder=1)
        for k, (dots, colour) in enumerate(zip(each, colours, strict=True)):
            axis.scatter(np.full(len(dots), k), dots, color=colour, s=18, zorder=2)
            axis.plot([k - 0.2, k + 0.2], [dots.mean()] * 2, color=plots.INK, linewidth=2, zorder=3)
        axis.set_xticks(range(len(ARMS)), ["random", "original form", "hidden codes"], fontsize=8)
        axis.set_title(task, loc="left", fontsize=9)
    axes[0].set_ylabel("top-1, % (a dot a seed)")
    return drawn


def main() -> None:
    """Train what is missing, print, write into a page where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many (default: %(default)s)")
    parser.add_argument(
        "--folds", type=int, default=FOLDS, help="of wlasl-50, of four (default: %(default)s)"
    )
    parser.add_argument(
        "--task", action="append", choices=TASKS, help="only this one, again for more"
    )
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--doc", type=Path, help="write tables and figure into this page")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for task in [] if options.report else options.task or TASKS:
        run(task, options.seeds, options.folds)
    lines, results = report(options.seeds, options.folds)
    page = "\n".join(lines)
    print(page)
    if options.doc and results:
        beside = options.doc.with_name(f"{options.doc.stem}_pretraining.png")
        picture(results).savefig(beside, dpi=110)
        page += f"\n\n![Top-1 of every seed]({beside.name})"
        write_text(options.doc, with_part(options.doc, BEGIN, END, page))


if __name__ == "__main__":
    main()
