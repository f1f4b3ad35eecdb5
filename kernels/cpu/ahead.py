"""Compiling ahead: while a new process compiles a kernel, a second one compiles those that are needed next.

With empty caches a model's first training step is spent compiling, a task at a time, on one core. So the first process
announces each task that it has to compile. A helper, started at the first one, compiles what goes with it (`NEEDED`),
each task that nobody else is at (turns.py); the first process finds it in the cache, or waits for its rest.

There is no helper for a process that has one thread or one processor, nor where no cache can be written, nor for one
of multiprocessing's; and none where TINYGEN_COMPILE_AHEAD is 0. Held by tests/kernels/test_ahead.py.
"""

import importlib
import os
import queue
import signal
import subprocess
import sys
import threading
from typing import Any

import numba

from tinygen.kernels.cpu.compiled import cache_of
from tinygen.kernels.cpu.turns import turn

SWITCH = "TINYGEN_COMPILE_AHEAD"
IDLE = 60.0  # seconds without an announcement, after which a helper ends

# A task, and those that announce it: the stage before it, what it is the gradient of, or what stands beside it in most
# models. In the order in which a training step comes to them, which is that in which the helper takes them.
NEEDED: dict[str, tuple[str, ...]] = {
    "product._multiply": ("philox._uniforms",),  # a model that draws its weights has linear layers,
    "convolution_direct.gather": ("convolution_direct._pack",),
    "normalisation_sweeps.normalise_task": ("normalisation_sweeps.moments_task",),
    "convolution_winograd._forward_2": ("convolution_winograd._transform_weights_2",),
    "convolution_winograd._forward_3": ("convolution_winograd._transform_weights_3",),
    "convolution_columns._columns": ("convolution_columns._turn", "convolution_direct._pack"),
    "attention_blocks.forward_task": ("normalisation_sweeps.group_norm_task",),
    "convolution_direct.gather_weights": ("convolution_direct._pack",),
    "convolution_direct._add_sums": ("convolution_direct._pack",),
    "rectifier._relu_backward": ("rectifier._relu",),
    "normalisation_sweeps.products_task": ("normalisation_sweeps.moments_task",),
    "normalisation_sweeps.input_gradient_task": ("normalisation_sweeps.moments_task",),
    "normalisation_sweeps.group_norm_backward_task": ("normalisation_sweeps.group_norm_task",),
    "normalisation_rows.norm_rows_backward_task": ("normalisation_rows.norm_rows_task",),
    "convolution_winograd._weight_gradient_3": ("convolution_winograd._transform_weights_3",),
    "convolution_winograd._transform_sums_3": ("convolution_winograd._transform_weights_3",),
    "convolution_winograd._weight_gradient_2": ("convolution_winograd._transform_weights_2",),
    "convolution_winograd._transform_sums_2": ("convolution_winograd._transform_weights_2",),
    "folds._along_columns_sum": ("convolution_direct._pack",),  # a bias's gradient
    "folds._gather_sum": ("convolution_direct._pack",),
    "arithmetic._add": ("convolution_direct._pack",),
    "doubling._undouble": ("doubling._double",),
    "attention_blocks.backward_task": ("attention_blocks.forward_task", "normalisation_sweeps.group_norm_task"),
    "update._adam": ("philox._uniforms",),  # and is trained
}
_ANNOUNCING = frozenset(name for names in NEEDED.values() for name in names)

_PROGRAM = """
import os, sys
if os.fork():  # the helper is nobody's child: nobody has to wait for its end
    os._exit(0)
sys.path[:] = {path!r}
from tinygen.kernels.cpu.ahead import help_along
help_along()
"""

_helper: int | None = None  # the end of a pipe on which it hears of tasks
_asked = False  # whether a helper was started, or found not to be wanted


def announce(name: str) -> None:
    """Tells the helper that this process is about to compile the task of this name, and starts it if need be."""
    global _helper, _asked
    if name not in _ANNOUNCING:
        return
    if not _asked:
        _asked = True
        _helper = _started() if _is_wanted() else None
    if _helper is not None:
        try:
            os.write(_helper, f"{name}\n".encode())
        except OSError:  # it has ended
            _leave()


def _is_wanted() -> bool:
    threads: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    multiprocessing: Any = sys.modules.get("multiprocessing")
    return (
        os.environ.get(SWITCH) != "0"
        and min(threads, here) > 1
        and bool(sys.executable and not hasattr(sys, "frozen"))  # which is Python
        and not (multiprocessing and multiprocessing.parent_process())
    )


def _started() -> int | None:
    chosen = {f"NUMBA_{name}": getattr(numba.config, name, None) for name in ("CACHE_DIR", "CPU_NAME", "CPU_FEATURES")}
    environment = os.environ | {key: value for key, value in chosen.items() if value is not None} | {SWITCH: "0"}
    read, write = os.pipe()
    command = [sys.executable, "-c", _PROGRAM.format(path=sys.path)]
    try:
        subprocess.run(
            command, stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=True
        )
    except (OSError, subprocess.SubprocessError):
        os.close(write)
        return None
    finally:
        os.close(read)
    return write


def _leave() -> None:
    """Of a process forked off, too: the helper ends when the pipe is closed everywhere."""
    global _helper, _asked
    if _helper is not None:
        os.close(_helper)
    _helper, _asked = None, True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)


def find(name: str) -> Any:
    """The task of a name."""
    from tinygen.kernels.cpu.launch import TASKS

    importlib.import_module(f"tinygen.kernels.cpu.{name.partition('.')[0]}")
    return TASKS[name]


def help_along() -> None:
    """What the helper does: hears of tasks and compiles what goes with them, until its input ends or nothing comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ended by what it helps
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(heard,), daemon=True).start()
    wanted: set[str] = set()
    done: set[str] = set()
    while True:
        try:
            told = heard.get(block=not wanted, timeout=IDLE)
        except queue.Empty:
            if not wanted:
                return
            name = next(name for name in NEEDED if name in wanted)
            wanted.remove(name)
            done.add(name)
            _compile(name)
        else:
            wanted |= {name for name, announcing in NEEDED.items() if told in announcing} - done


def _compile(name: str) -> None:
    work = find(name)
    kept: Any = cache_of(work.function)
    with turn(kept.folder, kept.name, patience=0) as is_free:
        pass
    if is_free:
        work.address  # noqa: B018


def _listen(heard: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        heard.put(line.strip())
    os._exit(0)  # at once, whatever is being compiled
