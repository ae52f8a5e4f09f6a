"""The page at the end of a course: each notebook's question, verdict, figure, table and cost.

One file that needs nothing else: it opens by double click, offline, on a phone.
"""

import base64
import html
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from signlib.course.notebook import NotebookResult
from signlib.errors import extra

with extra("course"):
    import bleach
    import mistune
    import nbformat
    from nbformat import NotebookNode

TITLE = re.compile(r"^#\s+(?P<number>\S+)\s+·\s+(?P<question>.+?)\s*$", re.MULTILINE)

STYLE = """
:root { color-scheme: light dark; --paper: #fdfcfa; --ink: #23211e; --soft: #6b665e;
  --line: #e2ded6;
  --card: #ffffff; --accent: #1f6f78; --bad: #b3261e; --bad-back: #fdf0ee; }
@media (prefers-color-scheme: dark) { :root { --paper: #191a1c; --ink: #e6e3de; --soft: #a19c93;
  --line: #35363a; --card: #212327; --accent: #6cc3cc; --bad: #ff9d94; --bad-back: #35211f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
  sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.45rem; line-height: 1.25; margin: .15rem 0 1rem; letter-spacing: -.005em;
  text-wrap: balance; }
a { color: var(--accent); text-underline-offset: .18em; text-decoration-thickness: 1px; }
.lead { color: var(--soft); margin: .5rem 0 1.75rem; }
.contents { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line);
  font-size: .94rem; }
.contents li { display: grid; grid-template-columns: 2.4rem 1fr auto; gap: .75rem;
  align-items: baseline;
  padding: .5rem 0; border-bottom: 1px solid var(--line); }
.contents a { color: inherit; text-decoration: none; }
.contents a:hover { color: var(--accent); text-decoration: underline; }
.number { color: var(--accent); font-weight: 600; font-variant-numeric: tabular-nums; }
.cost { color: var(--soft); font-size: .88rem; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.failed { color: var(--bad); font-weight: 600; }
article { margin-top: 3.5rem; padding-top: 1.5rem; border-top: 3px solid var(--accent);
  scroll-margin-top: 1rem; }
article.stopped { border-top-color: var(--bad); }
.verdict { font-size: 1.06rem; }
.verdict > :first-child { margin-top: 0; }
figure { margin: 1.5rem 0; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.plate { background: #ffffff; border: 1px solid var(--line); border-radius: 8px; padding: .75rem; }
.table { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  min-width: 60%; }
th, td { padding: .38rem .9rem .38rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line);
  vertical-align: bottom; }
tbody th { font-weight: 600; text-align: left; }
.foot { color: var(--soft); font-size: .88rem; margin: 1.25rem 0 0; }
.error { background: var(--bad-back); border-left: 4px solid var(--bad); padding: .9rem 1.1rem;
  margin: 1.25rem 0;
  border-radius: 0 8px 8px 0; }
.error p { margin: 0 0 .6rem; color: var(--bad); font-weight: 600; overflow-wrap: anywhere; }
pre { margin: 0 0 .6rem; overflow-x: auto;
  font: .82rem/1.45 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre:last-child { margin-bottom: 0; }
code { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9em; }
.missing { color: var(--soft); font-style: italic; }
@media (max-width: 34rem) { body { font-size: 16px; } main { padding-top: 2rem; }
  h1 { font-size: 1.6rem; }
  h2 { font-size: 1.25rem; } .contents li { grid-template-columns: 2rem 1fr; gap: .1rem .6rem; }
  .contents .cost { grid-column: 2; } table { min-width: 100%; } }
@media print { main { max-width: none; padding: 0; } article { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Parts:
    """What the page shows of one notebook; None for a part that the notebook did not reach.

    Attributes:
        number: `20` of `# 20 · What does each modality add?`.
        question: the rest of that title.
        figure: PNG in base64, from the last image of the cells tagged `figure`.
        table: HTML, from the last HTML table of the cells tagged `table`.
        verdict: HTML, from the last Markdown or text of the cells tagged `verdict`.
    """

    number: str
    question: str
    figure: str | None
    table: str | None
    verdict: str | None


PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_TAGS = frozenset(
    "a b blockquote br caption code del div em h1 h2 h3 h4 h5 h6 hr i li ol p pre span strong sub"
    " sup table tbody td tfoot th thead tr ul".split()
)
_CELLS = ("colspan", "rowspan", "scope")
_ATTRIBUTES = {"a": ("href",), "td": _CELLS, "th": _CELLS}
_LINKS = ("http", "https", "mailto")
_HIDDEN = re.compile(r"<(style|script|svg|math|iframe|object)\b.*?(</\1\s*>|\Z)", re.DOTALL | re.I)


class _Prose(mistune.HTMLRenderer):
    """Markdown in which a picture is its description: the page loads nothing."""

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return text


_markdown = mistune.create_markdown(
    renderer=_Prose(escape=True), plugins=["table", "strikethrough"]
)


def cleaned(markup: str) -> str:
    """The markup of an output with nothing but tables and text in it.

    What runs, loads, draws or styles is left out: scripts, styles, attributes of events, pictures,
    frames, links to anything but web pages.
    """
    # Their content is no text that anybody wants to read.
    markup = _HIDDEN.sub("", markup)
    return bleach.clean(markup, _TAGS, _ATTRIBUTES, protocols=_LINKS, strip=True)


def _prose(text: str) -> str:
    return cleaned(str(_markdown(text)))


def _picture(data: str, start: bytes) -> str | None:
    # The base64 of a picture that begins like one; None for anything else.
    packed = "".join(data.split())
    try:
        return packed if base64.b64decode(packed, validate=True).startswith(start) else None
    except ValueError:
        return None


def notebook_parts(notebook: NotebookNode, name: str) -> Parts:
    """The parts of an executed notebook that the page shows.

    Args:
        notebook: with outputs.
        name: stem of its file; stands in for a title that cannot be read.
    """
    # Papermill puts a remark in front of a failed notebook: the title is not always the first cell.
    titles = (TITLE.search(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    title = next(filter(None, titles), None)
    images = [data["image/png"] for data in _tagged(notebook, "figure") if "image/png" in data]
    tables = [
        data["text/html"]
        for data in _tagged(notebook, "table")
        if "<table" in data.get("text/html", "")
    ]
    verdicts = [
        data.get("text/markdown", data.get("stdout")) for data in _tagged(notebook, "verdict")
    ]
    verdicts = [_prose(text) for text in verdicts if text and text.strip()]
    return Parts(
        number=title["number"] if title else "",
        question=title["question"] if title else name,
        figure=_picture(images[-1], PNG) if images else None,
        table=_plain_table(tables[-1]) if tables else None,
        verdict=verdicts[-1] if verdicts else None,
    )


def _tagged(notebook: NotebookNode, tag: str) -> Iterator[dict[str, str]]:
    # The outputs of the cells with a tag, each as kind -> text.
    for cell in notebook.cells:
        if cell.cell_type == "code" and tag in cell.metadata.get("tags", ()):
            for output in cell.outputs:
                if output.output_type == "stream":
                    yield {output.name: output.text}
                else:
                    yield _texts(output.get("data", {}))


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    # Of an output what is text; kinds of its own may hold anything.
    return {kind: text for kind, text in data.items() if isinstance(text, str)}


def _plain_table(table: str) -> str:
    # A table without pandas's own styles, so that the page's apply in light and dark.
    table = cleaned(table)
    return re.sub(r"(?<=<thead>).*?(?=</thead>)", _one_header_row, table, flags=re.DOTALL)


def _one_header_row(head: re.Match[str]) -> str:
    # A header whose two rows, the columns' names and the index's name, are one where both fit.
    rows = [
        re.findall(r"<th[^>]*>(.*?)</th>", row, re.DOTALL)
        for row in head.group().split("</tr>")[:-1]
    ]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        return head.group()
    pairs = list(zip(*rows, strict=True))
    if any(column and index for column, index in pairs):
        return head.group()
    return "<tr>" + "".join(f"<th>{column or index}</th>" for column, index in pairs) + "</tr>"


def course_page(results: Sequence[NotebookResult], folder: str) -> str:
    """The whole page as HTML.

    Args:
        results: in the order of the course.
        folder: of the executed notebooks, relative to the page; each stands there as .html and
            .ipynb.
    """
    parts = [
        notebook_parts(nbformat.read(result.executed, as_version=4), result.name)
        for result in results
    ]
    failed = sum(result.error is not None for result in results)
    seconds = sum(result.seconds for result in results)
    duration = f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.1f} minutes"
    state = "all of them finished"
    if failed:
        state = f'<span class="failed">{failed} of them failed</span>'
    contents, articles = [], []
    for result, part in zip(results, parts, strict=True):
        contents.append(
            f'<li><span class="number">{_text(part.number)}</span> <a'
            f' href="#{quote(result.name)}">{_text(part.question)}</a> <span'
            f' class="cost">{_cost(result)}</span></li>'
        )
        articles.append(_article(result, part, folder))
    lines = "\n"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign language recognition: the course</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Sign language recognition</h1>
<p class="lead">{len(results)} notebook{"s" * (len(results) != 1)} in smoke mode, {state},
{duration} on {_text(platform.machine())} with Python {platform.python_version()},
{datetime.now():%d %B %Y, %H:%M}.
Smoke runs show that everything works; their numbers are not results.</p>
<ol class="contents">
{lines.join(contents)}
</ol>
{lines.join(articles)}
</main>
</body>
</html>
"""


