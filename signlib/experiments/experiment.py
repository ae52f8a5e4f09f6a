"""Settings -> data -> model -> training -> evaluation -> run."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from signlib import paths
from signlib.corpora.clips import Splits, split_clips
from signlib.data.skeletons import skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import ManifestError, RunError
from signlib.evaluation import metrics
from signlib.experiments import estimate
from signlib.files import write_json, write_text
from signlib.models.classifier import parameter_count
from signlib.reports import plots
from signlib.runs import run as runs
from signlib.runs.weights import MODEL, load_model_facts, load_weights, save_weights
from signlib.settings import config
from signlib.settings.config import Settings
from signlib.tasks import sentence_report
from signlib.tasks.frozen import feature_size
from signlib.tasks.phonology import PhonologyRecognition
from signlib.tasks.recognition import Recognition, build_model, open_recognition
from signlib.tasks.sentences import SentenceRecognition
from signlib.training import fit
from signlib.training.classification import ClassificationFitting, class_weights, score
from signlib.training.optim import decay_lists

DECAY = "weight_decay.json"


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
        The run; a finished one of the same name and settings is returned as it is. When the time
            budget ends
        first, the run is unfinished and `resume=True` goes on.
    """
    experiment, name = (
        settings.preset.replace("/", "-"),
        run_name or f"{settings.mode}-seed{settings.seed}",
    )
    known = (paths.runs_root() / experiment / name / runs.SETTINGS).is_file()
    # What is refused before training leaves no run behind that would take the name.
    ready = None if known else _prepared(settings, init_from)
    if ready is not None and settings.mode == "full" and settings.fusion.modalities:
        _say_what_it_costs(settings, *ready[:3], quiet)
    run = runs.start(experiment, name, settings, resume)
    origin = init_from.name if init_from is not None else ""
    if known and run.facts.get("init_from", "") != origin:
        raise RunError(
            f"run {run.path} was started from {run.facts.get('init_from') or 'no other run'}, not"
            f" from {origin or 'none'} (--init-from); choose another --run-name, or delete it"
        )
    if run.finished:
        return run
    bench, splits, vocabulary, model, teacher = ready or _prepared(settings, init_from)
    if not known and init_from is not None:
        run.note(init_from=origin)
    if run.stage == "started":
        fitted = _fit(run, model, teacher, bench, splits, vocabulary, resume, quiet)
        if not fitted.complete:
            return run
    model.load_state_dict(load_weights(run))
    if isinstance(bench, SentenceRecognition):
        return sentence_report.evaluate(run, model, bench, splits, vocabulary, resume, quiet)
    return _evaluate(run, model, bench, splits, vocabulary, resume, quiet)


def _prepared(
    settings: Settings, init_from: runs.Run | None
) -> tuple[Recognition, Splits, Vocabulary, nn.Module, nn.Module | None]:
    """Clips, splits, glosses, the model with its first weights, and its teacher where it has one."""
    fit.choose_device(settings.training)
    bench = open_recognition(settings)
    if isinstance(bench, SentenceRecognition):
        splits, vocabulary = bench.splits, bench.vocabulary
    else:
        splits = split_clips(bench.table, settings.data)
        vocabulary = Vocabulary.from_glosses(splits.train["gloss"])
    splits.notes += bench.notes
    teacher = teacher_of(settings, vocabulary)
    torch.manual_seed(settings.seed)
    model = bench.model(len(vocabulary))
    if init_from is not None:
        check_inputs(settings, init_from)
        load_encoder(model, init_from)
    return bench, splits, vocabulary, model, teacher


def _say_what_it_costs(
    settings: Settings, bench: Recognition, splits: Splits, vocabulary: Vocabulary, quiet: bool
) -> None:
    """One line before a long run; what cannot fit into the device is refused."""
    clips = len(splits.train) * settings.training.repeats
    work = estimate.Work(clips, len(splits.val), len(vocabulary), f"corpus {settings.data.corpus}")
    expected = estimate.estimate(settings, work, bench.skeleton, seconds=0 if quiet else 10)
    expected.check()
    if not quiet:
        print(expected)


