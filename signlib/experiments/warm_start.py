"""A run that starts from another one (`--init-from`): what means the same is carried.

Parts of a network go whole or not at all, rows of an output layer go by their gloss, and the rest
starts anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from signlib.errors import RunError
from signlib.models.classifier import parameter_count
from signlib.runs.run import Run
from signlib.runs.weights import load_model_facts, load_weights
from signlib.tasks.registry import task_of
from signlib.tasks.task import Task

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Carried:
    """What another run gave.

    Attributes:
        origin: that run's name.
        parts, anew: of the network, by the names in `Task.parts`.
        tensors: how many came whole.
        glosses, classes: rows of the output that came, of all.
        parameters, total: numbers that came, of all that the network has.
    """

    origin: str
    parts: tuple[str, ...]
    anew: tuple[str, ...]
    tensors: int
    glosses: int
    classes: int
    parameters: int
    total: int

    def __str__(self) -> str:
        """One line."""
        rows = f"{self.glosses} of {self.classes} glosses"
        anew = f"; anew: {', '.join(self.anew)}" if self.anew else ""
        return (
            f"starts from {self.origin}: {', '.join((*self.parts, rows))}"
            f" ({self.parameters:,} of {self.total:,} parameters){anew}"
        )


@torch.no_grad()
def carry(task: Task[Any, Any], model: nn.Module, run: Run) -> Carried:
    """Put what means the same in another run into a model.

    Args:
        task: of the model, on its clips.
        model: with its first weights; changed in place.
        run: a run with weights, of the same task or of one that has a part of the same name.

    Raises:
        RunError: when nothing means the same, with the first thing that differs; or when the task
            cannot start from another run.
    """
    refused = task.refusal(task.settings, "warm start")
    if refused:
        raise RunError(f"--init-from {run.path}: task={task.settings.task} {refused}")
    theirs, facts, state = load_weights(run), load_model_facts(run), model.state_dict()
    source = task_of(run.settings)
    carried: dict[str, Tensor] = {}
    parts, anew, reasons = [], [], []
    outputs = tuple(task.outputs)
    for part, prefix in task.parts.items():
        ours = _inside(prefix, state, outputs)
        if not ours:
            continue
        other = _inside(source.parts.get(part), theirs, tuple(source.outputs))
        reason = _difference(part, ours, other, state, theirs)
        if not reason and task.differs(part, run, facts):
            reason = f"{part} reads or says something else there"
        if reason:
            anew.append(part)
            reasons.append(reason)
            continue
        parts.append(part)
        carried |= {name: theirs[other[rest]] for rest, name in ours.items()}
    if not carried:
        reason = next(iter(reasons), "no part has the same name")
        raise RunError(f"--init-from {run.path}: {reason}; make the encoders the same")
    for name, value in carried.items():
        state[name].copy_(value)
    learned = {name: value.numel() for name, value in model.named_parameters()}
    rest = [name for name in learned if name not in carried and not name.startswith(outputs)]
    glosses, numbers = 0, 0
    # What a row of the output says depends on all that it reads.
    if not rest and source.outputs == task.outputs:
        rows = _rows_of(task.vocabulary.glosses, facts["classes"])
        glosses, numbers = _carry_rows(task.outputs, state, theirs, rows, set(learned))
    return Carried(
        run.name,
        tuple(parts),
        tuple(anew),
        tensors=len(carried),
        glosses=glosses,
        classes=len(task.vocabulary),
        parameters=numbers + sum(count for name, count in learned.items() if name in carried),
        total=parameter_count(model),
    )


def _inside(prefix: str | None, tensors: Tensors, outputs: tuple[str, ...]) -> dict[str, str]:
    # Name within a part -> whole name; rows of glosses are no part.
    names = [name for name in tensors if prefix is not None and name.startswith(prefix)]
    return {name[len(prefix or "") :]: name for name in names if not name.startswith(outputs)}


def _difference(
    part: str,
    ours: Mapping[str, str],
    other: Mapping[str, str],
    state: Tensors,
    theirs: Tensors,
) -> str:
    # The first thing in which two parts differ; "" where they have the same tensors.
    if not other:
        return f"it has no {part}"
    for rest, name in other.items():
        shape = tuple(theirs[name].shape)
        if rest not in ours:
            return f"{name} has shape {shape}, this model no such tensor"
        given = state[ours[rest]]
        if given.shape != shape:
            return f"{name} has shape {shape}, this model {tuple(given.shape)}"
        # Tables of whole numbers say which joint or gloss is where; a single one only counts.
        whole = given.ndim and not given.is_floating_point()
        if whole and not torch.equal(theirs[name], given):
            return f"{name} says something else than in this model"
    lacking = [name for rest, name in ours.items() if rest not in other]
    return f"it has no {lacking[0]}, this model does" if lacking else ""


def _rows_of(ours: tuple[str, ...], theirs: list[str]) -> list[tuple[int, int]]:
    # Our row and theirs of each gloss that both know.
    row_of = {gloss: row for row, gloss in enumerate(theirs)}
    return [(row, row_of[gloss]) for row, gloss in enumerate(ours) if gloss in row_of]


def _carry_rows(
    outputs: Mapping[str, int],
    state: Tensors,
    theirs: Tensors,
    rows: list[tuple[int, int]],
    learned: set[str],
) -> tuple[int, int]:
    # Rows of glosses, after those that stand before them in each output; glosses and numbers.
    glosses, numbers = 0, 0
    for name in [name for name in state if name.startswith(tuple(outputs))]:
        before = next(first for prefix, first in outputs.items() if name.startswith(prefix))
        value = theirs.get(name)
        if not rows or value is None or value.shape[1:] != state[name].shape[1:]:
            continue
        pairs = [(row, row) for row in range(before)]
        pairs += [(before + row, before + other) for row, other in rows]
        to, origin = map(list, zip(*pairs, strict=True))
        state[name][to] = value[origin].to(state[name])
        glosses = len(rows)
        numbers += value[origin].numel() if name in learned else 0
    return glosses, numbers
