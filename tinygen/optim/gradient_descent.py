"""`SGD` with momentum (Sutskever et al. 2013) and `RMSprop` (Hinton's lecture 6e; Graves 2013), PyTorch's forms.

Held by tests/optim/test_optimisers.py and tests/pytorch/.
"""

from collections.abc import Mapping
from typing import Any

from tinygen.kernels.array_module import xp
from tinygen.optim.optimiser import Optimiser, Parameters, State, in_range


class SGD(Optimiser):
    """p <- p - lr g; with momentum b <- momentum b + (1 - dampening) g, from b = g, and b in place of g.

    Args:
        params: tensors, or dicts for groups.
        lr: learning rate.
        weight_decay: its product with p is added to the gradient.
        nesterov: g + momentum b in place of b.

    Raises:
        ValueError: an option out of range, or nesterov without momentum.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        in_range("SGD", group, momentum=(0.0, None))
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and no dampening")

    def _update(self, p: Any, g: Any, state: State, group: Mapping[str, Any]) -> None:
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        momentum = group["momentum"]
        if momentum:
            b = state.get("momentum_buffer")
            if b is None:
                b = state["momentum_buffer"] = xp(p).empty_like(p)
                b[...] = g
            else:
                b *= momentum
                b += (1.0 - group["dampening"]) * g
            g = g + momentum * b if group["nesterov"] else b
        p -= group["lr"] * g


class RMSprop(Optimiser):
    """p <- p - lr g / (sqrt(s) + eps), s <- alpha s + (1 - alpha) g^2.

    Args:
        params: tensors, or dicts for groups.
        lr: learning rate.
        alpha: decay of s.
        weight_decay: its product with p is added to the gradient.
        momentum: of the scaled gradient, as in `SGD`.
        centered: the average gradient's square is taken off s.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ):
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        in_range("RMSprop", group, alpha=(0.0, None), eps=(0.0, None), momentum=(0.0, None))

    def _update(self, p: Any, g: Any, state: State, group: Mapping[str, Any]) -> None:
        module, alpha = xp(p), group["alpha"]
        if not state:
            state["square_avg"] = module.zeros_like(p)
            if group["momentum"]:
                state["momentum_buffer"] = module.zeros_like(p)
            if group["centered"]:
                state["grad_avg"] = module.zeros_like(p)
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        s = state["square_avg"]
        s *= alpha
        s += (1.0 - alpha) * (g * g)
        spread = s
        if group["centered"]:
            average = state["grad_avg"]
            average += (1.0 - alpha) * (g - average)
            spread = s - average * average
        scaled = g / (module.sqrt(spread) + group["eps"])
        if group["momentum"]:
            b = state["momentum_buffer"]
            b *= group["momentum"]
            b += scaled
            scaled = b
        p -= group["lr"] * scaled
