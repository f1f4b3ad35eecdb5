"""The models as the training room meets them, and the conventions of their figures."""

import math

import numpy as np
import pytest

from tinygen.data import load
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.likelihood import BernoulliPixels, Gaussian
from tinygen.vae.vae import VAE, CVAEConfig, VAEConfig

TINY = {"latent": 3, "hidden": (16,), "channels": 4}
DIGITS = load("digits", "test")
BATCH = DIGITS.batch(slice(0, 32))


def build(config=VAEConfig, shape=(1, 8, 8), classes=10, **options) -> VAE:
    return config(**{**TINY, **options}).build(shape, classes, Generator(0))


@pytest.mark.parametrize("net", ["mlp", "conv"])
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("config", [VAEConfig, CVAEConfig])
def test_loss_and_samples_are_functions_of_the_generator_and_every_parameter_learns(config, likelihood, net):
    model = build(config, likelihood=likelihood, net=net)
    for draw in (lambda rng: model.loss(BATCH, rng)[0], lambda rng: model.sample(2, rng)):
        np.testing.assert_array_equal(np.asarray(draw(Generator(5))), np.asarray(draw(Generator(5))))
        assert (np.asarray(draw(Generator(5))) != np.asarray(draw(Generator(6)))).any()
    model.loss(BATCH, Generator(0))[0].backward()
    assert all(np.abs(np.asarray(p.grad)).max() > 0 for p in model.parameters())
    assert model.sample(3, Generator(0)).shape == (3, 1, 8, 8)
    assert model.reconstruct(*model._observed(BATCH, Generator(0))).shape == (32, 1, 8, 8)


def test_terms_are_sums_over_dimensions_and_means_over_the_batch():
    """With weights of 0 both terms are known: KL(N(0, 1) || N(0, 1)) = 0 and x from N(0, scale^2) or a fair coin."""
    model = build(scale=0.5)
    coin = build(likelihood="bernoulli", binarise="threshold")
    for parameter in [*model.parameters(), *coin.parameters()]:
        parameter.data = parameter * 0.0
    loss, terms = model.loss(BATCH, Generator(0))
    squares = (BATCH["x"].astype(np.float64) ** 2).sum((1, 2, 3)) / (2 * 0.25)
    assert terms["reconstruction"].item() == pytest.approx(
        (squares + 32 * math.log(2 * math.pi * 0.25)).mean(), rel=1e-5
    )
    assert terms["kl"].item() == 0.0
    assert loss.item() == terms["reconstruction"].item()
    assert coin.loss(BATCH, Generator(0))[0].item() == pytest.approx(64 * math.log(2), rel=1e-5)


def test_beta_weighs_the_kl_in_the_loss_and_the_terms_stay_in_nats():
    plain, weighed = build(), build(beta=4.0)
    (one, terms), (four, same) = (model.loss(BATCH, Generator(0)) for model in (plain, weighed))
    assert terms["kl"].item() == same["kl"].item() > 0
    assert one.item() == pytest.approx(terms["reconstruction"].item() + terms["kl"].item(), rel=1e-6)
    assert four.item() == pytest.approx(one.item() + 3 * terms["kl"].item(), rel=1e-6)


def test_one_sample_of_the_importance_weighted_loss_is_the_elbo_and_more_are_tighter():
    model, many = build(), build(samples=20)
    elbo = np.mean([model.loss(BATCH, Generator(i))[0].item() for i in range(20)])
    assert np.mean([many.loss(BATCH, Generator(i))[0].item() for i in range(20)]) < elbo
    assert 1 <= many.loss(BATCH, Generator(0))[1]["effective_samples"].item() <= 20


def test_evaluation_gives_the_terms_and_the_bound_in_nats():
    figures = build(likelihood="bernoulli").evaluate(DIGITS, Generator(0))
    elbo, bound = (figures[f"log p(x), lower bound ({kind})"][0] for kind in ("ELBO", "50 samples"))
    kl = figures["KL(q(z|x) || p(z))"][0]
    assert elbo == pytest.approx(figures["E log p(x|z)"][0] - kl, rel=1e-5)
    assert elbo < bound < 0
    assert {unit for _, unit in figures.values()} == {"nats"}
    assert build().evaluate(DIGITS, Generator(0))["E log p(x|z)"][1] == "nats, of density"


def test_log_prob_says_what_it_is():
    model = build()
    x = Tensor(BATCH["x"])
    found = model.log_prob(x, Generator(0), k=10)
    assert found.value.shape == (32,)
    assert (found.kind, found.units) == ("lower bound", "nats, of density")
    assert found.value.mean() > np.asarray(model.terms(x, Generator(0)).elbo).mean()


