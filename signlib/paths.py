"""Where corpora, feature stores, runs and results live: laptop, Kaggle or CI.

One environment variable finds real data (`SIGNLIB_DATA`) and one moves what is
written (`SIGNLIB_RUNS`), so no notebook and no test ever spells a folder.
"""

import ntpath
import os
from itertools import accumulate, islice
from pathlib import Path, PurePosixPath, PureWindowsPath

from signlib.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent
# Bytes of a name that becomes a folder's: a file system takes 255, and names are made longer.
LONGEST_NAME = 200
# What errors call the name of a clip, which a store keeps whole however long it is.
_CLIP = "clip"
KAGGLE_WORKING = Path("/kaggle/working")


def home() -> Path:
    """The checkout of the project that runs; the current folder where the package is installed."""
    return REPOSITORY if (REPOSITORY / "pyproject.toml").is_file() else Path.cwd()


def data_root() -> Path:
    """The folder of real corpora: `$SIGNLIB_DATA`, else `../shared/data` beside the checkout."""
    return Path(os.environ.get("SIGNLIB_DATA") or home().parent / "shared" / "data")


def runs_root() -> Path:
    """The folder of scratch runs: `$SIGNLIB_RUNS`, or `runs/` in Kaggle's working folder.

    Elsewhere it is the `runs/` of the current folder or of the nearest one above that has one, else
    `runs/` in the current folder; below a checkout of the project, at its top.
    """
    if named := os.environ.get("SIGNLIB_RUNS"):
        return Path(named)
    if KAGGLE_WORKING.is_dir():
        return KAGGLE_WORKING / "runs"
    here = Path.cwd()
    for folder in (here, *here.parents):
        # A notebook's folder is `notebooks/`: the first one to run must not hide its runs there.
        if (folder / "runs").is_dir() or folder == REPOSITORY:
            return folder / "runs"
    return here / "runs"


def results_root() -> Path:
    """The folder of small published runs."""
    return home() / "results"


def notebooks_root() -> Path:
    """The folder of the course's notebooks."""
    return home() / "notebooks"


def check_name(name: str, what: str = _CLIP) -> str:
    """`name`, once it is sure to be one plain path component.

    Args:
        name: an id that comes from a file and will become part of a path.
        what: how the error calls it.

    Raises:
        InputError: for an empty name, `.`, `..`, a separator, a drive or a NUL; for another name
            than a clip's, which a store keeps whole, also for more than `LONGEST_NAME` bytes.
    """
    unsafe = name in {"", ".", ".."} or "/" in name or "\\" in name or "\0" in name
    # Without a separator only a colon makes a drive; to ask takes long for a million names.
    if unsafe or (":" in name and PureWindowsPath(name).drive):
        raise InputError(
            f"{what} {name!r} is not a plain name: it must not be empty, absolute, contain "
            "'/', '\\' or be '..'; rename it"
        )
    size = 0 if what == _CLIP else len(name.encode(errors="surrogateescape"))
    if size > LONGEST_NAME:
        raise InputError(
            f"{what} {name[:40]!r}... has {size} bytes, more than {LONGEST_NAME}; shorten it"
        )
    return name


def readable(name: str) -> str:
    """A file's name as text that a table can hold: bytes that are no UTF-8 as `%FF`."""
    return "".join(
        f"%{ord(sign) - 0xDC00:02X}" if "\udc80" <= sign <= "\udcff" else sign for sign in name
    )


def inside(root: str | Path, relative: str) -> Path:
    """`root / relative`, once it is sure not to leave `root`.

    Args:
        root: the folder that must contain the result.
        relative: a path read from a file, with `/` between its parts.

    Raises:
        InputError: for an absolute path, a `..` part, or a link that leads out of `root`.
    """
    # A manifest may have been written on Windows, whatever system reads it.
    parts = PurePosixPath(relative.replace("\\", "/"))
    absolute = parts.is_absolute() or ntpath.splitdrive(relative)[0]
    if not relative or absolute or ".." in parts.parts or "\0" in relative:
        raise InputError(
            f"path {relative!r} leaves its root {root}: use a path relative to that folder, without"
            " '..'"
        )
    path = Path(root) / parts
    # Without a link below the root it cannot leave it, and a corpus has many files. Links are
    # followed, those of the root itself too. One that leads to itself leads nowhere:
    # `Path.resolve` would raise, here only that file cannot be opened.
    if _has_link(root, parts) and not Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(root)
    ):
        raise InputError(
            f"path {relative!r} is a link that leaves its root {root}: copy the file there"
        )
    return path


def _has_link(root: str | Path, parts: PurePosixPath) -> bool:
    # Whether a part below the root may be a link. Windows has more kinds than `islink` knows.
    if os.name == "nt":
        return True
    below = accumulate(parts.parts, os.path.join, initial=os.fspath(root))
    return any(map(os.path.islink, islice(below, 1, None)))
