"""`Adam` (Kingma and Ba 2015, algorithm 1) and `AdamW` (Loshchilov and Hutter 2019, algorithm 2).

The formulas are in kernels/definitions/update.py.
Held by tinygen.checks.engine (41), tests/optim/test_optimisers.py and tests/pytorch/.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from tinygen import kernels
from tinygen.kernels.array_module import xp
from tinygen.kernels.definitions.update import refused
from tinygen.optim.optimiser import Optimiser, Parameters, State, in_range


class Adam(Optimiser):
    """p <- p - lr m_hat / (sqrt(v_hat) + eps), m and v the moving averages of g and g^2, hats their bias corrected.

    Args:
        params: tensors, or dicts for groups.
        lr: learning rate.
        betas: decays of m and v.
        weight_decay: its product with p is added to the gradient.

    Raises:
        ValueError: an option out of range.
    """

    decoupled = False

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        who = type(self).__name__
        in_range(who, group, eps=(0.0, None))
        for i, beta in enumerate(group["betas"]):
            in_range(who, {f"betas[{i}]": beta}, **{f"betas[{i}]": (0.0, 1.0)})

    def _update_all(
        self, params: list[Any], gradients: list[Any], states: list[State], group: dict[str, Any], when: Any
    ) -> None:
        if refused(when):
            return
        alike: dict[Any, list[int]] = {}  # of one dtype, and as many steps old: one launch for these
        for i, (p, state) in enumerate(zip(params, states)):
            if not state:
                state |= {"step": 0, "exp_avg": xp(p).zeros_like(p), "exp_avg_sq": xp(p).zeros_like(p)}
            alike.setdefault((p.dtype, int(state["step"])), []).append(i)
        for places in alike.values():
            own = [states[i] for i in places]
            kernels.adam_update_all(  # type: ignore[attr-defined]
                [params[i] for i in places],
                [gradients[i] for i in places],
                [state["exp_avg"] for state in own],
                [state["exp_avg_sq"] for state in own],
                partial(self._count, own, group),
                when,
            )

    def _count(self, states: list[State], group: dict[str, Any]) -> dict[str, Any]:
        """The options of the next step, which is counted."""
        step = int(states[0]["step"]) + 1
        for state in states:
            state["step"] = step
        return {
            "lr": group["lr"],
            "beta1": group["betas"][0],
            "beta2": group["betas"][1],
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "step": step,
            "decoupled": self.decoupled,
        }

    def not_taken(self, when: Any) -> None:
        if not refused(when):  # then the device alone knew, and the host has counted
            for position, p in enumerate(self.parameters()):
                if p.grad is not None:
                    self.state[position]["step"] -= 1


class AdamW(Adam):
    """Adam with decoupled weight decay: first p <- (1 - lr weight_decay) p, the gradient stays as it is."""

    decoupled = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)
