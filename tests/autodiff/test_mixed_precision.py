"""bfloat16 and mixed precision: which operation gives which dtype, and how far from float32 it is."""

import numpy as np
import pytest

import tinygen as tg
import tinygen.nn.functional as F
from tinygen.autodiff.mixed_precision import mixed_precision
from tinygen.tensor import Tensor

UNIT = 2.0**-8  # the spacing of bfloat16 just above 1: rounding moves a number by half of it at most


def narrow(*shape, seed=0):
    return tg.tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32), dtype="bfloat16")


def full(*shape, seed=0):
    return Tensor(np.random.default_rng(seed).normal(size=shape).astype(np.float32), requires_grad=True)


HALF, F32 = narrow(3, 4), full(3, 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x + x,
        lambda x: 0.1 * x,
        lambda x: 1 - x,
        tg.tanh,
        tg.relu,
        lambda x: x[1:],
        lambda x: tg.concat([x, x]),
        lambda x: x @ x.T,
        lambda x: tg.where(x > 0, x, 0.0),
        lambda x: x + tg.tensor([1, 2, 3, 4]),
    ],
)
def test_kept(make):
    assert make(HALF).dtype == "bfloat16"


@pytest.mark.parametrize(
    "make",
    [
        tg.exp,
        tg.sum,
        tg.softmax,
        tg.mean,
        tg.logsumexp,
        lambda x: x**2,
        lambda x: x + F32,
        lambda x: tg.concat([x, F32]),
        lambda x: x @ F32.T,
        lambda x: F.mse_loss(x, F32),
    ],
)
def test_widened(make):
    assert make(HALF).dtype == np.float32


def test_layers_take_copies_and_gradients_come_back_in_float32():
    x, w, b = full(5, 4), full(3, 4, seed=1), full(3, seed=2)
    with mixed_precision():
        y = F.linear(x, w, b)
    assert y.dtype == "bfloat16"
    (y * y).sum().backward()
    assert {t.grad.dtype for t in (x, w, b)} == {np.dtype(np.float32)}
    assert F.linear(x, w, b).dtype == np.float32
