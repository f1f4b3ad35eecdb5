"""The matrix product: what it computes, and that it leaves OpenBLAS as it found it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen.kernels.cpu import product as cpu
from tinygen.kernels.definitions import product as definition

KERNELS = [pytest.param(cpu, id="cpu"), simulated("product")]
VERSIONS = [pytest.param(definition, id="definition"), *KERNELS]
SIZES = st.integers(0, 5)


@pytest.mark.parametrize("version", VERSIONS)
@given(m=SIZES, k=SIZES, n=SIZES, batch=st.sampled_from([(), (3,), (2, 1)]), dtype=st.sampled_from(["f4", "f8"]))
def test_it_is_the_sum_over_the_inner_axis(version, m, k, n, batch, dtype):
    rng = np.random.default_rng(m + 7 * k + 49 * n)
    a, b = rng.normal(size=(*batch, m, k)).astype(dtype), rng.normal(size=(3, k, n)).astype(dtype)
    expected = (a[..., :, :, None].astype("f8") * b[..., None, :, :]).sum(axis=-2)
    found = version.matmul(a, b)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "f4" else 1e-12, atol=1e-6)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(0, 3, 2), (2, 3, 4), (70, 64, 70), (99, 70, 97), (9, 2500, 20), (9, 1100, 1200), (1, 9, 1)]
)
@pytest.mark.parametrize("by_columns", ["neither", "a", "b", "a and b"])
def test_a_bias_is_added_to_every_row(version, dtype, m, k, n, by_columns):
    rng = np.random.default_rng(m + n)
    a, b, bias = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype), rng.normal(size=n)
    a, b = (np.asfortranarray(x) if name in by_columns.split() else x for name, x in (("a", a), ("b", b)))
    found = version.matmul(a, b, bias[::-1].astype(dtype)[::-1])
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, version.matmul(a, b) + bias, rtol=1e-12 if dtype == np.float64 else 1e-5, atol=1e-4
    )


# ---- the sizes that are not left to NumPy

LAYOUTS = {
    "rows": lambda a: a,
    "columns": lambda a: np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2),
    "sliced": lambda a: np.repeat(np.repeat(a, 3, axis=-1), 2, axis=-2)[..., ::2, ::3],
    "reversed": lambda a: np.ascontiguousarray(a[..., ::-1, :])[..., ::-1, :],
    "broadcast": lambda a: np.broadcast_to(a[..., :1, :], a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}
LENGTHS = st.sampled_from((1, 3, 16, 50, 64, 97, 200, 331))


@pytest.mark.parametrize("kernels", KERNELS)
@settings(max_examples=60)
@given(LENGTHS, LENGTHS, LENGTHS, st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(LAYOUTS)))
@example(70, 2500, 70, "rows", "rows")
@example(500, 70, 450, "columns", "columns")
@example(4, 4096, 300, "rows", "columns")
@example(1500, 40, 40, "sliced", "reversed")
def test_matmul_is_the_matrix_product(kernels, m, k, n, left, right):
    rng = np.random.default_rng(m * k * n)
    a = LAYOUTS[left](rng.standard_normal((m, k)).astype(np.float32))
    b = LAYOUTS[right](rng.standard_normal((k, n)).astype(np.float32))
    got, want = kernels.matmul(a, b), a.astype(np.float64) @ b
    assert got.dtype == np.float32
    assert (np.abs(got - want) <= 1e-6 * (np.abs(a) @ np.abs(b))).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 6, 7])
@pytest.mark.parametrize(("left", "right"), [("rows", "rows"), ("rows", "columns"), ("columns", "rows")])
@pytest.mark.parametrize(("m", "k", "n"), [(128, 300, 90), (9, 1100, 1200), (1200, 30, 70), (3, 2000, 200)])
def test_however_many_threads_share_a_product_each_entry_is_computed(m, k, n, left, right, threads, monkeypatch):
    monkeypatch.setattr(cpu, "thread_count", lambda *work: threads)
    rng = np.random.default_rng(m)
    a = LAYOUTS[left](rng.standard_normal((m, k)).astype(np.float32))
    b = LAYOUTS[right](rng.standard_normal((k, n)).astype(np.float32))
    got, want = cpu.matmul(a, b, np.ones(n, np.float32)), a.astype(np.float64) @ b + 1.0
    assert (np.abs(got - want) <= 1e-6 * (np.abs(a) @ np.abs(b) + 1.0)).all()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        *[((3, 40, 80), (80, 70)), ((2, 3, 50, 90), (3, 90, 64)), ((90,), (90, 200)), ((90, 90), (90,))],
        *[((0, 5), (5, 6)), ((3, 40, 1), (1, 70)), ((2, 1, 5, 1), (3, 1, 4)), ((1,), (1, 4)), ((4, 1), (1,))],
    ],
)
def test_dimensions_broadcast_as_in_numpy(kernels, left, right, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(left).astype(dtype), rng.standard_normal(right).astype(dtype)
    got, want = kernels.matmul(a, b), a.astype(np.float64) @ b
    assert (got.shape, got.dtype) == (want.shape, dtype)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kernels", KERNELS)
def test_a_nan_stays_in_its_row(kernels):
    a, b = np.ones((200, 100), np.float32), np.ones((100, 90), np.float32)
    a[7, 3] = np.nan
    assert (np.isnan(kernels.matmul(a, b)).all(axis=1) == (np.arange(200) == 7)).all()


@pytest.mark.parametrize("version", VERSIONS)
def test_wrong_shapes_are_refused_as_numpy_refuses_them(version):
    for depth in (1, 100):
        with pytest.raises(ValueError, match=r"mismatch|not aligned"):
            version.matmul(np.ones((100, depth), np.float32), np.ones((99, 100), np.float32))