def _fit(
    run: runs.Run,
    model: nn.Module,
    teacher: nn.Module | None,
    bench: Recognition,
    splits: Splits,
    vocabulary: Vocabulary,
    resume: bool,
    quiet: bool,
) -> fit.Fitted:
    settings = run.settings
    train = bench.prepare(splits.train, vocabulary, settings.training.repeats, quiet)
    if not train.clips:
        raise ManifestError(
            f"no training clip can be used; the first reason: {next(iter(train.unusable.values()))}"
        )
    val = bench.prepare(splits.val, vocabulary, 1, quiet) if len(splits.val) else None
    weights = None
    if settings.training.class_weights:
        weights = class_weights(
            torch.from_numpy(np.bincount(train.data.targets, minlength=len(vocabulary)))
        )
    write_json(run.path / DECAY, dict(zip(("decay", "no decay"), decay_lists(model), strict=True)))
    if isinstance(bench, SentenceRecognition):
        task = bench.task(model, teacher)
    elif isinstance(bench, PhonologyRecognition):
        task = bench.task(model, train.data, weights)
    else:
        task = ClassificationFitting(model, settings, bench.augment, weights, teacher)
    fitted = fit.fit(
        task, train.data, val.data if val and val.clips else None, settings, run.path, resume, quiet
    )
    run.note(
        device=fitted.device,
        precision=fitted.precision,
        training_seconds=round(fitted.seconds, 1),
        epochs=fitted.epochs,
        steps=fitted.steps,
        parameters=parameter_count(model),
    )
    if not fitted.complete:
        return fitted
    write_text(run.path / "history.csv", pd.DataFrame(fitted.history).to_csv(index=False))
    save_weights(run, model)
    write_json(run.path / MODEL, {"classes": vocabulary.glosses, **bench.described})
    unusable = train.unusable | (val.unusable if val else {})
    run.note(
        chosen=fitted.chosen,
        split=splits.notes,
        unusable=len(unusable),
        clips={"train": len(train.clips), "val": len(val.clips) if val else 0},
    )
    run.trained()
    (run.path / fit.CHECKPOINT).unlink(missing_ok=True)
    return fitted


