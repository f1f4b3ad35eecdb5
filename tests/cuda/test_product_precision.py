"""What the precisions of kernels/rounding.py do to a product, against float64: |error| <= c u (|A| |B|) elementwise."""

from dataclasses import replace

import numpy as np
import pytest
from simulator import needs_compiler, simulated
from test_gemm import everywhere

from tinygen import kernels
from tinygen.kernels.cuda import gemm
from tinygen.kernels.rounding import current_precision

UNIT = {"float32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-8}
DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "positive": lambda rng, shape: np.abs(rng.normal(size=shape)),
    "of all sizes": lambda rng, shape: rng.normal(size=shape) * np.exp(3 * rng.normal(size=shape)),
}


def constant(product, precision, depth, draw):
    """The greatest c of a product of matrices `depth` deep, summed in one piece from the first to the last."""
    rng = np.random.default_rng(depth)
    a, b = (DRAWS[draw](rng, shape).astype(np.float32) for shape in ((32, depth), (depth, 32)))
    with kernels.precision(precision):
        found = product.matmul(a, b)
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (np.abs(found - a @ b) / (np.abs(a) @ np.abs(b))).max() / UNIT[precision]


@everywhere
@pytest.mark.parametrize("depth", [8, 70, 600, 4000])
@pytest.mark.parametrize("draw", DRAWS)
def test_errors_are_within_the_bounds_stated(product, draw, depth, monkeypatch):
    monkeypatch.setattr(gemm, "choose", lambda *args, choose=gemm.choose: replace(choose(*args), parts=1))
    assert constant(product, "float32", depth, draw) <= (3.1 if draw == "normal" else 2.8 + depth**0.5)
    for precision in ("tf32", "bf16"):
        c = constant(product, precision, depth, draw)
        assert c <= 1.7
        if draw == "of all sizes":  # one term stands out, and nothing makes up for its rounding
            assert c >= 0.9


def test_the_innermost_block_holds_and_then_what_was_set():
    assert current_precision() == "float32"
    with kernels.precision("tf32"):
        with kernels.precision("bf16"):
            assert current_precision() == "bf16"
        assert current_precision() == "tf32"
        kernels.set_precision("bf16")
        assert current_precision() == "tf32"
    assert current_precision() == "bf16"
    kernels.set_precision("float32")
    assert current_precision() == "float32"
    for choose in (kernels.set_precision, lambda name: kernels.precision(name).__enter__()):
        with pytest.raises(ValueError, match='a precision is "float32", "tf32" or "bf16", not \'half\''):
            choose("half")


@needs_compiler
def test_float64_and_the_cpu_are_of_no_other_precision():
    a, b = np.full((2, 3), 1 / 3), np.ones((3, 2))
    with kernels.precision("bf16"):
        assert np.array_equal(simulated("product").matmul(a, b), np.full((2, 2), 1 / 3 + 1 / 3 + 1 / 3))
        single = (a.astype(np.float32), b.astype(np.float32))
        assert np.array_equal(kernels.matmul(*single), single[0] @ single[1])
        assert not np.array_equal(simulated("product").matmul(*single), single[0] @ single[1])
