"""What can be typed after `python -m signlib`: every verb with its flags and an example."""

import argparse

from signlib.cli import source_003, source_004
from signlib.extraction import registry as extractors
from signlib.settings.registry import all_sweeps


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m signlib",
        description="Sign language recognition: extract, train, predict, compare.",
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, example: str) -> argparse.ArgumentParser:
        # Abbreviated flags would change their meaning with every new flag.
        made = verbs.add_parser(
            name,
            allow_abbrev=False,
            help=text,
            description=text,
            epilog=f"example: python -m signlib {name} {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Also accepted after the verb; absent there, it must not undo the one before it.
        made.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        return made

    models = verb("models", "every preset and the sizes of its model", "--format csv")
    models.add_argument("--format", choices=["table", "csv"], default="table")

    extract = verb(
        "extract",
        "videos to a store of landmarks, of pictures, or of features of a frozen encoder",
        "my_videos --out stores/mine --extractor frozen --set model=google/gemma-3-4b-it",
    )
    extract.add_argument(
        "source",
        nargs="?",
        help=(
            "a folder of videos (manifest.csv or sub-folders named by gloss), "
            "AUTSL's or WLASL's folder, one video, or a folder of .npy or .pose files"
        ),
    )
    extract.add_argument(
        "--out", metavar="STORE", help="folder of the store; an existing one is resumed"
    )
    extract.add_argument(
        "--extractor",
        choices=extractors.names(),
        default="holistic",
        help="; ".join(f"{name}: {extractors.extractor(name).help}" for name in extractors.names()),
    )
    extract.add_argument(
        "--workers", type=int, default=1, help="processes; two are best on two cores"
    )
    extract.add_argument(
        "--shard", default="1/1", metavar="i/n", help="extract only part i of n (1-based)"
    )
    extract.add_argument(
        "--merge", action="store_true", help="make one store of the finished shards below STORE"
    )
    extract.add_argument(
        "--skip-existing",
        "--skip_existing",
        action="store_true",
        help="what always happens: finished clips are kept",
    )
    extract.add_argument(
        "--retry-failed", action="store_true", help="try clips again that failed before"
    )
    source_004.add_extract_flags(extract)
    _add_set(
        extract,
        "of the extractor: tracking=false, max_side=512, ...; of pictures: frames=16, size=224,"
        " ...; frozen: model=NAME_OR_FOLDER, frames=16, batch=32, dtype=float32,"
        " attention=flash, ...",
    )

    train = verb(
        "train",
        "fit a model, test it once, write a run",
        "landmarks/small --data-root stores/my_videos",
    )
    train.add_argument(
        "preset", nargs="?", help="family/variant, see `models`; landmarks/small if none is given"
    )
    train.add_argument(
        "--corpus", "--dataset", dest="corpus", help="generated, store, dgs-30, asl-letters, ..."
    )
    train.add_argument(
        "--data-root",
        "--data_dir",
        "--data-dir",
        dest="data_root",
        metavar="DIR",
        help="a store that `extract` made, or the corpus's folder",
    )
    train.add_argument(
        "--mode",
        choices=["smoke", "full"],
        default="full",
        help="smoke: small sizes, generated clips",
    )
    train.add_argument("--seed", type=int, help="of everything random; else the preset's own")
    train.add_argument("--run-name", default="", metavar="R", help="name of the run's folder")
    train.add_argument("--init-from", metavar="RUN", help="start from that run's encoder")
    train.add_argument(
        "--estimate", action="store_true", help="only say what time and memory it will take"
    )
    train.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="CKPT",
        help="resume an unfinished run, from its last or from the given checkpoint",
    )
    source_003.add_flags(train)
    _add_set(train, "any setting: training.epochs=5 features.joints=hands ...")

    sweep = verb(
        "sweep",
        "train several presets over several random seeds and compare them",
        "generated --seeds 0 1 2",
    )
    sweep.add_argument(
        "presets",
        nargs="+",
        metavar="PRESET",
        help=f"presets, or a family: {', '.join(all_sweeps())}",
    )
    sweep.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    sweep.add_argument("--mode", choices=["smoke", "full"], default="full")
    sweep.add_argument(
        "--hours",
        type=float,
        default=0.0,
        help="stop after so long; the same command resumes it later",
    )
    sweep.add_argument(
        "--workers", type=int, default=1, help="so many runs at once, each in a process of its own"
    )
    sweep.add_argument(
        "--estimate", action="store_true", help="only say what time and memory it will take"
    )
    _add_set(sweep, "for every run: training.devices=2 ...")

    predict = verb(
        "predict", "the five likeliest glosses of clips", "runs/landmarks-small/full-seed0 clip.mp4"
    )
    predict.add_argument("run", help="folder of a run")
    predict.add_argument(
        "clips",
        nargs="+",
        help="videos, .npy, .pose or .skeleton files, or stores made with the run's extractors",
    )
    predict.add_argument("--split", default="", help="of a store, only the clips of this split")
    predict.add_argument(
        "--tower",
        default="",
        metavar="MODEL",
        help="of a run on frozen features: where its encoder lies now, if it was moved",
    )
    predict.add_argument("--out", metavar="CSV", help="also write the table there")

    wer = verb(
        "wer",
        "word error rate of a run, or of hypotheses in a ctm against references in an stm",
        "dev.stm hypotheses.ctm --simplify phoenix-2014 --against baseline.ctm",
    )
    wer.add_argument(
        "reference",
        metavar="REF.stm|RUN",
        help=(
            "a line a sentence: clip channel signer start end GLOSS "
            "...; or the folder of a finished run, which needs no ctm"
        ),
    )
    wer.add_argument(
        "hypothesis",
        metavar="HYP.ctm",
        nargs="?",
        help="a line a gloss: clip channel start length GLOSS",
    )
    wer.add_argument(
        "--simplify",
        default="",
        metavar="MODE",
        help=(
            "phoenix-2014: the corpus's official rules, one "
            "gloss at a time; phoenix-2014-spanning: also those over neighbours; only hypotheses"
        ),
    )
    wer.add_argument(
        "--against", metavar="OTHER", help="also the paired test against this ctm, or this run"
    )

    compare = verb(
        "compare",
        "who is better, by how much, and how sure: the statistics of finished runs on the same"
        " clips",
        "runs/landmarks-small/full-seed0 runs/landmarks-base/full-seed0 --out comparison",
    )
    compare.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help=(
            "folders of runs; those that differ in seed or fold only are one system, the first is"
            " the reference"
        ),
    )
    compare.add_argument(
        "--rope",
        type=float,
        default=0.5,
        metavar="POINTS",
        help="a smaller difference does not matter (%(default)s)",
    )
    compare.add_argument(
        "--out", metavar="FOLDER", help="write the report and its figure there; else it is printed"
    )

    run = verb(
        "run", "run a notebook headless", "12_skeleton_encoder -p MODE full --out executed.ipynb"
    )
    run.add_argument("notebook", help="path or name of a notebook")
    run.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE")
    )
    run.add_argument(
        "--out", metavar="IPYNB", help="where the executed notebook goes; default: results/course"
    )

    ensemble = verb(
        "ensemble",
        "add the test scores of several runs, with equal weights",
        "runs/nw-ucla-nano/joint runs/nw-ucla-nano/bone",
    )
    ensemble.add_argument(
        "runs", nargs="+", metavar="RUN", help="folders of finished runs on the same test clips"
    )

    publish = verb(
        "publish", "copy a finished full run to results/", "runs/landmarks-small/full-seed0"
    )
    publish.add_argument("run", help="folder of a run")

    results = verb("results", "write the results table of the README from results/", "--check")
    results.add_argument(
        "--check", action="store_true", help="only say whether the README is up to date"
    )
    return top


def _add_set(made: argparse.ArgumentParser, text: str) -> None:
    made.add_argument(
        "--set", dest="overrides", nargs="+", action="extend", default=[], metavar="K=V", help=text
    )
