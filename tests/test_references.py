"""What pages and docstrings refer to exists: names in backticks, files, links and their headings.

The package is read as text, never imported, but for the names of settings.
"""

import ast
import re
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import signlib
from signlib.cli import source_flags
from signlib.paths import REPOSITORY
from signlib.settings import config, presets
from signlib.settings.registry import TASKS, all_presets

PACKAGE = REPOSITORY / "signlib"
FILES = sorted(PACKAGE.rglob("*.py"))
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
ROOMS = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
DOTTED = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)(?:\([^`]*\))?`")
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+\.(?:py|md|csv|txt|ipynb))`")
SUFFIXES = "py yaml json csv npy npz md bin".split()
LINK = re.compile(r"\]\(([^)\s]+)\)")


def assigned(node: ast.stmt) -> set[str]:
    """The names that a statement gives a meaning."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {name.id for name in targets if isinstance(name, ast.Name)}


def members(node: ast.ClassDef) -> set[str]:
    """The names in a class, with those that its methods give `self`."""
    names = {name for statement in node.body for name in assigned(statement)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name):
            names |= {inner.attr} if inner.value.id == "self" else set()
    return names


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def modules() -> dict[str, set[str]]:
    """Each module below `signlib`, and the names in it."""
    found = {}
    for file in FILES:
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        names = {name for node in tree_of(file).body for name in assigned(node)}
        found[".".join(part for part in parts if part != "__init__")] = names
    return found


@cache
def classes() -> dict[str, set[str]]:
    """The classes of the package by name, with their members and those of their bases."""
    found: dict[str, set[str]] = defaultdict(set)
    bases: dict[str, set[str]] = defaultdict(set)
    for node in (node for file in FILES for node in ast.walk(tree_of(file))):
        if isinstance(node, ast.ClassDef):
            found[node.name] |= members(node)
            for base in node.bases:
                bases[node.name] |= {n.id for n in ast.walk(base) if isinstance(n, ast.Name)}
    for name in filter(found.__contains__, TopologicalSorter(bases).static_order()):
        for base in bases[name] & found.keys():
            found[name] |= found[base]
    return dict(found)


@cache
def settings() -> set[str]:
    """Every key that some task has, and the sections of keys."""
    first = {task: name for name, (task, _) in reversed(all_presets().items())}
    keys = {key for task in TASKS for key in config.flat(presets.build(first[task]))}
    return keys | {key.partition(".")[0] for key in keys}


def resolves(name: str, room: str = "") -> bool:
    """True for a name of the package that exists, and for one of something else.

    Args:
        name: with dots.
        room: of the file that has it, whose modules need no longer name there.
    """
    parts = name.removeprefix("signlib.").split(".")
    if parts[-1] in SUFFIXES or name.removeprefix("settings.") in settings():
        return True
    if name.startswith("signlib.") and len(parts) == 1:
        return parts[0] in ROOMS or parts[0] in signlib.__all__
    if parts[0] == "settings" and f"settings.{parts[1]}" not in modules():
        # An argument of that name, of whatever class.
        return any(parts[1] in names for names in classes().values())
    if parts[0] in classes():
        return parts[1] in classes()[parts[0]]
    if parts[0] not in ROOMS:
        if f"{room}.{parts[0]}" not in modules():
            return not name.startswith("signlib.")
        parts = [room, *parts]
    length = max(n for n in range(1, len(parts) + 1) if ".".join(parts[:n]) in modules() or n == 1)
    rest = parts[length:]
    names = modules().get(".".join(parts[:length]), set())
    inner = classes().get(rest[0], set()) if rest else set()
    return not rest or (rest[0] in names and (len(rest) == 1 or rest[1] in inner))


def is_there(path: str) -> bool:
    """True for a file of the repository, given from its top or from the package's."""
    if re.search(r"[A-Z]{3}", path):
        return True  # a placeholder, as in corpora/NAME.py
    return any((root / path).exists() for root in (REPOSITORY, PACKAGE, REPOSITORY / "docs"))


def docstrings(file: Path) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(tree_of(file)) if isinstance(node, kinds)]
    return [ast.get_docstring(node) or "" for node in nodes]


def broken(text: str, room: str = "") -> list[str]:
    """The names and files in a text that do not exist.

    Words of the sources are theirs: `training.gradient_clip` is translated, not ours.
    """
    names = [name for name in DOTTED.findall(text) if not resolves(name, room)]
    names = [name for name in names if name not in source_flags._RENAMED]
    return names + [path for path in PATH.findall(text) if not is_there(path)]


def anchors(page: Path) -> set[str]:
    """What a link may name after `#`, as code hosts make it of headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", title.lower()) for title in titles]
    return {title.strip().replace(" ", "-") for title in plain}


def test_docstrings_name_what_exists():
    found = {
        str(file.relative_to(REPOSITORY)): wrong
        for file in FILES
        if (wrong := broken("\n".join(docstrings(file)), file.parent.name))
    }
    assert not found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_pages_name_and_link_what_exists(page: Path):
    text = page.read_text(encoding="utf-8")
    # The log of changes tells of what was, and a card of files of its corpus.
    assert page.name == "CHANGELOG.md" or page.parent.name == "cards" or not broken(text)
    for target in LINK.findall(text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


def test_every_file_that_differs_from_a_source_stands_in_the_list_of_them():
    page = (REPOSITORY / "docs" / "sources.md").read_text(encoding="utf-8")
    table = page.partition("## Where each difference stands")[2]
    listed = re.findall(r"^\| `([\w/]+\.py)` \| \S", table, re.MULTILINE)
    differing = [
        file.relative_to(PACKAGE).as_posix()
        for file in FILES
        if "Differs:" in file.read_text(encoding="utf-8")
    ]
    assert sorted(listed) == differing, "add a row to docs/sources.md, or take one away"


def test_the_walk_sees_what_is_broken():
    text = (
        "`tasks.task.Task` `tasks.task.Tusk` `training.epochs` `training.epoch` `Run.open_test`"
        " `Run.open_tests` `mp.solutions` `signlib.nothing` `cli/verbs.py` `cli/verb.py`"
        " `store.ClipSource` `store.ClipSauce` `corpora/NAME.py`"
    )
    assert broken(text, "stores") == [
        "tasks.task.Tusk",
        "training.epoch",
        "Run.open_tests",
        "signlib.nothing",
        "store.ClipSauce",
        "cli/verb.py",
    ]
