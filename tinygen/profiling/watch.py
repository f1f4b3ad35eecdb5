"""What a profile measures, and how: for as long as it runs, functions of the engine are swapped for ones that look at
the clock. So nothing of the engine knows of profiles, and without one they cost nothing.

    Primitive.forward          an operation on raw arrays
    Primitive.each             so that it is called for each of many
    kernels.load               a kernel that is called by no operation: in a gradient, an optimiser, an average
    Generator._draw            random numbers
    backward._made             the gradient of one node: what runs within belongs to its operation and its module
    Node.__init__              remembers in which module a node was made
    the methods of modules     which module is at work
    Captured.__call__          a replay would show nothing: the plain step runs instead

The clock is read before and after what computes, of nested calls around the outermost, so that nothing is counted
twice; what is left of the time is Python, the tape, and NumPy outside of operations. On a CUDA device the host waits
for every operation to end: the times are the device's, one operation after the other, and the whole takes longer than
it would without waiting. A captured step runs as the plain step that it is a recording of.

Only the thread that opened the profile is watched. Held by tests/profiling/test_profile_watch.py.
"""

import inspect
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from tinygen import kernels
from tinygen.autodiff import backward
from tinygen.autodiff.fusion import Fused
from tinygen.autodiff.primitive import Kept, Primitive, Rule
from tinygen.autodiff.tape import Node, mode
from tinygen.capture import Captured
from tinygen.kernels.array_module import xp
from tinygen.nn.module import Module
from tinygen.profiling.cost import Cost, arrays_of, cost, cost_of_arithmetic, cost_of_chain
from tinygen.random import Generator
from tinygen.tensor import Tensor

clock: Callable[[], int] = time.perf_counter_ns

_ABSENT = object()
_UPDATES = ("update", "norm")  # modules of kernels whose kernels move weights


class Event(NamedTuple):
    """One thing that was computed, and when, in nanoseconds of `clock`."""

    operation: str
    """Whose time this is: in a gradient the operation whose gradient it is."""
    what: str
    """What ran: an operation, a kernel, or "gradient" for plain arithmetic."""
    part: str
    """"forward", "backward" or "update"."""
    module: str | None
    """The path of the module at work, as in `named_modules`; None outside of the model."""
    start: int
    stop: int
    cost: Cost


class _Place(NamedTuple):
    """What is being worked on: a module, and the operation whose gradient is computed."""

    module: str | None
    operation: str | None


