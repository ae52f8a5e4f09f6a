"""Named corpora: each has its file, and its row in the registry.

corpus             what a corpus is: facts, manifest, clips
registry           a row for each; from a name, or from a folder that a person has, to the corpus
clips              from settings to manifest, clips and folder
splits             who trains, validates and tests
gallery            a few pictures of a clip, whatever its corpus offers

generated          signs, sentences and actions that are made on the spot
stitched           sentences made of clips of single signs, of any corpus that has them
autsl              226 Turkish signs in colour and depth
wlasl              2,000 American signs from the web
phoenix_2014       German weather forecasts: sentences as folders of pictures
ntu60              sixty everyday actions of whole bodies
nw_ucla            ten actions of whole bodies from three views
bodies             what corpora of whole bodies share: who acts
dgs_30             30 German signs of a crowd, as landmarks
asl_words_letters  American signs and fingerspelled letters, as landmarks
wlasl_50           50 American signs, as landmarks
landmark_files     what corpora of landmarks share: reading the file, what was not seen
folder             any folder of videos with a manifest.csv, or one sub-folder a gloss
store              landmarks that `extract` made
"""


def _make_callable() -> None:
    # `signlib.corpora()` is public, and this room has its name: the room answers in its place.
    import sys
    from importlib import import_module
    from types import ModuleType

    class Room(ModuleType):
        def __call__(self) -> object:
            return import_module("signlib.api").corpora()

    sys.modules[__name__].__class__ = Room


_make_callable()
