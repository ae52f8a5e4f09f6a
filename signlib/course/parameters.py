"""What a notebook declares: the parameters in its cell tagged `parameters`.

Read from the code itself: papermill's own reader loses lines that have a second `=`, even in a
comment.
"""

import ast
import contextlib
import io
import json
import re
import tokenize
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from signlib import paths, reading
from signlib.errors import InputError, SettingsError, extra
from signlib.settings.values import first_line

with extra("course"):
    import nbformat
    from nbformat import NotebookNode

COMMENT = re.compile(r"#\s*(?:type:\s*(?P<type>[^\s#]+)[\s#]*)?(?P<help>.*)")
# Declared type -> the types that a value may have.
TYPES: dict[str, set[type]] = {
    "int": {int},
    "float": {int, float},
    "bool": {bool},
    "str": {str},
    "list": {list, tuple},
}
# How text from a command line becomes a value; yaml alone would read 1e-3 as text.
READERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "bool": reading.parse_yaml,
    "list": reading.parse_yaml,
}


def read_notebook(path: str | Path) -> NotebookNode:
    """The notebook in a file, in the current format.

    Raises:
        InputError: when the file is missing or is not a notebook.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"notebook {path} does not exist: the course is in {paths.notebooks_root()}"
        )
    try:
        content = reading.read_json(path)
        version = content.get("nbformat") if isinstance(content, dict) else None
        minor = content.get("nbformat_minor") if version in (3, 4) else None
        # nbformat's own functions mend a notebook before they look whether it is one.
        whole = isinstance(minor, int)
        schema = whole and nbformat.validator.get_validator(version, minor, relax_add_props=True)
        if not schema:
            raise ValueError(f"nbformat={version!r}, nbformat_minor={minor!r} is no version of it")
        for fault in schema.iter_errors(content):
            raise ValueError(fault.message)
        return nbformat.reads(json.dumps(content), as_version=4)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a notebook ({first_line(error)}): restore it from git"
        ) from error


def notebook_parameters(path: str | Path) -> dict[str, dict[str, str]]:
    """What a notebook's cell tagged `parameters` declares.

    Returns:
        name -> `name`, `inferred_type_name`, `default` and `help`.

    Raises:
        InputError: when the file is missing or is not a notebook.
        SettingsError: when it names no kernel, or has no such cell of plain Python.
    """
    path = Path(path)
    notebook = read_notebook(path)
    if "name" not in notebook.metadata.get("kernelspec", {}):
        raise SettingsError(
            f"{path.name} names no kernel: add metadata.kernelspec python3 (Jupyter: save it)"
        )
    tagged = [
        cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())
    ]
    if not tagged:
        raise SettingsError(
            f"{path.name} has no cell tagged 'parameters': tag the cell with its settings"
        )
    try:
        return _declared(tagged[0])
    except (SyntaxError, ValueError) as error:
        raise SettingsError(
            f"{path.name}: its cell tagged 'parameters' is not plain Python ({error}): write NAME:"
            " type = value lines"
        ) from error


def _declared(source: str) -> dict[str, dict[str, str]]:
    # What code assigns at its top level, as `notebook_parameters` returns it.
    tree = ast.parse(source)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    declared = {}
    for line in tree.body:
        if not isinstance(line, ast.Assign | ast.AnnAssign) or line.value is None:
            continue
        comment = COMMENT.match(comments.get(line.end_lineno or 0, "#"))
        kind, text = comment.group("type", "help") if comment else (None, "")
        targets = [line.target] if isinstance(line, ast.AnnAssign) else line.targets
        if isinstance(line, ast.AnnAssign):
            kind = ast.unparse(line.annotation).strip("'")
        # One line may assign several names: `A = B = 1`, `A, B = 1, 2`.
        for node in [node for target in targets for node in ast.walk(target)]:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                declared[node.id] = {
                    "name": node.id,
                    "inferred_type_name": kind or "None",
                    "default": ast.get_source_segment(source, line.value) or "",
                    "help": text.strip(),
                }
    return declared


def check_parameters(path: str | Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` in the types that the notebook declares; text from a command line is converted.

    Raises:
        SettingsError: for a parameter that the notebook does not have, or a value of another type.
    """
    declared = notebook_parameters(path)
    checked = {}
    for name, value in parameters.items():
        if name not in declared:
            names = ", ".join(declared) or "none"
            raise SettingsError(f"{Path(path).name} has no parameter {name!r}; it has {names}")
        kind = declared[name]["inferred_type_name"].partition("[")[0]
        if isinstance(value, str) and kind in READERS:
            # What cannot be read stays text and is refused below.
            with contextlib.suppress(ValueError):
                value = READERS[kind](value)
        if kind in TYPES and type(value) not in TYPES[kind]:
            default = declared[name]["default"]
            raise SettingsError(
                f"{Path(path).name}: {name}={value!r} is not of type {kind}, as in {default}"
            )
        checked[name] = value
    return checked
