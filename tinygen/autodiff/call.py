"""How an operation is called: one function for each signature, written from a template.

An operation may be given anything: tensors, numbers, lists, NumPy's arrays, symbols, bfloat16, arrays so large that
they are shared out among threads. Nearly always it is given tensors of float32 or float64 and Python's numbers, and on
tiny arrays a loop that asks this of one argument after the other takes longer than the arithmetic. So the loop is
written out for the arguments there are, as `dataclasses` and `namedtuple` write their methods. For tanh(x), whose vjp
asks for `g, y`:

    def call(x0):
        usual = not watched                        # 1. What is it given?
        large = False
        if isinstance(x0, Tensor):
            array0 = x0._data
            node0 = x0._node
            if array0.dtype is not float32 and array0.dtype is not float64:
                usual = False
            elif array0.size >= LARGE:
                large = True
        else: ...
        if usual:
            forward = op.on_large if large else op.forward
        else:                                      # settled.py: convert, promote, widen, or note a symbol
            ready = settled(op, (x0,))
            if isinstance(ready, Tensor):
                return ready
            array0, node0, forward = ready
        try:                                       # 2. Compute.
            out = forward(array0)
        except ...
        result = Tensor(out)
        if node0 is not None and mode.recording:   # 3. Record what the vjps in use ask for.
            result._node = node = Node(op, (node0,), (None, out), out)
            if exposed or not usual:
                note(node)
        return result

What stands there follows from the number of arguments, from which may be tensors and which are said to be plain numbers
(`stride: Pair`), from what each vjp asks for, and from whether the operation is elementwise:
`print(text(REGISTRY["matmul"]))` shows it, and so does a traceback. The arguments get their own names at the end. A
function is written when it is called for the first time. An operator is the same function with one question more:
whether what stands beside the tensor is for it at all.

Held by tests/ops/test_call.py: the same values, nodes and errors, whatever is usual.
"""

import inspect
from collections.abc import Callable, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygen.autodiff import anomaly, guard
from tinygen.autodiff.arguments import NUMBERS, arrays_in, retained
from tinygen.autodiff.settled import settled
from tinygen.autodiff.tape import Node, mode
from tinygen.autodiff.written import function
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.tensor import Tensor, float32, float64

if TYPE_CHECKING:
    from tinygen.autodiff.primitive import Primitive

REQUIRED = inspect.Parameter.empty
BROADCASTING = "sizes must be equal or 1, axis by axis from the last"


class Kept:
    """What a forward returns when its gradient needs more than arguments and output: `Kept(y, lse=lse)`."""

    __slots__ = ("extra", "y")

    def __init__(self, y: Any, **extra: Any):
        self.y = y
        self.extra = extra


# -- the text ------------------------------------------------------------------------------------------------


def text(op: "Primitive", order: Sequence[int] | None = None, operator: bool = False) -> str:
    """The function that calls `op`, with its arguments in `order`; `NotImplemented` where it is an `operator` and the
    last of these is neither a number nor an array."""
    every = range(op.arity)
    order = every if order is None else order
    numbers = op.beside_numbers and op.arity > 1  # may stand beside tensors, but not alone
    arrays = _all("array", every)
    lines = f"""
def call({_all("x", order)}):
    usual = not watched
    {"tensors = False" if numbers else ""}
    {"large = False" if _has_large_form(op) else ""}
{"".join(_look_at(op, i) for i in every)}
    if usual{" and tensors" if numbers else ""}:
        forward = {"op.on_large if large else " if _has_large_form(op) else ""}op.forward
    else:
        {f"if not is_operand(x{order[-1]}): return NotImplemented" if operator else ""}
        ready = settled(op, ({_all("x", every)},))
        if isinstance(ready, Tensor):
            return ready
        {", ".join([arrays, *(f"node{i}" for i in op.tensor_positions), "forward"])} = ready
        {"usual = False" if numbers else ""}
{_compute(op, arrays, op.plain_positions)}
    return result
"""
    return _without_blanks(lines)


def text_of_each(op: "Primitive") -> str:
    """The function that calls `op`, of a tensor and something without arrays, for one tensor and each of many others:
    what the tensor is is asked once, and all that their nodes have in common made once."""
    parents, values = _parents(op), _values(op, {1})
    common = [slot for slot in range(len(op.slots)) if slot not in (1, op.output)]
    saved = [f"saved{slot}" if slot in common else value for slot, value in enumerate(values)]
    return _without_blanks(f"""
def call(x0, every):
    usual = not watched
{_look_at(op, 0)}
    if not usual:
        return [op(x0, x1) for x1 in every]
    recorded = ({_some(parents)}) and mode.recording
    parents = ({", ".join(parents)},)
{"".join(f"    saved{slot} = {values[slot]}{chr(10)}" for slot in common)}
    results = []
    for x1 in every:
        out = plainly(array0, x1)
        if type(out) is not ndarray and isinstance(out, generic):
            out = asarray(out)
        result = Tensor(out)
        if recorded:
            result._node = node = Node(op, parents, ({", ".join(saved)},), out)
            if exposed:
                note(node)
        results.append(result)
    return results
""")


