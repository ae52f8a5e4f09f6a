"""The flags and setting names of seed 003's command line, as settings; those of seed 004 are in
`flags_frozen`.

Its lines work as written but for the program's name. `--set` wins over flags, flags over the
preset.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from signlib.cli import flags_frozen
from signlib.errors import SettingsError
from signlib.settings import presets

VARIANTS = ("nano", "small", "base", "large")
MODELS = {name: variant for variant in VARIANTS for name in (variant, f"{variant}_e_v3")}
SCHEDULES = {
    "cosine_warmup": "cosine",
    "multistep_warmup": "multistep",
    **{name: name for name in ("cosine", "linear", "constant", "multistep")},
}
WORKERS = {"local": 4, "kaggle": 2, "gcp": 4, "lambda": 8, "a100": 8}
"""Environment -> processes that load batches. Where data and runs lie is found without being told.
"""
MILESTONES = "50,65"
"""Of `multistep_warmup` when nobody says."""

_VALUES: dict[str, tuple[type, str, str]] = {
    "split_type": (
        str,
        "data.split_type",
        "xsub, xview; nw-ucla: view-1, view-2 (the view that trains)",
    ),
    "epochs": (int, "training.epochs", "passes over the training clips"),
    "batch_size": (int, "training.batch_size", "clips a step"),
    "lr": (float, "training.learning_rate", "highest learning rate"),
    "weight_decay": (float, "training.weight_decay", "on matrices"),
    "min_lr": (float, "training.min_lr", "learning rate at the end"),
    "workers": (int, "training.workers", "processes that load batches"),
}
_RENAMED = {
    "training.gradient_clip": "training.clip_norm",
    "training.gradient_accumulation_steps": "training.accumulate",
    "training.ib_loss_weight": "gcn.ib_loss_weight",
    "training.lr": "training.learning_rate",
    "training.num_workers": "training.workers",
    "training.input_frames": "action.frames",
    "training.seed": "seed",
}
_RENAMED_OF_GRAPHS = {
    "model.dropout": "gcn.dropout",
    "model.drop_path_rate": "gcn.drop_path",
    "training.dropout": "gcn.dropout",
    "training.drop_path_rate": "gcn.drop_path",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The seed's flags on the verb `train`; with `-` as well as with `_`."""
    parser.add_argument(
        "--model",
        choices=MODELS,
        help="a graph network by its name in the seed, instead of a preset",
    )
    for name, (kind, key, text) in _VALUES.items():
        parser.add_argument(
            *flags_frozen.spelled(name), dest=name, type=kind, help=f"{text} ({key})"
        )
    parser.add_argument("--dropout", type=float, help="before the classifier")
    parser.add_argument(
        "--scheduler", choices=SCHEDULES, help="learning rate over time (training.schedule)"
    )
    parser.add_argument(
        "--milestones", help=f"epochs after which multistep takes a tenth, such as {MILESTONES}"
    )
    parser.add_argument("--amp", action="store_true", help="half precision where the device has it")
    parser.add_argument(
        "--env", choices=["auto", *WORKERS], default="auto", help="sets the number of workers"
    )
    flags_frozen.add_train_flags(parser)


def preset_of(options: argparse.Namespace) -> str:
    """The preset that `PRESET`, `--model` with `--dataset`, or seed 004's flags name.

    Raises:
        SettingsError: when both are given.
    """
    if not options.model:
        return options.preset or flags_frozen.preset_of(options) or "landmarks/small"
    variant = MODELS[options.model]
    own = f"{options.corpus or 'ntu60'}/{variant}"
    found = own if own in presets.PRESETS else f"ntu60/{variant}"
    if options.preset and options.preset != found:
        raise SettingsError(
            f"preset {options.preset} and --model {options.model} name two models; give one of them"
        )
    return found


def settings_of(options: argparse.Namespace, preset: str) -> list[str]:
    """`key=value` of all flags and then of `--set`, which wins.

    Raises:
        SettingsError: for an unknown preset.
    """
    base = presets.build(preset)
    found = _source(options, base.data.corpus)
    if options.env != "auto":
        found.append(f"training.workers={WORKERS[options.env]}")
    for name, (_, key, _) in _VALUES.items():
        if getattr(options, name) is not None:
            found.append(f"{key}={getattr(options, name)}")
    if options.dropout is not None:
        graph, fused = bool(base.gcn.variant), bool(base.fusion.modalities)
        found.append(
            f"{'gcn.dropout' if graph else 'fusion.dropout' if fused else 'model.head_dropout'}={options.dropout}"
        )
    found += _schedule(options.scheduler, options.milestones) + flags_frozen.settings_of(options)
    if options.amp:
        found.append("training.precision=auto")
    return found + renamed(options.overrides, bool(base.gcn.variant))


def _source(options: argparse.Namespace, own: str) -> list[str]:
    if options.data_root:
        from signlib.stores.store import (
            EXTRACTION,
        )  # only here: no verb's command line should wait for pandas

        # A preset's own corpus lies there, unless it is made here or the folder is a store.
        stored = own.startswith("generated") or (Path(options.data_root) / EXTRACTION).is_file()
        named = options.corpus or ("store" if stored and not options.model else own)
        return [f"data.root={options.data_root}", f"data.corpus={named}"]
    # Its own corpus needs no word: the smoke form takes generated clips in its place.
    return (
        [f"data.corpus={options.corpus}"]
        if options.corpus and not (options.model and options.corpus == own)
        else []
    )


def _schedule(scheduler: str | None, milestones: str | None) -> list[str]:
    found = [f"training.schedule={SCHEDULES[scheduler]}"] if scheduler else []
    if milestones is None and scheduler == "multistep_warmup":
        milestones = MILESTONES
    return found + ([f"training.milestones=[{milestones}]"] if milestones is not None else [])


def renamed(overrides: Iterable[str], graph: bool) -> list[str]:
    """`key=value` with the seed's keys as ours; what is no key of the seed stays as it is.

    Args:
        overrides: as given to `--set`.
        graph: whether the model is a graph network: only then `model.dropout` is its classifier's.
    """
    names, found = _RENAMED | (_RENAMED_OF_GRAPHS if graph else {}), []
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        if key == "training.use_amp" and value.lower() in ("true", "false"):
            found.append(f"training.precision={'auto' if value.lower() == 'true' else '32'}")
        elif key == "training.scheduler" and value in SCHEDULES:
            found += _schedule(value, None)
        else:
            found.append(f"{names.get(key, key)}{equals}{value}")
    return found
