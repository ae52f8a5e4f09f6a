"""What is done to whole files, so that they are no longer whole.

Every way takes the bytes of a file and a random generator and gives other bytes. Ways that know a
form keep what surrounds the damage intact, so that it comes past the first look.
"""

import csv
import io
import json
import os
import pickle
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator
Way = Callable[[bytes, Rng], bytes]

NUMBERS = (
    *("nan", "inf", "-inf", "1e300", "-1e300", "1e39", "1e999", "-1", "0", "1", "0.5", "1e3"),
    *("9223372036854775808", "-9223372036854775809", "4294967296", "1000000000", "99999", "2.5"),
    *("1_0", "\u0661\u0662", "\uff11", "\u00b2", "0x10", "1,5", "007", "+1", "", " ", "NULL"),
    *("true", "None", "9" * 400, "--1", "1e", "1 2"),
)
# Where nothing may ever be written.
OUTSIDE = str(Path(tempfile.gettempdir(), "signlib-escaped", "x"))
NAMES = (
    *("../escaped", "../../escaped", OUTSIDE, "..", ".", "", "a/b", "a\\b", "C:\\escaped"),
    *("x\0y", "x" * 300, "\u00e9" * 200, "$\\alpha$", "$x", "${oc.env:HOME}", "<script>x</script>"),
    *(
        "=1+1",
        "\u202ereversed",
        "NULL",
        "nan",
        "CON",
        " blank ",
        "-x",
        "\U0001f600",
        "a\nb",
        "a\tb",
    ),
    *("a,b", 'a"b', "{}", "%s", "~", "hello", "HELLO", "secret"),
)


def pick(rng: Rng, items: Any) -> Any:
    """One of them."""
    return items[int(rng.integers(len(items)))]


# --- any file -------------------------------------------------------------------------------------


def flipped(data: bytes, rng: Rng) -> bytes:
    """One to four bits are others."""
    if not data:
        return b"\0"
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        out[int(rng.integers(len(out)))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut_off(data: bytes, rng: Rng) -> bytes:
    """The end is missing, or the start."""
    at = int(rng.integers(len(data) + 1))
    return data[:at] if rng.random() < 0.8 else data[at:]


def spliced(data: bytes, rng: Rng) -> bytes:
    """A part is taken out, stands twice, or stands elsewhere."""
    a, b = sorted(int(each) for each in rng.integers(len(data) + 1, size=2))
    c = int(rng.integers(len(data) + 1))
    return pick(rng, (data[:a] + data[b:], data[:b] + data[a:], data[:c] + data[a:b] + data[c:]))


def filled(data: bytes, rng: Rng) -> bytes:
    """A part is zeros, ones or noise."""
    a = int(rng.integers(len(data) + 1))
    size = min(int(2 ** rng.integers(1, 12)), len(data) - a)
    return data[:a] + pick(rng, (bytes(size), b"\xff" * size, rng.bytes(size))) + data[a + size :]


def swollen(data: bytes, rng: Rng) -> bytes:
    """Something follows the end, or stands before the start."""
    more = pick(rng, (b"\0" * 4096, b"\n", b"\xef\xbb\xbf", b"x" * 70_000, data, rng.bytes(100)))
    return data + more if rng.random() < 0.6 else more + data


def other_file(data: bytes, rng: Rng) -> bytes:
    """Something else altogether."""
    return pick(
        rng, (b"", b"\0", b"\n", b"<html>404</html>", _EVIL, b"PK\3\4", b"{}", b"[]", b"null")
    )


def other_number(data: bytes, rng: Rng) -> bytes:
    """Two, four or eight bytes are an extreme number."""
    kind = pick(rng, ("<H", ">H", "<I", ">I", "<q", "<f", "<d"))
    values: tuple[Any, ...] = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, 2**40)
    if kind in ("<f", "<d"):
        values = (np.nan, np.inf, -np.inf, 1e38, -1.0, 0.0, 1e-40)
    size = struct.calcsize(kind)
    value = pick(rng, values)
    if isinstance(value, int):
        value %= 2 ** (8 * size - (kind == "<q"))
    if len(data) < size:
        return data
    at = int(rng.integers(len(data) - size + 1))
    # Heads say how large all that follows is.
    at = at % 64 if rng.random() < 0.4 and len(data) > 64 + size else at
    return data[:at] + struct.pack(kind, value) + data[at + size :]


