"""What `make fuzz` and `make kill` found, kept in docs/trust.json, and the page's part made of it.

`python -m tests.fuzz.trust` writes the part into docs/trust.md again.
"""

import json
from pathlib import Path
from typing import Any

from signlib.files import with_part, write_text

DOCS = Path(__file__).parent.parent.parent / "docs"
RESULTS, PAGE = DOCS / "trust.json", DOCS / "trust.md"
START, END = "<!-- trust: start -->", "<!-- trust: end -->"
# So many inputs a reader, and kills a kind of work, are what the full runs try.
INPUTS, KILLS = 10_000, 100


def load() -> dict[str, Any]:
    """What was kept, or nothing."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}


def keep(kind: str, name: str, row: dict[str, Any]) -> None:
    """Keep one row (`fuzz` or `kills`) and write the page's part, each whole or not at all."""
    # What others kept meanwhile stays.
    results = load()
    results.setdefault(kind, {})[name] = row
    write_text(RESULTS, json.dumps(results, indent=1, sort_keys=True) + "\n")
    write_page()


def write_page() -> None:
    """Write the page's part again."""
    write_text(PAGE, with_part(PAGE, START, END, part(load())))


def part(results: dict[str, Any]) -> str:
    """The tables of the page."""
    fuzz, kills = results.get("fuzz", {}), results.get("kills", {})
    inputs, faults = (sum(row[key] for row in fuzz.values()) for key in ("inputs", "faults"))
    lines = [
        f"**{inputs:,} damaged inputs** of {len(fuzz)} readers; a full run has {INPUTS:,} a reader."
        f" Faults found in them: **{faults:,}**.",
        "",
        "| reader | inputs | refused by name | rightly accepted | faults |",
        "|---|---|---|---|---|",
    ]
    for name, row in sorted(fuzz.items()):
        cells = [f"{row[key]:,}" for key in ("inputs", "refused", "accepted", "faults")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    killed, same = (sum(row[key] for row in kills.values()) for key in ("kills", "same"))
    lines += [
        "",
        f"**{killed:,} kills** (`kill -9` at a random moment) of {len(kills)} kinds of work; a full"
        f" run has {KILLS} of each. Ended with the bytes of an uninterrupted one: **{same:,}**.",
        "",
        "| work | kills | the same bytes |",
        "|---|---|---|",
    ]
    for name, row in sorted(kills.items()):
        lines.append(f"| {name} | {row['kills']} | {row['same']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    write_page()
