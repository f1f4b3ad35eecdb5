"""What the figures were measured on, and whether anything else was running meanwhile (Linux; elsewhere unknown)."""

import hashlib
import os
import platform
import re
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from tinygen import kernels

STAT = Path("/proc/stat")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def description(threads: int) -> dict[str, str]:
    """Processor, cores, threads, system, the day, versions: what a figure has to be quoted with."""
    versions = {}
    for name in ("tinygen", "numpy", "numba", "torch", "jax"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "threads": str(threads),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "precision": "float32",
        "date": datetime.now(UTC).date().isoformat(),
        **versions,
    }


def code() -> str:
    """A digest of the package as it is, kernels and all: one version has many while it is worked on."""
    package = Path(__file__).parents[1]
    folders = {package.resolve(), Path(kernels.__file__).parent.resolve()}
    files = sorted(file for folder in folders for kind in ("py", "cu", "cuh") for file in folder.rglob(f"*.{kind}"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def of_cupy() -> dict[str, str]:
    """The GPU that CuPy sees, its driver, and the CUDA that CuPy brings."""
    import cupy

    runtime = cupy.cuda.runtime
    driver = Path("/proc/driver/nvidia/version")
    try:
        version = re.search(r"Kernel Module.*?(\d+\.[\d.]+)", driver.read_text())
    except OSError:
        version = None
    return {
        "GPU": runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode(),
        "driver": version[1] if version else f"of CUDA {_dotted(runtime.driverGetVersion())}",
        "CUDA": _dotted(runtime.runtimeGetVersion()),
        "cupy": cupy.__version__,
    }


def _dotted(version: int) -> str:
    """13020 as 13.2."""
    return f"{version // 1000}.{version % 1000 // 10}"


def processor() -> str:
    """The processor's name, as the system tells it, and the widest vectors that it has."""
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:
        told = ""
    name = re.search(r"^model name\s*:\s*(.*)$", told, re.M)
    widest = [vectors for flag, vectors in {"avx512f": "AVX-512", "avx2": "AVX2"}.items() if f" {flag}" in told]
    return " with ".join([name[1].strip() if name else platform.processor() or platform.machine(), *widest[:1]])


def busy_seconds() -> float | None:
    """CPU seconds spent so far by everything on this machine, stolen ones counted twice; None where unknown."""
    try:
        values = [int(v) for v in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    user, nice, system, _, _, interrupt, soft, stolen = values
    return (user + nice + system + interrupt + soft + 2 * stolen) / TICKS


def wait_for_quiet(limit: float = 3.0) -> bool:
    """Waits until the machine does nothing for 40 ms, at most `limit` seconds; whether it came to that."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(0.04)
        after = busy_seconds()
        if before is None or after is None or after - before <= 1 / TICKS:
            return True
    return False
