"""Write a generated corpus in an official layout: `python -m signlib.synthesis autsl OUT`.

A bad input ends with one line on stderr and exit code 2.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from signlib.errors import InputError

_LAYOUTS = {
    "autsl": (
        "isolated signs: colour and depth videos, label csv files",
        "smoke/autsl --glosses 5 --signers 4 --size 128",
    ),
    "wlasl": (
        "isolated signs: json files and videos",
        "smoke/wlasl --glosses 5 --signers 4 --size 128",
    ),
    "phoenix-2014": (
        "sentences: corpus csv, stm, pictures",
        "smoke/phoenix --glosses 20 --signers 3 --sentences 4",
    ),
    "ntu60": ("everyday actions: .skeleton files", "smoke/ntu60 --actions 10 --signers 5"),
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m signlib.synthesis",
        description=(
            "Write a generated corpus in an official layout; run it again to resume after a stop."
        ),
        epilog=(
            "example: python -m signlib.synthesis autsl smoke/autsl --glosses 5 --signers 4"
            " --size 128"
        ),
    )
    kinds = top.add_subparsers(dest="layout", required=True, metavar="LAYOUT")
    for name, (text, example) in _LAYOUTS.items():
        command = kinds.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example: python -m signlib.synthesis {name} {example}",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        command.add_argument(
            "out", metavar="OUT", help="an empty or new folder, or one that was begun here"
        )
        if name == "ntu60":
            command.add_argument(
                "--actions",
                "--glosses",
                type=int,
                default=60,
                metavar="N",
                help="how many, up to 60",
            )
        else:
            command.add_argument(
                "--glosses", type=int, default=20, metavar="N", help="size of the lexicon"
            )
        command.add_argument(
            "--signers", type=int, default=5, metavar="N", help="persons over all three splits"
        )
        repeats = ("--sentences", "--repetitions") if name == "phoenix-2014" else ("--repetitions",)
        command.add_argument(
            *repeats, dest="repetitions", type=int, default=2, metavar="N", help="of each signer"
        )
        command.add_argument(
            "--seed", type=int, default=0, metavar="N", help="another seed is another world"
        )
        command.add_argument(
            "--hardness", type=float, default=1.0, metavar="H", help="0 all alike .. 3 hardest"
        )
        if name != "ntu60":
            size = {"autsl": 512, "wlasl": 256, "phoenix-2014": 210}[name]
            command.add_argument(
                "--size", type=int, default=size, metavar="PX", help="width of the pictures"
            )
        command.add_argument("--workers", type=int, default=1, metavar="N", help="processes")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one layout; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        out = _write(options)
    except InputError as error:
        print(f"{options.layout}: {error}", file=sys.stderr)
        return 2
    print(f"layout {options.layout}: {out}")
    return 0


def _write(options: argparse.Namespace) -> Path:
    # Write the layout that was asked for; returns its folder.
    # The help needs none of these.
    from signlib.synthesis import actions, clips, layouts, sentences

    world = {"seed": options.seed, "hardness": options.hardness}
    if options.layout == "ntu60":
        acted = actions.ActionCorpus(
            options.actions, options.signers, repetitions=options.repetitions, **world
        )
        return layouts.write_ntu60(acted, options.out, workers=options.workers)
    if options.layout == "phoenix-2014":
        said = sentences.SentenceCorpus(
            options.glosses, options.signers, options.repetitions, **world
        )
        return layouts.write_phoenix(said, options.out, size=options.size, workers=options.workers)
    signs = clips.GeneratedCorpus(options.glosses, options.signers, options.repetitions, **world)
    write = layouts.write_autsl if options.layout == "autsl" else layouts.write_wlasl
    return write(signs, options.out, size=options.size, workers=options.workers)


if __name__ == "__main__":
    sys.exit(main())
