"""Settings -> clips -> model -> training -> test -> run, for whatever task the settings name."""

import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from signlib import paths, reading
from signlib.corpora.splits import settled, settled_before
from signlib.data.leftovers import LEFT_OUT
from signlib.errors import InputError, RunError, failure_lines
from signlib.experiments import estimate, warm_start
from signlib.experiments.early import run_names
from signlib.files import write_json, write_table
from signlib.models.classifier import parameter_count
from signlib.runs.run import SETTINGS, SPLITS, Run, only_writer, start
from signlib.runs.weights import MODEL, fill, load_model_facts, load_weights, save_weights
from signlib.settings import config
from signlib.settings.base import Settings
from signlib.tasks.registry import open_task
from signlib.tasks.task import Task, check_usable, notes_on_points
from signlib.training import classification, fit, optim
from signlib.training.loggers import check_logger

DECAY = "weight_decay.json"
# The task on its clips, the model with its first weights, its teacher if it has one, and what
# another run gave.
_Ready = tuple[Task[Any, Any], nn.Module, nn.Module | None, str]
# What was taken from the points of clips, or looks wrong in them.
POINTS = "points.csv"


def train(
    settings: Settings,
    run_name: str = "",
    resume: bool = False,
    quiet: bool = False,
    init_from: Run | None = None,
    untested: str = "",
) -> Run:
    """A finished run: the model fitted, the test split read once, everything written.

    Args:
        settings: fully resolved. Of clips of one's own none of which has a split, a share is held
            out (`data.split=holdout`), which the run's settings then say.
        run_name: name of the run's folder; "" makes one from mode and seed.
        resume: resume an unfinished run.
        quiet: no progress bar.
        init_from: start from what that run has in common with this one.
        untested: why the test split stays closed; the run then has no results.

    Returns:
        The run; a finished one of the same name and settings is returned as it is. When the time
        budget ends first, the run is unfinished and `resume=True` resumes it.
    """
    names = run_names(settings, run_name)
    path = paths.runs_root().joinpath(*names)
    ready: _Ready | None = None
    if (path / SETTINGS).is_file():
        # Once finished it needs its clips no more.
        data = settled_before(settings.data, Run(path).settings.data.split)
        settings = replace(settings, data=data)
    else:
        # What is refused before training leaves no run behind that would take the name.
        ready = _prepared(settings, init_from, partial(_settle, quiet=quiet))
        settings = ready[0].settings
    if ready is not None and settings.mode == "full" and ready[0].costly:
        _say_what_it_costs(ready[0], quiet)
    with only_writer(path):
        run = start(*names, settings, resume)
        return _train(run, ready, resume, quiet, init_from, untested)


def _train(
    run: Run,
    ready: _Ready | None,
    resume: bool,
    quiet: bool,
    init_from: Run | None,
    untested: str,
) -> Run:
    # The run, fitted and tested; `ready` of a new one.
    settings, exists = run.settings, ready is None
    origin = init_from.name if init_from is not None else ""
    if exists and run.facts.get("init_from", "") != origin:
        raise RunError(
            f"run {run.path} was started from {run.facts.get('init_from') or 'no other run'}, not "
            f"from {origin or 'none'} (--init-from); choose another --run-name, or delete it"
        )
    if run.finished:
        return run
    task, model, teacher, carried = ready or _prepared(settings, init_from)
    if not exists and carried:
        run.note(init_from=origin, carried=carried)
        if not quiet:
            print(carried)
    if run.stage == "started":
        try:
            fitted = _fit(run, task, model, teacher, resume, quiet)
        except InputError:
            # Refused in its first epoch: there is nothing to resume, so its name is free again.
            if not exists and not (run.path / fit.CHECKPOINT).exists():
                shutil.rmtree(run.path)
            raise
        if not fitted.complete:
            return run
    fill(model, load_weights(run), run)
    # Of a run that is resumed after training, which notes clips: what training said stays said.
    task.splits.notes[:] = run.facts.get("split", task.splits.notes)
    task.splits.untested = untested or task.splits.untested
    if task.splits.untested:
        return task.close_untested(run, model, quiet)
    return task.evaluate(run, model, resume, quiet)


def _settle(task: Task[Any, Any], quiet: bool) -> None:
    # Take a split where nobody has chosen one, and say so.
    settings = task.settings
    data = settled(settings.data, task.table)
    if data != settings.data and not quiet:
        print(
            f"no clip of {data.root} has a split, so data.split={data.split} is taken (a share of"
            f" data.holdout={data.holdout:g} tests)"
        )
    task.settings = replace(settings, data=data)


def _prepared(
    settings: Settings,
    init_from: Run | None,
    settle: Callable[[Task[Any, Any]], None] = lambda _: None,
) -> _Ready:
    # `settle`: of a new run, before anybody looks at its splits.
    fit.choose_device(settings.training)
    check_logger(settings.training.logger)
    task = open_task(settings)
    settle(task)
    settings = task.settings
    if task.table.attrs.get(LEFT_OUT):
        print(task.table.attrs[LEFT_OUT], file=sys.stderr)
    teacher = teacher_of(task)
    torch.manual_seed(settings.seed)
    model = task.model(len(task.vocabulary))
    carried = ""
    if init_from is not None:
        task.check_start(settings, init_from)
        carried = str(warm_start.carry(task, model, init_from))
    for line in task.examples:
        print(line, file=sys.stderr)
    return task, model, teacher, carried


