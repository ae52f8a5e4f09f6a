"""What can be typed after `python -m signlib`: every verb with its flags and an example."""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from signlib.cli import source_flags
from signlib.cli.source_flags import Flag, flag
from signlib.extraction import registry as extractors
from signlib.settings.registry import all_sweeps


class Verb(NamedTuple):
    """One verb: what it does, how it is typed, its flags, and what `--set` sets; "" = it has none.

    Those of source 004 are listed apart.
    """

    text: str
    example: str
    flags: Sequence[Flag]
    of_source_004: Sequence[Flag] = ()
    overrides: str = ""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m signlib",
        description="Sign language recognition: extract, train, predict, compare.",
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in _verbs().items():
        # Abbreviated flags would change their meaning with every new flag.
        command = commands.add_parser(
            name,
            allow_abbrev=False,
            help=verb.text,
            description=verb.text,
            epilog=f"example: python -m signlib {name} {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Also accepted after the verb; absent there, it must not undo the one before it.
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        for names, options in verb.flags:
            command.add_argument(*names, **options)
        group = command.add_argument_group("flags of source 004")
        for names, options in verb.of_source_004:
            group.add_argument(*names, **options)
        if verb.overrides:
            command.add_argument(
                "--set",
                dest="overrides",
                nargs="+",
                action="extend",
                default=[],
                metavar="K=V",
                help=verb.overrides,
            )
    return top


def _verbs() -> dict[str, Verb]:
    # Made anew each time: extractors and presets may have been registered since.
    return {
        "models": Verb(
            "every preset and the sizes of its model",
            "--format csv",
            [flag("--format", choices=["table", "csv"], default="table")],
        ),
        "extract": Verb(
            "videos to a store of landmarks, of pictures, or of features of a frozen encoder",
            "my_videos --out stores/mine --extractor frozen --set model=google/gemma-3-4b-it",
            [
                flag(
                    "source",
                    nargs="?",
                    help=(
                        "a folder of videos (manifest.csv or sub-folders named by gloss), "
                        "AUTSL's or WLASL's folder, one video, or a folder of .npy or .pose files"
                    ),
                ),
                flag(
                    "--out", metavar="STORE", help="folder of the store; an existing one is resumed"
                ),
                flag(
                    "--extractor",
                    choices=list(extractors.EXTRACTORS),
                    default="holistic",
                    help="; ".join(
                        f"{row.name}: {row.help}" for row in extractors.EXTRACTORS.values()
                    ),
                ),
                flag("--workers", type=int, default=1, help="processes; two are best on two cores"),
                flag(
                    "--shard",
                    default="1/1",
                    metavar="i/n",
                    help="extract only part i of n (1-based)",
                ),
                flag(
                    "--merge",
                    action="store_true",
                    help="make one store of the finished shards below STORE",
                ),
                flag(
                    "--skip-existing",
                    "--skip_existing",
                    action="store_true",
                    help="what always happens: finished clips are kept",
                ),
                flag(
                    "--retry-failed", action="store_true", help="try clips again that failed before"
                ),
            ],
            of_source_004=source_flags.extract_004(),
            overrides=(
                "of the extractor: tracking=false, max_side=512, ...; of pictures: frames=16,"
                " size=224, ...; frozen: model=NAME_OR_FOLDER, frames=16, batch=32, dtype=float32,"
                " attention=flash, ..."
            ),
        ),
        "train": Verb(
            "fit a model, test it once, write a run",
            "landmarks/small --data-root stores/my_videos",
            [
                flag(
                    "preset",
                    nargs="?",
                    help="family/variant, see `models`; landmarks/small if none is given",
                ),
                flag(
                    "--corpus",
                    "--dataset",
                    dest="corpus",
                    help="generated, store, dgs-30, asl-letters, ...",
                ),
                flag(
                    "--data-root",
                    "--data_dir",
                    "--data-dir",
                    dest="data_root",
                    metavar="DIR",
                    help="a store that `extract` made, or the corpus's folder",
                ),
                flag(
                    "--mode",
                    choices=["smoke", "full"],
                    default="full",
                    help="smoke: small sizes, generated clips",
                ),
                flag("--seed", type=int, help="of everything random; else the preset's own"),
                flag("--run-name", default="", metavar="R", help="name of the run's folder"),
                flag("--init-from", metavar="RUN", help="start from that run's encoder"),
                flag(
                    "--estimate",
                    action="store_true",
                    help="only say what time and memory it will take",
                ),
                flag(
                    "--resume",
                    nargs="?",
                    const="",
                    metavar="CKPT",
                    help="resume an unfinished run, from its last or from the given checkpoint",
                ),
                *source_flags.train_003(),
            ],
            of_source_004=source_flags.train_004(),
            overrides=("any setting: training.epochs=5 features.joints=hands ..."),
        ),
        "sweep": Verb(
            "train several presets over several random seeds and compare them",
            "generated --seeds 0 1 2",
            [
                flag(
                    "presets",
                    nargs="+",
                    metavar="PRESET",
                    help=f"presets, or a family: {', '.join(all_sweeps())}",
                ),
                flag("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N"),
                flag("--mode", choices=["smoke", "full"], default="full"),
                flag(
                    "--hours",
                    type=float,
                    default=0.0,
                    help="stop after so long; the same command resumes it later",
                ),
                flag(
                    "--workers",
                    type=int,
                    default=1,
                    help="so many runs at once, each in a process of its own",
                ),
                flag(
                    "--estimate",
                    action="store_true",
                    help="only say what time and memory it will take",
                ),
            ],
            overrides=("for every run: training.devices=2 ..."),
        ),
        "predict": Verb(
            "the likeliest glosses of clips, or their sentences with times",
            "runs/landmarks-small/full-seed0 clip.mp4",
            [
                flag("run", help="folder of a run"),
                flag(
                    "clips",
                    nargs="+",
                    help=(
                        "videos, .npy, .pose or .skeleton files, or stores made with the run's"
                        " extractors"
                    ),
                ),
                flag("--split", default="", help="of a store, only the clips of this split"),
                flag(
                    "--fps",
                    type=float,
                    default=0.0,
                    metavar="N",
                    help="frames a second of clips that do not say it, such as .npy files (25)",
                ),
                flag(
                    "--tower",
                    default="",
                    metavar="MODEL",
                    help="of a run on frozen features: where its encoder lies now, if it was moved",
                ),
                flag("--out", metavar="CSV", help="also write the table there"),
            ],
        ),
        "wer": Verb(
            "word error rate of a run, or of hypotheses in a ctm against references in an stm",
            "dev.stm hypotheses.ctm --simplify phoenix-2014 --against baseline.ctm",
            [
                flag(
                    "reference",
                    metavar="REF.stm|RUN",
                    help=(
                        "a line a sentence: clip channel signer start end GLOSS "
                        "...; or the folder of a finished run, which needs no ctm"
                    ),
                ),
                flag(
                    "hypothesis",
                    metavar="HYP.ctm",
                    nargs="?",
                    help="a line a gloss: clip channel start length GLOSS",
                ),
                flag(
                    "--simplify",
                    default="",
                    metavar="MODE",
                    help=(
                        "phoenix-2014: the corpus's official rules, one gloss at a time;"
                        " phoenix-2014-spanning: also those over neighbours; only hypotheses"
                    ),
                ),
                flag(
                    "--against",
                    metavar="OTHER",
                    help="also the paired test against this ctm, or this run",
                ),
            ],
        ),
        "compare": Verb(
            "who is better, by how much, and how sure: the statistics of finished runs on the same"
            " clips",
            "runs/landmarks-small/full-seed0 runs/landmarks-base/full-seed0 --out comparison",
            [
                flag(
                    "runs",
                    nargs="+",
                    metavar="RUN",
                    help=(
                        "folders of runs; those that differ in seed or fold only are one system,"
                        " the first is the reference"
                    ),
                ),
                flag(
                    "--rope",
                    type=float,
                    default=0.5,
                    metavar="POINTS",
                    help="a smaller difference does not matter (%(default)s)",
                ),
                flag(
                    "--out",
                    metavar="FOLDER",
                    help="write the report and its figure there; else it is printed",
                ),
            ],
        ),
        "run": Verb(
            "run a notebook headless",
            "12_skeleton_encoder -p MODE full --out executed.ipynb",
            [
                flag("notebook", help="path or name of a notebook"),
                flag(
                    "-p",
                    dest="parameters",
                    nargs=2,
                    action="append",
                    default=[],
                    metavar=("NAME", "VALUE"),
                ),
                flag(
                    "--out",
                    metavar="IPYNB",
                    help="where the executed notebook goes; default: results/course",
                ),
            ],
        ),
        "ensemble": Verb(
            "add the test scores of several runs, with equal weights",
            "runs/nw-ucla-nano/joint runs/nw-ucla-nano/bone",
            [
                flag(
                    "runs",
                    nargs="+",
                    metavar="RUN",
                    help="folders of finished runs on the same test clips",
                )
            ],
        ),
        "publish": Verb(
            "copy a finished full run to results/",
            "runs/landmarks-small/full-seed0",
            [flag("run", help="folder of a run")],
        ),
        "results": Verb(
            "write the results table of the README from results/",
            "--check",
            [
                flag(
                    "--check", action="store_true", help="only say whether the README is up to date"
                )
            ],
        ),
    }
