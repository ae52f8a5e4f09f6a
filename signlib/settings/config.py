"""Typed settings of one experiment: defaults, differences of presets, overrides as `a.b=value`.

An unknown key, an impossible value, or one that nothing would read, is refused before anything is
computed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, asdict, fields, is_dataclass
from functools import reduce
from operator import attrgetter
from typing import Any

from signlib.errors import SettingsError, key_hint
from signlib.reading import Unreadable
from signlib.settings import aliases
from signlib.settings.base import Settings
from signlib.settings.fields import When, limit_of, readers_of
from signlib.settings.registry import TASKS, task_row
from signlib.settings.values import (
    convert,
    first_line,
    parse_override,
    read_plain,
    refuse_references,
    write_yaml,
)

# The one setting whose names are free: `training.rates.encoder=1e-4`.
_OPEN = "training.rates"


# What `entries`, `readers` and `_defaults` gave before.
_ENTRIES: dict[type[Any], dict[str, Field[Any]]] = {}
_READERS: dict[type[Any], dict[str, tuple[When, ...]]] = {}
_DEFAULTS: dict[type[Any], dict[str, Any]] = {}


def entries(kind: type[Any] = Settings) -> dict[str, Field[Any]]:
    """Every dotted key of the settings of a task with its field, in the order of definition."""
    if kind in _ENTRIES:
        return _ENTRIES[kind]
    keys: dict[str, Field[Any]] = {}
    for entry in fields(kind):
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            keys |= {f"{entry.name}.{key}": inner for key, inner in entries(entry.type).items()}
        else:
            limit_of(entry)  # a setting without a limit is a mistake of its author
            keys[entry.name] = entry
    return _ENTRIES.setdefault(kind, keys)


def build(*differences: Mapping[str, Any], overrides: Iterable[str] = ()) -> Settings:
    """The settings after all differences and overrides, checked.

    Args:
        differences: dotted keys and values, later ones win (`{"model.width": 64}`). `task` names
            the family of models; without it the settings that only one family has tell it.
        overrides: `key=value` strings, as on the command line; they win over all.

    Raises:
        SettingsError: for an unknown key, a value of the wrong type, or an impossible one.
    """
    settings = assembled(*differences, overrides=overrides)
    check(settings)
    return settings


def assembled(*differences: Mapping[str, Any], overrides: Iterable[str] = ()) -> Settings:
    """As `build`, but not checked yet."""
    pairs = [pair for difference in differences for pair in difference.items()]
    pairs += [parse_override(text) for text in overrides]
    pairs = [aliases.current(key, value) for key, value in pairs]
    settings = task_row(aliases.infer_task(dict(pairs))).settings()
    for key, value in pairs:
        _set(settings, key, value)
    return settings


def readers(kind: type[Any]) -> dict[str, tuple[When, ...]]:
    """Each key that is not always read, with the conditions of which all must hold."""
    if kind in _READERS:
        return _READERS[kind]
    conditions = dict(_conditions(kind, "", ()))
    for start, more in kind.ONLY.items():
        extra = (more,) if isinstance(more, When) else more
        if start in conditions:
            conditions[start] = extra
        else:
            keys = [key for key in conditions if key.startswith(start)]
            conditions |= {key: conditions[key] + extra for key in keys}
    return _READERS.setdefault(kind, {key: each for key, each in conditions.items() if each})


def _conditions(
    kind: type[Any], section: str, outer: tuple[When, ...]
) -> Iterator[tuple[str, tuple[When, ...]]]:
    # Every key with its conditions, those of its section first.
    for entry in fields(kind):
        key, inner = f"{section}{entry.name}", outer
        inner += tuple(each.within(section) for each in readers_of(entry))
        if isinstance(entry.type, type) and is_dataclass(entry.type):
            yield from _conditions(entry.type, f"{key}.", inner)
        else:
            yield key, inner


def _defaults(kind: type[Any]) -> dict[str, Any]:
    if kind not in _DEFAULTS:
        _DEFAULTS[kind] = flat(kind())
    return _DEFAULTS[kind]


def unread(settings: Settings) -> dict[str, str]:
    """Settings that differ from their default although nothing reads them, with the reason."""
    defaults, reasons = _defaults(type(settings)), {}
    for key in readers(type(settings)):
        if attrgetter(key)(settings) == defaults[key]:
            continue
        failing = _failing(settings, key)
        if not failing:
            continue
        cases = failing[0].cases
        values = (f"{case.key}={attrgetter(case.key)(settings)}" for case in cases)
        here = ", ".join(dict.fromkeys(values))
        where = f"is read only with {failing[0]}, not with {here}"
        reasons[key] = where if cases else f"is not read by task={settings.task}"
    return reasons


def is_read(settings: Settings, key: str) -> bool:
    """Whether these settings leave anything that reads the setting `key`."""
    return not _failing(settings, key)


def _failing(settings: Settings, key: str) -> list[When]:
    # Conditions under which a setting is read that do not hold.
    conditions = readers(type(settings)).get(key, ())
    return [each for each in conditions if not each.holds(lambda k: attrgetter(k)(settings))]


def put_back(settings: Settings, asked: Iterable[str] = ()) -> dict[str, Any]:
    """Give settings that nothing reads their default again.

    Args:
        settings: changed in place.
        asked: keys that somebody asked for; they stay, and `check` refuses them.

    Returns:
        The keys that were put back, with the values that they had.
    """
    before, asked = {}, set(asked)
    # What is put back may have been the only reason to read another one.
    while idle := set(unread(settings)).difference(asked):
        for key in idle:
            before[key] = attrgetter(key)(settings)
            _set(settings, key, _defaults(type(settings))[key])
    return before


def _set(settings: Settings, key: str, value: Any) -> None:
    free_name = key.removeprefix(f"{_OPEN}.")
    full_key = _OPEN if free_name != key else key
    entry = entries(type(settings)).get(full_key)
    if entry is None:
        raise SettingsError(_unknown(key, settings))
    refuse_references(f"{key}={value}")
    kind = float if free_name != key else entry.type
    try:
        converted = convert(value, kind)
    except (ValueError, TypeError) as error:
        # `float`, but `list[str]`.
        type_name = kind.__name__ if isinstance(kind, type) else kind
        raise SettingsError(
            f"{key}={value!r} is not possible: it must be of type {type_name} ({first_line(error)})"
        ) from None
    if free_name != key:
        converted = settings.training.rates | {free_name: converted}
    *sections, name = full_key.split(".")
    setattr(reduce(getattr, sections, settings), name, converted)


def _unknown(key: str, settings: Settings) -> str:
    owners = [row.name for row in TASKS.values() if key in entries(row.settings)]
    if owners:
        return (
            f"setting {key!r} belongs to task {' and '.join(owners)}, these settings have "
            f"task={settings.task}; choose a preset of that task, or add task={owners[0]}"
        )
    return f"setting {key!r} is unknown; {key_hint(key, entries(type(settings)))}"


def key_of(override: str) -> str:
    """The key of a setting that `key=value` changes, in today's words."""
    key = aliases.current(*parse_override(override))[0]
    return _OPEN if key.startswith(f"{_OPEN}.") else key


