"""Features to scores. Models take sizes as arguments and know no corpus.

network        what networks have in common: batch, encoder, classifier
layers         pieces that several models share
landmarks      the BERT encoder on landmarks, in the layouts `original` and `cls`
classifier     encoder and head together
baseline       support vectors, or the nearest clip: readers that learn nothing in steps
video          VideoMAE on colour or depth
fusion         several modalities to one vector, and to scores
frozen         the classifier of source 004 on the features of a frozen encoder
phonology      the recogniser of source 002 on 36 numbers a frame
pretext        learning from clips without glosses
graph          the adjacency of any skeleton, and sums over its neighbours
gcn            the graph network of source 003
gcn_layers     its layers, gates and attention
gcn_heads      its pooling and heads
ctc            sentences: the networks of source 001
ctc_blocks     their convolutions, recurrent layers and outputs
ctc_attention  their attention
ctc_front      landmarks to features before them
compact        a small network that can read while people sign
counting       multiply-accumulates, and the parts of a landmark encoder
"""
