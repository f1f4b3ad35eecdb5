"""Reverse mode: `grad`, and `Tensor.backward` for leaves.

One pass over the tape from the youngest node to the oldest, without recursion. Gradients live in a table of
the call; they are added out of place unless nobody else holds the buffer; a vjp that leads to nothing
asked for is not run; broadcasting is undone here, once, for every operation. The gradients are tensors while their
own computation is recorded; else they are bare arrays, and a vjp that is nothing but arithmetic runs on these.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from sys import getrefcount
from typing import Any

from numpy import asarray, generic, ndarray

from tinygen import kernels
from tinygen.autodiff import anomaly, guard, large
from tinygen.autodiff.arguments import arrays_in
from tinygen.autodiff.fusion import Fused
from tinygen.autodiff.primitive import REGISTRY, Primitive, Rule
from tinygen.autodiff.pull import pull
from tinygen.autodiff.room import alone, offer, offer_sum
from tinygen.autodiff.tape import Node, mode, reachable, recording
from tinygen.kernels.array_module import quietly, xp
from tinygen.kernels.capture import capturing
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.tensor import ArrayLike, Tensor, as_tensor, float32, float64


class MutationError(RuntimeError):
    """An array changed between being recorded and being needed for a gradient."""


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """The adjoint of broadcasting from `shape`, of a tensor or an array: sums over the axes that were added or
    repeated.

    Raises:
        ValueError: nothing of `shape` is broadcast to the shape of `g`.
    """
    axes, kept = _repeated(g.shape, shape)
    if axes:
        g = g.sum(axis=axes, keepdims=kept) if isinstance(g, Tensor) else kernels.reduce_sum(g, axes, kept)  # type: ignore[attr-defined]
    return g.reshape(shape) if g.shape != shape else g


@lru_cache(maxsize=4096)
def _repeated(target: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple[int, ...], bool]:
    """The axes of `target` that broadcasting from `shape` adds or repeats, and whether a sum over them has to keep
    them, as those of size 1 that they come from."""
    extra = len(target) - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, target[extra:])):
        raise ValueError(f"shape {shape} is not broadcast to {target}")
    repeated = tuple([i + extra for i, n in enumerate(shape) if n == 1 and target[i + extra] != 1])
    return (*range(extra), *repeated), bool(repeated)


class _Table(dict[Node, Any]):
    """Gradients by node: tensors while they are recorded, else arrays. A single float is a NumPy scalar, with which
    NumPy computes five times as fast as with an array of no dimensions."""

    def add(self, node: Node, g: Any, who: str = "backward") -> None:
        """Adds `g`, which the operation `who` gives, to the gradient at `node`; None is nothing to add."""
        if g is None:
            return
        if g.shape != node.shape:
            try:
                g = sum_to(g, node.shape)
            except ValueError:
                text = f"{who}: a vjp gave shape {g.shape} for an argument of shape {node.shape}"
                raise ValueError(text) from None
        if g.dtype is not node.dtype and g.dtype != node.dtype:
            g = g.astype(node.dtype)
        if not node.shape and type(g) is ndarray and (g.dtype is float32 or g.dtype is float64):
            g = g[()]
        held = self.get(node)
        if held is None:
            self[node] = g
        elif held.size == 1 or isinstance(held, Tensor):  # one entry: in a third of the time it takes NumPy in place
            self[node] = held + g
        elif held.size >= LARGE:
            if alone(held, 2):
                kernels.add_to(held, g)  # type: ignore[attr-defined]
            else:
                self[node] = large.forward(REGISTRY["add"], held, g)
        elif held.base is not None or getrefcount(held) != _ONLY_HERE:
            self[node] = held + g
        else:
            held += g

    def own(self, node: Node) -> Any:
        """The gradient at `node`, an array, where nobody else has it."""
        held = self.get(node)
        own = type(held) is ndarray and held.base is None and getrefcount(held) == _ONLY_HERE
        return held if own else None


def _references() -> int:
    """The references to what nothing but a table knows, seen from where it was fetched: Python's versions differ."""
    table = {0: object()}
    held = table.get(0)
    return getrefcount(held)


