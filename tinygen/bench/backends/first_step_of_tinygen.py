"""A program: the first training step of this engine in a new process. Arguments: step, threads, file of arrays."""

import sys

import numpy as np

from tinygen import optim
from tinygen.bench.steps import STEPS, Given, losses
from tinygen.random import Generator
from tinygen.training.memory import keep_memory


def main(name: str, path: str) -> None:
    """Builds the model and takes one step, as `tinygen train` would."""
    keep_memory()
    given = np.load(path)  # of which the weights are not read
    arrays = {key: given[key] for key in given.files if ": " not in key}
    noise = {key.removeprefix("noise: "): given[key] for key in given.files if key.startswith("noise: ")}
    step = STEPS[name]
    model = step.make(Generator(0))
    weights = step.weights(model)
    optimisers = [optim.Adam(named.values(), lr=step.lr) for named in weights]
    descended = []
    for optimiser, (loss, gradients) in zip(optimisers, losses(step, model, weights, arrays, Given(noise))):
        for parameter, gradient in zip(optimiser.parameters(), gradients.values()):
            parameter.grad = gradient
        optimiser.step()
        descended.append(float(loss))
    if step.after is not None:
        step.after(model)
    print(*descended, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[3])
