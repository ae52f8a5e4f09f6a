"""How large every preset's model is: parameters by part, and multiply-accumulates of one clip.

Counting needs torch and every network, so the counts are kept beside this file, in `sizes.csv`
(`make sizes` writes it, a test counts again). Only presets from outside the package are counted
when they are asked for. Weights are neither drawn nor loaded for it.
"""

import csv
import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from signlib.files import write_text
from signlib.settings import presets, registry
from signlib.settings.base import Settings

if TYPE_CHECKING:
    from signlib.tasks.task import Inputs

# Column -> value of one row; "" = the model has no such part.
Row: TypeAlias = dict[str, str | int]

KEPT = Path(__file__).with_name("sizes.csv")
# Fewer columns than these are too few for a text.
_FEWEST = 40


def model_table(macs: bool = False) -> pd.DataFrame:
    """One row a preset with the sizes of its model's parts.

    On frozen features there is one a feature size, Gemma 3's first. `rgb` and `depth` are the
    video encoders, `encoder` the transformer on landmarks, `projection` what leads into it,
    `fusion` the projections and weights of the modalities, `classifier` the rest; "" where there
    is none. Of a graph network, `encoder` is its blocks and `fusion` that of its streams; of one
    for sentences, `projection` is what works on every frame, `encoder` what works on pooled ones.
    `stated` is what the source of the preset states, where it does.

    Args:
        macs: also count multiply-accumulates (the column `MACs`), which takes half a minute.
    """
    kept = kept_rows()
    rows: list[Row] = []
    for name, (_, preset) in registry.all_presets().items():
        of_preset = [row for row in kept if str(row["preset"]).partition(", ")[0] == name]
        if macs or not of_preset:
            of_preset = counted(name, macs)
        for row in of_preset:
            here = row["preset"] == row_name(name, preset.stated_width)
            stated = preset.stated if here else ""
            rows.append(row | {"stated": stated, "about": preset.question})
    return pd.DataFrame(rows)


def row_name(preset: str, width: int = 0) -> str:
    """How the table calls a preset on frozen features of a width; 0 = the usual."""
    return f"{preset}, {width:,}-D" if width else preset


def kept_rows() -> list[Row]:
    """The rows of `sizes.csv`."""
    with KEPT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {key: int(value) if value.isdigit() else value for key, value in row.items()}
        for row in rows
    ]


def counted_rows() -> list[Row]:
    """What `sizes.csv` must hold: a few seconds."""
    return [row for name in registry.all_presets() for row in counted(name)]


def keep(rows: list[Row]) -> None:
    """Write `sizes.csv`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(KEPT, text.getvalue())


def counted(name: str, macs: bool = False) -> list[Row]:
    """The rows of one preset, counted on tensors without values."""
    # Only here: the table of models should not wait for torch.
    import torch

    from signlib.models.classifier import parameter_count
    from signlib.tasks.registry import task_of
    from signlib.tasks.task import PARTS, Inputs

    settings = presets.build(name)
    task, classes = task_of(settings), classes_of(settings)
    rows = []
    for width in task.widths(settings):
        inputs = inputs_of(settings, width)
        with torch.device("meta"):
            model = task.network(task.compact(settings), inputs, classes)
        row: Row = {
            "preset": row_name(name, 0 if width == Inputs().width else width),
            "parameters": parameter_count(model),
            **dict.fromkeys(PARTS, ""),
            **task.count_parts(model),
            "classes": classes,
        }
        if macs:
            row["MACs"] = task.count_macs(settings, inputs, classes)
        rows.append(row)
    return rows


def inputs_of(settings: Settings, width: int | None = None) -> "Inputs":
    """What the clips of the settings' corpus give a network, whether its files are there or not.

    Args:
        settings: of any task.
        width: D, numbers a frame of frozen features; None = Gemma 3's.
    """
    from signlib.corpora.registry import corpus_of
    from signlib.data.skeletons import MEDIAPIPE_543, skeleton
    from signlib.tasks.task import Inputs

    layout = settings.data.skeleton or corpus_of(settings.data).skeleton
    base = skeleton(layout or MEDIAPIPE_543.name)
    return Inputs(base) if width is None else Inputs(base, width)


def classes_of(settings: Settings) -> int:
    """How many glosses count for the table: the settings' own limit, or those of their corpus.

    Of a corpus that says no number, as many as a generated one would have.
    """
    from signlib.corpora.registry import corpus_of

    corpus = corpus_of(settings.data)
    # Generated sentences also point, which is a gloss more.
    generated = settings.data.glosses + corpus.sentences
    stated = None if corpus.generated else corpus.glosses
    return settings.data.limit_classes or stated or generated


def part_columns(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns with a part of the model each: between the whole and the classes."""
    names = list(table)
    return tuple(names[names.index("parameters") + 1 : names.index("classes")])


def readable(table: pd.DataFrame, width: int) -> str:
    """The table as text; a line is as wide as the terminal.

    Parts are left out where they do not fit. What a preset is for stands in the last column, or
    below the rest where the terminal is narrow.

    Args:
        table: of `model_table`.
        width: of the terminal, characters.
    """
    cells = {
        name: [name, *(f"{value:,}" if isinstance(value, int) else value for value in column)]
        for name, column in table.drop(columns="about").items()
    }
    sizes = {name: 2 + max(map(len, column)) for name, column in cells.items()}
    parts = part_columns(table)
    whole = sum(sizes.values()) + _FEWEST <= width
    columns = [name for name in cells if whole or name not in parts]
    taken = sum(sizes[name] for name in columns)
    beside = taken + _FEWEST <= width
    indent = taken if beside else 4
    lines = []
    for number, text in enumerate(["about", *table["about"]]):
        first, *others = columns
        line = cells[first][number].ljust(sizes[first] - 2)
        line += "".join(cells[name][number].rjust(sizes[name]) for name in others)
        below = textwrap.wrap(text, max(width - indent, 1))
        if beside:
            line += "  " + below.pop(0)
        lines += [line.rstrip(), *(" " * indent + rest for rest in below)]
    if not whole:
        lines.append("the parts of each model: a wider terminal, or --format csv")
    return "\n".join(lines)
