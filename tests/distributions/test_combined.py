"""Laws made of laws: independent coordinates, mixtures, images under invertible maps."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import tinygen as tg
from tinygen import distributions as td
from tinygen.testing import gradcheck

LOC, SCALE = np.array([[-2.0, 0.5, 3.0], [0.0, 0.1, 0.2]]), np.array([0.3, 1.0, 0.6])
WEIGHTS = np.array([0.2, 0.5, 0.3])
MIXTURE = td.Mixture(WEIGHTS, td.Normal(LOC, SCALE))


def test_independent_sums_over_its_event():
    base = td.Normal(LOC, SCALE)
    law = td.Independent(base, 1)
    assert (law.batch_shape, law.event_shape) == ((2,), (3,))
    x = law.rsample(tg.random.Generator(0), (5,))
    np.testing.assert_allclose(law.log_prob(x).numpy(), base.log_prob(x).numpy().sum(-1), rtol=1e-14)
    np.testing.assert_allclose(law.entropy().numpy(), base.entropy().numpy().sum(-1), rtol=1e-14)
    dense = td.MultivariateNormal(LOC, variance=np.broadcast_to(SCALE**2, (2, 3)))
    np.testing.assert_allclose(law.log_prob(x).numpy(), dense.log_prob(x).numpy(), rtol=1e-13)
    assert td.Independent(base, 2).log_prob(x).shape == (5,)
    assert td.Independent(td.Categorical(WEIGHTS), 0).log_prob(1).shape == ()


@pytest.mark.parametrize("by", ["logits", "probs"])
@pytest.mark.parametrize("ndim", [0, 1, 2])
@pytest.mark.parametrize("lead", [(), (3,)])
def test_black_and_white_images_are_sums_over_pixels_however_many_axes_they_have(by, ndim, lead):
    base = td.Bernoulli(**{by: LOC if by == "logits" else 1 / (1 + np.exp(-LOC))})
    x = np.random.default_rng(0).integers(0, 2, (*lead, 2, 3)).astype(np.float64)
    by_pixel = np.where(x == 1, -np.log1p(np.exp(-LOC)), -np.log1p(np.exp(LOC)))
    found = td.Independent(base, ndim).log_prob(x).numpy()
    np.testing.assert_allclose(found, by_pixel.sum(axis=tuple(range(-ndim, 0))), rtol=1e-13)
    with pytest.raises(ValueError, match="0 or 1"):
        td.Independent(base, ndim).log_prob(0.5 * x)


def test_a_mixture_density_is_the_weighted_sum_and_integrates_to_one():
    x = np.linspace(-4, 5, 7)[:, None]
    parts = scipy.stats.norm(LOC, SCALE).pdf(x[..., None])
    np.testing.assert_allclose(np.exp(MIXTURE.log_prob(x).numpy()), parts @ WEIGHTS, rtol=1e-12)
    np.testing.assert_allclose(MIXTURE.responsibilities(x).numpy().sum(-1), 1, rtol=1e-13)
    grid = np.linspace(-9, 12, 4001)
    density = np.exp(MIXTURE.log_prob(grid[:, None]).numpy())
    np.testing.assert_allclose(scipy.integrate.simpson(density, x=grid, axis=0), 1, rtol=1e-9)
    cdf = MIXTURE.cdf(np.array([[9.0]])).numpy()
    np.testing.assert_allclose(cdf, 1, rtol=1e-12)


def test_moments_of_a_mixture():
    grid = np.linspace(-9, 12, 4001)[:, None]
    density = np.exp(MIXTURE.log_prob(grid).numpy())
    mean = scipy.integrate.simpson(density * grid, x=grid[:, 0], axis=0)
    np.testing.assert_allclose(MIXTURE.mean.numpy(), mean, rtol=1e-9)
    spread = scipy.integrate.simpson(density * (grid - mean) ** 2, x=grid[:, 0], axis=0)
    np.testing.assert_allclose(MIXTURE.variance.numpy(), spread, rtol=1e-9)


def test_draws_of_a_mixture_follow_it():
    n = 5000
    x = np.sort(MIXTURE.sample(tg.random.Generator(4), n).numpy(), 0)
    assert x.shape == (n, 2)
    grid = (np.arange(n)[:, None] + 0.5) / n
    assert np.abs(MIXTURE.cdf(x).numpy() - grid).max() < 2.3 / math.sqrt(n)
    assert abs(np.corrcoef(MIXTURE.sample(tg.random.Generator(5), n).numpy().T)[0, 1]) < 5 / math.sqrt(n)


def test_a_mixture_of_vectors():
    loc = np.array([[-3.0, 0.0], [3.0, 1.0]])
    law = td.Mixture(td.Categorical([0.25, 0.75]), td.MultivariateNormal(loc, np.eye(2) * 0.5))
    assert (law.batch_shape, law.event_shape) == ((), (2,))
    x = law.sample(tg.random.Generator(6), (4000,)).numpy()
    assert abs((x[:, 0] > 0).mean() - 0.75) < 5 * math.sqrt(0.25 * 0.75 / 4000)
    np.testing.assert_allclose(law.mean.numpy(), [1.5, 0.75], rtol=1e-6)
    np.testing.assert_allclose(law.variance.numpy(), [0.5 + 36 * 0.1875, 0.5 + 0.1875], rtol=1e-6)
    parts = [w * scipy.stats.multivariate_normal(m, 0.5).pdf(x[:9]) for w, m in zip((0.25, 0.75), loc)]
    np.testing.assert_allclose(np.exp(law.log_prob(x[:9]).numpy()), sum(parts), rtol=1e-4)


def test_the_score_of_a_mixture_is_the_responsibility_weighted_score():
    x = np.array([-1.0, 0.2, 2.0])
    law = td.Mixture(WEIGHTS, td.Normal(LOC[0], SCALE))
    point = tg.tensor(x, requires_grad=True)
    (score,) = tg.grad(law.log_prob(point).sum(), [point])
    exact = (law.responsibilities(x).numpy() * -(x[:, None] - LOC[0]) / SCALE**2).sum(-1)
    np.testing.assert_allclose(score.numpy(), exact, rtol=1e-12)
    make = lambda logits, loc, scale: td.Mixture(td.Categorical(logits=logits), td.Normal(loc, scale))
    assert gradcheck(lambda x, *p: make(*p).log_prob(x), x, np.log(WEIGHTS), LOC[0], SCALE, order=2)


MAPS = {
    "Exp": (td.Exp(), scipy.stats.lognorm(SCALE, scale=np.exp(LOC[0])), np.array([0.3, 1.0, 2.5])[:, None]),
    "Affine": (td.Affine(1.0, -2.0), scipy.stats.norm(1 - 2 * LOC[0], 2 * SCALE), np.array([-3.0, 0.4])[:, None]),
}


@pytest.mark.parametrize("name", MAPS)
def test_images_of_the_normal_law_with_names_of_their_own(name):
    bijection, reference, x = MAPS[name]
    law = td.Transformed(td.Normal(LOC[0], SCALE), bijection)
    np.testing.assert_allclose(law.log_prob(x).numpy(), reference.logpdf(x), rtol=1e-11)
    np.testing.assert_allclose(law.cdf(x).numpy(), reference.cdf(x), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    "bijection", [td.Exp(), td.Sigmoid(), td.Tanh(), td.Affine(0.3, -1.7)], ids=lambda b: type(b).__name__
)
def test_log_determinants_are_the_logarithms_of_the_derivative(bijection):
    x = tg.tensor(np.linspace(-3, 3, 7), requires_grad=True)
    y, log_det = bijection.forward(x)
    (slope,) = tg.grad(y.sum(), [x])
    np.testing.assert_allclose(log_det.detach().numpy(), np.log(np.abs(slope.numpy())), rtol=1e-10, atol=1e-12)
    back, inverse = bijection.inverse(y.detach())
    np.testing.assert_allclose(back.numpy(), np.asarray(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(inverse.numpy(), -log_det.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("bijection", "low", "high"), [(td.Sigmoid(), 0, 1), (td.Tanh(), -1, 1), (td.Exp(), 0, 900)])
def test_images_integrate_to_one_and_vanish_outside(bijection, low, high):
    law = td.Transformed(td.Normal(np.array(0.4), np.array(0.8)), bijection)
    density = lambda x: math.exp(law.log_prob(np.array(x)).item())
    points = None if high < 60 else [0.5, 2.0, 8.0, 60.0]
    assert scipy.integrate.quad(density, low, high, points=points)[0] == pytest.approx(1, rel=1e-6)
    assert law.log_prob(np.array(low - 0.5)).item() == -math.inf
    assert law.cdf(np.array(low - 0.5)).item() == 0
    assert gradcheck(lambda x: law.log_prob(x), np.array([0.2, 0.7]), order=2)


def test_affine_images_know_their_moments_and_entropy():
    law = td.Transformed(td.Gamma(np.array(2.0), np.array(3.0)), td.Affine(1.0, -2.0))
    assert law.mean.item() == pytest.approx(1 - 4 / 3, rel=1e-14)
    assert law.variance.item() == pytest.approx(4 * 2 / 9, rel=1e-14)
    reference = scipy.stats.gamma(2, scale=2 / 3).entropy()
    assert law.entropy().item() == pytest.approx(reference, rel=1e-12)


def test_a_map_of_vectors_with_one_log_determinant_per_event():
    matrix = np.array([[1.0, 2.0], [0.0, -3.0]])

    class Linear:
        def forward(self, x):
            return tg.einsum("ij,...j->...i", matrix, x), tg.zeros(x.shape[:-1], dtype=x.dtype) + math.log(3)

        def inverse(self, y):
            return tg.einsum("ij,...j->...i", np.linalg.inv(matrix), y), tg.zeros(y.shape[:-1]) - math.log(3)

    law = td.Transformed(td.Independent(td.Normal(np.zeros(2), 1.0)), Linear())
    x = np.random.default_rng(0).normal(size=(5, 2))
    reference = scipy.stats.multivariate_normal(np.zeros(2), matrix @ matrix.T)
    np.testing.assert_allclose(law.log_prob(x).numpy(), reference.logpdf(x), rtol=1e-7)
    positive = td.Transformed(td.Independent(td.Normal(np.zeros(2), 1.0)), td.Exp())
    expected = scipy.stats.lognorm(1.0).logpdf(np.abs(x)).sum(-1)
    np.testing.assert_allclose(positive.log_prob(np.abs(x)).numpy(), expected, rtol=1e-11)
    assert positive.log_prob(np.array([1.0, -1.0])).item() == -math.inf


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: td.Independent(td.Normal(0.0, 1.0)),
            ValueError,
            "ndim must be from 0 to the 0 batch axes of the base",
        ),
        (lambda: td.Mixture([0.5, 0.5], td.Normal(np.zeros(3), 1.0)), ValueError, "2 weights need components whose"),
        (lambda: td.Affine(0.0, 0.0), ValueError, "Affine: scale must be other than 0, found 0"),
        (lambda: td.Transformed(td.Bernoulli(0.5), td.Exp()), ValueError, "the base must be continuous, found Bern"),
        (lambda: MIXTURE.entropy(), td.NoClosedForm, "entropy of Mixture has no closed form: estimate it by the mean"),
        (lambda: MIXTURE.rsample(tg.random.Generator(0)), td.NoClosedForm, "Mixture has no reparameterised sample"),
        (lambda: td.Transformed(td.Normal(0.0, 1.0), td.Exp()).mean, td.NoClosedForm, "mean of Transformed has no"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
