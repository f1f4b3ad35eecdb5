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
    cases = [(both, (x, g, t)), (both, (x, 0.25, x)), (both, (x.transpose(2, 0, 1), g[0], t[0]))]
    logistic = parse("softplus(x) - g * x", X)
    for total in ("all", "examples"):
        cases += [(Chain(f"sum_of_{total}", (logistic,), total), arrays) for arrays in ((x, g), (x[:1], x[:1]))]
    long = normals((2, 9000))[0]
    cases += [(Chain("long_sums", (logistic,), "examples"), (long, long))]
    for chain, arrays in cases:
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
        expected = fusion.fused(chain, arrays, shape)
        for found, exact in zip(kernels.fused(chain, arrays, shape), expected, strict=True):
            yield chain.name, found, exact