_ONLY_HERE = _references()


def _array(value: Any) -> Any:
    """A gradient as an array."""
    return asarray(value) if isinstance(value, generic) else value


def _bare(value: Any) -> Any:
    return value._data if isinstance(value, Tensor) else value


def _made(node: Node, rule: Rule, g: Any, several: bool) -> Any:
    """What the vjp of `rule` makes of the gradient `g` at `node`: a gradient, a tensor or an array as `g` is, or a list
    where there are `several`; None where there is none."""
    kind = type(g)
    if kind is ndarray and g.size >= LARGE:
        at_once = large.gradients(node.op, (rule,), g, node.saved)
        if at_once is not None:
            return at_once[0]
    if rule.of_arrays is None or kind is Tensor or (rule.arithmetic and kind not in _BARE):
        return _made_of_tensors(node, rule, g, several)
    single = kind is not ndarray and rule.arithmetic
    saved = node.saved
    values = [g if rule.arithmetic else _array(g)]
    for slot in rule.reads:
        value = saved[slot]
        if isinstance(value, Tensor):
            value = value._data
        values.append(value[()] if single and type(value) is ndarray else value)  # scalars beside a scalar
    return rule.of_arrays(*values)


_BARE = frozenset([ndarray, float32.type, float64.type])


def _made_of_tensors(node: Node, rule: Rule, g: Any, several: bool) -> Any:
    """The same of a vjp that is more than arithmetic or is recorded."""
    recorded = isinstance(g, Tensor)
    saved, output = node.saved, node.op.output
    values = [g if recorded else Tensor(_array(g))]
    for slot in rule.reads:
        value = saved[slot]
        if slot == output:
            value = Tensor(value)
            value._node = node  # made anew: a node that held its own output would be a cycle
        values.append(value)
    made = rule.vjp(*values)
    if not several:
        return _unwrapped(node, made, recorded)
    if len(made) != len(node.parents[node.op.rules.index(rule)]):
        raise ValueError(f"{node.name}: a vjp gave {len(made)} gradients, which are not one for each argument")
    return [_unwrapped(node, m, recorded) for m in made]


def _unwrapped(node: Node, made: Any, recorded: bool) -> Any:
    """What a vjp made, as a tensor or an array."""
    if made is None:
        return None
    if not isinstance(made, Tensor):
        raise TypeError(f"{node.name}: a vjp gives tensors, not {type(made).__name__}")
    return made if recorded else made._data


def _verify(node: Node) -> None:
    """What the node retained must be what it was when it was recorded."""
    stamps = node.stamps or {}
    for array in arrays_in(node.saved):
        if guard.changed(array, node.time, stamps.get(id(array))):
            name = next(name for name, value in node.retained.items() if any(a is array for a in arrays_in([value])))
            what = "its output" if name == "y" else f"its argument {name!r}"
            raise MutationError(
                f"{node.name}: {what}, of shape {array.shape}, changed after it was recorded; "
                f"its gradient would be wrong. Change a copy instead, or run the operation again"
            )


def _let_through(node: Node, rule: Rule, live: Any, several: bool) -> Any:
    """Which entries of the gradients that `rule` makes depend on the output at all: one mask, a list, or None for all.

    `live` is the mask of the node's own gradient. What a condition did not take is exactly 0, and stays so through what
    works entry by entry or only moves entries; a pole there must not make NaN of it (0 times infinity).
    """
    op = node.op
    if isinstance(op, Fused):
        return op.masks(node, live)
    if op.chooses:
        condition = node.saved[op.names.index("condition")]
        taken = (condition._data if isinstance(condition, Tensor) else xp(live).asarray(condition)) != 0
        taken = xp(taken).broadcast_to(~taken if rule.arguments == ("b",) else taken, node.shape)
        return taken if live is None else taken & live
    if live is None or op.elementwise:
        return live
    if not op.moves:
        return None
    with recording(False):
        moved = _made(node, rule, live.astype(node.dtype), several)
    return [m != 0 for m in moved] if several else moved != 0