def flat(settings: Settings) -> dict[str, Any]:
    """Every dotted key with its value; lists and mappings are copies."""
    return dict(_flattened(asdict(settings), ""))


def check(settings: Settings) -> None:
    """Refuse what cannot work.

    Raises:
        SettingsError: with key, value and limit.
    """
    for key, entry in entries(type(settings)).items():
        problem = limit_of(entry).problem(key, attrgetter(key)(settings))
        if problem:
            raise SettingsError(problem)
    SettingsError.raise_if(
        not isinstance(settings, task_row(settings.task).settings),
        f"task={settings.task} does not go with these settings",
    )
    settings.check()
    for key, reason in unread(settings).items():
        default = _defaults(type(settings))[key]
        raise SettingsError(
            f"{key}={attrgetter(key)(settings)} {reason}; leave it at its default, {default!r}"
        )


def to_yaml(settings: Settings) -> str:
    """The settings, fully resolved, as YAML."""
    return write_yaml(asdict(settings))


def run_name(settings: Settings) -> str:
    """A name for a run of these settings.

    The same settings give the same name, one changed number another.
    """
    digest = hashlib.sha256(to_yaml(settings).encode()).hexdigest()[:8]
    return f"{settings.mode}-seed{settings.seed}-{digest}"


def from_yaml(text: str) -> Settings:
    """The settings in a YAML text, checked; see `read`."""
    return read(text)[0]


def read(text: str) -> tuple[Settings, dict[str, Any]]:
    """The settings in a YAML text, checked, and the values of it that were never read.

    Settings of a run that was made before `task` was a setting name every family's sections; those
    of other families are left out. Values that nothing reads are put back to their default, because
    runs were made before they were refused.

    Raises:
        SettingsError: when the text is no YAML mapping of known keys.
    """
    try:
        loaded = read_plain(text)
        if not isinstance(loaded, Mapping):
            raise SettingsError("they are no mapping of keys to values")
        values = dict(aliases.current(key, value) for key, value in _flattened(loaded, ""))
        task = aliases.infer_task(values)
        settings = task_row(task).settings()
        every_key = set().union(*(entries(row.settings) for row in TASKS.values()))
        of_others = every_key.difference(entries(type(settings)))
        for key, value in values.items():
            if "task" in values or key not in of_others:
                _set(settings, key, value)
        settings.task = task
    except (SettingsError, Unreadable) as error:
        raise SettingsError(f"these settings cannot be read: {first_line(error)}") from None
    ignored = put_back(settings)
    check(settings)
    return settings, ignored


def _flattened(content: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" != _OPEN:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(settings: Settings, base: Settings | None = None) -> dict[str, Any]:
    """The keys in which the settings differ from `base` (the defaults), with their values."""
    ours, theirs = flat(settings), flat(base or type(settings)())
    return {key: ours[key] for key in ours if key not in theirs or ours[key] != theirs[key]}
