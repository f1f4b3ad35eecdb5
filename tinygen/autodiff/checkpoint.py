"""`checkpoint`: trade time for memory (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

The function's intermediate values are dropped after the forward pass and computed anew when the backward pass
reaches it. Tensors the function closes over (a module's parameters, say) receive their gradients too.
"""

from collections.abc import Callable
from typing import Any

from tinygen.autodiff.backward import backpropagate
from tinygen.autodiff.call import note
from tinygen.autodiff.mixed_precision import mixed_precision
from tinygen.autodiff.primitive import Primitive, joint
from tinygen.autodiff.tape import Node, mode, now, reachable, recording
from tinygen.autodiff.transforms import alias
from tinygen.kernels.array_module import xp
from tinygen.tensor import Tensor


def _vjp(
    g: Tensor, y: Tensor, fn: Callable[..., Tensor], args: tuple[Any, ...], outside: list[Node]
) -> tuple[Any, ...]:
    create_graph = mode.recording
    with recording(True):
        # At places of their own, so that an argument, another made from it, and one `fn` closes over stay apart;
        # for a gradient that is to be differentiated again, joined to the outer graph.
        inner = tuple(alias(a) if create_graph and isinstance(a, Tensor) else _leaf(a) for a in args)
        start = now()
        again = fn(*inner)
    if not xp(again._data).array_equal(again._data, y._data, equal_nan=True):
        raise RuntimeError(
            "checkpoint: the function gave other values when it was run again; it must be deterministic, "
            "so draw random numbers outside and pass them in"
        )
    if again._node is None:
        return (None,) * (len(args) + len(outside))
    nodes = [a._node if isinstance(a, Tensor) else None for a in inner] + list(outside)
    found = backpropagate(again._node, g, [n for n in nodes if n is not None], create_graph, stop_before=start)
    return tuple(None if n is None else found.get(n) for n in nodes)


def _leaf(argument: Any) -> Any:
    return Tensor(argument._data, argument.requires_grad) if isinstance(argument, Tensor) else argument


_checkpoint = Primitive(lambda fn, args, outside: None, {}, (joint(_vjp, "args", "outside"),), "checkpoint", False)


def checkpoint(fn: Callable[..., Tensor], *args: Any) -> Tensor:
    """`fn(*args)`, keeping none of its intermediate values: they are computed again in the backward pass.

    `fn` must be deterministic and return one tensor. Gradients of any order flow to tensors among `args` and
    to tensors that `fn` closes over.

    Raises:
        RuntimeError: in the backward pass, when `fn` does not give the same values again.
    """
    if not mode.recording:
        return fn(*args)
    fn = mixed_precision(mode.mixed)(fn)  # again as now, wherever the backward pass runs
    inner = tuple(_leaf(a) for a in args)
    start = now()
    own = {a._node for a in inner if isinstance(a, Tensor)}
    y = fn(*inner)
    if not isinstance(y, Tensor):
        raise TypeError(f"checkpoint: the function must return one tensor, not {type(y).__name__}")
    if y._node is None:
        return y
    outside = [n for n in reachable(y._node, stop_before=start) if n.time < start and n not in own]
    result = Tensor(y._data)
    parents = tuple(a._node if isinstance(a, Tensor) else None for a in args) + tuple(outside)
    result._node = Node(_checkpoint, (parents,), (fn, args, outside, y._data), y._data)
    note(result._node)
    return result
