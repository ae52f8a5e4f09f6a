"""Every notebook follows the rules of the course, and each rule catches what it is there for."""

import re
from collections.abc import Callable

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from signlib import paths
from signlib.course.rules import check_file, check_notebook
from signlib.course.stored import stored_form

NOTEBOOKS = sorted(paths.notebooks_root().glob("*.ipynb"))
TEMPLATE = paths.notebooks_root() / "_template.ipynb"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_follows_the_rules(path):
    problems = check_file(path)
    assert not problems, "\n".join([path.name, *problems])


def test_template_is_among_them():
    assert TEMPLATE in NOTEBOOKS


def code(notebook: NotebookNode, tag: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if tag in cell.metadata.get("tags", ()))


def rewrite(old: str, new: str, count: int = 1) -> Callable[[NotebookNode], None]:
    """A breakage: `old` becomes `new` in the cells; it must be there."""

    def break_it(notebook):
        cells = [cell for cell in notebook.cells if re.search(old, cell.source, re.MULTILINE)]
        assert cells, old
        for cell in cells:
            cell.source = re.sub(old, new, cell.source, count=count, flags=re.MULTILINE)

    return break_it


def add(source: str, **fields) -> Callable[[NotebookNode], None]:
    """A breakage: one more code cell at the end, with the execution count it should have."""

    def break_it(notebook):
        number = 1 + sum(cell.cell_type == "code" for cell in notebook.cells)
        cell = new_code_cell(source, **{"execution_count": number, **fields})
        notebook.cells.append(cell)

    return break_it


