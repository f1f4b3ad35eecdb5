"""The models in PyTorch are this engine's: the same losses, gradients and samples, before anything is timed."""

import numpy as np
import pytest

pytest.importorskip("torch")

from tinygen.bench.backends import with_tinygen, with_torch
from tinygen.bench.steps import SAMPLING, STEPS


def largest_difference(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> tuple[float, str]:
    assert ours.keys() == theirs.keys()
    return max((float(np.abs(ours[k] - theirs[k]).max() / np.abs(ours[k]).max()), k) for k in ours)


@pytest.mark.parametrize("name", STEPS)
def test_losses_and_gradients_are_equal(name: str) -> None:
    ours, theirs = with_tinygen.step(name, 8).results(), with_torch.step(name, 8).results()
    difference, where = largest_difference(ours, theirs)
    assert difference < 5e-3, where


@pytest.mark.parametrize("name", ["VAE", "DCGAN", "VQ-VAE"])
def test_a_step_leaves_equal_weights(name: str) -> None:
    """Also what follows the optimiser: a codebook that moves with its averages."""
    ours, theirs = with_tinygen.step(name, 8), with_torch.step(name, 8)
    before = {key: np.array(value) for key, value in ours.model.state_dict().items()}
    ours()
    theirs()
    after = theirs.model.state_dict()
    for key, value in ours.model.state_dict().items():
        moved = np.abs(np.asarray(value) - before[key])
        if key in STEPS[name].no_gradient or value.dtype.kind != "f":
            continue
        off = np.abs(np.asarray(value) - after[key].numpy())
        assert np.median(off) <= 0.02 * np.median(moved) + 1e-7, key  # Adam divides by |g|: a g near 0 shows rounding


@pytest.mark.parametrize("name", SAMPLING)
def test_samples_are_equal(name: str) -> None:
    ours, theirs = with_tinygen.sampling(name, 4).results(), with_torch.sampling(name, 4).results()
    assert largest_difference(ours, theirs)[0] < 1e-2
