"""The kernels on a real card, compiled by CuPy: the definition's values, and the same bits in a second run."""

import importlib
from typing import Any

import numpy as np
import pytest
from exercises import EXERCISES, agrees
from simulator import needs_compiler
from simulator.cupy import as_cupy

from tinygen.device import cuda_status

WORKS, REASON = cuda_status()


class OnDevice:
    """The functions of kernels/cuda/<module>.py for NumPy arrays: there and back, also for what is written in place."""

    def __init__(self, module: str) -> None:
        self._module = importlib.import_module(f"tinygen.kernels.cuda.{module}")

    def __getattr__(self, name: str) -> Any:
        import cupy

        def there(value: Any) -> Any:
            if type(value) in (list, tuple):
                return type(value)(there(v) for v in value)
            return cupy.asarray(value) if isinstance(value, np.ndarray) else value

        def back(value: Any, into: Any = None) -> Any:
            if isinstance(value, tuple | list):
                return tuple(back(v, i) for v, i in zip(value, into or [None] * len(value)))
            if not isinstance(value, cupy.ndarray):
                return value
            if isinstance(into, np.ndarray):
                into[...] = cupy.asnumpy(value)
            return cupy.asnumpy(value)

        def call(*args: Any, **kwargs: Any) -> Any:
            moved = [there(a) for a in args]
            result = getattr(self._module, name)(*moved, **kwargs)
            back(moved, args)
            return back(result)

        return call


@pytest.mark.gpu
@pytest.mark.skipif(not WORKS, reason=REASON)
@pytest.mark.parametrize("module", EXERCISES)
def test_the_definition_s_values_and_the_same_bits_again(module):
    results, again = (list(EXERCISES[module](OnDevice(module))) for _ in range(2))
    for (what, found, expected), (_, second, _) in zip(results, again, strict=True):
        assert agrees(module, found, expected), what
        assert found.tobytes() == second.tobytes(), what


@needs_compiler
@pytest.mark.parametrize("module", EXERCISES)
def test_the_way_there_and_back_is_that_of_the_simulated_device(module):
    """What the test above does with arrays and modules, where there is no card."""
    with as_cupy():
        for what, found, expected in EXERCISES[module](OnDevice(module)):
            assert agrees(module, found, expected), what
