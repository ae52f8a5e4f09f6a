"""Settings -> data -> model -> training -> evaluation -> run."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import DataLoader

from signlib import paths, presets, runs
from signlib.config import Settings
from signlib.corpora import Splits, load_corpus, split_clips
from signlib.data.skeletons import Skeleton, skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ManifestError, RunError
from signlib.evaluation import metrics, plots
from signlib.features.store import ClipSource, FeatureStore
from signlib.files import write_json, write_text
from signlib.models.classifier import LandmarkClassifier, landmark_classifier, parameter_count
from signlib.training import fit, tasks
from signlib.training.augment import Augment
from signlib.training.batches import ClipDataset, Prepared, collate, prepare_clips

WEIGHTS, MODEL = "model.safetensors", "model.json"


def build_model(settings: Settings, base: Skeleton, classes: int) -> LandmarkClassifier:
    """The classifier for landmarks of skeleton `base`."""
    chosen = base.select(settings.features.joints)
    return landmark_classifier(
        settings.model, len(chosen), settings.features.coordinates, _hands(chosen), settings.features.frames, classes
    )


def _hands(chosen: Skeleton) -> list[tuple[int, ...]]:
    """Both hands' joints; the leading one, the right, is the last."""
    hands = [chosen.parts.get("left_hand", ()), chosen.parts.get("right_hand", ())]
    return [hand for hand in hands if len(hand) == 21]


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
    source, splits, vocabulary, model = ready or _prepared(settings, init_from)
    if not known and init_from is not None:
        run.note(init_from=origin)
    chosen = source.skeleton.select(settings.features.joints)
    if run.stage == "started":
        fitted = _fit(run, model, source, splits, vocabulary, settings, chosen, resume, quiet)
        if not fitted.complete:
            return run
    model.load_state_dict(load_file(run.path / WEIGHTS))
    return _evaluate(run, model, source, splits, vocabulary, chosen, resume, quiet)


def _prepared(
    settings: Settings, init_from: runs.Run | None
) -> tuple[ClipSource, Splits, Vocabulary, LandmarkClassifier]:
    """Clips, splits, glosses and the model with its first weights."""
    fit.choose_device(settings.training)
    source = load_corpus(settings.data)
    splits = split_clips(source.labelled, settings.data)
    if isinstance(source, FeatureStore) and len(source.failed):
        splits.notes.append(f"{len(source.failed)} of {len(source.manifest)} clips have no features")
    vocabulary = Vocabulary.from_glosses(splits.train["gloss"])
    torch.manual_seed(settings.seed)
    model = build_model(settings, source.skeleton, len(vocabulary))
    if init_from is not None:
        load_encoder(model, init_from)
    return source, splits, vocabulary, model


def _dataset(prepared: Prepared, rows: pd.DataFrame, vocabulary: Vocabulary, repeats: int = 1) -> ClipDataset:
    gloss = rows.set_index("clip")["gloss"]
    return ClipDataset(prepared.points, vocabulary.encode(gloss.loc[prepared.clips].tolist()), repeats)


def _fit(
    run: runs.Run, model: nn.Module, source: ClipSource, splits: Splits, vocabulary: Vocabulary,
    settings: Settings, chosen: Skeleton, resume: bool, quiet: bool,
) -> fit.Fitted:  # fmt: skip
    parts = {name: prepare_clips(source, rows["clip"], settings.features, quiet)
             for name, rows in (("train", splits.train), ("val", splits.val))}  # fmt: skip
    if not parts["train"].clips:
        raise ManifestError(
            f"no training clip can be used; the first reason: {next(iter(parts['train'].unusable.values()))}"
        )
    train_set = _dataset(parts["train"], splits.train, vocabulary, settings.training.repeats)
    val_set = _dataset(parts["val"], splits.val, vocabulary) if parts["val"].clips else None
    weights = None
    if settings.training.class_weights:
        weights = tasks.class_weights(torch.from_numpy(np.bincount(train_set.targets, minlength=len(vocabulary))))
    augment = Augment(settings.augment, chosen.mirror, _hands(chosen), settings.features.coordinates)
    task = tasks.ClassificationTask(model, settings, augment, weights)
    fitted = fit.fit(task, train_set, val_set, settings, run.path, resume, quiet)
    earlier = run.facts.get("training_seconds", 0)
    run.note(
        device=fitted.device, precision=fitted.precision, training_seconds=round(earlier + fitted.seconds, 1),
        epochs=fitted.epochs, steps=fitted.steps, parameters=parameter_count(model),
    )  # fmt: skip
    if not fitted.complete:
        return fitted
    write_text(run.path / "history.csv", pd.DataFrame(fitted.history).to_csv(index=False))
    save_file(model.state_dict(), run.path / WEIGHTS)
    described = {"classes": vocabulary.glosses, "extraction": asdict(source.extraction)}
    write_json(run.path / MODEL, described)
    unusable = {**parts["train"].unusable, **parts["val"].unusable}
    run.note(
        chosen=fitted.chosen, split=splits.notes, unusable=len(unusable),
        clips={"train": len(parts["train"].clips), "val": len(parts["val"].clips)},
    )  # fmt: skip
    run.trained()
    (run.path / fit.CHECKPOINT).unlink(missing_ok=True)
    return fitted


