"""What a NumPy product between two kernels costs: each alone, then in turn, for each way that their threads may wait.

python tests/kernels/beside_openblas.py
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

SECONDS = 2.0
WAITING = {
    "asleep, as here": {},
    "spinning, as OpenMP has it": {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "infinite"},
}


def measure() -> None:
    """Prints milliseconds: of a kernel and a product alone, added; of both in turn; and the ratio of the two."""
    import numpy as np

    from tinygen import kernels
    from tinygen.kernels.cpu.openblas import one_blas_thread, thread_functions

    def taken(*works: Callable[[], object]) -> float:
        times, end = [], time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            start = time.perf_counter()
            for work in works:
                work()
            times.append(time.perf_counter() - start)
        return 1e3 * median(times[len(times) // 4 :])

    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 300))
    x, w = (rng.normal(size=shape).astype(np.float32) for shape in ((16, 64, 28, 28), (64, 64, 3, 3)))
    rows = rng.normal(size=(512, 2048)).astype(np.float32)
    works = {
        "convolution": lambda: kernels.conv2d(x, w, None, (1, 1), (1, 1)),
        "softmax": lambda: kernels.softmax(rows, 1),
    }

    def shown(threads: int) -> None:
        for name, work in works.items():
            alone, both = taken(work) + taken(lambda: a @ a), taken(work, lambda: a @ a)
            print(
                f"  OpenBLAS on {threads}, {name:12} {alone:6.2f} apart {both:6.2f} in turn {both / alone:6.2f}",
                flush=True,
            )

    functions = thread_functions()
    if functions is None:
        raise SystemExit("NumPy's BLAS here is not OpenBLAS")
    shown(functions[0]())
    with one_blas_thread():
        shown(1)


if __name__ == "__main__":
    if sys.argv[1:]:
        measure()
    else:
        for name, environment in WAITING.items():
            print(f"the kernels' threads wait {name}:", flush=True)
            subprocess.run([sys.executable, __file__, "one"], env=os.environ | environment, check=True)
