"""Errors a user can act on: each message names the value, the limit and what to do.

The command line prints them as one line and ends with exit code 2; anything
else is a fault of ours and keeps its traceback.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

# So many names a message lists at most.
_NAMES = 10


class InputError(Exception):
    """Input that signlib refuses: a file, a setting or a request."""

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


class DiskError(InputError):
    """A file that could not be written: the disk is full or the folder is closed to us."""


def did_you_mean(name: str, names: Iterable[str], lister: str) -> str:
    """What to say after an unknown name: those like it, else the first ones and what lists all.

    Args:
        name: as it was typed.
        names: those that there are.
        lister: the command that lists them.
    """
    every = list(names)
    close = difflib.get_close_matches(name, every)
    close += [other for other in every if name.lower() in other.lower() and other not in close]
    if close:
        return f"did you mean {' or '.join(close[:_NAMES])}?"
    if len(every) <= _NAMES:
        return f"choose from {', '.join(every)}"
    return f"`{lister}` lists all {len(every)}, such as {', '.join(every[:_NAMES])}"


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
