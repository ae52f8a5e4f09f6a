"""What each verb of `python -m signlib` does; `parser` says what can be typed.

A bad input ends with one line on stderr and exit code 2; `--debug` shows the traceback. Ctrl-C and
SIGTERM end with one line that says how to go on, and exit code 130 or 143; docs/architecture.md has
all of them.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from signlib import paths
from signlib.cli import source_flags
from signlib.cli.parser import PROGRAM, parser, verbs
from signlib.errors import SettingsError, did_you_mean, failure_lines, shortened
from signlib.processes import exit_code, piped

# torch reads this once, when it is first imported.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb and verb not in COMMANDS:
        hint = did_you_mean(verb, COMMANDS, f"{PROGRAM} --help")
        print(shortened(f"signlib: {verb!r} is no verb; {hint}"), file=sys.stderr)
        return 2
    return piped(lambda: _typed(words))


def _typed(words: Sequence[str]) -> int:
    # What was typed, done.
    options = parser().parse_args(words)
    if not options.verb:
        parser().print_help()
        return 0
    resumed = verbs()[options.verb].resumed
    return exit_code(options.verb, lambda: COMMANDS[options.verb](options), resumed, options.debug)


def models(options: argparse.Namespace) -> None:
    """Print the table of presets."""
    from signlib.experiments import sizes

    table = sizes.model_table(options.macs)
    if options.format == "csv":
        print(table.to_csv(index=False), end="")
    else:
        print(sizes.readable(table, shutil.get_terminal_size().columns))


def extract(options: argparse.Namespace) -> int:
    """Make or resume a store; exit code 3 when clips failed, 2 when no clip could be used."""
    from signlib.experiments import extraction
    from signlib.extraction import frozen_files
    from signlib.stores.store import FAILED

    request = source_flags.extraction_of(options)
    store = extraction.extract(
        request.source,
        request.out,
        options.extractor,
        request.overrides,
        workers=options.workers,
        shard=options.shard,
        merge=options.merge,
        retry_failed=options.retry_failed,
        cut=options.cut,
    )
    print(f"store {store.path}: {extraction.summary(store, options.extractor)}")
    if request.files:
        files = frozen_files.write(store, request.out, options.subset or "", request.files)
        print(f"  {len(files)} files of source 004's kind in {request.out}")
    notes = getattr(store, "notes", {})
    if notes:
        clip, note = next(iter(notes.items()))
        print(f"  {len(notes)} clips have a note in notes.csv; the first, {clip}: {note}")
    if not len(store.failed):
        return 0
    names = store.failed[list(store.KEY)].agg("/".join, axis=1)
    for line in failure_lines(dict(zip(names, store.failed["reason"], strict=True))):
        print(f"  failed: {line}")
    status = 3 if len(store) else 2
    print(
        f"  exit status {status}, because {len(store.failed)} failed ({store.path / FAILED} has"
        " all); once they are mended, run the same command again (--retry-failed: also those whose"
        " files have not changed)"
    )
    return status


def train(options: argparse.Namespace) -> None:
    """Fit a model and print what the run found."""
    from signlib.experiments.early import check_asked, check_training
    from signlib.runs.run import SETTINGS, Run
    from signlib.settings import config, presets

    if options.checkpoint_dir:
        # Processes of several devices inherit it.
        os.environ["SIGNLIB_RUNS"] = options.checkpoint_dir
    preset = source_flags.preset_of(options)
    asked = source_flags.settings_of(options, preset)
    settings = presets.build(preset, options.mode, options.seed, asked)
    if not options.resume:
        check_asked(settings, asked)
    print(f"preset {preset} ({options.mode}), seed {settings.seed}, corpus {settings.data.corpus}")
    for key, value in config.differences(settings, presets.build(preset, options.mode)).items():
        print(f"  {key} = {value}")
    if options.estimate:
        from signlib.experiments.estimate import estimate, work_of

        print(estimate(settings, work_of(settings)).report())
        return
    name = options.run_name
    source = Run(options.init_from) if options.init_from else None
    check_training(settings, name)
    from signlib.experiments import experiment
    from signlib.tasks.registry import task_of

    if options.resume:
        name = experiment.rewind(options.resume, settings, name)
    run = experiment.train(settings, name, options.resume is not None, init_from=source)
    used = run.facts
    print(
        f"  used: {used['device']}, precision {used['precision']}, {used['epochs']} epochs,"
        f" {used['steps']} steps, {used['parameters']:,} parameters; all settings in"
        f" {run.path / SETTINGS}"
    )
    if task_of(settings).lists_decay:
        print(experiment.decay_text(run))
    if not run.finished:
        print(
            f"run {run.path}: the time budget ended after {run.facts['epochs']} epochs; resume it"
            " with --resume"
        )
        return
    for metric in run.metrics:
        print(f"  {metric}")
    if run.untested:
        print(f"  not tested: {run.untested}")
    print(f"  chosen: {run.facts['chosen']}; split: {'; '.join(run.facts['split'])}")
    if settings.mode == "smoke":
        print("  a smoke run: small sizes, it says nothing about real signing")
    print(f"run {run.path}")


def sweep(options: argparse.Namespace) -> int:
    """Train what a sweep lacks and print the results; exit code 3 when the time ended first."""
    if options.search or options.space:
        return _search(options)
    from signlib.experiments import sweep as sweeping
    from signlib.reports import ablation, sentence_table

    each = sweeping.runs_each(options.seeds)
    if options.estimate:
        table = sweeping.cost(options.presets, options.seeds, options.mode, options.overrides)
        here = f"hours on {table['device'].iloc[0]} (measured)"
        table = table.rename(
            columns={
                "hours": here,
                "T4": "hours on a T4 (computed)",
                "memory": "GiB here (counted)",
                "memory_t4": "GiB on a T4 (counted)",
            }
        )
        print(f"{each} seeds of each preset, one after the other")
        print(table.drop(columns="device").to_string(float_format="{:.2f}".format))
        print(
            f"in all: {table[here].sum():.1f} hours here,"
            f" {table['hours on a T4 (computed)'].sum():.1f} on a T4"
        )
        return 0
    done = sweeping.sweep(
        options.presets,
        options.seeds,
        options.mode,
        options.overrides,
        options.hours,
        workers=options.workers,
    )
    if done.open:
        print(
            f"the time budget ended before {len(done.open)} runs ({', '.join(done.open)}); the same"
            " command resumes them"
        )
        return 3
    if done.untested:
        print(f"no results, because nothing was tested: {', '.join(done.untested)}")
        done.runs = {name: members for name, members in done.runs.items() if members}
        if not done.runs:
            return 0
    if sentence_table.spoken(done.runs):
        print(sentence_table.readable(sentence_table.sentence_table(done.runs)).to_string())
    else:
        print(ablation.readable(ablation.condition_table(done.runs)).to_string())
        gains = ablation.against_best_member(done.runs)
        if len(gains):
            print(f"\nagainst the best member by validation, over signers, {each} seeds averaged")
            print(ablation.readable_gains(gains).to_string())
    if options.mode == "smoke":
        print("smoke runs: small sizes, they say nothing about real signing")
    return 0


def _search(options: argparse.Namespace) -> int:
    # Of each preset its best settings, and what they reach; 3 when the time ended first.
    for flag, given in (("--estimate", options.estimate), ("--workers", options.workers > 1)):
        SettingsError.raise_if(
            given,
            f"{flag} does not go with --search, whose trials come one after the other and learn"
            " from each other; leave it out (`train PRESET --estimate` says what one trial takes)",
        )
    from signlib.experiments import search, sweep

    status, end = 0, time.monotonic() + 3600 * options.hours
    for preset in sweep.members(options.presets):
        # One budget for all presets; 0 would be none.
        left = max((end - time.monotonic()) / 3600, 1e-6) if options.hours else 0.0
        result = search.search(
            preset,
            options.search,
            options.space,
            options.mode,
            options.seeds,
            options.overrides,
            left,
        )
        print(f"preset {preset}: {len(result.trials)} trials, by {result.measure}")
        print(result.trials.to_string(float_format="{:.4g}".format))
        if result.open:
            print("the time budget ended first; the same command resumes the search")
            status = 3
        for run in result.runs:
            print(f"trial {result.best} was best; its settings with seed {run.settings.seed}:")
            for metric in run.metrics:
                print(f"  {metric}")
            print(f"run {run.path}")
    if options.mode == "smoke":
        print("smoke runs: small sizes, they say nothing about real signing")
    return status


def predict(options: argparse.Namespace) -> int:
    """Print what each clip says, the likeliest first; exit code 2 when no clip could be used."""
    from signlib import files
    from signlib.corpora.registry import corpus_of
    from signlib.data.points import FileNumbers
    from signlib.experiments import early, prediction
    from signlib.extraction.registry import extractor_settings
    from signlib.runs.run import Run

    run = Run(options.run)
    early.check_clips(options.clips)
    table = prediction.predict(
        run,
        options.clips,
        options.split,
        tower=options.tower,
        fps=options.fps,
        numbers=extractor_settings(FileNumbers, options.overrides),
    )
    if corpus_of(run.settings.data).generated:
        print(
            "this run was trained on generated clips: what it says of real ones means nothing",
            file=sys.stderr,
        )
    print(prediction.report(table))
    if options.out:
        files.write_table(Path(options.out), prediction.long_table(table))
    return 0 if (table["problem"] == "").any() else 2


def wer(options: argparse.Namespace) -> None:
    """Print counts, intervals and confusions, and the paired test where there is a second ctm."""
    from signlib.reports import wer_report

    rules = options.simplify, options.empty
    scored = wer_report.score(options.reference, options.hypothesis, *rules)
    print(wer_report.report(scored))
    if options.against:
        other = (options.against, None)
        if options.hypothesis:
            other = (options.reference, options.against)
        compared = wer_report.compare(wer_report.score(*other, *rules), scored)
        names = (options.against, options.hypothesis or options.reference)
        print(f"\n{wer_report.describe(compared, names)}")


def compare(options: argparse.Namespace) -> None:
    """Print the verdicts, and the report or where it was written."""
    from signlib.runs.run import Run

    runs = [Run(path) for path in options.runs]
    from signlib.reports import compare_report

    report = compare_report.report(runs, options.rope)
    if not options.out:
        print(compare_report.markdown(report), end="")
        return
    for text in report.verdicts():
        print(text)
    print(*compare_report.write(report, Path(options.out)), sep="\n")


def run(options: argparse.Namespace) -> int:
    """Run one notebook; a failing cell is shown and makes the exit code 1."""
    from signlib.course.notebook import run_notebook

    given = Path(options.notebook)
    path = given if given.suffix == ".ipynb" else paths.notebooks_root() / f"{given.name}.ipynb"
    if not path.is_file():
        names = sorted(file.stem for file in paths.notebooks_root().glob("[0-9]*.ipynb"))
        hint = did_you_mean(given.stem, names, f"ls {paths.notebooks_root()}")
        raise SettingsError(f"notebook {path} does not exist; {hint}")
    output = Path(options.out) if options.out else paths.results_root() / "course" / path.name
    result = run_notebook(path, dict(options.parameters), output, timeout=options.timeout)
    print(result)
    if result.error is not None:
        print(result.error, file=sys.stderr)
        return 1
    print(f"executed notebook: {output}")
    return 0


def ensemble(options: argparse.Namespace) -> None:
    """Print what several runs reach together."""
    from signlib.runs.run import Run

    runs = [Run(folder) for folder in options.runs]
    from signlib.reports import ensemble as evaluation

    together = evaluation.ensemble(runs)
    print(evaluation.readable(evaluation.ensemble_table(together), together).to_string())


def publish(options: argparse.Namespace) -> None:
    """Publish a run, or write its weights under the names of source 004."""
    SettingsError.raise_if(
        options.as_source_004 and options.seen,
        "--seen does not go with --as-source-004, which publishes nothing; leave one of them out",
    )
    if options.as_source_004:
        _write_simple_model(options)
        return
    SettingsError.raise_if(
        options.form,
        f"--form {options.form} is of --as-source-004 FOLDER; add it, or leave --form out",
    )
    from signlib.corpora.registry import corpus_of
    from signlib.runs import publishing
    from signlib.runs.run import Run

    run = Run(options.run)
    restricted = not corpus_of(run.settings.data).open
    print(f"published {publishing.publish(run, restricted, options.seen)}")


def _write_simple_model(options: argparse.Namespace) -> None:
    from signlib.runs.run import Run
    from signlib.runs.simple_model import FORMS, write_simple_model

    files, missing = write_simple_model(
        Run(options.run), options.as_source_004, options.form or FORMS[0]
    )
    print(*files, sep="\n")
    if missing:
        print(missing)


def results(options: argparse.Namespace) -> int:
    """Write or check the README's results table."""
    from signlib.reports.results_table import faults, update_readme

    for line in faults():
        print(line)
    changed = update_readme(check_only=options.check)
    news = "differs" if options.check else "was written"
    print(f"README.md: the results table {news if changed else 'is up to date'}")
    return int(changed and options.check)


COMMANDS: dict[str, Callable[[argparse.Namespace], int | None]] = {
    "models": models,
    "extract": extract,
    "train": train,
    "sweep": sweep,
    "predict": predict,
    "wer": wer,
    "compare": compare,
    "ensemble": ensemble,
    "run": run,
    "publish": publish,
    "results": results,
}
