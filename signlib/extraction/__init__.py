"""Clips to stores: a file an extractor, one registry, and files of other tools in and out.

registry         one row an extractor; `register` adds one from outside the package; its settings
landmarks        videos to stores of landmarks
holistic         MediaPipe Holistic: frames to points
holistic_models  its model files, without what nobody reads
pictures         videos, or generated clips, to stores of pictures
filming          the pictures of a clip: decoded from files, or rendered
phonology        landmarks to thirty-six readable numbers a frame
frozen           videos to one vector a frame, from an encoder that nobody trains
towers           the vision encoder of any model that transformers loads, without the rest of it
workers          clips dealt to workers, results in order and into a store
shards           a store made in parts
quality          what a store's landmarks look like: drop-outs, jitter; how long they took
exchange         .npy and .pose files of landmarks, one a clip, in and out
pose_files       .pose files of any version and layout, read by the names of their points
frozen_files     features and landmarks as the files of source 004, in and out
"""
