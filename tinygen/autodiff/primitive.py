"""Operations. One entry holds a forward on raw arrays and, beside it, one vjp per argument written on tensors:

    @primitive(x=lambda g, y: g * y)
    def exp(x):
        return xp(x).exp(x)

A vjp asks by name for what it needs: `g` the cotangent, `y` the output, any argument of the forward, `x_shape` for the
shape of `x` alone, `x_strides` for how it lies in memory, or a name the forward kept with `Kept(y, name=...)`. Only
what a vjp in use names is retained. Because a vjp is made of operations it can itself be differentiated; there is no
second set of formulas. How a call of an operation runs is told in call.py.

Held by tests/autodiff/ (engine) and tests/ops/test_registry.py (every entry, orders 1 to 3).
"""

import dis
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NamedTuple, get_args, get_origin

import numpy as np

from tinygen.autodiff import guard
from tinygen.autodiff.arguments import array_argument, number
from tinygen.autodiff.call import Kept, written, written_for_each
from tinygen.tensor import Tensor

__all__ = ["REGISTRY", "Joint", "Kept", "Primitive", "Rule", "either", "joint", "operation", "primitive"]

REGISTRY: dict[str, "Primitive"] = {}


@dataclass(frozen=True)
class Rule:
    """A vjp: the arguments it serves; the function of tensors, and its form for arrays where there is one; the names it
    asks for, of which the first is `g`, and the slots of a node where the others are; whether it gives one gradient and
    no list, and whether it is nothing but + - * / of these, which arrays can be given as well."""

    arguments: tuple[str, ...]
    positions: tuple[int, ...]
    vjp: Callable[..., Any]
    form: Callable[..., Any] | None
    names: tuple[str, ...]
    reads: tuple[int, ...]
    single: bool
    arithmetic: bool

    @property
    def is_plain(self) -> bool:
        """Whether it is made of operations for arrays too, and no kernel of its own."""
        return self.single and (self.form is None or self.form is _of_forwards or self.arithmetic)

    @functools.cached_property
    def of_arrays(self) -> Callable[..., Any] | None:
        """The function of arrays; looked for when it is wanted, since by then the operations that it calls exist."""
        return _of_forwards(self.vjp) if self.form is _of_forwards else self.form


class Joint(NamedTuple):
    """One vjp that serves several arguments at once and returns one gradient (or None) for each."""

    vjp: "Callable[..., Any] | Either"
    arguments: tuple[str, ...]


def joint(vjp: "Callable[..., Any] | Either", *arguments: str) -> Joint:
    """A vjp for `arguments` together, where one kernel computes all their gradients.

    Raises:
        TypeError: fewer than two arguments; for one, give the vjp under its name.
    """
    if len(arguments) < 2:
        raise TypeError("joint serves two arguments or more; for one, write argument=vjp")
    return Joint(vjp, arguments)


class Either(NamedTuple):
    """One vjp in two forms: see `either`."""

    of_tensors: Callable[..., Any]
    form: Callable[..., Any]  # of arrays; or `_of_forwards`, which makes it of the first


def either(of_tensors: Callable[..., Any], of_arrays: Callable[..., Any] | None = None) -> Either:
    """A vjp made of operations, for gradients that are recorded; and as a kernel on raw arrays, for those that are not.

    Where it does no more than call operations, the first form is enough: with the forward of each operation in place of
    the operation, it is the second.

    Raises:
        TypeError: they ask for different things; or the only one does not name `g` first.
    """
    asked = tuple(inspect.signature(of_tensors).parameters)
    if of_arrays is None:
        if asked[:1] != ("g",):
            raise TypeError(f"a vjp whose one form is for arrays too names g first; found {asked}")
        return Either(of_tensors, _of_forwards)
    other = tuple(inspect.signature(of_arrays).parameters)
    if asked != other:
        raise TypeError(f"both forms of a vjp ask for the same, in one order; found {asked} and {other}")
    return Either(of_tensors, of_arrays)


def _of_forwards(vjp: Any) -> Callable[..., Any]:
    """The same function where each operation that it names is the forward of that operation."""
    named = {name: vjp.__globals__.get(name) for name in vjp.__code__.co_names}
    forwards = {name: op.__wrapped__ for name, op in named.items() if isinstance(op, Primitive)}
    return FunctionType(vjp.__code__, {**vjp.__globals__, **forwards}, vjp.__name__, vjp.__defaults__, vjp.__closure__)


