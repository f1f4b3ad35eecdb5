"""Einstein's sum and tensordot: what a product of arrays comes to is found once for its subscripts and shapes.

Of two arrays whose common letters are summed it is a product of matrices, with the letters that all have as its leading
axes: ab,bc->ac in any order of the letters. Where nothing is summed it is a product entry by entry, of one array a sum
and a transposition; more than two are taken in pairs, in the order that NumPy finds. What is none of these (a letter
twice in one array, sizes of 1 beside others) is NumPy's. The gradient in an array is Einstein's sum of the cotangent
and the other arrays.

Held by tests/ops/test_registry.py (orders 1 to 3), tests/ops/test_numpy.py and tests/pytorch/.
"""

import math
import string
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.autodiff.primitive import either, operation
from tinygen.kernels.array_module import xp
from tinygen.ops.linalg import _product, same_dtype
from tinygen.ops.manipulation import as_tensor, broadcast_to
from tinygen.tensor import ArrayLike, Tensor

Shapes = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=1024)
def _explicit(spec: str, shapes: Shapes) -> str:
    """The subscripts of operands and output as letters alone: ellipses and an implied output spelt out.

    Raises:
        ValueError: they do not fit arrays of such shapes.
    """
    inputs, arrow, output = spec.replace(" ", "").partition("->")
    operands = inputs.split(",")
    if len(operands) != len(shapes):
        raise ValueError(f"einsum: {spec!r} names {len(operands)} operands, {len(shapes)} were given")
    free = [c for c in string.ascii_letters if c not in spec]
    widths = [len(shape) - len(s.replace("...", "")) for s, shape in zip(operands, shapes)]
    for s, shape, width in zip(operands, shapes, widths):
        if width < 0 or (width and "..." not in s):
            raise ValueError(f"einsum: subscripts {s!r} do not fit an operand of {len(shape)} dimensions")
    dots = free[: max([w for w, s in zip(widths, operands) if "..." in s], default=0)]
    spelt = [s.replace("...", "".join(dots[len(dots) - w :])) for s, w in zip(operands, widths)]
    if arrow:
        output = output.replace("...", "".join(dots))
    else:
        counts = Counter(c for s in operands for c in s.replace("...", ""))
        output = "".join(dots) + "".join(sorted(c for c, n in counts.items() if n == 1))
    sizes: dict[str, int] = {}
    for letter, n in ((c, n) for s, shape in zip(spelt, shapes) for c, n in zip(s, shape)):
        if sizes.get(letter, 1) == 1:
            sizes[letter] = n
        elif n not in (1, sizes[letter]):
            found = " and ".join(map(str, shapes))
            raise ValueError(f"einsum: {spec!r} on shapes {found}: {letter!r} has sizes {sizes[letter]} and {n}")
    return ",".join(spelt) + "->" + output


# -- what it comes to ----------------------------------------------------------------------------------------


def _parts(spec: str) -> tuple[list[str], str]:
    inputs, _, output = spec.partition("->")
    return inputs.split(","), output


def _moved(letters: str, target: str) -> tuple[int, ...]:
    """The order of axes that brings `letters` into the order of `target`."""
    return tuple([letters.index(c) for c in target])


@lru_cache(maxsize=1024)
def _computed(spec: str, shapes: Shapes) -> Callable[[Sequence[Any]], Any]:
    """What gives the sum of arrays of these shapes."""
    inputs, output = _parts(spec)
    sizes = {c: n for s, shape in zip(inputs, shapes) for c, n in zip(s, shape)}
    plain = all(len(set(s)) == len(s) for s in (*inputs, output)) and all(
        sizes[c] == n for s, shape in zip(inputs, shapes) for c, n in zip(s, shape)
    )
    if plain and set(output) <= sizes.keys():
        if len(inputs) == 1:
            return _of_one(inputs[0], output)
        if len(inputs) == 2:
            return _of_two(inputs[0], inputs[1], output, sizes) or _by_numpy(spec, False)
        return _of_several(inputs, output, shapes)
    return _by_numpy(spec, len(inputs) > 1)


