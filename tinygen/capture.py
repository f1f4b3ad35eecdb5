"""`tg.capture`: a training step as one CUDA graph, recorded once and replayed.

A step of a small model is hundreds of launches, each of which costs Python more than it costs the GPU. A CUDA graph
holds them all, with their arguments and their memory; a replay is one call. What changes from step to step must
therefore lie in memory that the graph reads: the batch is copied into arrays that stay, and what the host decides (the
learning rate, Adam's count of steps, the place in the random stream) is written there before each replay, by the same
code that decides it outside a graph (kernels/capture.py). So replays are the eager steps, bit by bit.

The memory that the recording takes comes from a pool of its own, which lives as long as the graph: no one else is given
it. On the CPU a captured step is the plain call. Held by tests/cuda/test_capture.py.
"""

import copy
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.autodiff import guard
from tinygen.autodiff.tape import mode
from tinygen.device import CPU, Device, device_of, transfer
from tinygen.device import device as find_device
from tinygen.kernels.capture import CaptureError, Recording, capturing, recorded
from tinygen.random import Generator
from tinygen.tensor import Tensor

MOST_GRAPHS = 32  # of one step: more are a number that changes all the time and should be an array


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)


_choice: list[tuple[bool | None, Callable[[str], None]]] = [(None, _warn)]


@contextmanager
def captured_steps(on: bool | None, tell: Callable[[str], None] = _warn) -> Iterator[None]:
    """Within the block steps that leave the choice open are captured, or not; None: where it is possible.

    Args:
        tell: takes the message, once for a step, that it is not.
    """
    _choice.append((on, tell))
    try:
        yield
    finally:
        _choice.pop()


def capture(
    step: Callable[..., Any],
    *,
    device: str | Device | Tensor | None = None,
    capture: bool | None = True,
    check: Sequence[Any] = (),
) -> "Captured":
    """`step` as a function that on a CUDA device runs as one graph for each shape and dtype of its arguments.

    The first call with given shapes is the step itself; the second records the graph; it and all later ones replay it.
    The step's own Python then runs no more: it must not look at values, and changes nothing on the host but what the
    optimisers and generators of this package keep.

    Args:
        step: takes tensors, arrays (of the host too: they are copied; on the device it is given tensors), generators,
            values that can be compared, and dicts, lists and tuples of these. What it returns lies in memory that the
            next replay overwrites.
        device: where; or a tensor that is there. By default where the first of the arguments' arrays is.
        capture: False: never; None: where it can be, else with a warning the plain step; `captured_steps` decides.
        check: what the step changes, as objects with `state_dict` and `load_state_dict`: given these, each replay is
            compared with the plain step from the same state. For finding mistakes; slow. The environment variable
            TINYGEN_CHECK_CAPTURE=1 turns it on in training.

    Raises:
        CaptureError: when called, if the step reads a value, copies from the host, or does what a graph cannot hold;
            names the operation. Also when `check` finds a difference, or graphs multiply.
    """
    return Captured(step, device, capture, check)


