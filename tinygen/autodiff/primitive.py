"""Operations. One entry holds a forward on raw arrays and, beside it, one vjp per argument written on tensors:

    @primitive(x=lambda g, y: g * y)
    def exp(x):
        return xp(x).exp(x)

A vjp asks by name for what it needs: `g` the cotangent, `y` the output, any argument of the forward, `x_shape` for the
shape of `x` alone, or a name the forward kept with `Kept(y, name=...)`. Only what a vjp in use names is retained.
Because a vjp is made of operations it can itself be differentiated; there is no second set of formulas.

Held by tests/autodiff/ (engine) and tests/ops/test_registry.py (every entry, orders 1 to 3).
"""

import dis
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygen.autodiff import anomaly, guard
from tinygen.autodiff.arguments import (
    NUMBERS,
    array_argument,
    arrays_in,
    beside_bfloat16,
    nodes_of,
    number,
    promoted,
    retained,
)
from tinygen.autodiff.mixed_precision import widened
from tinygen.autodiff.tape import Node, mode
from tinygen.kernels.array_module import bfloat16, is_bfloat16
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.tensor import Tensor, float32, float64

BROADCASTING = "sizes must be equal or 1, axis by axis from the last"

REGISTRY: dict[str, "Primitive"] = {}


class Kept:
    """What a forward returns when its gradient needs more than arguments and output: `Kept(y, lse=lse)`."""

    __slots__ = ("extra", "y")

    def __init__(self, y: Any, **extra: Any):
        self.y = y
        self.extra = extra


@dataclass(frozen=True, slots=True)
class Rule:
    """A vjp, the arguments it serves, the names it asks for, the slots of a node where they are (`COTANGENT`: it is the
    gradient at the node), and whether it is nothing but + - * / of these."""

    arguments: tuple[str, ...]
    positions: tuple[int, ...]
    vjp: Callable[..., Any]
    names: tuple[str, ...]
    reads: tuple[int, ...]
    arithmetic: bool


COTANGENT = -1


class Sources(NamedTuple):
    """What a node retains for the vjps in use: arguments by position; by slot the output, shapes of arguments (with
    their position) and what the forward kept (with its name)."""

    arguments: tuple[int, ...]
    output: int | None
    shapes: tuple[tuple[int, int], ...]
    kept: tuple[tuple[int, str], ...]


class Joint(NamedTuple):
    """One vjp that serves several arguments at once and returns one gradient (or None) for each."""

    vjp: Callable[..., Any]
    arguments: tuple[str, ...]


def joint(vjp: Callable[..., Any], *arguments: str) -> Joint:
    """A vjp for `arguments` together, where one kernel computes all their gradients.

    Raises:
        TypeError: fewer than two arguments; for one, give the vjp under its name.
    """
    if len(arguments) < 2:
        raise TypeError("joint serves two arguments or more; for one, write argument=vjp")
    return Joint(vjp, arguments)


