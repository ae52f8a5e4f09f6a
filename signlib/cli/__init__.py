"""The command line.

parser         what can be typed
verbs          what each verb does
source_flags   the flags of the sources 003 and 004, as settings
"""
