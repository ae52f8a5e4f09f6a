"""What was signed: the forms of files, and the corpora that come in them.

manifest         one table for every corpus, and what is wrong with it
leftovers        what lies in a folder and is not read
explore          a manifest in numbers: balance, lengths, what the splits share
vocabulary       glosses and their class numbers
skeletons        points by name: parts, bones, left/right pairs, adjacency
origins          size and time of the files that something was made of
points           which landmarks can be used, and what a file's numbers mean
frame_choice     which frames of a film make a clip: segments, rates, samples
video            frames of a clip: a video file, or a folder of pictures
picture_folders  numbered pictures as the frames of a clip
transcripts      sentences as sclite reads them: stm and ctm files
score_files      class scores of several streams: published, of runs, or made up
autsl            AUTSL in its official layout
wlasl            WLASL in its official layout
phoenix          PHOENIX-2014 in its official layout, and the rules of its scoring
ntu60            NTU RGB+D 60 in its official layout
ntu60_arrays     NTU RGB+D 60 as other people's .npz and .npy arrays
"""
