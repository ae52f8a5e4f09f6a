"""The flags of source 004's three scripts, as settings of the verbs `extract` and `train`.

Its lines work as written but for the program's name: `extract` for its landmarks, `extract
--extractor frozen` for its features, `train` for its training. `--set` wins over flags, flags over
the preset.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from signlib.errors import SettingsError

# Of the source; presets `wlasl/NAME`.
FUSIONS = ("concat", "attention", "gated")
# Epochs between the checkpoints that `--checkpoint_dir` keeps, as in the source.
EVERY = 5
# Flag -> setting of the frozen extractor, type, help.
_EXTRACT = {
    "num_frames": (
        "frames",
        int,
        "frames a clip (frames); of landmarks, in the source's files: stores keep every frame",
    ),
    "model_name": ("model", str, "encoder: a name or a folder (model)"),
    "device": ("device", str, "cpu, cuda or mps (device)"),
}
_TRAIN = {
    "fusion_type": (
        "frozen.fusion",
        str,
        f"{', '.join(FUSIONS)}: without a preset, wlasl/NAME (frozen.fusion)",
    ),
    "hidden_dim": ("frozen.width", int, "width of the branches and the fusion (frozen.width)"),
    "learning_rate": ("training.learning_rate", float, "as --lr (training.learning_rate)"),
    "subset": (
        "data.annotations",
        str,
        "which of WLASL's lists, such as nslt_100.json (data.annotations)",
    ),
    "gemma_features_dir": (
        "frozen.store",
        str,
        "store of features, or a folder of the source's files (frozen.store)",
    ),
    "landmarks_dir": ("data.landmarks", str, "the same of landmarks (data.landmarks)"),
}
_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu"}


def spelled(name: str) -> tuple[str, ...]:
    """A flag as the source writes it, and with `-` for `_`."""
    return tuple(dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}")))


def add_extract_flags(parser: argparse.ArgumentParser) -> None:
    """The source's flags on the verb `extract`."""
    group = parser.add_argument_group("flags of source 004")
    group.add_argument(*spelled("data_dir"), metavar="DIR", help="as SOURCE")
    group.add_argument(
        *spelled("output_dir"),
        metavar="DIR",
        help=(
            "as --out; the source's files {clip}_gemma.npy or "
            "{clip}_landmarks.npy are written there too"
        ),
    )
    group.add_argument(
        "--subset", metavar="JSON", help="which list of clips in SOURCE, such as nslt_100.json"
    )
    for name, (_, kind, text) in _EXTRACT.items():
        group.add_argument(*spelled(name), type=kind, help=text)
    group.add_argument(*spelled("use_flash_attention"), action="store_true", help="attention=flash")


def add_train_flags(parser: argparse.ArgumentParser) -> None:
    """The source's flags on the verb `train`, but for those that it shares with others."""
    group = parser.add_argument_group("flags of source 004")
    for name, (_, kind, text) in _TRAIN.items():
        group.add_argument(
            *spelled(name), type=kind, choices=FUSIONS if name == "fusion_type" else None, help=text
        )
    group.add_argument(
        *spelled("gemma_feature_dim"),
        type=int,
        metavar="D",
        help="numbers a frame: read from the features, so this only says what is expected",
    )
    group.add_argument("--device", choices=_ACCELERATORS, help="training.accelerator")
    group.add_argument(
        *spelled("checkpoint_dir"),
        metavar="DIR",
        help=(
            "folder of the runs, in the place of "
            f"SIGNLIB_RUNS; a checkpoint every {EVERY} epochs is kept there"
        ),
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
    given = {
        name: getattr(options, name) for name in _EXTRACT if getattr(options, name) is not None
    }
    overrides = [f"{_EXTRACT[name][0]}={value}" for name, value in given.items()]
    if options.use_flash_attention:
        given["use_flash_attention"] = True
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


def preset_of(options: argparse.Namespace) -> str:
    """The preset that the source's flags stand for where none is named; "" without such flags."""
    if not (options.fusion_type or options.gemma_features_dir):
        return ""
    return f"wlasl/{options.fusion_type or 'concat'}"


def settings_of(options: argparse.Namespace) -> list[str]:
    """`key=value` of the source's flags on `train`.

    Raises:
        SettingsError: when `--gemma_feature_dim` is not what the features have.
    """
    found = [
        f"{key}={getattr(options, name)}"
        for name, (key, _, _) in _TRAIN.items()
        if getattr(options, name) is not None
    ]
    if options.device:
        found.append(f"training.accelerator={_ACCELERATORS[options.device]}")
    if options.checkpoint_dir:
        found.append(f"training.save_interval={EVERY}")
    if options.gemma_feature_dim is not None:
        _check_size(options.gemma_feature_dim, options.gemma_features_dir)
    return found


def _check_size(wanted: int, folder: str | None) -> None:
    if not folder:
        raise SettingsError(
            "--gemma_feature_dim needs --gemma_features_dir: it is read from there; leave it out"
        )
    # Only here: every verb builds the command line, and none of them should wait for pandas.
    from signlib.extraction import frozen_files

    size = frozen_files.open_store(folder, frozen_files.FEATURES).extraction.shape[-1]
    if size != wanted:
        raise SettingsError(
            f"--gemma_feature_dim {wanted}, but {folder} has {size} numbers a frame; leave the"
            " flag out"
        )