def _by_numpy(spec: str, optimize: bool) -> Callable[[Sequence[Any]], Any]:
    return lambda arrays: xp(arrays[0]).einsum(spec, *arrays, optimize=optimize)


def _of_one(letters: str, output: str) -> Callable[[Sequence[Any]], Any]:
    axes = tuple([i for i, c in enumerate(letters) if c not in output])
    order = _moved("".join(c for c in letters if c in output), output)
    if not axes:
        return lambda arrays: arrays[0].transpose(order)
    return lambda arrays: kernels.reduce_sum(arrays[0], axes, False).transpose(order)  # type: ignore[attr-defined]


def _of_two(a: str, b: str, output: str, sizes: dict[str, int]) -> Callable[[Sequence[Any]], Any] | None:
    """A product of matrices or, where nothing is summed, of entries; None where it is neither."""
    both = [c for c in a if c in b]
    lead, summed = [c for c in both if c in output], [c for c in both if c not in output]
    rows, columns = [c for c in a if c not in b], [c for c in b if c not in a]
    if not set(rows + columns) <= set(output):  # summed in one of them alone
        return None
    if not summed:
        of_a, of_b = _moved(a, [c for c in output if c in a]), _moved(b, [c for c in output if c in b])  # type: ignore[arg-type]
        wide_a = tuple([slice(None) if c in a else None for c in output])
        wide_b = tuple([slice(None) if c in b else None for c in output])
        return lambda arrays: arrays[0].transpose(of_a)[wide_a] * arrays[1].transpose(of_b)[wide_b]
    if not (rows or columns) or (lead and not (rows and columns)):
        return None
    first, second = _moved(a, "".join(lead + rows + summed)), _moved(b, "".join(lead + summed + columns))
    before, shape = tuple([sizes[c] for c in lead]), tuple([sizes[c] for c in lead + rows + columns])
    m, k, n = (math.prod([sizes[c] for c in part]) for part in (rows, summed, columns))
    order = _moved("".join(lead + rows + columns), output)
    of_a, of_b = (*before, m, k), (*before, k, n)

    def multiplied(arrays: Sequence[Any]) -> Any:
        x, y = arrays[0].transpose(first).reshape(of_a), arrays[1].transpose(second).reshape(of_b)
        made = kernels.matmul(x, y) if lead else _product(x, y)  # type: ignore[attr-defined]
        return made.reshape(shape).transpose(order)

    return multiplied


def _of_several(inputs: list[str], output: str, shapes: Shapes) -> Callable[[Sequence[Any]], Any]:
    """In pairs, one after the other, each of which leaves the letters that are asked for later."""
    holders = [np.broadcast_to(np.float32(0), shape) for shape in shapes]  # nothing looks into them
    path = np.einsum_path(",".join(inputs) + "->" + output, *holders, optimize="greedy")[0][1:]
    left, steps = list(inputs), []
    for places in path:
        taken = [left.pop(i) for i in sorted(places, reverse=True)]
        later = set("".join(left)) | set(output)
        made = "".join(dict.fromkeys(c for c in "".join(taken) if c in later)) if left else output
        left.append(made)
        steps.append((sorted(places, reverse=True), ",".join(taken) + "->" + made))

    def computed(arrays: Sequence[Any]) -> Any:
        rest = list(arrays)
        for places, spec in steps:
            rest.append(_einsum.__wrapped__([rest.pop(i) for i in places], spec))
        return rest[0]

    return computed


# -- gradients -----------------------------------------------------------------------------------------------


class _Gradient(NamedTuple):
    """The gradient in one array, as Einstein's sum of the cotangent and others."""

    others: tuple[int, ...]
    twins: tuple[int, ...]  # the axes of a letter that stood there before: its gradient lies on the diagonal, too
    spec: str
    shape: tuple[int, ...]  # with a size of 1 for what only this array has, and was summed: it is repeated along that
    whole: tuple[int, ...]


