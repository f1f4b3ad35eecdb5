"""Log-gamma and its derivatives in float32: the definition in float64, rounded once, in any memory and of any size."""

import numpy as np
import pytest
from scipy import special

from tinygen.kernels.cpu import gamma as cpu
from tinygen.kernels.definitions import gamma as definition

pytestmark = pytest.mark.usefixtures("entries")

FUNCTIONS = {
    "lgamma": lambda version, x: version.lgamma(x),
    "digamma": lambda version, x: version.digamma(x),
    **{f"polygamma {n}": lambda version, x, n=n: version.polygamma(x, n) for n in (1, 2, 5)},
}
EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, -1.5, 1.0, 2.0, 1e-45, 1e-38, 9.999999, 10.0, 3e38]
LAYOUTS = [lambda x: x, lambda x: x[::2], lambda x: x[::-1], lambda x: x.reshape(2, -1).T]

by_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


@by_function
@pytest.mark.parametrize("size", [40, 5000, 100_001])
def test_single_precision_is_the_definition_rounded(function, size) -> None:
    """But for a last place now and then, where the definition lies between two numbers; near 1 and 2, where
    log Gamma is 0, to what float64 leaves of a difference."""
    rng = np.random.default_rng(size)
    x = np.concatenate([rng.exponential(2, size), rng.uniform(0, 20, size), 10 ** rng.uniform(-30, 30, size)])
    x = x.astype(np.float32)
    with np.errstate(all="ignore"):
        found, exact = function(cpu, x), function(definition, x.astype(np.float64))
        expected = exact.astype(np.float32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1.2e-7, atol=1e-14)
    assert np.mean(found != expected) < 1e-4


@by_function
def test_edges(function) -> None:
    x = np.array(EDGES, np.float32)
    with np.errstate(all="ignore"):
        found, expected = function(cpu, x), function(definition, x)
    np.testing.assert_allclose(found, expected, rtol=1.2e-7, atol=1e-14)


@by_function
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [8, 6000])
def test_results_lie_in_memory_as_x_does(function, layout, dtype, size) -> None:
    x = layout(np.linspace(0.1, 14, size).astype(dtype))
    found = function(cpu, x)
    assert found.dtype == dtype
    assert found.strides == np.empty_like(x).strides
    np.testing.assert_allclose(found, function(definition, np.array(x, np.float64)), rtol=1.2e-7, atol=1e-7)


def test_a_value_is_scipys() -> None:
    x = np.linspace(0.05, 30, 5000).astype(np.float32)
    np.testing.assert_allclose(cpu.lgamma(x), special.gammaln(np.float64(x)), rtol=1.2e-7, atol=1e-14)
    np.testing.assert_allclose(cpu.digamma(x), special.digamma(np.float64(x)), rtol=1.2e-7, atol=1e-14)
    np.testing.assert_allclose(cpu.polygamma(x, 1), special.polygamma(1, np.float64(x)), rtol=1.2e-7)