def _without_blanks(lines: str) -> str:
    return "\n".join(line for line in lines.splitlines() if line.strip()) + "\n"


def _all(name: str, positions: Sequence[int]) -> str:
    return ", ".join(f"{name}{i}" for i in positions)


def _has_large_form(op: "Primitive") -> bool:
    """Whether large arrays are computed otherwise (large.py)."""
    return op.elementwise and op.scalar is not None


def _look_at(op: "Primitive", i: int) -> str:
    """Whether argument `i` is a tensor that can be computed with as it is, or what need not be one."""
    differentiable, optional = i in op.tensor_positions, op.defaults[i] is not REQUIRED
    if i in op.plain_positions:
        return f"    array{i} = x{i}\n"
    node = f"node{i} = x{i}._node" if differentiable else ""
    of_other_kind = f"array{i}.dtype is not float32 and array{i}.dtype is not float64"
    counts = differentiable or not op.rules  # what is no number, such as a condition, makes no tensor of numbers
    if not counts:
        of_other_kind += f" and array{i}.dtype is not truth"
    if not (op.elementwise or differentiable):  # labels, say
        of_other_kind += f' and array{i}.dtype.kind not in "iub"'
    if not op.beside_numbers:
        odd = f"x{i} is not None" if differentiable else f"type(x{i}) not in STATIC"
        if not differentiable and optional:  # a parameter
            return f"""
    array{i} = x{i}
    if {odd}:
        usual = False
"""
    elif op.arity == 1:
        odd = "True"
    else:
        odd = f"type(x{i}) not in {'NUMBERS_OR_NONE' if optional else 'NUMBERS'}"
    several = f"""
    elif type(x{i}) is list and (found := listed(x{i})) is not None:
        array{i}, node{i}, x{i} = found
"""
    return f"""
    if isinstance(x{i}, Tensor):
        array{i} = x{i}._data
        {node}
        {"tensors = True" if op.beside_numbers and op.arity > 1 and counts else ""}
        if {of_other_kind}:
            usual = False
        {f"elif array{i}.size >= LARGE: large = True" if _has_large_form(op) else ""}
    {several if differentiable and not op.elementwise else ""}
    else:
        array{i} = x{i}
        {f"node{i} = None" if differentiable else ""}
        if {odd}:
            usual = False
"""


def _compute(op: "Primitive", arrays: str, plain: Set[int]) -> str:
    """The result of `forward`, recorded; in the arguments at `plain` no array can be."""
    return f"""
    try:
        out = {"mode.quietly(forward, " if op.quiet else "forward("}{arrays})
    except (ValueError, TypeError, AttributeError) as error:
        explain(op, ({arrays},), error)
        raise
    {"extra = NOTHING" if op.keeps else ""}
    if type(out) is not ndarray:
        if type(out) is Kept:
            {"extra = out.extra" if op.keeps else ""}
            out = out.y
        if isinstance(out, generic):
            out = asarray(out)
    result = Tensor(out)
{_record(op, plain) if op.rules else ""}
"""


def _record(op: "Primitive", plain: Set[int]) -> str:
    """Where a gradient is wanted, the node: its parents, and what the vjps in use ask for."""
    together = ""
    for k, rule in enumerate(op.rules):
        if not rule.single:
            nodes = [f"node{i}" for i in rule.positions]
            together += f"        nodes{k} = ({', '.join(nodes)},) if {_some(nodes)} else None\n"
    if op.retains is None:
        values = _values(op, plain)
        saved = f"({', '.join(values)},)" if any(value != "None" for value in values) else "()"
    else:
        every = range(op.arity)
        saved = f"op.retains(nodes0, ({_all('x', every)},), ({_all('array', every)},), out)"
    number = "" if op.elementwise else ' and (out.dtype is float32 or out.dtype.kind in "fV")'
    return f"""
    if ({_some([f"node{i}" for i in op.tensor_positions])}) and mode.recording{number}:
{together}
        {f"check_kept(op, extra, {op.keeps})" if op.keeps else ""}
        result._node = node = Node(op, ({", ".join(_parents(op))},), {saved}, out)
        if exposed or not usual:
            note(node)
"""


def _parents(op: "Primitive") -> list[str]:
    """For each vjp the node of what it serves, or of several together."""
    return [f"node{rule.positions[0]}" if rule.single else f"nodes{k}" for k, rule in enumerate(op.rules)]


def _values(op: "Primitive", plain: Set[int]) -> list[str]:
    """What a node retains."""
    return [_value(op, slot, _parents(op), plain) for slot in range(len(op.slots))]