def _gated(gradient: Any, live: Any) -> Any:
    """`gradient` with exact zeros where nothing was let through, so that no derivative of a pole gets out either."""
    if gradient.shape != live.shape:
        return gradient
    if not capturing() and (bool(live.all()) or not (mode.recording or bool(xp(live).isnan(gradient).any()))):
        return gradient
    return REGISTRY["where"](live, gradient, 0.0) if mode.recording else xp(live).where(live, gradient, 0)


def _merge(live: dict[Node, Any], parent: Node, passed: Any, first: bool) -> None:
    """Joins the mask of one more contribution to the gradient at `parent` into `live`."""
    if passed is None or not (first or parent in live):
        live.pop(parent, None)
        return
    if passed.shape != parent.shape:
        with recording(False):
            passed = sum_to(Tensor(passed.astype(parent.dtype)), parent.shape)._data != 0
    live[parent] = passed if first else live[parent] | passed


def _leading_to(order: Sequence[Node], wanted: set[Node]) -> set[Node]:
    """The nodes of `order` (youngest first) that are wanted or were made from one that is."""
    needed = set(wanted)
    for node in reversed(order):
        for parent in node.parents:
            if parent in needed or (type(parent) is tuple and not needed.isdisjoint(parent)):
                needed.add(node)
                break
    return needed


def backpropagate(
    output: Node, seed: Tensor, targets: Iterable[Node] | None, recorded: bool, stop_before: int = -1
) -> dict[Node, Tensor]:
    """Gradients of <seed, value at `output`> at `targets`, or at every leaf when None; absent where nothing depends.

    They are themselves `recorded` or not. Nodes older than the time `stop_before` are taken as leaves: nothing flows
    through them.
    """
    order = reachable(output, stop_before)
    if targets is None:
        wanted = {node for node in order if node.op is None}
        needed = set(order)  # a node without a leaf below it is never recorded
    else:
        wanted = set(targets)
        needed = _leading_to(order, wanted)
    start = seed if recorded else seed._data
    before = mode.recording, mode.backward
    mode.recording, mode.backward = recorded, True
    try:
        with quietly():  # poles are no reason to warn
            through_masks = recorded or mode.anomaly or capturing()
            while (found := _sweep(order, output, start, wanted, needed, stop_before, through_masks)) is None:
                through_masks = True
    finally:
        mode.recording, mode.backward = before
    if recorded:
        return found
    return {node: Tensor(asarray(g) if isinstance(g, generic) else g) for node, g in found.items()}


def _sweep(
    order: Sequence[Node],
    output: Node,
    seed: Any,
    wanted: set[Node],
    needed: set[Node],
    stop_before: int,
    through_masks: bool,
) -> dict[Node, Any] | None:
    """Runs the vjps of `order`, the youngest node first, and returns the gradients at `wanted`.

    What comes from entries that a `where`, or another that `chooses`, did not take is 0, whatever poles lie there; but
    0 times infinity is NaN. Masks see to it. They take longer than small gradients, and mostly there is no pole:
    without them the result is None where there is NaN below such a choice, which nothing that a vjp does takes away.
    """
    table = _Table()
    if output in needed:
        table.add(output, seed)
    live: dict[Node, Any] = {}  # below a choice: which entries can differ from 0; all of them for nodes not in here
    result: dict[Node, Any] = {}
    careful = through_masks and mode.anomaly
    chosen = False
    for node in order:
        g = table.pop(node, None)
        if g is None:
            continue
        if node in wanted:
            result[node] = g
        op = node.op
        if op is None or node.time < stop_before:
            continue
        if node.stamps is not None or node.time < guard.horizon:
            _verify(node)
        if op.overwrites:
            offer(g if g.size >= LARGE and alone(g, 1) else None)
        if op.takes_part and not through_masks and node.parents[0] in needed:
            offer_sum(g, table.own(node.parents[0]))
        chosen = chosen or op.chooses
        if through_masks and (live or careful or op.chooses):
            _pull_through_masks(node, g, table, needed, live)
        elif g.size < WRITTEN_BELOW and type(g) in _BARE:
            (op.pull or _written(op))(node, g, table.add, needed)
        else:
            _pull(node, g, table, needed)
    if chosen and not through_masks and any(bool(xp(g).isnan(g).any()) for g in result.values()):
        return None
    return result


