"""Class scores of several streams on the same test clips: published, of runs, or made up.

Late fusion needs nothing else. A file is read as plain arrays, never unpickled. Scores that are
made up say so; their accuracy and their correlation are known, so a method can be tested on them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize, special

from signlib import paths, reading
from signlib.errors import InputError, SettingsError
from signlib.reading import NUMBERS, Form
from signlib.runs.run import Run

CLEAN, TUNED, FINAL = "clean", "fine-tuned", "final"
_NAME = re.compile(r"(signer\d+)_sample\d+")


@dataclass(frozen=True)
class Stream:
    """Facts about one stream.

    Attributes:
        name: in tables; a star marks a stream that saw the validation set.
        group: streams of a group are fused with each other.
        sensor: `skeleton`, `colour` or `depth`, several joined by `+`.
        saw_validation: it was trained on the validation set too, so nothing may be chosen there.
    """

    name: str
    group: str = ""
    sensor: str = ""
    saw_validation: bool = False

    @property
    def depth(self) -> bool:
        """It reads the depth camera."""
        return "depth" in self.sensor

    def __str__(self) -> str:
        return self.name + "*" * self.saw_validation


# Array of the published file -> its stream.
# Source: SAM-SLR (Jiang et al. 2021), the file names of its ensemble.
AUTSL = {
    "gcn_joint": Stream("joint", CLEAN, "skeleton"),
    "gcn_bone": Stream("bone", CLEAN, "skeleton"),
    "gcn_joint_motion": Stream("joint motion", CLEAN, "skeleton"),
    "gcn_bone_motion": Stream("bone motion", CLEAN, "skeleton"),
    "gcn_joint_finetuned": Stream("joint", TUNED, "skeleton", True),
    "gcn_bone_finetuned": Stream("bone", TUNED, "skeleton", True),
    "gcn_joint_motion_finetuned": Stream("joint motion", TUNED, "skeleton", True),
    "gcn_bone_motion_finetuned": Stream("bone motion", TUNED, "skeleton", True),
    "test_gcn_w_val_finetune": Stream("graphs summed", FINAL, "skeleton", True),
    "test_rgb_w_val_finetune": Stream("colour", FINAL, "colour", True),
    "test_flow_color_w_val_finetune": Stream("colour flow", FINAL, "colour", True),
    "test_hha_w_val_finetune": Stream("depth (HHA)", FINAL, "depth", True),
    "test_flow_depth_w_val_finetune": Stream("depth flow", FINAL, "depth", True),
}

# Published weights for the raw scores of the streams of group `final`, in their order here.
# `Differs:` a sixth stream (skeleton features, weight 0.4) is not in the file. Colour and its flow
# weigh more in the set with depth, so the two published results differ by more than depth. Source:
# SAM-SLR's released ensembles.
AUTSL_WEIGHTS = {"without depth": (1.0, 0.9, 0.4), "with depth": (1.0, 1.4, 0.5, 0.5, 0.4)}


@dataclass(frozen=True)
class StreamScores:
    """Scores of M streams on the same N clips of K classes.

    Attributes:
        scores: (M, N, K) float, higher = more likely, on each stream's own scale.
        streams: M of them.
        clips: N clip ids.
        targets: (N,) class numbers.
        signers: (N,) who signs each clip.
        origin: where they come from, for a banner.
        made_up: nobody signed and nothing was trained.

    Raises:
        InputError: when sizes disagree, a score is no number, a target is no class or a clip
            appears twice.
    """

    scores: np.ndarray
    streams: tuple[Stream, ...]
    clips: tuple[str, ...]
    targets: np.ndarray
    signers: np.ndarray
    origin: str
    made_up: bool = False

    def __post_init__(self) -> None:
        shape = np.shape(self.scores)
        expected = (len(self.streams), len(self.clips))
        if len(shape) != 3 or shape[:2] != expected or 0 in shape or shape[2] < 2:
            raise InputError(
                f"{self.origin}: scores of shape {shape} do not fit {expected} streams and clips"
            )
        if np.shape(self.targets) != (shape[1],) or np.shape(self.signers) != (shape[1],):
            raise InputError(f"{self.origin}: {shape[1]} clips need one target and one signer each")
        whole = self.targets.dtype.kind in "iu"
        if not whole or self.targets.min() < 0 or self.targets.max() >= shape[2]:
            raise InputError(f"{self.origin}: a target is not a class number of 0..{shape[2] - 1}")
        if len(set(self.clips)) < len(self.clips):
            raise InputError(f"{self.origin}: a clip appears twice; the file is damaged")
        finite = np.isfinite(self.scores).all(axis=(1, 2))
        broken = [str(stream) for stream, ok in zip(self.streams, finite, strict=True) if not ok]
        if broken:
            raise InputError(
                f"{self.origin}: {', '.join(broken)} hold scores that are not finite; leave"
                " them out"
            )

    def where(self, **facts: str | bool) -> list[int]:
        """Numbers of the streams with these attributes: `where(group="final", depth=False)`."""

        def fits(stream: Stream) -> bool:
            return all(getattr(stream, key) == value for key, value in facts.items())

        return [i for i, stream in enumerate(self.streams) if fits(stream)]

    def pick(self, numbers: Sequence[int]) -> "StreamScores":
        """The same clips with these streams only."""
        streams = tuple(self.streams[i] for i in numbers)
        return replace(self, scores=self.scores[list(numbers)], streams=streams)


def load_scores(source: str, root: str | Path = "", seed: int = 0) -> StreamScores:
    """Scores by name.

    Args:
        source: `generated` (made up from `seed`), `autsl` (the published `test_scores.npz`), or an
            .npz file of the same form.
        root: AUTSL's folder; empty = `autsl` where `SIGNLIB_DATA` says.
        seed: of scores that are made up.

    Raises:
        SettingsError: for another source.
        InputError: for a file that is missing or damaged.
    """
    if source == "generated":
        return made_up_scores(seed=seed)
    if source == "autsl":
        folder = Path(root) if root else paths.data_root() / "autsl"
        return read_scores(folder / "test_scores.npz")
    if source.endswith(".npz"):
        return read_scores(source)
    raise SettingsError(
        f"scores {source!r} are unknown; use generated, autsl or the name of an .npz file"
    )


def read_scores(path: str | Path) -> StreamScores:
    """The streams of an .npz file: `names` (N,), `label` (N,), and arrays of scores (N, K).

    Names are those of AUTSL's clips, such as `signer1_sample2`, and tell who signs. Arrays that
    `AUTSL` lists carry its facts; any other is a stream of no group.

    Raises:
        InputError: for a file that is missing, damaged or of another form.
    """
    path = Path(path)
    try:
        with reading.archive(path) as archive:
            forms = {name: Form("U") if name == "names" else NUMBERS for name in archive.names}
            arrays = archive.read(forms)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as plain arrays ({error}); copy the file again"
        ) from None
    names, targets = arrays.pop("names", None), arrays.pop("label", None)
    shapes = {array.shape for array in arrays.values()}
    if names is None or targets is None or len(shapes) != 1:
        raise InputError(
            f"{path}: needs `names`, `label` and score arrays of one shape (clips, classes)"
        )
    signers = []
    for name in names.ravel():
        match = _NAME.fullmatch(str(name))
        if match is None:
            raise InputError(f"{path}: clip {name!r} is not 'signerX_sampleY'; rename it")
        signers.append(match[1])
    published = [name for name in AUTSL if name in arrays]
    order = published + sorted(arrays.keys() - published)
    return StreamScores(
        scores=np.stack([arrays[name].astype(np.float32) for name in order]),
        streams=tuple(AUTSL.get(name, Stream(name)) for name in order),
        clips=tuple(names.ravel().tolist()),
        targets=targets,
        signers=np.array(signers),
        origin=f"published test scores, {path.name}",
    )


def scores_of_runs(
    runs: Mapping[str, Run], streams: Mapping[str, Stream] | None = None
) -> StreamScores:
    """The scores of several finished runs on the test clips that all of them could use.

    Args:
        runs: name -> run, all of one corpus and split.
        streams: name -> facts about that run's stream; without them only its name is known.

    Raises:
        RunError: for a run that is unfinished or has no scores.
        InputError: when they differ in classes, or share no clips with the same glosses.
    """
    opened = {name: run.scores for name, run in runs.items()}
    tables = {name: run.predictions.set_index("clip") for name, run in runs.items()}
    classes = next(iter(opened.values()))[2]
    # One row a clip that every run has, one column a run.
    target = pd.DataFrame({name: table["target"] for name, table in tables.items()}).dropna()
    same_classes = all(names == classes for _, _, names in opened.values())
    if not same_classes or target.empty or target.nunique(axis=1).max() > 1:
        raise InputError(
            f"runs {', '.join(runs)} share no test clips with the same glosses; fuse runs of one"
            " split"
        )
    rows = {
        name: pd.Index(clips).get_indexer(target.index) for name, (_, clips, _) in opened.items()
    }
    lost = [name for name, indices in rows.items() if (indices < 0).any()]
    if lost:
        raise InputError(
            f"runs {', '.join(lost)}: predictions and scores are of other clips; train them again"
        )
    first = next(iter(runs))
    return StreamScores(
        scores=np.stack([scores[rows[name]] for name, (scores, _, _) in opened.items()]),
        streams=tuple((streams or {}).get(name, Stream(name)) for name in runs),
        clips=tuple(target.index),
        targets=pd.Index(classes).get_indexer(target[first]),
        signers=tables[first].loc[target.index, "signer"].to_numpy(str),
        origin=f"{len(runs)} runs",
    )


# What the streams of AUTSL are given when they are made up.
ACCURACY = (0.72, 0.74, 0.62, 0.63, 0.74, 0.76, 0.64, 0.65, 0.80, 0.82, 0.66, 0.70, 0.58)
LOUDNESS = (5.0,) * 9 + (0.8,) * 4


def made_up_scores(
    streams: Sequence[Stream] = tuple(AUTSL.values()),
    accuracy: Sequence[float] = ACCURACY,
    loudness: Sequence[float] = LOUDNESS,
    alike: float = 0.8,
    across: float = 0.5,
    signer_spread: float = 0.2,
    clips: int = 1_200,
    classes: int = 60,
    signers: int = 6,
    seed: int = 0,
) -> StreamScores:
    """Scores that no model gave, whose truth is known: for exercises and tests.

    Before `loudness`, stream m gives class k of a clip the score d_m [k is the target] + z. Here z
    is standard normal and correlates with the same score of another stream by `alike` or `across`.
    The target's d_m moves by a normal shift of this signer and stream. d_m is chosen so that the
    stream's expected accuracy is the one that was asked for.

    Args:
        streams: M of them.
        accuracy: (M,) expected share of clips whose target is on top.
        loudness: (M,) factor of all scores of a stream, which changes no ranking of its own.
        alike, across: correlation between streams of one sensor, and of two; 0 <= across <= alike
            <= 1.
        signer_spread: standard deviation of the signers' shifts; half of its variance is common to
            all streams.
        clips, classes, signers: sizes; targets and signers are dealt evenly.
        seed: of every random choice.

    Raises:
        SettingsError: for lengths that differ, an accuracy outside chance..1 or impossible
            correlations.
    """
    count = len(streams)
    if not len(accuracy) == len(loudness) == count:
        raise SettingsError(
            f"{len(accuracy)} accuracies and {len(loudness)} loudnesses do not fit {count} streams"
        )
    if not all(1 / classes < share < 1 for share in accuracy) or not 0 <= across <= alike <= 1:
        raise SettingsError(
            f"needs accuracies between {1 / classes:.3f} and 1, and 0 <= across <= alike <= 1"
        )
    rng = np.random.default_rng(seed)
    # z of variance 1: a part of each stream, one of each sensor, one that all streams share. The
    # order of the draws belongs to the scores.
    sensors = {stream.sensor: rng.standard_normal((clips, classes)) for stream in streams}
    z = np.sqrt(1 - alike) * rng.standard_normal((count, clips, classes))
    z += np.sqrt(across) * rng.standard_normal((clips, classes))
    z += np.sqrt(alike - across) * np.stack([sensors[stream.sensor] for stream in streams])
    member, targets = np.arange(clips) % signers, np.arange(clips) // signers % classes
    shift = rng.standard_normal(signers) + rng.standard_normal((count, signers))
    lead = np.array([_lead(share, classes, signer_spread) for share in accuracy])
    z[:, np.arange(clips), targets] += lead[:, None] + signer_spread * shift[:, member] / np.sqrt(2)
    return StreamScores(
        scores=(np.asarray(loudness)[:, None, None] * z).astype(np.float32),
        streams=tuple(streams),
        clips=tuple(f"signer{who}_sample{number}" for number, who in enumerate(member)),
        targets=targets,
        signers=np.array([f"signer{who}" for who in member]),
        origin=f"scores made up from seed {seed}",
        made_up=True,
    )


def _lead(accuracy: float, classes: int, spread: float) -> float:
    # d_m: how far the target's mean must lie above the others' for it to be on top so often.
    # To average over a standard normal variable: by how much the target's score deviates.
    nodes, weights = special.roots_hermitenorm(61)
    weights = weights / weights.sum()

    def excess(lead: float) -> float:
        # The chance that one other class lies below the target, to the power of their number.
        below = special.ndtr(lead + np.sqrt(1 + spread**2) * nodes)
        return weights @ below ** (classes - 1) - accuracy

    return float(optimize.brentq(excess, -20, 20))
