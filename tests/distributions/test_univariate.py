"""Continuous laws of one variable: densities against SciPy; draws against distribution function and moments."""

import math

import numpy as np
import pytest
import scipy.stats

import tinygen as tg
from tinygen import distributions as td
from tinygen.testing import gradcheck

LOC, SCALE = np.array([-0.7, 0.4, 1.3]), np.array([0.5, 1.0, 2.3])

LAWS = {
    "Normal": (td.Normal(LOC, SCALE), scipy.stats.norm(LOC, SCALE)),
    "Laplace": (td.Laplace(LOC, SCALE), scipy.stats.laplace(LOC, SCALE)),
    "Logistic": (td.Logistic(LOC, SCALE), scipy.stats.logistic(LOC, SCALE)),
    "Uniform": (td.Uniform(LOC, LOC + SCALE), scipy.stats.uniform(LOC, SCALE)),
    "Exponential": (td.Exponential(SCALE), scipy.stats.expon(scale=1 / SCALE)),
    "Gamma": (td.Gamma(SCALE + 0.2, 1 + SCALE), scipy.stats.gamma(SCALE + 0.2, scale=1 / (1 + SCALE))),
    "Beta": (td.Beta(SCALE, SCALE[::-1].copy()), scipy.stats.beta(SCALE, SCALE[::-1])),
}
every_law = pytest.mark.parametrize("name", LAWS)
REPARAMETERISED = ["Normal", "Laplace", "Logistic", "Uniform", "Exponential"]
POINTS = np.array([-5.0, -0.31, 0.02, 0.37, 0.96, 1.7, 4.2])[:, None]


@every_law
def test_the_log_density_is_scipys_and_minus_infinity_outside_the_support(name):
    law, reference = LAWS[name]
    np.testing.assert_allclose(law.log_prob(POINTS).numpy(), reference.logpdf(POINTS), rtol=1e-12, atol=1e-13)


