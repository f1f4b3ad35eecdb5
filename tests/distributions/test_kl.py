"""KL in closed form: estimates, gradients, batches and edges of every pair; their integrals are in the checks."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate

import tinygen as tg
from tinygen import distributions as td
from tinygen.checks.divergence.kl import ON_THE_LINE
from tinygen.distributions.cross_entropy import mean_distance
from tinygen.distributions.kl import table
from tinygen.distributions.pairs import PairTable
from tinygen.testing import gradcheck

ONE_DIMENSIONAL = {family.__name__: laws for family, laws in ON_THE_LINE.items()}
SUPPORT = {"Uniform": (0.1, 0.9), "Beta": (0, 1), "Exponential": (0, np.inf), "Gamma": (0, np.inf)}
PAIRS = [(a.__name__, b.__name__) for a, b in table.rules if a.__name__ in ONE_DIMENSIONAL]
every_pair = pytest.mark.parametrize(("first", "second"), PAIRS)

LOC, SCALE, RATIO = np.array([0.3, -1.2]), np.array([0.7, 2.1]), np.array([1.4, 0.6])


def pair(first, second):
    return ONE_DIMENSIONAL[first][0], ONE_DIMENSIONAL[second][1]


@every_pair
def test_the_estimate_is_within_five_standard_errors(first, second):
    p, q = pair(first, second)
    exact = td.kl_divergence(p, q).item()
    if exact == math.inf:
        return
    estimate, error = td.monte_carlo_kl(p, q, 2000, tg.random.Generator(1))
    assert abs(estimate.item() - exact) <= 5 * error.item() + 1e-12
    assert error.item() < 0.2


@pytest.mark.parametrize("name", ONE_DIMENSIONAL)
def test_no_divergence_from_itself_and_none_below_zero(name):
    p, q = ONE_DIMENSIONAL[name]
    if name == "Logistic":
        with pytest.raises(td.NoClosedForm, match="the KL divergence of Logistic and Logistic has no closed form here"):
            td.kl_divergence(p, q)
        return
    assert abs(td.kl_divergence(p, p).item()) < 1e-14
    assert td.kl_divergence(p, q).item() > 0.01


def parameters_of(law):
    return [np.asarray(v) for v in vars(law).values() if isinstance(v, tg.Tensor)]


@every_pair
def test_gradients_are_those_of_differences(first, second):
    p, q = pair(first, second)
    if td.kl_divergence(p, q).item() == math.inf:
        return
    mine, theirs = parameters_of(p), parameters_of(q)
    n = len(mine)
    rebuilt = lambda *v: td.kl_divergence(type(p)(*v[:n]), type(q)(*v[n:]))
    assert gradcheck(rebuilt, *mine, *theirs, order=2)


@pytest.mark.parametrize("name", ["Normal", "Laplace", "Logistic", "Uniform", "Exponential"])
@pytest.mark.parametrize("m", [-0.6, 0.35, 2.0])
def test_mean_distances_within_and_outside_the_support(name, m):
    law = ONE_DIMENSIONAL[name][0]
    low, high = SUPPORT.get(name, (-np.inf, np.inf))
    integrand = lambda x: abs(x - m) * math.exp(law.log_prob(np.array(x)).item())
    edges = [low, *(c for c in sorted((-0.4, 0.4, m)) if low < c < high), high]
    exact = sum(scipy.integrate.quad(integrand, a, b, epsabs=1e-12)[0] for a, b in itertools.pairwise(edges))
    assert mean_distance(law, tg.tensor(np.array(m))).item() == pytest.approx(exact, rel=1e-9)


def test_a_uniform_law_that_sticks_out_is_infinitely_far():
    unit = td.Uniform(np.array(0.0), 1.0)
    for q in (td.Uniform(np.array(0.0), 0.9), td.Beta(np.array(1.0), 1.0)):
        assert td.kl_divergence(td.Uniform(np.array(-0.1), 1.0), q).item() == math.inf
    assert td.kl_divergence(td.Uniform(np.array(-0.1), 1.0), td.Exponential(np.array(1.0))).item() == math.inf
    assert td.kl_divergence(td.Beta(np.array(2.0), 2.0), td.Uniform(np.array(0.1), 2.0)).item() == math.inf
    assert td.kl_divergence(td.Uniform(np.array(0.0), 0.5), unit).item() == pytest.approx(math.log(2), rel=1e-14)
    assert td.kl_divergence(unit, td.Beta(np.array(1.0), 1.0)).item() == pytest.approx(0, abs=1e-14)


# -- Gaussians -----------------------------------------------------------------------------------------------


def covariances():
    rng = np.random.default_rng(3)
    d, r = 3, 1
    a = rng.normal(size=(d, d))
    v, w = rng.uniform(0.4, 2, d), rng.normal(size=(d, r))
    dense = a @ a.T + np.eye(d)
    return {
        "full": ({"covariance": dense}, dense),
        "diagonal": ({"variance": v}, np.diag(v)),
        "low rank": ({"variance": v, "factor": w}, np.diag(v) + w @ w.T),
    }


@pytest.mark.parametrize("first", covariances())
@pytest.mark.parametrize("second", covariances())
def test_the_estimate_for_gaussians_of_every_structure(first, second):
    given1, given2 = covariances()[first][0], covariances()[second][0]
    p = td.MultivariateNormal(np.array([0.1, -0.7, 0.5]), **given1)
    q = td.MultivariateNormal(np.array([-1.0, 0.2, 0.9]), **given2)
    estimate, error = td.monte_carlo_kl(p, q, 2000, tg.random.Generator(2))
    assert abs(estimate.item() - td.kl_divergence(p, q).item()) <= 5 * error.item()


def test_gaussian_gradients_against_the_standard_normal():
    """d/dmu = mu and d/dlogvar = (e^logvar - 1)/2, through the diagonal law and through independent normals."""
    mu, logvar = np.array([0.4, -1.3, 2.0]), np.array([-0.5, 0.1, 1.2])
    for make in (
        lambda m, v: td.kl_divergence(
            td.MultivariateNormal(m, variance=tg.exp(v)), td.MultivariateNormal(np.zeros(3), variance=np.ones(3))
        ),
        lambda m, v: td.kl_divergence(
            td.Independent(td.Normal(m, tg.exp(0.5 * v))), td.Independent(td.Normal(np.zeros(3), np.ones(3)))
        ),
    ):
        m, v = tg.tensor(mu, requires_grad=True), tg.tensor(logvar, requires_grad=True)
        value = make(m, v)
        assert value.item() == pytest.approx(0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).sum(), rel=1e-13)
        d_mu, d_logvar = tg.grad(value, [m, v])
        np.testing.assert_allclose(d_mu.numpy(), mu, rtol=1e-13)
        np.testing.assert_allclose(d_logvar.numpy(), (np.exp(logvar) - 1) / 2, rtol=1e-12)


def test_gaussian_gradient_in_a_full_covariance():
    """d KL(p||q)/dS1 = (S2^-1 - S1^-1)/2 and d/dm1 = S2^-1 (m1 - m2)."""
    s1, s2 = covariances()["full"][1], covariances()["low rank"][1]
    m = tg.tensor(np.array([0.1, -0.7, 0.5]), requires_grad=True)
    s = tg.tensor(s1, requires_grad=True)
    value = td.kl_divergence(td.MultivariateNormal(m, s), td.MultivariateNormal(np.zeros(3), s2))
    d_m, d_s = tg.grad(value, [m, s])
    np.testing.assert_allclose(d_m.numpy(), np.linalg.solve(s2, np.asarray(m)), rtol=1e-11)
    exact = 0.5 * (np.linalg.inv(s2) - np.linalg.inv(s1))
    np.testing.assert_allclose(d_s.numpy(), exact, rtol=1e-10, atol=1e-12)


# -- discrete and combined laws ------------------------------------------------------------------------------


def test_discrete_laws_by_their_sums():
    p, q = np.array([0.2, 0.0, 0.5, 0.3]), np.array([0.1, 0.4, 0.3, 0.2])
    exact = sum(a * math.log(a / b) for a, b in zip(p, q) if a)
    assert td.kl_divergence(td.Categorical(p), td.Categorical(q)).item() == pytest.approx(exact, rel=1e-14)
    assert td.kl_divergence(td.Categorical(q), td.Categorical(p)).item() == math.inf
    two = td.kl_divergence(td.Bernoulli(0.3 + 0 * p), td.Bernoulli(q)).numpy()
    np.testing.assert_allclose(two, 0.3 * np.log(0.3 / q) + 0.7 * np.log(0.7 / (1 - q)), rtol=1e-13)
    edge = td.kl_divergence(td.Bernoulli(np.array([0.0, 1.0, 0.0])), td.Bernoulli(np.array([0.0, 0.5, 1.0]))).numpy()
    np.testing.assert_allclose(edge, [0, math.log(2), math.inf], rtol=1e-15)
    logits = np.array([0.3, -1.0, 0.7])
    make = lambda a, b: td.kl_divergence(td.Categorical(logits=a), td.Categorical(logits=b))
    assert gradcheck(make, logits, logits[::-1].copy(), order=2)


def test_discretised_logistics_by_their_sum():
    p = td.DiscretisedLogistic(np.zeros((2, 1)), np.array([[0.1], [0.4]]), bins=16)
    q = td.DiscretisedLogistic(np.array([0.2, 0.5, -3.0]), 0.3, bins=16)
    value = td.kl_divergence(p, q)
    assert value.shape == (2, 3)
    a, b = p.log_probs().numpy(), q.log_probs().numpy()
    for i in range(2):
        for j in range(3):
            exact = (np.exp(a[:, i, 0]) * (a[:, i, 0] - b[:, j])).sum()
            assert value.numpy()[i, j] == pytest.approx(exact, rel=1e-12)


def test_products_add_and_invertible_maps_change_nothing():
    p, q = td.Normal(LOC, SCALE), td.Normal(LOC[::-1].copy(), SCALE * RATIO)
    each = td.kl_divergence(p, q)
    both = td.kl_divergence(td.Independent(p), td.Independent(q))
    assert both.item() == pytest.approx(each.numpy().sum(), rel=1e-14)
    joint = td.MultivariateNormal(q.loc, variance=q.variance)
    assert td.kl_divergence(td.Independent(p), joint).item() == pytest.approx(both.item(), rel=1e-12)
    assert td.kl_divergence(joint, td.Independent(q)).item() == pytest.approx(0, abs=1e-14)
    exp = td.Exp()
    images = td.kl_divergence(td.Transformed(p, exp), td.Transformed(q, exp))
    np.testing.assert_array_equal(images.numpy(), each.numpy())


@pytest.mark.parametrize("first", covariances())
@pytest.mark.parametrize("second", covariances())
def test_batches_of_gaussians_broadcast(first, second):
    def laws(which, scales, loc):
        given = covariances()[which][0]
        each = [td.MultivariateNormal(loc, **{key: v * c for key, v in given.items()}) for c in scales]
        stacked = {key: np.stack([v * c for c in scales]) for key, v in given.items()}
        return each, stacked

    ps, p = laws(first, [1.0, 0.5, 2.0], np.zeros(3))
    qs, q = laws(second, [1.0, 4.0], np.ones(3))
    whole = (
        td.MultivariateNormal(np.zeros(3), **p),
        td.MultivariateNormal(np.ones((2, 1, 3)), **{key: v[:, None] for key, v in q.items()}),
    )
    expected = [[td.kl_divergence(a, b).item() for a in ps] for b in qs]
    np.testing.assert_allclose(td.kl_divergence(*whole).numpy(), expected, rtol=1e-12)


def test_batches_broadcast():
    value = td.kl_divergence(td.Normal(np.zeros((4, 1)), 1.0), td.Normal(np.zeros(3), 2.0))
    assert value.shape == (4, 3)
    estimate, error = td.monte_carlo_kl(
        td.Normal(np.zeros(3), 1.0), td.Normal(np.zeros((4, 1)), 2.0), 50, tg.random.Generator(0)
    )
    assert estimate.shape == error.shape == (4, 3)


# -- what has no closed form ---------------------------------------------------------------------------------

MIXTURE = td.Mixture(np.array([0.4, 0.6]), td.Normal(np.array([-1.0, 1.0]), np.array([0.5, 0.8])))


def test_a_pair_without_a_closed_form_is_refused_by_name_and_can_be_estimated():
    q = td.Normal(np.array(0.2), np.array(1.2))
    with pytest.raises(td.NoClosedForm, match=r"of Mixture and Normal has no closed form here: estimate it with monte"):
        td.kl_divergence(MIXTURE, q)
    x = np.linspace(-12, 12, 20001)
    log_p, log_q = MIXTURE.log_prob(x).numpy(), q.log_prob(x).numpy()
    exact = scipy.integrate.simpson(np.exp(log_p) * (log_p - log_q), x=x)
    estimate, error = td.monte_carlo_kl(MIXTURE, q, 20000, tg.random.Generator(3))
    assert abs(estimate.item() - exact) < 5 * error.item()
    assert error.item() < 0.01


@pytest.mark.parametrize("reparameterised", [True, False])
def test_the_estimate_has_an_unbiased_gradient_with_and_without_reparameterisation(reparameterised):
    """Gamma(1, r) is Exponential(r): one is drawn with gradient, the other is not."""
    rate = tg.tensor(np.array(1.7), requires_grad=True)
    q = td.Gamma(np.array(2.0), np.array(1.0))
    make = (lambda r: td.Exponential(r)) if reparameterised else (lambda r: td.Gamma(np.array(1.0), r))
    assert make(rate).reparameterised is reparameterised
    (exact,) = tg.grad(td.kl_divergence(make(rate), q), [rate])
    found = []
    for seed in range(40):
        estimate, _ = td.monte_carlo_kl(make(rate), q, 200, tg.random.Generator(seed))
        found.append(tg.grad(estimate, [rate])[0].item())
    assert abs(np.mean(found) - exact.item()) < 5 * np.std(found) / math.sqrt(40)
    assert np.std(found) < abs(exact.item())


def test_refusals_in_one_line():
    p, q = td.Normal(0.0, 1.0), td.MultivariateNormal(np.zeros(2), variance=np.ones(2))
    with pytest.raises(ValueError, match=r"the events must have one shape, found \(\) and \(2,\)"):
        td.kl_divergence(p, q)
    with pytest.raises(ValueError, match="needs n of 2 at least for a standard error, found 1"):
        td.monte_carlo_kl(p, p, 1, tg.random.Generator(0))
    with pytest.raises(ValueError, match="categorical laws of 2 and 3 categories cannot be compared"):
        td.kl_divergence(td.Categorical([0.5, 0.5]), td.Categorical([0.5, 0.25, 0.25]))
    with pytest.raises(ValueError, match="both hold the same bijection object"):
        td.kl_divergence(td.Transformed(p, td.Exp()), td.Transformed(p, td.Exp()))
    with pytest.raises(td.NoClosedForm, match="of Laplace and MultivariateNormal"):
        td.kl_divergence(td.Independent(td.Laplace(np.zeros(2), 1.0)), q)
    own = PairTable("the sum", "add")
    own.register(int, int)(lambda p, q: p)
    with pytest.raises(TypeError, match="the sum of int and int has a rule already"):
        own.register(int, int)(lambda p, q: q)
