"""Batch, group, layer and RMS normalisation with their gradients: the definitions, in plain NumPy.

All are one formula (Ioffe & Szegedy 2015, algorithm 1) over different axes. With mean m and biased variance v
over the normalised elements,

    x_hat = (x - m) r,   r = (v + eps)^(-1/2),   y = weight x_hat + bias

and with h = weight g the gradient that reaches x_hat,

    dx = r (h - <h> - x_hat <h x_hat>),   <.> the mean over the normalised elements,

which is h less its projections on 1 and on x_hat, times r; of statistics that are given, which do not depend on x,
dx = r h. Batch normalisation takes (N, *) per channel,
group normalisation (Wu & He 2018) a group of channels and * per example, layer normalisation (Ba et al. 2016)
the last dimensions; RMS normalisation (Zhang & Sennrich 2019) is the same with m = 0, v = <x^2>.

Everything is computed in float64 and rounded once, to the dtype of x; statistics and gradients of weights are
float32 where x is bfloat16. Held by tests/kernels/test_normalisation.py: formulas written independently, differences
in float64, the two orthogonalities above.
"""

from math import prod

import numpy as np

from ..array_module import arithmetic
from .elementwise import sigmoid
from .rectifier import rectified, rectified_backward

Array = np.ndarray
Running = tuple[Array, Array, float]  # a mean and a variance (C,), and by how much they move


def _wide(x: Array) -> Array:
    """x in double precision."""
    return x.astype(np.float64)


def _standardise(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array, Array]:
    """x_hat, and over `axes`, kept as ones, the mean and the inverse deviation (of nothing: NaN)."""
    count = np.float64(prod(x.shape[a] for a in axes))
    with np.errstate(invalid="ignore", divide="ignore"):  # inf - inf and 0/0 are NaN, as they should be
        mean = x.sum(axes, keepdims=True) / count
        centred = x - mean
        rstd = 1 / np.sqrt((centred * centred).sum(axes, keepdims=True) / count + eps)
        return centred * rstd, mean, rstd


def _standardise_backward(h: Array, x_hat: Array, rstd: Array, axes: tuple[int, ...]) -> Array:
    """dx = r (h - <h> - x_hat <h x_hat>)."""
    count = np.float64(prod(h.shape[a] for a in axes))
    with np.errstate(invalid="ignore"):
        along_one = h.sum(axes, keepdims=True) / count
        along_x_hat = (h * x_hat).sum(axes, keepdims=True) / count
        return (h - along_one - x_hat * along_x_hat) * rstd


def _affine(x_hat: Array, weight: Array | None, bias: Array | None, shape: tuple[int, ...]) -> Array:
    if weight is not None:
        x_hat = x_hat * weight.reshape(shape)
    return x_hat if bias is None else x_hat + bias.reshape(shape)


def check_channels(name: str, x: Array, *parameters: Array | None) -> None:
    """A ValueError unless x is (N, C, ...) and every parameter (C,)."""
    if x.ndim < 2:
        raise ValueError(f"{name}: x must have at least the dimensions (N, C), found shape {x.shape}")
    for p in parameters:
        if p is not None and p.shape != (x.shape[1],):
            raise ValueError(
                f"{name}: weight and bias must have shape ({x.shape[1]},), one per channel of x {x.shape}, "
                f"found {p.shape}"
            )


def check_groups(name: str, x: Array, num_groups: int) -> None:
    """A ValueError unless the channels of x divide into `num_groups` equal groups."""
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"{name}: {x.shape[1]} channels cannot be divided into {num_groups} equal groups")


def check_cotangent(name: str, g: Array, x: Array) -> None:
    """A ValueError unless g has the shape of x."""
    if g.shape != x.shape:
        raise ValueError(f"{name}: g must have the shape of x {x.shape}, found {g.shape}")


def check_signs(name: str, x: Array, y: Array | None, negative_slope: float) -> None:
    """A ValueError unless y is there, and of the shape of x, where there is a slope."""
    if negative_slope != 1 and (y is None or y.shape != x.shape):
        found = None if y is None else y.shape
        raise ValueError(f"{name}: with a negative_slope y must be given, of the shape of x {x.shape}, found {found}")


def check_trailing(name: str, x: Array, ndim_normalised: int, *parameters: Array | None) -> None:
    """A ValueError unless x has `ndim_normalised` last dimensions and every parameter their shape."""
    if not 1 <= ndim_normalised <= x.ndim:
        raise ValueError(f"{name}: cannot normalise the last {ndim_normalised} dimensions of shape {x.shape}")
    trailing = x.shape[x.ndim - ndim_normalised :]
    for p in parameters:
        if p is not None and p.shape != trailing:
            raise ValueError(f"{name}: weight and bias must have the normalised shape {trailing}, found {p.shape}")


