"""`Optimiser`: parameters in groups with options of their own, and a state that resumes exactly.

Held by tests/optim/test_optimisers.py.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygen.autodiff import guard
from tinygen.device import device_of, transfer
from tinygen.kernels.array_module import xp
from tinygen.kernels.capture import CaptureError, capturing, each_time
from tinygen.kernels.definitions.update import refused
from tinygen.tensor import Tensor, asarray

Parameters = Iterable[Tensor] | Iterable[dict[str, Any]]
State = dict[str, Any]


class Optimiser:
    """Base of the optimisers: a subclass defines `_update` for one parameter, or `_update_all`.

    `param_groups` is a list of dicts, each with "params" and the options; change an option there, as in
    `group["lr"] = 1e-4`, between steps.

    Args:
        params: the tensors to move, or dicts {"params": tensors, option: value, ...} for groups.
        defaults: the options of groups that do not give their own.

    Raises:
        ValueError: no parameters, one given twice, or one that carries no gradient.
        TypeError: something that is no tensor, or an unknown option.
    """

    def __init__(self, params: Parameters, **defaults: Any):
        given: list[Any] = [params] if isinstance(params, Tensor) else list(params)
        groups = given if given and isinstance(given[0], dict) else [{"params": given}]
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, dict[str, Any]] = {}  # by position among all parameters
        who = type(self).__name__
        seen: set[int] = set()
        for group in groups:
            unknown = group.keys() - defaults.keys() - {"params"}
            if unknown:
                raise TypeError(f"{who} has no option {sorted(unknown)[0]!r}; it has {', '.join(defaults)}")
            tensors = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
            for p in tensors:
                if not isinstance(p, Tensor):
                    raise TypeError(f"{who} moves tensors, not {type(p).__name__}")
                if not p.is_leaf or p.dtype.kind != "f":
                    raise ValueError(f"{who} moves floating tensors that no operation made, found {p!r}")
                if id(p) in seen:
                    raise ValueError(f"{who}: a parameter of shape {p.shape} is given twice")
                seen.add(id(p))
            self.param_groups.append(
                {"params": tensors, **defaults, **{k: v for k, v in group.items() if k != "params"}}
            )
        if not seen:
            raise ValueError(f"{who} got no parameters")
        for group in self.param_groups:
            self._check(group)

    def _check(self, group: Mapping[str, Any]) -> None:
        """Raises ValueError for options out of range."""
        in_range(type(self).__name__, group, lr=(0.0, None), weight_decay=(0.0, None))

    def _update(self, p: Any, g: Any, state: State, group: Mapping[str, Any]) -> None:
        """Moves the array `p` in place by its gradient `g`."""
        raise TypeError(f"{type(self).__name__} defines no _update")

    def _update_all(
        self, params: list[Any], gradients: list[Any], states: list[State], group: dict[str, Any], when: Any
    ) -> None:
        """Moves the arrays `params` in place by their gradients, if all numbers in `when` are finite."""
        if refused(when):
            return
        options = {**group, "lr": _as_it_is_at_each_step(group, params[0])}
        for p, g, state in zip(params, gradients, states):
            before = None if when is None or isinstance(when, np.ndarray) else _copies(p, state)
            self._update(p, g, state, options)
            if before is not None:
                _keep_unless_finite(when, before, p, state)

    def parameters(self) -> list[Tensor]:
        """All parameters, in the order of the groups."""
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for p in self.parameters():
            p.grad = None

    def step(self, when: Any = None) -> None:
        """Moves every parameter that has a gradient, in place; graphs that recorded one are stale after.

        Args:
            when: an array of numbers (n,), float64, such as the loss and the gradient's norm: unless all are finite
                nothing is moved. On a device the host does not wait to learn it; a caller who does, and finds them
                not finite, says so by `not_taken`.
        """
        position, captured = -1, capturing()
        for group in self.param_groups:
            params, gradients, states = [], [], []
            for p in group["params"]:
                position += 1
                if p.grad is None:
                    continue
                if captured and position not in self.state:
                    raise CaptureError(
                        f"{type(self).__name__} meets a parameter, of shape {p.shape}, for the first time"
                    )
                params.append(p._data)
                gradients.append(p.grad._data)
                states.append(self.state.setdefault(position, {}))
            if params:
                self._update_all(params, gradients, states, group, when)
                guard.written(*params)

    def not_taken(self, when: Any) -> None:
        """To be called after a step whose `when` was not all finite: it does not count."""

    def state_dict(self) -> dict[str, Any]:
        """{"state": by parameter's position, "param_groups": options}: arrays and plain values.

        The arrays are the optimiser's own, not copies.
        """
        groups, start = [], 0
        for group in self.param_groups:
            end = start + len(group["params"])
            groups.append({**group, "params": list(range(start, end))})
            start = end
        return {"state": {i: dict(state) for i, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over a copy of what `state_dict` gave, of an optimiser of parameters of the same shapes.

        Raises:
            ValueError: it is another number of groups or parameters, or shapes differ.
        """
        who = type(self).__name__
        sizes = [len(group["params"]) for group in self.param_groups]
        found = [len(group["params"]) for group in state["param_groups"]]
        if sizes != found:
            raise ValueError(f"{who}: the state is of groups of {found} parameters, this one has {sizes}")
        parameters = self.parameters()
        taken: dict[int, State] = {}
        for key, values in state["state"].items():
            p = parameters[int(key)]._data
            taken[int(key)] = {name: _taken(who, name, value, p) for name, value in values.items()}
        self._take_over(taken)
        for group, given in zip(self.param_groups, state["param_groups"]):
            group.update({name: value for name, value in given.items() if name != "params"})

    def _take_over(self, taken: dict[int, State]) -> None:
        """`taken` as the state, in the memory of the one there is where it fits: captured steps go on to use that."""
        for position, own in self.state.items():
            new = taken.pop(position, {})
            for name, value in own.items():
                if hasattr(value, "shape"):
                    value[...] = new.get(name, 0)
                else:
                    own[name] = new.get(name, 0)
            own |= {name: new[name] for name in new.keys() - own.keys()}
        self.state |= taken


def _as_it_is_at_each_step(group: Mapping[str, Any], like: Any) -> Any:
    """The learning rate; in a captured step not what it is now, but what it is at each replay."""
    if not capturing():
        return group["lr"]
    return each_time(lambda: np.asarray(group["lr"]), (), like.dtype)


def _copies(p: Any, state: State) -> dict[str, Any]:
    return {"": p.copy(), **{name: value.copy() for name, value in state.items() if hasattr(value, "shape")}}


def _keep_unless_finite(when: Any, before: dict[str, Any], p: Any, state: State) -> None:
    """Puts back what was before the step, 0 where nothing was, unless all of `when` is finite."""
    module = xp(when)
    taken = module.isfinite(when).all()
    for name, array in {"": p, **state}.items():
        if hasattr(array, "shape"):
            array[...] = module.where(taken, array, before.get(name, 0))


def _taken(who: str, name: str, value: Any, p: Any) -> Any:
    """A copy of one entry of a state for the parameter `p`; numbers stay numbers."""
    if not isinstance(value, Tensor) and not hasattr(value, "shape"):
        return value
    array = asarray(value)
    if array.shape == () and p.shape != ():
        return array.item()  # PyTorch keeps the step as a tensor
    if array.shape != p.shape:
        raise ValueError(f"{who}: {name} in the state has shape {array.shape}, its parameter has {p.shape}")
    copy = xp(p).empty_like(p)
    copy[...] = transfer(array, device_of(p))
    return copy


def in_range(who: str, group: Mapping[str, Any], **ranges: tuple[float | None, float | None]) -> None:
    """Raises ValueError unless low <= option < high, for each option and its (low, high)."""
    for name, (low, high) in ranges.items():
        value = group[name]
        if (low is not None and not value >= low) or (high is not None and not value < high):
            limit = f"at least {low}" + ("" if high is None else f" and below {high}")
            raise ValueError(f"{who}: {name} must be {limit}, not {value}")
