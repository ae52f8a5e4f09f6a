"""From the setting `task` to the family's code, which is loaded when it is asked for."""

from pkgutil import resolve_name
from typing import Any

from torch import nn

from signlib.data.skeletons import Skeleton
from signlib.data.vocabulary import Vocabulary
from signlib.errors import RunError
from signlib.features.novelty import TrainingRanges
from signlib.models.frozen import GEMMA_WIDTH
from signlib.runs.run import Run
from signlib.runs.weights import fill, load_model_facts, load_weights
from signlib.settings.base import Settings
from signlib.settings.registry import task_row
from signlib.stores.store import extraction_of
from signlib.tasks.task import Inputs, Recogniser, Task


def task_of(settings: Settings) -> type[Task[Any, Any]]:
    """The task that the settings name.

    Raises:
        SettingsError: for an unranges one.
    """
    code = task_row(settings.task).code
    return code if isinstance(code, type) else resolve_name(code)


def open_task(settings: Settings) -> Task[Any, Any]:
    """The task on the clips that the settings name."""
    return task_of(settings)(settings)


def build_model(
    settings: Settings, base: Skeleton, classes: int, width: int = GEMMA_WIDTH
) -> nn.Module:
    """The untrained network that the settings describe, without any clips.

    Args:
        settings: of any task.
        base: skeleton of the landmarks.
        classes: K; of sentences, the glosses without the blank.
        width: D, numbers a frame of frozen features.
    """
    return task_of(settings).network(settings, Inputs(base, width), classes)


def load_recogniser(run: Run) -> Recogniser:
    """The model of a run, ready to predict.

    Raises:
        RunError: when the run holds no weights, or names no gloss.
    """
    task, weights, facts = task_of(run.settings), load_weights(run), load_model_facts(run)
    reason = task.refusal(run.settings, "predict")
    if reason:
        raise RunError(f"run {run.path} {reason}")
    extracted = {key: extraction_of(facts[key]) for key in ("extraction", "frozen") if key in facts}
    inputs, vocabulary = task.inputs_of(facts), Vocabulary(tuple(facts["classes"]))
    model = task.network(task.offline(run.settings), inputs, len(vocabulary))
    fill(model, weights, run)
    ranges = facts.get("familiar")
    return Recogniser(
        model.eval(),
        run.settings,
        vocabulary,
        inputs.skeleton,
        run=run,
        extraction=extracted.get("extraction"),
        frozen=extracted.get("frozen"),
        familiar=TrainingRanges() if ranges is None else TrainingRanges.from_content(ranges),
    )
