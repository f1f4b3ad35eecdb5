"""Operations on symbols: from a function of tensors to an expression, and on to those of its gradients.

A symbol is a tensor that holds an expression (kernels/expression.py) where others hold an array. Within `tracing` an
operation that meets one notes itself in place of computing, and so does each operation in its vjp. Steps 1 to 3 of
fusion.py. Held by tests/ops/test_fused_chains.py.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygen.autodiff.primitive import REGISTRY, Primitive
from tinygen.autodiff.tape import mode, recording
from tinygen.kernels.expression import ARGUMENT, Expression, argument, expression, in_order, parse, rewritten
from tinygen.tensor import Tensor


@contextmanager
def tracing() -> Iterator[None]:
    """Within the block operations on symbols note themselves."""
    before, mode.tracer = mode.tracer, _noted
    try:
        with recording(True):  # what vjps do when recorded is made of operations, not of kernels
            yield
    finally:
        mode.tracer = before


def _noted(op: Primitive, args: Sequence[Any]) -> Tensor:
    """The symbol of what `op` would give."""
    if op.function is not None:
        return op.function(*args)
    if op.scalar is None:
        raise TypeError(f"{op.name} cannot be fused: it has no formula for one entry")
    operands = [a._data if isinstance(a, Tensor) else a for a in args]
    for value in operands:
        if not isinstance(value, Expression | float | int | np.generic | None):
            raise TypeError(f"{op.name} meets an array from outside of the chain: make it an argument")
    return Tensor(expression(op.name, *(o.item() if isinstance(o, np.generic) else o for o in operands)))


def lowered(*results: Expression) -> tuple[Expression, ...]:
    """Expressions of operations as expressions in the terms of kernels."""

    def rule(name: str, *operands: Any) -> Any:
        op = REGISTRY[name]
        if callable(op.scalar):
            return op.scalar(*operands)
        return parse(op.scalar, dict(zip(op.names, operands)))  # type: ignore[arg-type]

    return tuple(rewritten(results, rule, argument))


# ---- 2: differentiate


def gradients(
    y: Expression, cotangent: Expression, wanted: set[Expression]
) -> tuple[dict[Expression, Expression], dict[Expression, Expression]]:
    """The gradient of `y` at each of the arguments `wanted`; and, below a choice, the truth value of whether it can
    differ from 0: nothing but 0 comes from what is not taken, whatever poles lie there (see backward.py)."""
    order = in_order([y])
    needed = set(wanted)
    for e in order:
        if not needed.isdisjoint(e.operands):
            needed.add(e)
    table: dict[Expression, Tensor] = {y: Tensor(cotangent)}
    live: dict[Expression, Tensor | None] = {}
    with tracing():
        for e in reversed(order):
            if e not in table or e.name == ARGUMENT:
                continue
            op, mask = REGISTRY[e.name], live.get(e)
            known = {"g": table[e], "y": Tensor(e), **dict(zip(op.names, map(_symbol, e.operands)))}
            for rule in op.rules:
                operand = e.operands[rule.positions[0]]
                if operand not in needed:
                    continue
                gradient, passed = rule.vjp(*(known[name] for name in rule.names)), mask
                if op.name == "where":
                    taken = known["condition"]
                    taken = taken if rule.arguments == ("a",) else apply("logical_not", taken)
                    passed = taken if mask is None else apply("logical_and", taken, mask)
                elif mask is not None:
                    gradient = apply("where", mask, gradient, 0.0)
                if operand not in table:
                    live[operand] = passed
                elif live[operand] is not None:
                    live[operand] = None if passed is None else apply("logical_or", live[operand], passed)
                table[operand] = gradient if operand not in table else table[operand] + gradient
    found = {e: table[e]._data for e in wanted if e in table}
    return found, {e: mask._data for e, mask in live.items() if mask is not None and e in found}


def _symbol(operand: Any) -> Any:
    return Tensor(operand) if isinstance(operand, Expression) else operand


def apply(name: str, *operands: Any) -> Tensor:
    return REGISTRY[name](*operands)


def replayed(expressions: list[Expression], values: Sequence[Any]) -> list[Tensor]:
    """Expressions by operations on tensors."""
    return rewritten(expressions, apply, values.__getitem__)