class Captured:
    """What `capture` makes; `graphs` are those recorded so far, by the arguments' shapes."""

    def __init__(
        self, step: Callable[..., Any], device: Any = None, capture: bool | None = True, check: Sequence[Any] = ()
    ) -> None:
        self.step, self.device, self.check = step, device, tuple(check)
        self.graphs: dict[Any, _Graph | None] = {}
        self._capture = capture

    def __call__(self, *args: Any) -> Any:
        where = self._where(args)
        if where == CPU or capturing():
            return self.step(*args)
        surrounding, tell = _choice[-1]
        choice = surrounding if self._capture is None else self._capture
        if choice is False or mode.anomaly:  # anomalies are found by looking at every value
            return self.step(*_placed(args, where))
        key = _signature(args)
        if key not in self.graphs:
            self.graphs[key] = None  # what a first step compiles, allocates and starts from data is not recorded
            if len(self.graphs) > MOST_GRAPHS:
                raise CaptureError(f"a graph for each of {MOST_GRAPHS} arguments: pass numbers that change as arrays")
            return self.step(*_placed(args, where))
        graph = self.graphs[key]
        if graph is None:
            try:
                graph = self.graphs[key] = _Graph(self.step, args, where)
            except CaptureError as error:
                if choice:
                    raise
                tell(f"{error}; the run goes on without a graph")
        if graph is None:  # here the error is gone, and with it the arrays that its traceback held
            self._capture = False
            return self.step(*_placed(args, where))
        return self._compared(graph, args, where) if self.check else graph.replay(args)

    def plain(self, *args: Any) -> Any:
        """The step itself, its arguments where they belong: what `tg.profile` runs in place of a graph."""
        where = self._where(args)
        return self.step(*(args if where == CPU else _placed(args, where)))

    def _where(self, args: Any) -> Device:
        if isinstance(self.device, Tensor):
            return self.device.device
        if self.device is not None:
            return find_device(self.device)
        return next((device_of(array) for array in _arrays(args)), CPU)

    def _compared(self, graph: "_Graph", args: Any, where: Device) -> Any:
        """The replay, held to the plain step from the same state; what stays is the plain step's."""
        generators = [(g, g.state) for g in _generators(args)]
        before = [_copied(owner.state_dict()) for owner in self.check]
        replayed = _values([graph.replay(args), [owner.state_dict() for owner in self.check]])
        for owner, state in zip(self.check, before):
            owner.load_state_dict(state)
        for generator, state in generators:
            generator.state = state
        result = self.step(*_placed(args, where))
        plain = _values([result, [owner.state_dict() for owner in self.check]])
        for name in plain:
            if not np.array_equal(plain[name], replayed[name], equal_nan=plain[name].dtype.kind == "f"):
                raise CaptureError(f"the replay differs from the step itself at {name}")
        return result


class _Graph:
    """One recorded step, and all that it reads and writes."""

    def __init__(self, step: Callable[..., Any], args: Any, where: Device) -> None:
        import cupy

        with cupy.cuda.Device(where.index):
            self._recording = Recording()
            self._pool = cupy.cuda.MemoryPool()
            self._inputs: list[Any] = []
            self._generators: list[Generator] = []
            static = _mapped(args, self._room_for, self._stand_in)
            stream = cupy.cuda.Stream(non_blocking=True)
            cupy.cuda.get_current_stream().synchronize()
            cupy.get_default_memory_pool().free_all_blocks()  # what plain steps have left: the graph needs as much
            with stream, cupy.cuda.using_allocator(self._pool.malloc), _no_copies_from_the_host(cupy):
                stream.begin_capture()
                try:
                    with recorded(self._recording):
                        self.outputs = step(*static)
                    self._graph = stream.end_capture()
                    self._written = list({id(guard.buffer_of(a)): a for a in self._recording.written}.values())
                except Exception as error:
                    with suppress(Exception):
                        stream.end_capture()  # also a recording that failed must be ended
                    raise _explained(error, cupy) from error

    def _room_for(self, array: Any) -> Any:
        import cupy

        self._inputs.append(cupy.empty(array.shape, array.dtype))
        return self._inputs[-1]

    def _stand_in(self, generator: Generator) -> Generator:
        """A generator of the graph's own: each replay puts it where the one that is given is."""
        self._generators.append(copy.copy(generator))
        return self._generators[-1]

    def replay(self, args: Any) -> Any:
        import cupy

        stream = cupy.cuda.get_current_stream()
        for room, array in zip(self._inputs, _arrays(args)):
            if isinstance(array, np.ndarray):
                room.set(np.asarray(array, order="C"), stream=stream)
            else:
                room[...] = array
        given = list(_generators(args))
        for own, generator in zip(self._generators, given):
            own.state = generator.state
        self._recording.decide()
        self._graph.launch()
        for array in self._written:  # while the device works
            guard.written(array)
        for own, generator in zip(self._generators, given):
            generator.state = own.state
        return self.outputs


# -- arguments ---------------------------------------------------------------------------------------------------


