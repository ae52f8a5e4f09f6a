"""How good, how sure.

metrics  accuracy with its interval, per class and per signer
statistics   two systems by every test that fits, a verdict in words; compare_report, run_groups:
`signlib compare` family   several comparisons at once: clips beside signers, Holm variation  seeds
power   what varies (clips, signers, seeds) and its intervals; tests over seeds; what a plan can
find profiles  stochastic_order  across_corpora   seeds on several tasks, levels, corpora tables
results for the README and the last notebook plots    the figures of the course profiling  how long
a model takes frontier   published results on NTU RGB+D 60 against size wer  wer_report  resampling
mapsswe   sentences: error counts, what `signlib wer` prints, intervals, paired tests sentence_table
what a sweep over networks for sentences found paired   two systems on the same clips: exact McNemar
(bounds where only totals are known), intervals over signers ensemble    several runs as one,
weights equal late_fusion  fusion_report   streams put together by their scores, and what notebook
21 asks of them
"""
