"""Expressions: what is computed at every entry of an array, as plain data.

An expression is a name and its operands: other expressions or numbers. Equal ones are one object, so what occurs twice
in a formula is computed once, and a set of them is a graph without repetitions. A `Chain` is what a fused kernel
computes: some expressions of some arrays, entry by entry, perhaps added up.

Kernels know the names below. `parse` reads formulas written in them, in Python's own syntax: "x * sigmoid(x)".
Held by tests/kernels/test_fusion.py.
"""

import ast
import math
import re
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal, Union

import numpy as np

OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}
COMPARISONS = {"less": "<", "less_equal": "<=", "equal": "=="}  # 1 or 0
COSTLY = (
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sigmoid", "softplus", "normal_cdf"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "atanh"),
)
FUNCTIONS = {  # name -> how many operands
    "where": 3,  # the second where the first is not 0, else the third
    **dict.fromkeys((*COSTLY, "sqrt", "abs", "floor", "ceil", "trunc", "rint"), 1),
    **dict.fromkeys(("atan2", "copysign"), 2),
}
ARGUMENT = "argument"

Operand = Union["Expression", float, None]


class Expression:
    """`name` of `operands`; made by `expression`, which gives equal ones as one object."""

    __slots__ = ("__weakref__", "name", "operands")
    dtype = np.dtype(object)  # none that is computed with: it stands for arrays of any

    def __init__(self, name: str, operands: tuple[Operand, ...]):
        self.name, self.operands = name, operands

    def __repr__(self) -> str:
        return written(self)


_known: "weakref.WeakValueDictionary[Any, Expression]" = weakref.WeakValueDictionary()


def expression(name: str, *operands: Operand) -> Expression:
    """The expression of that name and those operands, the same object each time."""
    key = (name, *(o if isinstance(o, Expression) else repr(o) for o in operands))  # 0.0 and -0.0 are two numbers
    found = _known.get(key)
    if found is None:
        found = _known[key] = Expression(name, operands)
    return found


def argument(index: int) -> Expression:
    """The entry of the array at place `index` of the arguments."""
    return expression(ARGUMENT, index)


def place(e: Expression) -> int:
    """Which argument an expression is that is one."""
    return int(e.operands[0])  # type: ignore[arg-type]


def in_order(roots: Iterable[Expression]) -> list[Expression]:
    """Everything that `roots` are made of, and they themselves: each once, after its operands."""
    found: dict[Expression, None] = {}
    stack = [(root, False) for root in reversed(list(roots))]
    while stack:
        e, ready = stack.pop()
        if ready:
            found[e] = None
        elif e not in found:
            stack.append((e, True))
            stack += [(o, False) for o in reversed(e.operands) if isinstance(o, Expression) and o not in found]
    return list(found)


def rewritten(roots: Iterable[Expression], rule: Callable[..., Any], arguments: Callable[[int], Any]) -> list[Any]:
    """The values of `roots`, where `rule(name, *operands' values)` is that of an expression. Numbers stand for
    themselves."""
    value: dict[Expression, Any] = {}
    roots = list(roots)
    for e in in_order(roots):
        operands = [value[o] if isinstance(o, Expression) else o for o in e.operands]
        value[e] = arguments(place(e)) if e.name == ARGUMENT else rule(e.name, *operands)
    return [value[root] for root in roots]


@dataclass(frozen=True, eq=False)  # equal when it is the same one
class Chain:
    """What one kernel computes: `outputs`, basic expressions of its arguments.

    `total` says what is given: every entry; or, of one output, the sum of "all" entries, or of those of each of the
    "examples" along the first axis.
    """

    name: str
    outputs: tuple[Expression, ...]
    total: Literal["all", "examples"] | None = None

    @cached_property
    def steps(self) -> tuple[Expression, ...]:
        """Every expression to be computed, each after its operands; arguments come as they are needed."""
        return tuple(in_order(self.outputs))

    @cached_property
    def reads(self) -> tuple[int, ...]:
        """The places of the arguments that are read."""
        return tuple(sorted(place(e) for e in self.steps if e.name == ARGUMENT))

    @cached_property
    def identifier(self) -> str:
        """The name as C and file systems take it, and as no function of theirs is called."""
        return f"fused_{re.sub(r'[^A-Za-z0-9_]', '', self.name)}"

    @cached_property
    def is_costly(self) -> bool:
        """Whether arithmetic counts beside the memory's time."""
        return any(e.name in COSTLY for e in self.steps)


# ---- formulas as text


def written(e: Operand) -> str:
    """An expression as text that `parse` reads; argument i is `xi`."""
    if not isinstance(e, Expression):
        return repr(e)
    if e.name == ARGUMENT:
        return f"x{e.operands[0]}"
    texts = [written(o) for o in e.operands]
    symbol = (OPERATORS | COMPARISONS).get(e.name)
    return f"({texts[0]} {symbol} {texts[1]})" if symbol else f"{e.name}({', '.join(texts)})"


_OF_SYNTAX = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}


def parse(formula: str, names: Mapping[str, Operand]) -> Operand:
    """The expression that `formula` says of `names`.

    Raises:
        ValueError: syntax other than numbers, names, arithmetic, comparisons and the functions above.
    """
    return _read(_tree(formula), names, formula)


@cache
def _tree(formula: str) -> ast.expr:
    return ast.parse(formula, mode="eval").body


def _read(tree: ast.expr, names: Mapping[str, Operand], formula: str) -> Operand:
    def read(part: ast.expr) -> Operand:
        return _read(part, names, formula)

    match tree:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id="inf"):
            return math.inf
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=part):
            x = read(part)
            return -x if isinstance(x, float | int) else expression("multiply", -1.0, x)
        case ast.BinOp(left=a, op=op, right=b) if type(op) in _OF_SYNTAX:
            return expression(_OF_SYNTAX[type(op)], read(a), read(b))
        case ast.Compare(left=a, ops=[op], comparators=[b]):
            return _compared(op, read(a), read(b))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if FUNCTIONS.get(name) == len(args):
            return expression(name, *map(read, args))
    raise ValueError(f"{ast.unparse(tree)!r} in the formula {formula!r} is nothing that kernels know")


def _compared(op: ast.cmpop, a: Operand, b: Operand) -> Expression:
    match op:
        case ast.Lt():
            return expression("less", a, b)
        case ast.LtE():
            return expression("less_equal", a, b)
        case ast.Gt():
            return expression("less", b, a)
        case ast.GtE():
            return expression("less_equal", b, a)
        case ast.Eq():
            return expression("equal", a, b)
        case ast.NotEq():
            return expression("where", expression("equal", a, b), 0.0, 1.0)
    raise ValueError(f"{ast.unparse(op)!r} is no comparison that kernels know")
