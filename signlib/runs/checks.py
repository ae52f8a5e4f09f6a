"""What the files of a run may say, and errors that name what they say instead."""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from signlib import paths, reading
from signlib.errors import InputError
from signlib.reading import Form, Unreadable

SPLITS = ("train", "val", "test")
# More classes than any corpus of signs has.
CLASSES = 100_000
# Errors in per cent of what was signed may exceed 100; shares may not.
_RATES = re.compile("WER|.*error")
# Fact of a run -> what it is; others may be anything that JSON holds.
_FACTS: Mapping[str, type] = {
    "smoke": bool,
    "started": Real,
    "device": str,
    "precision": str,
    "training_seconds": Real,
    "epochs": Integral,
    "steps": Integral,
    "parameters": Integral,
    "chosen": str,
    "split": list,
    "clips": dict,
    "test_opened": str,
    "missing": Integral,
    "unusable": Integral,
    "reading": str,
    "alpha": Real,
    "beta": Real,
    "validation": dict,
    "init_from": str,
    "carried": str,
    "wall_seconds": Real,
    "peak_memory_mb": Real,
    "commit": str,
    "python": str,
    "machine": str,
    "packages": dict,
}
# Those that may be below 0.
_SIGNED = ("beta", "alpha")
_WORDS = {Real: "a number", Integral: "a whole number", bool: "true or false", str: "a text"}


def facts(content: Any) -> dict[str, Any]:
    """The facts of `status.json` or `environment.json`, once each is what it must be.

    Raises:
        Unreadable: with the first that is not.
    """
    if not isinstance(content, dict):
        raise Unreadable(f"it holds a {type(content).__name__}, no facts by name")
    for key, kind in _FACTS.items():
        value = content.get(key)
        if value is None:
            continue
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        low = isinstance(value, int | float) and value < 0 and key not in _SIGNED
        if not right or low:
            words = _WORDS.get(kind, "a table" if kind is dict else "a list")
            limit = " of at least 0" if low else ""
            raise Unreadable(f"{key} is {str(value)[:40]!r}, not {words}{limit}")
    return content


def check_measured(
    metric: str, value: Any, n: Any, split: Any, unit: Any, interval: Any, note: Any
) -> None:
    """Refuse a measured value that its unit or its own interval cannot have.

    Raises:
        Unreadable: with the name, the value and what is allowed.
    """
    texts = {"metric": metric, "split": split, "unit": unit, "note": note}
    for name, text in texts.items():
        if not isinstance(text, str) or (name != "note" and not text):
            raise Unreadable(f"metric {str(metric)[:40]!r}: {name}={str(text)[:40]!r} is no text")
    where = f"metric {metric[:60]!r}"
    numbers = [value, *(() if interval is None else interval)]
    real = [isinstance(number, Real) and not isinstance(number, bool) for number in numbers]
    if not all(real) or not all(map(math.isfinite, numbers)):
        raise Unreadable(f"{where} has no value")
    if len(numbers) not in (1, 3) or (interval and interval[0] > interval[1]):
        raise Unreadable(f"{where}: interval {interval} has no low and high end")
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise Unreadable(f"{where}: n={str(n)[:20]} is not a whole number of at least 1")
    if split not in SPLITS:
        raise Unreadable(f"{where}: split {split[:20]!r} is none of {', '.join(SPLITS)}")
    most = math.inf if unit != "%" or _RATES.match(metric) else 100
    # Rounding may add to a bound of an interval.
    if unit == "%" and not all(-1e-6 <= number <= most + 1e-6 for number in numbers):
        raise Unreadable(f"{where}: {value:g} % of {interval} is outside 0 to {most:g} %")
    if interval is not None and not interval[0] - 1e-6 <= value <= interval[1] + 1e-6:
        raise Unreadable(f"{where}: {value:g} lies outside its interval {tuple(interval)}")


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse names that are not plain, or of which one appears twice.

    Raises:
        Unreadable: with the first one.
    """
    check_different(names, what)
    try:
        for name in names:
            paths.check_name(name, what)
    except InputError as error:
        raise Unreadable(str(error)) from None


def check_different(names: Sequence[str], what: str) -> None:
    """Refuse names of which one appears twice.

    Raises:
        Unreadable: with the first one, or for no name at all.
    """
    doubled = pd.Index(names)[pd.Index(names).duplicated()]
    if len(doubled) or not len(names):
        raise Unreadable(f"{what} {doubled[0]!r} appears twice" if len(doubled) else f"no {what}")


def predictions(path: Path) -> pd.DataFrame:
    """The table of a run's predictions.

    Raises:
        OSError, ValueError: when it is missing, damaged or contradicts itself.
    """
    table = reading.read_csv(
        path,
        # Glosses such as `007` and `NULL` stay text.
        dtype=dict.fromkeys(("clip", "signer", "target", "prediction", "hypothesis"), str),
        keep_default_na=False,
    )
    lost = {"clip", "signer", "target"} - set(table.columns)
    if not {"prediction", "hypothesis"} & set(table.columns):
        lost.add("prediction")
    if lost or not isinstance(table.index, pd.RangeIndex):
        raise Unreadable(f"it has no column {min(lost)!r}" if lost else "its rows are too long")
    check_names(table["clip"], "clip")
    if "score" in table:
        score = table["score"]
        if score.dtype.kind not in "fi" or not np.isfinite(score).all():
            raise Unreadable("its scores are not all finite numbers")
    counts = {"words", "substitutions", "deletions", "insertions"} & set(table.columns)
    for name in sorted(counts):
        if table[name].dtype.kind != "i" or table[name].min() < 0:
            raise Unreadable(f"{name} are not all whole numbers of at least 0")
    return table


def scores(path: Path, table: pd.DataFrame | None) -> tuple[np.ndarray, list[str], list[str]]:
    """The scores (N, K) of a run, its clips and classes.

    Args:
        path: of the file.
        table: of its predictions, where there are some.

    Raises:
        OSError, ValueError: when it is missing or damaged, or does not fit the predictions.
    """
    forms = {"scores": Form("f", ("clips", "classes")), "clips": Form("U", ("clips",))}
    content = reading.arrays(path, forms | {"classes": Form("U", ("classes",))})
    array, clips, classes = (
        content["scores"],
        content["clips"].tolist(),
        content["classes"].tolist(),
    )
    if not np.isfinite(array).all():
        raise Unreadable("it holds scores that are not finite")
    check_names(clips, "clip")
    check_different(classes, "class")
    if table is not None:
        other = set(clips).symmetric_difference(table["clip"])
        if other:
            raise Unreadable(f"clip {min(other)[:60]!r} is in only one of scores and predictions")
        unknown = set(table.get("prediction", ())).difference(classes)
        if unknown:
            raise Unreadable(f"prediction {min(unknown)[:60]!r} is none of its classes")
    return array, clips, classes