@every_law
def test_mean_variance_and_entropy_are_scipys(name):
    law, reference = LAWS[name]
    np.testing.assert_allclose(law.mean.numpy(), reference.mean(), rtol=1e-13)
    np.testing.assert_allclose(law.variance.numpy(), reference.var(), rtol=1e-12)
    np.testing.assert_allclose(law.stddev.numpy(), reference.std(), rtol=1e-12)
    np.testing.assert_allclose(law.entropy().numpy(), reference.entropy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", REPARAMETERISED)
def test_the_distribution_function_is_scipys(name):
    law, reference = LAWS[name]
    np.testing.assert_allclose(law.cdf(POINTS).numpy(), reference.cdf(POINTS), rtol=1e-12, atol=1e-15)


@every_law
def test_draws_follow_the_law(name):
    law, reference = LAWS[name]
    n = 4000
    draws = law.sample(tg.random.Generator(7), (n,))
    assert draws.shape == (n, 3)
    assert draws.dtype == np.float64
    assert not draws.requires_grad
    uniform = np.sort(reference.cdf(np.asarray(draws)), 0)
    grid = (np.arange(n)[:, None] + 0.5) / n
    assert np.abs(uniform - grid).max() < 2.3 / math.sqrt(n)  # Kolmogorov: exceeded with probability 5e-5
    se = np.sqrt(reference.var() / n)
    assert (np.abs(draws.numpy().mean(0) - reference.mean()) < 5 * se).all()


@every_law
def test_single_precision_in_gives_single_precision_out(name):
    law, _ = LAWS[name]
    single = type(law)(*(np.asarray(v).astype(np.float32) for v in vars(law).values() if isinstance(v, tg.Tensor)))
    x = np.array([[0.2], [0.9]])
    assert single.sample(tg.random.Generator(0), 4).dtype == np.float32
    for value, exact in (
        (single.log_prob(x.astype(np.float32)), law.log_prob(x)),
        (single.entropy(), law.entropy()),
        (single.mean, law.mean),
        (single.variance, law.variance),
        (td.kl_divergence(single, td.Normal(0.0, 2.0)), td.kl_divergence(law, td.Normal(0.0, 2.0))),
    ):
        assert value.dtype == np.float32
        np.testing.assert_allclose(value.numpy(), exact.numpy(), rtol=2e-5, atol=2e-6)


@every_law
def test_nan_goes_in_and_nan_comes_out(name):
    law, _ = LAWS[name]
    assert np.isnan(law.log_prob(np.nan).numpy()).all()
    for bijection in (td.Exp(), td.Affine(0.0, 2.0)):
        assert np.isnan(td.Transformed(law, bijection).log_prob(np.nan).numpy()).all()
    if name in REPARAMETERISED:
        assert np.isnan(law.cdf(np.nan).numpy()).all()


def test_small_concentrations_are_drawn_without_underflow_of_the_ratio():
    draws = np.asarray(td.Beta(np.array(1e-3), 1e-3).sample(tg.random.Generator(0), (2000,)))
    assert np.isfinite(draws).all()
    assert abs(draws.mean() - 0.5) < 5 * 0.5 / math.sqrt(2000)


@pytest.mark.parametrize("name", REPARAMETERISED)
def test_reparameterised_draws_have_the_gradient_of_the_quantile(name):
    """dx/dtheta = -(dF/dtheta) / p at each draw x (implicit differentiation of F(x; theta) = u)."""
    family = getattr(td, name)
    first = [0.7] if name == "Exponential" else [-0.4, 0.9]
    parameters = [tg.tensor(np.array(v), requires_grad=True) for v in first]
    law = family(*parameters)
    x = law.rsample(tg.random.Generator(3), (20,))
    for i in range(20):
        fixed = tg.stop_gradient(x[i])
        pathwise = tg.grad(x[i], parameters)
        implicit = tg.grad(law.cdf(fixed), parameters)
        density = math.exp(law.log_prob(fixed).item())
        for a, b in zip(pathwise, implicit):
            assert a.item() == pytest.approx(-b.item() / density, rel=1e-9)


@every_law
def test_gradients_of_density_and_entropy(name):
    law, _ = LAWS[name]
    family = type(law)
    shapes = {"Exponential": [SCALE], "Gamma": [SCALE, SCALE + 1], "Beta": [SCALE, SCALE + 1]}
    parameters = shapes.get(name, [LOC, SCALE + 2])
    x = np.array([0.33, 0.62, 0.81]) + (0 if name in ("Beta", "Exponential", "Gamma") else LOC)
    if name == "Uniform":
        parameters = [LOC - 0.1, LOC + 2.0]
        assert gradcheck(lambda *p: family(*p).log_prob(x), *parameters, order=2)
    else:
        assert gradcheck(lambda x, *p: family(*p).log_prob(x), x, *parameters, order=2)
    assert gradcheck(lambda *p: family(*p).entropy(), *parameters, order=2)


def test_parameters_broadcast_and_keep_one_dtype():
    law = td.Normal(np.zeros((4, 1)), tg.ones(3))
    assert law.batch_shape == (4, 3)
    assert law.dtype == np.float64
    assert law.sample(tg.random.Generator(0), 5).shape == (5, 4, 3)
    assert td.Normal(0.0, 1.0).log_prob(0.5).dtype == np.float32
    assert td.Normal(np.float64(0.1), 0.3).scale.item() == 0.3


def test_single_precision_has_the_tails_of_double():
    single = td.Laplace(0.0, 1.0).sample(tg.random.Generator(5), 3000)
    double = td.Laplace(np.zeros(()), 1.0).sample(tg.random.Generator(5), 3000)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single.numpy(), double.numpy().astype(np.float32))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: td.Normal(0.0, -1.0), "Normal: scale must be finite and above 0, found -1"),
        (lambda: td.Normal(np.array([0.0, np.nan]), 1.0), "Normal: loc must be finite, found nan"),
        (
            lambda: td.Laplace(np.zeros(3), np.ones(2)),
            r"Laplace: loc of shape \(3,\) and scale of shape \(2,\) do not broadcast together",
        ),
        (lambda: td.Uniform(1.0, 1.0), "Uniform: high - low must be finite and above 0, found 0"),
        (lambda: td.Exponential(0.0), "Exponential: rate must be finite and above 0, found 0"),
        (lambda: td.Gamma(1.0, np.inf), "Gamma: rate must be finite and above 0, found inf"),
        (lambda: td.Beta(-2.0, 1.0), "Beta: alpha must be finite and above 0, found -2"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_what_has_no_closed_form_is_refused_by_name():
    with pytest.raises(td.NoClosedForm, match="Gamma has no reparameterised sample: use sample"):
        td.Gamma(1.0, 1.0).rsample(tg.random.Generator(0))
    with pytest.raises(td.NoClosedForm, match="cdf of Beta has no closed form"):
        td.Beta(1.0, 1.0).cdf(0.5)