def _article(result: NotebookResult, part: Parts, folder: str) -> str:
    pieces = []
    if result.error:
        error = result.error
        traceback = f"<pre>{_text(error.traceback)}</pre>" if error.traceback else ""
        pieces.append(
            f'<div class="error"><p>Cell In [{error.cell}] stopped: {_text(error.exception)}</p>'
            f"<pre><code>{_text(error.source)}</code></pre>{traceback}</div>"
        )
    if part.verdict:
        pieces.append(f'<div class="verdict">{part.verdict}</div>')
    if part.figure:
        alt = f"Figure of notebook {part.number}: {part.question}"
        pieces.append(
            f'<figure class="plate"><img alt="{_text(alt)}"'
            f' src="data:image/png;base64,{part.figure}"></figure>'
        )
    if part.table:
        pieces.append(f'<div class="table" tabindex="0">{part.table}</div>')
    missing = [name for name in ("verdict", "figure", "table") if getattr(part, name) is None]
    if missing:
        why = "no cell with that tag shows one"
        if result.error:
            why = "the notebook did not get that far"
        pieces.append(f'<p class="missing">No {", no ".join(missing)}: {why}.</p>')
    link = f"{quote(folder)}/{quote(result.name)}"
    return f"""<article id="{_text(result.name)}"{' class="stopped"' if result.error else ""}>
<span class="number">{_text(part.number)}</span>
<h2>{_text(part.question)}</h2>
{"".join(pieces)}
<p class="foot">{_cost(result)} · <a href="{link}.html">read the notebook</a> ·
<a href="{link}.ipynb">{_text(result.name)}.ipynb</a></p>
</article>"""


