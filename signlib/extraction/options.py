"""What a person types for an extractor: `key=value` settings, and a shard `i/n`."""

import difflib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

from signlib.errors import SettingsError
from signlib.settings.values import parse_override

Chosen = TypeVar("Chosen")
# Type of a default -> types that a value may have instead.
_TYPES: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    float: (int, float),
    int: (int, type(None)),
    tuple: (tuple,),
    str: (str,),
}


def extractor_settings(kind: type[Chosen], overrides: Iterable[str]) -> Chosen:
    """The settings of that dataclass after `key=value` overrides.

    Raises:
        SettingsError: for an unknown key or an impossible value.
    """
    # A type variable cannot be bound to "dataclass", which is what `fields` asks for.
    defaults: Any = kind()
    keys = [entry.name for entry in fields(defaults)]
    values: dict[str, object] = {}
    for text in overrides:
        key, value = parse_override(text, example="tracking=false")
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(keys)}"
            raise SettingsError(f"extractor setting {key!r} is unknown; {hint}")
        values[key] = tuple(value) if isinstance(value, list) else value
    for key, value in values.items():
        _check_type(key, value, getattr(defaults, key))
    return kind(**values)


def _check_type(key: str, value: object, default: object) -> None:
    kinds = _TYPES[type(default)]
    # Python counts True as the integer 1.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise SettingsError(
            f"extractor setting {key}={value!r} must be like its default {default!r}"
        )


def parse_shard(text: str) -> tuple[int, int]:
    """`"2/8"` as (2, 8).

    Raises:
        SettingsError: when it is not i/n with 1 <= i <= n.
    """
    first, slash, last = text.partition("/")
    if not (slash and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise SettingsError(
            f"--shard {text!r} is not of the form i/n with 1 <= i <= n, such as 1/4"
        )
    return int(first), int(last)
