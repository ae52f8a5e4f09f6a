"""Fitting a model.

batches   stores to padded batches with masks
augment   changes of a clip that leave its sign the same
actions   clips of whole bodies to streams
multimodal     clips in colour, depth and landmarks to batches
augment_video  changes of all modalities of a clip together
ctc_losses  of sentences: focal, smoothing, distillation frame by frame
sentences  sentence_task   sentences to batches, their changes, and what one step of theirs computes
optim     parameter groups, warm-up and decay
tasks     what one step computes, as a Lightning module
order     which clips make which batch, on which device
devices   accelerator, precision, one process a device
footprint  what a step costs: memory and arithmetic counted, time measured
fit       the trainer: early stopping, resume, time budget
"""
