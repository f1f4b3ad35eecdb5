"""`fused`: a chain of elementwise operations as one pass over memory, and its gradients as another.

    @tg.fused
    def reparameterise(mean, log_variance, noise):
        return mean + exp(0.5 * log_variance) * noise

Run operation by operation, this reads and writes memory four times over, and each result waits in memory for the
backward pass. How a fuser does better, in four steps (the first three are tracing.py):

1. Trace. The function runs once on symbols. Each operation, instead of computing, notes its name and operands: the
   result is an expression, a graph in which what occurs twice is one node (kernels/expression.py).
2. Differentiate. The vjps of the operations (tinygen/ops/elementwise.py), the only formulas there are, run on the same
   symbols from the result back to the arguments. So the gradients are expressions of the arguments and the cotangent.
   What the forward computed is computed again: arithmetic costs less than memory.
3. Lower. Each operation is put into the few terms that kernels know by the formula that stands in its entry of the
   operation table, `scalar="x * sigmoid(x)"`.
4. Generate. A kernel is written as text, compiled and kept: in Numba on the CPU, in CUDA C++ on a GPU.

Where gradients are to be differentiated again, the expressions of step 2 run as operations instead, on the tape, so
every order is there. Held by tests/ops/test_fused_chains.py: random chains against the plain functions.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tinygen import kernels
from tinygen.autodiff import written
from tinygen.autodiff.arguments import broadcast_shapes, promoted, retained
from tinygen.autodiff.primitive import REGISTRY, Primitive, Rule, registered
from tinygen.autodiff.tape import Node, mode, recording
from tinygen.autodiff.tracing import apply, gradients, lowered, replayed, tracing
from tinygen.kernels.array_module import xp
from tinygen.kernels.definitions.arithmetic import FEW
from tinygen.kernels.expression import ARGUMENT, Chain, Expression, argument, in_order
from tinygen.kernels.loops import is_array
from tinygen.tensor import Tensor, float32, float64

Total = Literal["all", "mean", "examples"] | None


class Derivative:
    """The gradients of a chain at those of its arguments that are `wanted`: expressions of its arguments, and of the
    cotangent after them."""

    def __init__(self, chain: "Fused", wanted: tuple[bool, ...]):
        self.cotangent = argument(chain.arity)
        places = {argument(i) for i, on in enumerate(wanted) if on}
        found, taken = gradients(chain.expression, self.cotangent, places)
        self.gradients = [found.get(argument(i)) for i in range(chain.arity)]
        self.taken = [taken.get(argument(i)) for i in range(chain.arity)]
        self.made = [e for e in dict.fromkeys(self.gradients) if e is not None and e is not self.cotangent]
        self.chain = Chain(f"{chain.name}_backward", lowered(*self.made))
        given = in_order([e for e in (*self.made, *self.taken) if e is not None])
        self.reads = {e.operands[0] for e in given if e.name == ARGUMENT}
        self.reads_all = self.reads.issuperset(range(chain.arity))
        self.whole = self.gradients == self.made and len(self.chain.reads) > chain.arity
        self.of_few = _of_few(self, chain.arity + 1, lambda *arrays: None)

    def in_one_pass(self, arrays: Sequence[Any], g: Any, shape: tuple[int, ...]) -> Sequence[Any]:
        """The gradients, arrays of `shape`."""
        few = self.of_few(*arrays, g)
        if few is not None:
            return few if type(few) is tuple else (few,)
        made = kernels.load("fused", kernels.choose(g))(self.chain, (*arrays, g), shape) if self.made else ()
        if self.gradients == self.made:
            return made
        whole = xp(g).broadcast_to(g, shape) if g.shape != shape else g
        results: dict[Any, Any] = {None: None, self.cotangent: whole, **dict(zip(self.made, made))}
        return [results[e] for e in self.gradients]

    def on_the_tape(self, values: Sequence[Any], g: Tensor, shape: tuple[int, ...]) -> list[Tensor | None]:
        """The gradients, each of `shape`, by operations."""
        results = replayed([e for e in self.gradients if e is not None], (*values, g))
        whole = iter([apply("broadcast_to", r, shape) if r.shape != shape else r for r in results])
        return [None if e is None else next(whole) for e in self.gradients]

    def masks(self, values: Sequence[Any], live: Any, shape: tuple[int, ...]) -> list[Any]:
        """Which entries of each gradient can differ from 0, where those of the cotangent are `live` (None: all)."""
        with recording(False):
            taken = iter(replayed([e for e in self.taken if e is not None], values))
        masks = [None if e is None else next(taken)._data for e in self.taken]
        both = [live if mask is None else mask if live is None else mask & live for mask in masks]
        return [None if mask is None else xp(mask).broadcast_to(mask, shape) for mask in both]


# ---- the operation


class Fused(Primitive):
    """A chain of elementwise operations as one operation; made by `fused`, called like the function."""

    def __init__(self, function: Callable[..., Tensor], total: Total, name: str | None):
        super().__init__(function, {}, (), name, elementwise=total is None)
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
                raise TypeError(f"fused: {self.name} has the argument {parameter}; plain ones are needed")
        self.total, self.run, self.beside_numbers = total, function, True
        self.function = function if total is None else None
        self.forward = _of_few(self, self.arity, self._run) if total is None else self._run
        self.tensor_positions = tuple(range(self.arity))
        if self.arity == 1:  # whose gradient there is no choice about: an operation like any other
            of_both = "g", *self.names
            self.rules = (Rule(self.names, (0,), self._vjp_of_one, self._gradient, of_both, (0,), True, False),)
            self.pull = self.retains = None  # type: ignore[assignment]
        else:
            self.slots = ["derivative", "values", "shape"]  # of a node
            vjp = lambda g, derivative, values, shape: self._vjp(g, derivative, values, shape)
            self.rules = (self._rule(self.names, vjp, False),)
        self._derivatives: dict[tuple[bool, ...], Derivative] = {}

    @cached_property
    def expression(self) -> Expression:
        """What the function computes at one entry.

        Raises:
            TypeError: the function does something that is not elementwise, or gives no number.
        """
        try:
            with tracing():
                y = self.run(*(Tensor(argument(i)) for i in range(self.arity)))
        except AttributeError as error:
            raise TypeError(f"{self.name}: only elementwise operations can be fused ({error})") from None
        result = getattr(y, "_data", None)
        if isinstance(result, Expression) and all(e.name != ARGUMENT for e in in_order([result])):
            result = None
        if not isinstance(result, Expression) or (result.name in REGISTRY and not REGISTRY[result.name].rules):
            raise TypeError(f"{self.name}: a fused function returns one tensor of numbers made of its arguments")
        self.chooses = any(e.name == "where" for e in in_order([result]))
        return result

    @cached_property
    def chain(self) -> Chain:
        """What its kernel computes."""
        return Chain(self.name, lowered(self.expression), "all" if self.total == "mean" else self.total)

    def derivative(self, wanted: tuple[bool, ...]) -> Derivative:
        """Its gradients at the arguments that are `wanted`."""
        found = self._derivatives.get(wanted)
        if found is None:
            found = self._derivatives[wanted] = Derivative(self, wanted)
        return found

    @cached_property
    def _of_all(self) -> Derivative:
        return self.derivative((True,) * self.arity)

    def arrays(self, args: tuple[Any, ...], raw: list[Any]) -> list[Any]:
        return raw if _of_one_dtype(raw) in (float32, float64) else promoted(raw, self.tensor_positions)

    def _run(self, *raw: Any) -> Any:
        arrays = self._read(raw)
        shape, version, dtype = _together(arrays), kernels.choose(arrays[0]), _of_one_dtype(arrays)
        if self.total == "examples" and not shape:
            raise ValueError(f"{self.name}: examples (N, ...) are needed, found single numbers")
        if dtype is not None and dtype.kind in "fV":
            y = kernels.load("fused", version)(self.chain, raw, shape)[0]
            return y * _share(shape) if self.total == "mean" else y
        with recording(False):
            y = self.run(*(Tensor(a) if is_array(a) else a for a in raw))
            if self.total:
                whole = apply("broadcast_to", y, shape)
                y = apply("sum", whole, tuple(range(self.total == "examples", len(shape))))
                y = y * _share(shape) if self.total == "mean" else y
            return y._data

    @cached_property
    def whole(self) -> bool:
        """Whether all arguments are read."""
        return len(self.chain.reads) == self.arity

    def _read(self, raw: Sequence[Any]) -> list[Any]:
        """The arrays that the chain depends on."""
        return [a for i in self.chain.reads if type(a := raw[i]) is np.ndarray or is_array(a)]

    def retains(self, nodes: tuple[Any, ...], args: tuple[Any, ...], raw: tuple[Any, ...], out: Any) -> tuple[Any, ...]:
        derivative = self._of_all if None not in nodes else self.derivative(tuple([n is not None for n in nodes]))
        values = args
        for a in args:
            if not (derivative.reads_all and isinstance(a, Tensor)):
                read = derivative.reads
                values = tuple([retained(a, r) if i in read else None for i, (a, r) in enumerate(zip(args, raw))])
                break
        return derivative, values, _together(self._read(raw)) if self.total else out.shape

    def _vjp_of_one(self, g: Tensor, x: Tensor) -> Tensor | None:
        """The gradient of a chain of one argument."""
        return self._of_all.on_the_tape((x,), self._beside(g, x.shape), x.shape)[0]

    def _gradient(self, g: Any, x: Any) -> Any:
        """The same as an array."""
        made = self._of_all.of_few(x, g)
        return self._gradients(g, self._of_all, (Tensor(x),), x.shape)[0] if made is None else made

    def _vjp(self, g: Tensor, derivative: Derivative, values: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
        if mode.recording:
            return derivative.on_the_tape(values, self._beside(g, shape), shape)
        return [None if made is None else Tensor(made) for made in self._gradients(g._data, derivative, values, shape)]

    def _gradients(self, g: Any, derivative: Derivative, values: tuple[Any, ...], shape: tuple[int, ...]) -> Any:
        """The gradients as arrays."""
        g = self._beside(g, shape)
        arrays = [value._data if isinstance(value, Tensor) else value for value in values]
        dtype = g.dtype
        for a in arrays:
            if a is not None and is_array(a) and a.dtype != dtype:
                made = derivative.on_the_tape(values, Tensor(g), shape)
                return [None if y is None else y._data for y in made]
        return derivative.in_one_pass(arrays, g, shape)

    def pull(self, node: Node, g: Any, add: Callable[..., None], needed: set[Node]) -> None:
        """As it is written out for others (pull.py)."""
        made = self._gradients(np.asarray(g), *node.saved)
        for parent, gradient in zip(node.parents[0], made):
            if parent in needed:
                add(parent, gradient, self.name)

    def _beside(self, g: Any, shape: tuple[int, ...]) -> Any:
        """The gradient of a sum or a mean, ready to stand beside what was added up."""
        if self.total == "mean":
            g = g * _share(shape)
            return np.asarray(g) if isinstance(g, np.generic) else g
        return g.reshape(shape[0], *(1,) * (len(shape) - 1)) if self.total == "examples" else g

    def masks(self, node: Node, live: Any) -> list[Any]:  # type: ignore[override]
        """Which entries of each argument's gradient can differ from 0 (see backward.py)."""
        derivative, values, shape = node.saved if self.arity > 1 else (self._of_all, node.saved, node.saved[0].shape)
        if live is not None and self.total == "examples":
            live = self._beside(live, shape)
        return derivative.masks(values, live, shape)


