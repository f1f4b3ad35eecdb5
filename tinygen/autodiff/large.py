"""Elementwise arithmetic on large arrays: on every thread, and what a vjp does in one pass over memory.

NumPy runs on one thread, and `g * (1.0 - y * y)` on arrays is three passes with an array between each. From `LARGE`
elements on, an operation that has a formula for one entry and no kernel of its own (`scalar`, see `operation`), and a
vjp that is nothing but arithmetic, run as fused chains (fusion.py): kernels are written for them as for any other.
float32 in NumPy; the rest is computed by the operation itself. Held by tests/ops/test_large.py.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from tinygen import kernels
from tinygen.autodiff.primitive import REGISTRY, Primitive, Rule
from tinygen.autodiff.tracing import lowered, tracing
from tinygen.kernels.expression import ARGUMENT, Chain, Expression, argument, expression
from tinygen.tensor import Tensor, float32

Array = Any


def forward(op: Primitive, raw: Sequence[Any]) -> Array:
    """What `op` gives of arrays and numbers, of which one at least is large."""
    chain = _operation(op) if _fits(raw) else None
    return op.forward(*raw) if chain is None else _run(chain, raw)


def gradient(op: Primitive, rule: Rule, values: Sequence[Any]) -> Array:
    """What the vjp of `rule`, nothing but arithmetic, gives of arrays and numbers."""
    chain = _vjp(op, rule.arguments[0]) if _fits(values) else None
    return rule.vjp(*values) if chain is None else _run(chain, values)


def _fits(raw: Sequence[Any]) -> bool:
    for value in raw:
        if type(value) is np.ndarray:
            if value.dtype is not float32 or kernels.choose(value) != "cpu":
                return False
        elif type(value) not in (float, int):
            return False
    return True


def _run(chain: Chain, raw: Sequence[Any]) -> Array:
    shapes = {a.shape for a in raw if type(a) is np.ndarray}
    shape = shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    return kernels.load("fused", "cpu")(chain, raw, shape)[0]


@cache
def _operation(op: Primitive) -> Chain | None:
    """The chain of one step that is `op`; None where it gives no numbers, or has a kernel of its own."""
    if not isinstance(op.scalar, str) or not op.rules or op.name in kernels.NAMES:
        return None
    return _chain(op.name, lambda: expression(op.name, *map(argument, range(op.arity))))


@cache
def _vjp(op: Primitive, differentiated: str) -> Chain | None:
    """The chain of what the vjp at the argument `differentiated` computes; None where that is nothing."""
    if REGISTRY.get(op.name) is not op:
        return None
    rule = next(rule for rule in op.rules if rule.arguments == (differentiated,))

    def traced() -> Expression:
        with tracing():
            return rule.vjp(*(Tensor(argument(i)) for i in range(len(rule.names))))._data

    return _chain(f"{op.name}_backward", traced)


def _chain(name: str, made: Callable[[], Expression]) -> Chain | None:
    (result,) = lowered(made())
    return None if result.name == ARGUMENT else Chain(name, (result,))
