"""Every setting says what it means and what it may be; the limits refuse what they should."""

import math
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from statistics import median
from time import perf_counter

import pytest

from signlib.errors import SettingsError
from signlib.settings import config, presets
from signlib.settings.base import Settings
from signlib.settings.fields import (
    AllBetween,
    Between,
    EachBetween,
    Limit,
    OneOf,
    SomeOf,
    limit_of,
    name,
    number,
)
from signlib.settings.registry import TASKS, all_presets

every_task = pytest.mark.parametrize("task", TASKS)


def walk(kind, prefix=""):
    """Dotted key, field and help of every setting and section of a settings dataclass."""
    for entry in fields(kind):
        key = prefix + entry.name
        yield key, entry, entry.metadata.get("help", "")
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            yield from walk(entry.type, f"{key}.")


@every_task
def test_every_setting_says_what_it_means(task):
    rows = list(walk(TASKS[task].settings))
    assert len(rows) > 70
    for key, _, text in rows:
        assert len(text) > 4, key
        assert text == text.strip(), key
        assert not text.endswith("."), f"{key}: a part of a sentence, no full stop"


@every_task
def test_every_setting_has_a_limit_and_its_default_lies_within(task):
    for key, entry, _ in walk(TASKS[task].settings):
        limit = limit_of(entry)
        default = entry.default_factory() if entry.default is MISSING else entry.default
        assert limit.problem(key, default) == "", key
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            continue
        if entry.type in (int, float):
            assert isinstance(limit, Between | OneOf), f"{key}: a number has a limit"
        if isinstance(limit, Between):
            assert math.isfinite(limit.low), key
            assert math.isfinite(limit.high), key
            assert limit.low < limit.high, key
            assert type(default) is entry.type, key


@every_task
def test_a_task_keeps_what_every_experiment_can_set(task):
    kind = TASKS[task].settings
    assert issubclass(kind, Settings)
    assert kind().task == task
    # What all tasks share comes first, in the same order.
    shared = list(config.entries(Settings))
    assert list(config.entries(kind))[: len(shared)] == shared
    assert kind.DROPOUT in config.entries(kind) or (task, kind.DROPOUT) == ("baseline", "")


def test_the_same_section_means_the_same_in_every_task():
    meanings = {}
    for row in TASKS.values():
        for key, entry, text in walk(row.settings):
            if key == "task" or (isinstance(entry.type, type) and is_dataclass(entry.type)):
                continue
            meanings.setdefault(key, set()).add((text, str(limit_of(entry))))
    assert [key for key, found in meanings.items() if len(found) > 1] == []


@pytest.mark.parametrize(
    ("limit", "possible", "refused"),
    [
        (Limit(), ["", "a", 3], []),
        (Between(0, 0.5), [0, 0.5], [-1e-9, 0.6, math.nan, math.inf]),
        (OneOf(("a", "b")), ["a", "b"], ["c", ""]),
        (SomeOf(("a", "b")), [["a"], ["b", "a"]], [[], ["a", "a"], ["a", "c"]]),
        (AllBetween(1, 9), [[1], [9, 9, 1]], [[], [0], [1, 10], [math.nan]]),
        (AllBetween(1, 9, 2), [[1, 9]], [[], [1], [1, 2, 3], [1, 10]]),
        (AllBetween(1, 9, 2, optional=True), [[], [1, 9]], [[1], [1, 10]]),
        (EachBetween(0, 1), [{}, {"a": 0, "b": 1}], [{"a": 2}, {"a": 0, "b": math.nan}]),
    ],
)
def test_a_limit_tells_the_key_and_the_value_of_what_it_refuses(limit, possible, refused):
    assert [limit.problem("a.key", value) for value in possible] == [""] * len(possible)
    for value in refused:
        problem = limit.problem("a.key", value)
        assert problem.startswith("a.key"), problem
        bad = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else None
        assert str(value if bad is None else bad) in problem or "nan" in problem


def test_a_setting_without_a_limit_is_a_mistake_of_its_author():
    @dataclass
    class Bare:
        size: int = 3

    @dataclass
    class Experiment(Settings):
        bare: Bare = field(default_factory=Bare)

    with pytest.raises(TypeError, match="setting 'size' has no limit; declare it"):
        config.entries(Experiment)


def test_help_is_read_back_where_it_was_written():
    @dataclass
    class Part:
        size: int = number(3, "how large", 1, 9)
        label: str = name("x", "what it is called")

    helps = {entry.name: entry.metadata["help"] for entry in fields(Part)}
    assert helps == {"size": "how large", "label": "what it is called"}
    assert (Part().size, Part().label) == (3, "x")


def test_building_a_preset_takes_no_time():
    """Guards against a slip to ten times as long; `make bench` has the figure."""
    first, later = [], []
    for preset in all_presets():
        for mode in ("smoke", "full"):
            for times in (first, later):
                start = perf_counter()
                presets.build(preset, mode)
                times.append(perf_counter() - start)
    assert median(first) < 0.05
    assert median(later) < 0.01


def test_a_refusal_names_the_limit():
    with pytest.raises(SettingsError, match=r"^training\.epochs=0 is outside 1\.\.1000000$"):
        config.build({"training.epochs": 0})
