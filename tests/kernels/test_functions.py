"""The vector functions that chains are made of, over all of float32, at poles, and for NaN: within a few units in the
last place of float64's, rounded."""

import numpy as np
import pytest
from simulator import version as simulated

from tinygen.kernels.cpu import fusion as cpu
from tinygen.kernels.definitions import fusion as definition
from tinygen.kernels.expression import COSTLY, FUNCTIONS, Chain, argument, expression, parse

VERSIONS = [pytest.param(cpu, id="cpu"), simulated("fusion")]
UNARY, BINARY = ([name for name, operands in FUNCTIONS.items() if operands == n] for n in (1, 2))
# e^x below 2^-125, about, counts as 0 (simd.vexp), so what is made of it is held to that much absolutely.
LEAST = 4e-38


def grid() -> np.ndarray:
    """Every exponent of float32, of either sign, many mantissas near 1, and the numbers that are unlike the others."""
    exponents = np.exp2(np.linspace(-149, 127.9, 3001))
    near = np.linspace(-4, 4, 4001)
    odd = [0.0, -0.0, 1.0, -1.0, -0.5, 0.34, 0.625, 0.5**0.5, 2**0.5, 88.7, -86.6, np.inf, -np.inf, np.nan]
    turns = (
        np.pi / 4 * np.arange(-90000, 90000, 7)
    )  # angles at which sines are nearly 0, nearly 1, or change their form
    some = [exponents, -exponents, near, 1 + near * 2.0**-20, near * 20, turns, odd]
    return np.concatenate(some).astype(np.float32)


def ulps_apart(version, name, *arguments):
    """What a function gives, and float64's, rounded; where they differ, by how many units in the last place."""
    chain = Chain(name, (expression(name, *map(argument, range(len(arguments)))),))
    (found,), (exact,) = (v.fused(chain, arguments, arguments[0].shape) for v in (version, definition))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(exact))
    same = (found == exact) | np.isnan(exact)
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0, np.abs(found.astype(np.float64) - exact) / (np.spacing(np.abs(exact)) + LEAST))
    return found, exact, error


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", UNARY)
def test_functions_are_those_of_float64_rounded(version, name):
    x = grid()
    found, exact, error = ulps_apart(version, name, x)
    ulps = 4 if name in COSTLY else 0
    if name == "normal_cdf":
        ulps = 24  # the square of x in the exponent is rounded too, where the result is above 1e-6
        x, found, exact, error = (a[~(x < -4.7)] for a in (x, found, exact, error))
    assert error.max() <= ulps, (name, x[error.argmax()], found[error.argmax()], exact[error.argmax()])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_are_those_of_float64_rounded(version, name):
    """Of numbers far apart, near each other and equal, and of whatever is unlike the others; signs of zeros too."""
    x = grid()
    odd = np.array([0.0, -0.0, 1.0, -1.0, 1e-42, np.inf, -np.inf, np.nan], np.float32)
    a = np.concatenate([x, x, x, np.repeat(odd, odd.size)])
    others = np.random.default_rng(0).permutation(x), x * np.float32(1.01), -x, np.tile(odd, odd.size)
    found, exact, error = ulps_apart(version, name, a, np.concatenate(others))
    assert error.max() <= (4 if name in COSTLY else 0)
    assert np.array_equal(np.signbit(found)[~np.isnan(exact)], np.signbit(exact)[~np.isnan(exact)])


@pytest.mark.parametrize("version", VERSIONS)
def test_integers_have_exact_powers_and_logarithms_to_base_2(version):
    n = np.arange(-125, 128, dtype=np.float32)
    for name, x, exact in (("exp2", n, np.exp2(n)), ("log2", np.exp2(n), n)):
        (found,) = version.fused(Chain(name, (expression(name, argument(0)),)), (x,), x.shape)
        assert np.array_equal(found, exact)


@pytest.mark.parametrize("version", VERSIONS)
def test_sums_of_many_are_carried_in_double(version):
    """A million times about 1: a sum in float32 would have lost the fourth digit."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, (2, 1_000_000)).astype(np.float32)
    for total in ("all", "examples"):
        chain = Chain("sum", (expression("abs", argument(0)),), total)
        (found,) = version.fused(chain, (x,), x.shape)
        exact = x.astype(np.float64).sum(axis=None if total == "all" else 1)
        np.testing.assert_allclose(found, exact, rtol=2e-7)


@pytest.mark.parametrize("version", VERSIONS)
def test_exp_in_company_overflows_nowhere_before_it_must(version):
    x = np.linspace(88.0, 88.72, 4001, dtype=np.float32)
    for formula in ("exp(x) - 1", "x - exp(x)", "exp(x) / 3", "0.5 * exp(x) + x"):
        chain = Chain("company", (parse(formula, {"x": argument(0)}),))
        (found,), (exact,) = version.fused(chain, (x,), x.shape), definition.fused(chain, (x,), x.shape)
        np.testing.assert_allclose(found, exact, rtol=1e-6)
