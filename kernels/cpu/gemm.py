"""Matrix products of float32 with gathered rows: the two microkernels under every convolution.

    multiply:    C[target[m] + j] = bias[j] + sum_r A[source[m] + r] B[r, j]      (r goes through `runs`)
    accumulate:  C[r, j] += sum_m A[source[m] + row[r]] B[m, j]

Elements of A are found through tables of offsets, so that an image need never be unfolded (implicit GEMM).
Columns are cut into panels of a few vectors; a microkernel keeps some rows of one panel in registers (Goto and
van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). The microkernels are LLVM code built
by Python loops over that tile. The number of columns is a multiple of `LANES`: whoever packs pads with zeros.
Held by tests/kernels/test_convolution.py.
"""

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.np.arrayobj import make_array

from tinygen.kernels.cpu.compiled import njit, routine
from tinygen.kernels.cpu.launch import variant
from tinygen.kernels.cpu.simd import (
    FASTMATH,
    FLOATS,
    LANES,
    REGISTERS,
    intrinsic,
    multiply_add,
    splat,
)

WIDEST = 4 if REGISTERS == 32 else 2  # vectors in a panel, while as many columns are left
# Rows of a tile by vectors in its panel: the sums, one row of B and one broadcast fit the registers.
ROWS = {4: 6, 2: 10, 1: 12} if REGISTERS == 32 else {4: 2, 2: 5, 1: 10}
ROWS_4, ROWS_2, ROWS_1 = ROWS[4], ROWS[2], ROWS[1]
# In `accumulate` each row has a pointer of its own, and there are 16 registers for these; 8 divides most channels.
OUTER = ROWS | {2: 8, 1: 8} if REGISTERS == 32 else ROWS
OUTER_2, OUTER_1 = OUTER[2], OUTER[1]
DEPTH = 1024  # rows of B taken at a time, so that their part of a panel stays in the second-level cache
PIXELS = 128  # rows of B that `accumulate` takes at a time: their part of a panel stays in the first-level cache
STEPS = 4  # of a microkernel that are written out: what is around its multiplications counts where threads share a core

_INT = ir.IntType(64)


