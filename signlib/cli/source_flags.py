"""The flags of the command lines of sources 003 and 004, as settings; see docs/sources.md.

Their lines work as written but for the program's name: of source 003 `train`; of source 004
`extract` for its landmarks, `extract --extractor frozen` for its features, `train` for its
training. `--set` wins over flags, flags over the preset.
"""

import argparse
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from signlib.errors import SettingsError
from signlib.settings import config, presets
from signlib.settings.registry import all_presets
from signlib.settings.values import convert, parse_override

# Names of a flag, and what else `add_argument` takes.
Flag: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]
# Flag -> setting, type, help.
Table: TypeAlias = dict[str, tuple[str, type, str]]

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

# Of source 004; presets `wlasl/NAME`.
FUSIONS = ("concat", "attention", "gated")
# Epochs between the checkpoints that `--checkpoint_dir` keeps, as in source 004.
EVERY = 5
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu"}
_TRAIN_003: Table = {
    "split_type": (
        "data.split_type",
        str,
        "xsub, xview; nw-ucla: official, view-1, view-2 (the view that trains)",
    ),
    "epochs": ("training.epochs", int, "passes over the training clips"),
    "batch_size": ("training.batch_size", int, "clips a step"),
    "lr": ("training.learning_rate", float, "highest learning rate"),
    "weight_decay": ("training.weight_decay", float, "on matrices"),
    "min_lr": ("training.min_lr", float, "learning rate at the end"),
    "workers": ("training.workers", int, "processes that load batches"),
}
_TRAIN_004: Table = {
    "fusion_type": ("frozen.fusion", str, f"{', '.join(FUSIONS)}: without a preset, wlasl/NAME"),
    "hidden_dim": ("frozen.width", int, "width of the branches and the fusion"),
    "learning_rate": ("training.learning_rate", float, "as --lr"),
    "subset": ("data.annotations", str, "which of WLASL's lists, such as nslt_100.json"),
    "gemma_features_dir": (
        "frozen.store",
        str,
        "store of features, or a folder of the source's files",
    ),
    "landmarks_dir": ("data.landmarks", str, "the same of landmarks"),
}
# The settings are those of the frozen extractor.
_EXTRACT_004: Table = {
    "num_frames": (
        "frames",
        int,
        "frames a clip (frames); of landmarks, in the source's files: stores keep every frame",
    ),
    "model_name": ("model", str, "encoder: a name or a folder (model)"),
    "device": ("device", str, "cpu, cuda or mps (device)"),
}
# Key in source 003 -> key here; a key that the settings have anyway stays as it is.
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
    "model.stem_channels": "gcn.stem",
    "model.channels": "gcn.channels",
    "model.num_blocks": "gcn.blocks",
    "model.expand_ratio": "gcn.expand",
    "model.max_hop": "gcn.hops",
    "model.gate_type": "gcn.gate",
    "model.use_subset_att": "gcn.attend",
    "model.use_ib_loss": "gcn.bottleneck",
    "training.dropout": "gcn.dropout",
    "training.drop_path_rate": "gcn.drop_path",
    "training.use_amp": "training.precision",
}
# A switch of source 003 -> our words for false and true.
_SWITCHES = {
    "training.use_amp": ("32", "auto"),
    "model.use_subset_att": ("equally", "weighted"),
    "model.use_ib_loss": ("without", "with"),
}
# Sizes of source 003 of which ours take 0 for "as the variant".
_SIZES = ("model.stem_channels", "model.max_hop")
# What cannot be set -> its only value, and why.
_FIXED = {
    "model.depths": ([1, 1, 1], "a block has one temporal unit; model.num_blocks adds blocks"),
    "model.strides": ([1, 2, 2], "the first stage keeps all frames, each later one halves them"),
}


def flag(*names: str, **options: Any) -> Flag:
    """A flag as `add_argument` takes it."""
    return names, options


