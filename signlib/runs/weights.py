"""What a run has learned: its weights, and `model.json` beside them.

Both are written whole or not at all, and nothing that is read back is executed.
"""

import json
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from signlib.errors import RunError
from signlib.files import write_bytes
from signlib.runs.run import Run

WEIGHTS = "model.safetensors"
MODEL = "model.json"


def save_weights(run: Run, model: nn.Module) -> None:
    """Write a model's weights into its run.

    Raises:
        DiskError: when they could not be written; nothing half-written stays.
    """
    # safetensors refuses views and transposed weights.
    write_bytes(
        run.path / WEIGHTS,
        save({name: value.contiguous() for name, value in model.state_dict().items()}),
    )


def load_weights(run: Run) -> dict[str, Tensor]:
    """A run's weights by name; nothing in the file is executed.

    Raises:
        RunError: when there are none yet or any more, or the file is damaged.
    """
    path = run.path / WEIGHTS
    if not path.is_file():
        raise RunError(
            f"run {run.path} has no {WEIGHTS}; its training is not over, or it is a published run"
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"run {run.path}: {WEIGHTS} is damaged or no safetensors file ({error}); copy it again"
            " from where it came, or train the run again"
        ) from None


def load_model_facts(run: Run) -> dict[str, Any]:
    """What `model.json` says beside the weights: `classes`, how clips were extracted, and so on.

    Raises:
        RunError: when the file is missing or damaged.
    """
    try:
        facts = json.loads((run.path / MODEL).read_text(encoding="utf-8"))
        if not isinstance(facts, dict) or not isinstance(facts.get("classes"), list):
            raise ValueError("it has no list of classes")
    except (OSError, ValueError) as error:
        raise RunError(
            f"run {run.path}: {MODEL} is missing or damaged ({error}); train the run again"
        ) from None
    return facts
