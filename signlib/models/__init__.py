"""Features to scores. Models take sizes as arguments and know no corpus.

layers      pieces that several models share
landmarks   the BERT encoder on landmarks, in the layouts `seed` and `cls`
classifier  encoder and head together
catalogue   every preset and stated size, built and counted
ctc  ctc_blocks  ctc_attention  ctc_output   sentences: seed 001's networks and what they are made of
"""
