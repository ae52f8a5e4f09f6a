"""Names that moved to `bodies`, `clips` and `registry`."""

# until tasks ask the registry: delete this file then
from signlib.corpora.bodies import actors  # noqa: F401
from signlib.corpora.clips import load_actions  # noqa: F401
from signlib.corpora.generated import GENERATED_ACTIONS
from signlib.corpora.registry import CORPORA

SPLIT_TYPES = {name: corpus.split_types for name, corpus in CORPORA.items() if corpus.split_types}
actions_world = GENERATED_ACTIONS.world
