"""Sentences: who stands where, what is held, and the frames of every sign."""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from signlib.errors import SettingsError
from signlib.synthesis.discourse import HOLDS, PLACES, interpret, object_kind
from signlib.synthesis.grammar import POINT
from signlib.synthesis.sentences import SentenceCorpus
from signlib.synthesis.signs import HANDSHAPES, LOCI, POINTING

SMALL = SentenceCorpus(glosses=40, signers=4, sentences=6, seed=1)
NAMES = list(SMALL.manifest["clip"])
TOY = SimpleNamespace(
    glosses=["MAN", "WOMAN", "GIVE", "CUP", "HOLD", "GOOD", POINT],
    roles=["PERSON", "PERSON", "AGREEMENT", "OBJECT", "HANDLING", "QUALITY", "POINT"],
)


def meant(text, seed=0):
    return interpret(
        [TOY.glosses.index(gloss) for gloss in text.split()], TOY, np.random.default_rng(seed)
    )


def test_a_person_keeps_the_locus_they_were_given():
    tokens = meant("MAN IX WOMAN IX GOOD MAN IX")
    man, woman, again = (tokens[k] for k in (1, 3, 6))
    assert man.about == again.about == "MAN"
    assert man.goal == again.goal
    assert man.goal in PLACES
    assert woman.about == "WOMAN"
    assert woman.goal in set(PLACES) - {man.goal}


def test_an_agreement_verb_moves_between_the_loci_of_its_persons():
    tokens = meant("MAN IX WOMAN IX GIVE")
    verb = tokens[-1]
    assert (verb.subject, verb.object) == ("WOMAN", "MAN")
    assert (verb.source, verb.goal) == (tokens[3].goal, tokens[1].goal)


def test_without_persons_the_signer_gives_to_the_addressee():
    verb = meant("GIVE")[0]
    assert (verb.source, verb.goal) == ("SIGNER", "ADDRESSEE")


def test_a_pronoun_means_someone_who_is_there():
    assert {meant("GOOD IX", seed)[1].about for seed in range(20)} == {"SIGNER", "ADDRESSEE"}
    assert {meant("MAN IX GOOD IX", seed)[3].about for seed in range(9)} == {"MAN"}


def test_a_handling_verb_takes_the_form_of_its_object():
    tokens = meant("HOLD CUP HOLD")
    assert tokens[0].handshape == ""
    assert tokens[2].handshape == HOLDS[object_kind(3)]
    assert tokens[2].about == "CUP"


def test_more_persons_than_loci_make_the_oldest_give_way():
    glosses = [f"P{k}" for k in range(9)]
    many = SimpleNamespace(glosses=[*glosses, POINT], roles=["PERSON"] * 9 + ["POINT"])
    tokens = interpret([n for k in range(9) for n in (k, 9)], many, np.random.default_rng(0))
    loci = [token.goal for token in tokens[1::2]]
    assert len(set(loci[:6])) == 6
    assert loci[6] == loci[0]


def test_every_hold_and_every_locus_can_be_performed():
    assert set(HOLDS.values()) <= set(HANDSHAPES)
    assert {*PLACES, "SIGNER", "ADDRESSEE"} <= set(LOCI)
    assert {object_kind(k) for k in range(60)} == set(HOLDS)


def test_the_manifest_has_sentences_instead_of_glosses():
    manifest = SMALL.manifest
    assert list(manifest) == [
        "clip",
        "file",
        "gloss",
        "signer",
        "split",
        "start",
        "end",
        "fps",
        "glosses",
    ]
    assert (manifest["gloss"] == "").all()
    lengths = manifest["glosses"].str.split().map(len)
    assert lengths.between(1, 15).all()
    assert manifest.groupby("split")["signer"].unique().map(set).map(len).sum() == 4
    glosses = {*(sign.gloss for sign in SMALL.lexicon), POINT}
    assert set(" ".join(manifest["glosses"]).split()) <= glosses


