"""Settings -> data -> model -> training -> evaluation -> run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader, Dataset

from signlib import paths, runs
from signlib.config import Settings
from signlib.corpora import Splits, split_clips
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ManifestError, RunError
from signlib.evaluation import metrics, plots
from signlib.files import write_json, write_text
from signlib.models.classifier import parameter_count
from signlib.recognition import Recognition, open_recognition
from signlib.training import fit, tasks

WEIGHTS, MODEL = "model.safetensors", "model.json"


def train(
    settings: Settings,
    run_name: str = "",
    resume: bool = False,
    quiet: bool = False,
    init_from: runs.Run | None = None,
) -> runs.Run:
    """A finished run: the model fitted, the test split read once, everything written.

    Args:
        settings: fully resolved.
        run_name: name of the run's folder; "" makes one from mode and seed.
        resume: go on with an unfinished run.
        quiet: no progress bar.
        init_from: start from that run's encoder.

    Returns:
        The run; a finished one of the same name and settings is returned as it is. When the time budget ends
        first, the run is unfinished and `resume=True` goes on.
    """
    experiment, name = settings.preset.replace("/", "-"), run_name or f"{settings.mode}-seed{settings.seed}"
    known = (paths.runs_root() / experiment / name / runs.SETTINGS).is_file()
    # What is refused before training leaves no run behind that would take the name.
    ready = None if known else _prepared(settings, init_from)
    run = runs.start(experiment, name, settings, resume)
    origin = init_from.name if init_from is not None else ""
    if known and run.facts.get("init_from", "") != origin:
        raise RunError(
            f"run {run.path} was started from {run.facts.get('init_from') or 'no other run'}, not from "
            f"{origin or 'none'} (--init-from); choose another --run-name, or delete it"
        )
    if run.finished:
        return run
    bench, splits, vocabulary, model = ready or _prepared(settings, init_from)
    if not known and init_from is not None:
        run.note(init_from=origin)
    if run.stage == "started":
        fitted = _fit(run, model, bench, splits, vocabulary, resume, quiet)
        if not fitted.complete:
            return run
    model.load_state_dict(load_file(run.path / WEIGHTS))
    return _evaluate(run, model, bench, splits, vocabulary, resume, quiet)


def _prepared(settings: Settings, init_from: runs.Run | None) -> tuple[Recognition, Splits, Vocabulary, nn.Module]:
    """Clips, splits, glosses and the model with its first weights."""
    fit.choose_device(settings.training)
    bench = open_recognition(settings)
    splits = split_clips(bench.table, settings.data)
    splits.notes += bench.notes
    vocabulary = Vocabulary.from_glosses(splits.train["gloss"])
    torch.manual_seed(settings.seed)
    model = bench.model(len(vocabulary))
    if init_from is not None:
        load_encoder(model, init_from)
    return bench, splits, vocabulary, model


def _fit(
    run: runs.Run, model: nn.Module, bench: Recognition, splits: Splits, vocabulary: Vocabulary, resume: bool,
    quiet: bool,
) -> fit.Fitted:  # fmt: skip
    settings = run.settings
    train = bench.prepare(splits.train, vocabulary, settings.training.repeats, quiet)
    if not train.clips:
        raise ManifestError(f"no training clip can be used; the first reason: {next(iter(train.unusable.values()))}")
    val = bench.prepare(splits.val, vocabulary, 1, quiet) if len(splits.val) else None
    weights = None
    if settings.training.class_weights:
        weights = tasks.class_weights(torch.from_numpy(np.bincount(train.data.targets, minlength=len(vocabulary))))
    task = tasks.ClassificationTask(model, settings, bench.augment, weights)
    fitted = fit.fit(task, train.data, val.data if val and val.clips else None, settings, run.path, resume, quiet)
    earlier = run.facts.get("training_seconds", 0)
    run.note(
        device=fitted.device, precision=fitted.precision, training_seconds=round(earlier + fitted.seconds, 1),
        epochs=fitted.epochs, steps=fitted.steps, parameters=parameter_count(model),
    )  # fmt: skip
    if not fitted.complete:
        return fitted
    write_text(run.path / "history.csv", pd.DataFrame(fitted.history).to_csv(index=False))
    save_file(model.state_dict(), run.path / WEIGHTS)
    write_json(run.path / MODEL, {"classes": vocabulary.glosses, **bench.described})
    unusable = train.unusable | (val.unusable if val else {})
    run.note(
        chosen=fitted.chosen, split=splits.notes, unusable=len(unusable),
        clips={"train": len(train.clips), "val": len(val.clips) if val else 0},
    )  # fmt: skip
    run.trained()
    (run.path / fit.CHECKPOINT).unlink(missing_ok=True)
    return fitted


def _evaluate(
    run: runs.Run, model: nn.Module, bench: Recognition, splits: Splits, vocabulary: Vocabulary, resume: bool,
    quiet: bool,
) -> runs.Run:  # fmt: skip
    run.open_test(after_crash=resume)
    test = bench.prepare(splits.test, vocabulary, 1, quiet)
    if not test.clips:
        raise ManifestError(f"no test clip can be used; the first reason: {next(iter(test.unusable.values()))}")
    run.note(missing=len(test.unusable))
    scores, targets = score(model, test.data, run.settings, bench.mirror), test.data.targets
    rows = splits.test.set_index("clip").loc[test.clips]
    found = test_metrics(scores, targets, rows, splits.notes, run)
    predicted = scores.argmax(axis=1)
    table = prediction_table(rows, vocabulary.decode(predicted), np.exp(scores.max(axis=1)))
    history = pd.read_csv(run.path / "history.csv").to_dict("records")
    figures = {
        "learning_curve": plots.learning_curve(history),
        "confusion": plots.confusion_matrix(metrics.confusion(predicted, targets, len(vocabulary)), vocabulary.glosses),
    }
    return run.finish(found, table, (scores, test.clips, vocabulary.glosses), figures)


def prediction_table(rows: pd.DataFrame, predicted: list[str], score: np.ndarray) -> pd.DataFrame:
    """What a run keeps of each test clip: clip, signer, target, prediction, score.

    Args:
        rows: of the manifest, with the clip as index.
        predicted: N glosses.
        score: (N,) of the predicted gloss.
    """
    table = rows[["signer", "gloss"]].rename(columns={"gloss": "target"}).reset_index()
    return table.assign(prediction=predicted, score=np.round(score, 4))


def score(model: nn.Module, data: Dataset, settings: Settings, mirror: Sequence[int]) -> np.ndarray:
    """(N, K) log-probabilities of the clips of a dataset; `mirror`: for each joint, its mirror image."""
    accelerator, _ = fit.choose_device(settings.training)
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    loader = DataLoader(data, batch_size=settings.training.batch_size, collate_fn=data.collate)
    return tasks.log_probabilities(model.to(device), loader, settings, list(mirror), device).numpy()


def test_metrics(
    scores: np.ndarray, targets: np.ndarray, rows: pd.DataFrame, notes: list[str], run: runs.Run
) -> list[runs.Metric]:
    """Top-1 by clip, by signer and by gloss, top-5 and per-class accuracy of scores (N, K), each with its interval."""
    right = metrics.top_k(scores, targets, 1)
    chosen = f"{run.facts['chosen']}; {'; '.join(notes)}"
    n, missing = len(targets), run.facts.get("missing", 0)
    of_all = f"on {n} of {n + missing} clips; " if missing else ""
    found = [
        runs.Metric("top-1", 100 * right.mean(), n, "test", "%", metrics.wilson_interval(right),
                    f"{of_all}Wilson interval over clips; {chosen}")
    ]  # fmt: skip
    for column in ("signer", "gloss"):
        groups = rows[column]
        if groups.nunique() > 1 and (groups != "").all():
            interval = metrics.cluster_interval(right, groups.tolist())
            note = f"bootstrap over {groups.nunique()} {column}{'es' if column == 'gloss' else 's'}; {chosen}"
            found.append(runs.Metric(f"top-1 by {column}", 100 * right.mean(), n, "test", "%", interval, note))
    if scores.shape[1] > 5:
        five = metrics.top_k(scores, targets, 5)
        found.append(runs.Metric("top-5", 100 * five.mean(), n, "test", "%", metrics.wilson_interval(five), chosen))
    by_class = metrics.per_class_accuracy(right, targets)
    spread = metrics.mean_interval(by_class) if len(by_class) > 1 else None
    note = f"mean over {len(by_class)} glosses, bootstrap over them; {chosen}"
    found.append(runs.Metric("per-class top-1", by_class.mean(), n, "test", "%", spread, note))
    return found


def load_encoder(model: nn.Module, run: runs.Run) -> int:
    """Put another run's encoder into a model; returns how many tensors were loaded.

    Raises:
        RunError: when the encoders do not have the same shape.
    """
    state = load_file(weights_path(run))
    encoder = {name: value for name, value in state.items() if name.startswith("encoder.")}
    own = model.state_dict()
    for name, value in encoder.items():
        if name not in own or own[name].shape != value.shape:
            shape = tuple(own[name].shape) if name in own else "no such tensor"
            raise RunError(f"--init-from {run.path}: {name} has shape {tuple(value.shape)}, this model {shape}")
    lacking = [name for name in own if name.startswith("encoder.") and name not in encoder]
    if lacking:
        raise RunError(f"--init-from {run.path} has no {lacking[0]}, this model does; make the encoders the same")
    model.load_state_dict({**own, **encoder})
    return len(encoder)


def weights_path(run: runs.Run) -> Path:
    """The run's weights.

    Raises:
        RunError: when there are none yet, or none any more.
    """
    path = run.path / WEIGHTS
    if not path.is_file():
        raise RunError(f"run {run.path} has no {WEIGHTS}; its training is not over, or it is a published run")
    return path
