from typing import Any

import numpy as np

from exercises.common import Results, normals
from tinygen.kernels.definitions import fusion
from tinygen.kernels.expression import Chain, argument, expression, parse

X = {"x": argument(0), "g": argument(1), "t": argument(2)}


def exercise(kernels: Any) -> Results:
    x, g, t = normals((7, 3, 100), (7, 1, 1), (3, 1))
    gated = parse("where(x > g, x * sigmoid(x), exp(t) - 0.5)", X)
    both = Chain("two_results", (gated, expression("subtract", gated, X["t"])))
    cases = [(both, (x, g, t)), (both, (x, 0.25, x)), (both, (x, x[:1, :1], t))]
    logistic = parse("softplus(x) - g * x", X)
    of_examples = Chain("sums_of_examples", (logistic,), "examples")
    (long,) = normals((2, 9000))
    cases += [(Chain("sum_of_all", (logistic,), "all"), (x, g)), (of_examples, (x, g)), (of_examples, (long, long))]
    for chain, arrays in cases:
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
        expected = fusion.fused(chain, arrays, shape)
        for found, exact in zip(kernels.fused(chain, arrays, shape), expected, strict=True):
            yield chain.name, found, exact
