"""The command line: `python -m signlib VERB`; every verb has `--help` with an example.

A bad input ends with one line on stderr and exit code 2; `--debug` shows the traceback.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from signlib import flags, flags_frozen, paths
from signlib.errors import InputError, SettingsError

# torch reads these once, when it is first imported.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m signlib", description="Sign language recognition: extract, train, predict, compare."
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, text: str, example: str) -> argparse.ArgumentParser:
        # Abbreviated flags would change their meaning with every new flag.
        made = verbs.add_parser(
            name, allow_abbrev=False, help=text, description=text,
            epilog=f"example: python -m signlib {name} {example}", formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        # Also accepted after the verb; absent there, it must not undo the one before it.
        made.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    models = verb("models", "every preset and the sizes of its model", "--format csv")
    models.add_argument("--format", choices=["table", "csv"], default="table")

    extract = verb(
        "extract", "videos to a store of landmarks, of pictures, or of features of a frozen encoder",
        "my_videos --out stores/mine --extractor frozen --set model=google/gemma-3-4b-it",
    )  # fmt: skip
    extract.add_argument("source", nargs="?", help="a folder of videos (manifest.csv or sub-folders named by gloss), "
                         "AUTSL's or WLASL's folder, one video, or a folder of .npy or .pose files")  # fmt: skip
    extract.add_argument("--out", metavar="STORE", help="folder of the store; an existing one is gone on with")
    extract.add_argument("--extractor", choices=["holistic", "pictures", "phonology", "frozen"], default="holistic",
                         help="landmarks; pictures for models of video; phonology of a landmark store; or one vector "
                         "a frame from a frozen encoder (Gemma 3, SigLIP, VideoMAE, any of transformers)")  # fmt: skip
    extract.add_argument("--workers", type=int, default=1, help="processes; two are best on two cores")
    extract.add_argument("--shard", default="1/1", metavar="i/n", help="extract only part i of n (1-based)")
    extract.add_argument("--merge", action="store_true", help="make one store of the finished shards below STORE")
    extract.add_argument(
        "--skip-existing", "--skip_existing", action="store_true", help="what always happens: finished clips are kept"
    )
    extract.add_argument("--retry-failed", action="store_true", help="try clips again that failed before")
    flags_frozen.add_extract_flags(extract)
    _add_set(
        extract,
        "of the extractor: tracking=false, max_side=512, ...; of pictures: frames=16, size=224, ...; "
        "frozen: model=NAME_OR_FOLDER, frames=16, batch=32, dtype=float32, attention=flash, ...",
    )

    train = verb("train", "fit a model, test it once, write a run", "landmarks/small --data-root stores/my_videos")
    train.add_argument("preset", nargs="?", help="family/variant, see `models`; landmarks/small if none is given")
    train.add_argument("--corpus", "--dataset", dest="corpus", help="generated, store, dgs-30, asl-letters, ...")
    train.add_argument(
        "--data-root",
        "--data_dir",
        "--data-dir",
        dest="data_root",
        metavar="DIR",
        help="a store that `extract` made, or the corpus's folder",
    )
    train.add_argument("--mode", choices=["smoke", "full"], default="full", help="smoke: small sizes, generated clips")
    train.add_argument("--seed", type=int, help="of everything random; else the preset's own")
    train.add_argument("--run-name", default="", metavar="R", help="name of the run's folder")
    train.add_argument("--init-from", metavar="RUN", help="start from that run's encoder")
    train.add_argument("--estimate", action="store_true", help="only say what time and memory it will take")
    train.add_argument("--resume", nargs="?", const="", metavar="CKPT",
                       help="go on with an unfinished run, from its last or from the given checkpoint")  # fmt: skip
    flags.add_flags(train)
    _add_set(train, "any setting: training.epochs=5 features.joints=hands ...")

    sweep = verb("sweep", "train several presets over several seeds and compare them", "generated --seeds 0 1 2")
    sweep.add_argument(
        "presets", nargs="+", metavar="PRESET", help="presets, or a family: autsl, generated, sentences, stitched"
    )
    sweep.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    sweep.add_argument("--mode", choices=["smoke", "full"], default="full")
    sweep.add_argument("--hours", type=float, default=0.0, help="stop after so long; the same command goes on later")
    sweep.add_argument("--workers", type=int, default=1, help="so many runs at once, each in a process of its own")
    sweep.add_argument("--estimate", action="store_true", help="only say what time and memory it will take")
    _add_set(sweep, "for every run: training.devices=2 ...")

    predict = verb("predict", "the five likeliest glosses of clips", "runs/landmarks-small/full-seed0 clip.mp4")
    predict.add_argument("run", help="folder of a run")
    predict.add_argument(
        "clips", nargs="+", help="videos, .npy, .pose or .skeleton files, or stores made with the run's extractors"
    )
    predict.add_argument("--split", default="", help="of a store, only the clips of this split")
    predict.add_argument("--tower", default="", metavar="MODEL",
                         help="of a run on frozen features: where its encoder lies now, if it was moved")  # fmt: skip
    predict.add_argument("--out", metavar="CSV", help="also write the table there")

    wer = verb(
        "wer", "word error rate of a run, or of hypotheses in a ctm against references in an stm",
        "dev.stm hypotheses.ctm --simplify phoenix-2014 --against baseline.ctm",
    )  # fmt: skip
    wer.add_argument("reference", metavar="REF.stm|RUN", help="a line a sentence: clip channel signer start end GLOSS "
                     "...; or the folder of a finished run, which needs no ctm")  # fmt: skip
    wer.add_argument("hypothesis", metavar="HYP.ctm", nargs="?", help="a line a gloss: clip channel start length GLOSS")
    wer.add_argument("--simplify", default="", metavar="MODE", help="phoenix-2014: the corpus's official rules, one "
                     "gloss at a time; phoenix-2014-spanning: also those over neighbours; only hypotheses")  # fmt: skip
    wer.add_argument("--against", metavar="OTHER", help="also the paired test against this ctm, or this run")

    compare = verb(
        "compare", "who is better, by how much, and how sure: the statistics of finished runs on the same clips",
        "runs/landmarks-small/full-seed0 runs/landmarks-base/full-seed0 --out comparison",
    )  # fmt: skip
    compare.add_argument(
        "runs", nargs="+", metavar="RUN",
        help="folders of runs; those that differ in seed or fold only are one system, the first is the reference",
    )  # fmt: skip
    compare.add_argument(
        "--rope", type=float, default=0.5, metavar="POINTS", help="a smaller difference does not matter (%(default)s)"
    )
    compare.add_argument("--out", metavar="FOLDER", help="write the report and its figure there; else it is printed")

    run = verb("run", "run a notebook headless", "12_skeleton_encoder -p MODE full --out executed.ipynb")
    run.add_argument("notebook", help="path or name of a notebook")
    run.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    run.add_argument("--out", metavar="IPYNB", help="where the executed notebook goes; default: results/course")

    ensemble = verb("ensemble", "add the test scores of several runs, with equal weights",
                    "runs/nw-ucla-nano/joint runs/nw-ucla-nano/bone")  # fmt: skip
    ensemble.add_argument("runs", nargs="+", metavar="RUN", help="folders of finished runs on the same test clips")

    publish = verb("publish", "copy a finished full run to results/", "runs/landmarks-small/full-seed0")
    publish.add_argument("run", help="folder of a run")

    results = verb("results", "write the results table of the README from results/", "--check")
    results.add_argument("--check", action="store_true", help="only say whether the README is up to date")
    return top


def _add_set(made: argparse.ArgumentParser, text: str) -> None:
    made.add_argument("--set", dest="overrides", nargs="+", action="extend", default=[], metavar="K=V", help=text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        return COMMANDS[options.verb](options)
    except InputError as error:
        if options.debug:
            raise
        print(f"{options.verb}: {error}", file=sys.stderr)
        return 2


def _grouped(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def models(options: argparse.Namespace) -> int:
    """Print the table of presets."""
    from signlib.sizes import model_table

    table = model_table()
    if options.format == "csv":
        print(table.to_csv(index=False), end="")
    else:
        print(table.to_string(index=False, max_colwidth=None, formatters=dict.fromkeys(table.columns[1:-2], _grouped)))
    return 0


def extract(options: argparse.Namespace) -> int:
    """Make or go on with a store."""
    from signlib import extraction
    from signlib.features import frozen_files

    asked = flags_frozen.extraction_of(options)
    common = (asked.source, asked.out, asked.overrides, options.workers)
    whole = options.extractor in ("pictures", "phonology")
    if whole and (options.merge or options.shard != "1/1"):
        raise SettingsError(
            f"--extractor {options.extractor} makes its store in one piece: leave out --shard and --merge"
        )
    if options.extractor == "phonology":
        store = extraction.extract_phonology(*common[:3], options.retry_failed)
    elif options.extractor == "pictures":
        store = extraction.extract_pictures(*common, options.retry_failed)
    else:
        extractor = extraction.extract_frozen if options.extractor == "frozen" else extraction.extract
        store = extractor(*common, options.shard, options.merge, options.retry_failed)
    print(f"store {store.path}: {extraction.summary(store)}")
    if asked.files:
        written = frozen_files.write(store, asked.out, options.subset or "", asked.files)
        print(f"  {len(written)} files of seed 004's kind in {asked.out}")
    for row in store.failed.itertuples():
        print(f"  failed: {row.clip}: {row.reason}")
    return 0


def train(options: argparse.Namespace) -> int:
    """Fit a model and print what the run found."""
    from signlib import config, experiment, presets, runs

    if options.checkpoint_dir:
        os.environ["SIGNLIB_RUNS"] = options.checkpoint_dir  # processes of several devices inherit it
    preset = flags.preset_of(options)
    settings = presets.build(preset, options.mode, options.seed, flags.settings_of(options, preset))
    print(f"preset {preset} ({options.mode}), seed {settings.seed}, corpus {settings.data.corpus}")
    for key, value in config.differences(settings, presets.build(preset, options.mode)).items():
        print(f"  {key} = {value}")
    if options.estimate:
        from signlib.estimate import estimate, work_of

        print(estimate(settings, work_of(settings)).report())
        return 0
    name, resume = options.run_name, options.resume is not None
    if options.resume:
        name = experiment.rewind(options.resume, settings, options.run_name)
    source = runs.Run(options.init_from) if options.init_from else None
    run = experiment.train(settings, name, resume, init_from=source)
    used = run.facts
    print(f"  used: {used['device']}, precision {used['precision']}, {used['epochs']} epochs, {used['steps']} steps, "
          f"{used['parameters']:,} parameters; all settings in {run.path / runs.SETTINGS}")  # fmt: skip
    if settings.gcn.variant:
        print(experiment.decay_text(run))
    if not run.finished:
        print(f"run {run.path}: the time budget ended after {run.facts['epochs']} epochs; go on with --resume")
        return 0
    for metric in run.metrics:
        print(f"  {metric}")
    print(f"  chosen: {run.facts['chosen']}; split: {'; '.join(run.facts['split'])}")
    if settings.mode == "smoke":
        print("  a smoke run: small sizes, it says nothing about real signing")
    print(f"run {run.path}")
    return 0


def sweep(options: argparse.Namespace) -> int:
    """Train what a sweep lacks, and print what it found; exit code 3 when the time budget ended first."""
    from signlib import sweep as sweeping
    from signlib.evaluation import ablation, sentence_table

    if options.estimate:
        table = sweeping.cost(options.presets, options.seeds, options.mode, options.overrides)
        here = f"hours on {table['device'].iloc[0]} (measured)"
        table = table.rename(columns={"hours": here, "T4": "hours on a T4 (computed)", "memory": "GiB here (counted)",
                                      "memory_t4": "GiB on a T4 (counted)"})  # fmt: skip
        print(f"{len(options.seeds)} seeds of each preset, one after the other")
        print(table.drop(columns="device").to_string(float_format="{:.2f}".format))
        print(f"in all: {table[here].sum():.1f} hours here, {table['hours on a T4 (computed)'].sum():.1f} on a T4")
        return 0
    done = sweeping.sweep(
        options.presets, options.seeds, options.mode, options.overrides, options.hours, workers=options.workers
    )
    if done.open:
        print(f"the time budget ended before {len(done.open)} runs ({', '.join(done.open)}); the same command goes on")
        return 3
    if sentence_table.spoken(done.runs):
        print(sentence_table.readable(sentence_table.sentence_table(done.runs)).to_string())
    else:
        print(ablation.readable(ablation.condition_table(done.runs)).to_string())
        gains = ablation.against_best_member(done.runs)
        if len(gains):
            print(f"\nagainst the best member by validation, over signers, {len(options.seeds)} seeds averaged")
            print(ablation.readable_gains(gains).to_string())
    if options.mode == "smoke":
        print("smoke runs: small sizes, they say nothing about real signing")
    return 0


def predict(options: argparse.Namespace) -> int:
    """Print the five likeliest glosses of each clip; exit code 2 when no clip could be used."""
    from signlib import files, recognise, runs

    run = runs.Run(options.run)
    table = recognise.predict(run, options.clips, options.split, tower=options.tower)
    if run.settings.data.corpus == "generated":
        print("this run was trained on generated clips: what it says of real ones means nothing", file=sys.stderr)
    for row in table.itertuples():
        best = ", ".join(f"{gloss} {share:.0%}" for gloss, share in row.top)
        without = f" (without {row.missing})" if row.missing else ""
        print(f"{row.clip}: {best or 'not usable: ' + row.problem}{without}")
        if row.warning:
            print(f"  unlike the training clips, so do not trust this: {row.warning}")
    known = table[(table["gloss"] != "") & (table["problem"] == "")]
    if len(known):
        right = sum(row.top[0][0] == row.gloss for row in known.itertuples())
        print(f"{right} of {len(known)} clips whose gloss is known are right")
    if options.out:
        files.write_text(Path(options.out), recognise.long_table(table).to_csv(index=False))
    return 0 if (table["problem"] == "").any() else 2


def wer(options: argparse.Namespace) -> int:
    """Print counts, intervals and confusions, and the paired test where there is a second ctm."""
    from signlib.evaluation import wer_report

    found = wer_report.score(options.reference, options.hypothesis, options.simplify)
    print(wer_report.report(found))
    if options.against:
        pair = (options.reference, options.against) if options.hypothesis else (options.against, None)
        compared = wer_report.compare(wer_report.score(*pair, options.simplify), found)
        print(f"\n{wer_report.describe(compared, (options.against, options.hypothesis or options.reference))}")
    return 0


def compare(options: argparse.Namespace) -> int:
    """Print the verdicts, and the report or where it was written."""
    from signlib import runs
    from signlib.evaluation import compare_report

    made = compare_report.report([runs.Run(path) for path in options.runs], options.rope)
    if not options.out:
        print(compare_report.markdown(made), end="")
        return 0
    for text in made.verdicts():
        print(text)
    for path in compare_report.write(made, Path(options.out)):
        print(path)
    return 0


def run(options: argparse.Namespace) -> int:
    """Run one notebook; a failing cell is shown and makes the exit code 1."""
    from signlib.course.notebook import run_notebook

    given = Path(options.notebook)
    path = given if given.suffix == ".ipynb" else paths.notebooks_root() / f"{given.name}.ipynb"
    if not path.is_file():
        raise SettingsError(f"notebook {path} does not exist; `ls {paths.notebooks_root()}` lists them")
    output = Path(options.out) if options.out else paths.results_root() / "course" / path.name
    result = run_notebook(path, dict(options.parameters), output)
    print(result)
    if result.error is not None:
        print(result.error, file=sys.stderr)
        return 1
    print(f"executed notebook: {output}")
    return 0


def ensemble(options: argparse.Namespace) -> int:
    """Print what several runs reach together."""
    from signlib import runs
    from signlib.evaluation import ensemble as evaluation

    together = evaluation.ensemble([runs.Run(folder) for folder in options.runs])
    print(evaluation.readable(evaluation.ensemble_table(together), together).to_string())
    return 0


def publish(options: argparse.Namespace) -> int:
    """Publish a run."""
    from signlib import corpora, runs

    found = runs.Run(options.run)
    print(f"published {runs.publish(found, found.settings.data.corpus not in corpora.OPEN)}")
    return 0


def results(options: argparse.Namespace) -> int:
    """Write or check the README's results table."""
    from signlib.evaluation import tables

    changed = tables.update_readme(check_only=options.check)
    print(
        "README.md: the results table "
        + ("differs" if changed and options.check else "is up to date" if not changed else "was written")
    )
    return 1 if changed and options.check else 0


COMMANDS = {
    "models": models, "extract": extract, "train": train, "sweep": sweep, "predict": predict,
    "wer": wer, "compare": compare, "ensemble": ensemble, "run": run, "publish": publish, "results": results,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
