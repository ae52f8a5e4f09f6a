"""Do two trees of this repository compute the same? Runs, stores and layouts, old against new.

    python .ci/compare_trees.py                  # everything, in both trees
    python .ci/compare_trees.py --keep ../dump   # keeps the old tree's dump, or uses the kept one
    python .ci/compare_trees.py --keep ../dump --only models files landmarks/small
    python .ci/compare_trees.py --keep ../quick --set training.epochs=3  # shorter, its own dump

A dump is what one tree makes by its command line: the table of `models`, `files` (official layouts,
and stores of all forms made from tiny generated clips), and a smoke run of every preset that the
old tree has. The trees work one after the other, each in a fresh process, with one thread and no
GPU. Weights, scores, predictions, metrics, stores and layouts must be equal to the last bit; notes,
timings and speeds may differ. A kept dump that was cut off goes on. Exit code 1: something differs.
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
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

OLD = "f05b53c"  # before the package was restructured
STATE, BROKEN, MODELS, FILES = "dump.json", "BROKEN", "models", "files"
OWN = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "SIGNLIB_RUNS": "runs"}
RUN_FILES = "model.safetensors scores.npz emissions-val.npz emissions-test.npz".split()
RUN_FILES += ["predictions.csv", "metrics.json"]
TOWER = "--set model=in/tower frames=4"
FILES_LINES = f"""
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
signlib extract in/autsl --out stores/frozen --extractor frozen {TOWER}
signlib extract stores/pictures --out stores/frozen-of-pictures --extractor frozen {TOWER}
signlib extract in/autsl --out stores/parts --extractor frozen --shard 1/2 {TOWER}
signlib extract in/autsl --out stores/parts --extractor frozen --shard 2/2 {TOWER}
signlib extract in/autsl --out stores/parts --extractor frozen --merge
signlib extract --data_dir in/wlasl --output_dir stores/written
signlib train ntu60/nano --mode smoke --run-name skeleton-files --set data.corpus=ntu60 \
    data.root=in/ntu60
"""


def lines_of(item: str, overrides: list[str]) -> list[list[str]]:
    """Module and arguments of each command line that makes `models`, `files` or a preset."""
    told = {MODELS: "signlib models --format csv", FILES: FILES_LINES.strip()}
    if item in told:
        return [line.split() for line in told[item].splitlines()]
    text = f"signlib train {item} --mode smoke --run-name {item.replace('/', '-')}"
    return [[*text.split(), "--set", "training.threads=1", *overrides]]


def place_of(line: list[str]) -> str:
    """Where a line writes: a folder of the dump, or the name of a run; else its verb."""
    marks = {"signlib", "--out", "--output_dir", "--run-name"}
    return line[max((k for k, word in enumerate(line) if word in marks), default=1) + 1]


def make(items: list[str], overrides: list[str]) -> int:
    """Make what the working folder lacks, by the `signlib` that is imported; no items: all."""
    make_inputs()
    state = read_state(Path())
    for item in items or [MODELS, FILES]:
        if item not in state["items"]:
            said = {" ".join(line): call(line) for line in lines_of(item, overrides)}
            state["items"][item] = said
            Path(STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
            print(f"  {item}", flush=True)
    return 0 if items else make(presets_of(state), overrides)


def make_inputs() -> None:
    """Points as other tools keep them, in two layouts, and a tiny encoder with random weights."""
    import torch
    from transformers import SiglipVisionConfig, SiglipVisionModel

    shapes = {"points/a": (5, 75, 3), "points/b": (6, 75, 3), "seed-files/a_landmarks": (4, 162)}
    for name, shape in shapes.items():
        Path("in", name).parent.mkdir(parents=True, exist_ok=True)
        np.save(f"in/{name}.npy", np.random.default_rng(0).random(shape, np.float32))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "image_size": 32, "patch_size": 8}
    layers = {"num_hidden_layers": 1, "num_attention_heads": 2, "vision_use_head": False}
    SiglipVisionModel(SiglipVisionConfig(**sizes, **layers)).save_pretrained("in/tower")


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
    broken = f"{BROKEN} ({code}) {err.getvalue().strip()[-200:]}"
    return out.getvalue() if code == 0 else broken


def read_state(folder: Path) -> dict[str, Any]:
    """What a dump holds by now."""
    path = folder / STATE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"items": {}}


def presets_of(state: dict[str, Any]) -> list[str]:
    """The presets of the tree that made a dump; `models` has further rows of some."""
    (text,) = state["items"][MODELS].values()
    return list(pd.read_csv(io.StringIO(text))["preset"].str.split(", ").str[0].unique())


def dump(tree: Path, folder: Path, items: list[str], about: dict[str, Any]) -> dict[str, Any]:
    """A folder's dump, after letting a tree make what it lacks, in a fresh process."""
    folder.mkdir(parents=True, exist_ok=True)
    state = read_state(folder)
    if state["items"] and {key: state[key] for key in about} != about:
        sys.exit(f"{folder} holds another tree's dump, or one with other --set: {state['commit']}")
    if items and set(items) <= set(state["items"]):
        return state
    (folder / STATE).write_text(json.dumps(state | about, indent=1), encoding="utf-8")
    print(tree, flush=True)
    line = [sys.executable, str(Path(__file__).resolve()), "--dump", "--tree", str(tree)]
    line += ["--only", *items, "--set", *about["overrides"]]
    own = {**os.environ, **OWN, "PYTHONPATH": str(tree)}
    subprocess.run(line, cwd=folder, env=own, check=False)
    return read_state(folder)


