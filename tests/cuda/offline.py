"""CUDA sources compiled for a card that is not here: by NVRTC, as CuPy does, or by nvcc. Neither needs a driver.

What a compiler said of a source is kept in this user's temporary folder, by the text and the options.
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """What a kernel takes: registers and bytes of slow local memory a thread, bytes of shared memory a block."""

    registers: int
    shared: int
    local: int


@cache
def nvrtc() -> ctypes.CDLL | None:
    """NVIDIA's library for compiling at run time, from the wheel `nvidia-cuda-nvrtc` or the system; None without."""
    wheels = Path(sysconfig.get_path("platlib"), "nvidia").glob("*/lib/libnvrtc.so.*")
    for name in (*map(str, wheels), "libnvrtc.so"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def compiler() -> str | None:
    """The name of the compiler that is here, or None."""
    return "nvrtc" if nvrtc() else "nvcc" if shutil.which("nvcc") else None


def usage(source: str, options: tuple[str, ...], arch: int) -> dict[str, Usage]:
    """What each kernel of the source takes on cards of compute capability `arch` (80: A100, 90: H100, H200).

    Raises:
        ValueError: it does not compile; what the compiler said.
    """
    log = _remembered("log", source, (*options, f"sm_{arch}"))
    found = {}
    for part in log.split("Compiling entry function '")[1:]:
        number = lambda pattern, part=part: sum(map(int, re.findall(pattern, part)))
        local = number(r"(\d+) bytes stack frame") + number(r"(\d+) bytes spill")
        found[part.split("'")[0]] = Usage(number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"), local)
    return found


def ptx(source: str, options: tuple[str, ...], arch: int) -> str:
    """The virtual assembly of the source."""
    return _remembered("ptx", source, (*options, f"compute_{arch}"))


def _remembered(what: str, source: str, options: tuple[str, ...]) -> str:
    run = _by_nvrtc if nvrtc() else _by_nvcc
    digest = hashlib.sha256(repr((run.__name__, what, source, options)).encode()).hexdigest()[:24]
    path = Path(tempfile.gettempdir()) / f"tinygen-offline-{Path.home().name}" / f"{digest}.txt"
    if not path.exists():
        text = run(what, source, options)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        partial.write_text(text)
        os.replace(partial, path)
    return path.read_text()


def _by_nvcc(what: str, source: str, options: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "source.cu")
        path.write_text(source)
        output = Path(folder, "output")
        form = ("-ptx",) if what == "ptx" else ("-cubin", "-Xptxas", "-v")
        command = ["nvcc", *options[:-1], f"-arch={options[-1]}", *form, str(path), "-o", str(output)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise ValueError(run.stdout + run.stderr)
        return output.read_text() if what == "ptx" else run.stdout + run.stderr


def _by_nvrtc(what: str, source: str, options: tuple[str, ...]) -> str:
    library, program = nvrtc(), ctypes.c_void_p()
    assert library is not None
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"source.cu", 0, None, None)
    arguments = [*options[:-1], f"--gpu-architecture={options[-1]}"]
    if what == "log":
        arguments.append("--ptxas-options=-v")
    failed = library.nvrtcCompileProgram(program, len(arguments), _strings(arguments))
    text = _text(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program)
    if not failed and what == "ptx":
        text = _text(library.nvrtcGetPTXSize, library.nvrtcGetPTX, program)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise ValueError(text)
    return text


def _strings(values: list[str]) -> ctypes.Array:
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


def _text(size: ctypes._CFuncPtr, get: ctypes._CFuncPtr, program: ctypes.c_void_p) -> str:
    length = ctypes.c_size_t()
    size(program, ctypes.byref(length))
    buffer = ctypes.create_string_buffer(length.value)
    get(program, buffer)
    return buffer.value.decode(errors="replace")
