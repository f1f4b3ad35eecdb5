"""Mixed precision beside PyTorch's `torch.autocast` on the CPU: the same layers take bfloat16, and the numbers agree.

Both round each layer's arguments and result once; what differs is the order of sums, which moves a result across the
edge between two numbers of bfloat16 now and then.
"""

import numpy as np
import pytest

import tinygen as tg
import tinygen.nn.functional as F
from tinygen.tensor import Tensor

torch = pytest.importorskip("torch")

LAYERS = {
    "linear": (F.linear, torch.nn.functional.linear, [(6, 8), (5, 8), (5,)]),
    "conv2d": (F.conv2d, torch.nn.functional.conv2d, [(2, 3, 7, 7), (4, 3, 3, 3), (4,)]),
    "conv_transpose2d": (F.conv_transpose2d, torch.nn.functional.conv_transpose2d, [(2, 3, 5, 5), (3, 4, 3, 3), (4,)]),
    "attention": (
        F.scaled_dot_product_attention,
        torch.nn.functional.scaled_dot_product_attention,
        [(2, 5, 8), (2, 6, 8), (2, 6, 8)],
    ),
}


def agree(ours, theirs):
    found, exact = np.asarray(ours).astype(np.float64), theirs.detach().double().numpy()
    assert np.linalg.norm(found - exact) <= 2.0**-8 * np.linalg.norm(exact)


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients(name):
    function, theirs, shapes = LAYERS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    x = [Tensor(a, requires_grad=True) for a in arrays]
    z = [torch.tensor(a, requires_grad=True) for a in arrays]
    with tg.mixed_precision():
        y = function(*x)
    with torch.autocast("cpu", torch.bfloat16):
        w = theirs(*z)
    assert str(y.dtype) == str(w.dtype).removeprefix("torch.") == "bfloat16"
    agree(y, w)
    cotangent = rng.normal(size=y.shape).astype(np.float32)
    (y * Tensor(cotangent)).sum().backward()
    (w * torch.tensor(cotangent)).sum().backward()
    for ours, exact in zip(x, z):
        assert ours.grad.dtype == np.float32
        assert exact.grad.dtype == torch.float32
        agree(ours.grad, exact.grad)


@pytest.mark.parametrize("function", ["silu", "gelu", "tanh", "sigmoid", "relu"])
def test_every_number_of_bfloat16(function):
    """PyTorch computes these in float32, which next to the edge between two results falls to the other side, and which
    for GELU far to the left is 1 + erf, with the rounding of 1.
    """
    least = 1e-6 if function == "gelu" else 1e-36
    every = np.arange(2**16, dtype=np.uint16).view(tg.bfloat16)
    with np.errstate(invalid="ignore"):
        every = every[np.abs(every.astype(np.float32)) < 1e30]
    ours = np.asarray(getattr(F, function)(Tensor(every))).astype(np.float64)
    given = torch.from_numpy(every.view(np.int16).copy()).view(torch.bfloat16)
    theirs = getattr(torch.nn.functional, function)(given).double().numpy()
    apart = np.abs(ours - theirs)
    assert (apart <= 2.0**-7 * np.abs(theirs) + least).all()
    assert (apart > least).mean() < 0.001
