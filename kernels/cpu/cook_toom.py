"""Cook-Toom (Winograd) bilinear forms F(m, r): m outputs of an r-tap filter in n = m + r - 1 products.

    y = A^T [(G g) * (B^T d)]      Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016)

`matrices` finds A, B, G from interpolation points; the microkernels apply them on both sides of a tile, for a vector
of channels at a time, as straight-line LLVM code built from the matrices. With the points chosen here float32 errors
stay within 1e-5 of the largest output (measured: 2e-6 to 5e-6, where a plain sum of products has 3e-7).
Held by tests/kernels/test_convolution.py.
"""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from tinygen.kernels.cpu.gemm import at, fetch, load, pointers, store, vectors_at
from tinygen.kernels.cpu.simd import FLOATS, LANES, intrinsic, multiply_add, splat

Matrix = NDArray[np.float64]
TILE = 4  # outputs per tile and axis
# Taps -> finite points: the sets with the smallest float32 error among the small integers and fractions tried.
POINTS = {2: (0, 1, Fraction(-1, 2), -2), 3: (0, 1, -1, Fraction(1, 2), -2)}


def matrices(taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """(A^T, G, B^T) of F(TILE, taps), shapes (TILE, n), (n, taps), (n, n); the last point is infinity."""
    points = [Fraction(p) for p in POINTS[taps]]
    n = TILE + taps - 1
    a, g, b = np.zeros((TILE, n)), np.zeros((n, taps)), np.zeros((n, n))
    for j, p in enumerate(points):
        others = [q for q in points if q != p]
        scale = prod(p - q for q in others)
        a[:, j] = [float(p**i) for i in range(TILE)]
        g[j] = [float(p**i / scale) for i in range(taps)]
        b[j, : n - 1] = _polynomial(others)
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = _polynomial(points)
    return a, g, b


def _polynomial(roots: list[Fraction]) -> list[float]:
    """Coefficients of the monic polynomial with these roots, the constant first."""
    coefficients = [Fraction(1)]
    for root in roots:
        coefficients = [
            low - root * high for low, high in zip([Fraction(0), *coefficients], [*coefficients, Fraction(0)])
        ]
    return [float(c) for c in coefficients]


# ---- building blocks of the microkernels: these run while Numba compiles


def _combine(builder: Any, row: Any, values: list[Any]) -> Any:
    """sum_k row[k] values[k] for constants `row`."""
    total = None
    for c, value in sorted(zip(row, values), key=lambda term: term[0] != 1):
        constant = ir.Constant(FLOATS, [float(np.float32(c))] * LANES)
        if c == 0:
            continue
        if total is None:
            total = value if c == 1 else builder.fmul(constant, value)
        elif abs(c) == 1:
            total = (builder.fadd if c == 1 else builder.fsub)(total, value)
        else:
            total = multiply_add(builder, constant, value, total)
    return total


def _both_sides(builder: Any, matrix: Matrix, tile: Any) -> list[list[Any]]:
    """matrix tile matrix^T, `tile(i, j)` giving the values, column after column."""
    size = matrix.shape[1]
    half = []
    for j in range(size):
        column = [tile(i, j) for i in range(size)]
        half.append([_combine(builder, row, column) for row in matrix])
    return [[_combine(builder, row, [c[i] for c in half]) for row in matrix] for i in range(len(matrix))]


def _grid(builder: Any, base: Any, row: Any, column: Any) -> Any:
    """(i, j) -> pointer to the vector at base + i row + j column floats."""

    def place(i: int, j: int) -> Any:
        down = builder.mul(row, ir.Constant(row.type, i))
        across = builder.mul(column, ir.Constant(column.type, j))
        return vectors_at(builder, base, builder.add(down, across))

    return place


def transform(matrix: Matrix) -> Any:
    """Microkernel f(x, x_start, row, column, y, y_start, y_row, y_column): y tile = matrix (x tile) matrix^T."""

    def tile(typing, x, x_start, row, column, y, y_start, y_row, y_column):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_start, row, column, y, y_start, y_row, y_column = pointers(context, builder, sig, args)
            source = _grid(builder, at(builder, x, x_start), row, column)
            target = _grid(builder, at(builder, y, y_start), y_row, y_column)
            result = _both_sides(builder, matrix, lambda i, j: load(builder, source(i, j)))
            for i, values in enumerate(result):
                for j, value in enumerate(values):
                    store(builder, value, target(i, j))
            return context.get_dummy_value()

        n = types.intp
        return types.void(x, n, n, n, y, n, n, n), build

    return intrinsic(tile)


def _among(builder: Any, k: int, count: Any) -> Any:
    """Whether k < count."""
    return builder.icmp_signed("<", ir.Constant(count.type, k), count)


def _inside(builder: Any, inside: Any, place: Any, other: Any) -> Any:
    """The vector at `place`, or zeros if it is not `inside`; `other` is a place that may be read."""
    value = load(builder, builder.select(inside, place, other))
    return builder.select(inside, value, ir.Constant(FLOATS, [0.0] * LANES))


def transform_line(matrix: Matrix, far: bool = False) -> Any:
    """Microkernel f(x, x_start, step, first, last, ahead, y, y_start, y_step): y line = matrix (x line).

    Of the x line, entries first, ..., last - 1 are read, at least one; zeros stand for the others. If `far`, what lies
    `ahead` floats behind the last TILE of them is fetched from memory: what the next line has that this one has not.
    """

    def line(typing, x, x_start, step, first, last, ahead, y, y_start, y_step):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_start, step, first, last, ahead, y, y_start, y_step = pointers(context, builder, sig, args)
            zero = ir.Constant(step.type, 0)
            source = _grid(builder, at(builder, x, x_start), step, zero)
            target = _grid(builder, at(builder, y, y_start), y_step, zero)
            further = _grid(builder, at(builder, x, builder.add(x_start, ahead)), step, zero)
            other = vectors_at(builder, x, builder.add(x_start, builder.mul(step, first)))
            values = []
            for k in range(matrix.shape[1]):
                inside = builder.and_(builder.not_(_among(builder, k, first)), _among(builder, k, last))
                values.append(_inside(builder, inside, source(k, 0), other))
                if far and k >= matrix.shape[1] - TILE:
                    fetch(builder, further(k, 0))
            for k, row in enumerate(matrix):
                store(builder, _combine(builder, row, values), target(k, 0))
            return context.get_dummy_value()

        n = types.intp
        return types.void(x, n, n, n, n, n, y, n, n), build

    return intrinsic(line)


def transform_part(matrix: Matrix) -> Any:
    """As `transform`, reading only the first rows and columns of the tile: zeros stand for the others.

    What lies `ahead` floats behind the tile is fetched from memory.
    """

    def tile(typing, x, x_start, row, column, rows, columns, ahead, y, y_start, y_row, y_column):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = pointers(context, builder, sig, args)
            x, x_start, row, column, rows, columns, ahead, y, y_start, y_row, y_column = values
            source = _grid(builder, at(builder, x, x_start), row, column)
            further = _grid(builder, at(builder, x, builder.add(x_start, ahead)), row, column)
            target = _grid(builder, at(builder, y, y_start), y_row, y_column)

            def value(i: int, j: int) -> Any:
                fetch(builder, further(i, j))
                inside = builder.and_(_among(builder, i, rows), _among(builder, j, columns))
                return _inside(builder, inside, source(i, j), source(0, 0))

            for i, results in enumerate(_both_sides(builder, matrix, value)):
                for j, result in enumerate(results):
                    store(builder, result, target(i, j))
            return context.get_dummy_value()

        n = types.intp
        return types.void(x, n, n, n, n, n, n, y, n, n, n), build

    return intrinsic(tile)


def _rectified(builder: Any, slope: Any) -> Any:
    """The function of a vector that multiplies what is negative by `slope`; 0 makes it 0, even where infinite."""
    zeros = ir.Constant(FLOATS, [0.0] * LANES)
    is_zero = builder.fcmp_ordered("==", slope, slope.type(0.0))
    slopes = splat(builder, slope, FLOATS)

    def rectified(v: Any) -> Any:
        low = builder.select(is_zero, zeros, builder.fmul(slopes, v))
        return builder.select(builder.fcmp_ordered("<", v, zeros), low, v)

    return rectified


def transform_inside(matrix: Matrix) -> Any:
    """As `transform`, plus a vector of bias, then rectified, writing only the first rows and columns of the tile.

    `slope` is an array of one number: what negative values are multiplied by; 0 makes them 0, even where infinite.
    What lies `ahead` floats behind the tile is fetched, to be written to.
    """

    def tile(typing, x, x_start, row, column, bias, b_start, slope, y, y_start, y_row, y_column, rows, columns, ahead):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = pointers(context, builder, sig, args)
            x, x_start, row, column, bias, b_start, slope, y, y_start, y_row, y_column, rows, columns, ahead = values
            source = _grid(builder, at(builder, x, x_start), row, column)
            target = _grid(builder, at(builder, y, y_start), y_row, y_column)
            further = _grid(builder, at(builder, y, builder.add(y_start, ahead)), y_row, y_column)
            added = load(builder, vectors_at(builder, bias, b_start))
            slope = builder.load(slope)
            for i in range(len(matrix)):
                for j in range(len(matrix)):
                    fetch(builder, further(i, j), write=True)
            result = _both_sides(builder, matrix, lambda i, j: load(builder, source(i, j)))

            def finish(last: Any) -> None:
                for i, values in enumerate(result):
                    for j, value in enumerate(values):
                        inside = builder.and_(_among(builder, i, rows), _among(builder, j, columns))
                        there = builder.select(inside, target(i, j), source(0, 0))  # a place that is not read again
                        store(builder, last(builder.fadd(value, added)), there)

            with builder.if_else(builder.fcmp_ordered("==", slope, slope.type(1.0))) as (plain, bent):
                with plain:
                    finish(lambda v: v)
                with bent:
                    finish(_rectified(builder, slope))
            return context.get_dummy_value()

        n = types.intp
        return types.void(x, n, n, n, bias, n, slope, y, n, n, n, n, n, n), build

    return intrinsic(tile)
