"""Convolutions on every tile and in every precision, against float64: |error| <= c u (|x| * |w|) elementwise.

As of matrix products (test_product_precision.py), which they are: sums of K = taps times channels products.
"""

from dataclasses import replace

import numpy as np
import pytest
from simulator import version as simulated
from test_on_a_gpu import REASON, WORKS, OnDevice

from tinygen import kernels
from tinygen.kernels.cuda import convolution, gemm
from tinygen.kernels.definitions import convolution as definition

TILES = {name.lower(): getattr(gemm, name) for name in ("LARGE", "MEDIUM", "TALL", "WIDE", "SMALL")}
DEVICES = [
    simulated("convolution"),
    pytest.param(
        OnDevice("convolution"), id="gpu", marks=[pytest.mark.gpu, pytest.mark.skipif(not WORKS, reason=REASON)]
    ),
]
UNIT = {"float32": 2.0**-24, "tf32": 2.0**-11, "bf16": 2.0**-8}
GEOMETRY = ((2, 1), (1, 1), (1, 2), 1)  # stride, padding, dilation, groups


def three(module, x, w, g):
    return (
        module.conv2d(x, w, None, *GEOMETRY),
        module.conv2d_input_grad(g, w, None, x.shape[2:], *GEOMETRY),
        module.conv2d_weight_grad(x, g, w.shape[2:], *GEOMETRY),
    )


def constants(kernels_of, precision, channels, out, size):
    """The greatest |error| / (|x| * |w|), in units of the precision, of the convolution and its two gradients."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, channels, *size)), rng.normal(size=(out, channels, 3, 2))
    g = rng.normal(size=(1, out, *definition.output_size(size, (3, 2), *GEOMETRY[:3])))
    x, w, g = (a.astype(np.float32) for a in (x, w, g))
    with kernels.precision(precision):
        found = three(kernels_of, x, w, g)
    exact = three(definition, *(a.astype(np.float64) for a in (x, w, g)))
    scale = three(definition, *(np.abs(a).astype(np.float64) for a in (x, w, g)))
    return [(np.abs(f - e) / (s + 1e-30)).max() / UNIT[precision] for f, e, s in zip(found, exact, scale)]


@pytest.mark.parametrize(
    ("tile", "precision"),
    [
        *(("large", "tf32"), ("large", "bf16"), ("medium", "float32"), ("tall", "tf32"), ("wide", "tf32")),
        *(("small", "float32"), ("small", "tf32")),
    ],
)
@pytest.mark.parametrize("device", DEVICES)
def test_tiles_that_are_full_and_tiles_that_are_not(device, tile, precision, monkeypatch):
    """136 pixels to 136 channels, and the gradients: a tile of the largest each way, and a rest."""
    monkeypatch.setattr(
        gemm, "choose", lambda *args, choose=gemm.choose: replace(choose(*args), tile=TILES[tile], parts=1)
    )
    found = constants(device, precision, 24, 136, (34, 8))
    assert max(found) <= {"float32": 8, "tf32": 1, "bf16": 1}[precision]
    assert min(found) >= 0.1  # of the next finer precision it would be an eighth, or less


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [(8, 6), (8, 1), (600, 6)])  # a product, few channels, a product in parts
def test_a_rectifier_shuts_out_infinities_and_lets_nan_through(device, channels):
    rng = np.random.default_rng(0)
    x, w = np.abs(rng.normal(size=(1, channels[0], 3, 4))), -np.abs(rng.normal(size=(channels[1], channels[0], 2, 2)))
    x[0, 3, 0, 0], x[0, 3, 2, 3] = np.inf, np.nan
    x, w = x.astype(np.float32), w.astype(np.float32)
    geometry = ((1, 1), (0, 0), (1, 1), 1)
    y = device.conv2d(x, w, None, *geometry)
    assert (y[..., 0, 0] == -np.inf).all()
    for slope in (0.0, 0.5):
        expected = definition.conv2d(x, w, None, *geometry, slope)
        found = device.conv2d(x, w, None, *geometry, slope)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert np.isnan(found[..., 1, 2]).all()


def test_a_thread_has_registers_for_the_tiles_that_are_chosen():
    """What test_offline_gemm.py compiles: LARGE with neither single channels nor multiply-adds one by one."""
    chosen = lambda dtype, piece: convolution.larger_tiles(np.dtype(dtype), piece)
    assert gemm.LARGE not in chosen("float32", 4)
    with kernels.precision("tf32"):
        assert chosen("float32", 4)[0] == gemm.LARGE
        assert chosen("float32", 1) == (gemm.MEDIUM,)