def _say_what_it_costs(task: Task[Any, Any], quiet: bool) -> None:
    # One line before a long run; what cannot fit into the device is refused.
    settings, splits = task.settings, task.splits
    work = estimate.Work(
        len(splits.train) * settings.training.repeats,
        len(splits.val),
        len(task.vocabulary),
        f"corpus {settings.data.corpus}",
    )
    expected = estimate.estimate(settings, work, task.inputs, seconds=0 if quiet else 10)
    expected.check()
    if not quiet:
        print(expected)


def _fit(
    run: Run,
    task: Task[Any, Any],
    model: nn.Module,
    teacher: nn.Module | None,
    resume: bool,
    quiet: bool,
) -> fit.Fitted:
    settings, splits, vocabulary = run.settings, task.splits, task.vocabulary
    # What a process that was killed while it copied a checkpoint has left.
    (run.path / fit.CHECKPOINT).with_suffix(".tmp").unlink(missing_ok=True)
    write_table(run.path / SPLITS, splits.table[["clip", "split"]])
    train = task.prepare(splits.train, vocabulary, settings.training.repeats, quiet)
    check_usable(train, "training clip")
    val = task.prepare(splits.val, vocabulary, 1, quiet) if len(splits.val) else None
    unusable = train.unusable | (val.unusable if val is not None else {})
    for line in failure_lines(unusable) if not quiet else ():
        print(f"left out of training: {line}", file=sys.stderr)
    noted = notes_on_points(task.source)
    if noted:
        count = f"{len(noted)} clips with a note ({POINTS})"
        splits.notes.append(count)
        clip, note = next(iter(noted.items()))
        print(f"{count}, such as {clip}: {note}", file=sys.stderr)
        rows = pd.DataFrame(noted.items(), columns=["clip", "note"])
        write_table(run.path / POINTS, rows)
    weights = None
    if settings.training.class_weights:
        counts = np.bincount(train.data.targets, minlength=len(vocabulary))
        weights = classification.class_weights(torch.from_numpy(counts))
    decay, no_decay = optim.decay_lists(model)
    write_json(run.path / DECAY, {"decay": decay, "no decay": no_decay})
    fitted = task.learn(model, train, val, weights, teacher, run.path, resume, quiet)
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
    write_table(run.path / "history.csv", pd.DataFrame(fitted.history))
    save_weights(run, model)
    write_json(run.path / MODEL, {"classes": vocabulary.glosses, **task.described})
    run.note(
        chosen=fitted.chosen,
        selected=fitted.selected,
        split=splits.notes,
        unusable=len(unusable),
        clips={"train": len(train.clips), "val": len(val.clips) if val is not None else 0},
    )
    run.trained()
    (run.path / fit.CHECKPOINT).unlink(missing_ok=True)
    return fitted


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
    folder = path.parent.name
    expected = paths.runs_root() / settings.preset.replace("/", "-") / (run_name or folder)
    if not path.is_file() or path.suffix != ".ckpt" or path.parent.resolve() != expected.resolve():
        raise RunError(
            f"--resume {path}: give a .ckpt in the folder of the run to resume, such as"
            f" {expected}/*.ckpt"
        )
    run = Run(path.parent)
    if run.stage != "started":
        raise RunError(
            f"--resume {path}: the training of this run is over ({run.stage}); start another run"
        )
    if path.name != fit.CHECKPOINT:
        shutil.copyfile(path, path.with_name(fit.CHECKPOINT))
    return folder


def decay_text(run: Run) -> str:
    """The two lists of parameters, numbered parts of a kind together: what decays, and what does
    not.
    """
    lines = []
    try:
        parameters = reading.read_json(run.path / DECAY)
    except (OSError, ValueError) as error:
        raise RunError(f"run {run.path}: {DECAY} cannot be read ({error}); resume it") from None
    for title, sizes in parameters.items():
        names = [re.sub(r"\b\d+\b", "*", name).removeprefix("network.") for name in sizes]
        kinds = [
            kind if count == 1 else f"{kind} ({count})" for kind, count in Counter(names).items()
        ]
        lines.append(f"  {title}: {sum(sizes.values()):,} numbers: {', '.join(kinds)}")
    return "\n".join(lines)


def teacher_of(task: Task[Any, Any]) -> nn.Module | None:
    """The model of the run `training.teacher`, or None where none is named.

    Raises:
        RunError: when it knows other classes, or is fed otherwise than the student.
    """
    settings = task.settings
    if not settings.training.teacher:
        return None
    run = Run(settings.training.teacher)
    tensors, facts = load_weights(run), load_model_facts(run)
    if tuple(facts["classes"]) != tuple(task.vocabulary.glosses):
        raise RunError(
            f"training.teacher: run {run.path} knows other classes than these; train it on the "
            "same corpus"
        )
    ours, theirs = config.flat(settings), config.flat(run.settings)
    # Both see the same batch.
    shared = ("task", *task.same_inputs)
    other = [key for key in ours if key.startswith(shared) and ours[key] != theirs.get(key)]
    if other or "extraction" not in facts:
        key = other[0] if other else "task"
        raise RunError(
            f"training.teacher: run {run.path} has {key}={theirs.get(key)}, this one "
            f"{ours[key]}; make it the same"
        )
    if "fps" in facts and facts["fps"] != task.described["fps"]:
        raise RunError(
            f"training.teacher: run {run.path} learned {facts['fps']:g} frames a second, this one"
            f" learns {task.described['fps']:g}; train it on clips of the same rate"
        )
    model = task.network(run.settings, task.inputs_of(facts), len(task.vocabulary))
    fill(model, tensors, run)
    return model
