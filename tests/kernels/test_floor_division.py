"""Division down to an integer: NumPy's results, at whole quotients and beside them, large and small."""

import numpy as np
import pytest

from tinygen.kernels.cpu import division as cpu
from tinygen.kernels.definitions import division as definition

NAMES = pytest.mark.parametrize("name", ["floor_divide", "remainder"])
POLES = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, np.inf, -np.inf, np.nan, 1e-40, -1e38, 0.1]


def same(found, expected):
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


TASKS = {"floor_divide": cpu._QUOTIENT, "remainder": cpu._REMAINDER}


def asked(a, b):
    raise AssertionError("the definition is asked")


def drawn(seed, shape=(67, 45)):
    """Divisors of every size, and multiples of them, with the numbers next to these."""
    rng = np.random.default_rng(seed)
    b = (rng.normal(size=shape) * 10.0 ** rng.integers(-20, 20, shape)).astype(np.float32)
    a = b * rng.integers(-(2**12), 2**12, shape).astype(np.float32)
    beside = np.nextafter(a, np.float32(np.inf)), np.nextafter(a, np.float32(-np.inf))
    return [(x.astype(np.float32), b) for x in (a, *beside, a * np.float32(0.37), a * np.float32(1000))]


@NAMES
@pytest.mark.parametrize("seed", range(5))
def test_quotients_at_and_beside_integers(name, seed):
    for a, b in drawn(seed):
        expected = getattr(definition, name)(a, b)
        assert np.array_equal(cpu._divided(TASKS[name], asked, a, b), expected)
        same(getattr(cpu, name)(a, b), expected)


@NAMES
def test_poles_and_quotients_beyond_float64(name):
    a, b = (x.astype(np.float32) for x in np.meshgrid(POLES, POLES))
    same(getattr(cpu, name)(a, b), getattr(definition, name)(a, b))
    for x, y in zip(a.ravel(), b.ravel()):
        x, y = x.reshape(1), y.reshape(1)
        same(getattr(cpu, name)(x, y), getattr(definition, name)(x, y))


@NAMES
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_definition_computes_only_the_blocks_with_a_pole(name, order):
    rng, sizes = np.random.default_rng(3), []
    a, b = (np.asarray(rng.normal(size=(40, 130)), np.float32, order=order) for _ in range(2))
    b[7, 5], a[39, 129] = 0, np.inf
    define = getattr(definition, name)
    found = cpu._divided(TASKS[name], lambda x, y: (sizes.append(x.size), define(x, y))[1], a, b)
    same(found, define(a, b))
    assert sizes == [cpu._BLOCK, a.size % cpu._BLOCK]


@NAMES
def test_shapes_layouts_and_numbers(name):
    (a, b), *_ = drawn(9, (6, 20))
    other = np.linspace(-2, 2, 20, dtype=np.float32)
    for x, y in [(a.T, b.T), (a[:, ::-1], b), (a, other), (a[:, :1], other), (a * 1e-20, 0.75), (a, np.float32(3))]:
        same(getattr(cpu, name)(x, y), getattr(definition, name)(x, y))
    assert getattr(cpu, name)(a.astype(np.float64), b.astype(np.float64)).dtype == np.float64


@NAMES
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_a_number_beside_another_dtype_stays_what_it_is(name, dtype):
    a = np.arange(-300, 300).astype(dtype)
    for b in (0.1, 3, 2**24 + 1):
        same(getattr(cpu, name)(a, b), getattr(definition, name)(a, b))


def test_a_division_by_the_reciprocal_is_found(monkeypatch):
    def careless(work, define, a, b):
        return np.floor(a * (np.float32(1) / b)).astype(np.float32)

    monkeypatch.setattr(cpu, "_divided", careless)
    with pytest.raises(AssertionError):
        test_quotients_at_and_beside_integers("floor_divide", 0)
