"""Numbers as text for a page: a value beside its interval, several seeds, a table in markdown."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd


def spread(value: float, low: float, high: float, form: str = ".1f", ends: str = "") -> str:
    """`value [low, high]`; "" for a value that is not there (NaN).

    Args:
        form: how the value is written; ends: how the interval is, where that differs.

    >>> spread(61.25, 58, 64.04), spread(2.5, -1, 6, "+.1f", "+.0f")
    ('61.2 [58.0, 64.0]', '+2.5 [-1, +6]')
    """
    if np.isnan(value):
        return ""
    ends = ends or form
    return f"{value:{form}} [{low:{ends}}, {high:{ends}}]"


def spreads(
    table: pd.DataFrame, columns: Sequence[str], form: str = ".1f", ends: str = ""
) -> list[str]:
    """`spread` of each row, from its columns value, low and high."""
    return [
        spread(value, low, high, form=form, ends=ends)
        for value, low, high in table[list(columns)].to_numpy(float)
    ]


def each(values: Iterable[float], form: str = ".1f") -> str:
    """The values one after the other, such as those of several seeds."""
    return ", ".join(f"{value:{form}}" for value in values)


def markdown_table(table: pd.DataFrame) -> str:
    """The columns of a table as markdown, without its index."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|---" * table.shape[1] + "|"]
    # a bar would end the cell
    cells = table.astype(str).apply(lambda column: column.str.replace("|", "/", regex=False))
    return "\n".join(
        lines + ["| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)]
    )
