"""Elementwise arithmetic on large arrays: on every thread, and what a vjp does in one pass over memory.

NumPy runs on one thread, and `g * (1.0 - y * y)` on arrays is three passes with an array between each. From `LARGE`
elements on, an operation that has a formula for one entry and no kernel of its own (`scalar`, see `operation`), and the
vjps that are nothing but arithmetic, all of an operation together, run as fused chains (fusion.py): kernels are written
for them as for any other.
float32 in NumPy; the rest is computed by the operation itself. Held by tests/ops/test_large.py.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.autodiff.primitive import REGISTRY, Primitive, Rule
from tinygen.autodiff.tracing import lowered, tracing
from tinygen.kernels.expression import ARGUMENT, Chain, argument, expression
from tinygen.tensor import Tensor, float32

Array = Any


def forward(op: Primitive, raw: Sequence[Any]) -> Array:
    """What `op` gives of arrays and numbers, of which one at least is large."""
    chain = _operation(op) if _fits(raw) else None
    return op.forward(*raw) if chain is None else _run(chain, raw)[0]


def gradients(op: Primitive, rules: Sequence[Rule], g: Array, saved: Sequence[Any]) -> list[Array]:
    """What the vjps of `rules`, nothing but arithmetic, make of the large gradient `g` at a node of `op` that retains
    `saved`: all in one pass."""
    values = [value._data if isinstance(value, Tensor) else value for value in saved]
    plan = _vjps(op, tuple([rule.arguments[0] for rule in rules]))
    if plan is None or not _fits(read := [g, *[values[slot] for slot in plan.reads]]):
        return [rule.vjp(g, *[values[slot] for slot in rule.reads]) for rule in rules]
    made = _run(plan.chain, read) if plan.chain else ()
    return [g if place is None else made[place] for place in plan.places]


def _fits(raw: Sequence[Any]) -> bool:
    for value in raw:
        if type(value) is np.ndarray:
            if value.dtype is not float32 or kernels.choose(value) != "cpu":
                return False
        elif type(value) not in (float, int):
            return False
    return True


def _run(chain: Chain, raw: Sequence[Any]) -> tuple[Array, ...]:
    shapes = {a.shape for a in raw if type(a) is np.ndarray}
    shape = shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)
    return kernels.load("fused", "cpu")(chain, raw, shape)  # type: ignore[no-any-return]


@cache
def _operation(op: Primitive) -> Chain | None:
    """The chain of one step that is `op`; None where it gives no numbers, or has a kernel of its own."""
    if not isinstance(op.scalar, str) or not op.rules or op.name in kernels.NAMES:
        return None
    return Chain(op.name, lowered(expression(op.name, *map(argument, range(op.arity)))))


class Plan(NamedTuple):
    """How several vjps run as one chain: the slots of a node that it reads after the cotangent; for each vjp which of
    its outputs is the gradient, None where that is the cotangent as it came. The chain is None where it has no
    outputs."""

    reads: tuple[int, ...]
    places: tuple[int | None, ...]
    chain: Chain | None


@cache
def _vjps(op: Primitive, differentiated: tuple[str, ...]) -> Plan | None:
    """The plan for the vjps of `op` at the arguments `differentiated`; None where `op` is a user's."""
    if REGISTRY.get(op.name) is not op:
        return None
    rules = [rule for rule in op.rules if rule.arguments[0] in differentiated]
    reads = tuple(sorted({slot for rule in rules for slot in rule.reads}))
    symbols = {slot: Tensor(argument(i)) for i, slot in enumerate(reads, 1)}
    with tracing():
        results = [rule.vjp(Tensor(argument(0)), *[symbols[slot] for slot in rule.reads])._data for rule in rules]
    lower = lowered(*results)
    made = tuple(dict.fromkeys(e for e in lower if e.name != ARGUMENT))
    places = tuple([made.index(e) if e in made else None for e in lower])
    return Plan(reads, places, Chain(f"{op.name}_backward", made) if made else None)
