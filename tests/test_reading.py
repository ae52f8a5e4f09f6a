"""Bombs and lies are refused by name, before memory grows; and nothing reads around the readers."""

import io
import json
import re
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from signlib import reading
from signlib.reading import FLOATS, Form, Unreadable


@pytest.fixture
def little_memory():
    """A test may allocate 20 MB at most."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6, f"{peak:,} bytes"


def npy(array, **header):
    """The bytes of a `.npy` file whose header may lie."""
    content = io.BytesIO()
    facts = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape,
    }
    np.lib.format.write_array_header_1_0(content, facts | header)
    return content.getvalue() + array.tobytes()


def npz(path, packing=zipfile.ZIP_DEFLATED, **members):
    """An `.npz` of members' bytes."""
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def png(width, height):
    """A PNG that says its size, and has next to no content."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "u1", "<U7", "?", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_numpy_reads_them(tmp_path, dtype, order):
    values = np.asarray(np.arange(24).reshape(2, 3, 4).astype(dtype), order=order)
    form = Form("fiuUb", (2, None, 4))
    np.save(tmp_path / "a.npy", values)
    np.savez_compressed(tmp_path / "a.npz", a=values, b=values)
    whole = reading.array(tmp_path / "a.npy", form)
    packed = reading.arrays(tmp_path / "a.npz", {"a": form, "b": form})
    mapped = reading.mapped(tmp_path / "a.npy", form)
    for read in (whole, mapped, *packed.values()):
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)
    assert whole.flags.writeable
    assert not mapped.flags.writeable
    with reading.archive(tmp_path / "a.npz") as file:
        assert (file.names, file.shape("a", form)) == (["a", "b"], (2, 3, 4))
        if order == "C":
            np.testing.assert_array_equal(list(file.rows("a", form)), values)


def test_a_single_value_has_no_rows_unless_it_is_asked_for(tmp_path):
    np.save(tmp_path / "a.npy", np.array(5.0))
    np.savez(tmp_path / "a.npz", a=5.0)
    for read in (reading.array, reading.mapped):
        with pytest.raises(Unreadable, match=r"it is a single float64 of shape \(\), without rows"):
            read(tmp_path / "a.npy")
    assert reading.arrays(tmp_path / "a.npz", {"a": Form("f", ())})["a"] == 5
    assert reading.arrays(tmp_path / "a.npz", {"a": Form("f", single=True)})["a"] == 5
    with reading.archive(tmp_path / "a.npz") as file:
        for ask in (file.shape, lambda name: next(file.rows(name))):
            with pytest.raises(Unreadable, match="array 'a': it is a single float64"):
                ask("a")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"shape": (100_000, 1_000, 1_000)}, r"400,000,000,000 bytes; it has 16"),
        ({"shape": (5,)}, r"shape \(5,\), 20 bytes; it has 16"),
        ({"shape": (3,)}, r"shape \(3,\), 12 bytes; it has 16"),
        ({"shape": (10**9, 0)}, r"it is empty, of shape \(1000000000, 0\)"),
        ({"shape": (10**12, 0)}, r"axis outside 0..2,147,483,647"),
        ({"shape": (-4,)}, r"axis outside 0"),
        ({"shape": (4.0,)}, r"no header of an array"),
        ({"descr": "|O"}, r"pickled objects, which are never loaded"),
        ({"descr": "<i4"}, r"it is int32 of shape \(4,\), not floats"),
        ({"descr": [("a", "<f4")]}, r"not floats"),
        ({"descr": "<U0"}, r"not floats"),
        ({"descr": "nonsense"}, r"no header of an array"),
    ],
)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(
    tmp_path, little_memory, header, words
):
    content = npy(np.ones(4, np.float32), **header)
    (tmp_path / "a.npy").write_bytes(content)
    npz(tmp_path / "a.npz", a=content)
    for read in (
        lambda: reading.array(tmp_path / "a.npy", FLOATS),
        lambda: reading.mapped(tmp_path / "a.npy", FLOATS),
        lambda: reading.arrays(tmp_path / "a.npz", {"a": FLOATS}),
    ):
        with pytest.raises(Unreadable, match=words):
            read()


def test_an_archive_is_counted_by_what_it_unpacks_to(tmp_path, little_memory):
    # 4 MB on the disk that the list at its end says to be 3 GiB: packed as well as deflate can.
    path = npz(tmp_path / "bomb.npz", zipfile.ZIP_STORED, a=npy(np.zeros(10**6, np.float32)))
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02") + 24
    path.write_bytes(data[:at] + struct.pack("<I", 3 * 2**30) + data[at + 4 :])
    with pytest.raises(Unreadable, match=r"have 3,221,225,472 bytes, more than 1,073,741,824"):
        reading.arrays(path, {"a": FLOATS})


def test_what_lies_in_a_file_as_it_is_may_be_larger_than_what_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "ARRAY_BYTES", 100)
    values = np.arange(50.0)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", a=values)
    np.savez_compressed(tmp_path / "small.npz", a=np.zeros(50))
    np.testing.assert_array_equal(reading.array(tmp_path / "a.npy"), values)
    np.testing.assert_array_equal(reading.arrays(tmp_path / "a.npz", {"a": FLOATS})["a"], values)
    with pytest.raises(reading.TooLarge, match="have 528 bytes, more than 100"):
        reading.arrays(tmp_path / "small.npz", {"a": FLOATS})
    monkeypatch.setattr(reading, "PLAIN_BYTES", 500)
    with pytest.raises(reading.TooLarge, match="have 528 bytes, more than 500"):
        reading.arrays(tmp_path / "a.npz", {"a": FLOATS})
    with pytest.raises(reading.TooLarge, match="have 400 bytes, more than 399"):
        reading.array(tmp_path / "a.npy", most=399)


def test_an_archive_that_lies_about_its_members_is_refused(tmp_path, little_memory):
    content = npy(np.ones(4, np.float32))
    path = npz(tmp_path / "a.npz", packing=zipfile.ZIP_STORED, a=content)
    data = path.read_bytes()
    # The size in the list at the end: what it would be unpacked to.
    at = data.index(b"PK\x01\x02") + 24
    path.write_bytes(data[:at] + struct.pack("<I", 500_000_000) + data[at + 4 :])
    with pytest.raises(Unreadable, match=r"array 'a' has 500,000,000 bytes in 144: no archive"):
        reading.arrays(path, {"a": FLOATS})
    (tmp_path / "b.npz").write_bytes(data.replace(np.float32(1).tobytes(), b"\0\0\0\1"))
    with pytest.raises(Unreadable, match=r"no whole archive: Bad CRC"):
        reading.arrays(tmp_path / "b.npz", {"a": FLOATS})
    with pytest.raises(Unreadable, match=r"it has no array 'b'; it has a"):
        reading.arrays(npz(tmp_path / "c.npz", a=content), {"b": FLOATS})
    (tmp_path / "d.npz").write_bytes(data[:-30])
    with pytest.raises(Unreadable, match=r"no whole archive"):
        reading.arrays(tmp_path / "d.npz", {"a": FLOATS})


def test_axes_of_one_name_have_one_size(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones((3, 2)), b=np.ones(3), c=np.ones((2, 3)))
    clips, pair = Form("f", ("clips",)), Form("f", ("clips", 2))
    assert reading.arrays(tmp_path / "a.npz", {"a": pair, "b": clips}).keys() == {"a", "b"}
    with pytest.raises(Unreadable, match=r"'c': it is float64 of shape \(2, 3\), .* \(3, 2\)"):
        reading.arrays(tmp_path / "a.npz", {"b": clips, "c": pair})


def test_text_that_is_no_text_is_refused(tmp_path):
    content = npy(np.array(["ab"])).replace("a".encode("utf-32-le"), struct.pack("<I", 0x110000))
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(Unreadable, match="numbers that are no characters"):
        reading.array(tmp_path / "a.npy", Form("U"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("[1e999]", "inf is no finite number"),
        (f"[{10**30}]", "100 bits is more than 64"),
        ("9" * 5000, "it is no JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' appears twice"),
        ("[" * 51 + "]" * 51, "nested more than 50 deep"),
        ("[" * 10**6, "nested more than 50 deep"),
        ('["\\ud800"]', "half a character"),
        ('{"\\ud800": 1}', "half a character"),
        ("{", "it is no JSON"),
        ("", "it is no JSON"),
    ],
)
def test_json_is_plain_numbers_and_text(content, words):
    with pytest.raises(Unreadable, match=words):
        reading.parse_json(content)


def test_json_is_read_as_it_was_written(tmp_path):
    content = {"a": [1, 2.5, None, True, "ä"], "b": {"c": []}}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert reading.read_json(tmp_path / "a.json") == content
    assert reading.parse_json("[" * 50 + "]" * 50)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "".join(
                f"{name}: &{name} [{', '.join([last] * 10)}]\n"
                for name, last in zip("abcde", ["x", "*a", "*b", "*c", "*d"], strict=True)
            ),
            r"alias \*a is not taken; write the value out",
        ),
        ("a: &a [*a]", r"alias \*a"),
        ("[" * 51 + "]" * 51, "nested more than 50 deep"),
        ("[" * 100_000, "nested more than 50 deep"),
        ("a: 1\na: 2", "key 'a' appears twice"),
        ("a: 1\n'a': 2", "key 'a' appears twice"),
        ("? [1]\n: 2", "unhashable"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("9" * 5000, "Exceeds the limit"),
        ("x" * 2**20 + "y", "1,048,577 characters, more than 1,048,576"),
        ("a: [", "expected"),
    ],
)
def test_yaml_is_plain_values(little_memory, content, words):
    with pytest.raises(Unreadable, match=words):
        reading.parse_yaml(content)


def test_a_picture_is_measured_before_it_is_decoded(little_memory):
    bomb = png(25_000, 25_000)
    with pytest.raises(Unreadable, match=r"25,000 x 25,000 pixels, not 1 to 67,108,864"):
        reading.picture(np.frombuffer(bomb, np.uint8), cv2.IMREAD_COLOR)
    with pytest.raises(Unreadable, match=r"0 x 5 pixels"):
        reading.picture(np.frombuffer(png(0, 5), np.uint8), cv2.IMREAD_COLOR)
    whole = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1]
    at = bytes(whole).index(b"\xff\xc0") + 5
    whole[at : at + 4] = 0xFF
    with pytest.raises(Unreadable, match=r"65,535 x 65,535 pixels"):
        reading.picture(whole, cv2.IMREAD_COLOR)
    for damaged in (b"", b"GIF89a", b"\xff\xd8" + b"\xff" * 100, b"\xff\xd8\xff\xe0\0\0" * 50):
        with pytest.raises(Unreadable, match="neither a PNG nor a JPEG"):
            reading.picture(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize("shape", [(30, 40, 3), (1, 7)])
def test_the_size_of_a_picture_is_read_from_its_header(ending, shape):
    values = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    data = cv2.imencode(ending, values, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1]
    assert reading.picture_size(bytes(data)) == (shape[1], shape[0])
    decoded = reading.picture(data, cv2.IMREAD_UNCHANGED)
    assert decoded.shape == shape
    assert ending == ".jpg" or (decoded == values).all()


def test_one_changed_bit_of_a_checkpoint_is_seen(tmp_path):
    path = tmp_path / "a.ckpt"
    content = {"state_dict": {"w": torch.arange(600.0)}, "epoch": 3}
    torch.save(content, path)
    assert torch.equal(reading.checkpoint(path)["state_dict"]["w"], torch.arange(600.0))
    whole = path.read_bytes()
    numbers = whole.index(torch.arange(600.0).numpy().tobytes())
    # In the numbers of the tensor, and in what says which tensor it is.
    for position in (numbers, numbers + 1201, whole.index(b"state_dict")):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(Unreadable, match=r"'a/data(/0|\.pkl)' was changed after"):
            reading.checkpoint(path)
    path.write_bytes(whole[:-30])
    with pytest.raises(Unreadable, match="it is no whole archive"):
        reading.checkpoint(path)
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"xx" if name.endswith("data/0") else old.read(name))
    with pytest.raises(Unreadable, match=r"record size \(2 bytes\) does not match"):
        reading.checkpoint(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("a/data/0", bytes(9999))
    with pytest.raises(Unreadable, match="it has compressed parts"):
        reading.checkpoint(path)


def test_a_file_is_a_file_of_a_stated_size(tmp_path, monkeypatch):
    with pytest.raises(Unreadable, match="a pipe or a device"):
        reading.text("/dev/zero")
    with pytest.raises(IsADirectoryError):
        reading.text(tmp_path)
    with pytest.raises(FileNotFoundError):
        reading.text(tmp_path / "none")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(2**40)
    for read in (reading.text, reading.read_json, reading.read_csv):
        with pytest.raises(Unreadable, match=r"1,099,511,627,776 bytes, more than"):
            read(tmp_path / "large")
    # A store of a million clips has an index of more than a text may have.
    with open(tmp_path / "large", "r+b") as file:
        file.truncate(reading.CSV_BYTES + 1)
    with pytest.raises(reading.TooLarge, match="2,147,483,649 bytes, more than 2,147,483,648"):
        reading.read_csv(tmp_path / "large")
    monkeypatch.setattr(reading, "TEXT_BYTES", 10)
    (tmp_path / "rows.csv").write_bytes(b"\n\nclip,end\na,1\nb,2\n")
    assert reading.read_csv(tmp_path / "rows.csv")["end"].tolist() == [1, 2]
    (tmp_path / "nul.csv").write_bytes(b"clip,end\na,\0\0\n")
    with pytest.raises(Unreadable, match="it holds NUL bytes"):
        reading.read_csv(tmp_path / "nul.csv")
    for options, number in (({"dtype": {"end": int}}, "-9223372036854775809"), ({}, "9" * 400)):
        (tmp_path / "large.csv").write_text(f"end\n{number}\n")
        with pytest.raises(Unreadable, match="a whole number of more than 64 bits"):
            reading.read_csv(tmp_path / "large.csv", **options)
    # Which of the two columns would count? Empty names, after a comma at the end, count as none.
    (tmp_path / "twice.csv").write_bytes(b"\n \nclip, fps,fps\na,25,30\n")
    with pytest.raises(Unreadable, match="column 'fps' appears twice in its header"):
        reading.read_csv(tmp_path / "twice.csv")
    # Which of the fields would be the clip?
    (tmp_path / "long.csv").write_bytes(b"clip,split\nx,a,train\n")
    with pytest.raises(Unreadable, match="its rows have more fields than its header"):
        reading.read_csv(tmp_path / "long.csv", dtype=str)
    (tmp_path / "empty.csv").write_bytes(b"clip,,\na,,\n")
    assert len(reading.read_csv(tmp_path / "empty.csv")) == 1
    (tmp_path / "latin").write_bytes(b"\xe4")
    with pytest.raises(Unreadable, match="it is no utf-8 text"):
        reading.text(tmp_path / "latin")
    (tmp_path / "dos").write_bytes("a\r\nb\rc".encode("utf-8-sig"))
    assert reading.text(tmp_path / "dos", encoding="utf-8-sig") == "a\nb\nc"


# Calls that read files or bytes in ways that trust them.
RAW = re.compile(
    r"\b(np\.load\(|np\.fromfile|np\.loadtxt|genfromtxt|json\.loads?\b|yaml\.\w*load\w*\(|yaml\.parse|"
    r"OmegaConf|torch\.load|safe_open|load_file\(|zipfile\.|ZipFile|pickle\.loads?|read_csv|"
    r"Image\.open|imread\(|imdecode|VideoCapture|imageio|read_text\(|csv\.reader)"
)
# File -> which of them it may call, and why.
ALLOWED = {
    "reading.py": {".*": "the readers themselves"},
    "training/devices.py": {"pickle": "between a process and those that it started itself"},
    "files.py": {"read_text": "a page of the docs, to put a table into it"},
    "reports/results_table.py": {"read_text": "a page of the docs, to put a table into it"},
    "course/rules.py": {"read_text": "the project's own notebooks"},
    "course/runner.py": {"read_text": "the project's own notebooks"},
    "course/notebook.py": {"read_text": "what the kernel that was just run has printed"},
    "data/autsl.py": {"csv": "rows of a text that `reading` has read"},
    "data/ntu60.py": {"read_text": "a table of the package"},
    "data/ntu60_arrays.py": {"pickle": "text of a command that a person may run"},
}


def test_no_other_file_reads_in_its_own_way():
    package = Path(reading.__file__).parent
    for path in sorted(package.rglob("*.py")):
        allowed = ALLOWED.get(path.relative_to(package).as_posix(), {})
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for call in RAW.findall(line.partition("#")[0]):
                if call == "read_csv" and "reading.read_csv" in line:
                    continue
                assert any(re.match(name, call) for name in allowed), f"{path}:{number}: {line}"


def test_a_table_of_very_many_columns_is_refused_at_once(tmp_path):
    """One that was turned round, a column a clip, took minutes to read."""
    path = tmp_path / "a.csv"
    path.write_text(",".join(f"c{k}" for k in range(40_000)) + "\n")
    start = time.monotonic()
    with pytest.raises(Unreadable, match="it has 40,000 columns, more than 1,000"):
        reading.read_csv(path)
    assert time.monotonic() - start < 1
    path.write_text(",".join(f"c{k}" for k in range(1_000)) + "\n")
    assert reading.read_csv(path).shape == (0, 1_000)
