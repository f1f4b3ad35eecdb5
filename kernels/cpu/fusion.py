"""Fused chains on the CPU: a Numba function is written for a chain, once, and kept on disk with its machine code.

What is written is what one would write by hand (compare rectifier.py); it lies in `folder()`, with the formula at its
top. There is one for each chain and each choice of arguments that stay the same along the innermost loop, which are
loaded before it. float32 only; float64 is the definition.
The same function as kernels/definitions/fusion.py, held to it by tests/kernels/test_fusion.py.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache, lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..definitions import fusion as definition
from ..expression import ARGUMENT, OPERATORS, Chain, Expression, Operand, written
from ..loops import Loops, is_array, loops_over
from .compiled import sources
from .few import COUNT, FEW, few
from .launch import Arguments, launch, task
from .simd import LANES
from .streaming import past_caches
from .threads import thread_count

Array = np.ndarray
_FLOAT = np.dtype(np.float32)

_SERIAL, _COSTLY = 1 << 17, 1 << 16  # entries worth a thread's waking: of arithmetic alone, and with exp and its kin


def fused(chain: Chain, arrays: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Array, ...]:
    """What `chain` gives of `arrays`, which broadcast to `shape`; see the definition."""
    given, kinds = [], ""
    for i in chain.reads:
        array = arrays[i]
        if type(array) is not Array and not is_array(array):
            array = np.array(array, _FLOAT)
        if array.dtype != _FLOAT:
            return definition.fused(chain, arrays, shape)
        if array.shape == shape and array.flags.c_contiguous:
            kinds += "f"
        elif array.size == 1 or (array.ndim and array.shape[-1] == 1 and not chain.total):
            kinds += "n"  # one for all, or for each row
        given.append(array)
    size = prod(shape)
    if not size:
        return definition.fused(chain, arrays, shape)
    if shape and size < FEW and len(kinds) == len(given) and "f" in kinds and chain.total != "examples":
        work, steps, run = _on_few(chain, kinds)
        if chain.total:
            total = np.empty(())
            launch(work, 1, *given, total, 1, 0, 1, 1, size, steps)
            return (total.astype(_FLOAT),)
        made = run(*given)
        return made if type(made) is tuple else (made,)
    loops, read = loops_over(given, shape, first_apart=chain.total == "examples")
    work, numbers = _prepared(chain, loops)
    parts = thread_count(size, _COSTLY if chain.is_costly else _SERIAL)
    if chain.total:
        sums = np.empty(shape[0] if chain.total == "examples" else parts)
        launch(work, parts, *read, sums, sums.size, 0, numbers)
        return (np.asarray(sums if chain.total == "examples" else sums[0] if parts == 1 else sums.sum(), _FLOAT),)
    made = [loops.new(np, shape, _FLOAT) for _ in chain.outputs]
    results = [memory for memory, _ in made]
    vectors = loops.sizes[-1] % LANES == 0 or loops.sizes[-1] == size  # begin where past_caches expects them to
    past = vectors and not chain.is_costly and past_caches(read, results)
    launch(work, parts, *read, *results, parts, past, numbers)
    return tuple([seen for _, seen in made])


@lru_cache(maxsize=4096)
def _prepared(chain: Chain, loops: Loops) -> tuple[task, Arguments]:
    """The function for `chain` in such loops, and what it is told of them."""
    numbers = (*loops.sizes, *[step for steps in loops.steps for step in steps[:2]])
    return compiled(chain, tuple([steps[2] == 0 for steps in loops.steps])), numbers


def on_few(chain: Chain) -> Any:
    """The function that gives the outputs of `chain` for few contiguous arrays of one shape, each of which it reads."""
    return _on_few(chain, "f" * len(chain.reads))[2]


@lru_cache(maxsize=4096)
def _on_few(chain: Chain, kinds: str) -> tuple[task, tuple[int, ...], Any]:
    """For arguments of these `kinds` (few.py), in one loop: the function for `chain`, its arguments' steps in the outer
    loops, and where every entry is given, the function as one of NumPy's."""
    work, steps = compiled(chain, tuple([kind == "n" for kind in kinds])), (0,) * (2 * len(kinds))
    if chain.total:
        return work, steps, None
    numbers = 1, 0, 1, 1, COUNT, *steps  # pieces, past; the loops
    return work, steps, few(work, kinds, *numbers, results=len(chain.outputs)).run


# ---- from a chain to the text of a function

