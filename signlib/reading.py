"""Files that anybody may have written: read within limits, and nothing in them is ever run.

Each form of file has one reader here: text, JSON, YAML, csv, arrays, pictures, tensors and
checkpoints. What is wrong with a file is an `Unreadable` that names the value and the limit; who
asked for the file says which one it is and what to do.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import stat
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

# Bytes of a text, of JSON, of YAML, of a csv; of all arrays of a file together once they are
# unpacked, and where they lie in the file as they are.
TEXT_BYTES, JSON_BYTES, YAML_BYTES, CSV_BYTES = 2**26, 2**25, 2**20, 2**31
ARRAY_BYTES, PLAIN_BYTES = 2**30, 2**33
# Columns of a csv.
COLUMNS = 1_000
# Lists and mappings inside each other, in JSON and YAML.
DEPTH = 50
# Pixels of one picture or frame: 8192 x 8192.
PIXELS = 2**26
# Entries along an axis, also of an array that holds no value.
AXIS = 2**31 - 1
# Deflate makes nothing smaller than a 1032nd.
_SMALLEST = 1_032
_CHUNK = 2**20
_KINDS = {"f": "floats", "i": "whole numbers", "u": "whole numbers", "U": "text", "b": "booleans"}
# What numpy's reader of headers raises on bytes that are none.
_HEADER_FAULTS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    SyntaxError,
    tokenize.TokenError,
    RecursionError,
    OverflowError,
    MemoryError,
)


class Unreadable(ValueError):
    """What is wrong with a file, as `value (limit)`; whoever reads it adds its name."""


class TooLarge(Unreadable):
    """A file that may be whole, and is larger than its limit."""


def regular(path: str | Path, most: int | None = None) -> Path:
    """The path of a file, once it is one and not too large.

    Args:
        path: of the file.
        most: bytes; None: any number.

    Raises:
        OSError: when it is missing.
        Unreadable: for a folder, a pipe or a device; `TooLarge` for a file of more bytes.
    """
    path = Path(path)
    facts = os.stat(path)
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(facts.st_mode):
        raise Unreadable("it is a pipe or a device, no file")
    if most is not None and facts.st_size > most:
        raise TooLarge(f"it has {facts.st_size:,} bytes, more than {most:,}")
    return path


def text(path: str | Path, most: int = TEXT_BYTES, encoding: str = "utf-8") -> str:
    """The text of a file.

    Raises:
        OSError: when it is missing or may not be read.
        Unreadable: when it is too large, or not in that encoding.
    """
    data = regular(path, most).read_bytes()
    try:
        return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is no {encoding.removesuffix('-sig')} text: {error}") from None


def read_json(path: str | Path, encoding: str = "utf-8") -> Any:
    """What a JSON file holds; errors as for `text` and `parse_json`."""
    return parse_json(text(path, JSON_BYTES, encoding))


def parse_json(content: str) -> Any:
    """What a JSON text holds.

    Raises:
        Unreadable: for a text that is no JSON, is nested too deep, names a key twice, or holds a
            number that is not finite or has no 64 bits.
    """
    try:
        value = json.loads(content, object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise Unreadable(f"it is nested more than {DEPTH} deep") from None
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"it is no JSON: {error}") from None
    _check_plain(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # An object of JSON, once no key appears twice.
    content = dict(pairs)
    if len(content) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise Unreadable(f"key {key[:40]!r} appears twice")
    return content


def _no_number(word: str) -> None:
    raise Unreadable(f"{word} is no number of JSON")


def _check_plain(value: Any) -> None:
    # Numbers that can be computed with, text that can be written again, and no deep nesting.
    level, depth = [value], 0
    while level:
        if depth >= DEPTH and any(isinstance(item, dict | list) for item in level):
            raise Unreadable(f"it is nested more than {DEPTH} deep")
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, float) and not math.isfinite(item):
                raise Unreadable(f"{item} is no finite number")
            elif isinstance(item, int) and not -(2**63) <= item < 2**63:
                raise Unreadable(f"a whole number of {item.bit_length()} bits is more than 64")
            elif isinstance(item, str) and not item.isascii():
                _check_text(item)
        level, depth = inner, depth + 1


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unreadable(f"text {value[:20]!a} holds half a character") from None


class PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML's safe loader; a key that appears twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(repr(self.construct_object(key, deep=True)) for key, _ in node.value)
        for key, count in keys.most_common(1):
            if count > 1:
                raise yaml.YAMLError(f"key {key[:40]} appears twice")
        return super().construct_mapping(node, deep)


def parse_yaml(content: str, loader: type = PlainLoader) -> Any:
    """What a YAML text holds: plain values in lists and mappings, no alias, nothing run.

    Args:
        content: at most `YAML_BYTES`.
        loader: which words are numbers.

    Raises:
        Unreadable: for a text that is no YAML, is too large or nested too deep, or has an alias.
    """
    if len(content) > YAML_BYTES:
        raise Unreadable(f"it has {len(content):,} characters, more than {YAML_BYTES:,}")
    try:
        _check_events(content)
        return yaml.load(content, Loader=loader)
    except Unreadable:
        raise
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        words = getattr(error, "problem", None) or str(error) or "it is no YAML"
        raise Unreadable(words.splitlines()[0]) from None


def _check_events(content: str) -> None:
    # Before anything is built: aliases make a small text a huge value.
    if "*" not in content and sum(map(content.count, "[{-:?")) <= DEPTH:
        return
    depth = 0
    for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable(f"alias *{str(event.anchor)[:40]} is not taken; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise Unreadable(f"it is nested more than {DEPTH} deep")


def read_csv(path: str | Path, **options: Any) -> pd.DataFrame:
    """The table in a csv file.

    Args:
        path: of at most `CSV_BYTES`.
        options: of `pandas.read_csv`.

    Raises:
        OSError: when it is missing.
        Unreadable: when it is too large, has more than `COLUMNS` columns, names one twice, or holds
            a number of more than 64 bits, rows longer than its header, or NUL bytes, which pandas
            leaves out without a word. pandas' own errors are `ValueError`s, too.
    """
    import pandas as pd  # half a second that settings do not need

    data = regular(path, CSV_BYTES).read_bytes()
    # A table that was turned round would take minutes to read.
    start = len(data) - len(data.lstrip())
    end = data.find(b"\n", start)
    columns = 1 + data.count(b",", start, end if end >= 0 else len(data))
    if columns > COLUMNS:
        raise Unreadable(f"it has {columns:,} columns, more than {COLUMNS:,}")
    # pandas would call the second column `fps` silently `fps.1`.
    header = pd.read_csv(
        io.BytesIO(data),
        header=None,
        nrows=1,
        dtype=str,
        keep_default_na=False,
        encoding=options.get("encoding"),
    )
    for name, count in Counter(header.iloc[0].str.strip()).most_common():
        if name and count > 1:
            raise Unreadable(
                f"column {name[:40]!r} appears twice in its header; rename or delete one"
            )
    try:
        table = pd.read_csv(io.BytesIO(data), **options)
    except OverflowError:
        raise Unreadable("it holds a whole number of more than 64 bits") from None
    # pandas would take the first fields of longer rows for an index.
    if not isinstance(table.index, pd.RangeIndex):
        raise Unreadable("its rows have more fields than its header; quote values with commas")
    if b"\0" in data:
        raise Unreadable("it holds NUL bytes, as after a power cut")
    return table


@dataclass(frozen=True)
class Form:
    """What an array must be.

    Attributes:
        kinds: numpy's letters of the types that it may have, such as `f` or `iu`.
        shape: a size for each axis, None where any is right, a name where arrays of one file have
            the same; None: any shape.
        empty: it may hold no value.
        single: where any shape is right, also (): a single value without rows.
    """

    kinds: str = "fiu"
    shape: tuple[int | str | None, ...] | None = None
    empty: bool = False
    single: bool = False

    def check(self, dtype: np.dtype, shape: Sequence[int], axes: dict[str, int]) -> None:
        """Refuse another type or shape.

        Args:
            dtype, shape: of the array.
            axes: sizes of the axes that have a name; those that are met first are put in.

        Raises:
            Unreadable: with what the array is and what it must be.
        """
        if dtype.kind == "O":
            raise Unreadable("it holds pickled objects, which are never loaded: they can run code")
        if self.shape is None and not shape and not self.single:
            raise Unreadable(f"it is a single {dtype} of shape (), without rows")
        sizes = self.shape if self.shape is not None else tuple(shape)
        fits = len(sizes) == len(shape)
        for size, length in zip(sizes, shape, strict=False):
            expected = axes.setdefault(size, length) if isinstance(size, str) else size
            fits = fits and expected in (None, length)
        if dtype.kind not in self.kinds or dtype.subdtype or not dtype.itemsize or not fits:
            kinds = " or ".join(dict.fromkeys(_KINDS[kind] for kind in self.kinds))
            any_size = ", ".join(
                "any" if size is None else str(axes.get(str(size), size)) for size in sizes
            )
            of_shape = "" if self.shape is None else f" of shape ({any_size})"
            raise Unreadable(f"it is {dtype} of shape {tuple(shape)}, not {kinds}{of_shape}")
        if any(not 0 <= length <= AXIS for length in shape):
            raise Unreadable(f"shape {tuple(shape)} has an axis outside 0..{AXIS:,}")
        if 0 in shape and not self.empty:
            raise Unreadable(f"it is empty, of shape {tuple(shape)}")


NUMBERS, FLOATS = Form("fiu"), Form("f")


@dataclass(frozen=True)
class _Header:
    """Type and shape of an array, and where its numbers start."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran: bool
    start: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def _header(file: IO[bytes], form: Form, size: int, axes: dict[str, int] | None = None) -> _Header:
    # The header of an array of `size` bytes, once it has the form and says the size.
    import numpy as np  # what reads settings alone needs no numpy

    readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(file)
        shape, fortran, dtype = readers[version[0]](file)
    except _HEADER_FAULTS as error:
        words = str(error).splitlines() or [type(error).__name__]
        raise Unreadable(f"its header is no header of an array: {words[0][:120]}") from None
    form.check(dtype, shape, {} if axes is None else axes)
    header = _Header(dtype, tuple(shape), fortran, file.tell())
    if header.start + header.bytes != size:
        raise Unreadable(
            f"its header says {dtype} of shape {shape}, {header.bytes:,} bytes; it has"
            f" {size - header.start:,}"
        )
    return header


