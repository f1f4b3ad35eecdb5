"""Elementwise operations on large arrays: on every thread, and what a vjp does in one pass over memory.

NumPy runs on one thread, and `g * (1.0 - y * y)` on arrays is three passes with an array between each. From `LARGE`
elements on, an operation that has a formula for one entry and no kernel of its own (`scalar`, see `operation`), and the
vjps that are made of such operations, all of an operation together, run as fused chains (fusion.py): kernels are
written for them as for any other.
float32 in NumPy; the rest is computed by the operation itself. Held by tests/ops/test_large.py.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.autodiff.arguments import broadcast_shapes
from tinygen.autodiff.primitive import REGISTRY, Primitive, Rule
from tinygen.autodiff.tracing import lowered, tracing
from tinygen.kernels.expression import ARGUMENT, Chain, argument, expression
from tinygen.tensor import Tensor, float32

Array = Any
Fixed = tuple[Any, ...]  # numbers that stand in a formula, or None; ... for an argument


def forward(op: Primitive, *raw: Any) -> Array:
    """What `op` gives of arrays and numbers, of which one at least is large."""
    shape = _shape(raw)
    if shape is not None:
        chain = _operation(op) if type(op.scalar) is str else _of_some(raw, lambda fixed: _operation(op, fixed))
        if chain is not None:
            return _run(chain, raw, shape)[0]
    return op.forward(*raw)


def gradients(op: Primitive, rules: Sequence[Rule], g: Array, saved: Sequence[Any]) -> list[Array] | None:
    """What the vjps of `rules` make of the large gradient `g` at a node of `op` that retains `saved`: all in one pass.
    None where they are more than operations that have a formula, or what they are given is not float32."""
    differentiated = tuple([rule.arguments[0] for rule in rules])
    reads = _reads(op, differentiated)
    if reads is None:
        return None
    raw = [g]
    for slot in reads:
        value = saved[slot]
        raw.append(value._data if isinstance(value, Tensor) else value)
    shape = _shape(raw)
    if shape is None:
        return None
    plan = _of_some(raw, lambda fixed: _vjps(op, differentiated, fixed))
    if plan is None:
        return None
    made = _run(plan.chain, raw, shape) if plan.chain else ()
    return [g if place is None else made[place] for place in plan.places]


_NUMBERS = frozenset([float, int, type(None)])


def _shape(raw: Sequence[Any]) -> tuple[int, ...] | None:
    """What they broadcast to, where they are arrays of float32 and numbers; else None."""
    shape: tuple[int, ...] | None = None
    for value in raw:
        if type(value) is np.ndarray:
            if value.dtype is not float32:
                return None
            if value.shape != shape:
                shape = value.shape if shape is None else broadcast_shapes(shape, value.shape)
        elif type(value) not in _NUMBERS:
            return None
    return None if kernels.forced and kernels.forced[-1] != "cpu" else shape


def _of_some(raw: Sequence[Any], made: Callable[[Fixed], Any]) -> Any:
    """What is `made` for such arguments: numbers are arguments like arrays, so that one kernel serves all of them; but
    where a formula cannot do without them, the exponent of a power, they stand in it."""
    found = made(tuple([None if value is None else ... for value in raw]))
    return found or made(tuple([... if type(value) is np.ndarray else value for value in raw]))


def _run(chain: Chain, raw: Sequence[Any], shape: tuple[int, ...]) -> tuple[Array, ...]:
    return kernels.load("fused", "cpu")(chain, raw, shape)  # type: ignore[no-any-return]


@lru_cache(maxsize=1024)
def _operation(op: Primitive, fixed: Fixed = ()) -> Chain | None:
    """The chain of one step that is `op`; None where it gives no numbers, or has a kernel of its own."""
    if op.scalar is None or not op.rules or op.name in kernels.NAMES:
        return None
    given = [argument(i) if value is ... else value for i, value in enumerate(fixed or (...,) * op.arity)]
    try:
        return Chain(op.name, lowered(expression(op.name, *given)))
    except TypeError:  # a number is asked for
        return None


class Plan(NamedTuple):
    """How several vjps run as one chain of the cotangent and what a node retains: for each vjp which of its outputs is
    the gradient, None where that is the cotangent as it came. The chain is None where it has no outputs."""

    places: tuple[int | None, ...]
    chain: Chain | None


@cache
def _reads(op: Primitive, differentiated: tuple[str, ...]) -> tuple[int, ...] | None:
    """The slots of a node that the vjps of `op` at the arguments `differentiated` read; None where they may be no
    chain: `op` is a user's, or has a kernel for them."""
    rules = [rule for rule in op.rules if rule.arguments[0] in differentiated]
    if REGISTRY.get(op.name) is not op or op.scalar is None or not all(rule.is_plain for rule in rules):
        return None
    return tuple(sorted({slot for rule in rules for slot in rule.reads}))


@lru_cache(maxsize=1024)
def _vjps(op: Primitive, differentiated: tuple[str, ...], fixed: Fixed) -> Plan | None:
    """The plan for the vjps of `op` at the arguments `differentiated`, of the cotangent and what `_reads` says; None
    where they are no chain."""
    rules = [rule for rule in op.rules if rule.arguments[0] in differentiated]
    symbols = [Tensor(argument(i)) if value is ... else value for i, value in enumerate(fixed)]
    known = dict(zip(_reads(op, differentiated) or (), symbols[1:]))
    try:
        with tracing():
            results = [rule.vjp(symbols[0], *[known[slot] for slot in rule.reads])._data for rule in rules]
        lower = lowered(*results)
    except (TypeError, AttributeError):
        return None
    made = tuple(dict.fromkeys(e for e in lower if e.name != ARGUMENT))
    places = tuple([made.index(e) if e in made else None for e in lower])
    return Plan(places, Chain(f"{op.name}_backward", made) if made else None)
