"""Every CUDA source compiles for A100 and H100/H200 without a GPU, and keeps within its budget of registers and spills.

A multiprocessor of either has 65536 registers: with 80 for each it runs 768 threads at once. Local memory (spilled
registers, arrays with an index that is not known) goes out to the card's memory: there is none.
"""

import numpy as np
import offline
import pytest
from offline import Usage

from tinygen.kernels.array_module import bfloat16
from tinygen.kernels.cuda import launch

needs_compiler = pytest.mark.skipif(
    offline.compiler() is None, reason="neither NVRTC (pip install nvidia-cuda-nvrtc) nor nvcc is here"
)
# those over gemm.cuh are compiled with constants of their own: test_offline_gemm.py
FILES = sorted(path.stem for path in launch.HERE.glob("*.cu") if '"gemm.cuh"' not in launch.source(path.stem))
ARCHITECTURES = (80, 90)
REGISTERS, SHARED = 80, 4096
# kernels that are given more, and why
BUDGETS = {  # two tiles of 16 KiB, and up to four slices of rows in the registers of a thread
    name: Usage(128, 32768, 0) for name in ("attention", "backward_queries", "backward_keys")
}
BUDGETS["nearest_code"] = Usage(REGISTERS, 6144, 0)  # numbers of 16 vectors and 64 codes, in double
BUDGETS["transpose"] = Usage(REGISTERS, 8448, 0)  # 32 x 33 numbers
CONSTANTS = {"convolution_few": {"COLUMNS": 4}}  # names that a file is compiled with


@needs_compiler
@pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64"), bfloat16()], ids=str)
@pytest.mark.parametrize("file", FILES)
def test_every_kernel_keeps_within_its_budget(file, dtype):
    for arch in ARCHITECTURES if dtype.kind == "f" else ARCHITECTURES[-1:]:
        kernels = offline.usage(launch.source(file), launch.options(file, dtype, CONSTANTS.get(file)), arch)
        assert kernels
        for name, used in kernels.items():
            budget = BUDGETS.get(name, Usage(REGISTERS, SHARED, 0))
            assert used.local <= budget.local, f"{name}, sm_{arch}: {used.local} bytes of local memory"
            assert used.registers <= budget.registers, f"{name}, sm_{arch}: {used.registers} registers"
            assert used.shared <= budget.shared, f"{name}, sm_{arch}: {used.shared} bytes of shared memory"


@needs_compiler
def test_philox_is_compiled_without_fused_multiply_add():
    """Or its bits would not be the CPU's. Without the option the compiler does fuse: the check can fail."""
    options = launch.options("philox", "float64")
    assert "fma." not in offline.ptx(launch.source("philox"), options, 90)
    assert "fma." in offline.ptx(launch.source("philox"), tuple(o for o in options if "fmad" not in o), 90)


@needs_compiler
def test_what_is_over_budget_or_does_not_compile_is_seen():
    spilling = """extern "C" __global__ void __launch_bounds__(1024, 2) greedy(float* x) {
        __shared__ float s[1000];
        float a[64];
        for (int i = 0; i < 64; i++) a[i] = x[i * 1024 + threadIdx.x];
        s[threadIdx.x % 1000] = a[3];
        __syncthreads();
        for (int k = 0; k < 9; k++)
            for (int i = 0; i < 64; i++) a[i] = a[i] * a[(i * 7 + 1) % 64] + s[i + k];
        for (int i = 0; i < 64; i++) x[i * 1024 + threadIdx.x] = a[i];
    }"""
    used = offline.usage(spilling, ("--std=c++17",), 90)["greedy"]
    assert used.registers == 32
    assert used.local > 0
    assert used.shared == 4000
    with pytest.raises(ValueError, match="undeclared"):
        offline.usage('extern "C" __global__ void k(float* x) { x[0] = undeclared; }', ("--std=c++17",), 90)
