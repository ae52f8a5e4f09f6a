"""Features to scores. Models take sizes as arguments and know no corpus.

layers      pieces that several models share
landmarks   the BERT encoder on landmarks, in the layouts `seed` and `cls`
classifier  encoder and head together
frozen      seed 004's classifier on the features of a frozen encoder
graph  gcn  gcn_layers  gcn_gather  gcn_gates  gcn_heads   seed 003's graph network, and the
adjacency of any skeleton catalogue   every preset and stated size, built and counted ctc
ctc_blocks  ctc_attention  ctc_output   sentences: seed 001's networks and what they are made of
ctc_front  compact   features of landmarks before them; a small network that can read while people
sign
"""
