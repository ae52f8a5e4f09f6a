"""A run's weights under the file names of source 004: `best_simple_model`, `final_simple_model`.

The names are the source's, tensors and their names are the run's own network's.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signlib import reading
from signlib.errors import RunError, SettingsError
from signlib.files import write_bytes, write_json
from signlib.runs.run import Run
from signlib.runs.weights import load_model_facts, load_weights

if TYPE_CHECKING:
    from torch import Tensor

BEST, FINAL, EPOCH = "best_simple_model", "final_simple_model", "checkpoint_epoch_{}"
LABELS = "label_mapping.json"
# safetensors hold nothing but numbers; pth is the source's form, a pickle of torch.
FORMS = ("safetensors", "pth")
# Of our measures the source's names.
_MEASURES = {"validation_accuracy": "val_acc", "validation_wer": "val_wer"}


def write_simple_model(
    run: Run, folder: str | Path, form: str = "safetensors"
) -> tuple[list[Path], str]:
    """Write a run's weights and its glosses under the names of source 004.

    `best_simple_model` has the weights that validation chose, `final_simple_model` those of the
    last epoch, `checkpoint_epoch_N` those of each epoch that `training.save_interval` kept;
    averaged ones where the run averages. `label_mapping.json` has the gloss of each class number.

    Args:
        run: whose training is over, of any task.
        folder: where the files go.
        form: `safetensors`, or `pth`: what torch itself reads; a checkpoint then also has the state
            of the optimiser and of its schedule.

    Returns:
        The files, and why there is no `final_simple_model` ("" where there is one).

    Raises:
        RunError: for a run without weights, or a damaged checkpoint.
        SettingsError: for another form.
        DiskError: when a file cannot be written.
    """
    if form not in FORMS:
        raise SettingsError(f"form={form!r} is unknown; choose from {', '.join(FORMS)}")
    weights, classes = load_weights(run), load_model_facts(run)["classes"]
    folder = Path(folder)
    files = [_write(folder / f"{BEST}.{form}", weights)]
    # A copy under another name is none of the run's own.
    kept = {path.stem.rpartition("-")[2]: path for path in run.path.glob("epoch-*.ckpt")}
    checkpoints = {int(number): kept[number] for number in kept if number.isdecimal()}
    last = int(run.facts["epochs"])
    final = None if "nothing was selected" not in run.facts["chosen"] else weights
    for epoch in sorted(checkpoints):
        content = _read(checkpoints[epoch])
        state, facts = _weights_of(content), _facts(content)
        if epoch == last:
            final = state
        whole = content if form == "pth" else None
        files.append(_write(folder / f"{EPOCH.format(epoch)}.{form}", state, facts, whole))
    if final is not None:
        files.insert(1, _write(folder / f"{FINAL}.{form}", final))
    write_json(folder / LABELS, {str(number): gloss for number, gloss in enumerate(classes)})
    missing = (
        ""
        if final is not None
        else f"no {FINAL}: the run did not keep its last epoch, {last}; train with a"
        " training.save_interval that divides it"
    )
    return [*files, folder / LABELS], missing


def _read(path: Path) -> dict[str, Any]:
    try:
        content = reading.checkpoint(path)
        if not {"state_dict", "best", "history", "optimizer_states", "lr_schedulers"} <= set(
            content
        ):
            raise ValueError("it is no checkpoint of a run")
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it, or train again") from None
    return content


def _weights_of(checkpoint: Mapping[str, Any]) -> "dict[str, Tensor]":
    # What validation saw in that epoch: the averaged weights, where there are some.
    if "average" in checkpoint:
        return checkpoint["average"]["state"]
    start = "model."
    state = checkpoint["state_dict"]
    return {name.removeprefix(start): state[name] for name in state if name.startswith(start)}


def _facts(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    # The source's keys; values of validation in per cent, none where nothing was validated.
    row, best = checkpoint["history"][-1], checkpoint["best"]
    facts: dict[str, Any] = {"epoch": int(row["epoch"])}
    for ours, theirs in _MEASURES.items():
        if ours in row:
            facts[theirs] = float(row[ours])
            facts[f"best_{theirs}"] = float(best["accuracy" if "accuracy" in best else "rate"])
    return facts


def _write(
    path: Path,
    weights: "Mapping[str, Tensor]",
    facts: Mapping[str, Any] | None = None,
    checkpoint: Mapping[str, Any] | None = None,
) -> Path:
    # Weights alone, or those of a checkpoint with its facts.
    import torch
    from safetensors.torch import save

    state = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    if path.suffix == ".safetensors":
        words = {key: str(value) for key, value in (facts or {}).items()}
        write_bytes(path, save(state, words or None))
        return path
    content: dict[str, Any] = state
    if checkpoint is not None:
        content = {
            **(facts or {}),
            "model_state_dict": state,
            "optimizer_state_dict": checkpoint["optimizer_states"][0],
            "scheduler_state_dict": checkpoint["lr_schedulers"][0],
        }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())
    return path
