"""Option A of seed 002: its table of sizes beside the true counts and WLASL's own numbers of clips.

`--doc docs/phonology.md` writes it into the page. Nothing is trained. The subset of K glosses is WLASL's own: the
first K classes of its list; clips are those of the official split, whether their videos can still be had or not.
"""

import argparse
from pathlib import Path

import pandas as pd

from signlib import paths
from signlib.data import wlasl
from signlib.evaluation.vocabulary_size import SEED_SIZES, size_table
from signlib.files import write_text

BEGIN, END = "<!-- option A: written by studies/vocabulary_size.py -->", "<!-- end of option A -->"
FEWEST = (3, 5, 10)
"""Least training clips of a gloss; the seed asks for 3 to 5."""


def counted(table: pd.DataFrame, order: list[str]) -> tuple[dict[int, int], list[str]]:
    """Training clips of each subset, and how many of its glosses have enough of them, as rows in markdown.

    Args:
        table: manifest of all classes.
        order: glosses by class number.
    """
    clips, rows = {}, []
    for glosses in SEED_SIZES:
        own = table[table["gloss"].isin(order[:glosses])]
        each = own.loc[own["split"] == "train", "gloss"].value_counts()
        clips[glosses] = int(each.sum())
        parts = own["split"].value_counts()
        enough = " | ".join(f"{(each >= fewest).sum():,}" for fewest in FEWEST)
        rows.append(f"| {glosses:,} | {parts['train']:,} / {parts['val']:,} / {parts['test']:,} | {each.median():.0f} "
                    f"({each.min()} to {each.max()}) | {enough} |")  # fmt: skip
    return clips, rows


def main() -> None:
    """Count and print; write into a page where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--doc", type=Path, help="write the tables between this page's marks")
    options = parser.parse_args()
    root = paths.data_root() / "wlasl"
    clips, rows = counted(wlasl.read_manifest(root, "nslt_2000.json"), wlasl.read_classes(root / wlasl.CLASSES))
    sizes = size_table(clips)
    lines = ["| " + " | ".join(sizes) + " |", "|---" * len(sizes.columns) + "|"]
    for row in sizes.itertuples(index=False):
        lines.append("| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) + " |")
    head = ["glosses", "train / val / test", "training clips a gloss: median (least to most)"]
    head += [f"glosses with {fewest} or more" for fewest in FEWEST]
    lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|", *rows]
    page = "\n".join(lines)
    print(page)
    if options.doc:
        before, rest = options.doc.read_text(encoding="utf-8").split(BEGIN)
        write_text(options.doc, f"{before}{BEGIN}\n{page}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
