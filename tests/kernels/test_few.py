"""A task as one of NumPy's functions: what it does in one piece of memory, it does in any; and nobody is warned."""

import sys
import threading
import warnings

import numpy as np
import pytest

from tinygen.kernels.array_module import single
from tinygen.kernels.cpu.few import COUNT, FEW, are_few, few
from tinygen.kernels.cpu.launch import flags, floats, integer, task


@task
def _scaled(block, part, parts):
    """Arguments: condition, x, scale, y, z; how many entries, shift. y = scale x + shift, z = x or 0."""
    condition, x, scale = flags(block, 0), floats(block, 1), floats(block, 2)
    y, z = floats(block, 3), floats(block, 4)
    for i in range(integer(block, 5)):
        y[i] = scale[scale.size - 1] * x[i] + np.float32(integer(block, 6))
        z[i] = x[i] if condition[i] else np.float32(0)


@task
def _roots(block, part, parts):
    x, y = floats(block, 0), floats(block, 1)
    for i in range(x.size):
        y[i] = np.sqrt(x[i]) / x[i]


SCALED = few(_scaled, "bfn", COUNT, 7, results=2)
ROOTS = few(_roots, "f")


def drawn(*shape):
    x = np.random.default_rng(0).integers(-8, 9, shape).astype(np.float32) / 4  # products are exact
    return x > 0, x


LAYOUTS = {
    "one piece": lambda a: a,
    "transposed": lambda a: a.T,
    "gaps": lambda a: a[:, ::2],
    "backwards": lambda a: a[::-1],
    "one row": lambda a: a[:1],
    "a column": lambda a: a[:, 3:4],
    "one entry": lambda a: a[2:3, 5:6],
    "none": lambda a: a[:0],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_entries(layout):
    condition, x = map(layout, drawn(6, 9))
    y, z = SCALED.run(condition, x, single(-2.5))
    np.testing.assert_array_equal(y, np.float32(-2.5) * x + np.float32(7))
    np.testing.assert_array_equal(z, np.where(condition, x, np.float32(0)))
    assert y.dtype == z.dtype == np.float32


def test_arrays_may_lie_differently_and_be_repeated():
    condition, x = drawn(6, 6)
    for other in (x.T, x[:, ::-1], x[:1], x[:, :1]):
        y, z = SCALED.run(condition, other, single(0.5))
        np.testing.assert_array_equal(y, np.broadcast_to(np.float32(0.5) * other + np.float32(7), (6, 6)))
        np.testing.assert_array_equal(z, np.where(condition, other, np.float32(0)))


def test_a_number_may_have_axes_of_one_entry():
    condition, x = drawn(4, 5)
    y, _ = SCALED.run(condition, x, np.full((1, 1), 3, np.float32))
    np.testing.assert_array_equal(y, np.float32(3) * x + np.float32(7))


def test_poles_are_no_reason_to_warn_and_what_numpy_warns_of_later_is_its_own():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = ROOTS.run(np.array([-1, 0, 4], np.float32))
    np.testing.assert_array_equal(y, np.array([np.nan, np.nan, 0.5], np.float32))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.ones(3, np.float32) / np.zeros(3, np.float32)


def test_threads_call_it_at_once():
    x = np.linspace(1, 2, 5000, dtype=np.float32)
    expected, found = ROOTS.run(x), []
    workers = [threading.Thread(target=lambda: found.append([ROOTS.run(x) for _ in range(50)])) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 3
    assert all(np.array_equal(y, expected) for results in found for y in results)


def test_what_it_is_for():
    x = np.zeros((3, 4), np.float32)
    assert are_few(x)
    assert are_few(x, x)
    assert not are_few(x, x.T)
    assert not are_few(x.T, x)
    assert not are_few(np.zeros((), np.float32))  # of which NumPy would make a number
    assert are_few(np.zeros(FEW - 1, np.float32))


def test_many_are_for_it_where_one_thread_goes_through_them_and_the_caches_hold_them(monkeypatch):
    of_few, many = sys.modules[few.__module__], np.zeros(2 * FEW, np.float32)
    monkeypatch.setattr(of_few, "thread_count", lambda work, least: 2 if work >= 2 * least else 1)
    assert not are_few(many)
    monkeypatch.setattr(of_few, "thread_count", lambda work, least: 1)
    assert are_few(many)
    monkeypatch.setattr(of_few, "too_much", lambda size: size >= many.nbytes)
    assert not are_few(many)


def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="_roots"):
        ROOTS.run(np.ones(3))