_TEXT = """\
{quotes}{name}, written by tinygen.kernels.cpu.fusion:

{formulas}
{quotes}

import numpy as np

from tinygen.kernels.cpu.fused_loops import *

{constants}

@task
def work(block, part, parts):
{arrays}
    pieces, past, outer, middle, columns = {sizes}
    entries = outer * middle * columns
    for piece in range(pieces * part // parts, pieces * (part + 1) // parts):
        at, stop = {begin}
        while at < stop:
            row, first = at // columns, at % columns
            i, j, at = row // middle, row % middle, at - first
            last = min(columns, stop - at)
{row}
{loop}
            at += columns
{end}
"""
_MAP = """\
            for k in range(first, last, LANES):
                left = last - k
{steps}"""
_MAP_BEGINS = "cut(entries, piece, pieces), cut(entries, piece + 1, pieces)"
_SUM_BEGINS = "entries * piece // pieces, entries * (piece + 1) // pieces\n        total = 0.0"
_SUM = """\
            for start in range(first, last, BLOCK):
                sums = vzero()
                for k in range(start, min(start + BLOCK, last), LANES):
                    left = min(start + BLOCK, last) - k
{steps}
                total += vsum(sums)"""
_OWN_NAMES = {"rint": "vround"}  # the others are called v<name>


def source(chain: Chain, held: tuple[bool, ...]) -> str:
    """The module that computes `chain`; `held` says of each argument that it reads whether it stays the same along
    the innermost loop."""
    arguments = [f"x{i}" for i in chain.reads]
    results = ["sums_of"] if chain.total else [f"y{i}" for i in range(len(chain.outputs))]
    kinds = ["floats"] * len(arguments) + ["doubles" if chain.total else "floats"] * len(results)
    arrays = [f"{name} = {kind}(block, {n})" for n, (name, kind) in enumerate(zip(arguments + results, kinds))]
    sizes_at = len(arrays)
    row, steps = [], []
    for n, (name, same) in enumerate(zip(arguments, held)):
        place = sizes_at + 5 + 2 * n
        row.append(f"{name}_at = i * integer(block, {place}) + j * integer(block, {place + 1})")
        if same:
            row.append(f"a{name[1:]} = vbroadcast({name}, {name}_at)")
        else:
            steps.append(f"a{name[1:]} = load_vector({name}, {name}_at + k, left, 0)")
    names: dict[Operand, str] = {}
    constants: dict[str, str] = {}
    for e in chain.steps:
        if e.name == ARGUMENT:
            names[e] = f"a{e.operands[0]}"
            continue
        operands = [names[o] if isinstance(o, Expression) else _constant(o, constants) for o in e.operands]
        names[e] = f"t{len(names)}"
        steps.append(f"{names[e]} = {_call(e.name, operands)}")
    if chain.total:
        steps.append(f"sums = sums + vfirst({names[chain.outputs[0]]}, left)")
    else:
        steps += [f"put_vector({y}, at + k, left, {names[e]}, past)" for y, e in zip(results, chain.outputs)]
    return _TEXT.format(
        quotes='"""',
        name=chain.identifier,
        formulas="\n".join(f"    {y} = {written(e)}" for y, e in zip(results, chain.outputs)),
        constants="\n".join(f"{name} = np.float32({value})" for value, name in constants.items()),
        arrays=_indented(1, arrays),
        sizes=", ".join(f"integer(block, {sizes_at + n})" for n in range(5)),
        begin=_SUM_BEGINS if chain.total else _MAP_BEGINS,
        row=_indented(3, row),
        loop=(_SUM if chain.total else _MAP).format(steps=_indented(5 if chain.total else 4, steps)),
        end="        sums_of[piece] = total" if chain.total else "    end(past)",
    )


def _indented(depth: int, lines: list[str]) -> str:
    return "\n".join("    " * depth + line for line in lines)


def _call(name: str, operands: list[str]) -> str:
    if name in OPERATORS:
        return f" {OPERATORS[name]} ".join(operands)
    return f"{_OWN_NAMES.get(name, 'v' + name)}({', '.join(operands)})"


def _constant(number: float | None, constants: dict[str, str]) -> str:
    """The vector of a number that stands among the constants of the module."""
    value = 0.0 if number is None else float(number)
    text = repr(value) if np.isfinite(value) else f"float('{value}')"
    return f"vfill({constants.setdefault(text, f'c{len(constants)}')})"


# ---- from the text to machine code


@cache
def compiled(chain: Chain, held: tuple[bool, ...]) -> task:
    """The function of `source`, from its file."""
    text = source(chain, held)
    digest = hashlib.sha256((text + sources()).encode()).hexdigest()[:16]
    name = f"{chain.identifier}_{digest}"
    path = folder() / f"{name}.py"
    if not path.exists():  # Numba keeps machine code for as long as the file is not written again
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    spec: Any = importlib.util.spec_from_file_location(f"tinygen_{name}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # what is cached names it
    spec.loader.exec_module(module)
    return module.work


@cache
def folder() -> Path:
    """Where the functions are kept: "fused" in TINYGEN_CACHE or the user's cache; where neither can be written, a
    temporary folder, and they are compiled again in each process."""
    caches = os.environ.get("TINYGEN_CACHE"), os.environ.get("XDG_CACHE_HOME")
    chosen = Path(caches[0]) if caches[0] else Path(caches[1] or Path.home() / ".cache") / "tinygen"
    try:
        path = chosen.expanduser() / "fused"
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError:
        return Path(tempfile.mkdtemp(prefix="tinygen-fused-"))