def round_up(columns: int) -> int:
    """The number of columns in memory: a multiple of `LANES`."""
    return -(-columns // LANES) * LANES


# ---- building blocks of the microkernels: these run while Numba compiles


def at(builder: Any, pointer: Any, index: Any) -> Any:
    """Pointer to element `index` (an LLVM value or a Python int)."""
    return builder.gep(pointer, [ir.Constant(_INT, index) if isinstance(index, int) else index])


def clamped(builder: Any, first: Any, i: int, end: Any) -> Any:
    """min(first + i, end - 1): what is beyond the end repeats the last, whose result is then written twice."""
    index = builder.add(first, ir.Constant(_INT, i))
    last = builder.sub(end, ir.Constant(_INT, 1))
    return builder.select(builder.icmp_signed("<", index, last), index, last)


def load(builder: Any, pointer: Any) -> Any:
    """The vector at any address."""
    value = builder.load(pointer)
    value.align = 4
    return value


def store(builder: Any, value: Any, pointer: Any) -> None:
    """Store a vector at any address."""
    builder.store(value, pointer).align = 4


def vectors_at(builder: Any, pointer: Any, index: Any) -> Any:
    """Pointer to the vector that begins at float `index`."""
    return builder.bitcast(at(builder, pointer, index), FLOATS.as_pointer())


def _fma(builder: Any, sums: Any, scalars: Any, row: Any) -> None:
    """sums[i][j] += *scalars[i] * row[j]."""
    # Code marked convergent is not unrolled by the compiler, which would write out too much of it.
    barrier = builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
    barrier.attributes.add("convergent")
    b = [load(builder, at(builder, row, j)) for j in range(len(sums[0]))]
    for i, pointer in enumerate(scalars):
        a = splat(builder, builder.load(pointer), FLOATS)
        for j, total in enumerate(sums[i]):
            builder.store(multiply_add(builder, a, b[j], builder.load(total)), total)


def pointers(context: Any, builder: Any, sig: Any, args: Any) -> list[Any]:
    """The arguments, arrays as pointers to their first element."""
    return [
        make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(sig.args, args)
    ]


def fetch(builder: Any, pointer: Any, write: bool = False) -> None:
    """Have what lies at `pointer` brought to the second-level cache; an address that is nobody's does no harm.

    If it is for a `write`, other cores' caches forget it at once.
    """
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
    builder.call(fetch, [builder.bitcast(pointer, byte), flag(int(write)), flag(2), flag(1)])


def _steps(builder: Any, first: Any, end: Any) -> Iterator[tuple[Any, int]]:
    """Each index from `first` to `end`, and which it is of those that are written out.

    A loop over `STEPS` at a time, and one over what is left: the body is built once for each.
    """
    whole = builder.sub(end, builder.and_(builder.sub(end, first), ir.Constant(_INT, STEPS - 1)))
    for start, stop, steps in (first, whole, STEPS), (whole, end, 1):
        with cgutils.for_range_slice(builder, start, stop, ir.Constant(_INT, steps), _INT) as (index, _):
            for step in range(steps):
                yield builder.add(index, ir.Constant(_INT, step)), step


def _sums(builder: Any, rows: int, vectors: int) -> list[list[Any]]:
    return [[cgutils.alloca_once(builder, FLOATS) for _ in range(vectors)] for _ in range(rows)]


def _product_tile(rows: int, vectors: int, far: bool = False) -> Any:
    """Microkernel of `multiply`: rows m, m + 1, ... of one panel, over the runs from r0 to r1.

    The sums start from `initial` where `fresh`, else from C. If `far`, every second step fetches some of the rows that
    follow, as far as they lie behind these.
    """

    def tile(
        typing,
        a,
        start,
        source,
        m,
        end,
        runs,
        r0,
        r1,
        b,
        b_start,
        c,
        c_start,
        target,
        initial,
        i_start,
        fresh,
    ):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = pointers(context, builder, sig, args)
            (
                a,
                start,
                source,
                m,
                end,
                runs,
                r0,
                r1,
                b,
                b_start,
                c,
                c_start,
                target,
                initial,
                i_start,
                fresh,
            ) = values
            index = [clamped(builder, m, i, end) for i in range(rows)]
            origin = [builder.add(start, builder.load(at(builder, source, i))) for i in index]
            out = [vectors_at(builder, c, builder.add(c_start, builder.load(at(builder, target, i)))) for i in index]
            initial = vectors_at(builder, initial, i_start)
            fresh = builder.icmp_signed("!=", fresh, ir.Constant(_INT, 0))
            sums = _sums(builder, rows, vectors)
            for i in range(rows):
                first = builder.select(fresh, initial, out[i])
                for j in range(vectors):
                    builder.store(load(builder, at(builder, first, j)), sums[i][j])
            cursor = cgutils.alloca_once_value(builder, vectors_at(builder, b, b_start))
            with cgutils.for_range_slice(builder, r0, r1, ir.Constant(_INT, 1), _INT) as (run, _):
                pair = at(builder, runs, builder.shl(run, ir.Constant(_INT, 1)))
                offset, length = builder.load(pair), builder.load(at(builder, pair, 1))
                begin = [at(builder, a, builder.add(o, offset)) for o in origin]
                for index, step in _steps(builder, ir.Constant(_INT, 0), length):
                    row = builder.load(cursor)
                    _fma(builder, sums, [at(builder, p, index) for p in begin], row)
                    if far and step % 2 == 0:
                        ahead = builder.add(length, builder.mul(index, ir.Constant(_INT, rows)))
                        fetch(builder, at(builder, begin[-1], ahead))
                    builder.store(at(builder, row, vectors), cursor)
            for i in range(rows):
                for j in range(vectors):
                    store(builder, builder.load(sums[i][j]), at(builder, out[i], j))
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, source, n, n, runs, n, n, b, n, c, n, target, initial, n, n), build

    return intrinsic(tile)


