"""Do two trees of this repository compute the same? Every preset's smoke run, stores and layouts,
old against new.

    python .ci/compare_trees.py                               # everything, in both trees
    python .ci/compare_trees.py --keep ../dump                # keeps the old tree's dump there, or
    uses the kept one python .ci/compare_trees.py --keep ../dump --only models files landmarks/small
    python .ci/compare_trees.py --keep ../quick --set training.epochs=3        # a shorter look,
    with its own dump

A dump is what one tree makes by its command line: the table of `models`, `files` (official layouts,
and stores of all forms made from tiny generated clips), and a smoke run of every preset that the
old tree has. The trees work one after the other, each in a fresh process, with one thread and no
GPU. Weights, scores, predictions, metrics, stores and layouts must be equal to the last bit; notes,
timings and speeds may differ. A kept dump that was cut off goes on. One line a preset, store or
layout; exit code 1 when anything differs.
"""

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

OLD = "f05b53c"  # before the package was restructured
STATE, BROKEN, MODELS, FILES = "dump.json", "BROKEN", "models", "files"
OWN = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "MPLBACKEND": "agg",
    "SIGNLIB_RUNS": "runs",
}
RUN_FILES = "model.safetensors scores.npz emissions-val.npz emissions-test.npz predictions.csv metrics.json".split()
FILES_LINES = """
signlib.synthesis autsl in/autsl --glosses 2 --signers 3 --repetitions 1 --size 96
signlib.synthesis wlasl in/wlasl --glosses 2 --signers 3 --repetitions 1 --size 96
signlib.synthesis phoenix-2014 in/phoenix-2014 --glosses 6 --signers 3 --sentences 1 --size 64
signlib.synthesis ntu60 in/ntu60 --actions 2 --signers 5 --repetitions 1
signlib extract in/autsl --out stores/landmarks
signlib extract in/points --out stores/points
signlib extract in/seed-files --out stores/seed-files
signlib extract in/autsl --out stores/pictures --extractor pictures --set frames=4 size=32
signlib extract stores/landmarks --out stores/phonology --extractor phonology
signlib extract stores/landmarks --out stores/phonology-seed --extractor phonology --set form=seed
signlib extract in/autsl --out stores/frozen --extractor frozen --set model=in/tower frames=4
signlib extract stores/pictures --out stores/frozen-of-pictures --extractor frozen --set model=in/tower frames=4
signlib extract in/autsl --out stores/parts --extractor frozen --shard 1/2 --set model=in/tower frames=4
signlib extract in/autsl --out stores/parts --extractor frozen --shard 2/2 --set model=in/tower frames=4
signlib extract in/autsl --out stores/parts --extractor frozen --merge
signlib extract --data_dir in/wlasl --output_dir stores/written
signlib train ntu60/nano --mode smoke --run-name skeleton-files --set data.corpus=ntu60 data.root=in/ntu60
"""


def lines_of(item: str, overrides: list[str]) -> list[list[str]]:
    """Module and arguments of each command line that makes an item: `models`, `files` or a preset."""
    told = {FILES: FILES_LINES, MODELS: "signlib models --format csv"}
    if item in told:
        return [line.split() for line in told[item].strip().splitlines()]
    line = (
        f"signlib train {item} --mode smoke --run-name {item.replace('/', '-')} --set"
        " training.threads=1"
    )
    return [[*line.split(), *overrides]]


def place_of(line: list[str]) -> str:
    """Where a line writes: a folder of the dump, or the name of a run."""
    marks = ("--out", "--output_dir", "--run-name")
    return next((line[k + 1] for k, word in enumerate(line) if word in marks), line[2])


