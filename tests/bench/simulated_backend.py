"""A library for the bench: this engine on the simulated CUDA device, in a process of its own, on small arrays."""

from typing import Any

from simulator.cupy import CUPY, as_cupy
from test_cuda_queue import SMALL, Event

from tinygen.bench.backends import Absent, with_tinygen
from tinygen.bench.cuda import cases
from tinygen.bench.cuda.ceilings import ceilings
from tinygen.bench.cuda.kernel import named

DEVICE = as_cupy()


def setup(threads: int, lacks: str = "", **options: Any) -> None:
    global LACKS
    LACKS = lacks
    CUPY.cuda.Event, CUPY.cuda.get_elapsed_time = Event, lambda a, b: 1e3 * (b.at - a.at)
    DEVICE.__enter__()
    cases.KERNELS, cases.CEILINGS = SMALL, named(ceilings(1000, 8))
    with_tinygen.setup(threads, "cuda", precision=options["precision"])


def about() -> dict[str, str]:
    return {"GPU": "simulated"}


def kernel(case: Any) -> Any:
    if case.kernel == LACKS:
        raise Absent("there is none")
    return with_tinygen.kernel(case)


clock = with_tinygen.clock
