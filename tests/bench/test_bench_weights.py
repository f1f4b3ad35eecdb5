"""Other libraries' processes get this engine's weights from files, and nothing else of it."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinygen.bench import weights
from tinygen.bench.steps import STEPS


def test_the_files_hold_the_weights_of_the_models_that_are_trained_or_sampled() -> None:
    expected = {name: value.numpy() for name, value in STEPS["VAE"].model().state_dict().items()}
    with weights.written(["VAE sampling", "a + b, one number"]):
        folder = os.environ[weights.FOLDER]
        assert os.listdir(folder) == ["VAE.npz"]
        found = weights.of("VAE")
    assert weights.FOLDER not in os.environ
    assert not os.path.exists(folder)
    for given in (found, weights.of("VAE")):
        assert given.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(given[name], array)


def test_who_starts_the_processes_keeps_their_environment_as_it_was() -> None:
    """What this engine tells its own OpenMP would reach the other libraries, had the weights been made here."""
    code = (
        "import os, sys; from tinygen.bench import startup, weights\n"
        "with weights.written(['VAE']): startup.arrays_of('VAE', 2); print(*os.environ, *sys.modules)"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_WAIT", "GOMP"))}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=plain)
    assert weights.FOLDER in found.stdout.split()
    assert {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "numba"} & set(found.stdout.split()) == set()


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_a_step_of_another_library_brings_in_no_compiler_of_ours(library: str) -> None:
    pytest.importorskip(library)
    code = (
        f"import sys; from tinygen.bench.backends import with_{library} as there\n"
        "there.setup(1); there.step('VAE', 2)(); there.sampling('VAE sampling', 2)(); print(*sys.modules)"
    )
    with weights.written(["VAE"]):
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert library in found.stdout.split()
    assert {"numba", "llvmlite", "tinygen.kernels.cpu.threads"} & set(found.stdout.split()) == set()
