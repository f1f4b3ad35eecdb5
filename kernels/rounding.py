"""To what a GPU may round the float32 inputs of matrix products and convolutions, whose sums stay float32.

    with kernels.precision("tf32"):     # within the block, in this thread
        y = model(x)
    kernels.set_precision("tf32")       # from here on, everywhere

"float32" is the default: nothing is rounded, and the multiply-adds go one by one. The tensor cores multiply several
times as fast what is rounded first: to 11 significant bits ("tf32") or 8 ("bf16"). Every element then differs from the
exact product by at most c u (|A| |B|), |A| the matrix of absolute values:

    precision    u        c at worst              c as measured, K = 8 to 16000
    float32      2^-24    K + 1                   at most 3.1 for normal numbers, about sqrt(K) where all have one sign
    tf32         2^-11    2 + K 2^-12             at most 1.7: for numbers of like size 1.2 / sqrt(K / 8)
    bf16         2^-8     2 + K 2^-15             the same

What holds while a product is made counts: for a backward pass, while that runs. The CPU's kernels and the definitions
are of float32 whatever this says, and float64 is of float64 everywhere.
Held by tests/cuda/test_product_precision.py and, for convolutions, test_convolution_on_tiles.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PRECISIONS = ("float32", "tf32", "bf16")

_everywhere = "float32"
_within: ContextVar[str | None] = ContextVar("precision", default=None)


def set_precision(name: str) -> None:
    """From here on float32 products on a GPU are of precision `name`, outside of `with precision(...)`.

    Raises:
        ValueError: it is none of `PRECISIONS`.
    """
    global _everywhere
    _everywhere = _checked(name)


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Within the block, and this thread, float32 products on a GPU are of precision `name`.

    Raises:
        ValueError: it is none of `PRECISIONS`.
    """
    before = _within.set(_checked(name))
    try:
        yield
    finally:
        _within.reset(before)


def current_precision() -> str:
    """The one that holds here and now."""
    return _within.get() or _everywhere


def _checked(name: str) -> str:
    if name not in PRECISIONS:
        raise ValueError(f'a precision is "float32", "tf32" or "bf16", not {name!r}')
    return name
