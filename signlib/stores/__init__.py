"""Computed once, kept.

store     how a store was made, and features read through a memory map
journal   folders filled clip by clip that survive `kill -9` and a full disk
writer    makes stores of features
pictures  pictures of clips, kept as JPEG and PNG: read and written
"""
