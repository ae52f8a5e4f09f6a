"""Run benchmarks and keep what they print in `docs/speed.md`, with what the machine did meanwhile.

`python -m benchmarks` runs all of them, `python -m benchmarks store sentences` some.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from signlib.files import with_part, write_text
from signlib.runs.run import commit

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "speed.md"
NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
# Below so many waiting programs for each core the machine was idle.
IDLE = 0.1


def heading(before: float, after: float, cores: int, date: str, state: str) -> str:
    """What a reader must know of a table: when, which code, and what else ran.

    Args:
        before, after: mean load of the minute before, and of the last one.
        cores: of the machine.
        date: of the day.
        state: the commit; with `+` where the work tree differs, "" where nobody knows.

    >>> heading(0.1, 1.2, 2, "2026-11-30", "abc")
    'Measured 2026-11-30 at commit abc, 2 cores, idle before (load 0.1, 1.2 at the end).'
    """
    idle = before < IDLE * cores
    busy = f"idle before (load {before:.1f}," if idle else f"other programs ran (load {before:.1f},"
    return (
        f"Measured {date} at commit {state or 'unknown'}, {cores} cores, {busy} {after:.1f} at the"
        " end)."
    )


def measured(name: str) -> str:
    """The part of the page of one benchmark.

    Raises:
        CalledProcessError: when it fails; what it says is on the screen.
    """
    before = os.getloadavg()[0]
    line = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(line, cwd=FOLDER.parent, stdout=subprocess.PIPE, text=True, check=True)
    date, cores = time.strftime("%Y-%m-%d", time.gmtime()), os.cpu_count() or 1
    told = heading(before, os.getloadavg()[0], cores, date, commit())
    return f"{told}\n\n{done.stdout.strip()}"


def keep(name: str, text: str, page: Path = PAGE) -> None:
    """Put the part of a benchmark in its place of the page, or behind all others."""
    start, end = f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"
    content = page.read_text(encoding="utf-8")
    if start not in content:
        write_text(page, f"{content.rstrip()}\n\n## {name}\n\n{start}\n{end}\n")
    write_text(page, with_part(page, start, end, text))


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="default: all")
    for name in parser.parse_args().names or NAMES:
        text = measured(name)
        print(text, flush=True)
        keep(name, text)


if __name__ == "__main__":
    main()
