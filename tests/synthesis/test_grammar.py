"""The grammar: probabilities that are exact, and sentences that follow them."""

from itertools import product

import numpy as np
import pytest

from signlib.errors import SettingsError
from signlib.synthesis.grammar import POINT, ROLES, Grammar, role_of
from signlib.synthesis.signs import make_lexicon

LEXICON = make_lexicon(12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one_in_every_context(order):
    grammar = Grammar(LEXICON, order)
    for before in ([], [0], [3, 12], [12, 3, 5]):
        row = grammar.probabilities(before)
        assert row.shape == (13,)
        assert row.sum() == pytest.approx(1)
        assert (row >= 0).all()


def test_only_the_last_glosses_count():
    grammar = Grammar(LEXICON, order=2)
    np.testing.assert_array_equal(grammar.probabilities([1, 2, 3]), grammar.probabilities([7, 3]))
    assert not np.array_equal(grammar.probabilities([1]), grammar.probabilities([3]))
    free = Grammar(LEXICON, order=1)
    np.testing.assert_array_equal(free.probabilities([1, 2]), free.probabilities([]))


def test_all_sentences_together_have_probability_one():
    grammar = Grammar(LEXICON[:3], order=2, lengths=(1, 3))
    said = [s for n in (1, 2, 3) for s in product(range(4), repeat=n)]
    assert sum(np.exp(grammar.log_probability(s)) for s in said) == pytest.approx(1)
    assert grammar.log_probability([]) == -np.inf
    assert grammar.log_probability([0] * 4) == -np.inf


def test_pointing_twice_in_a_row_is_never_said():
    grammar = Grammar(LEXICON)
    point = grammar.glosses.index(POINT)
    assert grammar.probabilities([point])[point] == 0
    assert grammar.log_probability([point, point]) == -np.inf


def test_sentences_follow_the_probabilities():
    grammar = Grammar(LEXICON, order=2, lengths=(2, 2))
    rng = np.random.default_rng(0)
    said = np.array([grammar.sentence(rng) for _ in range(4000)])
    share = np.bincount(said[:, 0], minlength=13) / len(said)
    expected = grammar.probabilities([])
    assert np.abs(share - expected).max() < 4 * np.sqrt(0.25 / len(said))
    first = expected.argmax()
    after = said[said[:, 0] == first, 1]
    share = np.bincount(after, minlength=13) / len(after)
    assert np.abs(share - grammar.probabilities([first])).max() < 4 * np.sqrt(0.25 / len(after))


def test_the_true_grammar_is_a_better_model_than_shorter_memory():
    long, short = Grammar(LEXICON, order=3), Grammar(LEXICON, order=1)
    rng = np.random.default_rng(1)
    said = [long.sentence(rng) for _ in range(200)]
    assert sum(map(long.log_probability, said)) > sum(map(short.log_probability, said)) + 100


def test_a_large_lexicon_fills_every_role():
    roles = {role_of(sign, k) for k, sign in enumerate(make_lexicon(100))}
    assert roles == set(ROLES) - {"POINT"}


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"lengths": (0, 5)}, r"\(0, 5\)"),
        ({"lengths": (5, 4)}, r"\(5, 4\)"),
        ({"lengths": (1, 16)}, r"\(1, 16\).*1\.\.15"),
        ({"order": 0}, "order=0"),
        ({"order": 4}, "order=4"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, value):
    with pytest.raises(SettingsError, match=value):
        Grammar(LEXICON, **settings)


def test_one_sign_is_no_language():
    with pytest.raises(SettingsError, match="1 signs"):
        Grammar(LEXICON[:1])
