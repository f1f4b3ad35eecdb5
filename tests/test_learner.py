"""The default learner: Adam with warm-up and clipping, averages beside it, and nothing touched by a step that fails."""

import math
from typing import Any

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.learner import NonFinite, SingleLearner, learner_of
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training import tree


class Line(nn.Module):
    """|x w^T|^2 / N: the plainest model there is."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2, bias=False, rng=Generator(0))

    def loss(self, batch: Any, rng: Any) -> tuple[tg.Tensor, dict[str, Any]]:
        output = self.linear(tg.tensor(batch["x"]))
        return (output * output).mean(), {"largest": abs(output).max()}


def batch(scale: float = 1.0) -> dict[str, np.ndarray]:
    return {"x": scale * np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)}


def learner(**changes: Any) -> SingleLearner:
    found = learner_of(Line(), Recipe(**{"lr": 0.1, "grad_clip": 0.0, **changes}))
    assert isinstance(found, SingleLearner)
    return found


def weights(learner: SingleLearner) -> np.ndarray:
    return np.array(learner.model.linear.weight)


def bits(learner: SingleLearner) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in tree.split(learner.state_dict())[0].items()}


def test_the_first_step_of_adam_is_lr_against_the_sign_of_the_gradient() -> None:
    model = learner()
    before = weights(model)
    figures = model.step(batch(), None)
    gradient = np.array(model.model.linear.weight.grad)
    assert weights(model) - before == pytest.approx(-0.1 * np.sign(gradient), rel=1e-4)
    assert figures["grad_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    assert figures["largest"] > 0


def test_the_learning_rate_rises_linearly_and_stays() -> None:
    model = learner(warmup=4)
    assert [model.step(batch(), None)["lr"] for _ in range(6)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_the_gradient_that_adam_sees_is_clipped_and_the_norm_reported_is_not() -> None:
    clipped, free = learner(grad_clip=1e-3), learner()
    norms = [model.step(batch(100.0), None)["grad_norm"] for model in (clipped, free)]
    assert norms[0] == norms[1] > 1
    moments = [model.optimiser.state_dict()["state"][0]["exp_avg"] for model in (clipped, free)]
    assert np.linalg.norm(moments[0]) == pytest.approx(0.1 * 1e-3, rel=1e-4)
    assert np.linalg.norm(moments[1]) == pytest.approx(0.1 * norms[1], rel=1e-4)


def test_averaged_is_the_average_in_evaluation_mode_and_leaves_no_trace() -> None:
    model = learner(ema_decay=0.5)
    w0 = weights(model)
    model.step(batch(), None)
    w1 = weights(model)
    with model.averaged() as averaged:
        assert np.array(averaged.linear.weight) == pytest.approx((w0 + w1) / 2)
        assert not averaged.training
    assert weights(model).tobytes() == w1.tobytes()
    assert model.model.training


def test_a_state_goes_on_to_the_same_bits() -> None:
    whole, first, second = learner(warmup=9), learner(warmup=9), learner(warmup=9)
    for _ in range(8):
        whole.step(batch(), None)
    for _ in range(3):
        first.step(batch(), None)
    second.load_state_dict(tree.join(*tree.split(first.state_dict())))
    for _ in range(5):
        second.step(batch(), None)
    assert bits(second) == bits(whole)


def test_dropout_goes_on_where_it_was() -> None:
    class Dropped(Line):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = nn.Dropout(0.5, rng=Generator(1))

        def loss(self, batch: Any, rng: Any) -> tuple[tg.Tensor, dict[str, Any]]:
            return (self.dropout(self.linear(tg.tensor(batch["x"]))) ** 2).mean(), {}

    first, second = SingleLearner(Dropped(), Recipe()), SingleLearner(Dropped(), Recipe())
    for _ in range(3):
        first.step(batch(), None)
    second.load_state_dict(tree.join(*tree.split(first.state_dict())))
    for model in (first, second):
        model.step(batch(), None)
    assert bits(second) == bits(first)


@pytest.mark.parametrize("scale", [math.inf, math.nan, 1e30])
def test_a_step_that_is_not_finite_names_the_term_and_touches_nothing(scale: float) -> None:
    model = learner()
    model.step(batch(), None)
    before = bits(model)
    with np.errstate(all="ignore"), pytest.raises(NonFinite, match=r"loss is (nan|inf)"):
        model.step(batch(scale), None)
    assert bits(model) == before


def test_an_infinite_gradient_of_a_finite_loss_is_found_too() -> None:
    class Root(Line):
        def loss(self, batch: Any, rng: Any) -> tuple[tg.Tensor, dict[str, Any]]:
            return tg.sqrt((self.linear.weight * 0.0).sum()), {}

    model = SingleLearner(Root(), Recipe())
    before = bits(model)
    with np.errstate(all="ignore"), pytest.raises(NonFinite, match="the gradient's norm is nan"):
        model.step(batch(), None)
    assert bits(model) == before
