"""Named corpora: each has its file, and its row in the registry.

corpus      what a corpus is: facts, manifest, clips
registry    a row for each; from a name, or from a folder that a person has, to the corpus
clips       from settings to manifest, clips and folder
splits      who trains, validates and tests
gallery     a few pictures of a clip, whatever its corpus offers

generated   signs, sentences and actions that are made on the spot
stitched    sentences made of clips of single signs, of any corpus that has them
autsl wlasl phoenix_2014    official corpora of videos and pictures
folder      any folder of videos with a manifest.csv, or one sub-folder a gloss
store       landmarks that `extract` made
ntu60 nw_ucla       whole bodies in action
bodies              what those share: who acts
dgs_30 asl_words_letters wlasl_50   landmarks in one .npz file
landmark_files      what those share: reading the file, what was not seen
"""