class _Marker:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


_EVIL = pickle.dumps(_Marker())
BYTES: tuple[Way, ...] = (
    *(flipped, cut_off, spliced, filled, swollen, other_file, other_number),
    *(flipped, other_number),
)

# --- text -----------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape")


_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])|\bNaN\b")
_WORD = re.compile(r"[^\s,|\"':\[\]{}]+")


def _replaced(text: str, pattern: re.Pattern[str], rng: Rng, values: Any) -> str:
    places = list(pattern.finditer(text))
    if not places:
        return text
    place = pick(rng, places)
    return text[: place.start()] + pick(rng, values) + text[place.end() :]


def text_number(data: bytes, rng: Rng) -> bytes:
    """A number is another one, or none."""
    return _bytes(_replaced(_text(data), _NUMBER, rng, NUMBERS))


def text_word(data: bytes, rng: Rng) -> bytes:
    """A word is another one."""
    return _bytes(_replaced(_text(data), _WORD, rng, NAMES))


def text_line(data: bytes, rng: Rng) -> bytes:
    """A line is missing, stands twice, elsewhere, is cut, or is very long."""
    lines = _text(data).split("\n")
    at = int(rng.integers(len(lines)))
    line, kind = lines.pop(at), int(rng.integers(6))
    other = int(rng.integers(len(lines) + 1))
    if kind == 1:
        lines[at:at] = [line, line]
    if kind == 2:
        lines.insert(other, line)
    if kind == 3:
        lines.insert(at, line[: int(rng.integers(len(line) + 1))])
    if kind == 4:
        lines.insert(at, line + " " + pick(rng, ("x" * 100_000, "word " * 3000, "\0", line)))
    if kind == 5:
        lines.insert(at, "")
    return _bytes("\n".join(lines))


def text_coding(data: bytes, rng: Rng) -> bytes:
    """The same text in another coding, or with other line ends."""
    text = data.decode("utf-8", "replace")
    coded = (
        *(text.encode("utf-16"), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode()),
        *(text.replace("\n", "\r").encode(), text.encode("latin-1", "replace") + b"\xe9"),
        *(text.replace(" ", "\u00a0").encode(), text.upper().encode(), text.lower().encode()),
    )
    return pick(rng, coded)


TEXT: tuple[Way, ...] = (text_number, text_number, text_word, text_word, text_line, text_coding)

# --- csv ------------------------------------------------------------------------------------------


def csv_table(data: bytes, rng: Rng) -> bytes:
    """A column or a cell is missing, doubled, renamed, elsewhere or quoted."""
    text = _text(data)
    sign = "|" if "|" in text.partition("\n")[0] else ","
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=sign) if row]
    except csv.Error:
        return data
    if not rows:
        return data
    c, r = int(rng.integers(len(rows[0]))), int(rng.integers(len(rows)))
    kind = int(rng.integers(11))
    out, quoting = sign, csv.QUOTE_MINIMAL
    if kind == 0:
        rows = [row[:c] + row[c + 1 :] for row in rows]
    if kind == 1:
        rows = [row[:c] + row[c : c + 1] * 2 + row[c + 1 :] for row in rows]
    if kind == 2:
        rows[0][c] = pick(rng, (*NAMES, "clip", "file", "split", "start", "fps", " clip "))
    if kind == 3:
        order = rng.permutation(len(rows[0]))
        rows = [[row[k] for k in order if k < len(row)] for row in rows]
    if kind == 4:
        out = pick(rng, (";", "\t", "|", ","))
    if kind == 5:
        quoting = csv.QUOTE_ALL
    if kind == 6:
        rows[r] = rows[r][:c] + rows[r][c + 1 :]
    if kind == 7:
        rows[r] = rows[r] + [pick(rng, NAMES)]
    if kind in (8, 9) and c < len(rows[r]):
        rows[r][c] = pick(rng, (NUMBERS, NAMES)[kind - 8])
    if kind == 10:
        rows = [row + ["x"] * 3000 for row in rows] if rng.random() < 0.1 else [*rows, rows[r]]
    text_out = io.StringIO()
    csv.writer(text_out, delimiter=out, quoting=quoting, escapechar="\\").writerows(rows)
    return _bytes(text_out.getvalue())