def move_running(running: Running, mean: Array, rstd: Array, eps: float, count: int) -> None:
    """A running mean and variance (C,) in place towards a batch's, by the share of it that comes with them: r <- r +
    share (new - r). The variance takes the batch's unbiased one, of `count` values a channel, as in PyTorch."""
    of_mean, of_var, share = running
    var = (1.0 / (rstd * rstd) - eps) * (count / max(count - 1, 1))
    of_mean += share * (mean - of_mean)
    of_var += share * (var - of_var)


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    negative_slope: float = 1.0,
    running: Running | None = None,
    own: bool = True,
) -> tuple[Array, Array, Array]:
    """Normalise every channel of x (N, C, *) over N and *. Returns y like x, mean (C,), rstd (C,).

    weight and bias are (C,) or None (1 and 0). Negative values of y are multiplied by `negative_slope`: 0 gives ReLU of
    it. `running`, where given, moves as in `move_running`; unless the statistics are x's `own`: then they are the
    running ones, and nothing moves. rstd is (biased variance + eps)^(-1/2); the statistics of an empty batch are NaN.
    ValueError for shapes that do not fit.
    """
    check_channels("batch_norm", x, weight, bias, *(running or ())[:2])
    axes = (0, *range(2, x.ndim))
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    if own or running is None:
        x_hat, mean, rstd = _standardise(_wide(x), axes, eps)
    else:
        mean, rstd = _wide(running[0]), 1 / np.sqrt(_wide(running[1]) + eps)
        x_hat = (_wide(x) - mean.reshape(per_channel)) * rstd.reshape(per_channel)
    y = rectified(_affine(x_hat, weight, bias, per_channel).astype(x.dtype), negative_slope)
    real = arithmetic(x.dtype)
    mean, rstd = mean.reshape(-1).astype(real), rstd.reshape(-1).astype(real)
    if running is not None and own:
        move_running(running, mean, rstd, eps, x.size // x.shape[1])
    return y, mean, rstd


def batch_norm_backward(
    g: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    y: Array | None = None,
    negative_slope: float = 1.0,
    room: Array | None = None,
    own: bool = True,
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (C,), dbias (C,)) of batch_norm for the cotangent g of y.

    mean and rstd are batch_norm's, of this x or, unless they are its `own`, given; its y is asked for where there is a
    `negative_slope`: its signs say where the slope holds. dweight and dbias come also when weight is None (as if ones).
    """
    check_channels("batch_norm_backward", x, weight, mean, rstd)
    check_cotangent("batch_norm_backward", g, x)
    check_signs("batch_norm_backward", x, y, negative_slope)
    g = rectified_backward(g, y, negative_slope)
    axes = (0, *range(2, x.ndim))
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    g, rstd = _wide(g), _wide(rstd).reshape(per_channel)
    x_hat = (_wide(x) - mean.reshape(per_channel)) * rstd
    h = _affine(g, weight, None, per_channel)
    dx = _standardise_backward(h, x_hat, rstd, axes) if own else h * rstd
    dweight, dbias = (g * x_hat).sum(axes), g.sum(axes)
    real = arithmetic(x.dtype)
    return dx.astype(x.dtype), dweight.astype(real), dbias.astype(real)


def group_norm(
    x: Array,
    num_groups: int,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    silu: bool = False,
) -> tuple[Array, Array, Array]:
    """Normalise every example of x (N, C, *) in `num_groups` groups of consecutive channels, each by itself.

    Returns y like x, mean (N, G), rstd (N, G). weight and bias are (C,) or None; with `silu`, y is passed
    through z sigmoid(z) in the same sweep. num_groups = C is instance normalisation. ValueError unless
    num_groups divides C and the shapes fit.
    """
    check_channels("group_norm", x, weight, bias)
    check_groups("group_norm", x, num_groups)
    n, c = x.shape[:2]
    grouped = _wide(x).reshape(n, num_groups, c // num_groups, *x.shape[2:])
    x_hat, mean, rstd = _standardise(grouped, tuple(range(2, grouped.ndim)), eps)
    z = _affine(x_hat.reshape(x.shape), weight, bias, (-1,) + (1,) * (x.ndim - 2))
    y = z * sigmoid(z) if silu else z
    mean, rstd = mean.reshape(n, num_groups), rstd.reshape(n, num_groups)
    real = arithmetic(x.dtype)
    return y.astype(x.dtype), mean.astype(real), rstd.astype(real)


def group_norm_backward(
    g: Array,
    x: Array,
    num_groups: int,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    rstd: Array,
    silu: bool = False,
    room: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (C,), dbias (C,)) of group_norm for the cotangent g of y.

    mean and rstd (N, G) are group_norm's, of this x; bias matters only under `silu`, whose
    argument is computed again. dweight and dbias come also when weight is None (as if ones).
    """
    check_channels("group_norm_backward", x, weight, bias)
    check_cotangent("group_norm_backward", g, x)
    check_groups("group_norm_backward", x, num_groups)
    n, c = x.shape[:2]
    split = (n, num_groups, c // num_groups, *x.shape[2:])
    axes = tuple(range(2, len(split)))
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    per_group = (n, num_groups) + (1,) * (len(split) - 2)
    mean, rstd = _wide(mean).reshape(per_group), _wide(rstd).reshape(per_group)
    x_hat = (_wide(x).reshape(split) - mean) * rstd
    g = _wide(g)
    if silu:  # d silu(z)/dz = s (1 + z (1 - s))
        z = _affine(x_hat.reshape(x.shape), weight, bias, per_channel)
        s = sigmoid(z)
        g = g * (s * (1 + z * (1 - s)))
    h = _affine(g, weight, None, per_channel).reshape(split)
    dx = _standardise_backward(h, x_hat, rstd, axes).reshape(x.shape)
    sums = (0, *range(2, x.ndim))
    dweight, dbias = (g * x_hat.reshape(x.shape)).sum(sums), g.sum(sums)
    real = arithmetic(x.dtype)
    return dx.astype(x.dtype), dweight.astype(real), dbias.astype(real)


def layer_norm(
    x: Array, ndim_normalised: int, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Normalise x (*rows, *D) over its last `ndim_normalised` dimensions D.

    Returns y like x, mean (*rows), rstd (*rows). weight and bias have shape D or are
    None. ValueError for shapes that do not fit.
    """
    check_trailing("layer_norm", x, ndim_normalised, weight, bias)
    rows, axes = x.shape[: x.ndim - ndim_normalised], tuple(range(x.ndim - ndim_normalised, x.ndim))
    x_hat, mean, rstd = _standardise(_wide(x), axes, eps)
    y = _affine(x_hat, weight, bias, x.shape[x.ndim - ndim_normalised :])
    real = arithmetic(x.dtype)
    return y.astype(x.dtype), mean.reshape(rows).astype(real), rstd.reshape(rows).astype(real)


def layer_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, mean: Array, rstd: Array
) -> tuple[Array, Array, Array]:
    """Gradients (dx like x, dweight (*D), dbias (*D)) of layer_norm for the cotangent g of y."""
    check_trailing("layer_norm_backward", x, ndim_normalised, weight)
    check_cotangent("layer_norm_backward", g, x)
    split = x.ndim - ndim_normalised
    axes, rows = tuple(range(split, x.ndim)), tuple(range(split))
    per_row = x.shape[:split] + (1,) * ndim_normalised
    g, mean, rstd = _wide(g), _wide(mean).reshape(per_row), _wide(rstd).reshape(per_row)
    x_hat = (_wide(x) - mean) * rstd
    dx = _standardise_backward(_affine(g, weight, None, x.shape[split:]), x_hat, rstd, axes)
    dweight, dbias = (g * x_hat).sum(rows), g.sum(rows)
    real = arithmetic(x.dtype)
    return dx.astype(x.dtype), dweight.astype(real), dbias.astype(real)


def rms_norm(x: Array, ndim_normalised: int, weight: Array | None, eps: float) -> tuple[Array, Array]:
    """Divide x (*rows, *D) by the root of its mean square + eps over D. Returns y like x, rstd (*rows).

    weight has shape D or is None. ValueError for shapes that do not fit.
    """
    check_trailing("rms_norm", x, ndim_normalised, weight)
    split = x.ndim - ndim_normalised
    axes = tuple(range(split, x.ndim))
    wide, count = _wide(x), np.float64(prod(x.shape[split:]))
    with np.errstate(invalid="ignore"):
        rstd = 1 / np.sqrt((wide * wide).sum(axes, keepdims=True) / count + eps)
        y = _affine(wide * rstd, weight, None, x.shape[split:])
    real = arithmetic(x.dtype)
    return y.astype(x.dtype), rstd.reshape(x.shape[:split]).astype(real)


def rms_norm_backward(
    g: Array, x: Array, ndim_normalised: int, weight: Array | None, rstd: Array
) -> tuple[Array, Array]:
    """Gradients (dx like x, dweight (*D)) of rms_norm: dx = r (h - x_hat <h x_hat>), h = weight g."""
    check_trailing("rms_norm_backward", x, ndim_normalised, weight)
    check_cotangent("rms_norm_backward", g, x)
    split = x.ndim - ndim_normalised
    axes = tuple(range(split, x.ndim))
    g, rstd = _wide(g), _wide(rstd).reshape(x.shape[:split] + (1,) * ndim_normalised)
    x_hat, count = _wide(x) * rstd, np.float64(prod(x.shape[split:]))
    h = _affine(g, weight, None, x.shape[split:])
    with np.errstate(invalid="ignore"):
        dx = (h - x_hat * ((h * x_hat).sum(axes, keepdims=True) / count)) * rstd
    real = arithmetic(x.dtype)
    return dx.astype(x.dtype), (g * x_hat).sum(tuple(range(split))).astype(real)