WRITTEN_BELOW = LARGE  # the size of gradients from which on the loop in `_pull` costs nothing worth mentioning


def _written(op: Primitive) -> Callable[..., None]:
    """`_pull` written out for `op`, for bare gradients that are not large; from now on it has it."""
    op.pull = pull(op, together=_pull_together, unwrapped=_unwrapped)
    return op.pull


def _pull_together(
    node: Node, rule: Rule, parents: tuple[Node | None, ...], g: Any, add: Callable[..., None], needed: set[Node]
) -> None:
    """Adds what one vjp makes for several `parents`."""
    if needed.isdisjoint(parents):
        return
    made = list(_made(node, rule, g, True))[::-1]
    for p in parents:
        if p in needed:
            add(p, made.pop(), node.op.name)
        else:
            made.pop()


def _pull(node: Node, g: Any, table: _Table, needed: set[Node]) -> None:
    """Adds to `table` what the vjps of `node` make of its gradient `g`. Nothing here outlives its use: who is added to
    next in place must be held by the table alone."""
    op = node.op
    if len(op.rules) > 1 and g.size >= LARGE and type(g) is ndarray:
        wanted = [(rule, p) for rule, p in zip(op.rules, node.parents) if p in needed]
        made = large.gradients(op, [rule for rule, _ in wanted], g, node.saved)
        if made is not None:
            made.reverse()
            for _, p in wanted:
                table.add(p, made.pop(), op.name)
            return
    for rule, parent in zip(op.rules, node.parents):
        if parent in needed:
            table.add(parent, _made(node, rule, g, False), op.name)
        elif type(parent) is tuple:
            _pull_together(node, rule, parent, g, table.add, needed)


def _pull_through_masks(node: Node, g: Any, table: _Table, needed: set[Node], live: dict[Node, Any]) -> None:
    """`_pull`, below a choice and where anomalies are looked for."""
    op, mask = node.op, live.pop(node, None)
    for rule, parents in zip(op.rules, node.parents):
        several = type(parents) is tuple
        if parents is None or not (any(p in needed for p in parents) if several else parents in needed):
            continue
        made = _made(node, rule, g, several)
        through = None if mask is None and not op.chooses else _let_through(node, rule, mask, several)
        for i, (parent, gradient) in enumerate(zip(parents, made) if several else ((parents, made),)):
            if parent is None or gradient is None or parent not in needed:
                continue
            passed = through[i] if isinstance(through, list) else through
            if passed is not None and (op.elementwise or isinstance(op, Fused)):
                gradient = _gated(gradient, passed)
            if mode.anomaly:
                anomaly.check_gradient(node, _bare(gradient))
            if passed is not None or parent in live:
                _merge(live, parent, passed, parent not in table)
            table.add(parent, gradient, op.name)


def _seed(output: Tensor, grad_output: ArrayLike | None) -> tuple[Node, Tensor]:
    if not isinstance(output, Tensor):
        raise TypeError(f"a gradient is taken of a tensor, not of {type(output).__name__}")
    if output._node is None:
        raise ValueError(
            "the output carries no gradient: nothing it was made from has requires_grad=True, "
            "or it was made under no_grad"
        )
    if grad_output is None:
        if output.size != 1:
            raise ValueError(f"the gradient of an output of shape {output.shape} needs grad_output of that shape")
        return output._node, Tensor(xp(output._data).ones_like(output._data))
    g = as_tensor(grad_output)
    if g.shape != output.shape:
        raise ValueError(f"grad_output has shape {g.shape}, the output has {output.shape}: they must be equal")
    return output._node, g


