"""Computed once, kept.

store         memory-mapped arrays, an index, and how they were made
journal       folders filled clip by clip that survive `kill -9` and a full disk
store_writer  makes stores
pictures      sampled frames of clips, kept as JPEG and PNG
filming       the frames of a clip: decoded from files, or rendered
frozen        videos to one vector a frame, from an encoder that nobody trains
towers        the vision encoder of any model that transformers loads, without the rest of it
familiar      is a clip like those of training: length, hands not found, visual features
frozen_files  features and landmarks as seed 004 keeps them, in and out
shards        a store made in parts
holistic      MediaPipe Holistic: frames to points
holistic_models  its model files, without what nobody reads
workers       clips dealt to processes, results in order
landmarks     videos to stores of points
quality       what a store's landmarks look like: drop-outs, jitter
exchange      .npy per clip and .pose files, in and out
actors        who acts in a clip of skeletons, and the axes they are seen in
streams       joints, bones and how both move
dynamics      position, velocity, acceleration of everything: 6,516 features a frame
stitched      sentences made of clips of single signs
reduce        principal components, fitted on training clips
phonology     thirty-six numbers that a linguist can read
normalise     signer-centred, scale-free points; gaps; mirroring
"""
