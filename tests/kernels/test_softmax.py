"""Softmax and cross-entropy: the definitions obey the theory in float64, the Numba and CUDA kernels the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from simulator import version as simulated

from tinygen.kernels.cpu import softmax as cpu
from tinygen.kernels.definitions import softmax as definition

KERNELS = [pytest.param(cpu, id="cpu"), simulated("softmax")]
VERSIONS = [pytest.param(definition, id="definition"), *KERNELS]


@st.composite
def problems(draw):
    """x and g of one shape, in any memory, and an axis of theirs."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=0, max_size=3)))
    axis = draw(st.integers(0, len(shape)))
    size = draw(st.sampled_from([1, 2, 3, 10, 15, 16, 17, 49, 130]))
    shape = (*shape[:axis], size, *shape[axis:])
    dtype = draw(st.sampled_from([np.float32, np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = draw(st.permutations(range(len(shape))))
    step = draw(st.sampled_from([1, 2, -1]))

    def array():
        memory = rng.normal(0, 4, [shape[i] for i in order] + [abs(step)]).astype(dtype)[..., 0]
        return memory.transpose(np.argsort(order))[:: -1 if step < 0 else 1]

    return array(), array(), draw(st.sampled_from([axis, axis - len(shape)]))


def agree(actual, expected, dtype, scale=1.0):
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=(2e-6 if dtype == np.float32 else 1e-14) * scale)


@pytest.mark.parametrize("kernels", KERNELS)
@given(problem=problems())
def test_kernels_equal_their_definitions(kernels, problem):
    x, g, axis = problem
    for name in ("softmax", "log_softmax"):
        y = getattr(definition, name)(x, axis)
        agree(getattr(kernels, name)(x, axis), y, x.dtype, 1 + np.abs(y).max())
        expected = getattr(definition, f"{name}_backward")(g, y, axis)
        actual = getattr(kernels, f"{name}_backward")(g, y, axis)
        agree(actual, expected, x.dtype, 1 + np.abs(g).sum(axis).max())


@pytest.mark.parametrize("kernels", KERNELS)
@given(problem=problems(), index=st.sampled_from([np.int64, np.int32, np.uint8]))
def test_cross_entropy_equals_its_definition(kernels, problem, index):
    x, g, axis = problem
    x = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    g = g.reshape(-1)[: len(x)]
    target = np.random.default_rng(len(x)).integers(0, x.shape[1], len(x)).astype(index)
    loss, lse = definition.cross_entropy(x, target)
    for a, b in zip(kernels.cross_entropy(x, target), (loss, lse), strict=True):
        agree(a, b, x.dtype, 1 + np.abs(b).max())
    total, same = kernels.cross_entropy(x, target, 0.25)
    agree(total, definition.cross_entropy(x, target, 0.25)[0], x.dtype, 1 + np.abs(loss).sum())
    np.testing.assert_array_equal(same, kernels.cross_entropy(x, target)[1])
    expected = definition.cross_entropy_backward(g, x, target, lse)
    agree(kernels.cross_entropy_backward(g, x, target, lse), expected, x.dtype, 1 + np.abs(g).max())


@pytest.mark.parametrize("shape", [(600, 97), (40, 3000)])
def test_rows_cut_between_threads(shape):
    rng = np.random.default_rng(0)
    x, g = (rng.normal(0, 3, shape).astype(np.float32) for _ in range(2))
    y = cpu.softmax(x, 1)
    agree(y, definition.softmax(x, 1), np.float32)
    assert np.array_equal(y, cpu.softmax(x, 1))
    agree(cpu.softmax_backward(g, y, 1), definition.softmax_backward(g, y, 1), np.float32, 10)
    target = rng.integers(0, shape[1], shape[0])
    loss, lse = definition.cross_entropy(x, target)
    agree(cpu.cross_entropy(x, target)[0], loss, np.float32, 20)
    expected = definition.cross_entropy_backward(g[:, 0], x, target, lse)
    agree(cpu.cross_entropy_backward(g[:, 0], x, target, lse), expected, np.float32, 20)


# ---- the definitions are what they say


@given(problems())
def test_definitions_equal_the_textbook(problem):
    x, g, axis = problem
    x, g = x.astype(np.float64), g.astype(np.float64)
    weights = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
    np.testing.assert_allclose(definition.softmax(x, axis), weights, rtol=1e-12)
    log_weights = x - special.logsumexp(x, axis=axis, keepdims=True)
    np.testing.assert_allclose(definition.log_softmax(x, axis), log_weights, atol=1e-12)
    # the Jacobian diag(y) - y y^T written out, row by row
    rows, cotangents = (np.moveaxis(a, axis, -1).reshape(-1, x.shape[axis]) for a in (weights, g))
    jacobian = rows[:, :, None] * np.eye(x.shape[axis]) - rows[:, :, None] * rows[:, None, :]
    expected = np.einsum("nij,nj->ni", jacobian, cotangents)
    actual = np.moveaxis(definition.softmax_backward(g, weights, axis), axis, -1)
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, atol=1e-12)


def slope(f, a, direction, h=1e-3):
    """df(a + t direction)/dt at 0 by the fourth-order central difference."""
    near, far = (f(a + k * h * direction) - f(a - k * h * direction) for k in (1, 2))
    return (8 * near - far) / (12 * h)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gradients_are_the_slopes_of_the_forward(axis):
    rng = np.random.default_rng(1)
    x, g, direction = (rng.normal(size=(3, 4, 5)) for _ in range(3))
    for name in ("softmax", "log_softmax"):
        forward, backward = getattr(definition, name), getattr(definition, f"{name}_backward")
        numeric = slope(lambda a, f=forward: (g * f(a, axis)).sum(), x, direction)
        exact = (backward(g, forward(x, axis), axis) * direction).sum()
        assert exact == pytest.approx(numeric, rel=1e-8)
    logits, g, direction = x.reshape(12, 5), g[0, 0].repeat(12)[:12], direction.reshape(12, 5)
    target = rng.integers(0, 5, 12)
    numeric = slope(lambda a: (g * definition.cross_entropy(a, target)[0]).sum(), logits, direction)
    lse = definition.cross_entropy(logits, target)[1]
    exact = (definition.cross_entropy_backward(g, logits, target, lse) * direction).sum()
    assert exact == pytest.approx(numeric, rel=1e-8)


@pytest.mark.parametrize("version", VERSIONS)
@given(problem=problems())
def test_rows_sum_to_one_and_gradients_to_zero(version, problem):
    x, g, axis = problem
    tolerance = 100 * np.finfo(x.dtype).eps
    y = version.softmax(x, axis)
    assert np.abs(y.sum(axis, dtype=np.float64) - 1).max() < tolerance
    assert (y >= 0).all()
    scale = 1 + np.abs(g).sum(axis).max()
    assert np.abs(version.softmax_backward(g, y, axis).sum(axis, dtype=np.float64)).max() < tolerance * scale
    log_y = version.log_softmax(x, axis)
    gradient = version.log_softmax_backward(g, log_y, axis).sum(axis, dtype=np.float64)
    assert np.abs(gradient).max() < tolerance * scale


# ---- edges


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_a_shift_of_ten_thousand_changes_nothing(version, dtype, shift):
    x = np.random.default_rng(2).integers(-40, 40, (4, 37)).astype(dtype) / 8  # exact under the shift
    y = version.softmax(x, 1)
    assert np.array_equal(version.softmax(x + dtype(shift), 1), y)
    assert np.array_equal(version.log_softmax(x + dtype(shift), 1), version.log_softmax(x, 1))
    target = np.array([0, 5, 36, 7])
    loss = version.cross_entropy(x, target)[0]
    assert np.array_equal(version.cross_entropy(x + dtype(shift), target)[0], loss)
    np.testing.assert_allclose(loss, -np.log(y[np.arange(4), target]), rtol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [3, 16, 21])
def test_infinities_and_nan(version, size):
    x = np.zeros((5, size), np.float32)
    x[0, 1] = -np.inf  # no weight, exactly
    x[1, :] = -np.inf  # no row
    x[2, 2] = np.inf
    x[3, 0] = np.nan
    x[4, :] = -1e4
    x[4, 2] = 1e4
    y, log_y = version.softmax(x, 1), version.log_softmax(x, 1)
    assert y[0, 1] == 0
    assert log_y[0, 1] == -np.inf
    assert y[0].sum() == pytest.approx(1, abs=1e-6)
    assert np.isnan(y[1:4]).all()
    assert np.isnan(log_y[1]).all()
    assert np.isnan(log_y[3]).all()
    assert np.array_equal(y[4], np.arange(size) == 2)
    loss = version.cross_entropy(x, np.array([1, 0, 0, 1, 0]))[0]
    assert loss[0] == np.inf
    assert np.isnan(loss[1:4]).all()
    assert loss[4] == 2e4


@pytest.mark.parametrize("version", VERSIONS)
def test_targets_that_are_no_classes_are_named(version):
    logits = np.zeros((3, 4), np.float32)
    zeros, g = np.zeros(3, np.float32), np.ones(3, np.float32)
    for bad in (-1, 4, 100):
        target = np.array([0, bad, 1])
        with pytest.raises(ValueError, match=f"class {bad} is outside 0 to 3"):
            version.cross_entropy(logits, target)
        with pytest.raises(ValueError, match=f"class {bad} is outside 0 to 3"):
            version.cross_entropy(logits, target, 0.5)
        with pytest.raises(ValueError, match=f"class {bad} is outside 0 to 3"):
            version.cross_entropy_backward(g, logits, target, zeros)
    with pytest.raises(TypeError, match="must hold integer classes, found dtype float64"):
        version.cross_entropy(logits, np.zeros(3))
    with pytest.raises(ValueError, match=r"found \(3, 4\) and \(2,\)"):
        version.cross_entropy(logits, np.array([0, 1]))


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_gives_nothing(version):
    x = np.zeros((0, 5), np.float32)
    assert version.softmax(x, 1).shape == (0, 5)
    assert version.softmax(x, 0).shape == (0, 5)
    assert version.log_softmax_backward(x, x, 0).shape == (0, 5)
    loss, lse = version.cross_entropy(x, np.zeros(0, np.int64))
    assert loss.shape == lse.shape == (0,)
    assert version.cross_entropy_backward(loss, x, np.zeros(0, np.int64), lse).shape == (0, 5)
