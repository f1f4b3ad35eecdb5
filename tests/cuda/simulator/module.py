"""`RawModule`: CuPy's class of that name, over the g++ build of the same source and NumPy arrays.

A launch is checked before it runs (number, types and contiguity of the arguments, size of the block), then its arrays
are copied between guarded pages, and back afterwards unless the kernel takes them as const.
"""

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ORDERS = ("forward", "reverse", "shuffled")
FLAGS = ("-std=c++17", "-g1", "-gdwarf-4", "-fno-var-tracking", "-fPIC", "-w", "-ffp-contract=off")
# Most kernels run for less time than they are compiled for: -Og, which takes a sixth less than -O1.
TRAPS = ("-Og", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-fno-crossjumping")
SANITISERS = (  # in a process of its own: see sanitised.py
    *("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fsanitize-sections=block_shared"),
    "-ftrivial-auto-var-init=pattern",  # a local variable that is read before it is written holds nonsense
)
CHECKS = SANITISERS if os.environ.get("TINYGEN_SANITISERS") else TRAPS
KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\((\d+)[^)]*\)\s+)?(\w+)\s*\(')
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(16\)\s+)?(\w+)\s+(\w+)\[\];")
INSTRUCTIONS = re.compile(r'#line 1 "ptx\.cuh"\n.*?(?=^#line |\Z)', re.DOTALL | re.MULTILINE)  # ptx.h has them instead
UNASKED_SHARED, MOST_SHARED = 48 * 1024, 227 * 1024  # bytes of dynamic shared memory that a block may have


_stacks: list[int] = []  # of the fibers, the same for all libraries


class Fault(RuntimeError):
    """What a kernel or its launch did wrong, and at which line."""


@cache
def _compiler() -> str:
    return subprocess.run(["g++", "--version"], capture_output=True, text=True).stdout


def _cached(key: str, suffix: str, *command: str, text: str | None = None) -> Path:
    """The output of a compiler, from the cache of this user where the same was compiled before."""
    folder = Path(tempfile.gettempdir()) / f"tinygen-simulator-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    sources = "".join((HERE / name).read_text() for name in ("device.h", "ptx.h", "runtime.cpp", "ptx.cpp"))
    asked = repr((_compiler(), sources, FLAGS, key, command, text))  # compiled headers are of one version alone
    asked = asked.replace(str(HERE), "")  # of every copy of the project the same
    path = folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:24]}{suffix}"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.part")
        run = subprocess.run(["g++", *FLAGS, *command, "-o", str(partial)], input=text, text=True, capture_output=True)
        if run.returncode:
            raise Fault(f"{key} do not compile:\n{run.stderr[:4000]}")
        os.replace(partial, path)
    return path


@cache
def _library(code: str) -> tuple[ctypes.CDLL, Path, dict[str, int]]:
    """The compiled source, the file it is in, and the kernels with the size of block that they are compiled for."""
    code = INSTRUCTIONS.sub("", code)
    expanded = _cached("the kernels", ".ii", "-E", "-P", "-x", "c++", "-", text=code).read_text()
    bounds = {name: int(bound or 1024) for bound, name in KERNEL.findall(expanded)}
    source = DYNAMIC.sub(r"\1* \2 = reinterpret_cast<\1*>(simulator::dynamic_shared);", code)
    source += "".join(f"\nEXPORT({name})" for name in bounds)
    runtime = _cached("the fibers", ".o", "-O2", "-c", str(HERE / "runtime.cpp"))
    instructions = _cached("the instructions", ".o", "-O3", "-c", str(HERE / "ptx.cpp"))
    header = _cached("the headers", ".h.gch", *CHECKS, "-x", "c++-header", str(HERE / "ptx.h")).with_suffix("")
    include = ("-include", str(header), "-x", "c++", "-", "-x", "none", str(runtime), str(instructions))
    path = _cached("the kernels", ".so", "-shared", *CHECKS, *include, text=source)
    library = ctypes.CDLL(str(path))
    library.simulator_launch.restype = ctypes.c_char_p
    library.simulator_allocate.restype = ctypes.c_void_p
    library.simulator_free.restype = ctypes.c_bool
    library.simulator_share_stacks.restype = ctypes.c_void_p
    _stacks.append(library.simulator_share_stacks(ctypes.c_void_p(_stacks[0] if _stacks else None)))
    return library, path, bounds


