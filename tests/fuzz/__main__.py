"""`python -m tests.fuzz`: damage files, read them, and say what went wrong.

python -m tests.fuzz                             100 inputs of every reader
python -m tests.fuzz npy pose --inputs 1000      these two
python -m tests.fuzz npy --only 77 --keep there  one input again; its files are left there
python -m tests.fuzz --inputs 10000 --results    resumes; results go into docs/trust.json
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

# Before numpy loads: forked processes that compute with several threads wait for one another.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from . import inputs, trust  # noqa: E402
from .readers import READERS  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """0 when there is no fault."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__.split("\n")[0]
    )
    parser.add_argument("readers", nargs="*", help="all when none is named")
    parser.add_argument("--inputs", type=int, default=100, help="of each reader")
    parser.add_argument("--cores", type=int, default=1, help="processes at a time; 0 = all")
    parser.add_argument("--only", type=int, help="the number of one input")
    parser.add_argument("--keep", type=Path, help="with --only: leave the damaged files there")
    parser.add_argument("--results", action="store_true", help="resume, and keep what came out")
    options = parser.parse_args(arguments)
    unknown = set(options.readers) - set(READERS)
    if unknown:
        parser.error(f"{min(unknown)!r} is no reader; there are {', '.join(READERS)}")
    names = options.readers or list(READERS)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        if options.only is not None:
            return _one(names[0], options.only, folder, options.keep)
        return _many(names, options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _one(name: str, number: int, folder: Path, keep: Path | None) -> int:
    (ended,) = inputs.run([(name, range(number, number + 1))], folder)
    print(f"{name} {number}: {ended.how} {ended.told}", *ended.damage, sep="\n  ")
    if keep:
        whole = folder / "whole" / name
        # Damage is the same wherever it is done.
        shutil.copytree(whole, keep / "given")
        inputs.damage.damaged(keep / "given", inputs.generator(name, number))
    return int(ended.fault)


def _many(names: list[str], options: argparse.Namespace, folder: Path) -> int:
    fuzz = trust.load().get("fuzz", {}) if options.results else {}
    wanted, most = [], options.inputs
    for name in names:
        start = fuzz.get(name, {}).get("inputs", 0)
        # In pieces, so that what is done is kept when the program is stopped.
        wanted += [(name, range(k, min(k + 500, most))) for k in range(start, most, 500)]
    cores = options.cores or os.cpu_count() or 1
    faults = 0
    for name, numbers in wanted:
        before = _processor_time()
        ended = list(inputs.run([(name, numbers)], folder, cores))
        wrong = [each for each in ended if each.fault]
        faults += len(wrong)
        counts = {how: sum(each.how == how for each in ended) for how in ("refused", "accepted")}
        told = ", ".join(f"{how} {count:5d}" for how, count in counts.items())
        print(
            f"{name:15s} {numbers.start:6d}..{numbers.stop:<6d} {told}, faults {len(wrong)};"
            f" {_processor_time() - before:.1f} s"
        )
        forms = _forms(wrong)
        for form, cases in forms.items():
            first = cases[0]
            print(f"{len(cases):7d} x {form}")
            print(f"{'':10s}--only {first.number}: {'; '.join(first.damage)}")
            print(f"{'':10s}{first.told[:300]}", flush=True)
        if options.results:
            row = fuzz.setdefault(name, {"inputs": 0, "refused": 0, "accepted": 0, "faults": 0})
            row["inputs"] = numbers.stop
            row["faults"] += len(wrong)
            for how, count in counts.items():
                row[how] += count
            # A number of each form, to make it again.
            kept = row.setdefault("forms", {})
            row["forms"] = {form: cases[0].number for form, cases in forms.items()} | kept
            trust.keep("fuzz", name, row)
    return int(bool(faults))


def _processor_time() -> float:
    # Seconds, of this process and of those that have ended.
    own, others = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def _forms(wrong: list[inputs.Ended]) -> dict[str, list[inputs.Ended]]:
    # Faults of one form together, the commonest first, each by number.
    forms: dict[str, list[inputs.Ended]] = defaultdict(list)
    for each in sorted(wrong, key=lambda ended: ended.number):
        forms[f"{each.how}: {_form(each.told)}"].append(each)
    return dict(sorted(forms.items(), key=lambda item: -len(item[1])))


def _form(told: str) -> str:
    # The start of what was told; its numbers do not count.
    kind = told.partition(": ")
    return "".join("#" if sign.isdigit() else sign for sign in (kind[0] + kind[1] + kind[2][:40]))


if __name__ == "__main__":
    sys.exit(main())
