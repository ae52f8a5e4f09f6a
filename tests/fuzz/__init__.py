"""Damaged files for every reader: nothing is accepted in silence, nothing else ends with a fault.

    damage    what is done to a file: bytes, lines, columns, values, headers
    samples   whole files of every kind, made by the project
    readers   the table of readers: what makes their files, what reads, what may be accepted
    inputs    one input after the other, in processes that are watched
    trust     the results as a part of docs/trust.md
    __main__  `python -m tests.fuzz`

An input is a reader's name and a number; `python -m tests.fuzz READER --only NUMBER` makes it
again.
"""
