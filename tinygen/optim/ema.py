"""`EMA`: exponential moving averages of a model's parameters (Polyak and Juditsky 1992; Ho et al. 2020 for diffusion).

After n updates with weights held at w the average is w + decay^n (w0 - w) (CHECKS 40). Buffers, such as running
statistics, are averages already: they are copied. Held by tinygen.checks.engine and tests/optim/test_ema.py.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tinygen import kernels
from tinygen.autodiff import guard
from tinygen.kernels.array_module import xp
from tinygen.kernels.definitions.update import refused
from tinygen.nn.module import Module
from tinygen.nn.parameter import Parameter
from tinygen.tensor import Tensor, asarray


class EMA:
    """Averaged weights beside a model's own.

    Args:
        model: call `update` after each step of its optimiser.
        decay: the share of the average that stays at each update; 0 copies the weights.

    Raises:
        ValueError: a decay outside [0, 1].
    """

    def __init__(self, model: Module, decay: float):
        if not 0.0 <= decay <= 1.0:
            raise ValueError(f"EMA: decay must be from 0 to 1, not {decay}")
        self.model, self.decay = model, decay
        self.average = {name: Tensor(value._data.copy()) for name, value in model.state_dict().items()}

    def update(self, model: Module | None = None, when: Any = None) -> None:
        """Moves the averages towards the parameters of `model` (its own by default) as they are now; copies buffers.

        Args:
            when: as for `Optimiser.step`: unless all these numbers are finite the averages stay.
        """
        if refused(when):
            return
        pairs: dict[tuple[Any, float], tuple[list[Any], list[Any]]] = {}  # by dtype and decay: one launch for each
        for name, value in (model or self.model).named_state():
            average = self.average[name]
            if value.dtype.kind == "f":
                decay = self.decay if isinstance(value, Parameter) else 0.0
                averages, values = pairs.setdefault((value.dtype, decay), ([], []))
                averages.append(average._data)
                values.append(value._data)
                guard.written(average._data)
            else:
                module, new = xp(value._data), value._data
                average._assign(new if when is None else module.where(module.isfinite(when).all(), new, average._data))
        for (_, decay), both in pairs.items():
            kernels.ema_update_all(*both, decay, when)  # type: ignore[attr-defined]

    @contextmanager
    def applied(self) -> Iterator[Module]:
        """The model with the averaged weights, within the block; its own come back after, bit by bit."""
        own = {name: value._data.copy() for name, value in self.model.named_state()}
        self.model.load_state_dict(self.average)
        try:
            yield self.model
        finally:
            self.model.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages under the names of the model's own state, so that they load into such a model.

        The tensors share memory with this object.
        """
        return dict(self.average)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copies averages that `state_dict` gave, or a model's state.

        Raises:
            ValueError: names or shapes that differ.
        """
        wrong = sorted(self.average.keys() ^ state.keys())
        wrong += [n for n in self.average if n in state and asarray(state[n]).shape != self.average[n].shape]
        if wrong:
            raise ValueError(f"EMA: the state is of another model: {wrong[0]} and {len(wrong) - 1} more do not fit")
        for name, average in self.average.items():
            average._assign(asarray(state[name]))