class Watch:
    """What happens from `begin` to `end`.

    Attributes:
        events: in the order of time.
        calls: how often each module was set to work, by its path.
        recorded: how many nodes each operation put on the tape.
        pulled: of how many nodes of each operation the gradient was computed.
        own: nanoseconds that went into watching.
    """

    def __init__(self, model: Module | None) -> None:
        self.events: list[Event] = []
        self.calls: dict[str, int] = {}
        self.recorded: dict[str, int] = {}
        self.pulled: dict[str, int] = {}
        self.own = 0
        self._model = model
        self._paths = {} if model is None else {id(module): path for path, module in model.named_modules()}
        self._made_in: WeakKeyDictionary[Node, str | None] = WeakKeyDictionary()
        self._places = [_Place(None, None)]
        self._last_pulled: Node | None = None
        self._pulled_in: str | None = None  # the module of that node
        self._pulled_from: _Place | None = None  # where the backward pass itself was called
        self._busy = False
        self._thread = threading.get_ident()
        self._undo: list[tuple[Any, str, Any]] = []

    # -- swapping --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Swaps."""
        try:
            self._swap(Primitive, "forward", property(self._forward_of, _set_forward))
            self._swap(Primitive, "each", property(lambda op: lambda x, values: [op(x, value) for value in values]))
            self._swap(Generator, "_draw", self._draw(Generator._draw))
            self._swap_everywhere(kernels.load, self._load(kernels.load))
            self._swap(Node, "__init__", self._recorded(Node.__init__))
            self._swap_everywhere(backward._made, self._made(backward._made))
            self._swap(backward, "WRITTEN_BELOW", 0)  # so that every gradient is made by it
            self._swap(Captured, "__call__", Captured.plain)
            for kind, name, method in methods(self._model):
                self._swap(kind, name, self._entered(method))
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Puts everything back."""
        self._last_pulled = None  # or it would hold the graph
        while self._undo:
            owner, name, value = self._undo.pop()
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)

    def _swap(self, owner: Any, name: str, new: Any) -> None:
        self._undo.append((owner, name, vars(owner).get(name, _ABSENT)))
        setattr(owner, name, new)

    def _swap_everywhere(self, function: Any, new: Any) -> None:
        """In every module of the project that has the function, however it was imported."""
        name = function.__name__
        for path, module in list(sys.modules.items()):
            if path.partition(".")[0] == "tinygen" and vars(module).get(name) is function:
                self._swap(module, name, new)

    def _elsewhere(self) -> bool:
        return self._busy or threading.get_ident() != self._thread

    # -- what computes ---------------------------------------------------------------------------------------

    def _timed(self, what: str, run: Callable[..., Any], args: Any, options: Any, price: Callable[..., Cost]) -> Any:
        """`run(*args)`, with its time and what `price(result, args)` says that it costs."""
        if self._elsewhere():
            return run(*args, **options)
        entered = clock()
        self._busy = True
        try:
            start = clock()
            result = run(*args, **options)
            _finish(result, *args)
            stop = clock()
        finally:
            self._busy = False
        place = self._place()
        event = Event(place.operation or what, what, self._part(what), place.module, start, stop, price(result, args))
        self.events.append(event)
        self.own += start - entered + clock() - stop
        return result

    def _place(self) -> _Place:
        """Where this belongs; what adds up gradients, between the gradients of nodes, to the node before."""
        place = self._places[-1]
        return _Place(self._pulled_in, None) if mode.backward and place is self._pulled_from else place

    def _part(self, what: str) -> str:
        if mode.backward or self._places[-1].operation is not None:
            return "backward"
        return "update" if kernels.NAMES.get(what) in _UPDATES else "forward"

    def _forward_of(self, op: Primitive) -> Callable[..., Any]:
        run = vars(op)["forward"]

        def price(made: Any, args: tuple[Any, ...]) -> Cost:
            if isinstance(op, Fused):
                return cost_of_chain(op.chain, made, args)
            return cost(op.name, op.elementwise, _bare(made), args)

        return lambda *args: self._timed(op.name, run, args, {}, price)

    def _load(self, load: Callable[..., Callable[..., Any]]) -> Callable[..., Any]:
        def watched(name: str, version: str, chain: Any = None) -> Callable[..., Any]:
            run = load(name, version, chain)

            def price(made: Any, args: tuple[Any, ...]) -> Cost:
                if chain is not None:
                    return cost_of_chain(chain, made, args)
                return cost(name, kernels.NAMES[name] in ELEMENTWISE, made, args)

            return lambda *args, **options: self._timed(name, run, args, options, price)

        return watched

    def _draw(self, draw: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def watched(generator: Generator, law: str, *args: Any) -> Tensor:
            price = lambda made, args: cost("", False, made._data, ())
            return self._timed(f"random {law}", draw, (generator, law, *args), {}, price)

        return watched

    # -- where it belongs ------------------------------------------------------------------------------------

    def _recorded(self, begin: Callable[..., None]) -> Callable[..., None]:
        def watched(node: Node, op: Primitive | None, *args: Any) -> None:
            begin(node, op, *args)
            if op is not None and threading.get_ident() == self._thread:
                entered = clock()
                self._made_in[node] = self._places[-1].module
                self.recorded[op.name] = self.recorded.get(op.name, 0) + 1
                self.own += clock() - entered

        return watched

    def _made(self, made: Callable[..., Any]) -> Callable[..., Any]:
        def watched(node: Node, rule: Rule, g: Any, several: bool) -> Any:
            if self._elsewhere():
                return made(node, rule, g, several)
            entered = clock()
            path, name = self._made_in.get(node), node.name
            if node is not self._last_pulled:
                self.pulled[name] = self.pulled.get(name, 0) + 1
                self._last_pulled = node
            self._pulled_in, self._pulled_from = path, self._places[-1]
            self._places.append(_Place(path, name))
            self.own += clock() - entered
            try:
                if rule.arithmetic and not mode.recording:
                    saved = [g, *(node.saved[slot] for slot in rule.reads)]
                    raw = tuple(value._data if isinstance(value, Tensor) else value for value in saved)
                    price = lambda result, _: cost_of_arithmetic(result, raw)
                    return self._timed("gradient", made, (node, rule, g, several), {}, price)
                return made(node, rule, g, several)
            finally:
                self._places.pop()

        return watched

    def _entered(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def watched(module: Module, *args: Any, **options: Any) -> Any:
            path = self._paths.get(id(module))
            if path is None or self._elsewhere() or self._places[-1] == (path, None):
                return method(module, *args, **options)
            entered = clock()
            self._places.append(_Place(path, None))
            self.calls[path] = self.calls.get(path, 0) + 1
            self.own += clock() - entered
            try:
                return method(module, *args, **options)
            finally:
                self._places.pop()

        return watched


ELEMENTWISE = ("arithmetic", "elementwise", "gate", "rectifier", "select")  # modules of kernels


def methods(model: Module | None) -> list[tuple[type, str, Callable[..., Any]]]:
    """The methods by which the modules of a model are set to work: all that are public and not of every module."""
    kinds = {kind for module in (model.modules() if model else ()) for kind in type(module).__mro__}
    return [
        (kind, name, method)
        for kind in kinds
        if issubclass(kind, Module) and kind is not Module
        for name, method in vars(kind).items()
        if inspect.isfunction(method) and not inspect.isgeneratorfunction(method)
        if not name.startswith("_") and not hasattr(Module, name)
    ]


def _set_forward(op: Primitive, forward: Callable[..., Any]) -> None:
    """An operation that is made while a profile runs."""
    vars(op)["forward"] = forward


def _bare(made: Any) -> Any:
    if type(made) is Kept:
        return (made.y, *made.extra.values())
    return made._data if isinstance(made, Tensor) else made


def _finish(*values: Any) -> None:
    """Waits for the device that holds the arrays among the values, where there is one."""
    if "cupy" not in sys.modules:
        return
    module = next((xp(array) for array in arrays_of(map(_bare, values)) if xp(array) is not np), None)
    if module is not None:
        module.cuda.get_current_stream().synchronize()
