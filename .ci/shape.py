"""What shape the package has: rooms, the imports between them, and how its code is written.

Usage: python .ci/shape.py [FOLDER OF THE REPOSITORY]

A room is a folder of `signlib/`, or a file at its top. An arrow goes from a room to another one
that it imports; a level is a step of the longest chain of arrows; a circle is a group of rooms
that reach each other. A line of code is one that is neither blank, nor a comment, nor of a
docstring. A conditional expression or a comprehension is nested when it is part of a larger
expression instead of the whole value of a statement.
"""

import ast
import io
import sys
import tokenize
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "signlib"
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def room_of(module: str) -> str:
    """The room of a dotted module name: the part after the package's name."""
    return module.split(".")[1] if "." in module else "__init__"


def imported_modules(tree: ast.Module) -> set[str]:
    """Dotted names of the package that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            names |= {f"{PACKAGE}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}.")}


def levels_of(arrows: dict[str, set[str]]) -> int:
    """Rooms on the longest chain of imports.

    Raises:
        CycleError: when there is a circle.
    """
    heights: dict[str, int] = {}
    for room in TopologicalSorter(arrows).static_order():
        heights[room] = 1 + max((heights[below] for below in arrows[room]), default=0)
    return max(heights.values())


def docstring_lines(tree: ast.Module) -> set[int]:
    """Numbers of the lines that docstrings take, strings after an assignment among them."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        if isinstance(node.value.value, str):
            lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def nested(tree: ast.Module, kinds: tuple[type[ast.AST], ...]) -> int:
    """How many expressions of these kinds stand inside a larger expression."""
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            inner |= {id(child) for child in ast.walk(node) if child is not node}
    return sum(isinstance(node, kinds) and id(node) in inner for node in ast.walk(tree))


def explains(token: tokenize.TokenInfo) -> bool:
    """True for a comment that is written for people, not for a tool."""
    directives = ("# fmt:", "# noqa", "# type:")
    return token.type == tokenize.COMMENT and not token.string.startswith(directives)


def main(root: Path) -> None:
    """Print the shape of the package below `root`."""
    arrows: dict[str, set[str]] = defaultdict(set)
    statements = code_lines = characters = comments = conditionals = comprehensions = 0
    files = sorted((root / PACKAGE).rglob("*.py"))
    for file in files:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        parts = file.relative_to(root).with_suffix("").parts
        room = room_of(".".join(parts))
        arrows[room] |= {room_of(name) for name in imported_modules(tree)} - {room}
        statements += sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
        documented = docstring_lines(tree)
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip() and not line.lstrip().startswith("#") and number not in documented:
                code_lines += 1
                characters += len(line.strip())
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        comments += sum(map(explains, tokens))
        conditionals += nested(tree, (ast.IfExp,))
        comprehensions += nested(tree, COMPREHENSIONS)
    circle: list[str] = []
    levels = 0
    try:
        levels = levels_of(arrows)
    except CycleError as error:
        circle = error.args[1]
    top = [file for file in files if file.parent == root / PACKAGE]
    print(f"rooms                           {len(arrows)}")
    print(f"levels                          {levels or 'none: there is a circle'}")
    print(f"arrows between rooms            {sum(map(len, arrows.values()))}")
    print(f"circles                         {' -> '.join(circle) or 0}")
    print(f"files at the top                {len(top)}")
    print(f"files                           {len(files)}")
    print(f"statements                      {statements}")
    print(f"code lines                      {code_lines}")
    print(f"characters a code line          {characters / code_lines:.1f}")
    print(f"comments per 100 code lines     {100 * comments / code_lines:.1f}")
    print(f"nested conditionals per 100     {100 * conditionals / code_lines:.2f}")
    print(f"nested comprehensions per 100   {100 * comprehensions / code_lines:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
