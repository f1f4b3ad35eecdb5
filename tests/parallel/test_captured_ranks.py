"""A step that ranks share is captured like any other: a replay is the step itself, with this rank's rows of the noise.

One rank of two, as if the other had what it has, on the simulated device: what NCCL does is not simulated.
"""

from typing import Any

import numpy as np
from simulator import needs_compiler
from simulator.cupy import as_cupy

from tinygen import nn, parallel
from tinygen.capture import captured_steps
from tinygen.learner import learner_of
from tinygen.nets.inputs import as_input
from tinygen.parallel.communicator import Echo
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor

ROWS, STEPS = 4, 4


class Model(nn.Module):
    """Batch statistics, noise for each example, dropout."""

    def __init__(self) -> None:
        rng = Generator(0)
        self.linear, self.norm, self.drop = nn.Linear(5, 3, rng=rng), nn.BatchNorm1d(3), nn.Dropout(0.3, rng=rng)

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
        x = as_input(batch["x"], self.linear.weight)
        y = self.drop(self.norm(self.linear(x)))
        return ((y + rng.normal(y.shape, device=y.device)) ** 2).mean(), {}


def train(captured: bool) -> tuple[list[dict[str, float]], dict[str, np.ndarray], Any]:
    model = Model().to("cuda")
    learner, rng = learner_of(model, Recipe(lr=1e-2)), Generator(3)
    data, figures = np.random.default_rng(0).normal(size=(STEPS, ROWS, 5)).astype(np.float32), []
    with captured_steps(captured):
        for rows in data:
            with parallel.shared_step(Echo(rank=1, size=2), ROWS, model):
                figures.append(learner.step({"x": rows}, parallel.own_rows(rng)))
    state = {name: np.asarray(value.to("cpu")) for name, value in model.state_dict().items()}
    return figures, state, (rng.state, model.drop.rng.state, learner.move)


@needs_compiler
def test_a_replay_is_the_step_of_the_rank():
    with as_cupy():
        plain_figures, plain, (*plain_rng, _) = train(captured=False)
        figures, weights, (*rng, move) = train(captured=True)
    assert [graph is not None for graph in move.graphs.values()] == [True]
    assert figures == plain_figures
    assert rng == plain_rng
    for name, value in plain.items():
        np.testing.assert_array_equal(weights[name], value, err_msg=name)
