"""The array in hand chooses the version of a kernel; nothing here needs CuPy or loads it."""

import sys
import types

import numpy as np
import pytest

from tinygen import kernels


@pytest.fixture
def on_a_device(monkeypatch):
    """Makes an array that says it is CuPy's."""
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    array = type("ndarray", (), {"__module__": "cupy"})

    def make(dtype):
        x = array()
        x.dtype = np.dtype(dtype)
        return x

    return make


def test_the_array_in_hand_chooses(on_a_device):
    for dtype, on_host, on_device in (("f4", "cpu", "cuda"), ("f8", "cpu", "cuda"), ("i8", "definition", "definition")):
        assert kernels.choose(np.zeros(1, dtype)) == on_host
        assert kernels.choose(on_a_device(dtype)) == on_device
    with kernels.implementation("definition"):
        assert kernels.choose(on_a_device("f4")) == "definition"


BY_CUPY = {"take", "reduce_prod"}  # of modules that there are for CUDA, those whose definition serves there too


def test_every_kernel_has_a_version_for_cuda_of_its_own_or_the_definition():
    for name, module in kernels.NAMES.items():
        folder = "cuda" if module in kernels.IN_CUDA and name not in BY_CUPY else "definitions"
        assert kernels.load(name, "cuda").__module__ == f"tinygen.kernels.{folder}.{module}"
