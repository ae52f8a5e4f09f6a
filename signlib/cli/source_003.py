"""The flags and setting names of source 003's command line, as settings; see docs/sources.md.

Its lines work as written but for the program's name. `--set` wins over flags, flags over the
preset.
"""

import argparse
from collections.abc import Collection, Iterable
from pathlib import Path

from signlib.cli import source_004
from signlib.errors import SettingsError
from signlib.settings import config, presets
from signlib.settings.registry import all_presets

VARIANTS = ("nano", "small", "base", "large")
MODELS = {name: variant for variant in VARIANTS for name in (variant, f"{variant}_e_v3")}
SCHEDULES = {
    "cosine_warmup": "cosine",
    "multistep_warmup": "multistep",
    **{name: name for name in ("cosine", "linear", "constant", "multistep")},
}
# Environment -> processes that load batches. Where data and runs lie is found without being told.
WORKERS = {"local": 4, "kaggle": 2, "gcp": 4, "lambda": 8, "a100": 8}
# Of `multistep_warmup` when nobody says.
MILESTONES = "50,65"

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
# Key in the source -> key here; a key that the settings have anyway stays as it is.
_RENAMED = {
    "training.gradient_clip": "training.clip_norm",
    "training.gradient_accumulation_steps": "training.accumulate",
    "training.ib_loss_weight": "gcn.ib_loss_weight",
    "training.lr": "training.learning_rate",
    "training.num_workers": "training.workers",
    "training.input_frames": "action.frames",
    "training.seed": "seed",
    "model.dropout": "gcn.dropout",
    "model.drop_path_rate": "gcn.drop_path",
    "training.dropout": "gcn.dropout",
    "training.drop_path_rate": "gcn.drop_path",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The source's flags on the verb `train`; with `-` as well as with `_`."""
    parser.add_argument(
        "--model",
        choices=MODELS,
        help="a graph network by its name in the source, instead of a preset",
    )
    for name, (kind, key, text) in _VALUES.items():
        parser.add_argument(*source_004.spelled(name), dest=name, type=kind, help=f"{text} ({key})")
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
    source_004.add_train_flags(parser)


def preset_of(options: argparse.Namespace) -> str:
    """The preset that `PRESET`, `--model` with `--dataset`, or source 004's flags name.

    Raises:
        SettingsError: when both are given.
    """
    if not options.model:
        return options.preset or source_004.preset_of(options) or "landmarks/small"
    variant = MODELS[options.model]
    preset = f"{options.corpus or 'ntu60'}/{variant}"
    if preset not in all_presets():
        preset = f"ntu60/{variant}"
    if options.preset and options.preset != preset:
        raise SettingsError(
            f"preset {options.preset} and --model {options.model} name two models; give one of them"
        )
    return preset


def settings_of(options: argparse.Namespace, preset: str) -> list[str]:
    """`key=value` of all flags and then of `--set`, which wins.

    Raises:
        SettingsError: for an unknown preset.
    """
    base = presets.build(preset)
    settings = _source(options, base.data.corpus)
    if options.env != "auto":
        settings.append(f"training.workers={WORKERS[options.env]}")
    for name, (_, key, _) in _VALUES.items():
        if getattr(options, name) is not None:
            settings.append(f"{key}={getattr(options, name)}")
    if options.dropout is not None:
        settings.append(f"{base.DROPOUT}={options.dropout}")
    settings += _schedule(options.scheduler, options.milestones) + source_004.settings_of(options)
    if options.amp:
        settings.append("training.precision=auto")
    return settings + renamed(options.overrides, config.entries(type(base)))


def _source(options: argparse.Namespace, corpus: str) -> list[str]:
    # Settings that say where the clips lie; `corpus` is the preset's own.
    if options.data_root:
        # Only here: no verb's command line should wait for pandas.
        from signlib.stores.store import EXTRACTION

        # A preset's own corpus lies there, unless it is made here or the folder is a store.
        is_store = (Path(options.data_root) / EXTRACTION).is_file()
        name = corpus
        if (is_store or corpus.startswith("generated")) and not options.model:
            name = "store"
        return [f"data.root={options.data_root}", f"data.corpus={options.corpus or name}"]
    # Its own corpus needs no word: the smoke form takes generated clips in its place.
    if not options.corpus or (options.model and options.corpus == corpus):
        return []
    return [f"data.corpus={options.corpus}"]


def _schedule(scheduler: str | None, milestones: str | None) -> list[str]:
    settings = [f"training.schedule={SCHEDULES[scheduler]}"] if scheduler else []
    if milestones is None and scheduler == "multistep_warmup":
        milestones = MILESTONES
    if milestones is not None:
        settings.append(f"training.milestones=[{milestones}]")
    return settings


def renamed(overrides: Iterable[str], keys: Collection[str]) -> list[str]:
    """`key=value` with the source's keys as ours; what is no key of the source stays as it is.

    Args:
        overrides: as given to `--set`.
        keys: of the settings that they are for.
    """
    settings: list[str] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        if key == "training.use_amp" and value.lower() in ("true", "false"):
            settings.append(f"training.precision={'auto' if value.lower() == 'true' else '32'}")
        elif key == "training.scheduler" and value in SCHEDULES:
            settings += _schedule(value, None)
        else:
            current = key if key in keys else _RENAMED.get(key, key)
            settings.append(f"{current}{equals}{value}")
    return settings
