"""Convolution in float32 to few channels: one narrow matrix product, then a sum along the taps (col2im).

With K output channels fewer than the lanes of a vector, products with taps x K columns fill the lanes instead:

    cols[h, w, (i, j, k)] = sum_c x[h, w, c] w[k, c, i, j]      y[k, oh, ow] = sum_ij cols[oh s + i d - p, ..., k]

The input gradient is the same with the roles of K and C, and of the two pixels, exchanged. An image at a time, whole
in one thread. Held by tests/kernels/test_convolution.py.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.gemm import DEPTH, START, multiply, pack, round_up
from tinygen.kernels.cpu.launch import floats, integer, integers, launch, task
from tinygen.kernels.cpu.simd import LANES
from tinygen.kernels.cpu.threads import scratch, thread_count

Array = NDArray[np.float32]
Pair = tuple[int, int]
Shape = tuple[int, ...]


def suits(source: Shape, target: Shape, kernel: Pair, adjoint: bool) -> bool:
    """Whether this costs less than the direct form, by the multiply-adds of each; source and target are NHWC."""
    taps = kernel[0] * kernel[1]
    cells = source[1] * source[2] if adjoint else target[1] * target[2]
    direct = cells * taps * -(-target[3] // LANES) * source[3]
    columns = source[1] * source[2] * (-(-taps * target[3] // LANES) * source[3] + 2 * taps * target[3])
    return target[3] < LANES and taps > 1 and source[0] > 1 and 1.5 * columns < direct


@task
def _columns(block, part, parts):
    x, out, weight, zeros, bias = (
        floats(block, 0),
        floats(block, 1),
        floats(block, 2),
        floats(block, 3),
        floats(block, 4),
    )
    geometry, source, target, runs = integers(block, 5), integers(block, 6), integers(block, 7), integers(block, 8)
    size = integer(block, 10)
    cols = floats(block, 9)[part * size :]
    n, height, width, channels, out_height, out_width, outputs, adjoint = geometry[:8]
    taps_h, taps_w, stride_h, stride_w, top, left, dilation_h, dilation_w = geometry[8:]
    padded = zeros.size
    pixels = out_height * out_width
    for image in range(n * part // parts, n * (part + 1) // parts):
        start = image * height * width * channels
        multiply(x, start, source, height * width, runs, weight, START, padded, cols, START, target, zeros, START)
        to = image * pixels * outputs
        for i in range(pixels):
            for k in range(outputs):
                out[to + i * outputs + k] = bias[k]
        for i in range(taps_h):
            for j in range(taps_w):
                column = (i * taps_w + j) * outputs
                down, across = i * dilation_h - top, j * dilation_w - left
                # Cells whose other pixel, far or away, lies inside its image.
                far_height, far_width = (out_height, out_width) if adjoint else (height, width)
                near_height, near_width = (height, width) if adjoint else (out_height, out_width)
                h0, v0 = max(0, -(down // stride_h)), max(0, -(across // stride_w))
                h1 = min(near_height, (far_height - 1 - down) // stride_h + 1)
                v1 = min(near_width, (far_width - 1 - across) // stride_w + 1)
                for h in range(h0, h1):
                    far = h * stride_h + down
                    for v in range(v0, v1):
                        away = v * stride_w + across
                        if adjoint:
                            here, there = h * width + v, far * out_width + away
                        else:
                            here, there = far * width + away, h * out_width + v
                        for k in range(outputs):
                            out[to + there * outputs + k] += cols[here * padded + column + k]


def convolve(
    x: Array,
    w: NDArray[Any],
    bias: NDArray[Any] | None,
    shape: Shape,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    adjoint: bool,
) -> Array:
    """NHWC source x, weight (K, C, KH, KW) -> NHWC array of `shape`."""
    n, height, width, channels = x.shape
    w = w.transpose(2, 3, 0, 1) if adjoint else w.transpose(2, 3, 1, 0)
    taps, outputs = w.shape[0] * w.shape[1], w.shape[3]
    padded = round_up(taps * outputs)
    weight = pack(w.transpose(2, 0, 1, 3).reshape(channels, taps * outputs))
    zeros = np.zeros(padded, np.float32)
    start = np.zeros(outputs, np.float32) if bias is None else np.ascontiguousarray(bias, dtype=np.float32)
    geometry = np.array([*x.shape, *shape[1:], adjoint, *w.shape[:2], *stride, *padding, *dilation], np.intp)
    pixels = np.arange(height * width)
    begins = np.arange(0, channels, DEPTH)
    runs = np.stack([begins, np.minimum(DEPTH, channels - begins)], axis=1).reshape(-1)
    threads = thread_count(n)
    cols = scratch("convolution target", threads, height * width * padded)
    out = np.empty(shape, np.float32)
    tables = (geometry, pixels * channels, pixels * padded, runs)
    launch(_columns, threads, x, out, weight, zeros, start, *tables, cols, cols.shape[1])
    return out
