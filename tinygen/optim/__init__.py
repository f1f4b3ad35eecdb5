"""Optimisers, clipping, learning-rate schedules, averaged weights. Names and formulas are PyTorch's."""

from tinygen.optim.adam import Adam, AdamW
from tinygen.optim.clip import clip_grad_norm_, clip_to_norm_
from tinygen.optim.ema import EMA
from tinygen.optim.gradient_descent import SGD, RMSprop
from tinygen.optim.optimiser import Optimiser
from tinygen.optim.schedule import LambdaLR, constant, cosine, linear_warmup, step_decay
