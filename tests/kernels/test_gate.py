"""The gate: the definition against its formula, the others against the definition, layouts and lane tails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen.kernels.cpu import gate as cpu
from tinygen.kernels.definitions import gate as definition

CPU, CUDA = pytest.param(cpu, id="cpu"), simulated("gate")


@pytest.mark.parametrize("version", [CPU, CUDA])
@given(
    n=st.integers(0, 3),
    half=st.integers(1, 40),
    rest=st.lists(st.integers(1, 4), max_size=2),
    dtype=st.sampled_from(["float32", "float64"]),
    last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_kernel_equals_its_definition_in_every_layout(version, n, half, rest, dtype, last, seed):
    rng = np.random.default_rng(seed)
    x, g = (rng.normal(0, 3, (n, c, *rest)).astype(dtype) for c in (2 * half, half))
    if last:  # channels together in memory
        x, g = (np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (x, g))
    bound = {"rtol": 0, "atol": 2e-6 if dtype == "float32" else 1e-14}
    for found, expected in (
        (version.gate(x), definition.gate(x)),
        (version.gate_backward(g, x), definition.gate_backward(g, x)),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, **bound)


@pytest.mark.parametrize("version", [pytest.param(definition, id="definition"), CPU, CUDA])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_tanh_times_sigmoid_and_keeps_to_its_limits(version, dtype):
    a, b = np.meshgrid([-np.inf, -50.0, -1.0, 0.0, 1.0, 50.0, np.nan], [-np.inf, -50.0, 0.0, 2.0, 50.0, np.nan])
    x = np.stack([a.ravel(), b.ravel()], axis=1).astype(dtype)
    with np.errstate(all="ignore"):
        y = version.gate(x)
        expected = np.tanh(x[:, :1].astype(float)) / (1 + np.exp(-x[:, 1:].astype(float)))
    np.testing.assert_allclose(y, expected, rtol=0, atol=3e-7)


def test_any_number_of_threads_gives_the_same_bits(monkeypatch):
    import numba

    monkeypatch.setattr(cpu, "_SERIAL", 1)
    x = np.random.default_rng(0).normal(size=(64, 32, 8, 8)).astype(np.float32)
    before = numba.get_num_threads()
    try:
        found = []
        for threads in (1, before):
            numba.set_num_threads(threads)
            found.append(cpu.gate_backward(x[:, :16], x))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(*found)
