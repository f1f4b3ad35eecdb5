"""Reductions along axes: exact sums in every layout, NaN and infinities, nothing to reduce, the same bits each time."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen.kernels.cpu import reduction as cpu
from tinygen.kernels.definitions import reduction as definition

VERSIONS = pytest.mark.parametrize("version", [pytest.param(definition, id="definition"), simulated("reduction")])
NAMES = ("reduce_sum", "reduce_prod", "sum_of_squares", "euclidean_norm", "reduce_max", "reduce_min")
EXTREMES = ("reduce_max", "reduce_min")
SIZES = [1, 1, 2, 3, 5, 33, 40]


@st.composite
def problems(draw):
    """An array of up to four axes that lie in memory in any order, perhaps with gaps, and the axes to reduce."""
    shape = draw(st.lists(st.sampled_from(SIZES), max_size=4).filter(lambda s: math.prod(s) <= 20_000))
    order = draw(st.permutations(range(len(shape))))
    axes = (
        draw(st.none() | st.lists(st.sampled_from(range(len(shape))), unique=True).map(sorted).map(tuple))
        if shape
        else None
    )
    return shape, order, axes, draw(st.booleans())


@VERSIONS
@given(problems(), st.booleans(), st.sampled_from(["float32", "float64"]), st.sampled_from(NAMES))
@example(([3, 41, 2, 37], [0, 1, 2, 3], (1, 3), False), False, "float32", "reduce_sum")  # two groups of axes
@example(([2, 300, 37], [0, 1, 2], (1,), False), True, "float32", "sum_of_squares")  # blocks that share a column
@example(([7000], [0], None, False), True, "float32", "reduce_sum")  # warps that share a row
@example(([900, 3], [0, 1], (0,), False), False, "float32", "reduce_max")  # few columns
@example(([2, 1500, 7, 40], [0, 1, 2, 3], (1, 3), False), False, "float32", "reduce_min")
def test_each_is_that_of_the_numbers_in_any_layout(version, problem, keepdims, dtype, name):
    shape, order, axes, gaps = problem
    rng = np.random.default_rng(0)
    x = np.array(rng.standard_normal([shape[a] for a in order]), dtype)
    x = x.transpose([order.index(a) for a in range(len(shape))])
    if gaps and shape:
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    if name == "reduce_prod":
        x = (1 + x / 100).astype(dtype)
    reduced, scale = exactly(name, x, axes, keepdims)
    found = getattr(version, name)(x, axes, keepdims)
    assert (found.shape, found.dtype) == (reduced.shape, dtype)
    bound = 0 if name in EXTREMES else (2 if version is not definition else 40) * np.finfo(dtype).eps
    if name == "reduce_prod":  # one rounding for each factor
        bound = count(x, axes) * np.finfo(dtype).eps
    assert (np.abs(found - reduced) <= bound * scale).all()


def count(x, axes):
    return x.size if axes is None else math.prod(x.shape[a] for a in axes)


def exactly(name, x, axes, keepdims):
    """The result in twice the precision, and what its rounding is relative to."""
    wide = x.astype(np.longdouble if x.dtype == np.float64 else np.float64)
    if name in EXTREMES or name == "reduce_prod":
        reduced = getattr(wide, name.removeprefix("reduce_"))(axis=axes, keepdims=keepdims)
        return reduced, np.abs(reduced)
    power = 1 if name == "reduce_sum" else 2
    reduced, scale = (w.sum(axis=axes, keepdims=keepdims) for w in (wide**power, np.abs(wide) ** power))
    return (np.sqrt(reduced), np.sqrt(scale)) if name == "euclidean_norm" else (reduced, scale)


@VERSIONS
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_as_in_numpy(version, name, value):
    x = np.random.default_rng(0).standard_normal((50, 70)).astype(np.float32)
    x[7, 65] = value
    with np.errstate(all="ignore"):
        for axes in (None, (0,), (1,)):
            found, expected = (getattr(module, name)(x, axes) for module in (version, definition))
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@VERSIONS
def test_no_numbers_add_up_to_0_and_have_no_greatest(version):
    x = np.zeros((3, 0), np.float32)
    np.testing.assert_array_equal(version.reduce_sum(x, (1,)), np.zeros(3))
    assert version.sum_of_squares(x).shape == ()
    assert version.reduce_max(x, (0,)).shape == (0,)
    for extreme in (version.reduce_max, version.reduce_min):
        with pytest.raises(ValueError, match="zero-size"):
            extreme(x)


LAYOUTS = pytest.mark.parametrize(
    ("shape", "order", "axes"),
    [
        ((16, 32, 30, 31), (0, 2, 3, 1), (0, 2, 3)),  # over the pixels of images with channels last
        ((16, 32, 30, 31), (0, 1, 2, 3), (0, 2, 3)),  # channels first: the pixels, then the images
        ((4, 70_003), (0, 1), (0,)),
        ((70_003, 3), (0, 1), (0,)),
        ((131_073,), (0,), None),
        ((257, 1031), (0, 1), (1,)),
        ((5, 30_011), (0, 1), (1,)),
        ((131_073, 1), (0, 1), (1,)),
        ((2, 9, 8000, 1), (1, 0, 3, 2), (0, 1)),
        ((16, 40, 15, 14), (0, 2, 3, 1), (2, 3)),  # over the pixels of each image
        ((300, 3, 20, 20), (0, 2, 3, 1), (2, 3)),
        ((3, 40, 2500), (0, 1, 2), (1,)),  # strips, each in one piece
        ((20, 1, 7000), (0, 1, 2), (1, 2)),
        ((20, 7000), (0, 1), ()),
        ((8, 9, 10, 11, 20), (0, 1, 2, 3, 4), (0, 2, 4)),  # three groups
    ],
)


@LAYOUTS
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_large_arrays_on_every_thread(name, shape, order, axes, keepdims):
    x = np.random.default_rng(0).normal(size=[shape[i] for i in order]).astype(np.float32).transpose(np.argsort(order))
    if name == "reduce_prod":
        x = np.exp2(x / 1000).astype(np.float32)
    found = getattr(cpu, name)(x, axes, keepdims)
    exact, scale = exactly(name, x, axes, keepdims)
    assert (found.shape, found.dtype) == (exact.shape, np.float32)
    roundings = 0 if name in EXTREMES else {"reduce_prod": 80, "sum_of_squares": 20}.get(name, 2)  # of groups of axes
    assert (np.abs(found - exact) <= roundings * np.finfo(np.float32).eps * scale).all()
    assert np.array_equal(found, getattr(cpu, name)(x, axes, keepdims))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 0.0])
@pytest.mark.parametrize("place", [0, 1, 63, 700, 1000])
def test_one_number_among_many_that_is_not_like_the_others(name, value, place):
    x = np.random.default_rng(0).normal(size=(200, 1001)).astype(np.float32)
    x = np.exp2(x / 1000).astype(np.float32) if name == "reduce_prod" else x
    x[place % 200, place] = value
    with np.errstate(all="ignore"):
        for axes in (None, (0,), (1,)):
            found, expected = getattr(cpu, name)(x, axes), getattr(definition, name)(x.astype(np.float64), axes)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("power", [30, -30])
def test_large_norms_neither_overflow_nor_underflow_on_the_way(power):
    x = np.full((128, 1024), 10.0**power, np.float32)
    np.testing.assert_allclose(cpu.euclidean_norm(x, (1,)), 32 * x[:, 0], rtol=1e-6)


def test_large_products_are_of_float64_on_the_way():
    x = np.full((128, 1024), 3, np.float32)
    x[:, 1::2] = np.float32(1 / 3)
    assert float(np.finfo(np.float32).max) < 3.0**512
    np.testing.assert_allclose(cpu.reduce_prod(x, (1,)), x.prod(1, dtype=np.float64), rtol=1e-6)


def test_a_sum_is_as_exact_as_numpys():
    x = np.random.default_rng(0).uniform(0, 1, (64, 8192)).astype(np.float32)
    for axes in (None, (0,), (1,)):
        exact = x.sum(axis=axes, dtype=np.float64)
        ours, numpys = (np.abs(total - exact).max() for total in (cpu.reduce_sum(x, axes), x.sum(axis=axes)))
        assert ours <= numpys
