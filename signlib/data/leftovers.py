"""What lies in a folder and is not read: said once, with a count a kind."""

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from signlib.data.frame_choice import is_picture
from signlib.paths import readable

# Files that say what is in a folder, or that a store is made of.
_TABLES = frozenset({"manifest.csv"})
_STORES = frozenset({"extraction.json", "pictures.json"})
# Key of a manifest's `attrs`: what its folder holds besides.
LEFT_OUT = "left_out"
_MOST = 8


def leftovers(root: str | Path, used: Collection[str]) -> str:
    """How many files of each kind a folder holds that nobody reads; "" = none.

    Stores below it, `manifest.csv` and hidden folders do not count; of a folder of pictures that is
    used, its pictures and the folders in it do not.

    Args:
        root: the folder.
        used: files, and folders of pictures, relative to it, with `/`.
    """
    kinds: Counter[str] = Counter()
    first: dict[str, str] = {}
    for path, folders, files in os.walk(root):
        folder = Path(path).relative_to(root)
        if _STORES & set(files):
            folders.clear()
            continue
        if folder != Path() and readable(folder.as_posix()) in used:
            folders.clear()
            files = [name for name in files if not is_picture(name)]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = readable((folder / name).as_posix())
            if file not in used and name not in _TABLES:
                kind = "hidden" if name.startswith(".") else Path(name).suffix.lower()
                kinds[kind or "without a suffix"] += 1
                first.setdefault(kind or "without a suffix", file)
    told = [
        f"{count:,} {kind} ({first[kind]}{', ...' * (count > 1)})" for kind, count in _ranked(kinds)
    ]
    more = f" and {len(kinds) - _MOST} more kinds" if len(kinds) > _MOST else ""
    return f"left out of {root}: {', '.join(told)}{more}" if told else ""


def _ranked(kinds: Counter[str]) -> list[tuple[str, int]]:
    # The most frequent first, then by name.
    return sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:_MOST]
