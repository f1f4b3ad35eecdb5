"""The models in JAX are this engine's: the same losses, gradients, samples, operations, before anything is timed."""

import numpy as np
import pytest

pytest.importorskip("jax")

from tinygen.bench.backends import with_jax, with_tinygen
from tinygen.bench.interleave import difference
from tinygen.bench.operations import OPERATIONS
from tinygen.bench.steps import SAMPLING, STEPS


def largest_difference(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> tuple[float, str]:
    assert ours.keys() == theirs.keys()
    assert {name: array.shape for name, array in ours.items()} == {name: a.shape for name, a in theirs.items()}
    return max((float(np.abs(ours[k] - theirs[k]).max() / max(np.abs(ours[k]).max(), 1e-6)), k) for k in ours)


@pytest.mark.parametrize("name", STEPS)
def test_losses_and_gradients_are_equal(name: str) -> None:
    ours, theirs = with_tinygen.step(name, 4).results(), with_jax.step(name, 4).results()
    difference, where = largest_difference(ours, theirs)
    assert difference < 5e-3, where


@pytest.mark.parametrize("name", ["VAE", "DCGAN", "VQ-VAE"])
def test_a_step_leaves_equal_weights(name: str) -> None:
    """Also what follows the optimiser: a codebook that moves with its averages."""
    ours, theirs = with_tinygen.step(name, 8), with_jax.step(name, 8)
    before = {key: np.array(value) for key, value in ours.model.state_dict().items()}
    ours()
    theirs()
    after = theirs.state.weights | theirs.state.buffers
    for key, value in ours.model.state_dict().items():
        moved = np.abs(np.asarray(value) - before[key])
        if key in STEPS[name].no_gradient or value.dtype.kind != "f" or "running" in key:
            continue  # what normalisations keep for evaluation is not trained with
        off = np.abs(np.asarray(value) - with_jax.as_ours(after[key], True))
        assert np.median(off) <= 0.02 * np.median(moved) + 1e-7, key  # Adam divides by |g|: a g near 0 shows rounding


@pytest.mark.parametrize("name", SAMPLING)
def test_samples_are_equal(name: str) -> None:
    ours, theirs = with_tinygen.sampling(name, 4).results(), with_jax.sampling(name, 4).results()
    assert largest_difference(ours, theirs)[0] < 1e-2


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_values_and_gradients_of_operations_are_equal(operation) -> None:
    ours, theirs = with_tinygen.operation(operation).results(), with_jax.operation(operation).results()
    assert ours.keys() == theirs.keys()
    assert max(difference(theirs[name], array) for name, array in ours.items()) < 1e-4
