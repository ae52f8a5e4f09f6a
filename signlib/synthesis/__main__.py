"""Write a generated corpus in an official layout: `python -m signlib.synthesis autsl OUT`.

A bad input ends with one line on stderr and exit code 2.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from signlib.processes import exit_code, piped

# Name -> what it holds, an example, and the width of its pictures.
_LAYOUTS = {
    "autsl": (
        "isolated signs: colour and depth videos, label csv files",
        "smoke/autsl --glosses 5 --signers 4 --size 128",
        512,
    ),
    "wlasl": (
        "isolated signs: json files and videos",
        "smoke/wlasl --glosses 5 --signers 4 --size 128",
        256,
    ),
    "phoenix-2014": (
        "sentences: corpus csv, stm, pictures",
        "smoke/phoenix --glosses 20 --signers 3 --sentences 4",
        210,
    ),
    "ntu60": ("everyday actions: .skeleton files", "smoke/ntu60 --actions 10 --signers 5", None),
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
    for name, (text, example, size) in _LAYOUTS.items():
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
        # Flags, what they hold, default, placeholder and help.
        actions = (("--actions", "--glosses"), int, 60, "N", "how many, up to 60")
        lexicon = (("--glosses",), int, 20, "N", "size of the lexicon")
        repeats = ("--sentences", "--repetitions") if name == "phoenix-2014" else ("--repetitions",)
        for flags, kind, default, metavar, explained in (
            actions if name == "ntu60" else lexicon,
            (("--signers",), int, 5, "N", "persons over all three splits"),
            (repeats, int, 2, "N", "of each signer"),
            (("--seed",), int, 0, "N", "another seed is another world"),
            (("--hardness",), float, 1.0, "H", "0 all alike .. 3 hardest"),
            *([(("--size",), int, size, "PX", "width of the pictures")] if size else []),
            (("--workers",), int, 1, "N", "processes"),
        ):
            command.add_argument(
                *flags,
                dest=flags[-1].removeprefix("--"),
                type=kind,
                default=default,
                metavar=metavar,
                help=explained,
            )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one layout; returns the exit code."""

    def typed() -> int:
        options = parser().parse_args(arguments)
        return exit_code(
            options.layout,
            lambda: print(f"layout {options.layout}: {_write(options)}"),
            "the same command goes on with what is left",
        )

    return piped(typed)


def _write(options: argparse.Namespace) -> Path:
    # Write the layout that was asked for; returns its folder.
    # The help needs none of these.
    from signlib.synthesis import actions, clips, layouts, sentences

    world = {"seed": options.seed, "hardness": options.hardness}
    if options.layout == "ntu60":
        acted = actions.ActionCorpus(
            options.glosses, options.signers, repetitions=options.repetitions, **world
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
