"""Operations. One entry holds a forward on raw arrays and, beside it, one vjp per argument written on tensors:

    @primitive(x=lambda g, y: g * y)
    def exp(x):
        return xp(x).exp(x)

A vjp asks by name for what it needs: `g` the cotangent, `y` the output, any argument of the forward, `x_shape`
for the shape of `x` alone, or a name the forward kept with `Kept(y, name=...)`. What no vjp names is not retained.
Because a vjp is made of operations it can itself be differentiated; there is no second set of formulas.

Held by tests/autodiff/ (engine) and tests/ops/test_registry.py (every entry, orders 1 to 3).
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygen.autodiff import anomaly, guard
from tinygen.autodiff.tape import Node, mode
from tinygen.tensor import Tensor, asarray

BROADCASTING = "sizes must be equal or 1, axis by axis from the last"

REGISTRY: dict[str, "Primitive"] = {}


class Kept:
    """What a forward returns when its gradient needs more than arguments and output: `Kept(y, lse=lse)`."""

    __slots__ = ("extra", "y")

    def __init__(self, y: Any, **extra: Any):
        self.y = y
        self.extra = extra


class Rule(NamedTuple):
    """A vjp, the arguments it serves and the names it asks for."""

    arguments: tuple[str, ...]
    positions: tuple[int, ...]
    vjp: Callable[..., Any]
    names: tuple[str, ...]


class Joint(NamedTuple):
    """One vjp that serves several arguments at once and returns one gradient (or None) for each."""

    vjp: Callable[..., Any]
    arguments: tuple[str, ...]


def joint(vjp: Callable[..., Any], *arguments: str) -> Joint:
    """A vjp for `arguments` together, where one kernel computes all their gradients."""
    return Joint(vjp, arguments)


class Primitive:
    """A differentiable operation; made by `primitive`, called like a function of tensors."""

    def __init__(
        self,
        forward: Callable[..., Any],
        vjps: dict[str, Callable[..., Any]],
        joints: tuple[Joint, ...],
        name: str | None,
        elementwise: bool,
    ):
        functools.update_wrapper(self, forward)
        parameters = inspect.signature(forward).parameters
        self.name = name or forward.__name__
        self.forward = forward
        self.elementwise = elementwise
        self.names = tuple(parameters)
        self.defaults = tuple(p.default for p in parameters.values())
        self.arity = len(self.names)
        rules = [self._rule((argument,), vjp) for argument, vjp in vjps.items()]
        rules += [self._rule(entry.arguments, entry.vjp) for entry in joints]
        self.rules: tuple[Rule, ...] = tuple(rules)
        self.tensor_positions = frozenset(i for rule in rules for i in rule.positions)
        self.needs = {name for rule in rules for name in rule.names} - {"g"}

    def _rule(self, arguments: tuple[str, ...], vjp: Callable[..., Any]) -> Rule:
        for argument in arguments:
            if argument not in self.names:
                raise TypeError(f"{self.name}: a vjp is given for {argument!r}, not one of the arguments {self.names}")
        names = tuple(inspect.signature(vjp).parameters)
        return Rule(arguments, tuple(self.names.index(a) for a in arguments), vjp, names)

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.names)})>"

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
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
        if kwargs or len(args) != self.arity:
            args = self._bind(args, kwargs)
        raw = [a._data if isinstance(a, Tensor) else _unwrap(a) for a in args]
        if self.elementwise:
            if len(raw) == 1 or not _alike(raw):
                raw = _promote(raw, self.tensor_positions)
        else:
            for i in self.tensor_positions:
                if raw[i] is not None and not hasattr(raw[i], "dtype") and type(raw[i]) is not list:
                    raw[i] = asarray(raw[i])
        try:
            out = self.forward(*raw)
        except ValueError as error:
            raise _explained(self, raw, error) from None
        extra = None
        if type(out) is Kept:
            out, extra = out.y, out.extra
        if isinstance(out, np.generic):
            out = np.asarray(out)
        if mode.anomaly:
            anomaly.check_value(self.name, out)
        result = Tensor(out)
        if mode.recording and self.rules and out.dtype.kind == "f":
            self._record(args, raw, result, extra)
        return result

    def _record(self, args: tuple[Any, ...], raw: list[Any], result: Tensor, extra: dict[str, Any] | None) -> None:
        found = False
        parents = []
        for rule in self.rules:
            if len(rule.positions) == 1:
                value = args[rule.positions[0]]
                if isinstance(value, Tensor):
                    parent: Any = value._node
                    found = found or parent is not None
                elif isinstance(value, list | tuple):
                    parent = tuple(v._node if isinstance(v, Tensor) else None for v in value)
                    found = found or any(node is not None for node in parent)
                else:
                    parent = None
            else:
                values = [args[i] for i in rule.positions]
                parent = tuple(v._node if isinstance(v, Tensor) else None for v in values)
                found = found or any(node is not None for node in parent)
            parents.append(parent)
        if not found:
            return
        saved: dict[str, Any] = dict(extra) if extra else {}
        for name in self.needs:
            if name in saved:
                continue
            if name == "y":
                saved["y"] = result._data
            elif name in self.names:
                position = self.names.index(name)
                saved[name] = _retained(args[position], raw[position])
            elif name.endswith("_shape") and name[:-6] in self.names:
                value = raw[self.names.index(name[:-6])]
                saved[name] = [v.shape for v in value] if type(value) is list else np.shape(value)
            else:
                raise TypeError(f"{self.name}: a vjp asks for {name!r}, which is neither g, y, an argument nor kept")
        node = Node(self, tuple(parents), saved, result._data.shape, result._data.dtype)
        if guard.guards:
            node.stamps = {name: guard.stamp(array) for name, array in saved_arrays(saved)}
        if mode.anomaly:
            node.line = anomaly.calling_line()
        result._node = node


def saved_arrays(saved: dict[str, Any]) -> list[tuple[str, Any]]:
    """The raw arrays among what a node retains, with their names."""
    found = []
    for name, value in saved.items():
        if isinstance(value, Tensor):
            found.append((name, value._data))
        elif isinstance(value, list):
            found += [(f"{name}[{i}]", v._data) for i, v in enumerate(value) if isinstance(v, Tensor)]
        elif hasattr(value, "dtype") and not isinstance(value, np.generic):
            found.append((name, value))
    return found


def _unwrap(value: Any) -> Any:
    """An argument as forwards see it: tensors inside a list as arrays, NumPy scalars as Python numbers."""
    if isinstance(value, list):
        return [v._data if isinstance(v, Tensor) else v for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _retained(argument: Any, raw: Any) -> Any:
    """An argument as a vjp will see it: tensors stay tensors, a user's own array is watched from now on."""
    if isinstance(argument, Tensor):
        return argument
    if type(raw) is list:
        return [_retained(a, r) for a, r in zip(argument, raw)]
    if isinstance(raw, np.ndarray):
        if raw is argument:
            guard.expose(raw)
        return Tensor(raw)
    return raw


