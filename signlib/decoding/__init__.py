"""Scores to glosses.

ctc             the best path, how long a clip must be, and the plain prefix search
alignment       when each gloss was signed, and a reading's probability over all alignments
beam            the same search fast, with a language model
flashlight      another library's search behind the same interface
language_model  n-grams over glosses: training, ARPA files, perplexity
"""
