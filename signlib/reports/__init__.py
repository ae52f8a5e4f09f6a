"""Tables, pages and figures of finished runs.

cells               numbers as text: a value beside its interval, a table in markdown
plots               the figures of the course, all of one look
run_groups          runs lined up on the same clips, and grouped into systems over seeds
comparison          a few runs, each against one of them
comparison_family   several comparisons as one family of tests: table and figure
ablation            conditions over several seeds, each against its best member
ensemble            several runs as one, their scores added
corpus_report       what `signlib compare` says of one corpus
compare_report      what `signlib compare` says, of one corpus or several
sentence_table      a sweep over networks for sentences
wer_report          what `signlib wer` says
late_fusion         streams put together by their scores
results_table       published runs as one table, such as the README's
published_frontier  published results on NTU RGB+D 60 against size
vocabulary_size     sizes that source 002 states for larger vocabularies, and the true ones
"""
