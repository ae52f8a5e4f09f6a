"""Sign language recognition: a tested package beside a course of notebooks.

Data is turned into features; models read features; training fits models;
decoding turns scores into glosses; evaluation says how good, how sure and
how fast. The folders are that sentence; `docs/architecture.md` is the map.

What one needs first loads when it is touched (`signlib.api` documents it):
open_run, open_store, train, predict, example, presets, corpora.
"""

__version__ = "0.1.0"

__all__ = ["corpora", "example", "open_run", "open_store", "predict", "presets", "train"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'signlib' has no attribute {name!r}")
    if name == "corpora":
        # The room of that name can be called, too.
        return import_module("signlib.corpora")
    return getattr(import_module("signlib.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
