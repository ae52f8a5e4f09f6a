"""Running notebooks from outside: what is refused, what is reported, and the page at the end."""

import ast
import errno
import json
import os
import re
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from signlib import paths
from signlib.__main__ import main as command_line
from signlib.course import runner
from signlib.course.notebook import run_notebook
from signlib.course.page import cleaned, notebook_page, notebook_parts
from signlib.course.parameters import check_parameters, notebook_parameters, read_notebook
from signlib.course.runner import course_notebooks, main, run_course, update_notebooks
from signlib.errors import DiskError, InputError, SettingsError

PARAMETERS = (
    'N: int = 2  # how many\nRATE: float = 0.5  # a rate\nNAME: str = "a"  # a name\nMORE: list ='
    " []  # more"
)
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, N])\nplt.show()"
TABLE = 'import pandas as pd\npd.DataFrame({"score": [N]}, index=pd.Index(["one"], name="model"))'
VERDICT = (
    "from IPython.display import Markdown\nMarkdown(f'**Yes**, {N} <of> 3. ![a"
    " plot](https://host/x.png)')"
)
FAILING = (
    'def recognise(clip):\n    raise ValueError(f"no hand in {clip}")\n\n\nrecognise("clip 7")'
)


def write(path, *cells, question="What is N?", kernel="a-kernel-that-nobody-installed"):
    notebook = new_notebook(
        cells=[
            new_markdown_cell(f"# {path.stem[:2]} · {question}\n\nMore about it."),
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        ]
    )
    for cell in cells:
        source, *tags = cell if isinstance(cell, tuple) else (cell,)
        notebook.cells.append(new_code_cell(source, metadata={"tags": tags} if tags else {}))
    if kernel:
        notebook.metadata.kernelspec = {"name": kernel, "display_name": "x", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def plain(tmp_path):
    return write(tmp_path / "00_plain.ipynb")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of two notebooks and a template, run from folders that are hard to name."""
    root = tmp_path_factory.mktemp("a course {0} of $HOME & 'signs'")
    write(
        root / "notes" / "00_first.ipynb", FAILING, (FIGURE, "figure"), question="Does <it> fail?"
    )
    write(
        root / "notes" / "20_second.ipynb",
        (FIGURE, "figure"),
        (TABLE, "table"),
        (VERDICT, "verdict"),
        "import os, pathlib\npathlib.Path(os.environ['SIGNLIB_RUNS'], 'mine').mkdir()",
    )
    write(root / "notes" / "_template.ipynb", "1 / 0")
    (root / "results" / "course" / "runs" / "mine").mkdir(parents=True)
    results = run_course(root / "notes", root / "results")
    return root, results, (root / "results" / "course.html").read_text(encoding="utf-8")


def test_every_notebook_runs_though_the_first_fails(course):
    _, (first, second), _ = course
    assert (first.name, second.name) == ("00_first", "20_second")
    assert second.error is None
    assert first.error.cell == 2
    assert first.error.source == FAILING
    assert first.error.exception == "ValueError: no hand in clip 7"
    assert '----> 5 recognise("clip 7")' in first.error.traceback
    assert "\x1b" not in first.error.traceback


def test_progress_line(course):
    _, (first, second), _ = course
    assert re.fullmatch(r"00_first +failed +\d+\.\d s +\d+ MB", str(first))
    assert re.fullmatch(r"20_second +ok +\d+\.\d s +\d+ MB", str(second))
    assert 30e6 < second.peak < 4e9
    assert 0.3 < second.seconds < 300


def test_runs_begin_empty_and_stay_beside_the_page(course):
    root, _, _ = course
    assert [path.name for path in (root / "results" / "course" / "runs").iterdir()] == ["mine"]


class Links(HTMLParser):
    """Every address that a page names."""

    def __init__(self, page):
        super().__init__()
        self.links = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src")]


def test_page_has_every_part_and_loads_nothing(course):
    _, _, page = course
    assert "Does &lt;it&gt; fail?" in page
    assert "What is N?" in page
    assert "<strong>Yes</strong>, 2 &lt;of&gt; 3. a plot" in page
    assert "<tr><th>model</th><th>score</th></tr>" in page
    assert page.count('src="data:image/png;base64,') == 1
    assert "Cell In [2] stopped: ValueError: no hand in clip 7" in page
    assert "def recognise(clip):" in page
    assert "No verdict, no figure, no table: the notebook did not get that far." in page
    assert "1 of them failed" in page
    outside = [link for link in Links(page).links if not link.startswith(("data:", "#", "course/"))]
    assert outside == []
    assert "@import" not in page
    assert "url(" not in page


def test_page_links_to_executed_notebooks(course):
    root, _, page = course
    links = [link for link in Links(page).links if link.startswith("course/")]
    assert len(links) == 4
    assert all((root / "results" / link).is_file() for link in links)


def test_a_later_course_of_one_notebook(course, capsys):
    root, _, _ = course
    results = run_course(root / "notes", root / "results", only=["00"])
    assert [result.name for result in results] == ["00_first"]
    captured = capsys.readouterr()
    assert captured.out.startswith("00_first")
    assert "00_first, cell In [2]: ValueError: no hand in clip 7" in captured.err
    assert (root / "results" / "course" / "20_second.ipynb").is_file()
    assert (root / "results" / "course" / "runs" / "mine").is_dir()


def test_only_knows_numbers_and_names(course):
    notes = course[0] / "notes"
    assert [path.stem for path in course_notebooks(notes)] == ["00_first", "20_second"]
    assert [path.stem for path in course_notebooks(notes, ["20"])] == ["20_second"]
    assert [path.stem for path in course_notebooks(notes, ["20_second", "00"])] == [
        "00_first",
        "20_second",
    ]
    with pytest.raises(
        SettingsError, match="--only 77: no such notebook; choose from 00_first, 20_second"
    ):
        course_notebooks(notes, ["77"])


@pytest.mark.parametrize(("failing", "code"), [(False, 0), (True, 1)])
def test_exit_code(tmp_path, monkeypatch, failing, code):
    write(tmp_path / "notebooks" / "00_first.ipynb", "1 / 0" if failing else "1 / 1")
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(runner.paths, "REPOSITORY", tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert main([]) == code
    assert (tmp_path / "results" / "course.html").is_file()


def test_exit_code_for_nothing_to_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(runner.paths, "REPOSITORY", tmp_path)
    assert main([]) == 2
    assert "holds no notebook" in capsys.readouterr().err


def test_check_names_the_broken_rules(tmp_path, monkeypatch, capsys):
    write(tmp_path / "notebooks" / "00_first.ipynb", question="N is two")
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(runner.paths, "REPOSITORY", tmp_path)
    assert main(["--check"]) == 1
    assert "00_first.ipynb: title '# 00 · N is two' is not a question" in capsys.readouterr().out


def test_check_of_the_template(capsys):
    assert main(["--check", "--only", "_template"]) == 0
    assert capsys.readouterr().out == "1 notebooks follow the rules\n"


def test_own_environment_and_working_directory(tmp_path):
    path = write(
        tmp_path / "here" / "00_where.ipynb",
        "import os, sys, signlib\nfrom pathlib import Path",
        "print(sys.executable, Path(signlib.__file__).parent.parent, Path.cwd(), NAME, N,"
        " sep='\\n')",
    )
    result = run_notebook(path, {"NAME": "b", "N": "3"}, tmp_path / "out.ipynb")
    assert result.error is None
    printed = nbformat.read(result.executed, as_version=4).cells[-1].outputs[0].text.split("\n")
    assert printed[:5] == [
        runner.sys.executable,
        str(runner.paths.REPOSITORY),
        str((tmp_path / "here").resolve()),
        "b",
        "3",
    ]
    assert nbformat.read(path, as_version=4).cells[-1].outputs == []


def test_time_limit(tmp_path):
    path = write(tmp_path / "00_slow.ipynb", "x = 1", "import time\ntime.sleep(300)")
    result = run_notebook(path, output=tmp_path / "out.ipynb", timeout=4)
    assert result.error.cell == 3
    assert "time.sleep(300)" in result.error.source
    assert "stopped after 4 s" in result.error.exception
    assert result.seconds < 60


def test_a_notebook_runs_as_long_as_it_needs(tmp_path, monkeypatch):
    """Nothing gives a cell a limit but who asks for one."""
    limits = []

    def executed(source, target, *_, timeout_func, **__):
        notebook = nbformat.read(source, as_version=4)
        limits.extend(map(timeout_func, notebook.cells))
        notebook.metadata.papermill = {}
        nbformat.write(notebook, target)

    monkeypatch.setattr("papermill.execute_notebook", executed)
    path = write(tmp_path / "00_slow.ipynb", "x = 1")
    run_notebook(path, output=tmp_path / "out.ipynb")
    assert set(limits) == {None}
    limits.clear()
    run_course(tmp_path, tmp_path / "results")
    assert set(limits) == {None}
    limits.clear()
    run_course(tmp_path, tmp_path / "results", timeout=600)
    assert 590 <= min(limits) <= max(limits) <= 600


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_an_impossible_time_limit(plain, timeout):
    with pytest.raises(SettingsError, match="must be seconds above 0, or 0 for no limit"):
        run_notebook(plain, timeout=timeout)


def test_kernel_that_dies(tmp_path):
    path = write(
        tmp_path / "00_dead.ipynb", "import os\nos.write(2, b'Fatal: out of hands')\nos._exit(3)"
    )
    result = run_notebook(path, output=tmp_path / "out.ipynb")
    assert result.error.cell == 2
    assert "the kernel is gone" in result.error.exception
    assert "Fatal: out of hands" in result.error.traceback


def test_parameters_are_known_with_their_help(plain):
    declared = notebook_parameters(plain)
    assert list(declared) == ["N", "RATE", "NAME", "MORE"]
    assert declared["N"]["help"] == "how many"


@pytest.mark.parametrize(
    "path", sorted(paths.notebooks_root().glob("*.ipynb")), ids=lambda path: path.stem
)
def test_every_parameter_of_the_course_is_known(path):
    cells = nbformat.read(path, as_version=4).cells
    source = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    assigned = {line.target.id: ast.literal_eval(line.value) for line in ast.parse(source).body}
    assert len(assigned) == len(source.splitlines())
    assert check_parameters(path, assigned) == assigned
    assert all(row["help"] for row in notebook_parameters(path).values())
    if "\nOVERRIDES" in source:
        assert check_parameters(path, {"OVERRIDES": "[]"}) == {"OVERRIDES": []}


def declaring(path, source):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = source
    nbformat.write(notebook, path)
    return notebook_parameters(path)


def test_parameters_with_more_than_one_sign_of_equality(plain):
    source = (
        'X: list = ["a=b"]  # c=d\nY: "int" = (1 ==\n  1)  # two lines\nA = B = 3  # type: int  #'
        " both\nx: int"
    )
    declared = declaring(plain, source)
    assert list(declared) == ["X", "Y", "A", "B"]
    assert declared["X"] == {
        "name": "X",
        "inferred_type_name": "list",
        "default": '["a=b"]',
        "help": "c=d",
    }
    assert (declared["Y"]["inferred_type_name"], declared["Y"]["help"]) == ("int", "two lines")
    assert (declared["B"]["inferred_type_name"], declared["B"]["help"]) == ("int", "both")
    assert check_parameters(plain, {"X": '["e=f"]', "A": "4"}) == {"X": ["e=f"], "A": 4}


def test_parameters_that_are_not_python_are_refused(plain):
    with pytest.raises(
        SettingsError, match=r"00_plain\.ipynb: its cell tagged 'parameters' is not plain Python"
    ):
        declaring(plain, "%matplotlib inline\nN: int = 2")


def test_unknown_parameter_is_refused_before_anything_runs(plain, tmp_path):
    with pytest.raises(
        SettingsError, match=r"00_plain.ipynb has no parameter 'M'; it has N, RATE, NAME, MORE"
    ):
        run_notebook(plain, {"M": 1}, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_values_take_the_declared_type(plain):
    text = {"N": "3", "RATE": "1e-3", "NAME": "7", "MORE": "[a.b=1, c=2]"}
    assert check_parameters(plain, text) == {
        "N": 3,
        "RATE": 1e-3,
        "NAME": "7",
        "MORE": ["a.b=1", "c=2"],
    }
    assert check_parameters(plain, {"N": 3, "RATE": 1}) == {"N": 3, "RATE": 1}


@pytest.mark.parametrize(
    "wrong", [{"N": "three"}, {"N": 0.5}, {"N": True}, {"RATE": "fast"}, {"NAME": 3}, {"MORE": "a"}]
)
def test_value_of_another_type_is_refused(plain, wrong):
    with pytest.raises(SettingsError, match=r"is not of type \w+, as in"):
        check_parameters(plain, wrong)


def test_notebook_without_kernel_is_refused(tmp_path):
    path = write(tmp_path / "00_none.ipynb", kernel=None)
    with pytest.raises(SettingsError, match="names no kernel"):
        run_notebook(path, output=tmp_path / "out.ipynb")


def test_notebook_without_parameters_cell_is_refused(plain, tmp_path):
    notebook = nbformat.read(plain, as_version=4)
    del notebook.cells[1]
    nbformat.write(notebook, plain)
    with pytest.raises(SettingsError, match="no cell tagged 'parameters'"):
        run_notebook(plain, output=tmp_path / "out.ipynb")


def test_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        run_notebook(tmp_path / "00_none.ipynb")
    (tmp_path / "00_half.ipynb").write_text('{"cells": [')
    with pytest.raises(InputError, match="is not a notebook"):
        run_notebook(tmp_path / "00_half.ipynb")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([], "nbformat=None, nbformat_minor=None is no version"),
        (
            {"nbformat": 9, "nbformat_minor": 0, "metadata": {}, "cells": []},
            "nbformat=9, nbformat_minor=None is",
        ),
        (
            {"nbformat": 4, "nbformat_minor": "x", "metadata": {}, "cells": []},
            "nbformat=4, nbformat_minor='x' is",
        ),
        (
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]},
            r"data.cells\[0\] must be object",
        ),
        (
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": 1}]},
            r"data.cells\[0\] must be valid",
        ),
    ],
)
def test_what_only_looks_like_a_notebook_is_refused(content, fault, tmp_path):
    (tmp_path / "00_odd.ipynb").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"is not a notebook .{fault}"):
        read_notebook(tmp_path / "00_odd.ipynb")


def test_a_notebook_that_is_nested_too_deep_is_refused(tmp_path):
    (tmp_path / "00_deep.ipynb").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(InputError, match=r"is not a notebook \(it is nested more than 50"):
        read_notebook(tmp_path / "00_deep.ipynb")


def test_notebook_is_not_its_own_output(plain):
    with pytest.raises(SettingsError, match="choose another file"):
        run_notebook(plain, output=plain)


@pytest.mark.parametrize("output", ["/proc/x.ipynb", "file/x.ipynb", "folder", "pipe"])
def test_output_that_cannot_be_written_is_refused_before_anything_runs(
    plain, tmp_path, output, monkeypatch, capsys
):
    monkeypatch.setattr(
        "signlib.course.notebook._watch", lambda work: pytest.fail("the notebook ran")
    )
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))
    assert command_line(["run", str(plain), "--out", str(tmp_path / output)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / output) in line
    assert sorted(tmp_path.rglob("*")) == before


def test_disk_that_fills_up_leaves_the_old_output(plain, tmp_path, monkeypatch):
    output = tmp_path / "out.ipynb"
    output.write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("signlib.files.os.fsync", full)
    with pytest.raises(DiskError, match=r"out\.ipynb: the disk is full"):
        run_notebook(plain, output=output)
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00_plain.ipynb", "out.ipynb"]


def test_failure_before_the_kernel_starts_is_told_as_it_is(plain, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("papermill.iorw.LocalHandler.write", full)
    with pytest.raises(DiskError, match="the disk is full"):
        run_notebook(plain, output=tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_update_writes_stored_outputs_once_and_keeps_a_failing_notebook(tmp_path, capsys):
    good = write(
        tmp_path / "00_good.ipynb",
        "import sys\nprint(N)\nprint('slow', file=sys.stderr)",
        kernel="other",
    )
    bad = write(tmp_path / "_bad.ipynb", "print(N)\n1 / 0")
    before = bad.read_text()
    update_notebooks(tmp_path)
    once = good.read_text()
    cell = nbformat.read(good, as_version=4).cells[-1]
    assert [output.text for output in cell.outputs] == ["2\n"]
    assert cell.execution_count == 2
    assert "papermill" not in once
    assert "In [2]: ZeroDivisionError" in capsys.readouterr().err
    results = update_notebooks(tmp_path)
    assert good.read_text() == once
    assert bad.read_text() == before
    assert [result.error is None for result in results] == [True, False]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("MB ")[1] for line in lines] == ["as before", "as before"]


def test_last_output_of_a_tag_is_shown():
    def stream(text):
        return nbformat.v4.new_output("stream", name="stdout", text=text)

    cells = [
        new_code_cell(
            "x",
            metadata={"tags": ["verdict"]},
            outputs=[stream("*first*"), stream("*second* & last")],
        )
    ]
    parts = notebook_parts(new_notebook(cells=[new_markdown_cell("No title"), *cells]), "20_x")
    assert parts.verdict == "<p><em>second</em> &amp; last</p>\n"
    assert (parts.question, parts.figure, parts.table) == ("20_x", None, None)


ATTACKS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//host/x.js>",
    "<img src=x onerror=alert(1)>",
    "<img src='data:image/svg+xml;base64,PHN2Zy8+'>",
    "<svg><script>alert(1)</script><g onload=alert(1)></g></svg>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>here</a>",
    "<a href='  java\nscript:alert(1)'>here</a>",
    "<a href='&#106;avascript:alert(1)'>here</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD4='>here</a>",
    "<td onclick='alert(1)' style='background:url(//host/x)'>1</td>",
    "<style>@import '//host/x.css'; td { background: url(//host/x.png) }</style>",
    "<style",
    "<link rel=stylesheet href=//host/x.css><meta http-equiv=refresh content='0;//host'>",
    "<form action=//host><button formaction=javascript:alert(1)>1</button></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table>",
    "<object data=//host/x></object><embed src=//host/x><base href=//host>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<table background='//host/x.png'></table>",
]


class Markup(HTMLParser):
    """What of a page could run, load or draw: tags, and attributes with their values."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes


TEXT_TAGS = set("a b p div table thead tbody tr th td strong em code pre ul li h1 br".split())


def attacked(*attacks):
    """A notebook whose outputs hold them."""
    cells = []
    for attack in attacks:
        row = f"<thead><tr><th>x</th></tr></thead><tr><td>7{attack}</td></tr>"
        shown = {
            "figure": {"image/png": f'iVBORw0KGgo="{attack}'},
            "table": {"text/html": f"<table>{row}</table>"},
            "verdict": {
                "text/markdown": f"**Yes** {attack} [a](javascript:alert(1)) <b onclick=x>"
            },
            "more": {
                "text/html": attack,
                "image/svg+xml": attack,
                "application/javascript": "alert(1)",
            },
        }
        for tag, data in shown.items():
            sizes = {"image/png": {"width": f'"{attack}'}}
            output = new_output("display_data", data, metadata=sizes)
            cells.append(new_code_cell("", outputs=[output], metadata={"tags": [tag]}))
    return new_notebook(cells=[new_markdown_cell("# 20 · What is it?"), *cells])


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_markup_of_an_output_reaches_the_page(attack):
    parts = notebook_parts(attacked(attack), "20_x")
    assert parts.figure is None
    assert "7" in parts.table
    assert "<strong>Yes</strong>" in parts.verdict
    for part in map(Markup, (parts.table, parts.verdict)):
        assert set(part.tags) <= TEXT_TAGS
        # What mistune makes of a link that runs something.
        assert set(part.attributes) <= {("href", "#harmful-link")}


def test_no_markup_of_an_output_reaches_the_page_of_its_notebook(tmp_path):
    pages = []
    for name, attacks in (("none", []), ("all", ATTACKS)):
        nbformat.write(attacked(*attacks), tmp_path / f"{name}.ipynb")
        pages.append(Markup(notebook_page(tmp_path / f"{name}.ipynb")))
    without, page = pages
    # The template has scripts and styles of its own; outputs bring none.
    for tag in ("script", "style", "link", "iframe", "svg", "img", "object", "form", "base"):
        assert page.tags.count(tag) == without.tags.count(tag)
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert (name, value) in without.attributes or "//host" not in (value or "")
        assert not (value or "").lower().lstrip().startswith(("javascript:", "data:text"))


def test_the_page_keeps_what_a_person_reads():
    html = (
        "<div><style scoped>.dataframe td { color: red }</style><table border='1' class='dataframe'"
        "><thead><tr style='text-align: right;'><th></th><th colspan='2'>a &lt; b</th></tr></thead>"
        "<tbody><tr><th>ä</th><td>1</td><td><b>2</b></td></tr></tbody></table><p>1 rows × 2</p>"
        "</div>"
    )
    assert cleaned(html) == (
        '<div><table><thead><tr><th></th><th colspan="2">a &lt; b</th></tr></thead><tbody><tr>'
        "<th>ä</th><td>1</td><td><b>2</b></td></tr></tbody></table><p>1 rows × 2</p></div>"
    )
    assert cleaned('<a href="https://host/x">x</a>') == '<a href="https://host/x">x</a>'
