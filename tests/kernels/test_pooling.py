"""Window sums and their adjoint: adjoint to each other, and the CPU's equal the definition's."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinygen.kernels.cpu import pooling as cpu
from tinygen.kernels.definitions import pooling as definition
from tinygen.kernels.definitions.arithmetic import LARGE

VERSIONS = [definition, cpu]


@st.composite
def cases(draw):
    """(sizes of the images, kernel, stride, padding), windows that overlap and that leave gaps among them."""
    axes = []
    for _ in range(2):
        kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        padding = draw(st.integers(0, kernel // 2))
        axes.append((draw(st.integers(kernel, 9)), kernel, stride, padding))
    return tuple(zip(*axes))


def images(n, c, size, seed, dtype=np.float32, order="NHWC"):
    rng = np.random.default_rng(seed)
    if order == "NCHW":
        return rng.standard_normal((n, c, *size)).astype(dtype)
    return rng.standard_normal((n, *size, c)).astype(dtype).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("version", VERSIONS)
@settings(max_examples=20)
@given(case=cases())
def test_adjoint(version, case):
    size, *window = case
    x = images(2, 3, size, 0, np.float64)
    y = version.sum_windows(x, *window)
    g = images(2, 3, y.shape[2:], 1, np.float64)
    back = version.spread_windows(g, size, *window)
    assert back.shape == x.shape
    assert np.vdot(g, y) == pytest.approx(np.vdot(back, x), rel=1e-12, abs=1e-12)


LEAST = st.sampled_from((1, LARGE))  # entries: for one thread, for several


@settings(max_examples=30)
@given(cases(), st.sampled_from((1, 5, 16, 40)), LEAST)
@example(((28, 28), (2, 2), (2, 2), (0, 0)), 64, LARGE)
@example(((7, 9), (1, 2), (3, 2), (0, 1)), 16, LARGE)
def test_images_equal_the_definition(case, channels, least):
    size, *window = case
    n = -(-least // (channels * size[0] * size[1]))
    x = images(n, channels, size, 0)
    y = cpu.sum_windows(x, *window)
    np.testing.assert_allclose(y, definition.sum_windows(x, *window), rtol=0, atol=1e-5)
    g = images(n, channels, y.shape[2:], 1)
    back, expected = cpu.spread_windows(g, size, *window), definition.spread_windows(g, size, *window)
    np.testing.assert_allclose(back, expected, rtol=0, atol=1e-5)
    for scaled, plain in (
        (cpu.sum_windows(x, *window, 0.3), y),
        (cpu.spread_windows(g, size, *window, 0.3), back),
        (definition.sum_windows(x, *window, 0.3), y),
        (definition.spread_windows(g, size, *window, 0.3), back),
    ):
        np.testing.assert_allclose(scaled, np.float32(0.3) * plain, rtol=0, atol=1e-5)
    for found in (y, back):
        assert found.dtype == np.float32
        assert found.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layout_and_dtype(order, dtype):
    x = images(20, 24, (18, 17), 0, dtype, order)
    for view in (x, x[:, ::2], x[..., ::-1]):
        for kernel, stride, padding in (((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 1), (1, 1))):
            found = cpu.sum_windows(view, kernel, stride, padding)
            np.testing.assert_allclose(found, definition.sum_windows(view, kernel, stride, padding), rtol=0, atol=1e-5)
            assert found.dtype == dtype


def test_nan_reaches_the_windows_that_see_it():
    x = images(8, 32, (28, 28), 0)
    x[3, 7, 5, 5] = np.nan
    found = np.isnan(cpu.sum_windows(x, (2, 2), (2, 2), (0, 0)))
    assert found[3, 7, 2, 2]
    assert found.sum() == 1
    assert np.isnan(cpu.spread_windows(x, (56, 56), (2, 2), (2, 2), (0, 0))).sum() == 4


def ties(x):
    """The same images in steps of 1/2, so that maxima are shared."""
    return np.round(x * 2) / 2


@settings(max_examples=30)
@given(cases(), st.sampled_from((1, 5, 16, 40)), st.sampled_from(("NHWC", "NCHW")), LEAST)
@example(((28, 28), (2, 2), (2, 2), (0, 0)), 64, "NHWC", LARGE)
@example(((7, 9), (3, 3), (2, 1), (1, 1)), 16, "NCHW", LARGE)
def test_maxima_of_images_and_where_they_stand(case, channels, order, least):
    size, *window = case
    n = -(-least // (channels * size[0] * size[1]))
    x = ties(images(n, channels, size, 0, order=order))
    y, which = cpu.max_windows(x, *window, (1, 1))
    exact, first = definition.max_windows(x, *window, (1, 1))
    np.testing.assert_array_equal(y, exact)
    np.testing.assert_array_equal(which, first)
    g = images(n, channels, y.shape[2:], 1, order=order)
    back = cpu.place_chosen(g, which, size, *window, (1, 1))
    expected = definition.place_chosen(g, first, size, *window, (1, 1))
    np.testing.assert_allclose(back, expected, rtol=0, atol=1e-5)
    assert y.dtype == back.dtype == np.float32
    assert which.dtype == first.dtype


def test_nan_and_infinities_among_maxima():
    x = images(8, 32, (28, 28), 0)
    special = np.random.default_rng(1).choice([np.nan, np.inf, -np.inf, 0.0], x.shape)
    x = np.where(np.random.default_rng(2).random(x.shape) < 0.3, special, x).astype(np.float32)
    x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    x[0] = -np.inf  # of such windows the first pixel is chosen, and none of the border
    for kernel, stride, padding in (((2, 2), (2, 2), (0, 0)), ((3, 3), (1, 2), (0, 0)), ((3, 3), (2, 1), (1, 1))):
        window = kernel, stride, padding, (1, 1)
        for found, exact in zip(cpu.max_windows(x, *window), definition.max_windows(x, *window), strict=True):
            np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize("order", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maxima_in_any_layout_and_dtype_and_of_windows_with_gaps(order, dtype):
    x = images(20, 24, (18, 37), 0, dtype, order)
    for view in (x, x[:, ::2], x[..., ::-1]):
        for window in (
            ((2, 2), (2, 2), (0, 0), (1, 1)),
            ((3, 2), (2, 1), (1, 1), (2, 3)),
            ((17, 16), (1, 1), (0, 0), (1, 1)),
        ):
            (y, which), (exact, first) = cpu.max_windows(view, *window), definition.max_windows(view, *window)
            np.testing.assert_array_equal(y, exact)
            np.testing.assert_array_equal(which, first)
            found = cpu.place_chosen(y, which, view.shape[2:], *window)
            expected = definition.place_chosen(exact, first, view.shape[2:], *window)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
            assert y.dtype == found.dtype == dtype