def make(items: list[str], overrides: list[str]) -> int:
    """Make the items that are not in the working folder yet, with the tree on the path; none given:
    all.
    """
    make_inputs()
    state = read_state(Path())
    for item in items or [MODELS, FILES]:
        if item in state["items"]:
            continue
        started = time.monotonic()
        said = {" ".join(line): call(line) for line in lines_of(item, overrides)}
        state["items"][item] = said
        Path(STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
        broken = "".join(f"\n    {line}: {text}" for line, text in said.items() if BROKEN in text)
        print(f"  {item}: {time.monotonic() - started:.0f} s{broken}", flush=True)
    return 0 if items else make(presets_of(state), overrides)


def make_inputs() -> None:
    """Points as other tools keep them, in two layouts, and a tiny encoder with random weights."""
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    for name, shape in (
        ("points/a", (5, 75, 3)),
        ("points/b", (6, 75, 3)),
        ("seed-files/a_landmarks", (4, 162)),
    ):
        Path("in", name).parent.mkdir(parents=True, exist_ok=True)
        np.save(f"in/{name}.npy", np.random.default_rng(0).random(shape, np.float32))
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = SiglipVisionConfig(**sizes, image_size=32, patch_size=8, vision_use_head=False)
    SiglipVisionModel(config).save_pretrained("in/tower")


def call(line: list[str]) -> str:
    """What a command line printed, or how it broke; one that breaks stops no other."""
    out, err = io.StringIO(), io.StringIO()
    for left in Path("runs").glob(f"*/{place_of(line)}"):
        shutil.rmtree(left)  # of a dump that was cut off
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = importlib.import_module(f"{line[0]}.__main__").main(line[1:])
        except (Exception, SystemExit) as error:
            code = f"{type(error).__name__}: {error}"
            traceback.print_exc()
    with open("log.txt", "a", encoding="utf-8") as log:
        print("$", *line, f"\n{out.getvalue()}{err.getvalue()}", file=log)
    return out.getvalue() if code == 0 else f"{BROKEN} ({code}) {err.getvalue().strip()[-200:]}"


def read_state(folder: Path) -> dict[str, Any]:
    """What a dump holds by now."""
    path = folder / STATE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"items": {}}


def presets_of(state: dict[str, Any]) -> list[str]:
    """The presets of the tree that made a dump; `models` has further rows of some."""
    (table,) = state["items"][MODELS].values()
    return list(
        dict.fromkeys(name.split(", ")[0] for name in pd.read_csv(io.StringIO(table))["preset"])
    )


def dump(
    tree: Path, folder: Path, items: list[str], overrides: list[str], commit: str
) -> dict[str, Any]:
    """A folder's dump, after letting a tree make what it lacks, in a fresh process."""
    folder.mkdir(parents=True, exist_ok=True)
    state, about = read_state(folder), {"commit": commit, "overrides": overrides}
    if state["items"] and {key: state[key] for key in about} != about:
        sys.exit(
            f"{folder} holds the dump of {state['commit']} with {state['overrides']}; give another"
            " --keep"
        )
    if items and set(items) <= set(state["items"]):
        return state
    (folder / STATE).write_text(json.dumps(state | about, indent=1), encoding="utf-8")
    print(f"{tree} {commit[:10]}", flush=True)
    line = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--tree",
        str(tree),
        "--dump",
        "--only",
        *items,
    ]
    own = {**os.environ, **OWN, "PYTHONPATH": str(tree)}
    if (
        subprocess.run([*line, "--set", *overrides], cwd=folder, env=own, check=False).returncode
        == 2
    ):
        sys.exit(f"signlib does not come from {tree}")
    return read_state(folder)


def compare_models(old: str, new: str) -> list[str]:
    """Presets whose numbers differ or that are lost; `seed` in a name may have become `original`."""
    tables = [
        pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False) for text in (old, new)
    ]
    left, right = (table.drop(columns="about").set_index("preset") for table in tables)
    names = [
        name if name in right.index else name.replace("seed", "original") for name in left.index
    ]
    if [name for name in right.index if name in names] != names:
        return [f"lost or in another place: {', '.join(set(names) - set(right.index))}"]
    return [
        name for k, name in enumerate(names) if right.loc[name].to_dict() != left.iloc[k].to_dict()
    ]


def compare_runs(old: Path, new: Path) -> list[str]:
    """Files that differ between two runs, and what of them."""
    found = []
    for name in RUN_FILES:
        left, right = parts_of(old / name), parts_of(new / name)
        other = [key for key in sorted(left | right) if left.get(key) != right.get(key)]
        found += (
            [f"{name}: {len(other)} of {len(left | right)} parts, first {other[0]}"]
            if other
            else []
        )
    return found


