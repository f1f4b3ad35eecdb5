"""Products and linear algebra; `tg.linalg` and `tg.matmul`, `tg.vecdot`.

Gradients: Giles 2008, "An extended collection of matrix derivative results". Convention: norm'(0) = 0.
"""

from typing import Any, NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.autodiff.fusion import fused_operation
from tinygen.autodiff.mixed_precision import as_dtype, operands, same_arithmetic
from tinygen.autodiff.primitive import either, operation
from tinygen.kernels.array_module import arithmetic, quiet, xp
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.ops import reduction
from tinygen.ops.elementwise import abs as absolute
from tinygen.ops.elementwise import as_float, multiply, sign, where, whole_power
from tinygen.ops.indexing import on_diagonal
from tinygen.ops.manipulation import as_tensor, expand_dims, matrix_transpose, reshape
from tinygen.tensor import ArrayLike, Tensor, float32


def same_dtype(who: str, *arrays: Any) -> None:
    """No dtypes are mixed: a float64 weight on float32 data is a mistake, not a wish. bfloat16 counts as float32.

    Raises:
        TypeError: names the dtypes.
    """
    first = arrays[0].dtype
    for a in arrays:
        if a is not None and a.dtype is not first:
            same_arithmetic(who, *arrays)
            return


def floating(who: str, x: Any) -> None:
    """What divides or takes roots is not for integers.

    Raises:
        TypeError: names the dtype.
    """
    if x.dtype.kind not in "fV":
        raise TypeError(f'{who}: x must be floating, not {x.dtype}; convert it, as in x.to("float32")')


def _matmul_a(g: Tensor, b: Tensor) -> Tensor:
    if g._data.ndim == 1 == b._data.ndim:
        return _outer(g, b)
    row, column = g._data.ndim < b._data.ndim, b._data.ndim == 1  # which of the two were vectors
    if row or column:
        made = matmul(_matrix(g, row, column), reshape(b, (1, -1)) if column else matrix_transpose(b))
        return reshape(made, (*made.shape[:-2], made.shape[-1])) if row else made
    return matmul(g, matrix_transpose(b))


def _gradient_a(g: Any, b: Any) -> Any:
    if b.ndim == 2 == g.ndim:
        return _product(g, b.T)
    if b.ndim == 1 == g.ndim:
        return _outer.__wrapped__(g, b)
    if b.ndim == 1 or g.ndim < b.ndim:
        return _matmul_a(Tensor(g), Tensor(b))._data
    return kernels.matmul(g, b.swapaxes(-1, -2))  # type: ignore[attr-defined]


def _matmul_b(g: Tensor, a: Tensor, b_strides: tuple[int, ...]) -> Tensor:
    """a^T g, laid out in memory as `b`: what adds it to a weight in place then reads both in one order."""
    if a._data.ndim == 1 == g._data.ndim:
        return _outer(a, g)
    row, column = a._data.ndim == 1, g._data.ndim < a._data.ndim
    if row or column:
        made = matmul(reshape(a, (-1, 1)) if row else matrix_transpose(a), _matrix(g, row, column))
        return reshape(made, made.shape[:-1]) if column else made
    by_columns = len(b_strides) == 2 and b_strides[0] < b_strides[1]
    return matrix_transpose(matmul(matrix_transpose(g), a)) if by_columns else matmul(matrix_transpose(a), g)


def _gradient_b(g: Any, a: Any, b_strides: tuple[int, ...]) -> Any:
    if a.ndim == 2 == g.ndim:
        return _product(g.T, a).T if b_strides[0] < b_strides[-1] else _product(a.T, g)
    if a.ndim == 1 == g.ndim:
        return _outer.__wrapped__(a, g)
    if a.ndim == 1 or g.ndim < a.ndim:
        return _matmul_b(Tensor(g), Tensor(a), b_strides)._data
    if len(b_strides) == 2 and b_strides[0] < b_strides[1]:
        return kernels.matmul(g.swapaxes(-1, -2), a).swapaxes(-1, -2)  # type: ignore[attr-defined]
    return kernels.matmul(a.swapaxes(-1, -2), g)  # type: ignore[attr-defined]


