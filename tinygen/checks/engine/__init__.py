"""Tensors, layers and optimisers: closed forms."""

from tinygen.checks.engine import gradients, layers, measuring, updates