def parts_of(file: Path) -> dict[str, Any]:
    """What must be equal in a run's file: tensors, arrays, metrics without notes and speeds, or all
    bytes.
    """
    if not file.is_file() or file.suffix == ".csv":
        return {"bytes": file.read_bytes()} if file.is_file() else {}
    if file.suffix == ".json":
        rows = [
            row for row in json.loads(file.read_text(encoding="utf-8")) if row["unit"] != "frames/s"
        ]
        return {
            row["metric"]: {key: value for key, value in row.items() if key != "note"}
            for row in rows
        }
    loaded = load_file(file) if file.suffix == ".safetensors" else np.load(file, allow_pickle=False)
    return {key: (str(array.dtype), array.shape, array.tobytes()) for key, array in loaded.items()}


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, but for timings."""
    files = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "timings.json"
    ]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def stores_of_runs(dumped: Path) -> list[dict[str, str]]:
    """Contents of the stores that runs made for themselves."""
    kinds = ("extraction", "pictures")
    return [
        contents(file.parent)
        for kind in kinds
        for file in sorted(dumped.glob(f"runs/*/*/{kind}.json"))
    ]


def compare(line: list[str], old: Path, new: Path, said: list[str]) -> list[str]:
    """What differs in what two trees made by one command line."""
    broken = [
        f"{tree} tree {text}"
        for tree, text in zip(("old", "new"), said, strict=True)
        if BROKEN in text
    ]
    if broken or MODELS in line:
        return broken or compare_models(*said)
    place = place_of(line)
    if "train" in line:
        # The experiment's folder may have another name; a run that did not break has settings.
        return compare_runs(
            *(next(dumped.glob(f"runs/*/{place}/settings.yaml")).parent for dumped in (old, new))
        )
    one, other = contents(old / place), contents(new / place)
    return [name for name in sorted(one | other) if one.get(name) != other.get(name)]


def main() -> int:
    """Make what is lacking of both dumps, and tell what differs; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--old", default=OLD, metavar="COMMIT", help=f"to compare with, else {OLD}")
    parser.add_argument(
        "--tree",
        type=Path,
        default=Path(__file__).parent.parent,
        help="the new tree; else this one",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where the old tree's dump lies, or will lie"
    )
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="PRESET", help="these, or models, or files"
    )
    parser.add_argument(
        "--set", nargs="*", default=[], dest="overrides", metavar="K=V", help="of every smoke run"
    )
    parser.add_argument("--dump", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    tree, only, overrides = options.tree.resolve(), options.only, options.overrides
    if options.dump:
        return (
            make(only, overrides)
            if tree in Path(importlib.import_module("signlib").__file__ or "").parents
            else 2
        )
    found: dict[str, list[str]] = {}
    git = ["git", "-C", str(tree)]
    commit = subprocess.check_output(
        [*git, "rev-parse", f"{options.old}^{{commit}}"], text=True
    ).strip()
    with tempfile.TemporaryDirectory(prefix="compare-trees-") as place:
        old, new, before = (
            (options.keep or Path(place) / "old").resolve(),
            Path(place) / "new",
            Path(place) / "tree",
        )
        subprocess.run(
            [*git, "worktree", "add", "--quiet", "--detach", str(before), commit], check=True
        )
        try:
            kept = dump(before, old, only, overrides, commit)
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(before)], check=True)
        items = only or [MODELS, FILES, *presets_of(kept)]
        made = dump(tree, new, items, overrides, "")
        for item in items:
            for line in lines_of(item, overrides):
                said = [
                    state["items"].get(item, {}).get(" ".join(line), BROKEN)
                    for state in (kept, made)
                ]
                try:
                    differs = compare(line, old, new, said)
                except Exception as error:
                    differs = [f"cannot be compared: {error!r}"]
                found.setdefault(place_of(line), []).extend(differs)
        known = stores_of_runs(old)
        found["stores of runs"] = [
            f"one of {', '.join(s)}" for s in stores_of_runs(new) if s not in known
        ]
    for name, differs in found.items():
        print(f"{name}: {'DIFFERS: ' + '; '.join(differs) if differs else 'equal'}")
    wrong = sum(map(bool, found.values()))
    print(f"{len(found) - wrong} equal, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