_TINY = 1 << 12  # multiply-adds that NumPy has done before a kernel is chosen


def _product(a: Any, b: Any) -> Any:
    """a b, two matrices of one dtype."""
    if type(a) is np.ndarray and a.size * b.shape[1] <= _TINY and a.dtype is float32:
        return a.dot(b)
    return kernels.matmul(a, b)  # type: ignore[attr-defined]


def _matrix(g: Any, row: bool, column: bool) -> Any:
    """The cotangent of a product with a vector, as a matrix: the vector was its `row`, its `column`, or both."""
    shape = (*g.shape, 1) if column else g.shape
    return reshape(g, (*shape[:-1], 1, shape[-1]) if row else shape)


@operation(a=either(_matmul_a, _gradient_a), b=either(_matmul_b, _gradient_b))
def matmul(a: Any, b: Any) -> Any:
    """The matrix product over the last two axes, broadcast over the others; 1-D arguments are vectors.

    Raises:
        ValueError: inner sizes that differ, or a number in place of an array.
        TypeError: dtypes that differ.
    """
    of_a, of_b = a.shape, b.shape
    if len(of_a) == 2 == len(of_b) and of_a[1] == of_b[0] and a.dtype is b.dtype:  # nearly always
        return _product(a, b)
    if not of_a or not of_b or of_a[-1] != of_b[-2 if len(of_b) > 1 else 0]:
        raise ValueError(
            f"shapes {of_a} and {of_b} do not fit together: the last size of the first must equal "
            "the second last of the second"
        )
    if a.dtype is not b.dtype:
        a, b = operands("matmul", a, b)
    row, column = len(of_a) == 1, len(of_b) == 1
    try:
        if not (row or column):
            return kernels.matmul(a, b)  # type: ignore[attr-defined]
        y = kernels.matmul(a.reshape(1, -1) if row else a, b.reshape(-1, 1) if column else b)  # type: ignore[attr-defined]
    except ValueError:
        raise ValueError(f"the leading sizes of {of_a} and {of_b} do not broadcast together") from None
    lead = y.shape[: -1 - row] if column else (*y.shape[:-2], y.shape[-1])
    return y.reshape(lead)


