"""Errors a user can act on: each message names the value, the limit and what to do.

The command line prints them as one line and ends with exit code 2; anything
else is a fault of ours and keeps its traceback.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

# So many names a message lists at most.
_NAMES = 10
# Characters of a message, and how many of a longer one are kept of its end, which says what to do.
LONGEST, _END = 500, 200

# Control characters, what separates lines and paragraphs, and bytes that are no UTF-8.
_NO_LINE = {"Cc", "Zl", "Zp", "Cs"}


def shortened(message: str) -> str:
    """A message of at most `LONGEST` characters: of a longer one the middle is left out."""
    if len(message) <= LONGEST:
        return message
    return f"{message[: LONGEST - _END - 5]} ... {message[-_END:]}"


def one_line(text: str) -> str:
    """A text without what ends a line or moves a terminal's cursor: names of files may hold it.

    >>> one_line("a" + chr(10) + "b.mp4")
    'a\\\\nb.mp4'
    """
    return "".join(
        repr(sign)[1:-1] if unicodedata.category(sign) in _NO_LINE else sign for sign in text
    )


def joined(*notes: str | None) -> str:
    """Notes on a clip as one; those that say nothing are left out.

    >>> joined("no hand is seen", None, "", "it has one frame")
    'no hand is seen; it has one frame'
    """
    return "; ".join(filter(None, notes))


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and of more how many.

    >>> listed(["S01", "S02", "S03"], most=2)
    'S01, S02 and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


class InputError(Exception):
    """Input that signlib refuses: a file, a setting or a request.

    Args:
        message: names the value, the limit and what to do; it is `shortened`, because it may quote
            a file.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(message))

    @classmethod
    def raise_if(cls, wrong: object, message: str) -> None:
        """Raise this error when something is wrong."""
        if wrong:
            raise cls(message)


class SettingsError(InputError):
    """An unknown preset, key or parameter, or an impossible value."""


class ManifestError(InputError):
    """A manifest that is missing, empty or contradicts itself."""


class VideoError(InputError):
    """A video that is missing, empty, truncated or cannot be decoded."""


class StoreError(InputError):
    """A feature store that is missing, damaged, full or made with other settings."""


class ClipError(InputError):
    """One clip's features that cannot be used: wrong shape, wrong type or only NaN."""


class RunError(InputError):
    """A run folder that is missing, incomplete, or asked for what it must refuse."""


class Diverged(RunError):
    """A training whose loss or gradients became no number."""


class DiskError(InputError):
    """A file that could not be written: the disk is full or the folder is closed to us."""


def near_names(name: str, names: Iterable[str]) -> list[str]:
    """Names like one that is unknown, best first; then those that contain it. At most ten."""
    every = list(names)
    near = difflib.get_close_matches(name, every)
    near += [other for other in every if name.lower() in other.lower() and other not in near]
    return near[:_NAMES]


def key_hint(key: str, keys: Iterable[str]) -> str:
    """What to say after an unknown key of settings: the one that was meant, else the first ones."""
    every = list(keys)
    ending = f".{key.rpartition('.')[2]}"
    near = near_names(key, every) + [other for other in every if f".{other}".endswith(ending)]
    if near:
        return f"did you mean {near[0]!r}?"
    return f"the keys are {listed(every, _NAMES)}"


def did_you_mean(name: str, names: Iterable[str], lister: str) -> str:
    """What to say after an unknown name: those like it, else the first ones and what lists all.

    Args:
        name: as it was typed.
        names: those that there are.
        lister: the command that lists them.
    """
    every = list(names)
    near = near_names(name, every)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if len(every) <= _NAMES:
        return f"choose from {', '.join(every)}"
    return f"`{lister}` lists all {len(every)}, such as {', '.join(every[:_NAMES])}"


# What differs between two failures of one kind: paths, files, names in quotes, numbers.
_VARIES = re.compile(r"\S*[/\\]\S*|\S+\.\w\S*|(?<!\w)'[^']*'|\d+")


def same_kind(reason: str) -> str:
    """A reason without what differs between two failures of one kind."""
    return _VARIES.sub("*", reason)


def grouped(reasons: Mapping[str, str]) -> list[tuple[int, str, str]]:
    """Failures by kind: how many there are, the first one's name, and its reason.

    Reasons that differ in paths, files, names in quotes and numbers are of one kind.

    Args:
        reasons: name -> why it failed.

    >>> grouped({"a": "v/a.mp4 is empty", "b": "v/b.mp4 is empty", "c": "no hand"})
    [(2, 'a', 'v/a.mp4 is empty'), (1, 'c', 'no hand')]
    """
    kinds: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        kinds.setdefault(same_kind(reason), []).append(name)
    return [(len(names), names[0], reasons[names[0]]) for names in kinds.values()]


def failure_lines(reasons: Mapping[str, str], most: int = 10) -> list[str]:
    """Lines on failures, one a kind: `name: reason`, or `N clips, the first NAME: reason`.

    Args:
        reasons: name -> why it failed.
        most: lines; what is beyond them is counted.
    """
    kinds = grouped(reasons)
    lines = [
        shortened(
            one_line(
                f"{name}: {reason}"
                if count == 1
                else f"{count:,} clips, the first {name}: {reason}"
            )
        )
        for count, name, reason in kinds[:most]
    ]
    rest = sum(count for count, _, _ in kinds[most:])
    return lines + ([f"{rest:,} more clips, for {len(kinds) - most} other reasons"] if rest else [])


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around imports of libraries that only an extra of the package brings.

    Raises:
        SettingsError: for one that is not installed, with the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{error.name} is not installed; it comes with the extra {name!r}: {installs(name)}"
        ) from error


def installs(name: str) -> str:
    """The command that installs an extra of the package."""
    return f'pip install "signlib-course[{name}]"'
