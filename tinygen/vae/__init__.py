"""Autoencoders: deterministic, denoising, variational and conditional; their bounds and estimators, one file each.

Every quantity is in nats, summed over the dimensions of an example and averaged over the batch; a weight that is not 1
is an option by its name. Nothing here assumes images.
"""
