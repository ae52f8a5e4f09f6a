"""Sentences in the two forms that sclite scores: references in stm files, hypotheses in ctm files.

An stm line is `clip channel signer start end GLOSS GLOSS ...`. A ctm line is `clip channel start
length GLOSS`, with one gloss a line; an empty hypothesis has none. Lines that start with `;;` are
comments.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from signlib.errors import ManifestError
from signlib.files import write_text

# The stm files of PHOENIX write 1.79769e+308 for "to the end".
_ENDLESS = 1e300


def read_stm(path: str | Path) -> pd.DataFrame:
    """The sentences of an stm file: clip, channel, signer, start and end in seconds, glosses.

    An end of 1.79769e+308 becomes infinity; a sentence may be empty.

    Raises:
        ManifestError: for a missing file, a broken line or a clip that appears twice (file and
            line are named).
    """
    rows: dict[str, dict[str, str | float]] = {}
    for number, line in lines_of(Path(path), comments=";;"):
        # Five fields, then whatever is left: nothing, for a sentence without a sign.
        *fields, text = (line.strip().split(maxsplit=5) + [""])[:6]
        try:
            clip, channel, signer, *times = fields
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
                f"{path}, line {number}: clip {clip!r} appears twice; keep one sentence a clip"
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
    """Clip -> its glosses, in the order of their start times.

    Glosses that start at the same time keep the order of the file.

    Raises:
        ManifestError: for a missing file or a broken line (file and line are named).
    """
    spoken: dict[str, list[tuple[float, str]]] = {}
    for number, line in lines_of(Path(path), comments=";;"):
        try:
            clip, _, start, length, gloss = line.split()[:5]
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
    for timed in spoken.values():
        timed.sort(key=lambda item: item[0])
    return {clip: [gloss for _, gloss in timed] for clip, timed in spoken.items()}


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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read as UTF-8 ({error}); fetch it again") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return [row for row in lines if not (comments and row[1].startswith(comments))]
