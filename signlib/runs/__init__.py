"""A run: one folder with its settings, what it measured and what it learned.

run           start, open and finish a run; read its results back
checks        what the files of a run may say
weights       its weights, and `model.json` beside them
publishing    copy the small files of a finished run to `results/`
simple_model  its weights under the file names of source 004
"""
