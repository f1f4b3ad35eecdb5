"""Gradient clipping by the norm over all parameters (Pascanu et al. 2013, algorithm 1).

Held by tests/optim/test_optimisers.py and tests/pytorch/.
"""

import math
from collections.abc import Iterable
from typing import Any

from tinygen.autodiff import guard
from tinygen.kernels.array_module import xp
from tinygen.tensor import Tensor


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scales the gradients in place so that their Euclidean norm, all taken as one vector, is at most `max_norm`.

    Parameters without a gradient are passed over. As in PyTorch the factor is max_norm / (norm + 1e-6).

    Returns:
        The norm before.

    Raises:
        ValueError: a max_norm that is not above 0.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be above 0, not {max_norm}")
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    gradients = [p.grad for p in tensors if p.grad is not None]
    norm = math.sqrt(sum(_squared(g._data) for g in gradients))
    factor = max_norm / (norm + 1e-6)
    if factor < 1.0:
        for g in gradients:
            g._data *= factor
            guard.written(g._data)
    return norm


def _squared(g: Any) -> float:
    flat = g.ravel(order="K")
    return float(xp(g).dot(flat, flat))
