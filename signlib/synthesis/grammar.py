"""What is said: sentences from an n-gram grammar whose probabilities are known exactly.

Signs have roles (persons, objects, verbs, ...), roles follow one another as in a plain signed
clause, and every context has a few favourite successors, so that a language model has something to
learn.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from signlib.errors import SettingsError
from signlib.synthesis.seeding import generator
from signlib.synthesis.signs import Sign

# AGREEMENT verbs move from one locus to another, HANDLING verbs take the form of their object,
# PLAIN verbs do neither; POINT is pointing to a locus and no sign of the lexicon.
ROLES = ("TIME", "PERSON", "OBJECT", "QUALITY", "PLAIN", "AGREEMENT", "HANDLING", "POINT")
POINT = "IX"
LONGEST = 15
MOST_ORDER = 3

# Role -> weights of the roles that follow it; "" is the beginning of a sentence.
_FOLLOWS = {
    # TIME PERSON OBJECT QUALITY PLAIN AGREEMENT HANDLING POINT
    "": (30, 35, 15, 5, 5, 2, 3, 5),
    "TIME": (2, 45, 20, 8, 8, 4, 5, 8),
    "PERSON": (2, 10, 18, 8, 14, 10, 8, 30),
    "OBJECT": (3, 8, 8, 25, 16, 10, 25, 5),
    "QUALITY": (5, 25, 25, 10, 20, 5, 5, 5),
    "PLAIN": (10, 25, 25, 15, 10, 4, 4, 7),
    "AGREEMENT": (8, 22, 30, 10, 12, 5, 5, 8),
    "HANDLING": (8, 25, 22, 15, 12, 6, 4, 8),
    "POINT": (3, 15, 20, 15, 16, 18, 13, 0),
}
_CYCLE = ("PERSON", "PLAIN", "OBJECT", "QUALITY", "TIME", "OBJECT", "PERSON", "PLAIN")
_NEUTRAL = ("SPACE", "CHEST", "SIDE")
_FAVOURITES = 4
_BOOST = 12.0
_ZIPF = 0.6


def role_of(sign: Sign, index: int) -> str:
    """The role that sign number `index` of a lexicon plays.

    Verbs that use loci need room to move in: a sign whose movement is a line or an arc in the space
    before the signer can start and end at loci.
    """
    if sign.movement in ("LINE", "ARC") and sign.location in _NEUTRAL:
        return ("AGREEMENT", "HANDLING")[index % 2]
    return _CYCLE[index % len(_CYCLE)]


class Grammar:
    """An n-gram over a lexicon and pointing, with exact probabilities.

    P(sentence) = P(length) x product of P(gloss | the n - 1 glosses before it); lengths are uniform
    between the shortest and the longest.

    Attributes:
        glosses: the lexicon's, in its order, then `POINT`.
        roles: of each of them.
    """

    def __init__(
        self,
        lexicon: Sequence[Sign],
        order: int = 2,
        lengths: tuple[int, int] = (1, LONGEST),
        seed: int = 0,
    ) -> None:
        """A grammar for these signs; the same for everybody with the same arguments.

        Args:
            lexicon: at least two signs.
            order: 1 (no context) to 3.
            lengths: fewest and most signs of a sentence, within 1..15.

        Raises:
            SettingsError: for a value out of range.
        """
        shortest, longest = lengths
        if not 1 <= shortest <= longest <= LONGEST:
            raise SettingsError(
                f"lengths={tuple(lengths)}: give fewest and most signs of a sentence within"
                f" 1..{LONGEST}"
            )
        if not 1 <= order <= MOST_ORDER:
            raise SettingsError(
                f"order={order}: a grammar looks back 0 to {MOST_ORDER - 1} signs, so give"
                f" 1..{MOST_ORDER}"
            )
        if len(lexicon) < 2:
            raise SettingsError(
                f"a grammar over {len(lexicon)} signs says nothing; give a lexicon of at least 2"
            )
        self.order, self.lengths, self.seed = order, (shortest, longest), seed
        self.glosses = [*(sign.gloss for sign in lexicon), POINT]
        self.roles = [*(role_of(sign, k) for k, sign in enumerate(lexicon)), "POINT"]
        self._role_numbers = np.array([ROLES.index(role) for role in self.roles])
        rank = generator(seed, "frequency").permutation(len(self.glosses))
        self._frequency = (1.0 + rank) ** -_ZIPF
        self._next = lru_cache(maxsize=4096)(self._row)

    def probabilities(self, before: Sequence[int]) -> np.ndarray:
        """(V,) of each gloss after the numbers `before`: all of this sentence so far."""
        kept = tuple(before[len(before) - self.order + 1 :]) if self.order > 1 else ()
        return self._next(kept)

    def _row(self, context: tuple[int, ...]) -> np.ndarray:
        # (V,) of each gloss after the last order - 1 numbers.
        by_role = np.array(_FOLLOWS[self.roles[context[-1]] if context else ""], float)
        present = np.bincount(self._role_numbers, minlength=len(ROLES)) > 0
        weights = self._frequency.copy()
        # What likes to follow depends on the whole context.
        rng = generator(self.seed, "successors", *context)
        weights[rng.choice(len(weights), min(_FAVOURITES, len(weights)), replace=False)] *= _BOOST
        # Within a role by weight; of the roles as much as the table says.
        total = np.bincount(self._role_numbers, weights, minlength=len(ROLES))
        weights *= (by_role * present)[self._role_numbers] / total[self._role_numbers]
        if context and len(weights) > 2:
            weights[context[-1]] *= 0.1  # people rarely repeat a sign at once
        return weights / weights.sum()

    def sentence(self, rng: np.random.Generator) -> list[int]:
        """Numbers of the glosses of one sentence."""
        shortest, longest = self.lengths
        said: list[int] = []
        for _ in range(int(rng.integers(shortest, longest + 1))):
            said.append(int(rng.choice(len(self.glosses), p=self.probabilities(said))))
        return said

    def log_probability(self, said: Sequence[int]) -> float:
        """Natural logarithm of the probability of a sentence.

        It is minus infinity for a length that never occurs.
        """
        shortest, longest = self.lengths
        if not shortest <= len(said) <= longest:
            return -np.inf
        with np.errstate(divide="ignore"):
            terms = [np.log(self.probabilities(said[:k])[gloss]) for k, gloss in enumerate(said)]
        return float(-np.log(longest - shortest + 1) + sum(terms))
