"""From text to values: `key=value` overrides, YAML, and the type that a setting has.

Numbers are read as YAML 1.2 reads them (`1e-3` is a number), text is never interpreted further.
"""

import re
from collections.abc import Mapping
from types import GenericAlias
from typing import Any, get_args, get_origin

import yaml

from signlib.errors import SettingsError
from signlib.reading import PlainLoader, Unreadable, parse_yaml

_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
    |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_BOOLS = dict.fromkeys(("true", "yes", "on", "y", "1"), True)
_BOOLS |= dict.fromkeys(("false", "no", "off", "n", "0"), False)


class _Loader(PlainLoader):
    """The loader of `reading` with the numbers of YAML 1.2."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Its counterpart: a text that would be read as a number is quoted."""


for _kind in (_Loader, _Dumper):
    _kind.yaml_implicit_resolvers = {
        first: [
            (tag, pattern) for tag, pattern in rows if not tag.endswith((":float", ":timestamp"))
        ]
        for first, rows in _kind.yaml_implicit_resolvers.items()
    }
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def read_yaml(text: str) -> Any:
    """What a YAML text holds.

    Raises:
        Unreadable: as `reading.parse_yaml`.
    """
    return parse_yaml(text, _Loader)


def write_yaml(content: Mapping[str, Any]) -> str:
    """A mapping as YAML, in its own order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


def parse_override(text: str, example: str = "training.epochs=5") -> tuple[str, Any]:
    """`key=value` as key and value; an empty value is the empty text.

    Raises:
        SettingsError: for another form, or a value that is no YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise SettingsError(f"override {text!r} is not of the form key=value, such as {example}")
    refuse_references(key)
    try:
        content = read_plain(value) if value else ""
    except Unreadable as error:
        raise SettingsError(
            f"override {text[:80]!r} cannot be read ({error}); quote its value, close its brackets"
        ) from None
    return key.strip(), content


def read_plain(text: str) -> Any:
    """What a YAML text says, once it refers to nothing outside it.

    Raises:
        SettingsError: for `${...}`, however it is written.
        Unreadable: for a text that is no YAML.
    """
    refuse_references(text)
    content = read_yaml(text)
    # YAML can write a sign as its number.
    refuse_references(repr(content))
    return content


def refuse_references(text: str) -> None:
    """Refuse `${...}`: settings must not depend on another machine's environment.

    Raises:
        SettingsError: with the part that looks like a reference.
    """
    if "${" in text:
        part = text[text.index("${") :][:40]
        raise SettingsError(f"{part!r}: settings are plain values; write the value itself")


def first_line(error: Exception) -> str:
    """The first line of an error, or its name."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def convert(value: Any, kind: Any) -> Any:
    """The value as a setting's type: int, float, str, bool, a list or a mapping of these.

    Raises:
        ValueError: when it is of another type.
    """
    if isinstance(kind, GenericAlias):
        return _converted_items(value, get_origin(kind), get_args(kind)[-1])
    if kind is bool:
        if str(value).lower() not in _BOOLS:
            raise ValueError(f"{value!r} is neither true nor false")
        return _BOOLS[str(value).lower()]
    if isinstance(value, bool) and kind is not str:
        raise ValueError("true and false are no numbers")
    if not isinstance(value, str | int | float):
        raise ValueError(f"{type(value).__name__} is not a plain value")
    converted = kind(value)
    if kind is int and isinstance(value, float) and converted != value:
        raise ValueError(f"{value} is not a whole number")
    return converted


def _converted_items(value: Any, container: Any, kind: Any) -> Any:
    if container is list and isinstance(value, list | tuple):
        return [convert(item, kind) for item in value]
    if container is dict and isinstance(value, Mapping):
        return {convert(key, str): convert(item, kind) for key, item in value.items()}
    raise ValueError(f"{type(value).__name__} is no {container.__name__}")
