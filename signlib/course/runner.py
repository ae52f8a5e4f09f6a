"""Run the whole course and show what came out, or renew the outputs that its notebooks store.

`make course` runs every notebook and writes results/course.html; `make notebooks` writes outputs
into notebooks/ in their normal form. Both call `main`.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from signlib import paths
from signlib.course.notebook import NotebookResult, run_notebook
from signlib.course.page import course_page, notebook_page
from signlib.course.parameters import check_parameters
from signlib.errors import SettingsError, extra
from signlib.files import write_text
from signlib.processes import exit_code, piped, scratch

with extra("course"):
    import nbformat


def course_notebooks(folder: Path, only: Sequence[str] = (), template: bool = False) -> list[Path]:
    """The notebooks of the course in order.

    Args:
        folder: of notebooks.
        only: numbers (`00`) or names (`00_start_here`); empty = all.
        template: also notebooks whose name begins with `_`; they are not part of the course.

    Raises:
        SettingsError: when there is none, or none that `only` names.
    """
    notebooks = sorted(folder.glob("*.ipynb"))
    if not template:
        notebooks = [path for path in notebooks if not path.name.startswith("_")]
    if not notebooks:
        raise SettingsError(
            f"{folder} holds no notebook: run this from a whole checkout of the project"
        )
    if not only:
        return notebooks
    chosen = [path for path in notebooks if _names(path) & set(only)]
    unknown = [name for name in only if name not in set().union(*map(_names, chosen))]
    if unknown:
        names = ", ".join(path.stem for path in notebooks)
        raise SettingsError(f"--only {unknown[0]}: no such notebook; choose from {names}")
    return chosen


def _names(path: Path) -> set[str]:
    # What a notebook may be called on a command line: its file, its stem or its number.
    return {path.name, path.stem, path.stem.partition("_")[0]}


def run_course(
    notebooks: Path | None = None,
    results: Path | None = None,
    *,
    only: Sequence[str] = (),
    timeout: float = 0.0,
) -> list[NotebookResult]:
    """The results of the course, after writing `results/course.html`.

    One line a notebook is printed. Executed notebooks go to `results/course/`, runs to
    `results/course/runs/`, which begins empty: a run left by yesterday's code would be loaded and
    prove nothing. A failing notebook does not stop the others.

    Args:
        notebooks: folder of the course; default `notebooks/` of this checkout.
        results: folder of the page; default `results/` of this checkout.
        only: numbers or names; empty = all. Then the page shows these and runs of the others stay.
        timeout: seconds for one notebook; 0 = as long as it needs.

    Raises:
        InputError: when there is nothing to run, or a notebook cannot be run at all.
        DiskError: when the page cannot be written; the old one stays.
    """
    results = results or paths.results_root()
    chosen = course_notebooks(notebooks or paths.notebooks_root(), only)
    # A notebook that cannot run at all is refused before the first one has run for minutes.
    for path in chosen:
        check_parameters(path, {})
    course = results / "course"
    # With `only`, what the other notebooks left stays.
    stale = [course / "runs" / path.stem for path in chosen] if only else [course]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    done = []
    for path in chosen:
        result = _run(path, course / path.name, course / "runs", timeout)
        print(result, flush=True)
        _complain(result)
        write_text(course / f"{path.stem}.html", notebook_page(result.executed))
        done.append(result)
    page = results / "course.html"
    write_text(page, course_page(done, course.name))
    print(f"{page.resolve()}", flush=True)
    return done


def update_notebooks(
    notebooks: Path | None = None,
    results: Path | None = None,
    *,
    only: Sequence[str] = (),
    timeout: float = 0.0,
) -> list[NotebookResult]:
    """The results of the course and its template, whose outputs are renewed in place.

    A notebook is written in the normal form of `signlib.course.stored`, only when it changed, and
    only when every cell ran. Arguments and errors as in `run_course`.
    """
    from signlib.course.stored import stored_form

    folder = notebooks or paths.notebooks_root()
    chosen = course_notebooks(folder, only, template=True)
    done = []
    with scratch() as made:
        for path in chosen:
            result = _run(path, made / path.name, made / "runs", timeout)
            changed = False
            if result.error is None:
                text = stored_form(nbformat.read(result.executed, as_version=4))
                changed = text != path.read_text(encoding="utf-8")
                if changed:
                    write_text(path, text)
            print(result, "changed" if changed else "as before", flush=True)
            _complain(result)
            done.append(result)
    return done


def _run(path: Path, output: Path, runs: Path, timeout: float) -> NotebookResult:
    # One notebook with its defaults; at a terminal its name stands there while it runs.
    runs.mkdir(parents=True, exist_ok=True)
    if sys.stdout.isatty():
        print(f"{path.stem:<32} running", end="\r", flush=True)
    return run_notebook(
        path, output=output, timeout=timeout, environment={"SIGNLIB_RUNS": str(runs.resolve())}
    )


def _complain(result: NotebookResult) -> None:
    if result.error:
        print(f"\n{result.name}, {result.error}\n", file=sys.stderr, flush=True)


def _report_problems(only: Sequence[str]) -> int:
    # The number of broken rules, each printed as one line.
    from signlib.course.rules import check_file

    notebooks = course_notebooks(paths.notebooks_root(), only, template=True)
    problems = [f"{path.name}: {problem}" for path in notebooks for problem in check_file(path)]
    print("\n".join(problems or [f"{len(notebooks)} notebooks follow the rules"]))
    return len(problems)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 for success, 1 when a notebook failed or breaks a rule, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m signlib.course",
        description="Run the notebooks of the course in smoke mode.",
    )
    parser.add_argument(
        "--update", action="store_true", help="renew the outputs stored in notebooks/"
    )
    parser.add_argument(
        "--check", action="store_true", help="run nothing: say what breaks the rules of the course"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NN", help="numbers or names, as in --only 00 12"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds a notebook may take (default: as long as it needs)",
    )
    return piped(lambda: _run_as(parser.parse_args(arguments)))


def _run_as(chosen: argparse.Namespace) -> int:
    # What was typed, done.
    work = update_notebooks if chosen.update else run_course

    def done() -> int:
        if chosen.check:
            return int(bool(_report_problems(chosen.only)))
        results = work(only=chosen.only, timeout=chosen.timeout)
        return int(any(result.error for result in results))

    return exit_code("course", done)
