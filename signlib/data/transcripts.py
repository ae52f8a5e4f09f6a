"""Sentences in the two forms that sclite scores: references in stm files, hypotheses in ctm files.

An stm line is `clip channel signer start end [<label>] GLOSS GLOSS ...`, with one line for each
segment of a recording. A ctm line is `clip channel start length GLOSS`, with one gloss a line; an
empty hypothesis has none. Lines that start with `;;` are comments. Beside them: plain text with one
sentence a line.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from signlib import reading
from signlib.errors import ManifestError
from signlib.files import write_text

# The stm files of PHOENIX write 1.79769e+308 for "to the end".
_ENDLESS = 1e300


# The text of a segment that is not scored, nor what was heard in it.
IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"
# A gloss that stands for none.
NOTHING = "@"
# What sclite reads as several hypotheses of the same words.
_ALTERNATIVES = {"<ALT_BEGIN>", "<ALT>", "<ALT_END>"}


class Segment(NamedTuple):
    """A line of an stm file; times in seconds."""

    clip: str
    channel: str
    signer: str
    start: float
    end: float
    glosses: str
    label: str = ""

    @property
    def scored(self) -> bool:
        """False for a stretch that is left out of scoring."""
        return self.glosses.upper() != IGNORED


class Word(NamedTuple):
    """A line of a ctm file; times in seconds."""

    clip: str
    channel: str
    start: float
    length: float
    gloss: str


class Arc(NamedTuple):
    """One word of a reference with alternatives, from one of its states to a later one.

    The word "" is none; an optional one may be left out.
    """

    start: int
    end: int
    word: str
    optional: bool = False


def read_stm(path: str | Path) -> pd.DataFrame:
    """The segments of an stm file that are scored: clip, channel, signer, start, end, glosses.

    Times are in seconds; an end of 1.79769e+308 becomes infinity. A sentence may be empty.

    Raises:
        ManifestError: as `read_segments`.
    """
    columns = list(Segment._fields[:6])
    rows = [segment[:6] for segment in read_segments(path) if segment.scored]
    return pd.DataFrame(rows, columns=columns)


def read_segments(path: str | Path) -> list[Segment]:
    """All lines of an stm file, in their order.

    Raises:
        ManifestError: for a missing file, a broken line, braces that do not pair, or a segment that
            appears twice (file and line are named).
    """
    segments: dict[tuple[str, str, float, float], Segment] = {}
    for number, line in lines_of(Path(path), comments=";;"):
        where = f"{path}, line {number}"
        segment = _segment(line, where)
        key = (segment.clip, segment.channel, segment.start, segment.end)
        if key in segments:
            raise ManifestError(
                f"{where}: clip {segment.clip!r} appears twice; keep one sentence a clip, or give"
                " each segment its own times"
            )
        network(segment.glosses, where)
        segments[key] = segment
    if not any(segment.scored for segment in segments.values()):
        raise ManifestError(f"{path} holds no sentence; fetch the file again")
    return list(segments.values())


def _segment(line: str, where: str) -> Segment:
    # Five fields, then whatever is left: nothing, for a sentence without a sign.
    *fields, text = (line.strip().split(maxsplit=5) + [""])[:6]
    try:
        clip, channel, signer, *times = fields
        start, end = map(float, times)
    except ValueError:
        raise ManifestError(
            f"{where}: {line[:80]!r} is not 'clip channel signer start end glosses'"
        ) from None
    if not (math.isfinite(start) and 0 <= start < end):
        raise ManifestError(f"{where}: a sentence from {start} s to {end} s; mend the times")
    first, _, rest = text.partition(" ")
    label = first if first.startswith("<") and first.endswith(">") else ""
    glosses = " ".join((rest if label else text).split())
    return Segment(
        clip, channel, signer, start, math.inf if end > _ENDLESS else end, glosses, label
    )


def network(text: str, where: str) -> list[Arc]:
    """A sentence with alternatives (`A { B C / D / @ } (E)`) as arcs between states 0, 1, ....

    `@` is no word, and a word in brackets may be left out. Each arc leads to a later state; the
    last state is the end of the sentence.

    Args:
        text: of the sentence.
        where: what errors call its line.

    Raises:
        ManifestError: for braces that do not pair, or an alternative without a word.

    >>> [tuple(arc) for arc in network("{ A / @ } (B)", "line 1")][:2]
    [(0, 1, 'A', False), (0, 2, '', False)]
    """
    arcs: list[Arc] = []
    # State at each open brace; of its alternatives, whether they lack words, and their last state.
    open_braces: list[tuple[int, list[tuple[bool, int]]]] = []
    state = last = 0
    # An alternative that has no token yet, and one that has no word.
    empty, silent = False, False
    for token in _tokens(text):
        if (token == "}" and not open_braces) or (token in ("/", "}") and empty and open_braces):
            raise ManifestError(
                f"{where}: {text[:60]!r} has a '}}' too many or an alternative without a word;"
                " write { A / B }, and @ for no word"
            )
        empty = token == "{" or (token == "/" and bool(open_braces))
        if token in ("/", "}") and open_braces:
            open_braces[-1][1].append((silent, state))
        silent = empty or (silent and token == NOTHING)
        if token == "{":
            open_braces.append((state, []))
        elif token == "/" and open_braces:
            state = open_braces[-1][0]
        else:
            last += 1
            if token == "}":
                _, ends = open_braces.pop()
                # One without words counts last, as sclite takes it.
                ends.sort(key=lambda end: end[0])
                arcs += [Arc(end, last, "") for _, end in ends]
            else:
                word = "" if token == NOTHING else bare(token)
                arcs.append(Arc(state, last, word, bool(word) and word != token))
            state = last
    if open_braces:
        raise ManifestError(f"{where}: {text[:60]!r} lacks a '}}'; write {{ A / B }}")
    return arcs


def _tokens(text: str) -> list[str]:
    # Words and braces; between braces also slashes.
    tokens: list[str] = []
    depth = 0
    for token in re.findall(r"[{}]|[^\s{}]+", text):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth > 0:
            tokens += re.findall(r"/|[^/]+", token)
        else:
            tokens.append(token)
    return tokens


def bare(word: str) -> str:
    """A word without the brackets of one that may be left out."""
    return word[1:-1] if len(word) > 2 and word[0] == "(" and word[-1] == ")" else word


def read_ctm(path: str | Path) -> dict[str, list[str]]:
    """Clip -> its glosses, in the order of their start times.

    Glosses that start at the same time keep the order of the file.

    Raises:
        ManifestError: as `read_words`.
    """
    spoken: dict[str, list[str]] = {}
    for word in read_words(path):
        spoken.setdefault(word.clip, []).append(word.gloss)
    return spoken


def read_words(path: str | Path) -> list[Word]:
    """The lines of a ctm file, those of each clip in the order of their start times.

    Raises:
        ManifestError: for a missing file, a broken line or alternative hypotheses (file and line
            are named).
    """
    words: dict[str, list[Word]] = {}
    for number, line in lines_of(Path(path), comments=";;"):
        where = f"{path}, line {number}"
        try:
            clip, channel, start, length, gloss = line.split()[:5]
            if gloss in _ALTERNATIVES:
                raise ManifestError(
                    f"{where}: {gloss} gives several hypotheses; keep one and delete these lines"
                )
            word = Word(clip, channel, float(start), float(length), gloss)
        except ValueError:
            raise ManifestError(
                f"{where}: {line[:80]!r} is not 'clip channel start length gloss'"
            ) from None
        if not (math.isfinite(word.start) and 0 <= word.length < math.inf):
            raise ManifestError(
                f"{where}: a gloss that starts at {start} s and lasts {length} s; mend the time"
            )
        if gloss != NOTHING:
            words.setdefault(clip, []).append(word)
    return [word for timed in words.values() for word in sorted(timed, key=lambda w: w.start)]


def heard_in(
    segments: Sequence[Segment], words: Iterable[Word], source: str = "the ctm"
) -> list[list[str]]:
    """The glosses of each segment that is scored, in the order of the segments.

    A gloss belongs to the first segment of its clip and channel that ends after the gloss's middle,
    else to the last one. What is heard in segments that are not scored is left out.

    Raises:
        ManifestError: for hypotheses of a clip or channel that the references lack, which sclite
            refuses too.

    Source: NIST sclite.
    """
    places = [(segment.clip, segment.channel) for segment in segments]
    numbers: dict[tuple[str, str], list[int]] = {}
    for number, place in enumerate(places):
        numbers.setdefault(place, []).append(number)
    spoken = {place: list(group) for place, group in groupby(sorted(words, key=_place), key=_place)}
    channels = {clip: channel for clip, channel in places}
    # Clips first: a whole ctm of another split has other channels, too.
    hypotheses_of(channels, {clip: [] for clip, _ in spoken}, source)
    strange = [place for place in spoken if place not in numbers]
    if strange:
        clip, channel = strange[0]
        raise ManifestError(
            f"{source} has channel {channel!r} of clip {clip!r}, the references have"
            f" {channels[clip]!r}; write the same channel in both"
        )
    heard: list[list[str]] = [[] for _ in segments]
    for place, timed in spoken.items():
        ordered = sorted(numbers[place], key=lambda number: segments[number].start)
        # Of segments that overlap the first one counts.
        ends = list(accumulate((segments[number].end for number in ordered), max))
        for word in timed:
            later = bisect_right(ends, word.start + word.length / 2)
            heard[ordered[min(later, len(ordered) - 1)]].append(word.gloss)
    return [glosses for segment, glosses in zip(segments, heard, strict=True) if segment.scored]


def _place(word: Word) -> tuple[str, str]:
    return word.clip, word.channel


def read_sentences(path: str | Path) -> list[list[str]]:
    """The sentences of a text file, one a line; an empty line is a sentence without a gloss.

    Raises:
        ManifestError: for a file that is missing, not UTF-8 or empty.
    """
    lines = _text(Path(path)).split("\n")
    # The last line ends with a line break, too.
    if not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ManifestError(f"{path} holds no sentence; write one a line")
    return [line.split() for line in lines]


def hypotheses_of(
    clips: Iterable[str], hypotheses: Mapping[str, Sequence[str]], source: str = "the ctm"
) -> list[list[str]]:
    """The hypothesis of each clip, empty for a clip that has none.

    Raises:
        ManifestError: for hypotheses of clips that are not among those asked for, which sclite
            refuses too.
    """
    clips = list(clips)
    strange = sorted(set(hypotheses) - set(clips))
    if strange:
        raise ManifestError(
            f"{source} has {len(strange)} clips that the references lack (first {strange[0]!r});"
            " score it against the references of its own split"
        )
    return [list(hypotheses.get(clip, ())) for clip in clips]


def write_ctm(
    path: str | Path, hypotheses: Mapping[str, Sequence[str]], seconds: float = 0.01
) -> None:
    """Write clip -> glosses as a ctm; the times only keep the order, `seconds` apart.

    Raises:
        ManifestError: for a clip or gloss with a space in it, which would not be read back.
    """
    lines = []
    for clip, glosses in hypotheses.items():
        for k, gloss in enumerate(glosses):
            for word in (clip, gloss):
                _check_word(word)
            lines.append(f"{clip} 1 {k * seconds:.2f} {seconds:.2f} {gloss}\n")
    write_text(Path(path), "".join(lines))


def write_stm(path: str | Path, table: pd.DataFrame) -> None:
    """Write the rows of a manifest (clip, signer, glosses) as an stm.

    A signer whose name is empty is called `unknown`.

    Raises:
        ManifestError: for a clip or signer with a space in it.
    """
    lines = []
    for row in table.itertuples():
        signer = row.signer or "unknown"
        for word in (row.clip, signer):
            _check_word(word)
        glosses = " ".join(row.glosses.split())
        # The times of the whole clip, which nobody measured.
        lines.append(f"{row.clip} 1 {signer} 0.0 1.79769e+308 {glosses}".rstrip() + "\n")
    write_text(Path(path), "".join(lines))


def _check_word(word: str) -> None:
    if not word or len(word.split()) != 1 or word.startswith(";;"):
        raise ManifestError(
            f"{word!r} cannot stand in an stm or ctm file; rename it without spaces"
        )


def lines_of(path: Path, comments: str = "") -> list[tuple[int, str]]:
    """(number, text) of the lines of a text file that are not empty.

    Args:
        path: of the file.
        comments: lines that begin with this are left out; empty: none is.

    Raises:
        ManifestError: for a file that is missing or not UTF-8.
    """
    text = _text(path).split("\n")
    lines = [(number, line) for number, line in enumerate(text, 1) if line.strip()]
    return [row for row in lines if not (comments and row[1].startswith(comments))]


def _text(path: Path) -> str:
    try:
        return reading.text(path, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read as UTF-8 ({error}); fetch it again") from None
