"""A fused chain, by its definition: one NumPy function for each of its expressions, one array for each result.

Everything is computed in float64 and rounded once; results lie in memory as the first argument of full shape does.
"""

from typing import Any

import numpy as np

from ..array_module import quiet
from ..expression import Chain, rewritten
from ..loops import is_array
from .elementwise import normal_cdf, sigmoid, softplus

Array = np.ndarray

_NUMPY = {"sigmoid": sigmoid, "softplus": softplus, "normal_cdf": normal_cdf}


def _value(name: str, *operands: Any) -> Any:
    if name == "where":
        condition, a, b = operands
        return np.where(condition != 0, a, b)
    if name in _NUMPY:
        return _NUMPY[name](np.asarray(operands[0], np.float64))
    return getattr(np, name)(*operands) * 1.0  # truth values as 1 and 0


@quiet
def fused(chain: Chain, arrays: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Array, ...]:
    """What `chain` gives of `arrays`, which broadcast to `shape`: one new array of it for each output.

    A chain with a total gives one array: () for "all", (N,) for "examples".
    Arguments that the chain does not read may be None; the others are numbers, and at least one array: all arrays are
    of one dtype, that of the results.
    """
    given = [arrays[i] for i in chain.reads if is_array(arrays[i])]
    like = next((a for a in given if a.shape == shape), np.empty(shape, given[0].dtype))
    results = []
    for value in _values(chain, arrays):
        whole = np.broadcast_to(value, shape)
        if chain.total:
            axes = tuple(range(chain.total == "examples", len(shape)))
            results.append(np.asarray(whole.sum(axis=axes)).astype(like.dtype))
        else:
            y = np.empty_like(like)
            y[...] = whole
            results.append(y)
    return tuple(results)


def _values(chain: Chain, arrays: tuple[Any, ...]) -> list[Any]:
    wide = [a.astype(np.float64) if is_array(a) else a for a in arrays]
    return rewritten(chain.outputs, _value, wide.__getitem__)
