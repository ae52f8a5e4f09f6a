"""Option B of source 002: does pre-training without glosses help its classifier?

Each seed trains the same classifier from random weights and from two encoders: pre-trained in the
original form, and to tell hidden codes. Pre-training sees training clips only (of all 50 glosses),
never a test clip. Both readers of the classifier are asked, and a support vector machine on the
same features stands beside them. One training a fold, seed, arm and reader, each kept below
SIGNLIB_RUNS; a study that was cut off is resumed. `--doc` writes the tables into a page.
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora.clips import load_corpus
from signlib.evaluation.neighbours import flatten
from signlib.files import with_part, write_text
from signlib.models.phonology import GlossReader, first_gloss
from signlib.reports import plots
from signlib.settings import presets
from signlib.settings.base import Settings
from signlib.statistics.paired import holm
from signlib.statistics.two_systems import compare, verdict
from signlib.tasks.phonology import PhonologyTask, phonology_clips, phonology_model
from signlib.training.phonology import Views, collate, fit_codebooks, pretext_losses

BEGIN, END = (
    "<!-- option B: written by studies/phonology_pretraining.py -->",
    "<!-- end of option B -->",
)
ARMS = ("random weights", "pre-trained, original form", "pre-trained, hidden codes")
# Preset of each reader -> what it is; the first is the default.
READERS = {"pooled": "cross-entropy on pooled states", "ctc": "CTC"}
MACHINES = {
    "RBF kernel": SVC(),
    "standardised, RBF kernel": make_pipeline(StandardScaler(), SVC()),
    "standardised, linear": make_pipeline(StandardScaler(), SVC(kernel="linear")),
}
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


# Arm -> one row a training.
Arms = dict[str, pd.DataFrame]
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
    clips: Clips, fold: int, seed: int, reader: str, first: dict[str, torch.Tensor] | None
) -> dict[str, np.ndarray]:
    """Test clips of a fold: which are right, by CTC by the first gloss of the best path too."""
    chosen = presets.build(f"phonology/{reader}")
    torch.manual_seed(seed)
    model, views = phonology_model(chosen, int(clips.targets.max()) + 1), Views(chosen.phonology)
    if first is not None:
        model.encoder.load_state_dict(first)
    train, test = sides(clips, fold)
    tables = [clips.tables[k] for k in train]
    torch.manual_seed(seed + 1)  # the same order and views for all arms
    step = Steps(model, len(tables), READER_EPOCHS)
    for batch in batches(tables, clips.targets[train], READER_EPOCHS):
        step(PhonologyTask.loss(chosen, model, views(batch)))
    whole = collate([(clips.tables[k], int(clips.targets[k])) for k in test])
    with torch.no_grad():
        best = model.eval()(whole).argmax(1)
        results = {"clip": test, "right": (best == whole["target"]).numpy()}
        if isinstance(model, GlossReader):
            heard = first_gloss(model.frames(whole), whole["lengths"])
            results["heard"] = (heard == whole["target"]).numpy()
    return results


def sides(clips: Clips, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Labelled clips that train, and those that test a fold."""
    labelled = clips.targets >= 0
    return tuple(
        np.flatnonzero(labelled & tests) for tests in (clips.folds != fold, clips.folds == fold)
    )


def vectors(clips: Clips, fold: int) -> dict[str, np.ndarray]:
    """Test clips of a fold that untuned support vector machines name right.

    They read the features at 16 moments, without views; nothing in them is random.
    """
    train, test = sides(clips, fold)
    flat = np.stack([flatten(table) for table in clips.tables])
    results = {"clip": test}
    for name, machine in MACHINES.items():
        guesses = machine.fit(flat[train], clips.targets[train]).predict(flat[test])
        results[name] = guesses == clips.targets[test]
    return results


def run(task: str, seeds: int, folds: int, reader: str) -> None:
    """Do all trainings of a task that are not there yet."""
    make, most = TASKS[task]
    jobs = [
        (fold, seed, arm)
        for fold in range(min(folds, most))
        for seed in range(seeds)
        for arm in ARMS
    ]
    jobs = [job for job in jobs if not result_path(task, *job, reader).is_file()]
    machines = [fold for fold in range(min(folds, most)) if not svm_path(task, fold).is_file()]
    if not jobs and not machines:
        return
    clips = make()
    for fold in machines:
        write_arrays(svm_path(task, fold), **vectors(clips, fold))
    for fold, seed, arm in tqdm(jobs, desc=f"{task}, {reader}", mininterval=10):
        started, first, contrast = time.process_time(), None, float("nan")
        if arm != ARMS[0]:
            first, contrast = encoder_of(task, clips, fold, arm, seed)
        results = learn(clips, fold, seed, reader, first)
        write_arrays(
            result_path(task, fold, seed, arm, reader),
            **results,
            contrast=contrast,
            seconds=time.process_time() - started,
        )


def encoder_of(
    task: str, clips: Clips, fold: int, arm: str, seed: int
) -> tuple[dict[str, torch.Tensor], float]:
    """A pre-trained encoder, made once for both tasks of a corpus and both readers."""
    path = result_path(task.split(",")[0], fold, seed, arm, "encoders").with_suffix(".pt")
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


def result_path(task: str, fold: int, seed: int, arm: str, reader: str) -> Path:
    """Where one training's result is kept."""
    return _kept(reader, f"{task}-fold{fold}-seed{seed}-{arm}")


def svm_path(task: str, fold: int) -> Path:
    """Where the support vector machine's result of a fold is kept."""
    return _kept("svm", f"{task}-fold{fold}")


