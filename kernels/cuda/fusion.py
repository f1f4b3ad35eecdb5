"""Fused chains on a CUDA device: a kernel is written for a chain as CUDA C++, compiled and kept as any other, by
launch.py.

A thread computes an entry from its arguments to its results, in registers. Sums are those of chunks, a block each, and
of these (fusion.cu): in an order of their own, so the same bits every time.
The same function as kernels/definitions/fusion.py, held to it by tests/kernels/test_fusion.py.
"""

import hashlib
from functools import cache
from textwrap import fill
from typing import Any

from ..definitions import fusion as definition
from ..expression import ARGUMENT, COMPARISONS, OPERATORS, Chain, Expression, Operand, written
from ..loops import is_array, loops_over
from .launch import GENERATED, THREADS, ceil_div, cupy, launch

Array = Any

_BLOCKS = 8192  # enough to fill any card: beyond that each thread takes several entries
_SPAN, _CHUNKS = 4096, 1024  # entries a block adds up at least; such blocks at most, beyond that they add up more


def fused(chain: Chain, arrays: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Array, ...]:
    """What `chain` gives of `arrays`, which broadcast to `shape`; see the definition."""
    if 0 in shape:
        return definition.fused(chain, arrays, shape)
    device = cupy()
    given = [arrays[i] for i in chain.reads]
    loops, read = loops_over(
        [a for a in given if is_array(a)], shape, first_apart=chain.total == "examples", in_one_piece=True
    )
    dtype = read[0].dtype
    _, middle, columns = loops.sizes
    rest = iter(zip(read, loops.steps))
    kinds: list[str] = []
    values: list[Any] = []
    steps: list[int] = []
    for value in given:
        if not is_array(value):
            kinds.append("number")
            values.append(float(value))
            continue
        array, own = next(rest)
        whole = array.size == loops.count
        kinds.append("whole" if whole else "steps")
        values.append(array)
        steps += [] if whole else own
    kernel = _written(chain, tuple(kinds))
    sizes = (loops.count, middle, columns)
    if not chain.total:
        made = [loops.new(device, shape, dtype) for _ in chain.outputs]
        blocks = min(ceil_div(loops.count, THREADS), _BLOCKS)
        launch(kernel, dtype, blocks, THREADS, *values, *(memory for memory, _ in made), *sizes, *steps)
        return tuple([seen for _, seen in made])
    pieces = shape[0] if chain.total == "examples" else 1
    span = max(_SPAN, ceil_div(loops.count // pieces, _CHUNKS))
    chunks = ceil_div(loops.count // pieces, span)
    sums = device.empty((pieces, chunks), "float64")
    launch(kernel, dtype, pieces * chunks, THREADS, *values, sums, *sizes, pieces, chunks, span, *steps)
    y = device.empty(shape[:1] if chain.total == "examples" else (), dtype)
    launch("fusion/add_chunks", dtype, ceil_div(pieces, THREADS // 32), THREADS, sums, y, pieces, chunks)
    return (y,)


@cache
def _written(chain: Chain, kinds: tuple[str, ...]) -> str:
    """The name of the kernel for `chain`, whose text is there for launch.py from now on."""
    text = source(chain, kinds)
    file = f"{chain.identifier}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    GENERATED[f"{file}.cu"] = text
    return f"{file}/{chain.identifier}"


# ---- from a chain to the text of a kernel

_TEXT = """\
// {name}, written by fusion.py:
//
{formulas}
#include "fusion.cuh"

extern "C" __global__ void __launch_bounds__(256)
{name}({parameters}) {{
{loop}
}}
"""
_MAP = """\
  for (EACH(at, n)) {{
{steps}
  }}"""
_SUM = """\
  __shared__ wide shared[MOST_WARPS];
  wide total = 0;
  for (EACH_OF_PART(at, n, pieces, chunks, span)) {{
{steps}
  }}
  total = block_sum(shared, total);
  if (threadIdx.x == 0) sums[blockIdx.x] = total;"""
_OWN_NAMES = {"abs": "fabs"}


def source(chain: Chain, kinds: tuple[str, ...]) -> str:
    """The .cu file that computes `chain`; each argument that it reads is a "number", or an array that is gone through
    as the result is ("whole"), or with "steps" of its own, some of them 0."""
    results = ["sums"] if chain.total else [f"y{n}" for n in range(len(chain.outputs))]
    parameters = [
        f"real x{i}" if kind == "number" else f"const stored* __restrict__ x{i}" for i, kind in zip(chain.reads, kinds)
    ]
    parameters += ["wide* __restrict__ sums"] if chain.total else [f"stored* __restrict__ {y}" for y in results]
    parameters += [f"Index {n}" for n in ("n", "middle", "columns")]
    parameters += [f"Index {n}" for n in ("pieces", "chunks", "span")] if chain.total else []
    parameters += [f"Index x{i}_{k}" for i, kind in zip(chain.reads, kinds) if kind == "steps" for k in "ijk"]
    steps = ["Place p = place(at, middle, columns);"] if "steps" in kinds else []
    names: dict[Operand, str] = {}
    of_kind = dict(zip(chain.reads, kinds))
    for e in chain.steps:
        names[e] = f"t{len(names)}"
        if e.name == ARGUMENT:
            x = f"x{e.operands[0]}"
            index = {"whole": "[at]", "number": "", "steps": f"[p.i * {x}_i + p.j * {x}_j + p.k * {x}_k]"}
            names[e] = f"a{e.operands[0]}"
            value = x + index[of_kind[e.operands[0]]]  # type: ignore[index]
        else:
            value = _call(e.name, [names[o] if isinstance(o, Expression) else _constant(o) for o in e.operands])
        steps.append(f"const real {names[e]} = {value};")
    made = [names[e] for e in chain.outputs]
    steps += [f"total += {made[0]};"] if chain.total else [f"{y}[at] = {value};" for y, value in zip(results, made)]
    return _TEXT.format(
        name=chain.identifier,
        formulas="\n".join(f"//   {y} = {written(e)}" for y, e in zip(results, chain.outputs)),
        parameters=fill(", ".join(parameters), 100, subsequent_indent=" " * 8),
        loop=(_SUM if chain.total else _MAP).format(steps="\n".join(f"    {step}" for step in steps)),
    )


def _call(name: str, operands: list[str]) -> str:
    symbol = (OPERATORS | COMPARISONS).get(name)
    return f" {symbol} ".join(operands) if symbol else f"{_OWN_NAMES.get(name, name)}({', '.join(operands)})"


def _constant(value: Operand) -> str:
    number = 0.0 if value is None else float(value)  # type: ignore[arg-type]
    if number != number:
        return "not_a_number()"
    if number in (float("inf"), -float("inf")):
        return "infinity()" if number > 0 else "-infinity()"
    return f"(real){number!r}"
