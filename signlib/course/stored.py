"""The normal form of a notebook's outputs in git.

A diff then shows what changed in the lesson, not when, where or how fast it was run.
"""

import re

from signlib.errors import extra

with extra("course"):
    import nbformat
    from nbformat import NotebookNode


# Tag of a cell whose output depends on the machine, the hour or the commit: it is never stored.
VOLATILE = "volatile"

WIDGET = "application/vnd.jupyter.widget-view+json"
PROGRESS = re.compile(r"\d+%\|.*\||\d+it \[\d\d:\d\d")
EXTRA_KEYS = [
    "metadata.papermill",
    "metadata.widgets",
    "metadata.language_info",
    "cell.metadata.papermill",
    "cell.metadata.execution",
]


def cell_tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def stored_form(notebook: NotebookNode) -> str:
    """The text that git keeps of an executed notebook.

    Run times, papermill's notes, progress bars, widgets, stderr and the outputs of cells tagged
    `volatile` go; other outputs and the execution counts stay. Applying it twice changes nothing.
    """
    with extra("course"):  # a tool of authors: taking the course does not need it
        from nbstripout import strip_output

    notebook = strip_output(
        nbformat.from_dict(notebook),
        keep_output=True,
        keep_count=True,
        keep_id=True,
        extra_keys=EXTRA_KEYS,
    )
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [] if VOLATILE in cell_tags(cell) else _stored_outputs(cell.outputs)
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _stored_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    # The outputs that are kept; text that the kernel happened to send in pieces is one piece.
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name != "stdout":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
        elif WIDGET in output.get("data", {}):
            continue
        elif "text/html" in output.get("data", {}):
            output.data["text/html"] = _steady_style_ids(output.data["text/html"])
        kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = _without_progress(output.text)
    return [output for output in kept if output.output_type != "stream" or output.text.strip()]


def _without_progress(text: str) -> str:
    # What a screen ends up showing, less the progress bars.
    # A carriage return begins the line again.
    last = re.sub(r"[^\n]*\r(?!\n)", "", text.replace("\r\n", "\n"))
    return "".join(line for line in last.splitlines(keepends=True) if not PROGRESS.search(line))


def _steady_style_ids(table: str) -> str:
    # A styled pandas table in which its random ids (`T_1a2b3`) are constants.
    names = dict.fromkeys(re.findall(r'<table id="(T_[0-9a-f]{5,})"', table))
    for number, name in enumerate(names):
        table = table.replace(name, f"T_{number}")
    return table
