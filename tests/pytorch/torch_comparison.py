"""Values, gradients and gradients of gradients of one function, in tinygen and in PyTorch, float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import tinygen as tg

RTOL, ATOL = 1e-9, 1e-10


def _both(value: Any) -> tuple[Any, Any]:
    """`value` for each side; floating arrays carry a gradient."""
    if not isinstance(value, np.ndarray):
        return value, value
    floating = value.dtype.kind == "f"
    return tg.tensor(value, requires_grad=floating), torch.tensor(value, requires_grad=floating)


def equal(ours: Any, theirs: Any, what: str) -> None:
    np.testing.assert_allclose(
        np.asarray(ours), theirs.numpy(force=True), rtol=RTOL, atol=ATOL, err_msg=f"{what} differs from PyTorch's"
    )


def _derivatives(value: Any, inputs: list[Any], grad: Callable[..., Any], like: Callable[..., Any], order: int) -> Any:
    """The gradients of orders 1 to `order` along fixed directions, one list per order."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(order):
        scalar = (value * like(rng.normal(size=tuple(value.shape)))).sum()
        gradients = [g if g is not None else like(np.zeros(x.shape)) for g, x in zip(grad(scalar, inputs), inputs)]
        found.append(gradients)
        value = sum((g * like(rng.normal(size=tuple(g.shape)))).sum() for g in gradients)
        if not value.requires_grad:
            break
    return found


def _grad(scalar: Any, inputs: list[Any]) -> Any:
    return tg.grad(scalar, inputs, create_graph=True, allow_unused=True)


def _torch_grad(scalar: Any, inputs: list[Any]) -> Any:
    return torch.autograd.grad(scalar, inputs, create_graph=True, allow_unused=True)


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], *arguments: Any, order: int = 2) -> None:
    """Asserts equal values, and equal gradients up to `order`, of two functions of the same arrays and options."""
    pairs = [_both(a) for a in arguments]
    y, z = ours(*(a for a, _ in pairs)), theirs(*(b for _, b in pairs))
    assert y.shape == tuple(z.shape)
    equal(y.detach(), z, "the value")
    inputs = [(a, b) for a, b in pairs if isinstance(a, tg.Tensor) and a.requires_grad]
    if y.requires_grad:
        hold(y, z, [a for a, _ in inputs], [b for _, b in inputs], order)


def hold(y: Any, z: Any, ours: list[Any], theirs: list[Any], order: int = 2) -> None:
    """Asserts that y and z have equal gradients up to `order` with respect to the leaves `ours` and `theirs`."""
    found = _derivatives(y, ours, _grad, tg.tensor, order)
    expected = _derivatives(z, theirs, _torch_grad, torch.tensor, order)
    for n in range(max(len(found), len(expected))):
        for i, x in enumerate(ours):  # a gradient that depends on nothing any more has derivative zero
            zero = tg.tensor(np.zeros(x.shape))
            a = found[n][i] if n < len(found) else zero
            b = expected[n][i] if n < len(expected) else torch.zeros(x.shape, dtype=torch.float64)
            equal(a.detach(), b, f"the gradient of order {n + 1} with respect to input {i}")


def weights_of(layer: Any) -> dict[str, torch.Tensor]:
    """The state of one of our layers, for PyTorch's `load_state_dict`."""
    return {name: torch.tensor(np.asarray(value)) for name, value in layer.state_dict().items()}


def real(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).uniform(low, high, shape)


def distinct(*shape: int) -> np.ndarray:
    """Entries at least 0.1 apart."""
    count = int(np.prod(shape))
    return np.random.default_rng(count).permutation(count).reshape(shape) * 0.1 - 0.37