def _cost(result: NotebookResult) -> str:
    cost = f"{result.seconds:.1f} s · {result.peak / 1e6:.0f} MB"
    return f'<span class="failed">failed</span> · {cost}' if result.error else cost


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def notebook_page(executed: Path) -> str:
    """An executed notebook as one HTML page, its pictures inside.

    Equations are drawn by MathJax where there is a network and stay LaTeX where there is none.
    """
    with extra("course"):
        from nbconvert import HTMLExporter  # two seconds, for this alone

    exporter = HTMLExporter(embed_images=True, require_js_url="")
    notebook = nbformat.read(executed, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "data" in output:
                output.data, output.metadata = _harmless(output.data), {}
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": executed.stem}})
    return page


def _harmless(data: Mapping[str, Any]) -> dict[str, str]:
    # Of the kinds of an output those that run nothing, as the page may hold them.
    texts = _texts(data)
    kept = {"text/plain": texts.get("text/plain", "")}
    if "text/markdown" in texts:
        kept["text/html"] = _prose(texts["text/markdown"])
    if "text/html" in texts:
        kept["text/html"] = cleaned(texts["text/html"])
    for kind, start in (("image/png", PNG), ("image/jpeg", JPEG)):
        picture = _picture(texts.get(kind, ""), start)
        if picture is not None:
            kept[kind] = picture
    return kept