def _lines_ahead(
    builder: Any, rows: int, vectors: int, a: Any, start: Any, source: Any, m0: Any, m1: Any, r: Any, *b: Any
) -> tuple[Any, Any]:
    """Where in memory the tile from row r on fetches first, and how many floats further each time."""
    b, b_start, b_stride = b
    n = ir.Constant(_INT, PIXELS)
    tile = builder.udiv(r, ir.Constant(_INT, rows))
    first = builder.load(at(builder, source, m0))
    step = builder.sub(builder.load(at(builder, source, clamped(builder, m0, 1, m1))), first)
    from_b = builder.add(b_start, builder.mul(builder.add(m0, n), b_stride))
    from_a = builder.add(builder.add(start, first), builder.mul(n, step))
    others = builder.sub(tile, ir.Constant(_INT, vectors))
    of_b = builder.icmp_signed("<", others, ir.Constant(_INT, 0))
    line_b, line_a = (
        at(builder, vectors_at(builder, b, from_b), tile),
        at(builder, vectors_at(builder, a, from_a), others),
    )
    line = builder.bitcast(builder.select(of_b, line_b, line_a), ir.FloatType().as_pointer())
    return line, builder.select(of_b, b_stride, step)


def _outer_tile(rows: int, vectors: int, far: bool = False) -> Any:
    """Microkernel of `accumulate`: rows r, r + 1, ... of one panel, over the rows m0 to m1 of B.

    If `far`, it fetches one line in a step of what is wanted `PIXELS` steps on: the first tiles of a panel fetch its
    vectors of B, the others the elements of A, as far as these are adjacent and their rows equally distant.
    """

    def tile(typing, a, start, source, m0, m1, row, r, end, b, b_start, b_stride, c, c_start):
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            values = pointers(context, builder, sig, args)
            a, start, source, m0, m1, row, r, end, b, b_start, b_stride, c, c_start = values
            index = [clamped(builder, r, i, end) for i in range(rows)]
            begin = [at(builder, a, builder.add(start, builder.load(at(builder, row, i)))) for i in index]
            width = ir.Constant(_INT, vectors * LANES)
            out = [vectors_at(builder, c, builder.add(c_start, builder.mul(i, width))) for i in index]
            sums = _sums(builder, rows, vectors)
            for i in range(rows):
                for j in range(vectors):
                    builder.store(load(builder, at(builder, out[i], j)), sums[i][j])
            if far:
                line, step = _lines_ahead(builder, rows, vectors, a, start, source, m0, m1, r, b, b_start, b_stride)
                wanted = cgutils.alloca_once_value(builder, line)
            for m, _ in _steps(builder, m0, m1):
                offset = builder.load(at(builder, source, m))
                pixel = vectors_at(builder, b, builder.add(b_start, builder.mul(m, b_stride)))
                _fma(builder, sums, [at(builder, p, offset) for p in begin], pixel)
                if far:
                    line = builder.load(wanted)
                    fetch(builder, line)
                    builder.store(at(builder, line, step), wanted)
            for i in range(rows):
                for j in range(vectors):
                    store(builder, builder.load(sums[i][j]), at(builder, out[i], j))
            return context.get_dummy_value()

        n = types.intp
        return types.void(a, n, source, n, n, row, n, n, b, n, n, c, n), build

    return intrinsic(tile)


_product_4, _product_2, _product_1 = (_product_tile(ROWS[v], v) for v in (4, 2, 1))
_outer_4, _outer_2, _outer_1 = (_outer_tile(OUTER[v], v) for v in (4, 2, 1))
_product_short, _outer_short = _product_tile(ROWS_4 - 1, 4), _outer_tile(ROWS_4 - 1, 4)


# ---- loops over tiles


@njit(fastmath=FASTMATH)
def panel_width(columns):
    """Width of the next panel where `columns` are left."""
    vectors = columns // LANES
    return LANES * (WIDEST if vectors >= WIDEST else (2 if vectors >= 2 else 1))


@njit(fastmath=FASTMATH)
def place(rows, columns, row, column):
    """Where element (row, column) lies in a packed matrix."""
    start = column // (WIDEST * LANES) * (WIDEST * LANES)
    width = panel_width(columns - start)
    if column - start >= width:
        start += width
        width = panel_width(columns - start)
    return rows * start + row * width + column - start