def _evaluate(
    run: runs.Run,
    model: nn.Module,
    bench: Recognition,
    splits: Splits,
    vocabulary: Vocabulary,
    resume: bool,
    quiet: bool,
) -> runs.Run:
    run.open_test(after_crash=resume)
    test = bench.prepare(splits.test, vocabulary, 1, quiet)
    if not test.clips:
        raise ManifestError(
            f"no test clip can be used; the first reason: {next(iter(test.unusable.values()))}"
        )
    run.note(missing=len(test.unusable))
    if run.settings.phonology.network == "pretext":
        scores, vocabulary = bench.probe(model, splits, vocabulary, test, quiet)
    else:
        scores = score(model, test.data, run.settings, bench.mirror)
    targets = test.data.targets
    rows = splits.test.set_index("clip").loc[test.clips]
    found = test_metrics(scores, targets, rows, splits.notes, run)
    predicted = scores.argmax(axis=1)
    table = prediction_table(rows, vocabulary.decode(predicted), np.exp(scores.max(axis=1)))
    history = pd.read_csv(run.path / "history.csv").to_dict("records")
    figures = {
        "learning_curve": plots.learning_curve(history),
        "confusion": plots.confusion_matrix(
            metrics.confusion(predicted, targets, len(vocabulary)), vocabulary.glosses
        ),
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


def test_metrics(
    scores: np.ndarray, targets: np.ndarray, rows: pd.DataFrame, notes: list[str], run: runs.Run
) -> list[runs.Metric]:
    """Top-1 by clip, by signer and by gloss, top-5 and per-class accuracy of scores (N, K), each
    with its interval.
    """
    right = metrics.top_k(scores, targets, 1)
    chosen = f"{run.facts['chosen']}; {'; '.join(notes)}"
    n, missing = len(targets), run.facts.get("missing", 0)
    named = bool(
        (rows["gloss"] != rows.index).any()
    )  # else nobody did, and each clip is a class of its own
    of_all = f"on {n} of {n + missing} clips; " if missing else ""
    found = [
        runs.Metric(
            "top-1",
            100 * right.mean(),
            n,
            "test",
            "%",
            metrics.wilson_interval(right),
            f"{of_all}Wilson interval over clips; {chosen}",
        )
    ]
    for column in ("signer", "gloss")[: 1 + named]:
        groups = rows[column]
        if groups.nunique() > 1 and (groups != "").all():
            interval = metrics.cluster_interval(right, groups.tolist())
            note = (
                f"bootstrap over {groups.nunique()} {column}{'es' if column == 'gloss' else 's'};"
                f" {chosen}"
            )
            found.append(
                runs.Metric(
                    f"top-1 by {column}", 100 * right.mean(), n, "test", "%", interval, note
                )
            )
    if scores.shape[1] > 5:
        five = metrics.top_k(scores, targets, 5)
        found.append(
            runs.Metric(
                "top-5", 100 * five.mean(), n, "test", "%", metrics.wilson_interval(five), chosen
            )
        )
    by_class = metrics.per_class_accuracy(right, targets)
    spread = metrics.mean_interval(by_class) if len(by_class) > 1 else None
    note = f"mean over {len(by_class)} glosses, bootstrap over them; {chosen}"
    return [
        *found,
        *[runs.Metric("per-class top-1", by_class.mean(), n, "test", "%", spread, note)] * named,
    ]


def rewind(checkpoint: str | Path, settings: Settings, run_name: str = "") -> str:
    """Put a run back to one of its checkpoints; returns the run's name, which `train` then goes on
    with.

    Args:
        checkpoint: `last.ckpt` or `epoch-NNN.ckpt` in the folder of an unfinished run of these
            settings' preset.
        settings: of that run.
        run_name: given as well; must be that run's.

    Raises:
        RunError: for a file elsewhere, another run's, or a run whose training is over.
    """
    path = Path(checkpoint)
    own = path.parent.name
    expected = paths.runs_root() / settings.preset.replace("/", "-") / (run_name or own)
    if not path.is_file() or path.suffix != ".ckpt" or path.parent.resolve() != expected.resolve():
        raise RunError(
            f"--resume {path}: give a .ckpt in the folder of the run to go on with, such as"
            f" {expected}/*.ckpt"
        )
    run = runs.Run(path.parent)
    if run.stage != "started":
        raise RunError(
            f"--resume {path}: the training of this run is over ({run.stage}); start another run"
        )
    if path.name != fit.CHECKPOINT:
        shutil.copyfile(path, path.with_name(fit.CHECKPOINT))
    return own


def decay_text(run: runs.Run) -> str:
    """The two lists of parameters, numbered parts of a kind together: what decays, and what does
    not.
    """
    lines = []
    for title, sizes in json.loads((run.path / DECAY).read_text(encoding="utf-8")).items():
        kinds: dict[str, int] = {}
        for name in sizes:
            kind = re.sub(r"\b\d+\b", "*", name).removeprefix("network.")
            kinds[kind] = kinds.get(kind, 0) + 1
        named = ", ".join(
            kind if count == 1 else f"{kind} ({count})" for kind, count in kinds.items()
        )
        lines.append(f"  {title}: {sum(sizes.values()):,} numbers: {named}")
    return "\n".join(lines)


def teacher_of(settings: Settings, vocabulary: Vocabulary) -> nn.Module | None:
    """The model of the run `training.teacher`, or None where none is named.

    Raises:
        RunError: when it knows other classes, or is fed otherwise than the student.
    """
    if not settings.training.teacher:
        return None
    run = runs.Run(settings.training.teacher)
    weights, about = load_weights(run), load_model_facts(run)
    if tuple(about["classes"]) != tuple(vocabulary.glosses):
        raise RunError(
            f"training.teacher: run {run.path} knows other classes than these; train it on the same"
            " corpus"
        )
    ours, theirs = config.flat(settings), config.flat(run.settings)
    # Both see the same batch.
    parts = (
        "features.",
        "action.",
        "fusion.modalities",
        "gcn.streams",
        "ctc.input",
        "ctc.reduce",
        "ctc.stride",
        "frozen.inputs",
        "frozen.store",
    )
    other = [key for key in ours if key.startswith(parts) and ours[key] != theirs[key]]
    if other or "extraction" not in about:
        key = other[0] if other else "fusion.modalities"
        raise RunError(
            f"training.teacher: run {run.path} has {key}={theirs[key]}, this one {ours[key]}; make"
            " it the same"
        )
    model = build_model(
        run.settings,
        skeleton(about["extraction"]["skeleton"]),
        len(vocabulary),
        feature_size(about),
    )
    model.load_state_dict(weights)
    return model


def check_inputs(settings: Settings, run: runs.Run) -> None:
    """Refuse an encoder of phonological features of another shape, or made for another form of
    them.

    Raises:
        RunError: with both shapes.
    """
    ours, theirs = settings.phonology, run.settings.phonology
    both = [
        [f"{key}={getattr(own, key)}" for key in ("width", "layers", "form", "scale")]
        for own in (theirs, ours)
    ]
    if ours.network and theirs.network and both[0] != both[1]:
        raise RunError(
            f"--init-from {run.path} has an encoder of phonology {', '.join(both[0])}, this model"
            f" one of {', '.join(both[1])}; make them the same"
        )


def load_encoder(model: nn.Module, run: runs.Run) -> int:
    """Put another run's encoder (of a graph network, all but its head) into a model; returns how
    many tensors.

    Raises:
        RunError: when the encoders do not have the same shape.
    """
    state = load_weights(run)
    encoder = {name: value for name, value in state.items() if _carried(name)}
    if not encoder:
        raise RunError(
            f"--init-from {run.path}: its model has no encoder that another could start from"
        )
    own = model.state_dict()
    for name, value in encoder.items():
        if name not in own or own[name].shape != value.shape:
            shape = tuple(own[name].shape) if name in own else "no such tensor"
            raise RunError(
                f"--init-from {run.path}: {name} has shape {tuple(value.shape)}, this model {shape}"
            )
    lacking = [name for name in own if _carried(name) and name not in encoder]
    if lacking:
        raise RunError(
            f"--init-from {run.path} has no {lacking[0]}, this model does; make the encoders the"
            " same"
        )
    model.load_state_dict({**own, **encoder})
    return len(encoder)


def _carried(name: str) -> bool:
    return name.startswith(("encoder.", "network.")) and not name.startswith("network.head.")
