"""Errors a user can act on: each message names the value, the limit and what to do.

The command line prints them as one line and ends with exit code 2; anything
else is a fault of ours and keeps its traceback.
"""


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