def test_black_and_white_is_drawn_with_the_grey_level_as_its_chance():
    grey = Tensor(np.tile(np.linspace(-1, 1, 5, dtype=np.float32), (40_000, 1)))
    drawn = np.asarray(BernoulliPixels().observed(grey, Generator(0)))
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert np.abs(drawn.mean(0) - np.linspace(-1, 1, 5)).max() < 5 / math.sqrt(40_000)
    assert (drawn[:, 0] == -1).all()
    assert (drawn[:, -1] == 1).all()
    with pytest.raises(ValueError, match="dynamic, static, threshold, not 'grey'"):
        BernoulliPixels("grey")  # type: ignore[arg-type]
    threshold = np.asarray(BernoulliPixels("threshold").observed(grey[:1], Generator(0)))
    np.testing.assert_array_equal(threshold, [[-1, -1, -1, 1, 1]])


def test_static_black_and_white_is_one_draw_an_image_wherever_it_stands():
    likelihood, x = BernoulliPixels("static"), Tensor(DIGITS.x)
    drawn = np.asarray(likelihood.observed(x, Generator(0)))
    np.testing.assert_array_equal(drawn[7:9], np.asarray(likelihood.observed(x[7:9], Generator(1))))
    grey, n = 0.5 * (DIGITS.x + 1), DIGITS.x.size  # the share of white is the mean grey level
    spread = math.sqrt((grey * (1 - grey)).sum())
    assert abs((drawn > 0).sum() - grey.sum()) < 5 * spread
    assert np.corrcoef(drawn.ravel() - (2 * grey - 1).ravel(), np.roll(drawn - 2 * grey, 1, axis=0).ravel())[
        0, 1
    ] < 5 / math.sqrt(n)


@pytest.mark.parametrize("likelihood", [Gaussian(0.3), BernoulliPixels()], ids=["gaussian", "bernoulli"])
def test_draws_have_the_mean_of_the_likelihood(likelihood):
    output = Tensor(np.tile(np.array([-1.0, 0.0, 0.7]), (20_000, 1)))
    drawn = np.asarray(likelihood.draw(output, Generator(0)))
    np.testing.assert_allclose(drawn.mean(0), np.asarray(likelihood.mean(output))[0], atol=5 / math.sqrt(20_000))


def test_the_condition_decides_what_is_drawn():
    model = build(CVAEConfig)
    threes = np.asarray(model.sample(4, Generator(0), cond=3))
    np.testing.assert_array_equal(threes, np.asarray(model.sample(4, Generator(0), cond=[3, 3, 3, 3])))
    assert (threes != np.asarray(model.sample(4, Generator(0), cond=4))).any()
    in_turn = np.asarray(model.sample(12, Generator(0)))
    np.testing.assert_array_equal(in_turn, np.asarray(model.sample(12, Generator(0), cond=np.arange(12) % 10)))
    for wrong in (10, -1, [1, 2], 1.5):
        with pytest.raises(ValueError, match="class"):
            model.sample(4, Generator(0), cond=wrong)
    with pytest.raises(ValueError, match="unconditional"):
        build().sample(4, Generator(0), cond=3)


REFUSED = [
    ({"beta": -1.0}, (1, 8, 8), "beta is at least 0, not -1.0"),
    ({"samples": 0}, (1, 8, 8), "samples is at least 1, not 0"),
    ({"samples": 5, "beta": 2.0}, (1, 8, 8), "use beta 1"),
    ({"scale": 0.0}, (1, 8, 8), "scale is a standard deviation above 0"),
    ({"scale": 0.1, "likelihood": "bernoulli"}, (1, 8, 8), "scale is of the gaussian likelihood"),
    ({"likelihood": "bernoulli"}, (2,), "bernoulli is for images"),
    ({"net": "conv"}, (2,), "net conv is for images"),
    ({"latent": 0}, (1, 8, 8), "latent is at least 1, not 0"),
    ({"hidden": (0,)}, (1, 8, 8), "hidden is at least 1, not 0"),
]


@pytest.mark.parametrize(("options", "shape", "complaint"), REFUSED)
def test_options_that_fit_nothing_are_refused_in_one_line(options, shape, complaint):
    with pytest.raises(ValueError, match=complaint):
        build(shape=shape, **options)


def test_classes_are_needed_for_a_conditional_model_and_points_will_do():
    with pytest.raises(ValueError, match="cvae is for data with classes"):
        build(CVAEConfig, classes=None)
    assert build(CVAEConfig, shape=(2,), classes=3).sample(5, Generator(0), cond=2).shape == (5, 2)


def test_weights_that_have_diverged_are_named():
    model = build()
    for parameter in model.encoder.parameters():
        parameter.data = parameter * 1e30
    with pytest.raises(FloatingPointError, match="encoder is not finite"), np.errstate(all="ignore"):
        model.loss(BATCH, Generator(0))


def test_pictures_show_the_mean_of_p_x_given_z_and_draws_are_black_and_white():
    model = build(likelihood="bernoulli")
    mean, drawn = (np.asarray(model.sample(500, Generator(0), mean=mean)) for mean in (True, False))
    assert (np.abs(mean) < 1).all()
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert abs((drawn - mean).mean()) < 5 / math.sqrt(mean.size)
    logits = np.asarray(model.decode(model.prior(500).sample(Generator(0))))
    np.testing.assert_allclose(mean, np.tanh(logits / 2), rtol=1e-5, atol=1e-6)
