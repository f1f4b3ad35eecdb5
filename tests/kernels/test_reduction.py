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
NAMES = ("reduce_sum", "sum_of_squares", "reduce_max", "reduce_min")
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
    wide = x.astype(np.longdouble) ** (2 if name == "sum_of_squares" else 1)
    reduced = getattr(wide, {"reduce_max": "max", "reduce_min": "min"}.get(name, "sum"))(axis=axes, keepdims=keepdims)
    found = getattr(version, name)(x, axes, keepdims)
    assert (found.shape, found.dtype) == (reduced.shape, dtype)
    scale = np.abs(wide).sum(axis=axes, keepdims=keepdims)
    bound = 0 if name in NAMES[2:] else (2 if version is not definition else 40) * np.finfo(dtype).eps
    assert (np.abs(found - reduced) <= bound * scale).all()


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


@pytest.mark.parametrize(
    ("shape", "order", "axes"),
    [
        ((16, 32, 30, 31), (0, 2, 3, 1), (0, 2, 3)),  # over the pixels of images with channels last
        ((16, 32, 30, 31), (0, 1, 2, 3), (0, 2, 3)),  # channels first: NumPy's
        ((4, 70_003), (0, 1), (0,)),
        ((70_003, 3), (0, 1), (0,)),
        ((131_073,), (0,), None),
        ((2, 9, 8000, 1), (1, 0, 3, 2), (0, 1)),
        ((16, 40, 15, 14), (0, 2, 3, 1), (2, 3)),  # over the pixels of each image
        ((300, 3, 20, 20), (0, 2, 3, 1), (2, 3)),
        ((20, 7000), (0, 1), ()),
    ],
)
@pytest.mark.parametrize("keepdims", [False, True])
def test_large_sums_on_every_thread(shape, order, axes, keepdims):
    x = np.random.default_rng(0).normal(size=[shape[i] for i in order]).astype(np.float32).transpose(np.argsort(order))
    found = cpu.reduce_sum(x, axes, keepdims)
    exact = x.sum(axis=axes, keepdims=keepdims, dtype=np.float64)
    assert (found.shape, found.dtype) == (exact.shape, np.float32)
    scale = np.abs(x).sum(axis=axes, keepdims=keepdims, dtype=np.float64)
    assert (np.abs(found - exact) <= 2 * np.finfo(np.float32).eps * scale).all()
    assert np.array_equal(found, cpu.reduce_sum(x, axes, keepdims))
