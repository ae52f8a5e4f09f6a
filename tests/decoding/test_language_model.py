"""Kneser-Ney worked out by hand, from its definition in plain Python, and as KenLM reads it."""

import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signlib.decoding.flashlight import _kenlm
from signlib.decoding.language_model import END, START, UNKNOWN, read_arpa, train_model, write_arpa
from signlib.errors import InputError, SettingsError

CORPORA = st.lists(st.text("ABC", max_size=6).map(list), min_size=1, max_size=25)


def test_unigrams_by_hand():
    # A twice, B once, the end three times: 1, 0.5 and 1.5 of 6 are taken and spread over A, B, end
    # and unknown
    model = train_model([["A"], ["A"], ["B"]], order=1)
    found = {word: math.exp(model.log_probability(word)) for word in ("A", "B", END, UNKNOWN)}
    assert found == pytest.approx(
        {"A": 1 / 6 + 1 / 8, "B": 0.5 / 6 + 1 / 8, END: 1.5 / 6 + 1 / 8, UNKNOWN: 1 / 8}
    )
    assert math.exp(model.sentence(["A", "X"])) == pytest.approx((7 / 24) * (1 / 8) * (3 / 8))
    assert model.perplexity([["A", "X"]]) == pytest.approx(
        ((7 / 24) * (1 / 8) * (3 / 8)) ** (-1 / 3)
    )


def test_bigrams_by_hand():
    # "A B" twice and "C B" once. One word stands before A and before C, two before B, one before
    # the end.
    model = train_model([["A", "B"], ["A", "B"], ["C", "B"]], order=2)
    unigram = {"A": 0.5 / 5, "C": 0.5 / 5, "B": 1 / 5, END: 0.5 / 5}
    left = (0.5 + 0.5 + 1 + 0.5) / 5 / 5  # spread over A, B, C, end and unknown
    # after the start: A twice (1 is taken), C once (0.5), of 3
    expected = (2 - 1) / 3 + (1.5 / 3) * (unigram["A"] + left)
    assert math.exp(model.log_probability("A", [START])) == pytest.approx(expected)
    assert math.exp(model.log_probability("B", [START])) == pytest.approx(
        (1.5 / 3) * (unigram["B"] + left)
    )
    assert math.exp(model.log_probability("X", [START])) == pytest.approx((1.5 / 3) * left)


def words_of(model):
    """Every word that can be predicted: glosses, the end and the unknown word."""
    return [word for (word,) in model.probabilities[0] if word != START]


class Plain:
    """The same model from its definition, word by word."""

    def __init__(self, texts, order):
        padded = [(START, *text, END) for text in texts]
        self.words = sorted({w for text in padded for w in text} - {START}) + [UNKNOWN]
        self.raw = [
            Counter(text[i : i + n] for text in padded for i in range(len(text) - n + 1))
            for n in range(1, order + 2)
        ]
        self.counts = []
        for n in range(1, order + 1):
            if n == order:
                counted = dict(self.raw[n - 1])
            else:
                counted = Counter(gram[1:] for gram in self.raw[n])
                counted |= {
                    gram: self.raw[n - 1][gram] for gram in self.raw[n - 1] if gram[0] == START
                }
            counted.pop((START,), None)
            self.counts.append(counted)

    def discount(self, n, count):
        kinds = Counter(self.counts[n - 1].values())
        n1, n2, n3, n4 = (kinds[k] for k in (1, 2, 3, 4))
        taken = [0, 0.5, 1, 1.5]
        if n1 and n2 and n3 and n4:
            y = n1 / (n1 + 2 * n2)
            told = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
            if min(told[1:]) > 0 and all(a <= b for a, b in zip(told, range(4), strict=True)):
                taken = told
        return min(count, taken[min(count, 3)])

    def probability(self, word, context):
        n = len(context) + 1
        here = {gram: c for gram, c in self.counts[n - 1].items() if gram[:-1] == context}
        lower = self.probability(word, context[1:]) if context else 1 / len(self.words)
        if not here:
            return lower
        total = sum(here.values())
        left = sum(self.discount(n, c) for c in here.values()) / total
        count = here.get((*context, word), 0)
        return (count - self.discount(n, count)) / total + left * lower


@settings(max_examples=40, deadline=None)
@given(CORPORA, st.integers(1, 4))
def test_it_is_the_definition(texts, order):
    model, plain = train_model(texts, order), Plain(texts, order)
    assert set(words_of(model)) == set(plain.words)
    padded = [(START, *text) for text in texts[:5]] + [("C", "A", "B"), ()]
    for text in padded:
        context = text[max(0, len(text) - order + 1) :] if order > 1 else ()
        expected = [plain.probability(word, context) for word in plain.words]
        found = [math.exp(model.log_probability(word, text)) for word in plain.words]
        assert found == pytest.approx(expected)
        assert sum(found) == pytest.approx(1)