def compare_models(old: str, new: str) -> list[str]:
    """Presets with other numbers, or lost; `seed` in a name may have become `original`."""
    left, right = (pd.read_csv(io.StringIO(text), dtype=str).fillna("") for text in (old, new))
    for name in set(left["preset"]) - set(right["preset"]):
        left["preset"] = left["preset"].replace(name, name.replace("seed", "original"))
    rows = [table.drop(columns="about").to_dict("records") for table in (left, right)]
    return [row["preset"] for row in rows[0] if row not in rows[1]]


def compare_runs(old: Path, new: Path) -> list[str]:
    """Files that differ between two runs, and what of them."""
    found = []
    for name in RUN_FILES:
        left, right = parts_of(old / name), parts_of(new / name)
        other = [key for key in sorted(left | right) if left.get(key) != right.get(key)]
        if other:
            found.append(f"{name}: {len(other)} of {len(left | right)} parts, first {other[0]}")
    return found


def parts_of(file: Path) -> dict[str, Any]:
    """What must be equal in a run's file: tensors, metrics without notes, or all bytes."""
    if not file.is_file():
        return {}
    if file.suffix == ".csv":
        return {"bytes": file.read_bytes()}
    if file.suffix == ".json":
        rows = json.loads(file.read_text(encoding="utf-8"))
        return {row["metric"]: row | {"note": ""} for row in rows if row["unit"] != "frames/s"}
    loaded = load_file(file) if file.suffix == ".safetensors" else np.load(file)
    return {name: (str(part.dtype), part.shape, part.tobytes()) for name, part in loaded.items()}


def contents(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder, but for timings."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "timings.json":
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def compare(line: list[str], old: Path, new: Path, said: tuple[str, str]) -> list[str]:
    """What differs in what two trees made by one command line."""
    broken = [text for text in said if BROKEN in text]
    if broken or MODELS in line:
        return broken or compare_models(*said)
    place = place_of(line)
    if "train" in line:  # the experiment's folder may have another name
        return compare_runs(next(old.glob(f"runs/*/{place}")), next(new.glob(f"runs/*/{place}")))
    one, other = contents(old / place), contents(new / place)
    return [name for name in sorted(one | other) if one.get(name) != other.get(name)]


def main() -> int:
    """Make what is lacking of both dumps, and tell what differs; returns the exit code."""
    parser = argparse.ArgumentParser(description="Do two trees compute the same?")
    parser.add_argument("--old", default=OLD, metavar="COMMIT", help=f"to compare with, else {OLD}")
    parser.add_argument("--tree", type=Path, default=Path(__file__).parent.parent, help="the new")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the old tree's dump lies")
    parser.add_argument("--only", nargs="*", default=[], metavar="PRESET", help="or models, files")
    parser.add_argument("--set", nargs="*", default=[], metavar="K=V", help="of every smoke run")
    parser.add_argument("--dump", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    tree, only, overrides = options.tree.resolve(), options.only, options.set
    if options.dump:
        source = str(importlib.import_module("signlib").__file__)
        return make(only, overrides) if Path(source).is_relative_to(tree) else sys.exit(source)
    git = ["git", "-C", str(tree)]
    commit = subprocess.check_output([*git, "rev-parse", f"{options.old}^{{commit}}"], text=True)
    about, found = {"commit": commit.strip(), "overrides": overrides}, {}
    with tempfile.TemporaryDirectory(prefix="compare-trees-") as folder:
        new, before = Path(folder, "new"), Path(folder, "tree")
        old = (options.keep or Path(folder, "old")).resolve()
        subprocess.run([*git, "worktree", "add", "--detach", before, commit.strip()], check=True)
        try:
            kept = dump(before, old, only, about)["items"]
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", before], check=True)
        items = only or [MODELS, FILES, *presets_of({"items": kept})]
        made = dump(tree, new, items, about | {"commit": ""})["items"]
        for item in items:
            for line in lines_of(item, overrides):
                key = " ".join(line)
                said = kept[item].get(key, BROKEN), made.get(item, {}).get(key, BROKEN)
                try:
                    differs = compare(line, old, new, said)
                except Exception as error:
                    differs = [f"cannot be compared: {error!r}"]
                found.setdefault(place_of(line), []).extend(differs)
    for name, differs in found.items():
        print(f"{name}: DIFFERS: {'; '.join(differs)}" if differs else f"{name}: equal")
    wrong = sum(map(bool, found.values()))
    print(f"{len(found) - wrong} equal, {wrong} differ")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
