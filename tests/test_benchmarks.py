"""What a benchmark printed is kept with what the machine did meanwhile."""

import doctest

from benchmarks import __main__ as benchmarks

PAGE = "# How fast\n\nby hand\n"


def test_the_heading_says_whether_the_machine_was_idle():
    assert doctest.testmod(benchmarks).failed == 0
    busy = benchmarks.heading(3.0, 4.0, 2, "2026-11-30", "")
    assert "commit unknown, 2 cores, other programs ran (load 3.0, 4.0 at the end)" in busy


def test_a_part_is_written_behind_the_rest_and_then_replaced(tmp_path):
    page = tmp_path / "speed.md"
    page.write_text(PAGE)
    for text in ("first", "second"):
        benchmarks.keep("store", text, page)
    benchmarks.keep("gcn", "third", page)
    written = page.read_text()
    assert written.startswith(PAGE)
    assert "first" not in written
    assert written.count("## store") == 1
    assert written.index("second") < written.index("third")


def test_load_is_asked_before_and_after(monkeypatch):
    loads = iter([(0.05, 0, 0), (1.5, 0, 0)])
    monkeypatch.setattr("os.getloadavg", lambda: next(loads))
    monkeypatch.setattr(benchmarks, "commit", lambda: "abc")
    monkeypatch.setattr(benchmarks.sys, "executable", "echo")
    text = benchmarks.measured("store")
    assert "at commit abc" in text
    assert "idle before (load 0.1, 1.5 at the end)" in text
    # What the benchmark printed; here `echo` stands for Python.
    assert text.endswith("\n\n-m benchmarks.store")


def test_every_benchmark_is_known():
    assert {"store", "sentences", "gcn"} <= set(benchmarks.NAMES)
    assert not [name for name in benchmarks.NAMES if name.startswith("_")]