def test_what_is_refused():
    with pytest.raises(SettingsError, match="order=0"):
        train_model([["A"]], 0)
    with pytest.raises(InputError, match="0 sentences"):
        train_model([])
    with pytest.raises(InputError, match=r"without <s>, </s> or <unk>"):
        train_model([["A", "<s>"]])
    with pytest.raises(InputError, match="no sentences"):
        train_model([["A"]]).perplexity([])


TEXTS = [list("ABCAB"), list("AABC"), list("CCAB"), list("B"), list("ABABAC")] * 2 + [list("BACA")]


def test_an_arpa_file_is_read_back(tmp_path):
    model = train_model(TEXTS, 3)
    write_arpa(tmp_path / "a.arpa", model)
    again = read_arpa(tmp_path / "a.arpa")
    assert words_of(again) == words_of(model)
    for text in (*TEXTS, list("XAXB"), []):
        assert again.sentence(text) == pytest.approx(model.sentence(text), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("\\end\\", ""), "no whole ARPA file"),
        (lambda text: text.replace("-99\t<s>", "x\t<s>"), r"line \d+: 'x\\t<s>"),
        (lambda text: re.sub(r"\tA B\t.*", r"\tA", text), "is not 'log10 2 words"),
        (lambda text: text.replace("<unk>", "unk"), "among its unigrams"),
        (lambda text: text.replace("</s>", "<end>"), "no whole ARPA file with </s> among"),
        (lambda text: text.replace("-99\t<s>", "0.5\t<s>"), "logarithm of 0.5; that of a prob"),
        (lambda text: text.replace("-99\t<s>", "nan\t<s>"), "is not 'log10 1 words"),
        (lambda text: text.replace("-99\t<s>", "-inf\t<s>"), "is not 'log10 1 words"),
        (lambda text: re.sub(r"(ngram 2=)", r"\g<1>1", text), r"announces \[\d+, 1\d+, \d+\] n-"),
        (lambda text: text.replace("ngram 2=", "ngram 3="), "'ngram 3=.*' is not order 2"),
        (lambda text: re.sub(r"(?m)^(.*\tA B)\t.*$", r"\1\n\1", text), "that appears twice"),
        (lambda text: re.sub(r"(?m)\tA B\t", "\tA NEW\t", text), "'NEW', which is no unigram"),
        (lambda text: text.replace("\\2-grams:", "\\5-grams:"), r"is not \\2-grams:"),
        (lambda text: "", "no whole ARPA file"),
    ],
)
def test_a_broken_arpa_file_is_named(tmp_path, change, message):
    write_arpa(tmp_path / "a.arpa", train_model(TEXTS, 3))
    (tmp_path / "a.arpa").write_text(change((tmp_path / "a.arpa").read_text()))
    with pytest.raises(InputError, match=message):
        read_arpa(tmp_path / "a.arpa")
    with pytest.raises(InputError, match="cannot be read"):
        read_arpa(tmp_path / "gone.arpa")


def by_kenlm(model, glosses, text):
    """Natural log probability of a sentence, and of its end, from KenLM."""
    lm = _kenlm(model, glosses)
    state, total = lm.start(False), 0.0
    for word in text:
        state, score = lm.score(state, 1 + glosses.index(word))
        total += score
    return math.log(10) * (total + lm.finish(state)[1])


@pytest.mark.parametrize("order", [2, 3, 4])
def test_kenlm_gives_sentences_the_same_probability(order, capfd):
    model, glosses = train_model(TEXTS, order), ["A", "B", "C", "NEVER"]
    for text in (*TEXTS[:4], ["A", "NEVER", "B"], []):
        assert by_kenlm(model, glosses, text) == pytest.approx(model.sentence(text), abs=1e-5)
    assert capfd.readouterr().err == ""  # KenLM draws a progress bar
    with pytest.raises(SettingsError, match="order 2 or more"):
        _kenlm(train_model(TEXTS, 1), glosses)


def test_real_gloss_sentences(real_data):
    root = real_data("gloss-text")
    train, dev = (
        [line.split() for line in (root / f"phoenix2014T.{part}.gloss").read_text().splitlines()]
        for part in ("train", "dev")
    )
    models = [train_model(train, order) for order in (1, 2, 3)]
    assert [len(table) for table in models[2].probabilities] == [1235, 19039, 44305]
    assert [round(model.perplexity(dev), 1) for model in models] == [179.2, 81.1, 79.4]
    rng = np.random.default_rng(0)
    for text in rng.choice(np.array(train, dtype=object), 5):
        place = int(rng.integers(len(text)))
        total = sum(
            math.exp(models[2].log_probability(word, [START, *text[:place]]))
            for word in words_of(models[2])
        )
        assert total == pytest.approx(1)
