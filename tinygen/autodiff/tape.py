"""The tape: one `Node` per recorded value, and the switches that say whether anything is recorded.

A node knows the operation that made it, the nodes it was made from and the values its gradient needs. It
holds the *data* of an argument only where a gradient formula names it, so `a + b` retains nothing. Nodes point
to their parents and never back, so a graph that is dropped is freed at once, without the cycle collector.
"""

import itertools
import operator
import threading
import weakref
from collections.abc import Iterator
from contextlib import ContextDecorator
from typing import Any

from tinygen.kernels.array_module import run_quietly

_clock = itertools.count()
_tick = _clock.__next__


class Mode(threading.local):
    """Per-thread switches of the engine."""

    recording = True
    anomaly = False  # whether a NaN or an infinity raises
    backward = False  # whether a gradient is being computed
    tracer: Any = None  # what notes operations on symbols, while there are any: see fusion.py
    room: Any = None  # the gradient that the vjp now to run may write over: see room.py
    sum: Any = (None, None)  # a part's cotangent, and the gradient of the whole that it may be added to: see room.py
    mixed = False  # whether layers compute with bfloat16 copies: see mixed_precision.py

    def __init__(self) -> None:
        self.quietly = run_quietly()  # calls a function of arrays at whose poles nobody is warned


mode = Mode()


class Node:
    """One recorded value: where it came from and what its gradient needs.

    `parents[i]` belongs to `op.rules[i]`: a node, None where no gradient is wanted, or a tuple of these for
    a rule that serves several arguments. `saved[i]` is what `op.slots[i]` names, None where no gradient wanted needs
    it; empty where none needs anything. A leaf has no operation and knows its tensor by a weak reference.
    `time` is when it was recorded: a parent is always older, so this order is topological.
    """

    __slots__ = ("__weakref__", "dtype", "leaf", "line", "op", "parents", "saved", "shape", "stamps", "time")

    def __init__(self, op: Any, parents: tuple[Any, ...], saved: tuple[Any, ...], value: Any):
        self.op = op
        self.parents = parents
        self.saved = saved
        self.shape = value.shape
        self.dtype = value.dtype
        self.time = _tick()
        self.leaf: weakref.ref[Any] | None = None
        self.stamps: dict[int, int] | None = None
        self.line: str | None = None

    def ancestors(self) -> Iterator["Node"]:
        """The nodes this one was made from, directly; nodes that carry no gradient are left out."""
        for parent in self.parents:
            if type(parent) is tuple:
                yield from (node for node in parent if node is not None)
            elif parent is not None:
                yield parent

    @property
    def retained(self) -> dict[str, Any]:
        """What its gradient needs, by name."""
        return {name: value for name, value in zip(self.op.slots, self.saved) if value is not None}

    @property
    def name(self) -> str:
        return "leaf" if self.op is None else self.op.name


def now() -> int:
    """The time on the clock that nodes are recorded by."""
    return _tick()


_time_of = operator.attrgetter("time")


def reachable(root: Node, stop_before: int = -1) -> list[Node]:
    """Every node that `root` depends on, and itself, the youngest first; nodes older than `stop_before` are not
    entered."""
    found = [root]
    seen: set[Any] = {None, root}
    for node in found:  # which grows on the way
        if node.time < stop_before:
            continue
        for parent in node.parents:
            if type(parent) is not tuple:
                if parent not in seen:
                    seen.add(parent)
                    found.append(parent)
                continue
            for p in parent:
                if p not in seen:
                    seen.add(p)
                    found.append(p)
    found.sort(key=_time_of, reverse=True)
    return found


class recording(ContextDecorator):
    """Within the block operations are recorded, or not."""

    __slots__ = ("_before", "_on")

    def __init__(self, on: bool):
        self._on = on

    def __enter__(self) -> None:
        self._before = mode.recording
        mode.recording = self._on

    def __exit__(self, *error: Any) -> None:
        mode.recording = self._before

    def _recreate_cm(self) -> "recording":
        return recording(self._on)  # a decorated function may call itself


def no_grad() -> Any:
    """Context manager and decorator: within it nothing is recorded and results carry no gradient."""
    return recording(False)
