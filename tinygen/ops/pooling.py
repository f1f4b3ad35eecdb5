"""Pooling and enlarging by whole factors: window sums and window maxima, each beside its adjoint.

The adjoint of the sum over k x k windows at stride k is nearest-neighbour enlargement by k.
Conventions: the first of equal maxima gets the gradient; NaN wins. Padding counts as 0 in sums, -inf in maxima.
Held by tests/ops/test_registry.py, tests/nn/test_layers.py and tests/pytorch/.
"""

from functools import lru_cache
from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import Kept, either, operation
from tinygen.kernels.array_module import xp
from tinygen.kernels.definitions.pooling import bordered, places
from tinygen.ops.convolution import Pair, pair
from tinygen.ops.linalg import floating
from tinygen.ops.manipulation import as_tensor
from tinygen.tensor import ArrayLike, Tensor

# -- sums ----------------------------------------------------------------------------------------------------


@operation(
    x=either(
        lambda g, x_shape, kernel, stride, padding, scale: spread_windows(
            g, x_shape[2:], kernel, stride, padding, scale
        )
    ),
    moves=True,
)
def sum_windows(x: Any, kernel: Pair, stride: Pair, padding: Pair, scale: float = 1.0) -> Any:
    """The sum of every window of images (N, C, H, W), times `scale`."""
    return kernels.sum_windows(x, kernel, stride, padding, scale)  # type: ignore[attr-defined]


@operation(
    g=either(lambda g, kernel, stride, padding, scale: sum_windows(g, kernel, stride, padding, scale)),
    moves=True,
)
def spread_windows(g: Any, size: Pair, kernel: Pair, stride: Pair, padding: Pair, scale: float = 1.0) -> Any:
    """Each entry of g, times `scale`, added at every place of its window, in images of `size`; the adjoint of
    `sum_windows`."""
    return kernels.spread_windows(g, size, kernel, stride, padding, scale)  # type: ignore[attr-defined]


# -- maxima --------------------------------------------------------------------------------------------------


_placed = either(
    lambda g, which, x_shape, kernel, stride, padding, dilation: place_chosen(
        g, which, x_shape[2:], kernel, stride, padding, dilation
    )
)


@operation(x=_placed, name="max_pool2d", moves=True)
def _max_pool2d(x: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Any:
    """The largest entry of every window, and which of the window's offsets it stands at."""
    y, which = kernels.max_windows(x, kernel, stride, padding, dilation)  # type: ignore[attr-defined]
    return Kept(y, which=which)


@operation(
    g=either(
        lambda g, which, kernel, stride, padding, dilation: pick_chosen(g, which, kernel, stride, padding, dilation)
    ),
    moves=True,
)
def place_chosen(g: Any, which: Any, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Any:
    """Each entry of g added at the offset `which` of its window, in images of `size`."""
    return kernels.place_chosen(g, which, size, kernel, stride, padding, dilation)  # type: ignore[attr-defined]


@operation(x=_placed, moves=True)
def pick_chosen(x: Any, which: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Any:
    """The entry of every window at the offset `which`; the adjoint of `place_chosen`."""
    x = bordered(x, padding, 0.0)
    out = xp(x).zeros_like(which, dtype=x.dtype)
    for k, place in enumerate(places(which.shape[2:], kernel, stride, dilation)):
        out = kernels.select(x[place], which == k, out)  # type: ignore[attr-defined]
    return out


# -- what users call -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _geometry(
    who: str, shape: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[Pair, Pair, Pair, Pair]:
    """Kernel, stride, padding and dilation as pairs. What does not fit is found once for each combination of shapes."""
    k, d = pair("kernel_size", kernel_size, 1), pair("dilation", dilation, 1)
    s, p = k if stride is None else pair("stride", stride, 1), pair("padding", padding, 0)
    if len(shape) != 4:
        raise ValueError(f"{who}: images (N, C, H, W) are needed, found shape {shape}")
    for n, wide, border, apart in zip(shape[2:], k, p, d):
        span = apart * (wide - 1) + 1
        if 2 * border > wide:
            raise ValueError(f"{who}: padding={border} must be at most half of kernel_size={wide}")
        if n + 2 * border < span:
            raise ValueError(
                f"{who}: a window that spans {span} does not fit an image of size {n} with padding {border}"
            )
    return k, s, p, d


def _checked(who: str, x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    array = x._data
    floating(who, array)
    try:
        return _geometry(who, array.shape, kernel_size, stride, padding, dilation)
    except TypeError:  # a list cannot be looked up
        given = [tuple(v) if isinstance(v, list) else v for v in (kernel_size, stride, padding, dilation)]
        return _geometry(who, array.shape, *given)


def max_pool2d(
    x: ArrayLike,
    kernel_size: int | Pair,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
) -> Tensor:
    """The maximum of every window of images (N, C, H, W), as PyTorch's function of this name.

    Args:
        stride: `kernel_size` by default.

    Returns:
        (N, C, OH, OW) with OH = (H + 2 padding - dilation (K - 1) - 1) // stride + 1.

    Raises:
        ValueError: sizes that do not fit.
    """
    x = as_tensor(x)
    return _max_pool2d(x, *_checked("max_pool2d", x, kernel_size, stride, padding, dilation))


def avg_pool2d(
    x: ArrayLike, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Tensor:
    """The mean of every window of images (N, C, H, W), zeros of the border counted, as PyTorch's by default.

    Args:
        stride: `kernel_size` by default.

    Returns:
        (N, C, OH, OW) with OH = (H + 2 padding - K) // stride + 1.

    Raises:
        ValueError: sizes that do not fit.
    """
    x = as_tensor(x)
    k, s, p, _ = _checked("avg_pool2d", x, kernel_size, stride, padding, 1)
    return sum_windows(x, k, s, p, 1.0 / (k[0] * k[1]))
