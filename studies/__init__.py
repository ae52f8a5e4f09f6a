"""Measurements that cards and docs quote. Each prints its table.

realism                does the generated corpus move like recorded corpora?
modalities             do colour, depth and landmarks tell different things?
pretraining            does training on generated signs first help on recorded clips?
phonology              do the readable features tell what was signed?
phonology_pretraining  option B of source 002: does pre-training without glosses help a classifier?
vocabulary_size        option A of source 002: what larger vocabularies need, and what WLASL has
frozen                 the landmark half of the frozen classifier against a support vector machine
frozen_attention       attention over time against attention over one key, that of source 004
coverage               do 95 % intervals hold the truth 95 times in a hundred?
"""
