"""How good, how sure.

metrics  accuracy with its interval, per class and per signer
tables   results for the README and the last notebook
plots    the figures of the course
profiling  how long a model takes
frontier   published results on NTU RGB+D 60 against size
wer  wer_report  resampling   sentences: error counts, what `signlib wer` prints, intervals and paired tests
paired   two systems on the same clips: exact McNemar, intervals over signers
ensemble    several runs as one, weights equal
late_fusion  fusion_report   streams put together by their scores, and what notebook 21 asks of them
"""
