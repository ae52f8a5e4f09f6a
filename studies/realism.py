"""How much the generated corpus moves like recorded ones: the same measures, side by side.

`python -m studies.realism --card docs/cards/generated.md` writes the table into the card and the
figure beside it. Recorded corpora are found below SIGNLIB_DATA; of a corpus that is not there the
column is left out. The landmarks of `slovak` are made with `extract` (once; kept below
SIGNLIB_RUNS). Only aggregates leave this program.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from signlib import paths
from signlib.corpora.clips import load_corpus
from signlib.data.skeletons import MEDIAPIPE_543, Skeleton
from signlib.errors import ClipError
from signlib.experiments.extraction import extract
from signlib.extraction import exchange
from signlib.features.kinematics import clip_measures
from signlib.files import with_part, write_text
from signlib.reports import plots
from signlib.settings.base import DataSettings

MEASURES = {
    "seconds": "clip length (s)",
    "speed": "wrist speed (shoulder widths/s)",
    "acceleration": "wrist acceleration (shoulder widths/s²)",
    "openness": "openness of the hand (palms)",
    "knuckle": "bend at the knuckles (degrees)",
    "middle joint": "bend at the middle joints (degrees)",
    "missing": "hand not found (share of frames)",
    "gap": "run of frames without the hand (frames)",
}
BEGIN, END = "<!-- realism: written by studies/realism.py -->", "<!-- end of realism -->"
CLIPS = 400
Clip = tuple[np.ndarray, Skeleton, float, float]
"""Points, skeleton, width / height, frames a second (NaN: nobody says)."""


def generated(count: int, hardness: float = 1.0) -> Iterator[Clip]:
    """Clips of training signers, as notebooks see them."""
    source = load_corpus(DataSettings(glosses=60, signers=20, repetitions=1, hardness=hardness))
    rows = source.labelled[source.labelled["split"] == "train"]
    for row in rows.iloc[np.linspace(0, len(rows) - 1, count).astype(int)].itertuples():
        yield source.read(row.clip), source.skeleton, row.width / row.height, row.fps


def landmark_file(corpus: str, count: int) -> Iterator[Clip]:
    """Clips of a recorded corpus whose frame rate nobody says."""
    source = load_corpus(DataSettings(corpus=corpus))
    rows = source.labelled
    for row in rows.iloc[
        np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
    ].itertuples():
        yield source.read(row.clip), source.skeleton, row.width / row.height, np.nan


def slovak() -> Iterator[Clip]:
    """The 60 real videos of one signer, as this project's own extraction sees them."""
    store = extract(
        paths.data_root() / "slovak", paths.runs_root() / "realism" / "slovak", workers=2
    )
    for row in store.index.itertuples():
        yield store.read(row.clip), store.skeleton, row.width / row.height, 25.0


def autsl_clip() -> Iterator[Clip]:
    """One clip of a deaf signer of AUTSL, extracted by a third party."""
    points, width, height, fps = exchange.read_pose(
        paths.data_root() / "autsl" / "signer0_sample1000.pose"
    )
    yield points, MEDIAPIPE_543, width / height, fps


def measured(clips: Iterator[Clip], name: str) -> tuple[int, dict[str, np.ndarray]]:
    """How many clips, and all values of each measure over them."""
    collected: dict[str, list[np.ndarray]] = {measure: [] for measure in MEASURES}
    count = 0
    for points, skeleton, aspect, fps in tqdm(clips, desc=name, unit="clip", leave=False):
        try:
            values = clip_measures(points, skeleton, aspect, fps)
        except ClipError:
            continue  # a clip without a hand or shoulders has no scale: it is not counted
        count += 1
        for measure in collected:
            collected[measure].append(values.get(measure, np.empty(0)))
    return count, {measure: np.concatenate(values) for measure, values in collected.items()}


def table(sets: dict[str, tuple[int, dict[str, np.ndarray]]]) -> pd.DataFrame:
    """Measures x corpora: median [10 %, 90 %], or "-"; of drop-outs the mean."""
    columns = {}
    for name, (count, values) in sets.items():
        cells = []
        for measure in MEASURES:
            data = values[measure]
            if not len(data):
                cells.append("-")
            elif measure == "missing":
                cells.append(f"{data.mean():.3f}")
            else:
                low, middle, high = np.percentile(data, [10, 50, 90])
                digits = 0 if middle >= 10 else 1 if measure != "openness" else 2
                cells.append(f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")
        columns[f"{name} (n = {count})"] = cells
    return pd.DataFrame(columns, index=list(MEASURES.values()))


def markdown(cells: pd.DataFrame) -> str:
    """The table as a page shows it."""
    lines = [["median [10 %, 90 %]", *cells.columns], ["---"] * (1 + len(cells.columns))]
    lines += [[name, *row] for name, row in zip(cells.index, cells.to_numpy(), strict=True)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def picture(sets: dict[str, tuple[int, dict[str, np.ndarray]]]) -> Figure:
    """The distributions as curves: share of values below x."""
    measures = [measure for measure in MEASURES if measure not in ("seconds", "missing", "gap")]
    drawn, axes = plots.figure(12, 2.8, columns=len(measures))
    colours = dict(
        zip(
            sets,
            [plots.BLUE, plots.ORANGE, "#7a4fa3", "#3a8f5c", "#b03a48", plots.INK],
            strict=False,
        )
    )
    for axis, measure in zip(axes, measures, strict=True):
        largest = max(
            np.percentile(values[measure], 97)
            for _, values in sets.values()
            if len(values[measure])
        )
        for name, (_, values) in sets.items():
            data = np.sort(values[measure])
            if len(data):
                axis.plot(
                    data,
                    np.linspace(0, 1, len(data)),
                    color=colours[name],
                    label=name,
                    linewidth=2.2 if name.startswith("generated") else 1.2,
                )
        axis.set(xlim=(0, largest), ylim=(0, 1), xlabel=MEASURES[measure].replace(" (", "\n("))
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel("share of values below")
    handles = {line.get_label(): line for axis in axes for line in axis.lines}
    drawn.legend(
        handles.values(),
        handles,
        loc="outside upper center",
        ncols=len(handles),
        frameon=False,
        fontsize=8,
    )
    return drawn


def main() -> None:
    """Measure, print the table, and write card and figure where `--card` says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=int, default=CLIPS, help="of each large corpus (default: %(default)s)"
    )
    parser.add_argument("--card", type=Path, help="also write table and figure there")
    options = parser.parse_args()
    sources = {
        "generated": (generated(options.clips), ""),
        "slovak": (slovak(), "slovak"),
        "AUTSL, one clip": (autsl_clip(), "autsl"),
        "dgs-30": (landmark_file("dgs-30", options.clips), "dgs-30"),
        "wlasl-50": (landmark_file("wlasl-50", options.clips), "wlasl"),
        "asl-words": (landmark_file("asl-words", options.clips), "asl-words-letters"),
    }
    there = {
        name: clips
        for name, (clips, folder) in sources.items()
        if not folder or (paths.data_root() / folder).is_dir()
    }
    sets = {name: measured(clips, name) for name, clips in there.items()}
    text = markdown(table(sets))
    print(text)
    if options.card:
        figure_path = options.card.with_name(f"{options.card.stem}_realism.png")
        picture(sets).savefig(figure_path, dpi=110)
        text += f"\n\n![Distributions of the same measures]({figure_path.name})"
        write_text(options.card, with_part(options.card, BEGIN, END, text))


if __name__ == "__main__":
    main()
