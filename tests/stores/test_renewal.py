"""A store of files that changed goes whole, with a line, and by one process at a time."""

import pytest

from signlib import processes
from signlib.errors import DiskError, StoreError
from signlib.stores.renewal import discard, made_alone


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "stores" / "a"
    path.mkdir(parents=True)
    (path / "index.csv").write_text("clip\n")
    return path


def test_it_goes_whole_and_one_line_says_why(store, capsys):
    with made_alone(store):
        discard(store, {"b", "a", "c"})
    assert list(store.parent.iterdir()) == [], "neither store nor lock"
    words = f"the file of clip 'a' and of 2 more changed: store {store} is made again\n"
    assert capsys.readouterr().err == words
    with made_alone(store), pytest.raises(DiskError, match="cannot write"):
        discard(store, {"a"})


@pytest.mark.skipif(processes.fcntl is None, reason="no locks on files")
def test_a_second_process_is_refused_by_name(store):
    def second():
        with made_alone(store):
            pass

    with made_alone(store), pytest.raises(StoreError, match="another process; wait for it"):
        second()
    second()
