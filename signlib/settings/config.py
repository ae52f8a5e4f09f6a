"""Typed settings of one experiment: defaults, differences of presets, overrides as `a.b=value`.

An unknown key or an impossible value is refused before anything is computed.
"""

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, NamedTuple

import yaml

from signlib.errors import SettingsError
from signlib.settings import aliases
from signlib.settings.base import Settings
from signlib.settings.fields import Between, limit_of
from signlib.settings.registry import TASKS, task_row
from signlib.settings.values import (
    convert,
    first_line,
    parse_override,
    read_yaml,
    refuse_references,
    type_name,
    write_yaml,
)

# The one setting whose names are free: `training.rates.encoder=1e-4`.
_OPEN = "training.rates"


class _Entry(NamedTuple):
    """One setting: its dotted key, the sections on the way to it, and its field."""

    key: str
    sections: tuple[str, ...]
    field: Field[Any]


_KNOWN: dict[type[Settings], dict[str, _Entry]] = {}


def _entries(kind: type[Settings]) -> dict[str, _Entry]:
    if kind not in _KNOWN:
        _KNOWN[kind] = {entry.key: entry for entry in _walk(kind, ())}
    return _KNOWN[kind]


def _walk(kind: type[Any], sections: tuple[str, ...]) -> Iterator[_Entry]:
    for entry in fields(kind):
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            yield from _walk(entry.type, (*sections, entry.name))
        else:
            limit_of(entry)  # a setting without a limit is a mistake of its author
            yield _Entry(".".join((*sections, entry.name)), sections, entry)


def known_keys(kind: type[Settings] = Settings) -> list[str]:
    """Every dotted key of the settings of a task, in the order of definition."""
    return list(_entries(kind))


def limits(kind: type[Settings] = Settings) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of every number, both allowed."""
    ranges: dict[str, tuple[float, float]] = {}
    for key, entry in _entries(kind).items():
        limit = limit_of(entry.field)
        if isinstance(limit, Between):
            ranges[key] = (limit.low, limit.high)
    return ranges


def build(*differences: Mapping[str, Any], overrides: Iterable[str] = ()) -> Settings:
    """The settings after all differences and overrides, checked.

    Args:
        differences: dotted keys and values, later ones win (`{"model.width": 64}`). `task` names
            the family of models; without it the settings that only one family has tell it.
        overrides: `key=value` strings, as on the command line; they win over all.

    Raises:
        SettingsError: for an unknown key, a value of the wrong type, or an impossible one.
    """
    pairs = [pair for difference in differences for pair in difference.items()]
    pairs += [parse_override(text) for text in overrides]
    pairs = [aliases.current(key, value) for key, value in pairs]
    settings = task_row(aliases.infer_task(dict(pairs))).settings()
    for key, value in pairs:
        _set(settings, key, value)
    check(settings)
    return settings


def _set(settings: Settings, key: str, value: Any) -> None:
    entries = _entries(type(settings))
    free_name = key.removeprefix(f"{_OPEN}.")
    entry = entries.get(_OPEN if free_name != key else key)
    if entry is None:
        raise SettingsError(_unknown(key, settings))
    refuse_references(f"{key}={value}")
    kind = float if free_name != key else entry.field.type
    try:
        converted = convert(value, kind)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"{key}={value!r} is not possible: it must be of type {type_name(kind)} "
            f"({first_line(error)})"
        ) from None
    if free_name != key:
        converted = settings.training.rates | {free_name: converted}
    setattr(_section(settings, entry), entry.field.name, converted)


def _section(settings: Settings, entry: _Entry) -> Any:
    section: Any = settings
    for name in entry.sections:
        section = getattr(section, name)
    return section


def _unknown(key: str, settings: Settings) -> str:
    keys = known_keys(type(settings))
    owners = [row.name for row in TASKS.values() if key in _entries(row.settings)]
    if owners:
        return (
            f"setting {key!r} belongs to task {' and '.join(owners)}, these settings have "
            f"task={settings.task}; choose a preset of that task, or add task={owners[0]}"
        )
    near = difflib.get_close_matches(key, keys, n=1)
    near += [name for name in keys if name.split(".")[-1] == key.split(".")[-1]]
    hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(keys)}"
    return f"setting {key!r} is unknown; {hint}"


def flat(settings: Settings) -> dict[str, Any]:
    """Every dotted key with its value; lists and mappings are copies."""
    return {key: _value(settings, entry) for key, entry in _entries(type(settings)).items()}


def _value(settings: Settings, entry: _Entry) -> Any:
    value = getattr(_section(settings, entry), entry.field.name)
    return value.copy() if isinstance(value, list | dict) else value


def check(settings: Settings) -> None:
    """Refuse what cannot work.

    Raises:
        SettingsError: with key, value and limit.
    """
    for key, entry in _entries(type(settings)).items():
        problem = limit_of(entry.field).problem(key, _value(settings, entry))
        if problem:
            raise SettingsError(problem)
    if not isinstance(settings, task_row(settings.task).settings):
        raise SettingsError(f"task={settings.task} does not go with these settings")
    settings.check()


def to_yaml(settings: Settings) -> str:
    """The settings, fully resolved, as YAML."""
    content: dict[str, Any] = {}
    for key, value in flat(settings).items():
        *sections, name = key.split(".")
        part = content
        for section in sections:
            part = part.setdefault(section, {})
        part[name] = value
    return write_yaml(content)


def run_name(settings: Settings) -> str:
    """A name for a run of these settings.

    The same settings give the same name, one changed number another.
    """
    digest = hashlib.sha256(to_yaml(settings).encode()).hexdigest()[:8]
    return f"{settings.mode}-seed{settings.seed}-{digest}"


def from_yaml(text: str) -> Settings:
    """The settings in a YAML text, checked.

    Settings of a run that was made before `task` was a setting name every family's sections; those
    of other families are left out.

    Raises:
        SettingsError: when the text is no YAML mapping of known keys.
    """
    refuse_references(text)
    try:
        loaded = read_yaml(text)
        if not isinstance(loaded, Mapping):
            raise SettingsError("they are no mapping of keys to values")
        values = dict(aliases.current(key, value) for key, value in _flattened(loaded, ""))
        task = aliases.infer_task(values)
        settings = task_row(task).settings()
        for key, value in values.items():
            if "task" in values or not _of_another_task(key, type(settings)):
                _set(settings, key, value)
        settings.task = task
    except (SettingsError, yaml.YAMLError) as error:
        raise SettingsError(f"these settings cannot be read: {first_line(error)}") from None
    check(settings)
    return settings


def _flattened(content: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" != _OPEN:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _of_another_task(key: str, kind: type[Settings]) -> bool:
    others = (row.settings for row in TASKS.values())
    return key not in _entries(kind) and any(key in _entries(other) for other in others)


def differences(settings: Settings, base: Settings | None = None) -> dict[str, Any]:
    """The keys in which the settings differ from `base` (the defaults), with their values."""
    ours, theirs = flat(settings), flat(base or type(settings)())
    return {key: ours[key] for key in ours if key not in theirs or ours[key] != theirs[key]}