def _evaluate(
    run: runs.Run, model: nn.Module, source: ClipSource, splits: Splits, vocabulary: Vocabulary,
    chosen: Skeleton, resume: bool, quiet: bool,
) -> runs.Run:  # fmt: skip
    run.open_test(after_crash=resume)
    prepared = prepare_clips(source, splits.test["clip"], run.settings.features, quiet)
    if not prepared.clips:
        raise ManifestError(f"no test clip can be used; the first reason: {next(iter(prepared.unusable.values()))}")
    run.note(missing=len(prepared.unusable))
    data = _dataset(prepared, splits.test, vocabulary)
    scores = score(model, data, run.settings, chosen)
    rows = splits.test.set_index("clip").loc[prepared.clips]
    found = test_metrics(scores, data.targets, rows, splits.notes, run)
    predicted = scores.argmax(axis=1)
    table = prediction_table(rows, vocabulary.decode(predicted), np.exp(scores.max(axis=1)))
    history = pd.read_csv(run.path / "history.csv").to_dict("records")
    figures = {
        "learning_curve": plots.learning_curve(history),
        "confusion": plots.confusion_matrix(
            metrics.confusion(predicted, data.targets, len(vocabulary)), vocabulary.glosses
        ),
    }
    return run.finish(found, table, (scores, prepared.clips, vocabulary.glosses), figures)


def prediction_table(rows: pd.DataFrame, predicted: list[str], score: np.ndarray) -> pd.DataFrame:
    """What a run keeps of each test clip: clip, signer, target, prediction, score.

    Args:
        rows: of the manifest, with the clip as index.
        predicted: N glosses.
        score: (N,) of the predicted gloss.
    """
    table = rows[["signer", "gloss"]].rename(columns={"gloss": "target"}).reset_index()
    return table.assign(prediction=predicted, score=np.round(score, 4))


def score(model: nn.Module, data: ClipDataset, settings: Settings, chosen: Skeleton) -> np.ndarray:
    """(N, K) log-probabilities of the clips of a dataset."""
    accelerator, _ = fit.choose_device(settings.training)
    device = torch.device("cuda" if accelerator == "gpu" else "cpu")
    loader = DataLoader(data, batch_size=settings.training.batch_size, collate_fn=collate)
    return tasks.log_probabilities(model.to(device), loader, settings, list(chosen.mirror), device).numpy()


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


def model_table() -> pd.DataFrame:
    """One row a preset with the sizes of its model; on 543 points and 226 classes where it names no corpus."""
    rows = []
    for name, preset in presets.PRESETS.items():
        settings = presets.build(name)
        layout, classes = {
            "dgs-30": ("face-hands-43", 30), "asl-letters": ("hands-42", 27), "wlasl-50": ("upper-53", 50),
        }.get(settings.data.corpus, ("mediapipe-543", 226))  # fmt: skip
        base = skeleton(settings.data.skeleton or layout)
        model = build_model(settings, base, classes)
        rows.append(
            {
                "preset": name,
                "parameters": parameter_count(model),
                "encoder": parameter_count(model.encoder.encoder),
                "MACs": count_macs(model, base.select(settings.features.joints), settings),
                "frames": settings.features.frames,
                "classes": classes,
                "about": preset.question,
            }
        )
    return pd.DataFrame(rows)


def count_macs(model: nn.Module, chosen: Skeleton, settings: Settings) -> int:
    """Multiply-accumulates of one clip's forward pass, counted by torch."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    frames = settings.features.frames or 64
    shape = (1, frames, len(chosen))
    batch = {
        "points": torch.zeros(*shape, settings.features.coordinates),
        "mask": torch.ones(shape, dtype=torch.bool),
        "lengths": torch.tensor([frames]),
    }
    # The fused attention of a CPU is not counted; the plain one is.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.eval()(batch)
    return counter.get_total_flops() // 2
