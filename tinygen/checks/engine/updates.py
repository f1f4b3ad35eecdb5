"""Optimisers and averages: lines 40 and 41."""

from collections.abc import Iterator

import numpy as np

from tinygen import nn, optim
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.drawing import Curves
from tinygen.random import Generator
from tinygen.tensor import Tensor


@check(
    41,
    "engine",
    "Adam's first step is the sign of the gradient",
    formula=r"\Delta w = -\eta\, \frac{\hat m}{\sqrt{\hat v}} = -\eta\, \mathrm{sign}(g)",
    statement="With epsilon at 0 the first step has the length of the learning rate, whatever the gradient's size; the"
    " second, for another gradient, follows from the two moving averages with their bias corrected.",
    source="Kingma and Ba 2015, algorithm 1 and section 2.1",
)
def adam_first_step() -> Iterator[Measurement]:
    first, second, lr = np.array([3.0, -0.2, 1e-6, -40.0]), np.array([-1.0, 0.1, 1e-6, 7.0]), 0.05
    b1, b2 = 0.9, 0.999
    for kind, decay in ((optim.Adam, 0.0), (optim.AdamW, 0.0), (optim.AdamW, 0.5)):
        p = nn.Parameter(np.ones(4))
        mover = kind([p], lr=lr, eps=0.0, weight_decay=decay)
        p.grad = Tensor(first)
        mover.step()
        name = f"{kind.__name__}, weight decay {decay}"
        exact = (1 - lr * decay) - lr * np.sign(first)
        yield equal(f"{name}: after a step", p, exact)
        p.grad = Tensor(second)
        mover.step()
        m = (b1 * (1 - b1) * first + (1 - b1) * second) / (1 - b1**2)
        v = (b2 * (1 - b2) * first**2 + (1 - b2) * second**2) / (1 - b2**2)
        yield equal(f"{name}: after two", p, (1 - lr * decay) * exact - lr * m / np.sqrt(v))


def network(seed: int) -> nn.Sequential:
    """A layer with parameters alone and one with buffers, in float64."""
    rng = Generator(seed)
    return nn.Sequential(nn.Linear(3, 4, rng=rng, dtype="float64"), nn.BatchNorm1d(4, dtype="float64"))


def picture_of_average() -> Curves:
    """How the average forgets where it began."""
    updates = np.arange(0, 201)
    lines = {}
    for decay in (0.9, 0.98, 0.995):
        model = nn.Linear(1, 1, bias=False, dtype="float64")
        model.weight._assign(1.0)
        average = optim.EMA(model, decay)
        model.weight._assign(0.0)
        left = [1.0]
        for _ in updates[1:]:
            average.update()
            left.append(average.state_dict()["weight"].item())
        lines[f"decay {decay}"] = np.array(left)
    return Curves("What is left of the first weights after n updates", updates, lines, "n", "share")


@check(
    40,
    "engine",
    "The moving average approaches weights that stand still",
    formula=r"\bar w_n = w + d^{\,n} (w_0 - w)",
    statement="After n updates with decay d; decay 0 copies, decay 1 stays.",
    source="Ho et al. 2020, appendix B; the sum of a geometric series",
    picture=picture_of_average,
)
def moving_average() -> Iterator[Measurement]:
    for decay, n in ((0.9, 1), (0.9, 7), (0.5, 3), (0.0, 1), (1.0, 4)):
        net, target = network(0), network(1)
        first = {name: np.array(p) for name, p in net.named_parameters()}
        average = optim.EMA(net, decay)
        net.load_state_dict(target.state_dict())
        for _ in range(n):
            average.update()
        for name in ("0.weight", "0.bias"):
            w = target.state_dict()[name].numpy()
            exact = w + decay**n * (first[name] - w)
            yield equal(f"d = {decay}, n = {n}: {name}", average.state_dict()[name], exact)


@check(
    43,
    "engine",
    "The moving average copies buffers",
    formula=r"\bar r = r",
    statement="Running statistics are averages already and a counter is a count: the averaged model has the"
    " model's own, bit by bit.",
    source="seen averaged in implementations",
)
def averaged_buffers() -> Iterator[Measurement]:
    net = network(0)
    average = optim.EMA(net, 0.9)
    for seed in range(3):
        net(Generator(seed).normal((8, 3), "float64"))
        average.update()
    for name in ("1.running_mean", "1.running_var", "1.num_batches_tracked"):
        yield equal(name, average.state_dict()[name], net.state_dict()[name], 0.0)
    yield equal("batches counted", average.state_dict()["1.num_batches_tracked"], np.array(3.0))
