"""Two players: whose turn it is, what each step moves, and that a failed one moves nothing."""

import weakref

import numpy as np
import pytest

import tinygen as tg
from tinygen.gan.learner import PlayerOptions, TwoPlayers
from tinygen.gan.variants import CGANConfig, GANConfig, WGANConfig, WGANGPConfig
from tinygen.learner import NonFinite, learner_of
from tinygen.random import Generator
from tinygen.recipe import Recipe

RECIPE = Recipe(steps=10, batch_size=4, lr=1e-2, ema_decay=0.5, grad_clip=0)
BATCH = {"x": np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)}


def learner(config=GANConfig, **options) -> TwoPlayers:
    model = config(latent=3, hidden=(5,), **options).build((2,), None, Generator(0))
    made = learner_of(model, RECIPE)
    assert isinstance(made, TwoPlayers)
    return made


def bits(module) -> dict[str, bytes]:
    return {name: np.asarray(value).tobytes() for name, value in module.state_dict().items()}


def test_the_generator_has_its_turn_after_every_fifth_step_of_the_critic():
    players = learner(WGANGPConfig)
    for step in range(1, 11):
        before = bits(players.model.generator)
        figures = players.step(BATCH, Generator(step))
        assert ("generator" in figures) == (step % 5 == 0)
        assert (bits(players.model.generator) != before) == (step % 5 == 0)
    assert (players.discriminator.steps_done, players.generator.steps_done) == (10, 2)


def test_each_player_has_an_optimiser_of_its_own_weights_alone():
    players = learner()
    players.step(BATCH, Generator(0))
    of = lambda network: {id(p) for p in network.parameters()}
    assert {id(p) for p in players.generator.optimiser.parameters()} == of(players.model.generator)
    assert {id(p) for p in players.discriminator.optimiser.parameters()} == of(players.model.discriminator)


def test_the_discriminators_step_sees_samples_without_gradient():
    model = learner().model
    loss, _ = model.discriminator_loss(BATCH, Generator(0))
    slopes = tg.grad(loss, list(model.generator.parameters()), allow_unused=True)
    assert all(slope is None for slope in slopes)


def test_one_players_graph_is_gone_before_the_others_begins(monkeypatch):
    players = learner()
    model, seen, alive = players.model, [], []
    judge, imitate = model.discriminator_loss, model.generator_loss

    def discriminator_loss(*given):
        loss, terms = judge(*given)
        seen.extend(weakref.ref(tensor) for tensor in (loss, *terms.values()))
        return loss, terms

    def generator_loss(*given):
        alive.extend(tensor() for tensor in seen)
        return imitate(*given)

    monkeypatch.setattr(model, "discriminator_loss", discriminator_loss)
    monkeypatch.setattr(model, "generator_loss", generator_loss)
    players.step(BATCH, Generator(0))
    assert alive == [None] * 3


def test_only_the_generator_is_averaged():
    players = learner()
    start = {name: np.array(value) for name, value in players.model.generator.state_dict().items()}
    players.step(BATCH, Generator(0))
    now = {name: np.array(value) for name, value in players.model.generator.state_dict().items()}
    own = bits(players.model.discriminator)
    with players.averaged() as model:
        for name, value in model.generator.state_dict().items():
            np.testing.assert_allclose(value, 0.5 * start[name] + 0.5 * now[name], rtol=1e-6, atol=1e-8)
        assert bits(model.discriminator) == own
        assert not model.training
    assert players.model.training


def test_the_critics_weights_stay_where_they_are_clipped():
    players = learner(WGANConfig, clip=0.003)
    players.step(BATCH, Generator(0))
    assert max(abs(np.asarray(p.detach())).max() for p in players.model.discriminator.parameters()) <= np.float32(0.003)
    assert max(abs(np.asarray(p.detach())).max() for p in players.model.generator.parameters()) > 0.003


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_step_that_fails_leaves_both_players_and_optimisers_as_they_were(player, monkeypatch):
    players = learner()
    players.step(BATCH, Generator(0))
    before = bits(players.model), repr(players.state_dict())
    original = getattr(players.model, f"{player}_loss")

    def broken(batch, rng):
        value = original(batch, rng)
        return (value[0] * np.nan, value[1]) if isinstance(value, tuple) else value * np.nan

    monkeypatch.setattr(players.model, f"{player}_loss", broken)
    with pytest.raises(NonFinite, match="loss is nan"):
        players.step(BATCH, Generator(1))
    assert (bits(players.model), repr(players.state_dict())) == before


def test_a_taken_over_learner_goes_on_with_the_same_bits():
    players, twin = learner(WGANGPConfig), learner(WGANGPConfig)
    for step in range(7):
        players.step(BATCH, Generator(step))
    twin.load_state_dict(players.state_dict())
    for step in range(7, 11):
        assert players.step(BATCH, Generator(step)) == twin.step(BATCH, Generator(step))
    assert bits(players.model) == bits(twin.model)
    assert {n: np.asarray(v).tobytes() for n, v in players.ema.state_dict().items()} == {
        n: np.asarray(v).tobytes() for n, v in twin.ema.state_dict().items()
    }


def test_a_conditional_model_trains_on_the_classes_of_the_batch_and_draws_what_is_asked():
    model = CGANConfig(latent=3, channels=4).build((1, 8, 8), 3, Generator(0))
    batch = {"x": np.zeros((4, 1, 8, 8), np.float32), "y": np.array([0, 2, 1, 2])}
    TwoPlayers(model, RECIPE, PlayerOptions()).step(batch, Generator(0))
    model.eval()
    one, other = (model.sample(2, Generator(1), cond=k).numpy() for k in (0, 1))
    assert one.shape == (2, 1, 8, 8)
    assert not np.allclose(one, other)
    in_turn = model.sample(4, Generator(1)).numpy()
    np.testing.assert_allclose(in_turn, model.sample(4, Generator(1), cond=np.array([0, 1, 2, 0])).numpy())
    with pytest.raises(ValueError, match="classes are 0 to 2, found 3 to 3"):
        model.sample(2, Generator(0), cond=3)


def test_a_model_without_classes_takes_no_condition():
    with pytest.raises(ValueError, match="this model is unconditional"):
        learner().model.sample(2, Generator(0), cond=1)
