"""No name and no path that comes from a file leads out of its folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signlib import paths
from signlib.errors import InputError, RunError
from signlib.reports.results_table import update_readme
from signlib.runs.run import commit

LEAVING = [
    "..",
    "../secret.mp4",
    "a/../../secret.mp4",
    "a/..",
    "/etc/passwd",
    "\\etc\\passwd",
    "..\\secret.mp4",
    "a\\..\\..\\secret.mp4",
    "C:\\secret.mp4",
    "C:secret.mp4",
    "\\\\server\\share\\a.mp4",
    "a\0.mp4",
    "",
]


@pytest.mark.parametrize("path", LEAVING, ids=repr)
def test_a_path_that_leaves_its_root_is_refused_by_name(tmp_path, path):
    with pytest.raises(InputError) as refused:
        paths.inside(tmp_path, path)
    assert repr(path) in str(refused.value)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.mp4", "a.mp4"),
        ("HELLO/a.mp4", "HELLO/a.mp4"),
        ("HELLO\\a.mp4", "HELLO/a.mp4"),
        ("./a..b.mp4", "a..b.mp4"),
        ("ä ö/…mp4", "ä ö/…mp4"),
    ],
)
def test_a_path_below_the_root_is_kept(tmp_path, path, expected):
    assert paths.inside(tmp_path, path) == tmp_path / expected
    assert paths.inside(str(tmp_path), path) == tmp_path / expected


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_not(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "real").mkdir(parents=True)
    outside.mkdir()
    (outside / "a.mp4").touch()
    (root / "real" / "b.mp4").touch()
    (root / "folder").symlink_to(outside)
    (root / "file.mp4").symlink_to(outside / "a.mp4")
    (root / "near.mp4").symlink_to(root / "real" / "b.mp4")
    for leaving in ("folder/a.mp4", "file.mp4"):
        with pytest.raises(InputError, match="link"):
            paths.inside(root, leaving)
    assert paths.inside(root, "near.mp4").is_file()


def test_only_links_below_the_root_make_it_look_further(tmp_path, monkeypatch):
    # A corpus of 56,578 files is asked at every start.
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.setattr(paths.os.path, "realpath", lambda _: pytest.fail("resolved"))
    assert paths.inside(tmp_path, "a/b.mp4") == tmp_path / "a" / "b.mp4"
    monkeypatch.chdir(tmp_path)
    assert paths.inside("", "a/b.mp4") == paths.Path("a/b.mp4")
    with pytest.raises(pytest.fail.Exception, match="resolved"):
        paths.inside("", "link/b.mp4")


def test_a_link_to_itself_is_a_file_that_cannot_be_opened(tmp_path):
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert paths.inside(tmp_path, "loop.mp4") == tmp_path / "loop.mp4"
    assert not paths.inside(tmp_path, "loop.mp4").is_file()


def test_a_root_that_is_itself_a_link_is_fine(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert paths.inside(tmp_path / "root", "a.mp4") == tmp_path / "root" / "a.mp4"


@given(
    st.lists(st.sampled_from(["..", ".", "a", "b.mp4", "", "C:", "\0"]), max_size=5),
    st.sampled_from("/\\"),
)
def test_whatever_is_let_through_lies_below_the_root(parts, separator):
    try:
        path = paths.inside("/some/root", separator.join(parts))
    except InputError:
        return
    assert path.resolve().is_relative_to("/some/root")
    assert ".." not in path.parts


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\\b", "C:", "C:a", "a\0"], ids=repr)
def test_a_name_that_is_no_plain_name_is_refused(name):
    with pytest.raises(InputError) as refused:
        paths.check_name(name, "run name")
    assert f"run name {name!r}" in str(refused.value)


@pytest.mark.parametrize(
    "name", ["a", "signer0_sample1_color", "a.b", "..a", "été", "-_signer1_000", "NULL", "a b"]
)
def test_a_plain_name_is_given_back(name):
    assert paths.check_name(name) == name


def test_variables_move_data_and_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("SIGNLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "runs"))
    assert paths.data_root() == tmp_path / "data"
    assert paths.runs_root() == tmp_path / "runs"


def test_without_variables_data_lie_beside_the_repository_and_runs_inside(monkeypatch, tmp_path):
    monkeypatch.delenv("SIGNLIB_DATA", raising=False)
    monkeypatch.setenv("SIGNLIB_RUNS", "")
    monkeypatch.setattr(paths, "KAGGLE_WORKING", tmp_path / "not there")
    assert paths.data_root() == paths.REPOSITORY.parent / "shared" / "data"
    for folder in (paths.REPOSITORY, paths.notebooks_root()):
        monkeypatch.chdir(folder)
        assert paths.runs_root() == paths.REPOSITORY / "runs", "shell and notebooks find the same"
    monkeypatch.setattr(paths, "KAGGLE_WORKING", tmp_path)
    assert paths.runs_root() == tmp_path / "runs"


def test_runs_lie_in_the_nearest_folder_above_that_has_some(monkeypatch, tmp_path):
    monkeypatch.delenv("SIGNLIB_RUNS", raising=False)
    monkeypatch.setattr(paths, "KAGGLE_WORKING", tmp_path / "not there")
    deep = tmp_path / "project" / "notebooks" / "mine"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert paths.runs_root() == deep / "runs", "nobody above has any"
    (tmp_path / "runs").mkdir()
    assert paths.runs_root() == tmp_path / "runs"
    (tmp_path / "project" / "runs").write_text("a file is no folder of runs")
    assert paths.runs_root() == tmp_path / "runs"
    (tmp_path / "project" / "notebooks" / "runs").mkdir()
    assert paths.runs_root() == tmp_path / "project" / "notebooks" / "runs"
    monkeypatch.chdir(tmp_path / "project")
    assert paths.runs_root() == tmp_path / "runs"
    # The checkout is where it begins, even before the first run.
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path / "project")
    monkeypatch.chdir(deep)
    (tmp_path / "project" / "notebooks" / "runs").rmdir()
    assert paths.runs_root() == tmp_path / "project" / "runs"
    monkeypatch.setenv("SIGNLIB_RUNS", str(tmp_path / "given"))
    assert paths.runs_root() == tmp_path / "given"


def test_the_repository_is_this_one():
    assert (paths.REPOSITORY / "pyproject.toml").is_file()
    assert paths.notebooks_root() == paths.REPOSITORY / "notebooks"
    assert paths.results_root() == paths.REPOSITORY / "results"


def test_an_installed_package_writes_where_it_is_called_and_names_no_commit(tmp_path, monkeypatch):
    """Its own folder is that of all installed packages."""
    assert paths.results_root() == paths.REPOSITORY / "results"
    installed, here = tmp_path / "site-packages", tmp_path / "here"
    (installed / ".git").mkdir(parents=True)
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(paths, "REPOSITORY", installed)
    monkeypatch.delenv("SIGNLIB_DATA", raising=False)
    assert paths.results_root() == here / "results"
    assert paths.notebooks_root() == here / "notebooks"
    assert paths.data_root() == tmp_path / "shared" / "data"
    assert commit() == ""
    with pytest.raises(RunError, match="in a checkout of the project"):
        update_readme()


def test_a_name_of_any_bytes_is_text_that_a_table_can_hold():
    assert paths.readable("手話 a%.mp4") == "手話 a%.mp4"
    assert paths.readable(b"b\xff\x80.mp4".decode(errors="surrogateescape")) == "b%FF%80.mp4"


def test_a_name_of_a_folder_is_not_too_long():
    assert paths.check_name("n" * 200, "run name") == "n" * 200
    with pytest.raises(InputError, match="has 202 bytes, more than 200; shorten it"):
        paths.check_name("é" * 101, "run name")
    assert paths.check_name("n" * 300) == "n" * 300
