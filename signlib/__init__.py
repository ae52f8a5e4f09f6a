"""Sign language recognition: a tested package beside a course of notebooks.

Data is turned into features; models read features; training fits models;
decoding turns scores into glosses; evaluation says how good, how sure and
how fast. The folders are that sentence; `docs/architecture.md` is the map.
"""

__version__ = "0.1.0"
