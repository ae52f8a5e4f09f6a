"""Sizes of models: those that are kept are those that are counted, and those that sources state."""

import re
import subprocess
import sys

import pandas as pd
import pytest
import torch

from signlib.experiments import sizes
from signlib.models.classifier import parameter_count
from signlib.settings import presets
from signlib.settings.registry import all_presets
from signlib.tasks.registry import open_task, task_of
from signlib.tasks.task import PARTS

# Row of the table -> what the source of its preset states.
STATED = {
    sizes.row_name(name, preset.stated_width): preset.stated
    for name, (_, preset) in all_presets().items()
    if preset.stated
}
# Where a source's estimate is not what its network has; docs/sources.md says more of source 002.
ESTIMATED = {
    "phonology/vocabulary-100",
    "phonology/vocabulary-300",
    "phonology/vocabulary-500",
    "phonology/wlasl-100",
    "phonology/wlasl-500",
    "phonology/wlasl-2000-large",
}


def test_the_kept_sizes_are_the_counted_ones():
    assert sizes.counted_rows() == sizes.kept_rows(), "run: make sizes"


def test_what_is_kept_is_read_as_it_was_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "KEPT", tmp_path / "sizes.csv")
    rows = sizes.counted("wlasl/concat") + sizes.counted("ntu60/nano")
    sizes.keep(rows)
    assert sizes.kept_rows() == rows


def test_the_table_says_which_parts_there_are():
    assert sizes.part_columns(sizes.model_table()) == PARTS


def stated_count(row: str, classes: int) -> int:
    """How many parameters the network of a row has at another number of classes."""
    name, _, width = row.partition(", ")
    settings = presets.build(name)
    task = task_of(settings)
    # Sources that train by CTC count the blank.
    glosses = classes - (settings.task in ("sentences", "phonology"))
    size = int(re.sub(r"\D", "", width)) if width else None
    with torch.device("meta"):
        return parameter_count(task.network(settings, sizes.inputs_of(settings, size), glosses))


@pytest.mark.parametrize("row", [row for row, text in STATED.items() if " at " in text])
def test_networks_have_the_size_that_their_source_states(row):
    number, classes = re.fullmatch(r"(\S+) at ([\d,]+) classes", STATED[row]).groups()
    counted = stated_count(row, int(classes.replace(",", "")))
    spelled = {
        "M": f"{counted / 1e6:.1f}M",
        "K": f"{counted / 1e3:.0f}K",
    }.get(number[-1], f"{counted:,}")
    assert (spelled == number) == (row not in ESTIMATED), spelled


def test_every_row_with_a_stated_size_is_in_the_table():
    table = sizes.model_table().set_index("preset")
    assert len(STATED) == 20
    assert table["stated"][list(STATED)].to_dict() == STATED
    assert (table["stated"] == "").sum() == len(table) - len(STATED)
    assert "MACs" not in table


def test_multiply_accumulates_are_counted_when_asked_for(monkeypatch):
    chosen = {name: all_presets()[name] for name in ("landmarks/small", "wlasl/concat")}
    monkeypatch.setattr(sizes.registry, "all_presets", lambda: chosen)
    table = sizes.model_table(macs=True).set_index("preset")
    assert table.index.tolist() == [
        "landmarks/small",
        "wlasl/concat",
        "wlasl/concat, 2,560-D",
        "wlasl/concat, 2,048-D",
    ]
    # Each of 16 frames goes through a matrix of 256 columns, and 512 numbers more a frame.
    assert table["MACs"].iloc[3] - table["MACs"].iloc[1] == 16 * 256 * (2048 - 1152)
    assert table["MACs"].iloc[0] > 10**6


@pytest.mark.parametrize("name", ["landmarks/small", "generated/skeleton", "sentences/baseline"])
def test_classes_are_those_that_a_generated_corpus_trains(name):
    settings = presets.build(name)
    assert sizes.classes_of(settings) == len(open_task(settings).vocabulary)


@pytest.mark.parametrize(
    "name", ["wlasl-50/small", "asl-letters/small", "phonology/ctc", "stitched/baseline"]
)
def test_classes_are_those_that_a_recorded_corpus_trains(name, real_data):
    settings = presets.build(name)
    real_data("wlasl" if settings.data.corpus == "wlasl-50" else "asl-words-letters")
    assert sizes.classes_of(settings) == len(open_task(settings).vocabulary)


def test_the_table_does_not_wait_for_torch():
    code = "import sys; from signlib.__main__ import main; main(['models']); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = told.stdout.splitlines()[-1].split()
    assert "signlib.experiments.sizes" in modules
    assert "torch" not in modules


TABLE = pd.DataFrame(
    {
        "preset": ["a/small", "b/large"],
        "parameters": [1234, 56],
        "rgb": ["", 7],
        "classes": [20, 1000],
        "stated": ["", "60"],
        "about": ["one two three four five six seven eight nine X", "short"],
    }
)


def test_a_wide_terminal_shows_all_in_one_line_each():
    assert sizes.readable(TABLE, 100).splitlines() == [
        "preset   parameters  rgb  classes  stated  about",
        "a/small       1,234            20          one two three four five six seven eight nine X",
        "b/large          56    7    1,000      60  short",
    ]


def test_a_narrower_terminal_leaves_out_parts_and_breaks_texts():
    assert sizes.readable(TABLE, 80).splitlines() == [
        "preset   parameters  classes  stated  about",
        "a/small       1,234       20          one two three four five six seven eight",
        "                                      nine X",
        "b/large          56    1,000      60  short",
        "the parts of each model: a wider terminal, or --format csv",
    ]


def test_a_narrow_terminal_has_texts_below():
    assert sizes.readable(TABLE, 46).splitlines() == [
        "preset   parameters  classes  stated",
        "    about",
        "a/small       1,234       20",
        "    one two three four five six seven eight",
        "    nine X",
        "b/large          56    1,000      60",
        "    short",
        "the parts of each model: a wider terminal, or --format csv",
    ]