class Primitive:
    """A differentiable operation; made by `primitive`, called like a function of tensors."""

    scalar: Any = None  # the formula for one entry: see `operation`
    overwrites = False  # whether its vjp may write over the cotangent, where that is offered (room.py)
    function: Any = None  # of tensors, where it is that of an operation made of others (fusion.py)

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
        self.forward = forward
        self.elementwise = elementwise
        self.moves = moves
        self.chooses = self.name == "where"  # not every entry of its arguments reaches the result
        self.names = tuple(parameters)
        self.defaults = tuple(p.default for p in parameters.values())
        self.arity = len(self.names)
        self.required = sum(default is inspect.Parameter.empty for default in self.defaults)
        self.slots = list(self.names)  # what a node can retain: arguments, and what else rules ask for
        self.output: int | None = None  # the slot of the output
        rules = [self._rule((argument,), vjp) for argument, vjp in vjps.items()]
        rules += [self._rule(entry.arguments, entry.vjp) for entry in joints]
        self.rules: tuple[Rule, ...] = tuple(rules)
        self.arithmetic = len(rules) > 1 and all(rule.arithmetic for rule in rules)  # several vjps, nothing else
        self.tensor_positions = tuple(i for rule in rules for i in rule.positions)
        self._singles = tuple(rule.positions[0] for rule in rules if len(rule.positions) == 1)
        self._joints = tuple(rule.positions for rule in rules if len(rule.positions) > 1)  # they come after the singles
        self._sources: dict[tuple[bool, ...], Sources] = {}
        self._all_sources = self.sources((True,) * len(rules))  # computed once: recording is the hot path
        alone = elementwise and self.arity == len(self._singles) == 1
        self._of_one = alone and not (self._all_sources.kept or self._all_sources.shapes)

    def _rule(self, arguments: tuple[str, ...], vjp: Callable[..., Any]) -> Rule:
        for argument in arguments:
            if argument not in self.names:
                raise TypeError(f"{self.name}: a vjp is given for {argument!r}, not one of the arguments {self.names}")
        names = tuple(inspect.signature(vjp).parameters)
        reads = tuple(COTANGENT if name == "g" else self._slot(name) for name in names)
        positions = tuple(self.names.index(a) for a in arguments)
        return Rule(arguments, positions, vjp, names, reads, len(arguments) == 1 and _is_arithmetic(vjp))

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

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.names)})>"

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if not kwargs and self.required <= len(args) < self.arity:
            return args + self.defaults[len(args) :]
        if len(args) > self.arity:
            raise TypeError(f"{self.name} takes {self.arity} arguments ({', '.join(self.names)}), got {len(args)}")
        values = list(args) + list(self.defaults[len(args) :])
        for key, value in kwargs.items():
            if key not in self.names:
                raise TypeError(f"{self.name} has no argument {key!r}; it has {', '.join(self.names)}")
            position = self.names.index(key)
            if position < len(args):
                raise TypeError(f"{self.name} got argument {key!r} twice")
            values[position] = value
        missing = [n for n, v in zip(self.names, values) if v is inspect.Parameter.empty]
        if missing:
            raise TypeError(f"{self.name} is missing its argument {missing[0]!r}")
        return tuple(values)

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        if self._of_one and len(args) == 1 and isinstance(x := args[0], Tensor):
            dtype = x._data.dtype
            if (dtype is float32 or dtype is float64) and x._data.size < LARGE and not (kwargs or mode.anomaly):
                return self._call_of_one(x)
        if kwargs or len(args) != self.arity:
            args = self._bind(args, kwargs)
        raw: list[Any] = []
        elementwise = self.elementwise
        tracked = settled = narrow = False  # a gradient may be wanted; dtypes can stay as they are; some is bfloat16
        large = False  # some float32 is
        odd = False  # something is there that is neither a tensor of floats nor a parameter
        for value in args:
            if isinstance(value, Tensor):
                if value._node is not None:
                    tracked = True
                value = value._data
                dtype = value.dtype
                if dtype is float32:
                    settled = True
                    if value.size >= LARGE:
                        large = True
                elif dtype is float64:
                    settled = True
                else:
                    odd = True
                    narrow = narrow or is_bfloat16(dtype)
            elif type(value) not in NUMBERS:
                if elementwise or type(value) is not tuple:
                    odd = True
                if isinstance(value, (list, tuple)):
                    tracked = True  # perhaps: it may hold tensors
            raw.append(value)
        if not elementwise and not odd:
            for i in self.tensor_positions:
                if args[i] is not None and not isinstance(args[i], Tensor):
                    odd = True  # a number, or several, where an array is due
        if odd or not settled:
            if mode.tracer is not None:
                return mode.tracer(self, args)
            wide = widened(self.name, elementwise, args) if narrow else None
            if wide is not None:
                return self(*wide)
            raw = promoted(raw, self.tensor_positions) if elementwise else self._arrays(args, raw)
            if narrow and elementwise:
                raw = beside_bfloat16(raw, self.tensor_positions)
        try:
            out = self.forward(*raw) if not large or self.scalar is None else self._on_every_thread(raw)
        except ValueError as error:
            raise _explained(self, raw, error) from None
        except (AttributeError, TypeError):
            absent = [self.names[i] for i in self.tensor_positions if i < self.required and raw[i] is None]
            if absent:
                raise TypeError(f"{self.name}: {absent[0]!r} is None, not a tensor, an array or a number") from None
            raise
        extra = None
        if type(out) is not np.ndarray:
            if type(out) is Kept:
                out, extra = out.y, out.extra
            if isinstance(out, np.generic):
                out = np.asarray(out)
        if mode.anomaly:
            anomaly.check_value(self.name, out)
        if narrow and elementwise and out.dtype.kind == "f":
            out = out.astype(bfloat16())  # a number stood beside it
        result = Tensor(out)
        if tracked and self.rules and mode.recording and out.dtype.kind in "fV":
            result._node = self._record(args, raw, out, extra)
        return result

    def _call_of_one(self, x: Tensor) -> Tensor:
        """The same for one tensor of floats: what functions of one argument nearly always meet, as in operators.py."""
        out = self.forward(x._data)
        if type(out) is not np.ndarray and isinstance(out, np.generic):
            out = np.asarray(out)
        result = Tensor(out)
        if x._node is not None and mode.recording:
            keeps = self._all_sources
            saved: tuple[Any, ...] = (x if keeps.arguments else None, out) if keeps.output is not None else (x,)
            result._node = recorded(self, (x._node,), () if keeps is _NOTHING else saved, out)
        return result

    def _on_every_thread(self, raw: list[Any]) -> Any:
        from tinygen.autodiff import large  # made of operations

        return large.forward(self, raw)

    def _arrays(self, args: tuple[Any, ...], raw: list[Any]) -> list[Any]:
        """The arguments of an operation that is not elementwise: numbers and lists become arrays where one is due."""
        for i, value in enumerate(raw):
            if not isinstance(value, np.ndarray):
                raw[i] = array_argument(value) if i in self.tensor_positions else number(value)
            elif self.moves and value is args[i]:
                guard.expose(value)  # the result may be a view of the caller's array
        return raw

    def _record(self, args: tuple[Any, ...], raw: list[Any], out: Any, extra: dict[str, Any] | None) -> Node | None:
        parents: list[Any] = []
        whole = True
        for i in self._singles:
            value = args[i]
            parent = value._node if isinstance(value, Tensor) else nodes_of(value)
            if parent is None:
                whole = False
            parents.append(parent)
        for positions in self._joints:
            parents.append(nodes_of([args[i] for i in positions]))
        sources = self._all_sources
        if not whole or self._joints:
            if not any(parents):
                return None
            used = tuple([parent is not None for parent in parents])  # what only the other rules need is not retained
            sources = self._sources.get(used) or self.sources(used)
        if sources is _NOTHING:
            return recorded(self, tuple(parents), (), out)
        saved: list[Any] = [None] * len(self.slots)
        for position in sources.arguments:
            value = args[position]
            saved[position] = value if isinstance(value, Tensor) else retained(value, raw[position])
        if sources.output is not None:
            saved[sources.output] = out
        for slot, position in sources.shapes:
            value = raw[position]
            saved[slot] = value.shape if type(value) is np.ndarray else _shapes(value)
        for slot, name in sources.kept:
            if extra is None or name not in extra:
                raise TypeError(f"{self.name}: a vjp asks for {name!r}, which is neither g, y, an argument nor kept")
            saved[slot] = extra[name]
        return recorded(self, tuple(parents), tuple(saved), out)

    def sources(self, used: tuple[bool, ...]) -> "Sources":
        """What a node retains where the rules marked in `used` are in use."""
        asked = {slot for rule, on in zip(self.rules, used) if on for slot in rule.reads if slot != COTANGENT}
        others = {slot: self.slots[slot] for slot in sorted(asked) if slot >= self.arity and slot != self.output}
        shapes = [s for s, name in others.items() if name.endswith("_shape") and name[:-6] in self.names]
        found = Sources(
            tuple(slot for slot in sorted(asked) if slot < self.arity),
            self.output if self.output in asked else None,
            tuple((slot, self.names.index(others[slot][:-6])) for slot in shapes),
            tuple((slot, name) for slot, name in others.items() if slot not in shapes),
        )
        self._sources[used] = _NOTHING if found == _NOTHING else found
        return self._sources[used]


