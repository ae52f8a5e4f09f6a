"""How good, how sure.

metrics  accuracy with its interval, per class and per signer
tables   results for the README and the last notebook
plots    the figures of the course
"""