def _of_few(computed: Any, arity: int, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """The function of `arity` arrays that gives them to the kernel of few entries for `computed.chain`, where they are
    for it (see `kernels.load`) and `computed.whole` says that it reads them all; and else calls `otherwise` with them.

    Written out, as the call of an operation is (call.py): a loop over the arguments takes as long as the kernel.
    """
    names = [f"x{i}" for i in range(arity)]
    given = ", ".join(names)
    for_it = [f"type({x}) is ndarray and {x}.dtype is float32 and {x}.flags.c_contiguous" for x in names]
    alike = "".join(f" and {x}.shape == x0.shape" for x in names[1:])
    text = f"""
def few({given}):
    if {" and ".join(for_it)} and x0.size < FEW and x0.ndim{alike} and not forced and computed.whole:
        return kernels.load("fused", "cpu", computed.chain)({given})
    return otherwise({given})
"""
    scope = {"kernels": kernels, "forced": kernels.forced, "ndarray": np.ndarray, "float32": float32, "FEW": FEW}
    return written.function(text, __file__, "few", scope | {"computed": computed, "otherwise": otherwise})


def _share(shape: tuple[int, ...]) -> float:
    """What a sum over `shape` is multiplied by to give the mean."""
    return 1.0 / n if (n := math.prod(shape)) else math.nan


def _together(arrays: list[Any]) -> tuple[int, ...]:
    """The shape that the arrays broadcast to."""
    shape = arrays[0].shape
    for a in arrays:
        if a.shape != shape:
            return broadcast_shapes(*[a.shape for a in arrays])
    return shape  # type: ignore[no-any-return]


def _of_one_dtype(values: Sequence[Any]) -> Any:
    """The dtype of `values` where all are arrays and have the same, else None."""
    found = None
    for value in values:
        dtype = getattr(value, "dtype", None)
        if dtype is None or (found is not None and dtype is not found and dtype != found):
            return None
        found = dtype
    return found


def fused(function: Callable[..., Tensor] | None = None, *, total: Total = None, name: str | None = None) -> Any:
    """Makes one operation of a function of tensors that is a chain of elementwise operations; a decorator.

    It runs as one pass over memory, backward as another, and keeps nothing but its arguments. Arguments broadcast;
    numbers may change from call to call without a new kernel. float32 and float64, on the CPU and on a GPU; for other
    dtypes the function itself runs. The first call writes and compiles the kernel (half a second, kept on disk).

    Args:
        function: of tensors and numbers, by their names; returns one tensor. It is traced once: what it does may
            depend on numbers it closes over, not on its arguments' values or shapes.
        total: add up the result: "all" of it, to a scalar, of which "mean" takes the mean, or that of each of the
            "examples" (N, ...), to (N,).
        name: how errors and drawn graphs call it; the function's own name by default.

    Example:
        >>> @tg.fused
        ... def reparameterise(mean, log_variance, noise):
        ...     return mean + tg.exp(0.5 * log_variance) * noise

    Raises:
        TypeError: when first called, if the function does anything that is not elementwise.
    """
    if total not in (None, "all", "mean", "examples"):
        raise ValueError(f'fused: total is None, "all", "mean" or "examples", not {total!r}')
    if function is not None:
        return Fused(function, total, name)
    return lambda function: Fused(function, total, name)


def fused_operation(total: Total = None, name: str | None = None) -> Any:
    """`fused` for the project's own operations: also entered in `REGISTRY`, which the tests walk."""

    def register(function: Callable[..., Tensor]) -> Fused:
        return registered(Fused(function, total, name))  # type: ignore[return-value]

    return register