def _kept(folder: str, name: str) -> Path:
    # A folder a reader: what lies beside them is from before each number was there by itself.
    root = paths.runs_root() / "studies" / "phonology_pretraining" / folder
    return root / f"{name.replace(', ', '-').replace(' ', '-')}.npz"


def gathered(task: str, seeds: int, folds: int, reader: str) -> dict[str, pd.DataFrame]:
    """Arm -> one row a training of folds that all arms and seeds have done; else empty."""
    rows: dict[str, list[dict]] = {arm: [] for arm in ARMS}
    for fold in range(min(folds, TASKS[task][1])):
        files = {
            arm: [result_path(task, fold, seed, arm, reader) for seed in range(seeds)]
            for arm in ARMS
        }
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


def report(seeds: int, folds: int) -> tuple[list[str], dict[tuple[str, str], Arms]]:
    """Tables and verdicts of all tasks and readers of which at least one fold is whole."""
    pairs = [(task, reader) for reader in READERS for task in TASKS]
    results = {pair: gathered(pair[0], seeds, folds, pair[1]) for pair in pairs}
    results = {pair: arms for pair, arms in results.items() if len(arms[ARMS[0]])}
    lines = [
        (
            "| task | test clips | reader | arm | top-1 %, mean over seeds (least to most) | first"
            " gloss of the best path % | contrast after pre-training (chance 4.14) | CPU minutes |"
        ),
        "|---" * 8 + "|",
    ]
    lines += [line for task in TASKS for line in rows_of(task, folds, results)]
    comparisons = {
        f"{task}, {READERS[reader]}: {{}}": (arms[ARMS[0]], arms[arm], (ARMS[0], arm))
        for (task, reader), arms in results.items()
        for arm in ARMS[1:]
    }
    for task in TASKS:
        pooled, ctc = (results.get((task, reader)) for reader in READERS)
        if pooled and ctc and len(pooled[ARMS[0]]) == len(ctc[ARMS[0]]):
            names = (READERS["ctc"], READERS["pooled"])
            comparisons[f"{task}, {ARMS[0]}: {{}}"] = (ctc[ARMS[0]], pooled[ARMS[0]], names)
    lines += ["", f"Held against each other, {seeds} seeds each, one family (Holm):", ""]
    held = [compare(values(one), values(other)) for one, other, _ in comparisons.values()]
    minded = holm([comparison.deciding.p for comparison in held]) if held else []
    for (text, (*_, names)), comparison, p in zip(comparisons.items(), held, minded, strict=True):
        lines.append("- " + text.format(verdict(comparison, names, float(p), len(held))))
    return lines, results


def rows_of(task: str, folds: int, results: dict[tuple[str, str], Arms]) -> Iterator[str]:
    """Rows of the table: the support vector machines, then each reader with its arms."""
    machines = [svm_path(task, fold) for fold in range(min(folds, TASKS[task][1]))]
    if all(path.is_file() for path in machines):
        for name in MACHINES:
            right = np.concatenate([np.load(path)[name] for path in machines])
            start = f"| {task} | {len(right)} | support vector machine, untuned"
            yield f"{start} | {name} | {100 * right.mean():.1f} | | | |"
    for reader in READERS:
        for arm, table in results.get((task, reader), {}).items():
            each = 100 * values(table).mean(1)
            heard = f"{100 * values(table, 'heard').mean():.1f}" if "heard" in table else ""
            contrast = "" if arm == ARMS[0] else f"{table['contrast'].astype(float).mean():.2f}"
            yield (
                f"| {task} | {values(table).shape[1]} | {READERS[reader]} | {arm} |"
                f" {each.mean():.1f} ({each.min():.1f} to {each.max():.1f}) | {heard} | {contrast}"
                f" | {table['seconds'].astype(float).sum() / 60:.1f} |"
            )


def picture(results: dict[tuple[str, str], Arms]) -> Figure:
    """Every seed as a dot, arms side by side, one panel a task; hollow dots by CTC."""
    tasks = list(dict.fromkeys(task for task, _ in results))
    drawn, axes = plots.figure(3.6 * len(tasks), 3.2, columns=len(tasks))
    colours = (plots.GREY, plots.ORANGE, plots.BLUE)
    for (task, reader), arms in results.items():
        axis = axes[tasks.index(task)]
        each = np.array([100 * values(table).mean(1) for table in arms.values()])
        axis.plot(each, color=plots.GREY, linewidth=0.6, zorder=1)
        for k, (dots, colour) in enumerate(zip(each, colours, strict=True)):
            inside = "none" if reader == "ctc" else colour
            where = np.full(len(dots), k)
            axis.scatter(where, dots, facecolors=inside, edgecolors=colour, s=18, zorder=2)
            axis.plot([k - 0.2, k + 0.2], [dots.mean()] * 2, color=plots.INK, linewidth=2, zorder=3)
        axis.set_xticks(range(len(ARMS)), ["random", "original form", "hidden codes"], fontsize=8)
        axis.set_title(task, loc="left", fontsize=9)
    axes[0].set_ylabel("top-1, % (a dot a seed; hollow: CTC)")
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
    parser.add_argument(
        "--reader", action="append", choices=READERS, help="only this one, again for more"
    )
    parser.add_argument("--report", action="store_true", help="train nothing")
    parser.add_argument("--doc", type=Path, help="write tables and figure into this page")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for reader in [] if options.report else options.reader or READERS:
        for task in options.task or TASKS:
            run(task, options.seeds, options.folds, reader)
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