def _some(nodes: Sequence[str]) -> str:
    return " or ".join(f"{node} is not None" for node in nodes)


def _value(op: "Primitive", slot: int, parents: Sequence[str], plain: Set[int]) -> str:
    """What a node puts into `slot`: nothing where no vjp in use asks for it."""
    name = op.slots[slot]
    argument, _, what = name.rpartition("_")
    readers = [parent for parent, rule in zip(parents, op.rules) if slot in rule.reads]
    if not readers:
        return "None"
    if slot == op.output:
        value = "out"
    elif slot in plain:
        value = f"x{slot}"
    elif slot < op.arity:
        usual = "usual" if slot in op.tensor_positions else f"usual and type(x{slot}) is not tuple"
        value = f"x{slot} if {usual} else retained(x{slot}, array{slot})"
    elif name in op.keeps:
        value = f'extra["{name}"]'
    else:
        array = f"array{op.names.index(argument)}"
        whole = f"{array}.shape if type({array}) is ndarray else shape({array})"
        value = f"{array}.strides" if what == "strides" else whole
    return f"({value})" if len(readers) == len(parents) else f"(({value}) if {_some(readers)} else None)"


# -- what the text calls -------------------------------------------------------------------------------------


def is_operand(value: Any) -> bool:
    return isinstance(value, _OPERANDS) or hasattr(value, "dtype")


_OPERANDS = (Tensor, float, int, bool)


def explain(op: "Primitive", raw: tuple[Any, ...], error: Exception) -> None:
    """Raises what `error` means; returns where it speaks for itself."""
    if not isinstance(error, ValueError):
        absent = [op.names[i] for i in op.tensor_positions if raw[i] is None and op.defaults[i] is REQUIRED]
        if absent and "NoneType" in str(error):
            raise TypeError(f"{op.name}: {absent[0]!r} is None, not a tensor, an array or a number") from None
        return
    text = str(error)
    if op.elementwise:
        shapes = [np.shape(a) for a in raw if a is not None]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            text = f"{op.name}: shapes {' and '.join(map(str, shapes))} do not fit together: {BROADCASTING}"
    raise ValueError(text if text.startswith(op.name) else f"{op.name}: {text}") from None


def listed(values: list[Any]) -> tuple[list[Any], Any, list[Any]] | None:
    """The arrays of a list of tensors that can be computed with as they are, their nodes (None where none carries a
    gradient), and a list that nobody else has; None where there is another thing in it, or nothing."""
    arrays, nodes, recorded = [], [], False
    for value in values:
        if not isinstance(value, Tensor) or (value._data.dtype is not float32 and value._data.dtype is not float64):
            return None
        arrays.append(value._data)
        nodes.append(value._node)
        recorded = recorded or value._node is not None
    return (arrays, tuple(nodes) if recorded else None, values.copy()) if arrays else None


def check_kept(op: "Primitive", extra: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in extra:
            raise TypeError(f"{op.name}: a vjp asks for {name!r}, which is neither g, y, an argument nor kept")


def shape(value: Any) -> Any:
    return value.shape if type(value) is not list else [v.shape for v in value]


def note(node: Node) -> None:
    """The state of what a node retains, where somebody outside could change that; and where it was recorded."""
    if guard.exposed:
        node.stamps = guard.stamps(arrays_in(node.saved))
    if mode.anomaly:
        node.line = anomaly.calling_line()


# -- the function --------------------------------------------------------------------------------------------

_NAMES = {
    **{f.__name__: f for f in (settled, retained, explain, check_kept, is_operand, listed, shape, note)},
    **{t.__name__: t for t in (Tensor, Node, Kept)},
    **{"ndarray": np.ndarray, "generic": np.generic, "asarray": np.asarray},
    **{"mode": mode, "exposed": guard.exposed, "watched": anomaly.watched},
    **{"float32": float32, "float64": float64, "truth": np.dtype(np.bool_), "LARGE": LARGE, "NOTHING": {}},
    "NUMBERS": frozenset([float, int, bool]),
    "NUMBERS_OR_NONE": frozenset(NUMBERS),
    "STATIC": frozenset([*NUMBERS, tuple, str, slice, type(float32), type(float64)]),
}


def written(op: "Primitive", order: Sequence[int] | None = None, operator: bool = False) -> Callable[..., Any]:
    """The function of `text`."""
    names = tuple([op.names[i] for i in order or range(op.arity)])
    defaults = tuple([default for default in op.defaults if default is not REQUIRED])
    return function(text(op, order, operator), __file__, op.name, {**_NAMES, "op": op}, names, defaults)


def written_for_each(op: "Primitive") -> Callable[..., list[Tensor]]:
    """The function of `text_of_each`."""
    scope = {**_NAMES, "op": op, "plainly": op.plainly or op.forward}
    return function(text_of_each(op), __file__, op.name, scope)  # type: ignore[no-any-return]
