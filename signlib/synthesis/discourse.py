"""Who is where in signing space: pointing, agreement and handling in one sentence.

A person who is pointed at gets a locus; later pointing and agreement verbs use it. A handling verb
takes the handshape that holds its object.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signlib.synthesis.grammar import Grammar
from signlib.synthesis.signs import POINTING, Sign, Use

# Loci that persons who are not present can be given.
PLACES = ("LEFT", "RIGHT", "FAR_LEFT", "FAR_RIGHT", "UP_LEFT", "UP_RIGHT")
# Kind of object -> the handshape that holds one.
HOLDS = {"sheet": "FLAT", "ball": "CLAW", "tube": "ROUND", "coin": "PINCH", "stick": "FIST"}


@dataclass(frozen=True)
class Token:
    """One sign of a sentence and what it means there.

    Attributes:
        gloss, role: as in the grammar.
        source, goal: loci where it starts and ends, "" where it has none.
        handshape: of a handling verb, in place of its own.
        about: gloss of the person pointed at, or of the object handled; "" for others, SIGNER and
            ADDRESSEE.
        subject, object: glosses (or SIGNER, ADDRESSEE) of an agreement verb.
    """

    gloss: str
    role: str
    source: str = ""
    goal: str = ""
    handshape: str = ""
    about: str = ""
    subject: str = ""
    object: str = ""

    def use(self, lexicon: dict[str, Sign]) -> Use:
        """How it is performed."""
        return Use(lexicon.get(self.gloss, POINTING), self.source, self.goal, self.handshape)


def object_kind(index: int) -> str:
    """What kind of thing sign number `index` of a lexicon names, if it names an object."""
    return list(HOLDS)[(7 * index + index // 5) % len(HOLDS)]


def interpret(said: Sequence[int], grammar: Grammar, rng: np.random.Generator) -> list[Token]:
    """The signs of a sentence with their loci and handshapes.

    Args:
        said: numbers from `Grammar.sentence`.
        rng: decides which free locus a person gets and whom a pronoun means.
    """
    free = [PLACES[k] for k in rng.permutation(len(PLACES))]
    places = {"SIGNER": "SIGNER", "ADDRESSEE": "ADDRESSEE"}
    # Persons with a locus, the last mentioned last, and the last object, -1 = none yet.
    mentioned: list[str] = []
    thing = -1
    tokens: list[Token] = []
    for k, number in enumerate(said):
        gloss, role = grammar.glosses[number], grammar.roles[number]
        if role == "POINT":
            before = tokens[-1] if k else None
            if before is not None and before.role == "PERSON":
                who = before.gloss
                if who not in places and free:
                    places[who] = free.pop()
            elif mentioned:
                who = mentioned[rng.integers(len(mentioned))]
            else:
                who = ("SIGNER", "ADDRESSEE")[rng.integers(2)]
            if who not in places:
                # All loci are taken: the person who was mentioned least recently makes room.
                places[who] = places.pop(mentioned.pop(0))
            if who not in ("SIGNER", "ADDRESSEE"):
                mentioned = [name for name in mentioned if name != who] + [who]
            tokens.append(Token(gloss, role, goal=places[who], about=who))
        elif role == "AGREEMENT":
            subject = mentioned[-1] if mentioned else "SIGNER"
            others = [name for name in (*mentioned, "SIGNER", "ADDRESSEE") if name != subject]
            other = others[0] if mentioned[:-1] else others[rng.integers(len(others))]
            tokens.append(
                Token(gloss, role, places[subject], places[other], subject=subject, object=other)
            )
        elif role == "HANDLING" and thing >= 0:
            shape = HOLDS[object_kind(thing)]
            tokens.append(Token(gloss, role, handshape=shape, about=grammar.glosses[thing]))
        else:
            thing = number if role == "OBJECT" else thing
            tokens.append(Token(gloss, role))
    return tokens
