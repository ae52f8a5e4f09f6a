"""Messages stay short, whatever a file quotes in them."""

import pickle

from signlib.errors import LONGEST, ClipError, InputError


def test_a_long_message_keeps_its_start_and_its_end():
    error = ClipError(f"a.npy: {'x' * 10_000} is no number; save it again")
    assert len(str(error)) == LONGEST == 500
    assert str(error).startswith("a.npy: xxx")
    assert str(error).endswith("xxx is no number; save it again")
    assert " ... " in str(error)


def test_a_message_of_the_longest_length_is_whole():
    assert str(InputError("x" * 500)) == "x" * 500


def test_errors_reach_other_processes_as_they_are():
    error = pickle.loads(pickle.dumps(ClipError("y" * 501)))
    assert type(error) is ClipError
    assert str(error) == str(ClipError("y" * 501))
