"""Computed once, kept.

store     how a store was made, and features read through a memory map
journal   folders filled clip by clip that survive `kill -9` and a full disk
writer    makes stores of features, also of files of other tools, one a clip
renewal   what a store is made of and whether that changed; stores that are made again
pictures  pictures of clips, kept as JPEG and PNG: read and written
"""
