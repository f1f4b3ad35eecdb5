"""The matrix product: what it computes, and that it leaves OpenBLAS as it found it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen import kernels
from tinygen.kernels.cpu import threads

SIZES = st.integers(0, 5)


@given(m=SIZES, k=SIZES, n=SIZES, batch=st.sampled_from([(), (3,), (2, 1)]), dtype=st.sampled_from(["f4", "f8"]))
def test_it_is_the_sum_over_the_inner_axis(m, k, n, batch, dtype):
    rng = np.random.default_rng(m + 7 * k + 49 * n)
    a, b = rng.normal(size=(*batch, m, k)).astype(dtype), rng.normal(size=(3, k, n)).astype(dtype)
    expected = (a[..., :, :, None].astype("f8") * b[..., None, :, :]).sum(axis=-2)
    for version in ("definition", "cpu"):
        found = kernels.load("matmul", version)(a, b)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "f4" else 1e-12, atol=1e-6)


def test_openblas_keeps_its_threads_outside():
    functions = threads._openblas()
    if functions is None:
        pytest.skip("NumPy's BLAS here is not OpenBLAS")
    get, put = functions
    before = get()
    try:
        put(2)
        kernels.load("matmul", "cpu")(np.ones((2, 2)), np.ones((2, 2)))
        assert get() == 2
        with threads.one_blas_thread():
            assert get() == 1
    finally:
        put(before)
