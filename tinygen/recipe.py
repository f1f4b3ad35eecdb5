"""How a model is trained when nobody says otherwise: what a family states and the training room reads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a model is trained on one data set unless the command line says otherwise."""

    steps: int = 3000
    """Optimiser steps."""
    batch_size: int = 64
    """Examples per step."""
    lr: float = 2e-4
    """Learning rate after the warm-up."""
    ema_decay: float = 0.999
    """Decay of the averaged weights that samples are drawn from; 0 draws from the weights themselves."""
    grad_clip: float = 1.0
    """Greatest norm of the gradient over all parameters; 0 leaves the gradient alone."""
    warmup: int = 0
    """Steps over which the learning rate rises linearly from 0."""
    sample_every: int = 500
    """Steps between the pictures drawn while training."""
    pictures: int = 36
    """Samples in each of those pictures."""
