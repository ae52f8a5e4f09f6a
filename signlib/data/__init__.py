"""What was signed.

manifest    one table for every corpus, and what is wrong with it
explore     a manifest in numbers: balance, lengths, what leaks between splits
folder      any folder of videos with a manifest.csv, or one sub-folder a gloss
autsl wlasl phoenix ntu60   official corpora in their official layouts
ntu60_arrays  NTU RGB+D as other people's .npz and .npy arrays
nw_ucla     ten actions before several Kinects
transcripts sentences as sclite reads them: stm and ctm files
landmark_files  corpora that come as landmarks in one .npz file
score_files  class scores of several streams: published, of runs, or made up
vocabulary  glosses and their class numbers
skeletons   points by name: parts, bones, left/right pairs, adjacency
video       frames of a clip through PyAV
"""
