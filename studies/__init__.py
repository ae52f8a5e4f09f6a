"""Measurements that cards and docs quote: what the generated corpus is worth. Each prints its
table.

realism      does it move like recorded corpora?
modalities   do colour, depth and landmarks tell different things?
pretraining  does training on it first help on recorded clips?
phonology    do the readable features tell what was signed?
phonology_pretraining    option B of seed 002: does pre-training without glosses help a classifier
by CTC? vocabulary_size    option A of seed 002: what larger vocabularies need, and what WLASL has
frozen       the landmark half of the classifier on frozen features against a support vector machine
frozen_attention    attention over time against the seed's attention over one key coverage     do 95
% intervals hold the truth 95 times in a hundred?
"""