def _alike(raw: list[Any]) -> bool:
    """Whether all are arrays of one floating dtype: then nothing needs promoting."""
    first = raw[0]
    if not isinstance(first, np.ndarray) or first.dtype.kind != "f":
        return False
    return all(isinstance(a, np.ndarray) and a.dtype is first.dtype for a in raw[1:])


def _promote(raw: list[Any], tensor_positions: frozenset[int]) -> list[Any]:
    """Arguments of an elementwise operation: Python numbers take the arrays' dtype, integers become the arrays'
    floating dtype (not float64, as NumPy would have it); float32 with float64 gives float64."""
    arrays = [a for a in raw if hasattr(a, "dtype")]
    if not arrays:
        return [asarray(a) if i in tensor_positions or len(raw) == 1 else a for i, a in enumerate(raw)]
    floats = {a.dtype for a in arrays if a.dtype.kind == "f"}
    if not floats:
        return raw
    wide = max(floats, key=lambda dtype: dtype.itemsize)
    return [a.astype(wide) if hasattr(a, "dtype") and a.dtype.kind in "iu" else a for a in raw]


def _explained(op: Primitive, raw: list[Any], error: ValueError) -> ValueError:
    if not op.elementwise:
        text = str(error)
        return ValueError(text if text.startswith(op.name) else f"{op.name}: {text}")
    shapes = " and ".join(str(np.shape(a)) for a in raw if a is not None)
    return ValueError(f"{op.name}: shapes {shapes} do not fit together: {BROADCASTING}")


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


def operation(*joints: Joint, name: str | None = None, elementwise: bool = False, **vjps: Any) -> Any:
    """`primitive` for the project's own operations: also entered in `REGISTRY`, which the tests walk."""

    def register(function: Callable[..., Any]) -> Primitive:
        op = Primitive(function, vjps, joints, name, elementwise)
        if op.name in REGISTRY:
            raise TypeError(f"an operation named {op.name!r} exists already")
        REGISTRY[op.name] = op
        return op

    return register
