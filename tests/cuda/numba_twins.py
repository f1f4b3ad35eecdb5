"""What test_numba_cuda.py asks of kernels/numba_cuda, as a program: Numba must be told of its simulator before it is
imported.

    NUMBA_ENABLE_CUDASIM=1 python tests/cuda/numba_twins.py run     each kernel, beside its definition
    python tests/cuda/numba_twins.py compile                        for an A100 and an H100, by libNVVM
"""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygen.kernels.definitions import attention as exact_attention
from tinygen.kernels.definitions import normalisation as exact_normalisation
from tinygen.kernels.definitions import softmax as exact_softmax


def cases() -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    """(name, definition, arguments): rows longer than a block has threads, a last tile with keys to spare."""
    rng = np.random.default_rng(0)
    normals = lambda *shape, dtype="float32": rng.normal(size=shape).astype(dtype)
    odd = normals(4, 3)
    odd[0], odd[1, 1], odd[2, 0] = -np.inf, np.nan, -np.inf  # no weight at all, no number, one without weight
    yield "softmax", exact_softmax.softmax, (odd, 1)
    yield "softmax", exact_softmax.softmax, (normals(1, 70, 3)[:, ::-1], 1)
    yield "softmax", exact_softmax.softmax, (normals(2, 5, dtype="float64"), -1)
    yield "softmax", exact_softmax.softmax, (normals(0, 5), 1)
    yield "layer_norm", exact_normalisation.layer_norm, (normals(2, 7, 10), 2, normals(7, 10), normals(7, 10), 1e-5)
    yield "layer_norm", exact_normalisation.layer_norm, (normals(3, 4, dtype="float64").T, 1, None, normals(3), 1e-5)
    q, k, v = normals(2, 1, 35, 5), normals(2, 1, 19, 5), normals(2, 1, 19, 3)
    some = np.arange(35 * 19).reshape(35, 19) % 3 > 0
    some[4] = False  # a query that sees no key
    for mask, is_causal in ((None, True), (some, False), (normals(19), True)):
        yield "attention", exact_attention.attention, (q, k, v, mask, is_causal, 0.3)
    yield "attention", exact_attention.attention, (normals(2, 130), normals(3, 130), normals(3, 4), None, False, 0.3)


def twins() -> dict[str, Callable[..., Any]]:
    from tinygen.kernels.numba_cuda import attention, rows

    return {"softmax": rows.softmax, "layer_norm": rows.layer_norm, "attention": attention.attention}


def compare(there: Callable[[Any], Any], back: Callable[[Any], Any]) -> list[str]:
    """Runs every case on what `there` makes of its arrays; the names of the kernels that agree with the definitions."""
    kernels, agreed = twins(), []
    for name, definition, arguments in cases():
        expected = definition(*arguments)
        found = kernels[name](*(there(a) if isinstance(a, np.ndarray) else a for a in arguments))
        pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
        for ours, exact in pairs:
            ours = back(ours)
            assert (ours.shape, ours.dtype) == (exact.shape, exact.dtype), name
            np.testing.assert_allclose(
                ours, exact, rtol=0, atol=2e-6 if exact.dtype == "float32" else 1e-13, err_msg=name
            )
        agreed.append(name)
    return agreed


def compile_all() -> list[str]:
    """The names of the kernels that compile, for both cards and both dtypes."""
    from numba import boolean, cuda, float32, float64, types
    from numba.cuda import dispatcher

    from tinygen.kernels.numba_cuda import attention, rows

    compiled = []
    for capability in ((8, 0), (9, 0)):
        # functions that kernels call are compiled for the card at hand: this one is said to be
        card = SimpleNamespace(compute_capability=capability)
        dispatcher.get_current_device = lambda card=card: card
        for real in (float32, float64):
            numbers, matrix, matrices = real[::1], real[:, ::1], real[:, :, ::1]
            for kernel, arguments in (
                (rows._softmax_rows, (matrix, matrix)),
                (rows._layer_norm_rows, (matrix, types.none, numbers, float64, matrix, numbers, numbers)),
                (attention._attention_rows, (*[matrices] * 3, types.none, boolean, float64, matrices, matrix)),
                (attention._attention_rows, (*[matrices] * 4, boolean, float64, matrices, matrix)),
            ):
                text, _ = cuda.compile_ptx(kernel.py_func, types.void(*arguments), cc=capability)
                assert ".visible .entry" in text
                assert ".shared" in text
                compiled.append(kernel.py_func.__name__)
    return compiled


if __name__ == "__main__":
    same = lambda array: array
    print(*(compile_all() if sys.argv[1] == "compile" else compare(same, same)))