@pytest.mark.parametrize("name", NAMES[::7])
def test_truth_times_every_sign_of_the_sentence(name):
    truth, clip = SMALL.truth(name), SMALL.clip(name)
    said = SMALL.manifest.set_index("clip").loc[name, "glosses"].split()
    assert [sign["gloss"] for sign in truth["signs"]] == said
    edges = [frame for sign in truth["signs"] for frame in (sign["start"], sign["end"])]
    assert edges == sorted(edges)
    assert edges[0] > 0
    assert edges[-1] < len(clip)
    assert clip.shape[1:] == (543, 4)
    assert clip.dtype == np.float32


def test_truth_has_the_camera_and_the_form_of_every_sign():
    name = next(name for name in NAMES if POINT in [token.gloss for token in SMALL.tokens(name)])
    truth, seated = SMALL.truth(name), SMALL.seated(name)
    assert [truth[key] for key in ("signer", "left_handed", "yaw", "zoom", "hips_x")] == [
        seated.name,
        seated.left_handed,
        seated.yaw,
        seated.zoom,
        seated.centre[0],
    ]
    lexicon = {sign.gloss: sign for sign in SMALL.lexicon} | {POINT: POINTING}
    assert any(sign["variant"] == "" for sign in truth["signs"])
    for sign in truth["signs"]:
        same = sign["phonology"] == asdict(lexicon[sign["gloss"]])
        assert same == (sign["variant"] == "")


def test_some_signers_have_a_form_of_their_own_and_the_truth_says_so():
    corpus = SentenceCorpus(glosses=30, signers=6, sentences=10, hardness=3)
    variants = [
        sign["variant"]
        for name in corpus.manifest["clip"][::4]
        for sign in corpus.truth(name)["signs"]
    ]
    assert 0 < sum(map(bool, variants)) < len(variants) / 2


def test_a_sentence_is_the_same_in_a_larger_corpus_and_in_any_order():
    larger = SentenceCorpus(glosses=40, signers=6, sentences=9, seed=1)
    for name in NAMES[::-9]:
        assert larger.tokens(name) == SMALL.tokens(name)
        np.testing.assert_array_equal(larger.clip(name), SMALL.clip(name))


def test_pointing_ends_at_the_locus():
    """The finger of a pointing sign points further left for a locus further left.

    The signer's left is larger x.
    """
    from signlib.synthesis.performance import perform
    from signlib.synthesis.signers import make_signer
    from signlib.synthesis.signs import POINTING, Use

    signer = make_signer(0, hardness=0)
    tips = []
    for locus in ("FAR_RIGHT", "RIGHT", "LEFT", "FAR_LEFT"):
        performance = perform([Use(POINTING, goal=locus)], signer, np.random.default_rng(0))
        hand = performance.points[performance.spans[0][1] - 1, 522:543]
        tips.append((hand[8] - hand[5])[0])
    assert (np.diff(tips) > 0).all()


def test_an_agreement_verb_runs_from_source_to_goal():
    from signlib.synthesis.performance import perform
    from signlib.synthesis.signers import make_signer
    from signlib.synthesis.signs import Use

    sign = next(
        sign
        for sign, role in zip(SMALL.lexicon, SMALL.grammar.roles, strict=False)
        if role == "AGREEMENT"
    )
    signer = make_signer(0, hardness=0)
    for source, goal, way in (("LEFT", "RIGHT", -1), ("RIGHT", "LEFT", 1)):
        performance = perform([Use(sign, source, goal)], signer, np.random.default_rng(0))
        first, last = performance.spans[0]
        moved = performance.points[last - 1, 522:543].mean(0) - performance.points[
            first, 522:543
        ].mean(0)
        assert way * moved[0] > 0.15, "metres to the signer's left"


@pytest.mark.parametrize(
    ("settings", "value"),
    [({"glosses": 1}, "1 signs"), ({"signers": 2}, "signers=2"), ({"sentences": 0}, "sentences=0")],
)
def test_settings_that_cannot_be_are_refused(settings, value):
    with pytest.raises(SettingsError, match=value):
        SentenceCorpus(**settings)


@pytest.mark.parametrize("name", ["", "signer00_sentence9999", "signer00_sign0000_take00", "../x"])
def test_an_unknown_clip_is_refused(name):
    with pytest.raises(SettingsError, match="not in this generated corpus"):
        SMALL.clip(name)