class Primitive:
    """A differentiable operation; made by `primitive`, called like a function of tensors."""

    __wrapped__: Callable[..., Any]  # the forward as it was given
    scalar: Any = None  # the formula for one entry: see `operation`
    chooses = False  # whether its argument `condition` says which entries of the others reach the result
    overwrites = False  # whether its vjp may write over the cotangent, where that is offered (room.py)
    takes_part = False  # whether its vjp may add to the gradient of the whole, where that is offered (room.py)
    plainly: Any = None  # the forward of an array and something in which no array is, and which fits: for `each`
    function: Any = None  # of tensors, where it is that of an operation made of others (fusion.py)
    pull: Any = None  # how its gradients are computed (pull.py), once they have been
    retains: Any = None  # what a node retains, where that is not what the rules name (fusion.py)

    def __init__(
        self,
        forward: Callable[..., Any],
        vjps: dict[str, Callable[..., Any]],
        joints: tuple[Joint, ...],
        name: str | None,
        elementwise: bool,
        moves: bool = False,
    ):
        functools.update_wrapper(self, forward)
        parameters = inspect.signature(forward).parameters
        self.name = name or forward.__name__
        self.quiet = hasattr(forward, "loud")  # its call sees to it, in a third of the time
        self.forward = getattr(forward, "loud", forward)
        self.elementwise = elementwise
        self.beside_numbers = elementwise  # whether a number can stand in place of an array
        self.moves = moves
        self.names = tuple(parameters)
        self.defaults = tuple(p.default for p in parameters.values())
        self.arity = len(self.names)
        self.slots = list(self.names)  # what a node can retain: arguments, and what else rules ask for
        self.output: int | None = None  # the slot of the output
        rules = [self._rule((argument,), vjp, True) for argument, vjp in vjps.items()]
        rules += [self._rule(entry.arguments, entry.vjp, False) for entry in joints]
        self.rules: tuple[Rule, ...] = tuple(rules)
        self.arithmetic = len(rules) > 1 and all(rule.arithmetic for rule in rules)  # several vjps, nothing else
        self.tensor_positions = tuple(i for rule in rules for i in rule.positions)
        plain = [] if elementwise else [i for i, p in enumerate(parameters.values()) if _is_plain(p.annotation)]
        self.plain_positions = frozenset(plain) - set(self.tensor_positions)  # of what is taken as it is
        self.keeps = tuple(name for name in self.slots if not self._is_given(name))  # by the forward, for vjps

    def _rule(self, arguments: tuple[str, ...], vjp: Callable[..., Any] | Either, single: bool) -> Rule:
        for argument in arguments:
            if argument not in self.names:
                raise TypeError(f"{self.name}: a vjp is given for {argument!r}, not one of the arguments {self.names}")
        vjp, form = vjp if isinstance(vjp, Either) else (vjp, None)
        names = tuple(inspect.signature(vjp).parameters)
        arithmetic = single and form is None and _is_arithmetic(vjp)
        if names[:1] != ("g",):
            form = form and _cotangent_first(form, names)[0]
            vjp, names = _cotangent_first(vjp, names)
        positions = tuple(self.names.index(a) for a in arguments)
        reads = tuple(map(self._slot, names[1:]))
        return Rule(arguments, positions, vjp, vjp if arithmetic else form, names, reads, single, arithmetic)

    def _slot(self, name: str) -> int:
        """The slot of what a vjp asks for under `name`."""
        if name == "y":  # the output, whatever the arguments are called
            if self.output is None:
                self.output = len(self.slots)
                self.slots.append(name)
            return self.output
        if name not in self.slots:
            self.slots.append(name)
        return self.slots.index(name)

    def _is_given(self, name: str) -> bool:
        """Whether the slot `name` is filled from arguments and output."""
        argument, _, what = name.rpartition("_")
        return name == "y" or name in self.names or (argument in self.names and what in ("shape", "strides"))

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.names)})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """The first call. Python looks for `__call__` in the type: from now on this operation is the only one of its
        own, with a call that is written for it (call.py)."""
        call = written(self)
        self.__class__ = type(type(self).__name__, (type(self),), {"__call__": staticmethod(call)})
        return call(*args, **kwargs)

    @functools.cached_property
    def each(self) -> Callable[..., list[Tensor]]:
        """`each(x, values)` is `self(x, value)` for each of many that fit, of an operation of a tensor and something
        in which no array is; and so in half the time."""
        return written_for_each(self)

    @functools.cached_property
    def on_large(self) -> Callable[..., Any]:
        """The forward of arrays of which one is large, by large.py, which is made of operations."""
        from tinygen.autodiff import large

        return functools.partial(large.forward, self)

    def arrays(self, args: tuple[Any, ...], raw: list[Any]) -> list[Any]:
        """The arguments of an operation that is not elementwise: numbers and lists become arrays where one is due."""
        for i, value in enumerate(raw):
            if not isinstance(value, np.ndarray):
                raw[i] = array_argument(value) if i in self.tensor_positions else number(value)
            elif self.moves and value is args[i]:
                guard.expose(value)  # the result may be a view of the caller's array
        return raw


