"""What can be typed after `python -m signlib`: every verb with its flags and an example.

The flags of the sources' own command lines have a help of their own, `--help-sources`.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import signlib
from signlib.cli import source_flags
from signlib.cli.source_flags import Flag, flag
from signlib.errors import shortened
from signlib.extraction import registry as extractors
from signlib.settings.registry import all_sweeps

PROGRAM = "python -m signlib"


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        text: what it does, in a line of the list of verbs.
        example: how it is typed.
        flags: its own.
        of_sources: source -> flags that it takes from that source's command line.
        overrides: what `--set` sets; "" = it has none.
        resumed: what to type when it was interrupted.
    """

    text: str
    example: str
    flags: Sequence[Flag]
    of_sources: Mapping[str, Sequence[Flag]] = field(default_factory=dict)
    overrides: str = ""
    resumed: str = "the same command starts it again"


class _HelpSources(argparse.Action):
    """Prints the flags of the sources, as `--help` prints the others."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        verb = parser.prog.split()[-1]
        page = argparse.ArgumentParser(
            prog=parser.prog,
            add_help=False,
            usage=f"{parser.prog} [flags of a source]",
            description="The command lines of these sources work here as they are written there.",
        )
        for source, flags in verbs()[verb].of_sources.items():
            group = page.add_argument_group(f"flags of {source}")
            for names, options in flags:
                group.add_argument(*names, **options)
        page.print_help()
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """Quotes what was typed, but not all of it."""

    def error(self, message: str) -> NoReturn:
        super().error(shortened(message))


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog=PROGRAM,
        description="Sign language recognition: extract, train, predict, compare.",
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    top.add_argument("--version", action="version", version=f"signlib {signlib.__version__}")
    commands = top.add_subparsers(dest="verb", metavar="VERB")
    for name, verb in verbs().items():
        # Abbreviated flags would change their meaning with every new flag.
        command = commands.add_parser(
            name,
            allow_abbrev=False,
            help=verb.text,
            description=verb.text,
            epilog=f"example: {PROGRAM} {name} {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Also accepted after the verb; absent there, it must not undo the one before it.
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        for names, options in verb.flags:
            command.add_argument(*names, **options)
        for flags in verb.of_sources.values():
            for names, options in flags:
                command.add_argument(*names, **{**options, "help": argparse.SUPPRESS})
        if verb.of_sources:
            command.add_argument(
                "--help-sources",
                action=_HelpSources,
                nargs=0,
                help=f"show the flags of {' and '.join(verb.of_sources)}, and exit",
            )
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


def verbs() -> dict[str, Verb]:
    """Every verb by name, made anew: extractors and presets may have been registered since."""
    return {
        "models": Verb(
            "every preset and the sizes of its model",
            "--format csv",
            [
                flag("--format", choices=["table", "csv"], default="table"),
                flag(
                    "--macs",
                    action="store_true",
                    help="also count multiply-accumulates of one clip, which takes half a minute",
                ),
            ],
        ),
        "extract": Verb(
            "videos to a store of landmarks, pictures or features",
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
                    "--retry-failed",
                    action="store_true",
                    help="try clips again that failed before, also where their files are the same",
                ),
                flag(
                    "--cut",
                    action="store_true",
                    help="each film is one clip already, whatever segments its list names",
                ),
            ],
            of_sources={"source 004": source_flags.extract_004()},
            overrides=(
                "of the extractor: tracking=false, max_side=512, ...; of landmark files:"
                " zeros=missing, scale=pixels, ...; of both: on_jump=keep, split or drop (a body"
                " that jumps, as where two people are in the picture); of pictures: frames=16,"
                " size=224, ...; frozen: model=NAME_OR_FOLDER, frames=16, batch=32, dtype=float32,"
                " attention=flash, ..."
            ),
            resumed="the same command goes on with the clips that are left",
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
                flag("--corpus", help="generated, store, dgs-30, asl-letters, ..."),
                flag(
                    "--data-root",
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
                flag("--init-from", metavar="RUN", help="start from what that run shares"),
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
            ],
            of_sources={
                "source 003": source_flags.train_003(),
                "source 004": source_flags.train_004(),
            },
            overrides="any setting: training.epochs=5 features.joints=hands ...",
            resumed="the same command with --resume goes on after the last whole epoch",
        ),
        "sweep": Verb(
            "train presets over several random seeds, compare them",
            "generated --seeds 0 1 2",
            [
                flag(
                    "presets",
                    nargs="+",
                    metavar="PRESET",
                    help=f"presets (`models` lists them), or a family: {', '.join(all_sweeps())}",
                ),
                flag(
                    "--seeds",
                    type=int,
                    nargs="+",
                    metavar="N",
                    help=(
                        "random seeds of each preset; default: its own (autsl/* 4000, ntu60/* 42,"
                        " others 0) and the two after it, with --search only its own"
                    ),
                ),
                flag(
                    "--search",
                    type=int,
                    default=0,
                    metavar="TRIALS",
                    help=(
                        "try so many settings of each preset, chosen by Optuna on validation clips;"
                        " the best ones are trained once more, and tested once"
                    ),
                ),
                flag(
                    "--space",
                    nargs="+",
                    action="extend",
                    default=[],
                    metavar="KEY=VALUES",
                    help=(
                        "of --search: KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A|B|C; default:"
                        " learning rates, weight decay and dropout"
                    ),
                ),
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
            overrides="for every run: training.devices=2 ...",
            resumed="the same command resumes it",
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
                        "videos, folders of pictures, .npy, .pose or .skeleton files, or stores"
                        " made with the run's extractors"
                    ),
                ),
                flag("--split", default="", help="of a store, only the clips of this split"),
                flag(
                    "--fps",
                    type=float,
                    default=0.0,
                    metavar="N",
                    help="frames a second of .npy files and folders of pictures (25)",
                ),
                flag(
                    "--tower",
                    default="",
                    metavar="MODEL",
                    help="of a run on frozen features: where its encoder lies now, if it was moved",
                ),
                flag("--out", metavar="CSV", help="also write the table there"),
            ],
            overrides=(
                "of landmark files: zeros=missing (points at zero were not found), scale=pixels"
                " width=W height=H; of videos, too: on_jump=keep, split (the longest part without a"
                " jump of the body is read) or drop"
            ),
        ),
        "wer": Verb(
            "word error rate of a run, or of a ctm against an stm",
            "dev.stm hypotheses.ctm --simplify phoenix-2014 --against baseline.ctm",
            [
                flag(
                    "reference",
                    metavar="REF.stm|REF.txt|RUN",
                    help=(
                        "a line a sentence: clip channel signer start end GLOSS ...; or plain"
                        " text, one sentence a line; or the folder of a finished run, which needs"
                        " no hypotheses"
                    ),
                ),
                flag(
                    "hypothesis",
                    metavar="HYP.ctm|HYP.txt",
                    nargs="?",
                    help="a line a gloss: clip channel start length GLOSS; or plain text",
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
                    "--empty",
                    default="",
                    metavar="MODE",
                    help=(
                        "phoenix-2014: a sentence without a hypothesis is given [EMPTY], as the"
                        " official script does; without it all its words count as left out"
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
            "who is better, by how much, how sure: finished runs",
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
                flag(
                    "--timeout",
                    type=float,
                    default=0.0,
                    metavar="S",
                    help="seconds for the whole notebook; 0 (default) = as long as it needs",
                ),
            ],
        ),
        "ensemble": Verb(
            "add the test scores of several runs, equally weighted",
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
            [
                flag("run", help="folder of a run"),
                flag(
                    "--seen",
                    default="",
                    metavar="TEXT",
                    help=(
                        "what the choice of its settings had seen of these clips, for the results"
                        ' table: "nothing was selected here, but TEXT"'
                    ),
                ),
                flag(
                    "--as-source-004",
                    metavar="FOLDER",
                    help=(
                        "instead write its weights there by the names of source 004:"
                        " best_simple_model, final_simple_model, checkpoint_epoch_N; and"
                        " label_mapping.json"
                    ),
                ),
                flag(
                    "--form",
                    choices=["safetensors", "pth"],
                    help=(
                        "of these weights, default: safetensors; pth is the source's own, what"
                        " torch.save writes"
                    ),
                ),
            ],
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
