"""Fused chains on the CPU: a Numba function is written for a chain, once, and kept on disk with its machine code.

What is written is what one would write by hand (compare rectifier.py); it lies in `folder()`, with the formula at its
top. There is one for each chain and each choice of the steps that arguments have in the innermost loop: what stays the
same is loaded before it. float32 only; float64 is the definition.
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
from typing import Any, NamedTuple

import numpy as np

from ..array_module import single
from ..definitions import fusion as definition
from ..expression import ARGUMENT, OPERATORS, Chain, Expression, Operand, written
from ..loops import Form, Loops, compact, copied, is_array, planned
from .compiled import sources
from .few import COUNT, few
from .launch import Arguments, launch, task
from .simd import LANES
from .streaming import past_caches, too_much
from .threads import thread_count

Array = np.ndarray
_FLOAT = np.dtype(np.float32)

_SERIAL, _COSTLY = 1 << 17, 1 << 16  # entries worth a thread's waking: of arithmetic alone, and with exp and its kin
_ROWS = 64  # so many, NumPy calls a function for each of them sooner than it is found how to do without


def fused(chain: Chain, arrays: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Array, ...]:
    """What `chain` gives of `arrays`, which broadcast to `shape`; see the definition."""
    given, forms = [], []
    for i in chain.reads:
        array = arrays[i]
        if type(array) is not Array and not is_array(array):
            array = single(array)
        if array.dtype is not _FLOAT and array.dtype != _FLOAT:
            return definition.fused(chain, arrays, shape)
        given.append(array)
        forms.append((array.shape, array.strides, 4))
    plan = _planned(chain, tuple(forms), shape)
    if plan is None:
        return definition.fused(chain, arrays, shape)
    parts = thread_count(plan.size, plan.least)
    if parts == 1 and plan.alone is not None:
        made_alone = plan.alone(*given)
        return made_alone if type(made_alone) is tuple else (made_alone,)
    loops, work = plan.loops, plan.work
    read = copied(loops, plan.copies, given, shape) if plan.copies else given
    if chain.total:
        sums = np.empty(shape[0] if chain.total == "examples" else parts)
        launch(work, parts, *read, sums, sums.size, 0, plan.numbers)
        return (np.asarray(sums if chain.total == "examples" else sums[0] if parts == 1 else sums.sum(), _FLOAT),)
    made = [loops.new(np, shape, _FLOAT) for _ in chain.outputs]
    results = [memory for memory, _ in made]
    past = plan.may_pass and past_caches(read, results)
    launch(work, parts, *read, *results, parts, past, plan.numbers)
    return tuple([seen for _, seen in made])


class Plan(NamedTuple):
    """How a chain is computed of arrays of some shapes and strides: the loops; what is copied for them, if anything is;
    the function, and what it is told of the loops; how many entries there are, and how many are worth a thread's
    waking; whether stores may go past the caches; where they may not and all is one loop, the function as one of
    NumPy's, which a thread alone calls sooner."""

    loops: Loops
    copies: tuple[str, ...]
    work: task
    numbers: Arguments
    size: int
    least: int
    may_pass: bool
    alone: Any


@lru_cache(maxsize=4096)
def _planned(chain: Chain, forms: tuple[Form, ...], shape: tuple[int, ...]) -> Plan | None:
    """The plan for arrays of these `forms`; None where there is no entry."""
    size = prod(shape)
    if not size:
        return None
    loops, copies = planned(forms, shape, chain.total == "examples", False)
    work = compiled(chain, tuple([steps[2] for steps in loops.steps]))
    numbers = (*loops.sizes, *[step for steps in loops.steps for step in steps[:2]])
    whole = loops.sizes[-1] % LANES == 0 or loops.sizes[-1] == size  # begin where past_caches expects them to
    least = _COSTLY if chain.is_costly else _SERIAL
    moved = sum([4 * prod(own) for own, _, _ in forms]) + 4 * size * len(chain.outputs)
    may_pass = whole and not chain.is_costly and too_much(moved)
    kinds = "".join([_kind(*form, shape) for form in forms]) if shape and not (chain.total or may_pass) else ""
    alone = _alone(chain, kinds) if len(kinds) == len(forms) and "f" in kinds else None
    return Plan(loops, copies if any(copies) else (), work, numbers, size, least, may_pass, alone)


def _kind(own: tuple[int, ...], strides: tuple[int, ...], itemsize: int, shape: tuple[int, ...]) -> str:
    """The letter (few.py) of an array of such a form beside a result of `shape`; none if it has none."""
    if own != shape:
        return "n" if prod(own) == 1 or (own[-1] == 1 and prod(own) <= _ROWS) else ""
    steps = compact(own, range(len(own)))
    return "f" if all(n == 1 or step * itemsize == s for n, step, s in zip(own, steps, strides)) else ""


def on_few(chain: Chain) -> Any:
    """The function that gives the outputs of `chain` for few contiguous arrays of one shape, each of which it reads."""
    return _alone(chain, "f" * len(chain.reads))


@lru_cache(maxsize=4096)
def _alone(chain: Chain, kinds: str) -> Any:
    """The function of `chain` as one of NumPy's, for arguments of these `kinds` (few.py)."""
    work, steps = compiled(chain, tuple([int(kind == "f") for kind in kinds])), (0,) * (2 * len(kinds))
    return few(work, kinds, 1, 0, 1, 1, COUNT, *steps, results=len(chain.outputs)).run  # pieces, past; the loops


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
        row, first = at // columns, at % columns
        i, j, at = row // middle, row % middle, at - first
        while at + first < stop:
            last = min(columns, stop - at)
{row}
{loop}
            at, first, j = at + columns, 0, j + 1
            if j == middle:
                i, j = i + 1, 0
{end}
"""
_MAP = """\
            whole, left = last - (last - first) % LANES, LANES
            for k in range(first, whole, LANES):
{steps}
            if whole < last:
                k, left = whole, last - whole
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


def source(chain: Chain, innermost: tuple[int, ...]) -> str:
    """The module that computes `chain`, where each argument that it reads has such a step in the innermost loop: 0, 1
    or -1."""
    arguments = [f"x{i}" for i in chain.reads]
    results = ["sums_of"] if chain.total else [f"y{i}" for i in range(len(chain.outputs))]
    kinds = ["floats"] * len(arguments) + ["doubles" if chain.total else "floats"] * len(results)
    arrays = [f"{name} = {kind}(block, {n})" for n, (name, kind) in enumerate(zip(arguments + results, kinds))]
    sizes_at = len(arrays)
    row, steps = [], []
    for n, (name, step) in enumerate(zip(arguments, innermost)):
        place = sizes_at + 5 + 2 * n
        row.append(f"{name}_at = i * integer(block, {place}) + j * integer(block, {place + 1})")
        if step == 0:
            row.append(f"a{name[1:]} = vbroadcast({name}, {name}_at)")
        elif step == 1:
            steps.append(f"a{name[1:]} = vheld(load_vector({name}, {name}_at + k, left, 0))")
        else:
            steps.append(f"a{name[1:]} = vheld(vload_back({name}, {name}_at - k, left))")
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
def compiled(chain: Chain, innermost: tuple[int, ...]) -> task:
    """The function of `source`, from its file."""
    text = source(chain, innermost)
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
