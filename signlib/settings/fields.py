"""How a setting is declared: its default, what it means, its limits and who reads it, in one place.

Each function here declares one field of a settings dataclass. `only` says when it is read: all of
its conditions must hold; without any it always is. `config` reads limits and conditions back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field
from typing import Any, TypeAlias, TypeVar

Number = TypeVar("Number", int, float)
Value = TypeVar("Value", int, str)
_HELP, _LIMIT, _ONLY = "help", "limit", "only"


@dataclass(frozen=True)
class Case:
    """A value that another setting must have, or must not have.

    Attributes:
        key: of the other setting; with a leading dot, in the same section.
        values: of which it has one; none = it is switched on: not 0, false, "" or empty.
        equal: False for the opposite.
    """

    key: str
    values: tuple[Any, ...] = ()
    equal: bool = True

    def holds(self, value: Any) -> bool:
        """Whether the other setting has such a value; one item of a list is enough."""
        items = value if isinstance(value, list) else [value]
        fits = any(item in self.values for item in items) if self.values else bool(value)
        return fits == self.equal

    def __str__(self) -> str:
        if not self.values:
            return f"{self.key} switched {'on' if self.equal else 'off'}"
        sign = "=" if self.equal else " other than "
        return f"{self.key}{sign}{'|'.join(map(repr, self.values))}".replace("'", "")


@dataclass(frozen=True)
class When:
    """When a setting is read: in any of these cases; without any, never."""

    cases: tuple[Case, ...]

    def __or__(self, other: "When") -> "When":
        return When(self.cases + other.cases)

    def holds(self, value_of: Callable[[str], Any]) -> bool:
        """Whether it is read, from a function that gives the value of a key."""
        return any(case.holds(value_of(case.key)) for case in self.cases)

    def within(self, section: str) -> "When":
        """The same with full keys, for a setting of a section."""
        full = [f"{section}{c.key[1:]}" if c.key[0] == "." else c.key for c in self.cases]
        pairs = zip(full, self.cases, strict=True)
        return When(tuple(Case(key, case.values, case.equal) for key, case in pairs))

    def __str__(self) -> str:
        return " or ".join(map(str, self.cases))


NEVER = When(())
# One condition, or several that must all hold.
Only: TypeAlias = When | tuple[When, ...]


def when(key: str, *values: Any) -> When:
    """Where the setting `key` has one of the values; without values, where it is switched on."""
    return When((Case(key, values),))


def unless(key: str, *values: Any) -> When:
    """The opposite of `when`."""
    return When((Case(key, values, equal=False),))


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
        choices = ", ".join(str(choice) or '""' for choice in self.choices)
        return f"{key}={value!r} is unknown; choose from {choices}"


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
    """A list of numbers, each within limits; `count` of them, 0 = one or more.

    With `optional` also none.
    """

    low: float
    high: float
    count: int = 0
    optional: bool = False

    def problem(self, key: str, value: Sequence[float]) -> str:
        if self.optional and not value:
            return ""
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


def number(default: Number, text: str, low: float, high: float, *, only: Only = ()) -> Number:
    """A number, `low` and `high` included."""
    return field(default=default, metadata=_facts(text, Between(low, high), only))


def choice(default: Value, text: str, *choices: Value, only: Only = ()) -> Value:
    """One of the choices."""
    return field(default=default, metadata=_facts(text, OneOf(choices), only))


def name(default: str, text: str, *, only: Only = ()) -> str:
    """Any text: a name, a folder."""
    return field(default=default, metadata=_facts(text, Limit(), only))


def switch(default: bool, text: str, *, only: Only = ()) -> bool:
    """On or off."""
    return field(default=default, metadata=_facts(text, Limit(), only))


def free_list(default: Sequence[Value], text: str, *, only: Only = ()) -> list[Value]:
    """Any texts or numbers, or none; where they have a limit, another check knows it."""
    return _list(default, _facts(text, Limit(), only))


def some_of(default: Sequence[str], text: str, *choices: str, only: Only = ()) -> list[str]:
    """One or more of the choices, each once, in an order that counts."""
    return _list(default, _facts(text, SomeOf(choices), only))


def numbers(
    default: Sequence[Number],
    text: str,
    low: float,
    high: float,
    count: int = 0,
    optional: bool = False,
    *,
    only: Only = (),
) -> list[Number]:
    """Numbers within limits: `count` of them, 0 = one or more; with `optional` or none."""
    return _list(default, _facts(text, AllBetween(low, high, count, optional), only))


def rates(text: str, low: float, high: float) -> dict[str, float]:
    """Names with a number each, none at first."""
    return field(default_factory=dict, metadata=_facts(text, EachBetween(low, high)))


def section(kind: type[Any], text: str, *, only: Only = (), **defaults: Any) -> Any:
    """Settings that belong together, as a dataclass of their own.

    Args:
        kind: the dataclass.
        text: what they are about.
        only: when all of them are read.
        defaults: of a task, where they differ from those of the dataclass.
    """
    return field(default_factory=lambda: kind(**defaults), metadata=_facts(text, Limit(), only))


def limit_of(entry: Field[Any]) -> Limit:
    """The limit of a dataclass field that was declared here.

    Raises:
        TypeError: for a field without one: a setting must say what it means and what it may be.
    """
    if _LIMIT not in entry.metadata:
        raise TypeError(f"setting {entry.name!r} has no limit; declare it with `settings.fields`")
    return entry.metadata[_LIMIT]


def readers_of(entry: Field[Any]) -> tuple[When, ...]:
    """The conditions of which all must hold for a field to be read."""
    return entry.metadata.get(_ONLY, ())


def _facts(text: str, limit: Limit, only: Only = ()) -> dict[str, Any]:
    return {_HELP: text, _LIMIT: limit, _ONLY: (only,) if isinstance(only, When) else only}


def _list(default: Sequence[Any], facts: Mapping[str, Any]) -> list[Any]:
    return field(default_factory=lambda: list(default), metadata=facts)
