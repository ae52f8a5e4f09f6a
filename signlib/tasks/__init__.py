"""The families of models, one file each; what the rest of the program asks of them.

task               the protocol: clips, network, fitting, test, prediction by a finished run
registry           from the setting `task` to its code; a finished run ready to predict
isolated           what families of single signs share
landmarks          signs from landmarks alone; what families that read nothing else share
baseline           signs without a network: support vectors, or the nearest training clip
modalities         signs from colour, depth and landmarks
lost_modalities    what runs on several modalities reach when a sensor fails
frozen             signs from frozen visual features
graph              actions of whole bodies by graph networks
phonology          signs from readable features, and pre-training on them
sentences          sentences from landmarks
sentence_clips     landmarks as a network for sentences reads them
sentence_reading   sentences in clips of one's own, with times and other readings
sentence_report    what a trained network for sentences reads
"""
