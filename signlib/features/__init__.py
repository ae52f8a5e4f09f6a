"""Computed once, kept.

store         memory-mapped arrays, an index, and how they were made
store_writer  makes stores that survive `kill -9` and a full disk
shards        a store made in parts
holistic      MediaPipe Holistic: frames to points
landmarks     videos to stores of points
quality       what a store's landmarks look like: drop-outs, jitter
exchange      .npy per clip and .pose files, in and out
normalise     signer-centred, scale-free points; gaps; mirroring
"""
