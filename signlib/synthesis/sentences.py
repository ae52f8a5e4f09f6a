"""A corpus of continuous signing: sentences with the frames, loci and objects of every sign.

It has a manifest like every corpus, and instead of files a function from clip name to landmarks.
"""

import re
from dataclasses import asdict, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from signlib.errors import SettingsError
from signlib.synthesis import camera, discourse, seeding
from signlib.synthesis.clips import about_signer, split_signers
from signlib.synthesis.grammar import LONGEST, Grammar
from signlib.synthesis.performance import Performance, perform
from signlib.synthesis.signers import Signer, make_signer
from signlib.synthesis.signs import POINTING, Sign, make_lexicon, variant

MOST_SENTENCES = 10_000
# How much faster people sign in sentences than sign by sign.
FLUENT = 1.8
_NAME = re.compile(r"signer(\d{2})_sentence(\d{4})")


class SentenceCorpus:
    """Every signer says their own sentences.

    A clip depends on seed, hardness, grammar and its name only.

    Attributes:
        lexicon: the signs; the grammar has pointing as one more gloss.
        grammar: the exact n-gram that sentences come from.
        signers: test signers are the last ones, validation signers come before them.
        splits: number of each signer -> its split.
        width, height, fps: of every clip.
    """

    width, height, fps = 512, 512, 25.0

    def __init__(
        self,
        glosses: int = 100,
        signers: int = 10,
        sentences: int = 20,
        lengths: tuple[int, int] = (1, LONGEST),
        order: int = 2,
        seed: int = 0,
        hardness: float = 1.0,
    ) -> None:
        """A corpus of signers x sentences clips.

        Args:
            glosses: 2 to 2000.
            signers: 3 to 100; a fifth of them (at least one) for validation and as many for the
                test.
            sentences: of each signer, 1 to 10000.
            lengths: fewest and most signs of a sentence, within 1..15.
            order: of the grammar, 1 to 3.

        Raises:
            SettingsError: for a value out of range.
        """
        self.splits = split_signers(signers)
        if not 1 <= sentences <= MOST_SENTENCES:
            raise SettingsError(
                f"sentences={sentences}: give 1 to {MOST_SENTENCES} for each signer"
            )
        self.seed, self.hardness, self.sentences = seed, float(hardness), sentences
        self.lexicon: list[Sign] = make_lexicon(glosses, seed)
        self.grammar = Grammar(self.lexicon, order, lengths, seed)
        self.signers: list[Signer] = [
            make_signer(index, seed, hardness) for index in range(signers)
        ]
        self._signs = {sign.gloss: sign for sign in self.lexicon}

    def __len__(self) -> int:
        return len(self.signers) * self.sentences

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row a clip; `glosses` holds the sentence, `gloss` and `file` are empty.

        Ask `clip(name)`.
        """
        rows = []
        for i, k in product(range(len(self.signers)), range(self.sentences)):
            # Generators are seeded with these names: another name is another clip.
            name = f"{self.signers[i].name}_sentence{k:04d}"
            rows.append(
                {
                    "clip": name,
                    "file": "",
                    "gloss": "",
                    "signer": self.signers[i].name,
                    "split": self.splits[i],
                    "start": 0,
                    "end": -1,
                    "fps": self.fps,
                    "glosses": " ".join(token.gloss for token in self.tokens(name)),
                }
            )
        return pd.DataFrame(rows)

    def tokens(self, name: str) -> list[discourse.Token]:
        """The signs of clip `name` with their loci and handshapes.

        Raises:
            SettingsError: for a name that is not in the manifest.
        """
        self._find(name)
        grammar = self.grammar
        # The sentence does not depend on hardness: the same is said before any camera.
        rng = seeding.generator(
            self.seed, "sentence", len(self.lexicon), grammar.order, *grammar.lengths, name
        )
        return discourse.interpret(grammar.sentence(rng), grammar, rng)

    def clip(self, name: str) -> np.ndarray:
        """(T, 543, 4) float32: x, y, z, visibility in mediapipe-543; a lost hand is all NaN."""
        return camera.film(
            self.performance(name).points,
            self.seated(name),
            seeding.generator(self.seed, self.hardness, name, "camera"),
            width=self.width,
            height=self.height,
            fps=self.fps,
        )

    def seated(self, name: str) -> Signer:
        """The signer of clip `name` with the camera of that take, for landmarks and for video."""
        return camera.seated(
            self._find(name), seeding.generator(self.seed, self.hardness, name, "seat")
        )

    def performance(self, name: str) -> Performance:
        """What happens before the camera in clip `name`: points in metres and frames of signs."""
        signer, tokens = self._find(name), self.tokens(name)
        forms = {gloss: form for gloss, (form, _) in self._forms(tokens, signer).items()}
        uses = [token.use(forms) for token in tokens]
        signer = replace(signer, tempo=FLUENT * signer.tempo)
        return perform(uses, signer, seeding.generator(self.seed, self.hardness, name), self.fps)

    def spans(self, name: str) -> np.ndarray:
        """(U, 2) first and past-last frame of each sign of clip `name`."""
        return np.array(self.performance(name).spans)

    def truth(self, name: str) -> dict[str, Any]:
        """All that is known about clip `name`: signer, camera, and a list `signs`.

        A sign has its gloss, role, loci, objects, and its first and past-last frame. `phonology` is
        the form that this signer has of it before loci and objects change it, and `variant` how
        that differs from the lexicon's.
        """
        spans, tokens = self.performance(name).spans, self.tokens(name)
        forms = self._forms(tokens, self._find(name))
        signs = []
        for token, (start, end) in zip(tokens, spans, strict=True):
            form, how = forms.get(token.gloss, (POINTING, ""))
            signs.append(
                {
                    **asdict(token),
                    "variant": how,
                    "phonology": asdict(form),
                    "start": start,
                    "end": end,
                }
            )
        return {**about_signer(self.seated(name)), "signs": signs}

    def _forms(self, tokens: list[discourse.Token], signer: Signer) -> dict[str, tuple[Sign, str]]:
        # Gloss -> the form in which this signer makes it, and what is different.
        glosses = {token.gloss for token in tokens} & self._signs.keys()
        return {
            gloss: variant(self._signs[gloss], signer, self.seed, self.lexicon)
            for gloss in sorted(glosses)
        }

    def _find(self, name: str) -> Signer:
        match = _NAME.fullmatch(name)
        if match:
            i, k = map(int, match.groups())
            if i < len(self.signers) and k < self.sentences:
                return self.signers[i]
        raise SettingsError(
            f"clip {name!r} is not in this generated corpus of {len(self.signers)} signers with"
            f" {self.sentences} sentences each; take a name from its manifest"
        )
