"""How a setting is declared: its default, what it means and its limits, in one place.

Each function here declares one field of a settings dataclass. `config` reads the limits back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)
Value = TypeVar("Value", int, str)
_HELP, _LIMIT = "help", "limit"


@dataclass(frozen=True)
class Limit:
    """What a value must be; here nothing beyond its type."""

    def problem(self, key: str, value: Any) -> str:
        """Why the value is refused, with the limit and what to do; "" when it is possible."""
        return ""


@dataclass(frozen=True)
class Between(Limit):
    """A number within two limits, both allowed. NaN and infinity lie outside."""

    low: float
    high: float

    def problem(self, key: str, value: float) -> str:
        return "" if self.low <= value <= self.high else f"{key}={value} is outside {self}"

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


@dataclass(frozen=True)
class OneOf(Limit):
    """One of a few values."""

    choices: tuple[Any, ...]

    def problem(self, key: str, value: Any) -> str:
        if value in self.choices:
            return ""
        return f"{key}={value!r} is unknown; choose from {', '.join(map(str, self.choices))}"


@dataclass(frozen=True)
class SomeOf(Limit):
    """One or more of a few values, each once."""

    choices: tuple[str, ...]

    def problem(self, key: str, value: Sequence[str]) -> str:
        if value and set(value) <= set(self.choices) and len(set(value)) == len(value):
            return ""
        return f"{key}={value} must be some of {', '.join(self.choices)}, each once"


@dataclass(frozen=True)
class AllBetween(Limit):
    """A list of numbers, each within limits; `count` of them, 0 = one or more."""

    low: float
    high: float
    count: int = 0

    def problem(self, key: str, value: Sequence[float]) -> str:
        right_length = len(value) == self.count if self.count else bool(value)
        if right_length and all(self.low <= number <= self.high for number in value):
            return ""
        how_many = self.count or "one or more"
        return f"{key}={value}: give {how_many} numbers within {self.low}..{self.high}"


@dataclass(frozen=True)
class EachBetween(Limit):
    """A mapping of names to numbers, each within limits."""

    low: float
    high: float

    def problem(self, key: str, value: Mapping[str, float]) -> str:
        limit = Between(self.low, self.high)
        problems = [limit.problem(f"{key}.{name}", number) for name, number in value.items()]
        return next(filter(None, problems), "")


def number(default: Number, text: str, low: float, high: float) -> Number:
    """A number, `low` and `high` included."""
    return field(default=default, metadata={_HELP: text, _LIMIT: Between(low, high)})


def choice(default: Value, text: str, *choices: Value) -> Value:
    """One of the choices."""
    return field(default=default, metadata={_HELP: text, _LIMIT: OneOf(choices)})


def name(default: str, text: str) -> str:
    """Any text: a name, a folder."""
    return field(default=default, metadata={_HELP: text, _LIMIT: Limit()})


def switch(default: bool, text: str) -> bool:
    """On or off."""
    return field(default=default, metadata={_HELP: text, _LIMIT: Limit()})


def free_list(default: Sequence[Value], text: str) -> list[Value]:
    """Any texts or numbers, or none; where they have a limit, another check knows it."""
    return _list(default, text, Limit())


def some_of(default: Sequence[str], text: str, *choices: str) -> list[str]:
    """One or more of the choices, each once, in an order that counts."""
    return _list(default, text, SomeOf(choices))


def numbers(
    default: Sequence[Number], text: str, low: float, high: float, count: int = 0
) -> list[Number]:
    """A list of numbers within limits: `count` of them, 0 = one or more."""
    return _list(default, text, AllBetween(low, high, count))


def rates(text: str, low: float, high: float) -> dict[str, float]:
    """Names with a number each, none at first."""
    return field(default_factory=dict, metadata={_HELP: text, _LIMIT: EachBetween(low, high)})


def section(kind: type[Any], text: str) -> Any:
    """Settings that belong together, as a dataclass of their own."""
    return field(default_factory=kind, metadata={_HELP: text, _LIMIT: Limit()})


def limit_of(entry: Field[Any]) -> Limit:
    """The limit of a dataclass field that was declared here.

    Raises:
        TypeError: for a field without one: a setting must say what it means and what it may be.
    """
    if _LIMIT not in entry.metadata:
        raise TypeError(f"setting {entry.name!r} has no limit; declare it with `settings.fields`")
    return entry.metadata[_LIMIT]


def _list(default: Sequence[Any], text: str, limit: Limit) -> list[Any]:
    return field(default_factory=lambda: list(default), metadata={_HELP: text, _LIMIT: limit})
