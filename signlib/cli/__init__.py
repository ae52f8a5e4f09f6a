"""The command line.

parser       what can be typed
verbs        what each verb does
source_003   the flags of source 003's command line, as settings
source_004   the flags of source 004's scripts, as settings
"""
