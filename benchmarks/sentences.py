"""Sentences: beam search, counting errors, and drawing sentences again, each against a rival.

Scores are made up: 50 frames, 1,296 classes, peaks of about ten glosses in noise. The rivals are
flashlight-text called bare, rapidfuzz called bare, and numpy's plain bootstrap of the same counts.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from flashlight.lib.text import decoder as flashlight
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from benchmarks._timing import processor_seconds
from signlib.decoding.beam import BeamSearch
from signlib.decoding.ctc import greedy
from signlib.decoding.language_model import train_model
from signlib.evaluation.wer import edits, word_errors
from signlib.statistics.error_rates import compare_rates
from signlib.statistics.intervals import resampled_sums

CLASSES, FRAMES, BEAM, CLIPS = 1296, 50, 10, 20
SENTENCES, RESAMPLES, ROUNDS = 629, 10_000, 5
ALPHA, BETA = 0.6, 0.8
GLOSSES = [f"G{k}" for k in range(1, CLASSES)]


def sentences(count: int, seed: int) -> list[list[str]]:
    """Sentences from a chain in which every gloss has a few likely successors.

    Common glosses are very common.
    """
    rng = np.random.default_rng(seed)
    successors = (np.random.default_rng(0).pareto(1.0, (CLASSES - 1, 6)) * 20).astype(int) % (
        CLASSES - 1
    )
    out = []
    for _ in range(count):
        at = int(rng.integers(CLASSES - 1))
        text = [at := int(successors[at, rng.integers(6)]) for _ in range(rng.integers(3, 22))]
        out.append([GLOSSES[k] for k in text])
    return out


def scores(texts: Sequence[Sequence[str]], seed: int = 0) -> list[np.ndarray]:
    """Log probabilities (T, V) of clips in which the texts are signed, with noise."""
    rng, out = np.random.default_rng(seed), []
    for text in texts:
        path = np.zeros(FRAMES, int)
        starts = np.sort(rng.choice(FRAMES, min(len(text), FRAMES // 4), replace=False))
        for gloss, start in zip(text, starts, strict=False):
            path[start : start + rng.integers(1, 4)] = 1 + GLOSSES.index(gloss)
        raw = 1.3 * rng.normal(size=(FRAMES, CLASSES))
        raw[np.arange(FRAMES), path] += rng.normal(5.5, 1.5, FRAMES)
        raw[:, 0] += 3
        out.append((raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)).astype(np.float32))
    return out


def bare_flashlight(clips: list[np.ndarray], glosses: int) -> Callable[[], list]:
    """The rival: its decoder over so many glosses of each frame, the likeliest, nothing else."""
    options = flashlight.LexiconFreeDecoderOptions(
        BEAM, glosses, 1e9, 0.0, 0.0, True, flashlight.CriterionType.CTC
    )
    search = flashlight.LexiconFreeDecoder(options, flashlight.ZeroLM(), 0, 0, [])
    return lambda: [search.decode(clip.ctypes.data, FRAMES, CLASSES)[0].score for clip in clips]


def decoding() -> dict[str, float]:
    """Milliseconds a clip of each search, and mean scores of the best readings."""
    clips, model = scores(sentences(CLIPS, 1)), train_model(sentences(2000, 2), 3)
    searches = {
        "beam 10": BeamSearch(GLOSSES, BEAM),
        "beam 10 through flashlight-text": BeamSearch(GLOSSES, BEAM, engine="flashlight"),
        "beam 10, trigrams": BeamSearch(GLOSSES, BEAM, model, ALPHA),
        "beam 10, trigrams, flashlight-text and KenLM": BeamSearch(
            GLOSSES, BEAM, model, ALPHA, engine="flashlight"
        ),
    }
    together, quality = np.stack(clips), {}
    times = {"greedy": processor_seconds(lambda: greedy(together, [FRAMES] * CLIPS), ROUNDS)}
    for name, glosses in (("flashlight-text bare", CLASSES), ("... only 50 glosses a frame", 50)):
        bare = bare_flashlight(clips, glosses)
        times[name], quality[name] = processor_seconds(bare, ROUNDS), float(np.mean(bare()))
    for name, search in searches.items():
        times[name] = processor_seconds(lambda run=search: [run(clip) for clip in clips], ROUNDS)
        quality[name] = float(np.mean([search(clip)[0].score for clip in clips]))
    print(
        f"| {FRAMES} frames, {CLASSES:,} classes | ms a clip | against flashlight-text bare | mean"
        " score |"
    )
    print("|---|---|---|---|")
    for name, seconds in times.items():
        ratio = seconds / times["flashlight-text bare"]
        cell = f"{quality[name]:.3f}" if name in quality else ""
        print(f"| {name} | {1e3 * seconds / CLIPS:.2f} | {ratio:.2g}x | {cell} |")
    return {name: 1e3 * seconds / CLIPS for name, seconds in times.items()}


def errors() -> dict[str, float]:
    """Milliseconds of counting the errors of a test split, and of drawing it again."""
    references = sentences(SENTENCES, 3)
    rng = np.random.default_rng(4)
    heard = [
        [[w for w in text if rng.random() > share] for text in references] for share in (0.2, 0.25)
    ]
    first, second = (word_errors(references, texts) for texts in heard)
    words, signers = (
        np.array([len(text) for text in references]),
        [f"s{k % 9}" for k in range(SENTENCES)],
    )

    def plain() -> np.ndarray:
        rows = np.random.default_rng(0).integers(SENTENCES, size=(RESAMPLES, SENTENCES))
        return np.quantile(
            (second[rows].sum(1) - first[rows].sum(1)) / words[rows].sum(1), [0.025, 0.975]
        )

    calls = {
        "rapidfuzz bare": lambda: process.cpdist(references, heard[0], scorer=Levenshtein.distance),
        "word_errors": lambda: word_errors(references, heard[0]),
        "edits, sclite's weights and split": lambda: edits(references, heard[0]),
        "numpy bootstrap of the difference": plain,
        "ours, the same draws": lambda: resampled_sums([first, second, words], None, RESAMPLES),
        "... with rates, p and signers": lambda: compare_rates(
            first, second, words, signers, RESAMPLES
        ),
    }
    times = {name: 1e3 * processor_seconds(call, ROUNDS) for name, call in calls.items()}
    print(f"\n| {SENTENCES} sentences | ms | against |\n|---|---|---|")
    for name, ms in times.items():
        rival = (
            "rapidfuzz bare" if list(times).index(name) < 3 else "numpy bootstrap of the difference"
        )
        print(f"| {name} | {ms:.2f} | {ms / times[rival]:.2f}x |")
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="also write the figures there, as JSON")
    options = parser.parse_args()
    figures = decoding() | errors()
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