def _mapped(value: Any, of_array: Callable[[Any], Any], of_generator: Callable[[Generator], Any]) -> Any:
    """`value` with its arrays and generators replaced, in dicts, lists and tuples; arrays become tensors."""
    if isinstance(value, Tensor):
        return Tensor(of_array(value._data))
    if isinstance(value, Generator):
        return of_generator(value)
    if isinstance(value, Mapping):
        return {key: _mapped(inner, of_array, of_generator) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(inner, of_array, of_generator) for inner in value)
    return Tensor(of_array(value)) if _is_array(value) else value


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic)


def _arrays(args: Any) -> list[Any]:
    found: list[Any] = []
    _mapped(args, found.append, lambda generator: None)
    return found


def _generators(args: Any) -> list[Generator]:
    found: list[Generator] = []
    _mapped(args, lambda array: array, found.append)
    return found


def _placed(args: Any, where: Device) -> Any:
    """The arguments with their arrays on the device."""
    return _mapped(args, lambda array: transfer(array, where), lambda generator: generator)


def _signature(value: Any) -> Any:
    """What two calls must have in common to share a graph."""
    if isinstance(value, Tensor):
        return "tensor", value.shape, value.dtype.str
    if isinstance(value, Generator):
        return "generator"
    if isinstance(value, Mapping):
        return tuple((key, _signature(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_signature, value))
    return ("array", value.shape, value.dtype.str) if _is_array(value) else (type(value), value)


# -- comparing ---------------------------------------------------------------------------------------------------


def _copied(state: Any) -> Any:
    return _mapped(state, lambda array: array.copy(), lambda generator: generator)


def _values(value: Any, name: str = "") -> dict[str, np.ndarray]:
    """All numbers in `value`, on the host, by where they are."""
    if isinstance(value, Mapping | list | tuple):
        inner = value.items() if isinstance(value, Mapping) else enumerate(value)
        return {key: v for k, part in inner for key, v in _values(part, f"{name}.{k}".lstrip(".")).items()}
    if hasattr(value, "values") and not callable(value.values):
        return _values(value.values, name)
    if isinstance(value, Tensor) or _is_array(value):
        return {name: np.array(transfer(value._data if isinstance(value, Tensor) else value, CPU))}
    return {name: np.array(value)} if isinstance(value, int | float) else {}


def checks_captures() -> bool:
    """Whether the environment asks for replays to be compared."""
    return os.environ.get("TINYGEN_CHECK_CAPTURE", "") not in ("", "0")


# -- what goes wrong ---------------------------------------------------------------------------------------------


@contextmanager
def _no_copies_from_the_host(cupy: Any) -> Iterator[None]:
    """CuPy copies an array of the host by way of pinned memory; a graph would find other things there later."""

    def refuse(size: int) -> Any:
        raise CaptureError("an array of the host would be copied to the device")

    cupy.cuda.set_pinned_memory_allocator(refuse)
    try:
        yield
    finally:
        cupy.cuda.set_pinned_memory_allocator(cupy.get_default_pinned_memory_pool().malloc)


_HERE = Path(__file__).parent
_PLUMBING = {"capture.py", "device.py", "tensor.py", "random.py", "launch.py"}
_PLUMBING |= {"call.py", "settled.py", "primitive.py", "operators.py", "arguments.py"}


def _explained(error: Exception, cupy: Any) -> Exception:
    """What a recording cannot hold as a `CaptureError` that names the operation; other errors as they are."""
    of_cuda = type(error).__module__.partition(".")[0] in ("cupy", "cupy_backends")
    waits = isinstance(error, cupy.cuda.runtime.CUDARuntimeError) or "captur" in str(error).lower()
    if isinstance(error, CaptureError):
        reason = str(error)
    elif isinstance(error, MemoryError) and of_cuda:
        reason = f"the graph gets no memory of its own ({error})"
    elif waits:
        reason = f"it waits for the device ({error})"
    elif of_cuda:
        reason = f"a graph cannot hold what it calls ({error})"
    else:
        return error
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "cupy" not in Path(f.filename).parts]
    told = [f for f in frames if Path(f.filename).name not in _PLUMBING] or frames
    where = f"{told[-1].name} ({Path(told[-1].filename).name}:{told[-1].lineno})" if told else "?"
    return CaptureError(
        f"the step cannot be captured: in {where}, {reason}; capture=False (--no-capture) runs it as it is"
    )
