"""The prefix search of `decoding.ctc`, fast: all prefixes and glosses of a frame at once.

The second engine is flashlight-text. Both engines search the same readings with the same scores;
tests hold them against the plain search and against every alignment there is.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from signlib.decoding import ctc, flashlight, language_model
from signlib.errors import SettingsError

ENGINES = ("own", "flashlight")
_LN10 = np.log(10)
# Contexts whose next-gloss probabilities are kept between clips.
_MOST_ROWS = 4096


class BeamSearch:
    """Log probabilities (T, V) of a clip to its best readings.

    Args:
        glosses: name of class k + 1; V = 1 + their number.
        beam: prefixes that are kept after each frame.
        model: of the glosses, or None.
        alpha, beta: a reading's score is log P(frames) + alpha log P(glosses) + beta times its
            glosses.
        engine: `own`, or `flashlight`, whose beam holds a prefix once for each of its two endings
            and so reaches less far.

    Raises:
        SettingsError: for a beam below 1, a negative alpha, an alpha without a model, or another
            engine.
    """

    def __init__(
        self,
        glosses: Sequence[str],
        beam: int = 10,
        model: language_model.NGramModel | None = None,
        alpha: float = 0.0,
        beta: float = 0.0,
        engine: str = "own",
    ) -> None:
        if beam < 1:
            raise SettingsError(f"beam={beam}: at least one prefix must be kept")
        if engine not in ENGINES:
            raise SettingsError(f"engine {engine!r} is unknown; choose from {', '.join(ENGINES)}")
        if alpha < 0 or (alpha and model is None):
            raise SettingsError(
                f"alpha={alpha}: it weighs a language model and is 0 where there is none"
            )
        self.glosses, self.beam = tuple(glosses), beam
        self.alpha, self.beta = alpha, beta
        self.model = model if alpha else None
        self.rows = _GlossRows(self.model, self.glosses) if self.model else None
        self.flashlight = (
            flashlight.FlashlightSearch(self.glosses, beam, self.model, alpha=alpha, beta=beta)
            if engine == "flashlight"
            else None
        )

    def __call__(self, log_probabilities: np.ndarray) -> list[ctc.Hypothesis]:
        """At most `beam` readings, the best first.

        Args:
            log_probabilities: (T, V), natural logarithms.

        Raises:
            SettingsError: when V is not one more than there are glosses.
            ValueError: for a frame that is NaN or where no class can be.
        """
        frames = np.asarray(log_probabilities)
        if frames.ndim != 2 or frames.shape[1] != len(self.glosses) + 1:
            raise SettingsError(
                f"log probabilities of shape {frames.shape} are not (T, {len(self.glosses) + 1}):"
                f" {len(self.glosses)} glosses and the blank"
            )
        ctc.check_scores(frames)
        return self.flashlight(frames) if self.flashlight else self._search(frames.astype(float))

    def _search(self, frames: np.ndarray) -> list[ctc.Hypothesis]:
        tree = _Prefixes(self.rows, self.alpha, self.beta)
        # The beam: nodes of P prefixes, and their log probabilities by how alignments end.
        node = np.zeros(1, np.int64)
        after_blank, after_gloss = np.zeros(1), np.full(1, -np.inf)
        for frame in frames:
            last, bonus = tree.last[node], tree.bonus[node]
            either = np.logaddexp(after_blank, after_gloss)
            # A prefix stays as it is with a blank, or with its last gloss once more.
            blank, same = (
                either + frame[ctc.BLANK],
                after_gloss + np.where(last, frame[last], -np.inf),
            )
            stays = np.logaddexp(blank, same) + bonus
            tokens = self._worth_trying(frame, last, either + bonus, stays)
            # (P, K) with one more gloss; the last one again needs a blank between.
            longer = frame[tokens] + np.where(
                tokens == last[:, None], after_blank[:, None], either[:, None]
            )
            # A longer prefix that is in the beam already takes what comes from its parent.
            child, parent = np.nonzero(tree.parent[node][:, None] == node)
            column = np.searchsorted(tokens, last[child])
            same[child] = np.logaddexp(same[child], longer[parent, column])
            longer[parent, column] = -np.inf
            added = bonus[:, None] + tree.added(node, tokens)
            ranked = np.concatenate([np.logaddexp(blank, same) + bonus, (longer + added).ravel()])
            best = np.flatnonzero(ranked > -np.inf)
            if len(best) > self.beam:
                best = best[np.argpartition(-ranked[best], self.beam - 1)[: self.beam]]
            # Numbers below P are prefixes that stay, the others rows and columns of `longer`.
            old = best[best < len(node)]
            new = np.divmod(best[best >= len(node)] - len(node), max(1, len(tokens)))
            born = tree.grow(node[new[0]], tokens[new[1]], added[new])
            node = np.concatenate([node[old], born])
            after_blank = np.concatenate([blank[old], np.full(len(born), -np.inf)])
            after_gloss = np.concatenate([same[old], longer[new]])
        totals = np.logaddexp(after_blank, after_gloss) + tree.bonus[node]
        readings = dict(zip(map(tree.prefix, node.tolist()), totals.tolist(), strict=True))
        return ctc.finish(readings, self.glosses, self.model, self.alpha)

    def _worth_trying(
        self, frame: np.ndarray, last: np.ndarray, sources: np.ndarray, stays: np.ndarray
    ) -> np.ndarray:
        # Sorted classes that can enter the beam. The others could not, whatever the language model
        # said of them. Nothing is lost: a gloss gains at most beta, and while the beam is full what
        # is worse than all that stays is dropped anyway. Last glosses of the beam may add to a
        # prefix that is there, so they are tried.
        enough = np.ones(len(frame), bool)
        if len(stays) >= self.beam:
            enough = frame + (sources.max() + self.beta) >= stays.min()
            enough[last] = True
        enough[ctc.BLANK] = False
        return np.flatnonzero(enough)


class _Prefixes:
    """Prefixes as a tree: node 0 is the empty one, every other has a parent and a last gloss.

    Attributes:
        parent, last: (N,) of each node; the root's are -1 and 0.
        bonus: (N,) what the glosses of a prefix add beside the frames.
    """

    def __init__(self, rows: "_GlossRows | None", alpha: float, beta: float) -> None:
        self.rows, self.alpha, self.beta = rows, alpha, beta
        self.parent, self.last = np.full(256, -1), np.zeros(256, np.int64)
        self.bonus, self.row = np.zeros(256), np.zeros(256, np.int64)
        self.nodes: dict[tuple[int, int], int] = {}
        if rows:
            self.row[0] = rows.start()

    def added(self, node: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        # (P, K) what each gloss would add after each prefix.
        if self.rows is None:
            return np.full((len(node), len(tokens)), self.beta)
        return self.beta + self.alpha * self.rows.table[self.row[node][:, None], tokens]

    def grow(self, parents: np.ndarray, tokens: np.ndarray, bonus: np.ndarray) -> np.ndarray:
        # The nodes of prefixes with one more gloss. A prefix that was dropped and comes again is
        # the same node.
        rows = zip(parents.tolist(), tokens.tolist(), bonus, strict=True)
        return np.fromiter((self._node(*row) for row in rows), np.int64, len(parents))

    def _node(self, parent: int, token: int, bonus: float) -> int:
        if (parent, token) in self.nodes:
            return self.nodes[parent, token]
        node = self.nodes[parent, token] = len(self.nodes) + 1
        if node == len(self.last):
            # The tables double when they are full.
            self.parent, self.last, self.bonus, self.row = (
                np.concatenate([column, np.zeros_like(column)])
                for column in (self.parent, self.last, self.bonus, self.row)
            )
        self.parent[node], self.last[node], self.bonus[node] = parent, token, bonus
        if self.rows:
            self.row[node] = self.rows.after(int(self.row[parent]), token)
        return node

    def prefix(self, node: int) -> tuple[int, ...]:
        # Its glosses as class numbers.
        out: list[int] = []
        while node:
            out.append(int(self.last[node]))
            node = int(self.parent[node])
        return tuple(reversed(out))


class _GlossRows:
    """Log probabilities of every class after a context: a row of a table, made when asked for."""

    def __init__(self, model: language_model.NGramModel, glosses: tuple[str, ...]) -> None:
        self.model, self.names = model, np.array(["", *glosses], dtype=object)
        self.table = np.empty((64, len(self.names)))
        self.contexts: list[tuple[str, ...]] = []
        self.numbers: dict[tuple[str, ...], int] = {}

    def start(self) -> int:
        # The row of the start of a sentence. Too full a table is emptied first, since no prefix
        # points to it now.
        if len(self.contexts) > _MOST_ROWS:
            self.contexts.clear()
            self.numbers.clear()
        return self._row(self.model.state((language_model.START,)))

    def after(self, row: int, token: int) -> int:
        # The row after one more gloss.
        return self._row(self.model.state((*self.contexts[row], self.names[token])))

    def _weight(self, context: tuple[str, ...]) -> float:
        return _LN10 * self.model.backoffs[len(context) - 1].get(context, 0.0)

    @cached_property
    def _seen(self) -> list[dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]]:
        # For each length of context: context -> classes seen after it, log probabilities.
        classes: dict[str, list[int]] = {}
        for k, name in enumerate(self.names[1:], 1):
            classes.setdefault(self.model.word(name), []).append(k)
        out: list[dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]] = []
        for table in self.model.probabilities:
            grouped: dict[tuple[str, ...], dict[int, float]] = {}
            for gram, value in table.items():
                for k in classes.get(gram[-1], ()):
                    grouped.setdefault(gram[:-1], {})[k] = value
            out.append(
                {
                    context: (np.array(list(after)), _LN10 * np.array(list(after.values())))
                    for context, after in grouped.items()
                }
            )
        return out

    def _row(self, context: tuple[str, ...]) -> int:
        # Of the longest end of a context that the model has numbers for.
        while context and context not in self._seen[len(context)] and not self._weight(context):
            context = context[1:]
        if context in self.numbers:
            return self.numbers[context]
        # The blank's column is never read.
        values = np.zeros(len(self.names))
        if context:
            # This may replace the table, so it comes first.
            shorter = self._row(context[1:])
            values = self.table[shorter] + self._weight(context)
        if context in self._seen[len(context)]:
            classes, logs = self._seen[len(context)][context]
            values[classes] = logs
        row = len(self.contexts)
        if row == len(self.table):
            self.table = np.concatenate([self.table, np.empty_like(self.table)])
        self.table[row] = values
        self.contexts.append(context)
        self.numbers[context] = row
        return row
