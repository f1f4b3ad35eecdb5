"""Tensors, layers and optimisers: closed forms."""
