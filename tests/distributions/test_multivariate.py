"""The multivariate normal: one law, three structures of its covariance."""

import math

import numpy as np
import pytest
import scipy.stats

import tinygen as tg
from tinygen import distributions as td
from tinygen.distributions.covariance import solve_rows
from tinygen.testing import gradcheck

D, R = 4, 2
_rng = np.random.default_rng(0)
LOC = _rng.normal(size=D)
FACTOR, VARIANCE = _rng.normal(size=(D, R)), _rng.uniform(0.3, 2, D)
_a = _rng.normal(size=(D, D))
DENSE = _a @ _a.T + np.eye(D)

LAWS = {
    "full": (td.MultivariateNormal(LOC, DENSE), DENSE),
    "factored": (td.MultivariateNormal(LOC, scale_tril=np.linalg.cholesky(DENSE)), DENSE),
    "diagonal": (td.MultivariateNormal(LOC, variance=VARIANCE), np.diag(VARIANCE)),
    "low rank": (
        td.MultivariateNormal(LOC, variance=VARIANCE, factor=FACTOR),
        FACTOR @ FACTOR.T + np.diag(VARIANCE),
    ),
}
every_structure = pytest.mark.parametrize("name", LAWS)


@every_structure
def test_density_entropy_and_covariance_are_those_of_the_dense_matrix(name):
    law, covariance = LAWS[name]
    reference = scipy.stats.multivariate_normal(LOC, covariance)
    x = _rng.normal(size=(5, 2, D))
    np.testing.assert_allclose(law.log_prob(x).numpy(), reference.logpdf(x), rtol=1e-12)
    assert law.log_prob(x[0, 0]).item() == pytest.approx(reference.logpdf(x[0, 0]), rel=1e-12)
    assert law.entropy().item() == pytest.approx(reference.entropy(), rel=1e-12)
    np.testing.assert_allclose(law.covariance.numpy(), covariance, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(law.variance.numpy(), np.diag(covariance), rtol=1e-12)
    np.testing.assert_array_equal(law.mean.numpy(), LOC)


@every_structure
def test_draws_have_the_mean_and_the_covariance(name):
    law, covariance = LAWS[name]
    n = 8000
    x = law.sample(tg.random.Generator(1), (n,)).numpy() - LOC
    assert (np.abs(x.mean(0)) < 5 * np.sqrt(np.diag(covariance) / n)).all()
    products = x[:, :, None] * x[:, None, :]
    assert (np.abs(products.mean(0) - covariance) < 5 * products.std(0) / math.sqrt(n)).all()


@every_structure
def test_gradients(name):
    x = _rng.normal(size=(3, D))

    def law(*parameters):
        if name == "full":
            return td.MultivariateNormal(parameters[0], 0.5 * (parameters[1] + parameters[1].mT))
        if name == "factored":
            return td.MultivariateNormal(parameters[0], scale_tril=tg.tril(parameters[1]))
        keys = {"diagonal": ["variance"], "low rank": ["variance", "factor"]}[name]
        return td.MultivariateNormal(parameters[0], **dict(zip(keys, parameters[1:])))

    extra = {"full": [DENSE], "factored": [np.linalg.cholesky(DENSE)], "diagonal": [VARIANCE]}
    parameters = [LOC, *extra.get(name, [VARIANCE, FACTOR])]
    assert gradcheck(lambda x, *p: law(*p).log_prob(x), x, *parameters, order=2)
    assert gradcheck(lambda *p: law(*p).entropy(), *parameters)
    assert gradcheck(lambda *p: law(*p).rsample(tg.random.Generator(2), 3), *parameters)


@every_structure
def test_the_score_is_minus_the_precision_times_the_distance(name):
    law, covariance = LAWS[name]
    x = tg.tensor(_rng.normal(size=(6, D)), requires_grad=True)
    (score,) = tg.grad(law.log_prob(x).sum(), [x])
    exact = -np.linalg.solve(covariance, (np.asarray(x) - LOC).T).T
    np.testing.assert_allclose(score.numpy(), exact, rtol=1e-10, atol=1e-13)


def test_batches_broadcast():
    loc = _rng.normal(size=(3, 1, D))
    scales = np.array([0.5, 2.0])[:, None, None]
    law = td.MultivariateNormal(loc, DENSE * scales)
    assert (law.batch_shape, law.event_shape) == ((3, 2), (D,))
    x = law.sample(tg.random.Generator(0), 7)
    assert x.shape == (7, 3, 2, D)
    values = law.log_prob(x).numpy()
    for i in range(3):
        for j in range(2):
            reference = scipy.stats.multivariate_normal(loc[i, 0], DENSE * scales[j])
            np.testing.assert_allclose(values[:, i, j], reference.logpdf(x.numpy()[:, i, j]), rtol=1e-12)
    assert law.entropy().shape == law.log_prob(x[0]).shape == (3, 2)


def test_a_batch_of_points_is_solved_with_one_factorisation():
    a, x = DENSE[None].repeat(2, 0) * np.array([1.0, 3.0])[:, None, None], _rng.normal(size=(5, 1, D))
    expected = np.linalg.solve(np.broadcast_to(a, (5, 2, D, D)), np.broadcast_to(x, (5, 2, D))[..., None])[..., 0]
    np.testing.assert_allclose(solve_rows(tg.tensor(a), tg.tensor(x)).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: td.MultivariateNormal(LOC), "give covariance, or scale_tril, or variance, or variance with factor"),
        (lambda: td.MultivariateNormal(LOC, DENSE, variance=VARIANCE), "give covariance, or scale_tril, or variance"),
        (lambda: td.MultivariateNormal(LOC, factor=FACTOR), "give covariance, or scale_tril, or variance"),
        (lambda: td.MultivariateNormal(LOC, DENSE[:3, :3]), r"covariance must end in \(4, 4\), as loc has it, found"),
        (lambda: td.MultivariateNormal(LOC, -DENSE), "covariance must be positive definite, found one that is not"),
        (lambda: td.MultivariateNormal(LOC, np.triu(DENSE)), r"must be 0 \(it must be symmetric\), found"),
        (lambda: td.MultivariateNormal(LOC, scale_tril=DENSE), "scale_tril above its diagonal must be 0, found"),
        (lambda: td.MultivariateNormal(LOC, variance=-VARIANCE), "variance must be finite and above 0, found -"),
        (lambda: td.MultivariateNormal(LOC, variance=VARIANCE, factor=LOC), r"factor must have shape \(..., 4, rank\)"),
        (lambda: LAWS["full"][0].log_prob(np.zeros(3)), r"x of shape \(3,\) does not end in the event's shape \(4,\)"),
        (lambda: td.MultivariateNormal(0.0, variance=1.0), r"loc of shape \(\) has no last axis of coordinates"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
