"""Messages stay short, whatever a file quotes in them."""

import pickle

from signlib.cli.verbs import main
from signlib.errors import LONGEST, ClipError, InputError, failure_lines, one_line


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


def test_failures_of_one_kind_are_one_line():
    reasons = {f"c{n}": f"videos/c{n}.mp4 does not exist" for n in range(2037)}
    reasons |= {"odd": "frame 3 of 10 cannot be decoded", "odder": "frame 7 of 9 cannot be decoded"}
    reasons |= {"none": "a hand is lost", "hand": "a hand is lost"}
    assert failure_lines(reasons) == [
        "2,037 clips, the first c0: videos/c0.mp4 does not exist",
        "2 clips, the first odd: frame 3 of 10 cannot be decoded",
        "2 clips, the first none: a hand is lost",
    ]
    assert failure_lines(reasons, most=1)[1:] == ["4 more clips, for 2 other reasons"]


def test_no_line_of_the_command_line_is_longer_than_a_message(capsys):
    for words in (
        ["v" * 5000],
        ["predict", "--" + "x" * 5000],
        ["extract", "--extractor", "e" * 5000],
    ):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
        assert code == 2
        assert max(map(len, capsys.readouterr().err.splitlines())) <= LONGEST + 40
    (line,) = failure_lines({"n" * 3000: "r" * 400})
    assert len(line) == LONGEST


def test_a_name_with_line_ends_stays_on_its_line():
    name = "a\nb: HELLO 99%\r\x1b[2J\u2028\t手話\u3000é.npy"
    shown = "a\\nb: HELLO 99%\\r\\x1b[2J\\u2028\\t手話\u3000é.npy"
    assert one_line(name) == shown
    assert failure_lines({name: f"{name} is empty"}) == [f"{shown}: {shown} is empty"]