class RawModule:
    """The kernels of a CUDA source (one text, nothing included), as `cupy.RawModule` gives them.

    Args:
        options: as for NVRTC; g++ is told the definitions (`-D...`).
        next_order: told the kernel at each launch, it gives one of `ORDERS`.
    """

    def __init__(self, code: str, options: Sequence[str] = (), next_order: Callable[[str], str] | None = None):
        definitions = [option[2:].partition("=") for option in options if option.startswith("-D")]
        # Not as options: the headers, compiled once for all kernels, must not know of them.
        defined = "".join(f"#define {name} {value}\n" for name, _, value in definitions)
        self._library, self._path, self._bounds = _library(f"{defined}#line 1\n{code}")
        self._next_order = next_order or (lambda name: ORDERS[0])

    def get_function(self, name: str) -> Callable[..., None]:
        """The kernel as a function of (grid, block, args, shared_mem=0), with CuPy's attribute for much of that."""
        if name not in self._bounds:
            raise Fault(f"there is no kernel {name!r}; there are {', '.join(self._bounds)}")
        describe = getattr(self._library, f"parameters_{name}")
        describe.restype = ctypes.c_char_p
        parameters = describe().decode().split(",")[:-1]

        def run(grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any], shared_mem: int = 0) -> None:
            try:
                self._check_sizes(name, grid, block, shared_mem, run.max_dynamic_shared_size_bytes)
                _check(parameters, args)
                self._run(name, grid, block, args, parameters, shared_mem)
            except Fault as fault:
                raise Fault(f"{name}: {fault}") from None

        run.max_dynamic_shared_size_bytes = UNASKED_SHARED
        return run

    def _check_sizes(
        self, name: str, grid: tuple[int, ...], block: tuple[int, ...], shared_mem: int, asked: int
    ) -> None:
        threads = int(np.prod(block))
        if not 1 <= threads <= self._bounds[name]:
            raise Fault(f"{threads} threads in a block; the kernel is compiled for 1 to {self._bounds[name]}")
        limits = (2**31 - 1, 65535, 65535)
        if any(not 1 <= size <= limit for size, limit in zip(grid, limits)):
            raise Fault(f"the grid {grid} is not within 1 and {limits}")
        if max(shared_mem, asked) > MOST_SHARED:
            raise Fault(f"{max(shared_mem, asked)} bytes of shared memory; a block has {MOST_SHARED}")
        if shared_mem > asked:
            raise Fault(f"{shared_mem} bytes of shared memory; the kernel has not asked for more than {asked}")

    def _run(self, name: str, grid: Any, block: Any, args: Any, parameters: list[str], shared_mem: int) -> None:
        order = ORDERS.index(self._next_order(name))
        memory = _Memory(self._library, against_first=ORDERS[order] == "reverse")
        values = [memory.put(p, value) for p, value in zip(parameters, args)]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        sizes = [(ctypes.c_uint * 3)(*(*size, 1, 1)[:3]) for size in (grid, block)]
        shared = memory.allocate(shared_mem)
        self._library.simulator_set_shared(ctypes.c_void_p(shared))
        call = getattr(self._library, f"call_{name}")
        failure = self._library.simulator_launch(call, pointers, *sizes, ctypes.c_size_t(shared_mem), order)
        untouched = memory.take_back()
        if failure:
            raise Fault(f"{self._located(failure.decode())}, threads in {ORDERS[order]} order")
        if not untouched:
            raise Fault("wrote beyond the end of an array")

    def _located(self, failure: str) -> str:
        """The message of a signal, with the line of source in place of the address of its instruction."""
        if not failure.startswith("@"):
            return failure
        address, _, what = failure[1:].partition(": ")
        command = ["addr2line", "-i", "-e", str(self._path), f"0x{address}"]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.split("\n")
        inside = [Path(line.split(" ")[0]).name for line in lines if ".cu" in line]
        return f"{', called from '.join(inside) or 'at a line that is not known'}: {what}"


def _check(parameters: list[str], args: Sequence[Any]) -> None:
    """What CUDA does not check, and goes wrong there."""
    if len(args) != len(parameters):
        raise Fault(f"takes {len(parameters)} arguments, not {len(args)}")
    for number, (parameter, value) in enumerate(zip(parameters, args), 1):
        found = _kind(value)
        wanted = parameter.removeprefix("const ").removesuffix("*")
        if parameter.endswith("*"):
            fits = (isinstance(value, int) and value == 0) or (
                isinstance(value, np.ndarray) and (found == wanted or wanted.startswith("s"))
            )
        else:
            fits = found == wanted and not isinstance(value, np.ndarray)
        if not fits:
            raise Fault(f"argument {number} is {type(value).__name__} {found}, the parameter is {parameter}")
        if isinstance(value, np.ndarray) and not value.flags.c_contiguous:
            raise Fault(f"argument {number} is not contiguous: shape {value.shape}, strides {value.strides}")


def _kind(value: Any) -> str:
    """As `parameter` of device.h writes it; CuPy passes Python's int as 8 bytes and float as double."""
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str[1:]
    return {bool: "b1", int: "i8", float: "f8"}[type(value)]


class _Memory:
    """The arguments of one launch as the kernel sees them."""

    def __init__(self, library: ctypes.CDLL, against_first: bool) -> None:
        self._library, self._against_first = library, against_first
        self._arrays: dict[tuple[int, int], tuple[int, np.ndarray, bool]] = {}
        self._all: list[int] = []

    def allocate(self, size: int) -> int:
        self._all.append(self._library.simulator_allocate(ctypes.c_size_t(size), self._against_first))
        return self._all[-1]

    def put(self, parameter: str, value: Any) -> Any:
        """The C value of an argument; an array is copied, one that comes twice only once."""
        if not isinstance(value, np.ndarray):
            if isinstance(value, np.generic):
                return (ctypes.c_char * value.itemsize).from_buffer_copy(value.tobytes())
            return {bool: ctypes.c_bool, int: ctypes.c_int64, float: ctypes.c_double}[type(value)](value)
        key = (value.ctypes.data, value.nbytes)
        written = not parameter.startswith("const ")
        if key not in self._arrays:
            address = self.allocate(value.nbytes)
            ctypes.memmove(address, value.ctypes.data, value.nbytes)
            self._arrays[key] = (address, value, False)
        address, _, before = self._arrays[key]
        self._arrays[key] = (address, value, before or written)
        return ctypes.c_void_p(address)

    def take_back(self) -> bool:
        """Copies back what may have been written, frees all; whether the bytes around the arrays are untouched."""
        for address, array, written in self._arrays.values():
            if written:
                ctypes.memmove(array.ctypes.data, address, array.nbytes)
        untouched = [self._library.simulator_free(ctypes.c_void_p(address)) for address in self._all]
        return all(untouched)