# --- json and yaml --------------------------------------------------------------------------------

VALUES: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 3, 0.5, 1e300, float("nan"), float("inf"), 2**63, 10**30, "1_0"),
    *(
        "",
        "x",
        [],
        {},
        [[]],
        {"": {}},
        "x" * 3000,
        "nan",
        [1, 2, 3],
        {"a": 1},
        -2.5,
        250.0,
        "\u0661",
    ),
    *(
        "../escaped",
        OUTSIDE,
        "${oc.env:HOME}",
        "<script>x</script>",
        "$\\alpha$",
        "\0",
        ["x"] * 300,
    ),
)


def _nodes(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    if isinstance(content, list):
        items = enumerate(content[:50])
    for key, value in items:
        yield from _nodes(value, (*path, key))


def _changed(content: Any, rng: Rng) -> Any:
    *path, last = pick(rng, [path for path in _nodes(content) if path] or [(None,)])
    if last is None:
        return pick(rng, VALUES)
    parent = content
    for key in path:
        parent = parent[key]
    kind = int(rng.integers(7))
    if kind < 3:
        parent[last] = pick(rng, VALUES)
    elif kind == 3:
        del parent[last]
    elif kind == 4:
        parent[last] = pick(rng, ([parent[last]], {"x": parent[last]}, str(parent[last])))
    elif kind == 5 and isinstance(parent, dict):
        parent[pick(rng, NAMES)] = parent.pop(last)
    elif isinstance(parent, list):
        parent.insert(last, pick(rng, (parent[last], parent[0], pick(rng, VALUES))))
    else:
        parent[pick(rng, ("x", "clip", "settings"))] = pick(rng, VALUES)
    return content


def json_value(data: bytes, rng: Rng) -> bytes:
    """A value is of another type, missing, elsewhere, deep or strange."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return flipped(data, rng)
    if rng.random() < 0.04:
        deep = int(pick(rng, (200, 100_000)))
        return pick(rng, (b"[" * deep + b"]" * deep, b'{"a":' * deep + b"1" + b"}" * deep))
    changed = _changed(content, rng)
    text = json.dumps(changed, ensure_ascii=bool(rng.random() < 0.5))
    if rng.random() < 0.05:
        # The same key twice: which one counts?
        text = re.sub(r'("[^"]+": (?:\d+|"[^"]*"))', r"\1, \1", text, count=1)
    return _bytes(text)


_YAML = (
    "[" * 3000 + "]" * 3000,
    "&a [1, 2]\nb: *a",
    "{<<: {width: 3}}",
    "!!python/object/apply:os.system ['true']",
    '"$\\x7boc.env:HOME}"',
    '"\\x24{oc.env:HOME}"',
    "'${oc.env:HOME}'",
    "2026-11-30",
    "0o17",
    "1:30",
    "~",
    "- 1\n  - 2",
    "*unknown",
    "|\n  text",
    ".nan",
    ".inf",
    "-.inf",
)


def yaml_value(data: bytes, rng: Rng) -> bytes:
    """A value of a line `key: value` is another one; or aliases that grow."""
    lines = _text(data).split("\n")
    if rng.random() < 0.06:
        levels = "\n".join(
            f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]"
            for k in range(1, int(pick(rng, (5, 9))))
        )
        lines.insert(0, f"a0: &a0 [{', '.join('x' * 9)}]\n{levels}")
        return _bytes("\n".join(lines))
    places = [k for k, line in enumerate(lines) if ":" in line] or [0]
    k = pick(rng, places)
    key, _, _ = lines[k].partition(":")
    value = pick(rng, (*_YAML, *NUMBERS, *NAMES, *map(json.dumps, VALUES)))
    lines[k] = f"{key}: {value}"
    if rng.random() < 0.1:
        lines.insert(k, lines[k])
    return _bytes("\n".join(lines))


# --- arrays ---------------------------------------------------------------------------------------

_NUMERIC = (np.nan, np.inf, -np.inf, 1e300, 1e39, -1e39, 1e10, 0.0, -1.0, 1.0, 300.0, 65504.0)


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def npy_values(data: bytes, rng: Rng) -> bytes:
    """Single values are no numbers, or absurd ones; in one place, a frame or everywhere."""
    array = _array(data)
    if array is None or not array.size or array.dtype.kind not in "fiubcUS":
        return flipped(data, rng)
    array = array.copy()
    if array.dtype.kind in "US":
        array.flat[int(rng.integers(array.size))] = pick(rng, NAMES).replace("\0", "0")
        return _npy(array)
    value = pick(rng, _NUMERIC)
    if array.dtype.kind in "iu":
        limits = np.iinfo(array.dtype)
        value = pick(rng, (-1, 0, 1, 7, limits.max, limits.min, 1000))
        value = int(np.clip(value, limits.min, limits.max))
    where: Any = int(rng.integers(array.size))
    kind = int(rng.integers(4))
    with np.errstate(all="ignore"):
        if kind == 0 and array.ndim:
            array[int(rng.integers(len(array)))] = value
        elif kind == 1:
            array[...] = value
        elif kind == 2 and array.ndim > 1:
            array[..., int(rng.integers(array.shape[-1]))] = value
        else:
            array.flat[where] = value
    return _npy(array)


def npy_shape(data: bytes, rng: Rng) -> bytes:
    """The same numbers in another shape or type."""
    array = _array(data)
    if array is None:
        return flipped(data, rng)
    numeric = array.dtype.kind in "fiub"
    made: tuple[Callable[[], np.ndarray], ...] = (
        *(lambda: array[:0], lambda: array[:1], lambda: array[None], lambda: array.ravel()),
        *(lambda: np.concatenate([array, array]), lambda: array[..., :-1], lambda: array.T),
        *(lambda: array.astype(str), lambda: array.astype(object), lambda: array[()][0]),
        *(lambda: array.astype(np.float16), lambda: array.astype(">f8"), lambda: array > 0),
        *(lambda: array.astype(np.complex64), lambda: array.astype(np.uint8)),
        *(
            lambda: np.asfortranarray(array),
            lambda: array.astype("M8[s]"),
            lambda: np.zeros(3, "V8"),
        ),
        *(lambda: np.zeros(2, [("x", "f4"), ("y", "i8")]), lambda: np.array(5.0)),
    )
    with np.errstate(all="ignore"):
        try:
            return _npy(np.asarray(pick(rng, made if numeric else made[:10])()))
        except Exception:
            return _npy(array[:0] if array.ndim else array)


def npy_header(data: bytes, rng: Rng) -> bytes:
    """The header says another shape, type or order than what follows."""
    start = data.find(b"(")
    end = data.find(b")", start)
    if not data.startswith(b"\x93NUMPY") or start < 0 or end < 0:
        return flipped(data, rng)
    shapes = (
        *(
            "(100000000000,)",
            "(10**11,)",
            "(-1,)",
            "()",
            "(3, -3)",
            "(2147483648, 543, 4)",
            "(0, 0)",
        ),
        *("(1e3,)", "('x',)", "[3]", "(3,)", "(1000000000, 0)", "(9223372036854775807, 9)"),
    )
    types = (b"|O", b"<f8", b">f4", b"<f2", b"|S9", b"<U100000", b"<c16", b"|b1", b"<M8[s]", b"<x9")
    head_size = struct.unpack("<H", data[8:10])[0]
    head, body = data[10 : 10 + head_size], data[10 + head_size :]
    kind = int(rng.integers(4))
    if kind < 2:
        head = re.sub(rb"\([^)]*\)", pick(rng, shapes).encode(), head, count=1)
    elif kind == 2:
        head = re.sub(rb"'descr': [^,]+,", b"'descr': '" + pick(rng, types) + b"',", head, count=1)
    else:
        head = head.replace(b"False", b"True", 1)
    head = head.rstrip() + b" \n"
    version = pick(rng, (b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x09\x00"))
    size = struct.pack("<I" if version[0] == 2 else "<H", len(head))
    return b"\x93NUMPY" + version + size + head + body


def _array(data: bytes) -> np.ndarray | None:
    # What was damaged before may fail in any way.
    try:
        return np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:
        return None


NPY: tuple[Way, ...] = (npy_values, npy_values, npy_shape, npy_header)

# --- archives -------------------------------------------------------------------------------------

# A mebibyte of zeros as a piece of a deflate stream: repeated, it is as many more.
_PACKER = zlib.compressobj(9, zlib.DEFLATED, -15)
_ZEROS = _PACKER.compress(bytes(2**20)) + _PACKER.flush(zlib.Z_FULL_FLUSH)


def zip_members(data: bytes, rng: Rng) -> bytes:
    """A member is damaged, missing, renamed, doubled, swapped with another or a bomb."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # it was damaged before
        return flipped(data, rng)
    if not members:
        return other_file(data, rng)
    k, other = (int(each) for each in rng.integers(len(members), size=2))
    name, content = members[k]
    chance = rng.random()
    arrays = content.startswith(b"\x93NUMPY")
    if chance < 0.62:
        members[k] = (name, pick(rng, NPY if arrays else BYTES)(content, rng))
    elif chance < 0.70:
        del members[k]
    elif chance < 0.78:
        named = pick(
            rng, ("../escaped.npy", OUTSIDE + ".npy", "x.npy", "", "a" * 300, name.upper())
        )
        members[k] = (named, content)
    elif chance < 0.84:
        members.append((pick(rng, ("extra.npy", name)), content))
    elif chance < 0.92:
        members[k] = (name, members[other][1])
    elif chance < 0.96:
        members[k] = (name, pick(rng, (_EVIL, _npy(np.array([_Marker()], dtype=object)))))
    else:
        return _bomb(members, k)
    out = io.BytesIO()
    method = pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members:
            _write(archive, name, content)
    return out.getvalue()


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name or "x")
    info.compress_type = archive.compression
    archive.writestr(info, content)


