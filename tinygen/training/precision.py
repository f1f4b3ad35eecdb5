"""With what precision the steps of a run compute: `--precision`.

    float32   everything
    tf32      on a GPU, products and convolutions round their factors to 11 significant bits (kernels/rounding.py)
    bf16      layers work with bfloat16 copies, so that activations take half the memory (tinygen.mixed_precision); on a
              GPU with its tensor cores, on a CPU more slowly than float32

Weights, their gradients, the optimiser, losses and sums are float32 in each. Pictures and figures are drawn from the
weights with everything in float32. Held by tests/training/test_precision.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from tinygen import kernels
from tinygen.autodiff.mixed_precision import mixed_precision

Precision = Literal["float32", "tf32", "bf16"]


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Within the block steps compute with that precision."""
    with kernels.precision("tf32" if precision == "tf32" else "float32"), mixed_precision(precision == "bf16"):
        yield