def _spelled(name: str, **options: Any) -> Flag:
    # A flag as the source writes it, and with `-` for `_`.
    return flag(*dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")), **options)


def train_003() -> list[Flag]:
    """Source 003's flags on the verb `train`."""
    return [
        flag(
            "--model",
            choices=MODELS,
            help="a graph network by its name in the source, instead of a preset",
        ),
        flag("--dataset", dest="corpus", metavar="CORPUS", help="as --corpus"),
        *(
            _spelled(name, dest=name, type=kind, help=f"{text} ({key})")
            for name, (key, kind, text) in _TRAIN_003.items()
        ),
        flag("--dropout", type=float, help="before the classifier"),
        flag("--scheduler", choices=SCHEDULES, help="learning rate over time (training.schedule)"),
        flag(
            "--milestones", help=f"epochs after which multistep takes a tenth, such as {MILESTONES}"
        ),
        flag("--amp", action="store_true", help="half precision where the device has it"),
        flag(
            "--env", choices=["auto", *WORKERS], default="auto", help="sets the number of workers"
        ),
    ]


def train_004() -> list[Flag]:
    """Source 004's flags on the verb `train`, but for those that it shares with others."""
    return [
        _spelled("data_dir", dest="data_root", metavar="DIR", help="as --data-root"),
        *(
            _spelled(
                name,
                type=kind,
                choices=FUSIONS if name == "fusion_type" else None,
                help=f"{text} ({key})",
            )
            for name, (key, kind, text) in _TRAIN_004.items()
        ),
        _spelled(
            "gemma_feature_dim",
            type=int,
            metavar="D",
            help="numbers a frame: read from the features, so this only says what is expected",
        ),
        flag("--device", choices=_ACCELERATORS, help="training.accelerator"),
        _spelled(
            "checkpoint_dir",
            metavar="DIR",
            help=(
                "folder of the runs, in the place of "
                f"SIGNLIB_RUNS; a checkpoint every {EVERY} epochs is kept there"
            ),
        ),
    ]


def extract_004() -> list[Flag]:
    """Source 004's flags on the verb `extract`."""
    return [
        _spelled("data_dir", metavar="DIR", help="as SOURCE"),
        _spelled(
            "output_dir",
            metavar="DIR",
            help=(
                "as --out; the source's files {clip}_gemma.npy or "
                "{clip}_landmarks.npy are written there too"
            ),
        ),
        flag(
            "--subset", metavar="JSON", help="which list of clips in SOURCE, such as nslt_100.json"
        ),
        *(_spelled(name, type=kind, help=text) for name, (_, kind, text) in _EXTRACT_004.items()),
        _spelled("use_flash_attention", action="store_true", help="attention=flash"),
        _spelled("skip_existing", action="store_true", help="what always happens"),
    ]


def preset_of(options: argparse.Namespace) -> str:
    """The preset that `PRESET`, `--model` with `--dataset`, or source 004's flags name.

    Raises:
        SettingsError: when both are given.
    """
    if not options.model:
        fusion = options.fusion_type or ("concat" if options.gemma_features_dir else "")
        return options.preset or (f"wlasl/{fusion}" if fusion else "landmarks/small")
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
    """`key=value` of all flags of `train` and then of `--set`, which wins.

    Raises:
        SettingsError: for an unknown preset, or when `--gemma_feature_dim` is not what the features
            have.
    """
    base = presets.build(preset)
    settings = _source(options, base.data.corpus)
    if options.env != "auto":
        settings.append(f"training.workers={WORKERS[options.env]}")
    settings += _given(options, _TRAIN_003)
    if options.dropout is not None:
        SettingsError.raise_if(
            not base.DROPOUT, f"--dropout: task {base.task} has none; leave it out"
        )
        settings.append(f"{base.DROPOUT}={options.dropout}")
    settings += _schedule(options.scheduler, options.milestones) + _given(options, _TRAIN_004)
    if options.device:
        settings.append(f"training.accelerator={_ACCELERATORS[options.device]}")
    if options.checkpoint_dir:
        settings.append(f"training.save_interval={EVERY}")
    if options.gemma_feature_dim is not None:
        _check_size(options.gemma_feature_dim, options.gemma_features_dir)
    if options.amp:
        settings.append("training.precision=auto")
    return settings + renamed(options.overrides, config.entries(type(base)))


def _given(options: argparse.Namespace, table: Table) -> list[str]:
    # `key=value` of the flags of a table that were given.
    values = {key: getattr(options, name) for name, (key, _, _) in table.items()}
    return [f"{key}={value}" for key, value in values.items() if value is not None]


def _source(options: argparse.Namespace, corpus: str) -> list[str]:
    # Settings that say where the clips lie; `corpus` is the preset's own.
    if options.data_root:
        # Only here: no verb's command line should wait for pandas.
        from signlib.corpora.registry import corpus_in

        name = options.corpus or (corpus if options.model else corpus_in(options.data_root, corpus))
        return [f"data.root={options.data_root}", f"data.corpus={name}"]
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
    """`key=value` with source 003's keys as ours; what is no key of the source stays as it is.

    Args:
        overrides: as given to `--set`.
        keys: of the settings that they are for.

    Raises:
        SettingsError: for a switch that is neither true nor false, a size of 0, or what cannot be
            set.
    """
    settings: list[str] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        key = key.strip()
        if key in keys:
            settings.append(f"{key}{equals}{value}")
        elif key == "training.scheduler" and value in SCHEDULES:
            settings += _schedule(value, None)
        elif key in _FIXED:
            _check_fixed(key, text)
        else:
            settings.append(f"{_RENAMED.get(key, key)}{equals}{_in_our_words(key, value)}")
    return settings


def _in_our_words(key: str, value: str) -> str:
    # Of a switch of source 003 our word; anything else stays as it is.
    SettingsError.raise_if(
        key in _SIZES and value.strip() == "0",
        f"{key}=0 is no size; give 1 or more, or leave it out for that of the variant",
    )
    if key not in _SWITCHES:
        return value
    try:
        return _SWITCHES[key][convert(value, bool)]
    except ValueError as error:
        raise SettingsError(f"{key}={value[:40]!r} is not possible: {error}") from None


def _check_fixed(key: str, text: str) -> None:
    only, reason = _FIXED[key]
    SettingsError.raise_if(
        parse_override(text)[1] != only,
        f"{text[:80]}: only {key}={only} is possible, because {reason}; leave it out",
    )


def _check_size(expected: int, folder: str | None) -> None:
    if not folder:
        raise SettingsError(
            "--gemma_feature_dim needs --gemma_features_dir: it is read from there; leave it out"
        )
    # Only here: every verb builds the command line, and none of them should wait for pandas.
    from signlib.extraction import frozen_files

    size = frozen_files.open_store(folder, frozen_files.FEATURES).extraction.shape[-1]
    if size != expected:
        raise SettingsError(
            f"--gemma_feature_dim {expected}, but {folder} has {size} numbers a frame; leave the"
            " flag out"
        )


@dataclass(frozen=True)
class Asked:
    """What a command line of `extract` comes to.

    Attributes:
        source, out: where the clips lie, where the store goes.
        overrides: `key=value` of the extractor; those of `--set` come last and so win.
        files: how many frames a clip has in the source's files that are to be written beside the
            store; 0 = none are.
    """

    source: Path
    out: str
    overrides: list[str]
    files: int = 0


def extraction_of(options: argparse.Namespace) -> Asked:
    """Source, store and settings of `extract`, by our flags or the source's.

    Raises:
        SettingsError: when one is missing or named twice, or a flag is not of this extractor.
    """
    source = _one("SOURCE", options.source, "--data_dir", options.data_dir)
    out = _one("--out", options.out, "--output_dir", options.output_dir)
    given = [name for name in _EXTRACT_004 if getattr(options, name) is not None]
    overrides = _given(options, _EXTRACT_004)
    if options.use_flash_attention:
        given.append("use_flash_attention")
        overrides.append("attention=flash")
    if options.extractor != "frozen":
        written = bool(options.output_dir) and options.extractor == "holistic"
        foreign = [name for name in given if not (written and name == "num_frames")]
        if foreign or (options.output_dir and not written):
            flag = foreign[0] if foreign else "output_dir"
            raise SettingsError(
                f"--{flag} does nothing with --extractor {options.extractor} here; leave it out, or"
                " add --extractor frozen"
                + (" or --output_dir" if flag == "num_frames" and not options.output_dir else "")
            )
        overrides = []
    files = (options.num_frames or 16) if options.output_dir else 0
    if files < 0:
        raise SettingsError(f"--num_frames {files} must be at least 1")
    return Asked(
        Path(source) / (options.subset or ""), out, [*overrides, *options.overrides], files
    )


def _one(ours: str, value: str | None, theirs: str, other: str | None) -> str:
    if bool(value) == bool(other):
        raise SettingsError(f"{'give' if not value else 'give only one of'} {ours} or {theirs}")
    return value or other or ""