def _unaliased(gradients: list[Tensor | None], seed: Tensor) -> list[Tensor | None]:
    """No two results, nor a result and the caller's seed, share memory; none is a view of something larger."""
    taken = {id(seed._data if seed._data.base is None else guard.buffer_of(seed._data))}
    fresh: list[Tensor | None] = []
    for g in gradients:
        if g is not None:
            array = g._data
            buffer = array if array.base is None else guard.buffer_of(array)
            if id(buffer) in taken or buffer.size != array.size or guard.shared(buffer):
                order = "C" if 0 in array.strides else "K"  # NumPy would put repeated numbers next to one another
                g = Tensor(array.copy(order=order)) if g._node is None else REGISTRY["positive"](g)  # a copy
                buffer = g._data
            taken.add(id(buffer))
        fresh.append(g)
    return fresh


def grad(
    output: Tensor,
    inputs: Tensor | Sequence[Tensor],
    grad_output: ArrayLike | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """The gradient of `output` with respect to each of `inputs`; leaves `.grad` alone.

    Args:
        output: a tensor; a scalar unless `grad_output` is given.
        inputs: a tensor or several, leaves or results of operations.
        grad_output: the cotangent, of the shape of `output`; 1 by default.
        create_graph: record the gradient's own computation, so that it can be differentiated again.
        allow_unused: give None for an input that the output does not depend on, instead of raising.

    Returns:
        A tuple with one tensor per input, each of its input's shape and dtype.

    Raises:
        ValueError: an input without gradient, an unused input, or a `grad_output` of another shape.
        MutationError: an array that the gradient needs changed after it was recorded.
    """
    nodes: list[Node] = []
    for i, x in enumerate((inputs,) if isinstance(inputs, Tensor) else inputs):
        if not isinstance(x, Tensor):
            raise TypeError(f"input {i} is {type(x).__name__}, not a tensor")
        if x._node is None:
            raise ValueError(f"input {i} has requires_grad=False: its gradient was not recorded")
        nodes.append(x._node)
    if allow_unused and isinstance(output, Tensor) and output._node is None:
        return (None,) * len(nodes)  # type: ignore[return-value]
    node, seed = _seed(output, grad_output)
    found = backpropagate(node, seed, nodes, create_graph)
    gradients: list[Tensor | None] = []
    for i, n in enumerate(nodes):
        g = found.get(n)
        if g is None and not allow_unused:
            raise ValueError(f"the output does not depend on input {i}: pass allow_unused=True to get None")
        gradients.append(g)
    return tuple(_unaliased(gradients, seed))  # type: ignore[arg-type]


def backward(self: Tensor, grad: ArrayLike | None = None) -> None:
    """Adds the gradient of this tensor to `.grad` of every leaf it depends on.

    Args:
        grad: the cotangent, of this tensor's shape; 1 by default for a scalar.

    Raises:
        ValueError: no gradient was recorded, or `grad` is missing or of another shape.
        MutationError: an array that the gradient needs changed after it was recorded.
    """
    node, seed = _seed(self, grad)
    found = backpropagate(node, seed, None, False)
    with recording(False):
        leaves = [(n.leaf() if n.leaf else None, g) for n, g in found.items()]
        alive = [(leaf, g) for leaf, g in leaves if leaf is not None]
        for (leaf, _), g in zip(alive, _unaliased([g for _, g in alive], seed)):
            leaf.grad = g if leaf.grad is None else leaf.grad + g  # out of place: the old one may be in a user's hands


Tensor.backward = backward  # type: ignore[method-assign]
