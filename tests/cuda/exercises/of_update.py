from itertools import chain
from typing import Any

import numpy as np

from exercises.common import Results, normals
from tinygen.kernels.definitions import update


def exercise(kernels: Any) -> Results:
    options = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.1, "step": 3}
    shapes = [(5000,), (4, 4), (4096,), (0,), (30, 140)]
    for decoupled in (False, True):
        lists = [normals(*shapes) for _ in range(4)]
        lists[3] = [np.square(v) for v in lists[3]]
        expected = [[a.copy() for a in arrays] for arrays in lists]
        for arrays in zip(*expected):
            update.adam_update(*arrays, **options, decoupled=decoupled)
        kernels.adam_update_all(*lists, lambda: {**options, "decoupled": decoupled}, np.ones(3))  # noqa: B023
        kernels.adam_update_all(*lists, lambda: {**options, "decoupled": decoupled}, np.array([1, np.nan]))  # noqa: B023
        for found, exact in zip(chain(*lists), chain(*expected)):
            yield "adam_update_all", found, exact
    averages, values = normals(*shapes), normals(*(2 * shapes))[len(shapes) :]
    expected = [a.copy() for a in averages]
    for pair in zip(expected, values):
        update.ema_update(*pair, 0.9)
    kernels.ema_update_all(averages, values, 0.9)
    kernels.ema_update_all(averages, values, 0.5, np.array([np.inf]))
    for found, exact in zip(averages, expected):
        yield "ema_update_all", found.copy(), exact
    kernels.ema_update_all(averages, values, 0.0, np.zeros(2))
    yield (
        "ema_update_all without decay",
        np.concatenate([a.ravel() for a in averages]),
        np.concatenate([a.ravel() for a in values]),
    )
