"""Sorting by integers is stable sorting, whatever the numbers; a gradient goes back to where its entry came from."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.ops import sorting

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-45, 3e38, -3e38]


def drawn(shape, dtype=np.float32):
    """Few different numbers, so that most are tied."""
    return np.random.default_rng(len(shape)).choice(np.array(SPECIAL, dtype), shape)


def stable(x, axis, descending):
    """The order by Python's own stable sort: NaN above all numbers, all NaN alike."""
    rows = np.moveaxis(x, axis, -1)
    order = np.empty(rows.shape, np.intp)
    for place in np.ndindex(rows.shape[:-1]):
        row = rows[place]
        keys = [(bool(np.isnan(v)), 0.0 if np.isnan(v) else float(v)) for v in row]
        # in reverse too, what is tied keeps its order
        order[place] = sorted(range(len(row)), key=keys.__getitem__, reverse=descending)
    return np.moveaxis(order, -1, axis)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis"), [((2700,), 0), ((9, 280), -1), ((280, 9), 0), ((4, 100, 6), 1), ((3, 5), 1), ((2, 3, 4), 1)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ties_keep_their_order(dtype, shape, axis, descending):
    x = drawn(shape, dtype)
    expected = stable(x, axis, descending)
    assert np.array_equal(tg.argsort(x, axis=axis, descending=descending).numpy(), expected)
    found, exact = tg.sort(x, axis=axis, descending=descending).numpy(), np.take_along_axis(x, expected, axis)
    assert found.dtype == dtype
    assert np.array_equal(found, exact, equal_nan=True)
    assert np.array_equal(np.signbit(found), np.signbit(exact))


@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((30, 40), 1), ((30, 40), 0), ((3, 75, 11), 1)])
def test_gradients_go_back(shape, axis):
    rng = np.random.default_rng(0)
    x = tg.tensor(rng.normal(size=shape).astype(np.float32), requires_grad=True)
    g = rng.normal(size=shape).astype(np.float32)
    y = tg.sort(x, axis=axis)
    expected = np.empty_like(g)
    np.put_along_axis(expected, np.argsort(x.numpy(), axis=axis), g, axis)
    (plain,), (recorded,) = tg.grad(y, x, g), tg.grad(y, x, g, create_graph=True)
    assert np.array_equal(plain.numpy(), expected)
    assert np.array_equal(recorded.numpy(), expected)


def test_nothing_is_sorted_too():
    assert tg.sort(np.zeros((0, 3), np.float32), axis=0).shape == (0, 3)
    assert tg.sort(np.zeros((3, 0), np.float32)).shape == (3, 0)


def test_a_key_in_which_ties_differ_is_found(monkeypatch):
    ties = sorting._order_of_floats

    def last_first(x, axis, descending):
        return x.shape[axis] - 1 - ties(np.flip(x, axis), axis, descending)

    monkeypatch.setattr(sorting, "_order_of_floats", last_first)
    with pytest.raises(AssertionError):
        test_ties_keep_their_order(np.float32, (2700,), 0, False)