@lru_cache(maxsize=1024)
def _gradients_of(spec: str, shapes: Shapes) -> tuple[_Gradient, ...]:
    inputs, output = _parts(spec)
    found = []
    for i, (subscripts, shape) in enumerate(zip(inputs, shapes)):
        others = tuple([j for j in range(len(inputs)) if j != i])
        theirs = [inputs[j] for j in others]
        sizes = {c: n for j in others for c, n in zip(inputs[j], shapes[j]) if n > 1}
        sizes |= {c: n for s, sh in zip(inputs, shapes) for c, n in zip(s, sh) if n > 1 and c in output}
        free = [c for c in string.ascii_letters if c not in spec]
        target, twins = "", []
        for axis, c in enumerate(subscripts):
            if c in target:
                twin = free.pop()
                theirs.append(c + twin)
                twins.append(axis)
                sizes[c] = sizes[twin] = shape[axis]
            target += twin if c in target else c
        known = [c for c in target if c in output or any(c in s for s in theirs)]
        made = tuple([sizes.get(c, 1) if c in known else 1 for c in target])
        text = ",".join([output, *theirs]) + "->" + "".join(known)
        found.append(_Gradient(others, tuple(twins), text, made, tuple(map(max, made, shape))))
    return tuple(found)


def _gradients(compute: Any, repeat: Any, g: Any, arrays: Sequence[Any], spec: str) -> list[Any]:
    made = []
    for x, own in zip(arrays, _gradients_of(spec, tuple([a.shape for a in arrays]))):
        eyes = [xp(_bare(x)).eye(x.shape[axis], dtype=x.dtype) for axis in own.twins]
        y = compute([g, *[arrays[j] for j in own.others], *eyes], own.spec)
        y = y.reshape(own.shape) if y.shape != own.shape else y
        made.append(repeat(y, own.whole) if own.shape != own.whole else y)
    return made


def _bare(x: Any) -> Any:
    return x._data if isinstance(x, Tensor) else x


def _vjp(g: Tensor, arrays: list[Tensor], spec: str) -> list[Tensor]:
    return _gradients(_einsum, broadcast_to, g, arrays, spec)


def _of_arrays(g: Any, arrays: list[Tensor], spec: str) -> list[Any]:
    return _gradients(_einsum.__wrapped__, xp(g).broadcast_to, g, list(map(_bare, arrays)), spec)


@operation(arrays=either(_vjp, _of_arrays), name="einsum")
def _einsum(arrays: Any, spec: str) -> Any:
    return _computed(spec, tuple([a.shape for a in arrays]))(arrays)


# -- what users call -----------------------------------------------------------------------------------------


def einsum(spec: str, *arrays: ArrayLike) -> Tensor:
    """Einstein's sum: `einsum("bij,bjk->bik", x, y)`; letters that recur are summed unless the output names them.

    Raises:
        ValueError: subscripts that do not fit the operands.
        TypeError: dtypes that differ.
    """
    tensors = [as_tensor(a) for a in arrays]
    same_dtype("einsum", *tensors)
    return _einsum(tensors, _explicit(spec, tuple([t._data.shape for t in tensors])))


def tensordot(a: ArrayLike, b: ArrayLike, axes: Any = 2) -> Tensor:
    """The sum over pairs of axes: the last `axes` of a with the first of b, or two lists of axes."""
    a, b = as_tensor(a), as_tensor(b)
    pairs = axes if isinstance(axes, int) else (tuple(axes[0]), tuple(axes[1]))
    return einsum(_dotted(a.shape, b.shape, pairs), a, b)


@lru_cache(maxsize=1024)
def _dotted(a: tuple[int, ...], b: tuple[int, ...], axes: Any) -> str:
    """The subscripts of `tensordot`."""
    if isinstance(axes, int):
        axes = (range(len(a) - axes, len(a)), range(axes))
    if len(axes[0]) != len(axes[1]) or any(a[i] != b[j] for i, j in zip(*axes)):
        raise ValueError(
            f"tensordot: shapes {a} and {b} do not fit together: axes {list(axes[0])} of the first must have "
            f"the sizes of axes {list(axes[1])} of the second"
        )
    first, second = list(string.ascii_lowercase[: len(a)]), list(string.ascii_uppercase[: len(b)])
    for i, j in zip(*axes):
        second[j] = first[i]
    summed = {first[i] for i in axes[0]}
    return f"{''.join(first)},{''.join(second)}->{''.join([c for c in first + second if c not in summed])}"
