"""Sentences in the two forms that sclite scores: references in stm files, hypotheses in ctm files.

An stm line is `clip channel signer start end GLOSS GLOSS ...`, a ctm line `clip channel start
length GLOSS` with one gloss a line; lines that start with `;;` are comments. An empty hypothesis
has no line in a ctm.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from signlib.errors import ManifestError
from signlib.files import write_text

_ENDLESS = 1e300
"""The stm files of PHOENIX write 1.79769e+308 for "to the end"."""


def read_stm(path: str | Path) -> pd.DataFrame:
    """The sentences of an stm file: clip, channel, signer, start and end in seconds, glosses.

    An end of 1.79769e+308 becomes infinity; a sentence may be empty.

    Raises:
        ManifestError: for a missing file, a broken line or a clip that stands twice (file and line
            are named).
    """
    rows: dict[str, dict] = {}
    for number, line in lines_of(Path(path)):
        if line.startswith(";;"):
            continue
        head, text = re.match(r"((?:\S+\s+){0,4}\S+)(.*)", line.strip()).groups()
        try:
            clip, channel, signer, *times = head.split()
            start, end = map(float, times)
        except ValueError:
            raise ManifestError(
                f"{path}, line {number}: {line[:80]!r} is not 'clip channel signer start end"
                " glosses'"
            ) from None
        if not (math.isfinite(start) and 0 <= start < end):
            raise ManifestError(
                f"{path}, line {number}: a sentence from {start} s to {end} s; mend the times"
            )
        if clip in rows:
            raise ManifestError(
                f"{path}, line {number}: clip {clip!r} stands twice; keep one sentence a clip"
            )
        rows[clip] = {
            "clip": clip,
            "channel": channel,
            "signer": signer,
            "start": start,
            "end": math.inf if end > _ENDLESS else end,
            "glosses": " ".join(text.split()),
        }
    if not rows:
        raise ManifestError(f"{path} holds no sentence; fetch the file again")
    return pd.DataFrame(rows.values())


def read_ctm(path: str | Path) -> dict[str, list[str]]:
    """Clip -> its glosses, in the order of their start times (equal ones as they stand in the
    file).

    Raises:
        ManifestError: for a missing file or a broken line (file and line are named).
    """
    spoken: dict[str, list[tuple[float, str]]] = {}
    for number, line in lines_of(Path(path)):
        if line.startswith(";;"):
            continue
        fields = line.split()
        try:
            clip, _, start, length, gloss = fields[:5]
            begin, _ = float(start), float(length)
        except ValueError:
            raise ManifestError(
                f"{path}, line {number}: {line[:80]!r} is not 'clip channel start length gloss'"
            ) from None
        if not math.isfinite(begin):
            raise ManifestError(
                f"{path}, line {number}: a gloss that starts at {start} s; mend the time"
            )
        spoken.setdefault(clip, []).append((begin, gloss))
    return {
        clip: [gloss for _, gloss in sorted(timed, key=lambda item: item[0])]
        for clip, timed in spoken.items()
    }


def hypotheses_of(
    clips: Iterable[str], found: Mapping[str, Sequence[str]], source: str = "the ctm"
) -> list[list[str]]:
    """The hypothesis of each clip; one that has none gets an empty one.

    Raises:
        ManifestError: for hypotheses of clips that are not among those asked for, which sclite
            refuses too.
    """
    clips = list(clips)
    strange = sorted(set(found) - set(clips))
    if strange:
        raise ManifestError(
            f"{source} has {len(strange)} clips that the references lack (first {strange[0]!r});"
            " score it against the references of its own split"
        )
    return [list(found.get(clip, ())) for clip in clips]


def write_ctm(
    path: str | Path, hypotheses: Mapping[str, Sequence[str]], seconds: float = 0.01
) -> None:
    """Write clip -> glosses as a ctm; the times only keep the order, `seconds` apart.

    Raises:
        ManifestError: for a clip or gloss with a space in it, which would not be read back.
    """
    lines = []
    for clip, glosses in hypotheses.items():
        for place, gloss in enumerate(glosses):
            for word in (clip, gloss):
                _check_word(word)
            lines.append(f"{clip} 1 {place * seconds:.2f} {seconds:.2f} {gloss}\n")
    write_text(Path(path), "".join(lines))


def write_stm(path: str | Path, table: pd.DataFrame) -> None:
    """Write the rows of a manifest (clip, signer, glosses) as an stm; an unknown signer becomes
    `unknown`.

    Raises:
        ManifestError: for a clip or signer with a space in it.
    """
    lines = []
    for row in table.itertuples():
        signer = row.signer or "unknown"
        for word in (row.clip, signer):
            _check_word(word)
        lines.append(
            f"{row.clip} 1 {signer} 0.0 1.79769e+308 {' '.join(row.glosses.split())}".rstrip()
            + "\n"
        )
    write_text(Path(path), "".join(lines))


def _check_word(word: str) -> None:
    if not word or len(word.split()) != 1 or word.startswith(";;"):
        raise ManifestError(
            f"{word!r} cannot stand in an stm or ctm file; rename it without spaces"
        )


def lines_of(path: Path) -> list[tuple[int, str]]:
    """(number, text) of the lines of a text file that are not empty.

    Raises:
        ManifestError: for a file that is missing or not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as UTF-8 ({error}); fetch it again") from None
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
