"""What a run has learned: its weights, and `model.json` beside them.

Both are written whole or not at all, and nothing that is read back is executed. torch is loaded
with the weights, not before: what a run knows can be read without it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signlib import reading
from signlib.errors import RunError
from signlib.files import write_bytes
from signlib.runs import checks
from signlib.runs.run import SETTINGS, Run

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "model.safetensors"
MODEL = "model.json"


def save_weights(run: Run, model: "nn.Module") -> None:
    """Write a model's weights into its run.

    Raises:
        DiskError: when they could not be written; nothing half-written stays.
    """
    from safetensors.torch import save

    # safetensors refuses views and transposed weights.
    write_bytes(
        run.path / WEIGHTS,
        save({name: value.contiguous() for name, value in model.state_dict().items()}),
    )


def weights_file(run: Run) -> Path:
    """The file of a run's weights.

    Raises:
        RunError: when there are none yet or any more.
    """
    path = run.path / WEIGHTS
    if not path.is_file():
        raise RunError(
            f"run {run.path} has no {WEIGHTS}; its training is not over, or it is a published run"
        )
    return path


def load_weights(run: Run) -> dict[str, "Tensor"]:
    """A run's weights by name; nothing in the file is executed.

    Raises:
        RunError: when there are none, or the file is damaged.
    """
    path = weights_file(run)
    try:
        return reading.tensors(path)
    except (OSError, ValueError) as error:
        raise RunError(
            f"run {run.path}: {WEIGHTS} is damaged or no safetensors file ({error}); copy it again"
            " from where it came, or train the run again"
        ) from None


def fill(model: "nn.Module", weights: Mapping[str, "Tensor"], run: Run) -> None:
    """Put a run's weights into the network that its settings and classes make.

    Raises:
        RunError: for a tensor that the network does not have, or that has another shape or type
            there.
    """
    ours = {name: _form(value) for name, value in model.state_dict().items()}
    theirs = {name: _form(value) for name, value in weights.items()}
    for name in sorted({**ours, **theirs}):
        if ours.get(name) != theirs.get(name):
            raise RunError(
                f"run {run.path}: tensor {name[:60]!r} is {theirs.get(name, 'missing')} in"
                f" {WEIGHTS}; {SETTINGS} and {MODEL} make it {ours.get(name, 'unknown')}: copy"
                " these files again, or train the run again"
            )
    model.load_state_dict(weights)


def _form(tensor: "Tensor") -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def load_model_facts(run: Run) -> dict[str, Any]:
    """What `model.json` says beside the weights: `classes`, how clips were extracted, and so on.

    Raises:
        RunError: when the file is missing or damaged.
    """
    try:
        facts = reading.read_json(run.path / MODEL)
        classes = facts.get("classes") if isinstance(facts, dict) else None
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("it has no list of classes")
        if len(classes) > checks.CLASSES:
            raise ValueError(f"it has {len(classes):,} classes, more than {checks.CLASSES:,}")
        checks.check_different(classes, "class")
        for key in ("extraction", "frozen"):
            if not isinstance(facts.get(key, {}), dict):
                raise ValueError(f"{key} is {str(facts[key])[:40]!r}, no table")
    except (OSError, ValueError) as error:
        raise RunError(
            f"run {run.path}: {MODEL} is missing or damaged ({error}); train the run again"
        ) from None
    return facts