def _bomb(members: list[tuple[str, bytes]], k: int, gib: int = 3) -> bytes:
    # The member k holds 3 GiB of zeros in 3 MB; the others stay as they are.
    name = members[k][0]
    head = _npy(np.zeros(0, np.uint8))[:128].replace(b"(0,)", b"(%d,)" % (gib * 2**30 - 128))
    if len(head) > 128:
        head = head[:10] + head[10:].rstrip()[:117].ljust(117) + b"\n"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    stream = start + _ZEROS * (gib * 1024) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, (member, inner) in enumerate(members):
            if place != k:
                _write(archive, member, inner)
        at = out.tell()
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.compress_size, info.file_size, info.CRC = len(stream), gib * 2**30, 0
        info.header_offset = at
        out.write(info.FileHeader(zip64=True))
        out.write(stream)
        archive.filelist.append(info)
        archive.NameToInfo[name] = info
        archive.start_dir = out.tell()
        archive._didModify = True
    return out.getvalue()


def zip_bytes(data: bytes, rng: Rng) -> bytes:
    """Bytes of the archive's own lists of its members are others."""
    end = data.rfind(b"PK\1\2")
    if end < 0:
        return flipped(data, rng)
    return data[:end] + other_number(data[end:], rng)


def safetensors_header(data: bytes, rng: Rng) -> bytes:
    """The header says something else of the tensors, or a number in them is another one."""
    if len(data) < 8:
        return data
    size = struct.unpack("<Q", data[:8])[0]
    if rng.random() < 0.25:
        spot = 8 + size + 4 * int(rng.integers(max((len(data) - 8 - size) // 4, 1)))
        number = struct.pack("<f", pick(rng, (np.nan, np.inf, -np.inf, 1e38)))
        return data[:spot] + number + data[spot + 4 :]
    header = json_value(data[8 : 8 + size], rng)
    length = len(header) if rng.random() < 0.9 else int(pick(rng, (0, 2**40, 2**63)))
    return struct.pack("<Q", length) + header + data[8 + size :]


def png_header(data: bytes, rng: Rng) -> bytes:
    """The picture says another size, with a right check sum."""
    if not data.startswith(b"\x89PNG") or len(data) < 33:
        return other_number(data, rng)
    width, height = struct.unpack(">II", data[16:24])
    sizes = (1, 16, 25_000, 100_000, 2**31 - 1, 0, width + 1)
    body = b"IHDR" + struct.pack(
        ">II", int(pick(rng, (*sizes, width))), int(pick(rng, (*sizes, height)))
    )
    body += bytes([pick(rng, (8, 8, 16, 1)), pick(rng, (0, 2, 3, 6)), 0, 0, pick(rng, (0, 1))])
    return data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:]


WAYS: dict[str, tuple[Way, ...]] = {
    ".csv": (*TEXT, csv_table, csv_table, csv_table),
    ".txt": TEXT,
    ".stm": TEXT,
    ".ctm": TEXT,
    ".arpa": TEXT,
    ".skeleton": TEXT,
    ".json": (json_value, json_value, json_value, json_value, text_number, text_word),
    ".jsonl": (*TEXT, text_number, text_line),
    ".ipynb": (json_value, json_value, json_value, text_word),
    ".yaml": (yaml_value, yaml_value, yaml_value, *TEXT),
    ".npy": NPY,
    ".npz": (zip_members, zip_members, zip_members, zip_bytes),
    ".ckpt": (zip_members, zip_bytes, flipped),
    ".safetensors": (safetensors_header, safetensors_header, other_number),
    ".png": (png_header, other_number),
    ".mp4": (other_number, filled),
    ".pose": (other_number, other_number, other_number, text_word),
}

# --- a folder -------------------------------------------------------------------------------------


def _gone(file: Path, rng: Rng) -> str:
    file.unlink()
    return "removed"


def _a_folder(file: Path, rng: Rng) -> str:
    file.unlink()
    file.mkdir()
    return "a folder instead"


def _a_link(file: Path, rng: Rng) -> str:
    # A link to itself never begins.
    target = pick(rng, (file.name, "/dev/null"))
    file.unlink()
    file.symlink_to(target)
    return f"a link to {target}"


def _renamed(file: Path, rng: Rng) -> str:
    names = (
        *(
            f".{file.name}",
            file.name.upper(),
            f"{file.stem} {file.suffix}",
            f"{'x' * 200}{file.suffix}",
        ),
        *(f"$\\a{file.suffix}", f"\u00e9{file.suffix}", f"NULL{file.suffix}", f"{file.stem}.zip"),
        *(f"{file.stem}{file.suffix}.bak", f"a\nb{file.suffix}"),
    )
    named = pick(rng, names)
    file.rename(file.with_name(named))
    return f"renamed to {named[:30]!r}"


FOLDER: tuple[Callable[[Path, Rng], str], ...] = (_gone, _gone, _a_folder, _a_link, _renamed)


def damaged(given: Path, rng: Rng) -> list[str]:
    """Damage the files of a folder; what was done, in words.

    One file, sometimes two or three; one in twelve of the ways changes names instead of bytes.
    """
    told = []
    for _ in range(1 + int(rng.random() < 0.25) + int(rng.random() < 0.1)):
        files = [
            path for path in sorted(given.rglob("*")) if path.is_file() and not path.is_symlink()
        ]
        if not files:
            break
        file = pick(rng, files)
        name = str(file.relative_to(given))
        if rng.random() < 1 / 12:
            told.append(f"{name}: {pick(rng, FOLDER)(file, rng)}")
            continue
        ways = WAYS.get(file.suffix, ())
        way = pick(rng, ways if ways and rng.random() < 0.75 else BYTES)
        file.write_bytes(way(file.read_bytes(), rng))
        told.append(f"{name}: {way.__name__}")
    return told
