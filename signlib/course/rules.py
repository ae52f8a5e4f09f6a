"""What every notebook of the course keeps to, so that all have the same sections in one order.

Tests and `make lint` ask `check_file`; each rule yields sentences that say what to change.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from signlib import paths
from signlib.course.stored import cell_tags, stored_form
from signlib.errors import extra

with extra("course"):
    import nbformat
    from nbformat import NotebookNode

NAME = re.compile(r"\d\d(_[a-z0-9]+)+|_template")
# The most that a notebook may have: parameters, lines of code in all and in a cell, its file.
PARAMETERS, CODE_LINES, CELL_LINES, BYTES = 8, 120, 15, 200_000
# Tag of a cell that the course's page shows -> what it must have stored.
RESULTS = {
    "figure": "a picture (image/png)",
    "table": "a table (text/html)",
    "verdict": "Markdown or printed text",
}
SECTIONS = ("What we can and cannot say", "Try next", "Sources")
CHECK = re.compile(r"^\s*#+\s*NBVAL_CHECK_OUTPUT\s*$", re.MULTILINE)
HOLES = re.compile(r"\b(TODO|FIXME|XXX|TBD)\b")
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
MACHINE_PATH = re.compile(
    r"(?<![\w.:/<~-])/(?:home|Users|root|tmp|var|opt|mnt|usr|private|kaggle|content)/[\w.-]"
    r"|\b[A-Z]:\\Users\b|file://"
)


def check_file(path: Path) -> list[str]:
    """What is wrong with a notebook file, one sentence each; empty when it follows every rule."""
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    problems = []
    if not NAME.fullmatch(path.stem):
        problems.append(f"name {path.name!r} is not NN_snake_case.ipynb: rename it")
    if len(text.encode()) > BYTES:
        problems.append(
            f"{len(text.encode()) / 1000:.0f} KB, limit {BYTES // 1000}: smaller figures"
        )
    problems += check_notebook(notebook, path.stem)
    if text != stored_form(nbformat.reads(text, as_version=4)):
        problems.append("not in its stored form: run `make notebooks`")
    return problems


def check_notebook(notebook: NotebookNode, name: str) -> list[str]:
    """What is wrong inside a notebook, one sentence each.

    Args:
        notebook: with the outputs that are to be stored.
        name: stem of its file, whose number the title repeats.
    """
    holes = [HOLES.search(cell.source) for cell in notebook.cells]
    problems = [
        f"{hole.group()} left in a cell: finish it or leave it out" for hole in holes if hole
    ]
    kernel = notebook.metadata.get("kernelspec", {})
    if kernel.get("name") != "python3":
        problems.append(
            f"kernelspec is {kernel.get('name')!r}, not 'python3': papermill and Kaggle need it"
        )
    for rule in RULES:
        problems += rule(notebook, name)
    return problems


def _code(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    # The code cells, numbered as `In [n]` will be.
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return list(enumerate(cells, 1))


def _prose(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def _section(text: str, title: str) -> str | None:
    # The text under a heading or a bold line, up to the next one; None when there is none.
    heading = re.search(
        rf"^(?:#+ {title}\s*|\*\*{title}:?\*\*:?.*)$", text, re.MULTILINE | re.IGNORECASE
    )
    if not heading:
        return None
    rest = text[heading.end() :]
    return re.split(r"^(?:#|\*\*)", rest, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _bullets(text: str) -> list[str]:
    return re.findall(r"^[-*] +(.*(?:\n +\S.*)*)", text, re.MULTILINE)


def _trees(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode, ast.Module]]:
    # Each code cell that is plain Python, parsed; `_plain_python` reports the others.
    for number, cell in _code(notebook):
        try:
            yield number, cell, ast.parse(cell.source)
        except SyntaxError:
            continue


def _title(notebook: NotebookNode, name: str) -> Iterator[str]:
    number = "NN" if name.startswith("_") else name[:2]
    source = notebook.cells[0].source if notebook.cells else ""
    first = source.splitlines()[0] if source else ""
    if not re.fullmatch(rf"# {number} · \S.*\?", first):
        yield f"title {first!r} is not a question of the form '# {number} · ...?'"


def _objectives(notebook: NotebookNode, name: str) -> Iterator[str]:
    text = _prose(notebook)
    opening, closing = _section(text, "You will"), _section(text, "You have")
    if opening is None or closing is None:
        missing = "You will" if opening is None else "You have"
        yield f"no list {missing!r}: the opening and the closing list mirror each other"
        return
    will, have = _bullets(opening), _bullets(closing)
    if len(will) not in (3, 4):
        yield f"'You will' has {len(will)} bullets, not 3 or 4"
    if len(will) != len(have):
        yield (
            f"'You will' has {len(will)} bullets and 'You have' {len(have)}: they mirror each other"
        )
    for one, other in zip(will, have, strict=False):
        # The two share two words of at least four letters, as far as the first one has so many.
        words = [set(re.findall(r"[^\W\d_]{4,}", bullet.lower())) for bullet in (one, other)]
        if len(words[0] & words[1]) < min(2, len(words[0])):
            yield f"'You have' does not come back to {one!r}"


def _sections(notebook: NotebookNode, name: str) -> Iterator[str]:
    text = _prose(notebook)
    for title in SECTIONS:
        if not _section(text, title):
            yield f"no section '## {title}' with something in it"
    changes = _bullets(_section(text, "Try next") or "")
    words = [rf"\b{re.escape(parameter)}\b" for parameter in _parameter_names(notebook)]
    names = re.compile("|".join(words) or "$^")  # `$^` matches no line with something in it
    if len(changes) not in (2, 3) or not all(names.search(change) for change in changes):
        yield "'Try next' is not two or three bullets that each name a parameter and its new value"


def _parameter_names(notebook: NotebookNode) -> list[str]:
    return [
        line.target.id
        for _, cell, tree in _trees(notebook)
        if "parameters" in cell_tags(cell)
        for line in tree.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    ]


def _parameters(notebook: NotebookNode, name: str) -> Iterator[str]:
    tagged = [
        (number, cell, tree)
        for number, cell, tree in _trees(notebook)
        if "parameters" in cell_tags(cell)
    ]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells tagged 'parameters', not one"
    for number, cell, tree in tagged:
        if number != 1:
            yield (
                f"the parameters are in code cell {number}: they come first, so that an injected"
                " value reaches all"
            )
        if len(tree.body) > PARAMETERS:
            yield f"{len(tree.body)} parameters, limit {PARAMETERS}"
        for line in tree.body:
            code = cell.source.splitlines()[line.lineno - 1]
            if not (isinstance(line, ast.AnnAssign) and _is_scalar(line.value)):
                yield (
                    f"parameter line {code!r} is not 'NAME: type = value  # comment' with a plain"
                    " value"
                )
            elif not re.fullmatch(r"[A-Z][A-Z0-9_]*: .*\S  # \S.*", code):
                yield (
                    f"parameter line {code!r} has no comment (papermill shows it as help) or no"
                    " upper-case name"
                )


def _is_scalar(value: ast.expr | None) -> bool:
    # True for a number, text, truth value, None, or a list of these.
    try:
        constant = ast.literal_eval(value) if value else ...
    except ValueError:
        return False
    items = constant if isinstance(constant, list) else [constant]
    return all(item is None or isinstance(item, bool | int | float | str) for item in items)


def _budget(notebook: NotebookNode, name: str) -> Iterator[str]:
    total = 0
    for number, cell in _code(notebook):
        lines = sum(
            bool(line.strip()) and not line.strip().startswith("#")
            for line in cell.source.splitlines()
        )
        total += lines
        if lines > CELL_LINES:
            yield (
                f"code cell {number} has {lines} lines, limit {CELL_LINES}: move logic into signlib"
                " or split it"
            )
    if total > CODE_LINES:
        yield f"{total} lines of code, limit {CODE_LINES}: move logic into signlib"
    nodes = [node for _, _, tree in _trees(notebook) for node in ast.walk(tree)]
    functions = [
        node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    if len(functions) > 1:
        yield (
            f"functions {', '.join(functions)}: at most one def, logic used twice goes into signlib"
        )
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield f"class {node.name}: classes live in signlib"


def _one_code_path(notebook: NotebookNode, name: str) -> Iterator[str]:
    for number, _, tree in _trees(notebook):
        for node in ast.walk(tree):
            # What decides: the test of an `if`, a `while` or a `... if ...`, a match, a comparison.
            test = node.subject if isinstance(node, ast.Match) else getattr(node, "test", None)
            if isinstance(node, ast.Compare):
                test = node
            parts = ast.walk(test) if isinstance(test, ast.expr) else ()
            if any(isinstance(part, ast.Name) and part.id == "MODE" for part in parts):
                yield (
                    f"code cell {number} decides by MODE: presets have a smoke and a full form,"
                    " notebooks one path"
                )
                break


def _plain_python(notebook: NotebookNode, name: str) -> Iterator[str]:
    for number, cell in _code(notebook):
        magic = re.search(r"^\s*(%{1,2}\w.*|!.*|[\w, ]+=\s*[!%]\w.*)$", cell.source, re.MULTILINE)
        if magic:
            yield (
                f"code cell {number}: {magic.group().strip()!r} is no Python: leave magics and"
                " shell out"
            )
            continue
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield f"code cell {number} is not Python: {error.msg}"


def _machine_paths(notebook: NotebookNode, name: str) -> Iterator[str]:
    here = [str(paths.REPOSITORY) + "/", str(Path.home()) + "/"]
    for index, cell in enumerate(notebook.cells, 1):
        for text in (cell.source, *_stored_texts(cell)):
            match = MACHINE_PATH.search(text)
            folders = [match.group()] if match else [folder for folder in here if folder in text]
            if folders:
                yield (
                    f"cell {index} names a folder of one machine ({folders[0]!r}...): use"
                    " signlib.paths"
                )
                break
    for number, _, tree in _trees(notebook):
        # `f"{root}/clips"` is fine: only the beginning of a formatted text can be absolute.
        inner: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                inner |= {id(part) for part in node.values[1:]}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and id(node) not in inner else None
            if isinstance(text, str) and re.match(r"/\w|~/|[A-Za-z]:[\\/]\w", text):
                yield f"code cell {number} has the absolute path {text!r}: use signlib.paths"


def _stored_texts(cell: NotebookNode) -> Iterator[str]:
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield output.text
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/"):
                yield content


def _outputs(notebook: NotebookNode, name: str) -> Iterator[str]:
    for number, cell in _code(notebook):
        kinds = [output.output_type for output in cell.outputs]
        if "error" in kinds:
            yield f"code cell {number} has a stored error: mend it and run `make notebooks`"
        if cell.execution_count != number:
            what = f"execution count {cell.execution_count}"
            if cell.outputs and not cell.execution_count:
                what = "outputs but no execution count"
            yield (
                f"code cell {number} has {what}: it was not run from top to bottom; run `make"
                " notebooks`"
            )
        checked = "nbval-check-output" in cell_tags(cell) or CHECK.search(cell.source)
        if checked and not cell.outputs:
            yield (
                f"code cell {number} is to be checked by nbval but has no stored output: it would"
                " pass whatever comes"
            )
        if any(ADDRESS.search(text) for text in _stored_texts(cell)):
            yield (
                f"code cell {number} shows a memory address, another one each run: end its last"
                " line with ';'"
            )


def _results(notebook: NotebookNode, name: str) -> Iterator[str]:
    for tag, what in RESULTS.items():
        cells = [cell for _, cell in _code(notebook) if tag in cell_tags(cell)]
        if len(cells) != 1:
            yield f"{len(cells)} cells tagged {tag!r}, not one: the course's page shows it"
        elif not any(_holds(output, tag) for output in cells[0].outputs):
            yield f"the cell tagged {tag!r} has not stored {what}"


def _holds(output: NotebookNode, tag: str) -> bool:
    data = output.get("data", {})
    if tag == "figure":
        return "image/png" in data
    if tag == "table":
        return "<table" in data.get("text/html", "")
    return "text/markdown" in data or output.get("name") == "stdout"


Rule = Callable[[NotebookNode, str], Iterator[str]]
RULES: tuple[Rule, ...] = (
    _title,
    _objectives,
    _sections,
    _parameters,
    _budget,
    _one_code_path,
    _plain_python,
    _machine_paths,
    _outputs,
    _results,
)
