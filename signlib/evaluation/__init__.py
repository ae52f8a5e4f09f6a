"""How good a system is, and how long it takes.

metrics     clips that are right, by class, and what is taken for what
wer         sentences: alignment, word error rate, errors by signer and by gloss
neighbours  the baseline without training: the gloss of the most similar training clip
profiling   how long a model takes
"""