@fused_operation("examples", "inner")
def _inner(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of each row of a and of b (N, ...): (N,)."""
    return a * b


def vecdot(a: ArrayLike, b: ArrayLike, axis: int = -1) -> Tensor:
    """The inner product along `axis`."""
    a, b = as_tensor(a), as_tensor(b)
    of_a, of_b = a._data.shape, b._data.shape
    if not of_a or not of_b or of_a[axis] != of_b[axis]:
        raise ValueError(f"vecdot: shapes {of_a} and {of_b} do not fit together: axis {axis} must be of one size")
    if of_a == of_b and len(of_a) == 2 and axis in (-1, 1) and a.size >= LARGE:
        return _inner(a, b)  # one pass over memory
    return reduction.sum(a * b, axis)


@operation(a=either(lambda g, b: matmul(g, b)), b=either(lambda g, a: matmul(a, g)), name="outer")
def _outer(a: Any, b: Any) -> Any:
    column = a.reshape(-1, 1)
    return multiply.on_large(column, b) if a.size * b.size >= LARGE else column * b


def outer(a: ArrayLike, b: ArrayLike) -> Tensor:
    """All products of the entries of two vectors."""
    a, b = as_tensor(a), as_tensor(b)
    return _outer(a if a.ndim == 1 else reshape(a, -1), b if b.ndim == 1 else reshape(b, -1))


# -- tg.linalg -----------------------------------------------------------------------------------------------


def _square(name: str, a: Any) -> None:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{name}: shape {a.shape} is not a square matrix (or a stack of them)")


def _lapack(name: str, compute: Any, a: Any, *rest: Any) -> Any:
    _square(name, a)
    try:
        return compute(a, *rest)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"{name}: {str(error).lower()}, of shape {a.shape}") from None


@operation(a=either(lambda g, y: -matmul(matmul(matrix_transpose(y), g), matrix_transpose(y))))
def inv(a: Any) -> Any:
    """The inverse. Raises ValueError when a matrix is singular."""
    return _lapack("inv", xp(a).linalg.inv, a)


@operation(
    a=either(lambda g, y, a: -matmul(_solve(matrix_transpose(a), g), matrix_transpose(y))),
    b=either(lambda g, a: _solve(matrix_transpose(a), g)),
    name="solve",
)
def _solve(a: Any, b: Any) -> Any:
    if b.shape[-2] != a.shape[-1]:
        raise ValueError(f"solve: shapes {a.shape} and {b.shape} do not fit together: b needs {a.shape[-1]} rows")
    return _lapack("solve", xp(a).linalg.solve, a, b)


def solve(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The x with a x = b; a vector b of one dimension gives a vector.

    Raises:
        ValueError: a singular or non-square matrix, or sizes that do not fit.
    """
    a, b = as_tensor(a), as_tensor(b)
    same_dtype("solve", a, b)
    if b.ndim == 1:
        y = _solve(a, reshape(b, (-1, 1)))
        return reshape(y, y.shape[:-1])
    return _solve(a, b)


def _each(g: Tensor) -> Tensor:
    """A number per matrix, to be spread over the matrix."""
    return reshape(g, (*g.shape, 1, 1))


@operation(a=lambda g, a: _each(g) * matrix_transpose(inv(a)))
def _logabsdet(a: Any, sign: Any) -> Any:
    """The logarithm; the sign, which comes with it, is written to `sign`."""
    sign[...], log = xp(a).linalg.slogdet(a)
    return log


@operation(a=lambda g, y, a: _each(g * y) * matrix_transpose(inv(a)))
def det(a: Any) -> Any:
    """The determinant. Its gradient needs the inverse, so it raises ValueError where the matrix is singular."""
    _square("det", a)
    return xp(a).linalg.det(a)


class SignAndLog(NamedTuple):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(a: ArrayLike) -> SignAndLog:
    """The sign of the determinant, without gradient, and the logarithm of its magnitude (-inf when singular)."""
    x = as_tensor(a)
    _square("slogdet", x)
    x = as_dtype(x, arithmetic(x.dtype))
    sign = xp(x._data).empty(x.shape[:-2], x.dtype)
    log = _logabsdet(x, sign)
    return SignAndLog(Tensor(sign), log)


@operation(x=either(lambda g: _lower_half(g)))
def _lower_half(x: Any) -> Any:
    """The lower triangle with half the diagonal: Phi of Murray 2016; its own adjoint."""
    n = x.shape[-1]
    return x * (xp(x).tri(n, dtype=x.dtype) - 0.5 * xp(x).eye(n, dtype=x.dtype))


@operation(x=either(lambda g, y: -matmul(matrix_transpose(y), matmul(g, matrix_transpose(y)))))
def _lower_inverse(x: Any) -> Any:
    """The inverse of a lower triangular matrix, by halves: a tenth of the time of a general one where it is large."""
    n = x.shape[-1]
    if n <= 32:
        return xp(x).linalg.inv(x)
    k = n // 2
    y = xp(x).zeros_like(x)
    first = y[..., :k, :k] = _lower_inverse.__wrapped__(x[..., :k, :k])
    last = y[..., k:, k:] = _lower_inverse.__wrapped__(x[..., k:, k:])
    y[..., k:, :k] = -kernels.matmul(last, kernels.matmul(x[..., k:, :k], first))  # type: ignore[attr-defined]
    return y


def _cholesky_vjp(g: Tensor, y: Tensor) -> Tensor:
    # Giles 2008, section 4.5 (Murray 2016, eq. 10): S = L^-T Phi(L^T g) L^-1, symmetrised.
    inverse = _lower_inverse(y)
    s = matmul(matmul(matrix_transpose(inverse), _lower_half(matmul(matrix_transpose(y), g))), inverse)
    return 0.5 * (s + matrix_transpose(s))


@operation(a=either(_cholesky_vjp))
def cholesky(a: Any) -> Any:
    """The lower triangular L with a = L L^T, of a symmetric positive definite matrix.

    The gradient is the symmetric one. Raises ValueError when a matrix is not positive definite.
    """
    return _lapack("cholesky", xp(a).linalg.cholesky, a)


@operation(a=either(lambda g, a_shape, offset: on_diagonal(expand_dims(g, -1), a_shape, offset)), moves=True)
def trace(a: Any, offset: int = 0) -> Any:
    """The sum of the diagonal of the last two axes, `offset` above the main one."""
    return kernels.reduce_sum(a.diagonal(offset, -2, -1), (a.ndim - 2,), False)  # type: ignore[attr-defined]


def _p_norm_vjp(g: Tensor, y: Tensor, x: Tensor, ord: float, axis: Any) -> Tensor:
    shape = reduction.kept_shape(x.shape, axis)
    y, g = y.reshape(shape), g.reshape(shape)
    r = x / where(y == 0, 1.0, y)
    return where(y == 0, 0.0, g * (sign(r) * absolute(r) ** (ord - 1.0)))


_EXACT_POWERS = 6  # to which float64 takes all of float32, from the least to the greatest


@operation(x=_p_norm_vjp)
@quiet
def _p_norm(x: Any, ord: float, axis: Any, keepdims: bool) -> Any:
    """(sum |x|^p)^(1/p): of float32 in float64; where a power could overflow, of entries over the greatest."""
    axes = reduction.axes_of(x.ndim, axis)
    size = xp(x).abs(x)
    if x.dtype is float32 and ord <= _EXACT_POWERS:
        size = size.astype(np.float64)
        if not ord.is_integer():
            total = kernels.reduce_sum(size**ord, axes, keepdims)  # type: ignore[attr-defined]
        elif type(x) is np.ndarray and x.size < LARGE and len(axes) == 1 and not keepdims:
            less = whole_power(size, int(ord) - 1)
            total = np.vecdot(less, size, axis=axes[0])  # type: ignore[call-overload]  # multiplied as it is added up
        else:
            total = kernels.reduce_sum(whole_power(size, int(ord)), axes, keepdims)  # type: ignore[attr-defined]
        return (total ** (1.0 / ord)).astype(float32)
    scale = size.max(axis=axes, keepdims=True, initial=0)
    scale[(scale == 0) | (scale == np.inf)] = 1
    size /= scale
    total = kernels.reduce_sum(size**ord, axes, True) ** (1.0 / ord) * scale  # type: ignore[attr-defined]
    return total if keepdims else total.reshape([n for i, n in enumerate(x.shape) if i not in axes])


def norm(x: ArrayLike, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The norm over `axis` (all by default): the root of the sum of squares, or of vectors `ord` 1, inf, or any p > 0.

    Over two axes NumPy's `ord` 1, 2 and inf are norms of matrices, which are not here: that raises.

    The gradient at 0 is 0, the subgradient of least norm.

    Raises:
        ValueError: another `ord`, or one of a matrix.
    """
    x = as_tensor(x)
    if ord is None or ord == "fro":
        return reduction.vector_norm(x, axis, keepdims)
    x = as_float(x)
    if len(reduction.axes_of(x.ndim, axis)) == 2:
        raise ValueError(
            f'norm: ord={ord!r} over two axes is a norm of matrices; there is "fro", or one axis at a time'
        )
    if ord == 2:
        return reduction.vector_norm(x, axis, keepdims)
    if ord == 1:
        return reduction.sum(absolute(x), axis, keepdims)
    if ord == np.inf:
        return reduction.max(absolute(x), axis, keepdims)
    if not isinstance(ord, int | float) or not ord > 0:
        raise ValueError(f'norm: ord is a number above 0, inf or "fro", not {ord!r}')
    return _p_norm(x, float(ord), axis, keepdims)