def _filled(file: IO[bytes], header: _Header) -> np.ndarray:
    # The numbers after a header.
    import numpy as np

    flat = np.empty(math.prod(header.shape), header.dtype)
    view = flat.view(np.uint8).data if flat.size else memoryview(b"")
    position = 0
    while position < len(view):
        data = file.read(min(_CHUNK, len(view) - position))
        if not data:
            raise Unreadable(f"it is cut off: {position:,} of {len(view):,} bytes")
        view[position : position + len(data)] = data
        position += len(data)
    if header.dtype.kind == "U":
        # A number that is no character would be found when the text is used.
        codes = flat.astype(flat.dtype.newbyteorder("=")).view(np.uint32)
        if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise Unreadable("it holds text with numbers that are no characters")
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _check_bytes(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(f"its arrays have {size:,} bytes, more than {most:,}")


def array(path: str | Path, form: Form = NUMBERS, most: int = PLAIN_BYTES) -> np.ndarray:
    """The array in a `.npy` file.

    Args:
        path: of the file.
        form: what it must be.
        most: bytes that it may have.

    Raises:
        OSError: when it is missing.
        Unreadable: when it is no whole file or has another form; `TooLarge` for more bytes.
    """
    with open(regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = _header(file, form, size)
        _check_bytes(header.bytes, most)
        return _filled(file, header)


def mapped(path: str | Path, form: Form = NUMBERS) -> np.ndarray:
    """The array in a `.npy` file of any size, read-only through a memory map; errors as above."""
    import numpy as np

    with open(regular(path), "rb") as file:
        header = _header(file, form, os.fstat(file.fileno()).st_size)
    if not header.bytes:
        return np.empty(header.shape, header.dtype)
    return np.load(path, mmap_mode="r", allow_pickle=False)


class Archive:
    """The arrays of an `.npz` file; `archive` opens one.

    Attributes:
        names: of all its arrays.
    """

    def __init__(self, file: zipfile.ZipFile, bytes_on_disk: int) -> None:
        self._file, self._bytes = file, bytes_on_disk
        self._members = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
        if len(self._members) < len(file.infolist()):
            raise Unreadable("it names an array twice")
        self.names = list(self._members)

    @contextmanager
    def _opened(
        self, name: str, form: Form, axes: dict[str, int] | None = None
    ) -> Iterator[tuple[IO[bytes], _Header]]:
        # The numbers of an array, once its header has the form.
        if name not in self._members:
            listed = ", ".join(sorted(self.names)[:10])
            raise Unreadable(f"it has no array {name!r}; it has {listed[:200]}")
        info = self._members[name]
        packed = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if info.flag_bits & 1 or not packed:
            raise Unreadable(f"array {name!r} is encrypted or packed in an unusual way")
        if info.file_size > _SMALLEST * max(1, min(info.compress_size, self._bytes)):
            raise Unreadable(
                f"array {name!r} has {info.file_size:,} bytes in {info.compress_size:,}: no archive"
                " is packed so well"
            )
        with self._file.open(info) as file:
            try:
                yield file, _header(file, form, info.file_size, axes)
            except Unreadable as error:
                raise Unreadable(f"array {name!r}: {error}") from None

    def read(self, forms: Mapping[str, Form]) -> dict[str, np.ndarray]:
        """Some of its arrays, `ARRAY_BYTES` of them; where they lie unpacked `PLAIN_BYTES`.

        Args:
            forms: name -> what it must be.
        """
        size = sum(self._members[name].file_size for name in forms if name in self._members)
        _check_bytes(size, PLAIN_BYTES if size <= self._bytes else ARRAY_BYTES)
        contents: dict[str, np.ndarray] = {}
        axes: dict[str, int] = {}
        for name, form in forms.items():
            with self._opened(name, form, axes) as (file, header):
                contents[name] = _filled(file, header)
        return contents

    def shape(self, name: str, form: Form = NUMBERS) -> tuple[int, ...]:
        """The shape that the header of an array says."""
        with self._opened(name, form) as (_, header):
            return header.shape

    def rows(self, name: str, form: Form = NUMBERS) -> Iterator[np.ndarray]:
        """The entries of an array along its first axis, one at a time, whatever its size."""
        with self._opened(name, form) as (file, header):
            if header.fortran:
                raise Unreadable("it is in Fortran's order, which cannot be read in parts")
            shape = header.shape[1:]
            row = _Header(header.dtype, shape, False, 0)
            _check_bytes(row.bytes, ARRAY_BYTES)
            for _ in range(header.shape[0]):
                yield _filled(file, row)


@contextmanager
def archive(path: str | Path) -> Iterator[Archive]:
    """An `.npz` file, open for reading.

    Raises:
        OSError: when it is missing.
        Unreadable: when it is no archive, or damaged.
    """
    size = os.stat(regular(path)).st_size
    with open(path, "rb") as start:
        if start.read(6) == b"\x93NUMPY":
            start.seek(0)
            _header(start, Form("fiuUb", empty=True), size)
            raise Unreadable("it holds a single array, not an .npz archive; use np.savez")
    with _zip(path) as file:
        yield Archive(file, size)


@contextmanager
def _zip(path: str | Path) -> Iterator[zipfile.ZipFile]:
    # An archive, and whatever is wrong with it while it is open as one kind of error.
    try:
        with zipfile.ZipFile(regular(path)) as file:
            yield file
    except Unreadable:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OverflowError,
    ) as error:
        raise Unreadable(f"it is no whole archive: {error}") from None


def arrays(path: str | Path, forms: Mapping[str, Form]) -> dict[str, np.ndarray]:
    """Arrays of an `.npz` file by name; arguments and errors as for `Archive` and `archive`."""
    with archive(path) as file:
        return file.read(forms)


def picture_size(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height that the header of a PNG or JPEG says.

    Raises:
        Unreadable: for other bytes.
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:2] == b"\xff\xd8":
        at = 2
        while at + 9 <= len(data) and data[at] == 0xFF:
            kind = data[at + 1]
            # SOF0 to SOF15; C4, C8 and CC are tables.
            if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
                height = int.from_bytes(data[at + 5 : at + 7], "big")
                return int.from_bytes(data[at + 7 : at + 9], "big"), height
            alone = kind == 0xFF or kind == 0x01 or 0xD0 <= kind <= 0xD7
            at += (1 if kind == 0xFF else 2) if alone else 2 + _segment(data, at)
    raise Unreadable("it is neither a PNG nor a JPEG, or its header is damaged")


def _segment(data: bytes | memoryview, at: int) -> int:
    # Length of a segment of a JPEG, its own two bytes included.
    return max(2, int.from_bytes(data[at + 2 : at + 4], "big"))


def check_pixels(width: int, height: int) -> None:
    """Refuse a picture or frame that is empty or too large, before it is decoded.

    Raises:
        Unreadable: with its size and the limit.
    """
    if width < 1 or height < 1 or width * height > PIXELS:
        raise Unreadable(f"it has {width:,} x {height:,} pixels, not 1 to {PIXELS:,}")


def picture(data: np.ndarray, flags: int) -> np.ndarray:
    """The picture in the bytes of a PNG or JPEG.

    Args:
        data: (N,) uint8.
        flags: of OpenCV's `imread`.

    Raises:
        Unreadable: for other bytes, a picture of too many pixels, or one that is damaged.
    """
    import cv2  # what reads settings alone needs no OpenCV

    check_pixels(*picture_size(data.data))
    decoded = cv2.imdecode(data, flags)
    if decoded is None:
        raise Unreadable("it is damaged")
    return decoded


def tensor_names(path: str | Path) -> list[str]:
    """The names of the tensors in a safetensors file; errors as for `tensors`."""
    with _safetensors(path) as content:
        return list(content.keys())


def tensors(path: str | Path, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Tensors of a safetensors file by name; nothing in it is executed.

    Args:
        path: of the file.
        names: which of them; None: all.

    Raises:
        OSError: when it is missing.
        Unreadable: when it is damaged, or holds a number that is not finite.
    """
    with _safetensors(path) as content:
        listed = content.keys() if names is None else names
        chosen = {name: content.get_tensor(name) for name in listed}
    for name, value in chosen.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise Unreadable(f"tensor {name[:60]!r} holds numbers that are not finite")
    return chosen


@contextmanager
def _safetensors(path: str | Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(regular(path), "pt") as content:
            yield content
    except SafetensorError as error:
        raise Unreadable(str(error)) from None


def checkpoint(path: str | Path) -> dict[str, Any]:
    """What a checkpoint of torch holds: tensors and plain values.

    torch writes a digest (CRC-32) beside each tensor and never looks at it: here one changed bit is
    seen.

    Raises:
        OSError: when it is missing.
        Unreadable: when it is damaged, or holds objects, which are refused and never built.
    """
    from pickle import UnpicklingError

    import torch

    with _zip(path) as file:
        # torch compresses nothing: what is packed here could be a thousand times as large.
        if any(info.compress_size != info.file_size for info in file.infolist()):
            raise Unreadable("it has compressed parts, which torch never writes")
        changed = file.testzip()
    if changed is not None:
        raise Unreadable(f"its part {changed[:60]!r} was changed after it was written")
    try:
        # Mapped from the file, a part shorter than its tensor would be read beyond its end.
        content = torch.load(regular(path), map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, ValueError, LookupError, EOFError) as error:
        raise Unreadable(next(iter(str(error).splitlines()), type(error).__name__)) from None
    if not isinstance(content, dict):
        raise Unreadable(f"it holds a {type(content).__name__}, not named values")
    return content
