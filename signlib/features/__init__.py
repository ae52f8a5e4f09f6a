"""Computed once, kept.

store      memory-mapped arrays, an index, and how they were made; store_writer makes them
landmarks  video to 543 points with MediaPipe Holistic
quality    what a store's landmarks look like: drop-outs, jitter
exchange   .npy per clip and .pose files, in and out
normalise  signer-centred, scale-free points; gaps; mirroring
"""
