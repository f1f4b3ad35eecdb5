"""Gradient clipping by the norm over all parameters (Pascanu et al. 2013, algorithm 1).

Held by tests/optim/test_optimisers.py and tests/pytorch/.
"""

from collections.abc import Iterable
from typing import Any

from tinygen import kernels
from tinygen.autodiff import guard
from tinygen.kernels.array_module import xp
from tinygen.tensor import Tensor


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scales the gradients in place so that their Euclidean norm, all taken as one vector, is at most `max_norm`.

    Parameters without a gradient are passed over. As in PyTorch the factor is max_norm / (norm + 1e-6).

    Returns:
        The norm before; `clip_to_norm_` is the same for those who do not want to wait for it.

    Raises:
        ValueError: a max_norm that is not above 0.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be above 0, not {max_norm}")
    return float(clip_to_norm_([parameters] if isinstance(parameters, Tensor) else parameters, max_norm))


def clip_to_norm_(parameters: Iterable[Tensor], max_norm: float | None) -> Any:
    """As `clip_grad_norm_`, the norm as an array of shape () where the gradients are; None clips nothing."""
    gradients = [p.grad._data for p in parameters if p.grad is not None]
    norm = kernels.gradient_norm(gradients)  # type: ignore[attr-defined]
    if max_norm is not None:
        factor = xp(norm).minimum(max_norm / (norm + 1e-6), 1.0)
        kernels.scale_all(gradients, factor)  # type: ignore[attr-defined]
        guard.written(*gradients)
    return norm
