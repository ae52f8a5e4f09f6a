"""Fitting a model.

batches            clips in memory, and landmarks to padded batches with masks
augment            changes of landmarks that leave a sign the same
augment_video      changes of all modalities of a clip together
augment_sentences  changes of sentences that leave their glosses true
actions            clips of whole bodies: batches, changes, fitting
frozen             frozen features and landmarks to batches
multimodal         clips in colour, depth and landmarks to batches
phonology          phonological features: batches, random views, codebooks, fitting
sentences          sentences to batches, and their fitting
losses             a larger model's scores; of sentences all alignments, focal, smoothing
fitting            what fitting has in common: averaged weights, selection, resume, between epochs
loggers            the history for other programs: csv, TensorBoard, MLflow
classification     what one step computes for single signs, and their scores
baseline           readers that learn nothing in steps, and their batches
optim              parameter groups, warm-up and decay of the learning rate
devices            accelerator, precision, one process a device
fit                the trainer: one call that fits a model; which clips make which batch
footprint          what a step costs: memory and arithmetic counted, time measured
"""