@njit(fastmath=FASTMATH)
def _in_whole_tiles(rows):
    """How many rows go in tiles of `ROWS_4`, the others in tiles of one less: as few tiles, hardly a row done twice."""
    return ROWS_4 * max(0, rows - (ROWS_4 - 1) * -(-rows // ROWS_4))


_MULTIPLY, _ACCUMULATE = "f n i n i f n n f n i f n", "f n i n i f n n n f n"  # kinds of their arguments


@routine(_MULTIPLY, FASTMATH)
def multiply(a, start, source, count, runs, b, b_start, columns, c, c_start, target, bias, bias_start):
    """C[c_start + target[m] + j] = bias[bias_start + j] + sum_r A[start + source[m] + r] B[r, j].

    m < count, j < columns. `runs` lists (offset, length) pairs, lengths at most `DEPTH`: r takes offset, ...,
    offset + length - 1 of each in turn. B is packed, from b_start; all arrays are flat. Where `bias` is empty the sums
    start from what C holds.
    """
    depth = 0
    for i in range(1, runs.size, 2):
        depth += runs[i]
    column = 0
    while column < columns:
        vectors = panel_width(columns - column) // LANES
        p = b_start + depth * column
        i = bias_start + column
        q = c_start + column
        r0 = 0
        while r0 < runs.size // 2:
            r1 = r0 + 1
            rows = runs[2 * r0 + 1]
            while r1 < runs.size // 2 and rows + runs[2 * r1 + 1] <= DEPTH:
                rows += runs[2 * r1 + 1]
                r1 += 1
            fresh = r0 == 0 and bias.size > 0
            if vectors == 4:
                whole = _in_whole_tiles(count)
                for m in range(0, whole, ROWS_4):
                    _product_4(a, start, source, m, count, runs, r0, r1, b, p, c, q, target, bias, i, fresh)
                for m in range(whole, count, ROWS_4 - 1):
                    _product_short(a, start, source, m, count, runs, r0, r1, b, p, c, q, target, bias, i, fresh)
            elif vectors == 2:
                for m in range(0, count, ROWS_2):
                    _product_2(a, start, source, m, count, runs, r0, r1, b, p, c, q, target, bias, i, fresh)
            else:
                for m in range(0, count, ROWS_1):
                    _product_1(a, start, source, m, count, runs, r0, r1, b, p, c, q, target, bias, i, fresh)
            p += rows * vectors * LANES
            r0 = r1
        column += vectors * LANES


@routine(_ACCUMULATE, FASTMATH)
def accumulate(a, start, source, count, row, b, b_start, b_stride, columns, c, c_start):
    """C[r, j] += sum over m < count of A[start + source[m] + row[r]] B[b_start + m b_stride + j], C packed."""
    rows = row.size
    for m0 in range(0, count, PIXELS):
        m1 = min(m0 + PIXELS, count)
        column = 0
        while column < columns:
            vectors = panel_width(columns - column) // LANES
            p = c_start + rows * column
            q = b_start + column
            if vectors == 4:
                whole = _in_whole_tiles(rows)
                for r in range(0, whole, ROWS_4):
                    _outer_4(a, start, source, m0, m1, row, r, rows, b, q, b_stride, c, p)
                for r in range(whole, rows, ROWS_4 - 1):
                    _outer_short(a, start, source, m0, m1, row, r, rows, b, q, b_stride, c, p)
            elif vectors == 2:
                for r in range(0, rows, OUTER_2):
                    _outer_2(a, start, source, m0, m1, row, r, rows, b, q, b_stride, c, p)
            else:
                for r in range(0, rows, OUTER_1):
                    _outer_1(a, start, source, m0, m1, row, r, rows, b, q, b_stride, c, p)
            column += vectors * LANES


# For matrices that do not fit the second-level cache.
multiply_far = routine(_MULTIPLY, FASTMATH)(
    variant(
        multiply.py_func,
        "multiply_far",
        **{f"_product_{vectors}": _product_tile(ROWS[vectors], vectors, far=True) for vectors in (4, 2, 1)},
        _product_short=_product_tile(ROWS_4 - 1, 4, far=True),
    )
)
accumulate_far = routine(_ACCUMULATE, FASTMATH)(
    variant(
        accumulate.py_func,
        "accumulate_far",
        **{f"_outer_{vectors}": _outer_tile(OUTER[vectors], vectors, far=True) for vectors in (4, 2, 1)},
        _outer_short=_outer_tile(ROWS_4 - 1, 4, far=True),
    )
)