def untag(tag: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: code(notebook, tag).metadata.tags.remove(tag)


def without_outputs(tag: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: code(notebook, tag).update(outputs=[])


TOO_MANY = "\n".join(f"P{i}: int = {i}  # one more" for i in range(9))
BROKEN = {
    "title is no question": (rewrite(r"^(# NN .*)\?$", r"\1"), "is not a question"),
    "title without number": (rewrite("^# NN · ", "# "), "is not a question"),
    "no opening list": (rewrite(r"\*\*You will\*\*", "Soon"), "no list 'You will'"),
    "no closing list": (rewrite(r"\*\*You have\*\*", "Done"), "no list 'You have'"),
    "too few objectives": (rewrite(r"^- (draw|drawn) .*\n", ""), "2 bullets, not 3 or 4"),
    "closing list shorter": (
        rewrite(r"^- drawn .*\n", ""),
        "'You will' has 3 bullets and 'You have' 2",
    ),
    "closing list about something else": (
        rewrite("^- drawn .*", "- eaten an apple"),
        "does not come back to",
    ),
    "no limits": (
        rewrite("^## What we can and cannot say", "## Thoughts"),
        "What we can and cannot say",
    ),
    "no sources": (rewrite("^## Sources", "## Links"), "no section '## Sources'"),
    "no next": (rewrite("^## Try next", "## Later"), "no section '## Try next'"),
    "empty section": (rewrite(r"(?s)^## Sources.*", "## Sources"), "no section '## Sources'"),
    "next without a parameter": (rewrite(r"^- `CLIPS = 5`", "- fewer"), "each name a parameter"),
    "hole": (rewrite("^## Sources", "## Sources\n\nTODO a paper"), "TODO left"),
    "no parameters": (untag("parameters"), "0 cells tagged 'parameters'"),
    "two parameter cells": (
        add("N: int = 1  # n", metadata={"tags": ["parameters"]}),
        "2 cells tagged",
    ),
    "parameters late": (
        lambda nb: nb.cells.insert(1, new_code_cell("1", execution_count=1)),
        "parameters are in code cell 2",
    ),
    "too many parameters": (
        lambda nb: code(nb, "parameters").update(source=TOO_MANY),
        "9 parameters, limit 8",
    ),
    "parameter without annotation": (
        rewrite("^SEED: int = 0", "SEED = 0"),
        "is not 'NAME: type = value",
    ),
    "parameter without comment": (rewrite("^(SEED: int = 0).*", r"\1"), "has no comment"),
    "parameter computed": (rewrite("^SEED: int = 0", "SEED: int = int(0)"), "with a plain value"),
    "parameter a dictionary": (rewrite("^SEED: int = 0", "SEED: dict = {}"), "with a plain value"),
    "kernel of somebody": (
        lambda nb: nb.metadata.kernelspec.update(name="my-env"),
        "kernelspec is 'my-env'",
    ),
    "no kernel": (lambda nb: nb.metadata.pop("kernelspec"), "kernelspec is None"),
    "long cell": (add("x = 1\n" * 16), "has 16 lines, limit 15"),
    "long notebook": (
        lambda nb: [add("x = 1\n" * 15)(nb) for _ in range(8)],
        "lines of code, limit 120",
    ),
    "two functions": (add("def a(): ...\ndef b(): ..."), "functions a, b"),
    "class": (add("class A: ..."), "class A"),
    "if MODE": (add('if MODE == "full":\n    x = 1'), "decides by MODE"),
    "value by MODE": (add('x = 1 if MODE == "full" else 2'), "decides by MODE"),
    "compared MODE": (add('x = {True: 1, False: 2}[MODE == "full"]'), "decides by MODE"),
    "match MODE": (add('match MODE:\n    case "full":\n        x = 1'), "decides by MODE"),
    "pip": (add("!pip install torch"), "'!pip install torch' is no Python"),
    "magic": (add("%matplotlib inline"), "is no Python"),
    "cell magic": (add("%%time\nx = 1"), "is no Python"),
    "shell assignment": (add("files = !ls"), "is no Python"),
    "syntax error": (add("x = = 1"), "is not Python"),
    "absolute path in code": (add('folder = "/data/autsl"'), "absolute path '/data/autsl'"),
    "Windows path in code": (add(r'folder = "D:\\autsl"'), "absolute path"),
    "home in code": (add('folder = "~/autsl"'), "absolute path '~/autsl'"),
    "machine path in prose": (
        rewrite("^## Sources", "See /home/me/x.\n\n## Sources"),
        "folder of one machine",
    ),
    "checkout in an output": (
        add(
            "1",
            outputs=[new_output("stream", name="stdout", text=f"saved {paths.REPOSITORY}/runs\n")],
        ),
        "folder of one machine",
    ),
    "stored error": (
        add("1/0", outputs=[new_output("error", ename="E", evalue="", traceback=[])]),
        "stored error",
    ),
    "output without execution count": (
        lambda nb: code(nb, "verdict").update(execution_count=None),
        "outputs but no execution count",
    ),
    "not run": (add("1", execution_count=None), "execution count None"),
    "run out of order": (add("1", execution_count=40), "execution count 40"),
    "checked cell without output": (
        without_outputs("nbval-check-output"),
        "is to be checked by nbval but has no",
    ),
    "checked by comment without output": (
        add("# NBVAL_CHECK_OUTPUT\nx = 1"),
        "is to be checked by nbval but has no",
    ),
    "memory address": (
        add(
            "f",
            outputs=[
                new_output(
                    "execute_result", {"text/plain": "<f at 0x7f12ab34cd>"}, execution_count=10
                )
            ],
        ),
        "memory address",
    ),
    "no figure": (untag("figure"), "0 cells tagged 'figure'"),
    "two verdicts": (add("print(1)", metadata={"tags": ["verdict"]}), "2 cells tagged 'verdict'"),
    "figure without picture": (without_outputs("figure"), "has not stored a picture"),
    "table without table": (without_outputs("table"), "has not stored a table"),
    "verdict without words": (
        without_outputs("verdict"),
        "has not stored Markdown or printed text",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_rule_catches(name):
    break_it, message = BROKEN[name]
    notebook = nbformat.read(TEMPLATE, as_version=4)
    assert check_notebook(notebook, "_template") == []
    break_it(notebook)
    problems = check_notebook(notebook, "_template")
    assert any(message in problem for problem in problems), problems


def test_formulas_units_and_prose_with_slashes_are_no_paths():
    notebook = nbformat.read(TEMPLATE, as_version=4)
    notebook.cells.insert(
        1, new_markdown_cell(r"$f:\mathbb{R} \to A/B$, https://host.org/home/x, and/or, runs/a.csv")
    )
    add('label = f"{NOISE:.1f}/s"; ratio = 3 / CLIPS; name = "a/b"')(notebook)
    assert check_notebook(notebook, "_template") == []


def test_numbered_notebook_repeats_its_number(tmp_path):
    notebook = nbformat.read(TEMPLATE, as_version=4)
    assert any(
        "'# 20 · ...?'" in problem for problem in check_notebook(notebook, "20_fusion_ablation")
    )
    rewrite("^# NN", "# 20")(notebook)
    assert check_notebook(notebook, "20_fusion_ablation") == []


@pytest.mark.parametrize(
    "name", ["Fusion.ipynb", "20-fusion.ipynb", "2_fusion.ipynb", "20_Fusion.ipynb", "20.ipynb"]
)
def test_file_names(tmp_path, name):
    (tmp_path / name).write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    assert any("NN_snake_case" in problem for problem in check_file(tmp_path / name))


def test_file_size(tmp_path):
    notebook = nbformat.read(TEMPLATE, as_version=4)
    code(notebook, "figure").outputs[0].data["image/png"] = "A" * 200_000
    path = tmp_path / "_template.ipynb"
    path.write_text(stored_form(notebook), encoding="utf-8")
    problems = check_file(path)
    assert len(problems) == 1
    assert "KB, limit 200" in problems[0]


def test_file_that_is_not_in_stored_form(tmp_path):
    notebook = nbformat.read(TEMPLATE, as_version=4)
    notebook.metadata["papermill"] = {"duration": 3.2}
    nbformat.write(notebook, tmp_path / "_template.ipynb")
    assert check_file(tmp_path / "_template.ipynb") == [
        "not in its stored form: run `make notebooks`"
    ]


def executed(*outputs: NotebookNode, **metadata) -> NotebookNode:
    cell = new_code_cell("x", outputs=list(outputs), execution_count=1, metadata=metadata)
    return nbformat.v4.new_notebook(cells=[cell])


def stored_outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return nbformat.reads(stored_form(notebook), as_version=4).cells[0].outputs


def stdout(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text)


def test_stored_form_leaves_out_what_changes_by_itself():
    widget = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "9f"},
        "text/plain": "0%|  | 0/3 [00:00<?]",
    }
    notebook = executed(
        new_output("stream", name="stderr", text=" 33%|###   | 1/3 [00:01<00:02]"),
        new_output("display_data", widget),
        stdout("epochs\n"),
        stdout("Epoch 0:  50%|#####     | 1/2 [00:01]\rEpoch 0: 100%|##########| 2/2 [00:02]\n"),
        stdout("loading\rloaded\ndone 100% | fine\n"),
        papermill={"duration": 2.0},
        execution={"iopub.status.idle": "now"},
    )
    notebook.metadata.update(
        papermill={"duration": 3.0}, language_info={"version": "3.11"}, widgets={}
    )
    assert [output.text for output in stored_outputs(notebook)] == [
        "epochs\nloaded\ndone 100% | fine\n"
    ]
    stored = nbformat.reads(stored_form(notebook), as_version=4)
    assert set(stored.metadata) == {"kernelspec"}
    assert stored.cells[0].metadata == {}
    assert stored.cells[0].execution_count == 1


def test_stored_form_of_a_volatile_cell_has_no_output():
    assert stored_outputs(executed(stdout("3 s on cuda\n"), tags=["volatile"])) == []


def test_stored_form_of_a_styled_table_has_steady_ids():
    def styled(name):
        style = (
            f'<style>#T_{name}_row0 {{}}</style><table id="T_{name}"><td'
            f' id="T_{name}_row0">1</td></table>'
        )
        return executed(new_output("display_data", {"text/html": style}))

    one, other = (stored_outputs(styled(name))[0].data["text/html"] for name in ("1a2b3", "9f8e7"))
    assert one == other
    assert one.count("T_0") == 3


def test_stored_form_twice_is_stored_form_once():
    notebook = executed(
        stdout("a\rb\n"), stdout("c"), new_output("display_data", {"image/png": "QUJD\n"})
    )
    once = stored_form(notebook)
    assert stored_form(nbformat.reads(once, as_version=4)) == once