def _is_plain(annotation: Any) -> bool:
    """Whether a parameter is said to be a number, a name, or a tuple of numbers, in which no array can be."""
    if get_origin(annotation) is tuple:
        return all(part in (int, float, bool, Ellipsis) for part in get_args(annotation))
    return annotation in (int, float, bool, str)


def _cotangent_first(vjp: Callable[..., Any], names: tuple[str, ...]) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """A vjp that names `g` later, or not at all, as one that names it first."""
    ordered = ("g", *(name for name in names if name != "g"))

    def reordered(*values: Any) -> Any:
        given = dict(zip(ordered, values))
        return vjp(*[given[name] for name in names])

    return reordered, ordered


def _is_arithmetic(vjp: Any) -> bool:
    """Whether a vjp only adds, subtracts, multiplies and divides, which does the same to arrays as to tensors."""
    if not inspect.isfunction(vjp):
        return False
    steps = list(dis.get_instructions(vjp))
    operators = {step.argrepr for step in steps if step.opname == "BINARY_OP"}
    return operators <= {"+", "-", "*", "/"} and {step.opname for step in steps} <= _ARITHMETIC


_ARITHMETIC = {
    "RESUME",
    "LOAD_FAST",
    "LOAD_FAST_LOAD_FAST",
    "LOAD_CONST",
    "BINARY_OP",
    "UNARY_NEGATIVE",
    "RETURN_VALUE",
}


def primitive(
    forward: Callable[..., Any] | Joint | None = None,
    *joints: Joint,
    name: str | None = None,
    elementwise: bool = False,
    **vjps: Callable[..., Any],
) -> Any:
    """Makes an operation of `forward`, which maps raw arrays to a raw array; a decorator, or called with it.

    Args:
        forward: a function of arrays (tensors arrive unwrapped) and static parameters.
        joints: vjps that serve several arguments, from `joint(vjp, "q", "k", "v")`.
        name: how errors and drawn graphs call it; the forward's own name by default.
        elementwise: each output entry depends on the entries at its own place only. Then integers and
            numbers are promoted, shapes broadcast, and a zero cotangent from `where` stays zero at poles.
        vjps: for each argument that carries a gradient, `argument=lambda g, ...: gradient`, written on tensors;
            its parameters name what it needs. The engine sums a gradient back to the argument's shape.

    Example:
        >>> @tg.primitive(x=lambda g, x: 3 * x**2 * g, elementwise=True)
        ... def cube(x):
        ...     return x**3

    Raises:
        TypeError: a vjp for, or in need of, something the forward does not have.
    """
    if isinstance(forward, Joint):
        joints = (forward, *joints)
        forward = None
    if forward is not None:
        return Primitive(forward, vjps, joints, name, elementwise)
    return lambda function: Primitive(function, vjps, joints, name, elementwise)


def operation(
    *joints: Joint,
    name: str | None = None,
    elementwise: bool = False,
    moves: bool = False,
    chooses: bool = False,
    overwrites: bool = False,
    takes_part: bool = False,
    plainly: Callable[..., Any] | None = None,
    scalar: str | Callable[..., Any] | None = None,
    **vjps: Any,
) -> Any:
    """`primitive` for the project's own operations: also entered in `REGISTRY`, which the tests walk.

    `moves` says that each output entry is an input entry or a sum of some, so that exact zeros can be followed.
    `chooses` says that entries of the others reach the result where the argument `condition` holds; those of `b` where
    it does not.
    `overwrites` says that its one vjp asks for `room` (room.py), to write its result over the cotangent.
    `takes_part` says that its one vjp asks for `sum_beside` (room.py), to add its result to what is there.
    `plainly` is the forward of an array and something in which no array is, and which fits, for `each`.
    `scalar` is the formula for one entry, in the words of kernels/expression.py, from which chains of operations are
    fused (fusion.py); or a function of expressions, for what is no formula.
    """

    def register(function: Callable[..., Any]) -> Primitive:
        op = Primitive(function, vjps, joints, name, elementwise, moves)
        op.scalar, op.chooses, op.overwrites = scalar, chooses, overwrites
        op.takes_part, op.plainly = takes_part, plainly
        return registered(op)

    return register


def registered(op: Primitive) -> Primitive:
    """`op`, entered in `REGISTRY`."""
    if op.name in REGISTRY:
        raise TypeError(f"an operation named {op.name!r} exists already")
    REGISTRY[op.name] = op
    return op