_NOTHING = Sources((), None, (), ())


def _shapes(value: Any) -> Any:
    return [v.shape for v in value] if type(value) is list else np.shape(value)


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


def recorded(op: Primitive, parents: tuple[Any, ...], saved: tuple[Any, ...], out: Any) -> Node:
    """The node of `out`, with the state of what it retains where somebody outside could change that."""
    node = Node(op, parents, saved, out)
    if guard.exposed:
        node.stamps = guard.stamps(arrays_in(saved))
    if mode.anomaly:
        node.line = anomaly.calling_line()
    return node


def _explained(op: Primitive, raw: list[Any], error: ValueError) -> ValueError:
    text = str(error)
    if op.elementwise:
        shapes = [np.shape(a) for a in raw if a is not None]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            found = " and ".join(map(str, shapes))
            return ValueError(f"{op.name}: shapes {found} do not fit together: {BROADCASTING}")
    return ValueError(text if text.startswith(op.name) else f"{op.name}: {text}")


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
    overwrites: bool = False,
    scalar: str | Callable[..., Any] | None = None,
    **vjps: Any,
) -> Any:
    """`primitive` for the project's own operations: also entered in `REGISTRY`, which the tests walk.

    `moves` says that each output entry is an input entry or a sum of some, so that exact zeros can be followed.
    `overwrites` says that its one vjp asks for `room` (room.py), to write its result over the cotangent.
    `scalar` is the formula for one entry, in the words of kernels/expression.py, from which chains of operations are
    fused (fusion.py); or a function of expressions, for what is no formula.
    """

    def register(function: Callable[..., Any]) -> Primitive:
        op = Primitive(function, vjps, joints, name, elementwise, moves)
        op.scalar, op.overwrites = scalar, overwrites
        return registered(op)

    return register


def registered(op: Primitive) -> Primitive:
    """`op`, entered in `REGISTRY`."""
    if op.name in REGISTRY:
        raise TypeError(f"an operation named {op.name!r} exists already")
    REGISTRY[op.name] = op
    return op
