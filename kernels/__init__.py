"""Hot paths: arrays in, arrays out. No tensors, no tape; this folder can be read, tested and used alone.

Every kernel has a *definition* in plain NumPy (`definitions/`, read it first); nearly all have a CPU version in Numba
(`cpu/`) and one in CUDA C++ (`cuda/`), for arrays in CuPy. One table, below, maps a name to the module that
holds it; `tinygen.kernels.<name>` picks the version from the array in hand. `implementation("definition")` forces the
definitions, for tests and doubt.
"""

import importlib
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .array_module import xp
from .rounding import PRECISIONS, current_precision, precision, set_precision

__all__ = ["PRECISIONS", "choose", "current_precision", "implementation", "load", "precision", "set_precision"]

# module (of the same name in definitions/ and, where there is one, in cpu/ and in cuda/) -> the kernels it holds
MODULES = {
    "convolution": ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"),
    "doubling": ("double_taps", "undouble_taps"),
    "product": ("matmul",),
    "arithmetic": ("add_to",),
    "joining": ("join", "split", "in_order"),
    "pooling": ("sum_windows", "spread_windows", "max_windows", "place_chosen"),
    "attention": ("attention", "attention_backward"),
    "normalisation": (
        "batch_norm",
        "batch_norm_backward",
        "group_norm",
        "group_norm_backward",
        "layer_norm",
        "layer_norm_backward",
        "rms_norm",
        "rms_norm_backward",
    ),
    "softmax": (
        "softmax",
        "softmax_backward",
        "log_softmax",
        "log_softmax_backward",
        "cross_entropy",
        "cross_entropy_backward",
    ),
    "elementwise": ("erf", "normal_cdf", "sigmoid", "softplus"),
    "fusion": ("fused",),
    "gamma": ("lgamma", "digamma", "polygamma"),
    "gate": ("gate", "gate_backward"),
    "rectifier": ("relu", "relu_backward", "leaky_relu", "leaky_relu_backward", "elu", "elu_backward"),
    "rows": ("take", "add_taken"),
    "select": ("select",),
    "triangle": ("triangle",),
    "division": ("floor_divide", "remainder"),
    "update": ("adam_update", "adam_update_all", "ema_update", "ema_update_all"),
    "norm": ("gradient_norm", "scale_all"),
    "codebook": ("nearest_code",),
    "reduction": ("reduce_sum", "reduce_prod", "sum_of_squares", "euclidean_norm", "reduce_max", "reduce_min"),
    "running": ("running_sum", "running_product", "products_before", "states_before"),
    "philox": ("philox_bits", "philox_uniform", "philox_normal"),
}
FOLDERS = {"definition": "definitions", "cpu": "cpu", "cuda": "cuda"}
IN_CPU, IN_CUDA = ({path.stem for path in Path(__file__).with_name(f).glob("*.py")} for f in ("cpu", "cuda"))
NAMES = {name: module for module, names in MODULES.items() for name in names}

forced: list[str] = []  # the versions that the blocks of `implementation` ask for, the innermost last


@contextmanager
def implementation(version: str) -> Iterator[None]:
    """Within the block every kernel is `version`: "definition" (NumPy), "cpu" (Numba) or "cuda" (CUDA C++)."""
    if version not in FOLDERS:
        raise ValueError(f'a kernel version is "definition", "cpu" or "cuda", not {version!r}')
    forced.append(version)
    try:
        yield
    finally:
        forced.pop()


@cache
def load(name: str, version: str, chain: Any = None) -> Callable[..., Any]:
    """The function that implements kernel `name` in `version`, "definition", "cpu" or "cuda"; imported when asked for.

    Where there is none the definition stands in: CuPy's arrays run it too. With `chain`, "fused" on the CPU for this
    one alone: of contiguous arrays of float32 and of one shape, few entries and all that it reads, it gives the result,
    or a tuple of several.
    """
    if chain is not None:
        return importlib.import_module(f"{__name__}.cpu.fusion").on_few(chain)  # type: ignore[no-any-return]
    if version != "definition" and NAMES[name] not in (IN_CUDA if version == "cuda" else IN_CPU):
        version = "definition"
    return _imported(name, version)


def _imported(name: str, version: str) -> Callable[..., Any]:
    return getattr(importlib.import_module(f"{__name__}.{FOLDERS[version]}.{NAMES[name]}"), name)


def choose(array: Any) -> str:
    """The version that serves `array`: for floating dtypes "cpu" in NumPy, "cuda" in CuPy; else "definition".

    The definition serves bfloat16 in NumPy too: computed in float32, and rounded once. Of several arrays, in a list,
    the first one chooses.
    """
    if forced:
        return forced[-1]
    if isinstance(array, np.ndarray):  # first: on tiny arrays each question costs
        return "cpu" if array.dtype.char in "fd" else "definition"
    if isinstance(array, list | tuple):
        return choose(array[0]) if array else "definition"
    return "cuda" if xp(array) is not np and array.dtype.char in "fdE" else "definition"


def _kernel(name: str) -> Callable[..., Any]:
    """What `tinygen.kernels.<name>` is until it is called: then a function with the arguments of the definition takes
    its place, which hands them on as they are. To gather them up and spread them out again takes longer than what a
    kernel does to a tiny array."""

    def first(*args: Any, **kwargs: Any) -> Any:
        globals()[name] = call = _with_the_arguments_of(_imported(name, "definition"), name)
        return call(*args, **kwargs)

    return _named(first, name)


# The usual answer of `choose`, without a call of it: that takes a tenth of a microsecond, a small sum one and a half.
_USUAL = "'cpu' if {1}type({0}) is _ndarray and {0}.dtype is _float32 and not forced else choose({2})"
_OF_SEVERAL = "type({0}) is list and {0} and "  # and then of the first one
_ndarray, _float32 = np.ndarray, np.dtype(np.float32)


def _with_the_arguments_of(definition: Callable[..., Any], name: str) -> Callable[..., Any]:
    parameters = inspect.signature(definition).parameters.values()
    plain = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    given = ", ".join([*plain, *(["*"] if keywords else []), *keywords])
    passed = ", ".join([*plain, *(f"{k}={k}" for k in keywords)])
    scope: dict[str, Any] = {}
    several = typing.get_origin(next(iter(parameters)).annotation) is Sequence
    first, before = (f"{plain[0]}[0]", _OF_SEVERAL.format(plain[0])) if several else (plain[0], "")
    version = _USUAL.format(first, before, plain[0])
    exec(f"def call({given}): return load({name!r}, {version})({passed})", globals(), scope)
    call = scope["call"]
    call.__defaults__ = tuple([p.default for p in parameters if p.name in plain and p.default is not p.empty])
    call.__kwdefaults__ = {p.name: p.default for p in parameters if p.name in keywords and p.default is not p.empty}
    return _named(call, name)


def _named(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"Kernel `{name}`; see kernels/definitions/{NAMES[name]}.py for what it computes."
    return call


for _name in NAMES:
    if NAMES[_name] not in ("philox", "fusion"):  # these take a key or a chain first: the caller chooses the version
        globals()[_name] = _kernel(_name)
