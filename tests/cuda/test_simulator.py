"""The simulated device does what CUDA does, and says at which line a kernel does what CUDA forbids."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from simulator import ORDERS, Fault, RawModule, needs_compiler

pytestmark = needs_compiler

ONE, WARP, BLOCK = (1,), (32,), (64,)


def compiled(bodies: Sequence[str]) -> Callable[..., None]:
    """Launches the kernel of one of these bodies, by its number; its first line is line 2 of test.cu."""
    head = '#line 1 "test.cu"\nextern "C" __global__ void kernel{}(float* y, long long n) {{\n'
    code = "".join(f"{head.format(i)}{body}\n}}\n" for i, body in enumerate(bodies))

    def run(number, *args, block=WARP, grid=ONE, order="forward", shared_mem=0):
        module = RawModule(code, next_order=lambda name: order)
        module.get_function(f"kernel{number}")(grid, block, args, shared_mem=shared_mem)

    return run


def run(body: str, *args, **launch):
    compiled([body])(0, *args, **launch)


def values(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32)


# ---- what CUDA does


def test_each_thread_of_each_block_runs_once():
    y = np.zeros(24, np.float32)
    body = "y[((blockIdx.y * gridDim.x + blockIdx.x) * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x] += n;"
    run(body, y, 5, grid=(2, 3), block=(2, 2))
    assert (y == 5).all()


@pytest.mark.parametrize("order", ORDERS)
def test_shuffles_and_votes(order):
    lanes = np.arange(32)
    expected = {
        "__shfl_sync(~0u, y[l], 3)": np.full(32, 3),
        "__shfl_xor_sync(~0u, y[l], 5)": lanes ^ 5,
        "__shfl_down_sync(~0u, y[l], 4)": np.where(lanes < 28, lanes + 4, lanes),
        "__shfl_up_sync(~0u, y[l], 4)": np.where(lanes > 3, lanes - 4, lanes),
        "__ballot_sync(~0u, l % 8 == 0)": np.full(32, 0x01010101),
        "__any_sync(~0u, l == 7) + __any_sync(~0u, l == 40)": np.ones(32),
        "__all_sync(~0u, l < 32) + __all_sync(~0u, l < 31)": np.ones(32),
    }
    launch = compiled([f"int l = threadIdx.x; y[l] = {call};" for call in expected])
    for number, (call, result) in enumerate(expected.items()):
        y = values(32)
        launch(number, y, 0, order=order)
        np.testing.assert_array_equal(y, result.astype(np.float32), call)


@pytest.mark.parametrize("order", ORDERS)
def test_barriers_order_what_threads_write_and_read(order):
    """A block reverses its numbers through static, and then through dynamic shared memory; an atomic counts."""
    body = """__shared__ float fixed[64];
      extern __shared__ float dynamic[];
      int i = threadIdx.x;
      fixed[i] = y[i];
      __syncthreads();
      dynamic[63 - i] = fixed[63 - i];
      __syncthreads();
      y[i] = dynamic[63 - i];
      atomicAdd(&y[64], 1.0f);"""
    y = np.append(values(64), 0).astype(np.float32)
    run(body, y, 0, block=BLOCK, order=order, shared_mem=256)
    np.testing.assert_array_equal(y, [*range(63, -1, -1), 64])


def test_shared_memory_starts_as_nan_in_each_block():
    y = np.zeros(2, np.float32)
    run("__shared__ float s[1]; y[blockIdx.x] = s[0]; s[0] = 1;", y, 0, block=ONE, grid=(2,))
    assert np.isnan(y).all()


def test_threads_that_have_returned_are_not_waited_for():
    y = values(32)
    run("if (threadIdx.x < 8) return; __syncthreads(); y[threadIdx.x] = 0;", y, 0)
    np.testing.assert_array_equal(y, np.where(values(32) < 8, values(32), 0))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what a process has mapped is told in /proc alone")
def test_libraries_share_the_stacks_of_their_threads():
    """A process may have 65530 mappings, a thread's stack and its guard are two, and each source is a library."""
    mappings = lambda: len(Path("/proc/self/maps").read_text().splitlines())
    run("y[threadIdx.x] = 1;", values(64), 0, block=BLOCK)
    before = mappings()
    run("y[threadIdx.x] = 2;", values(64), 0, block=BLOCK)
    assert mappings() - before < 64


# ---- what CUDA forbids

FAULTS = {
    "past the end of an array": (
        "int i = threadIdx.x;\ny[n + i] = 1;",
        r"test\.cu:3: out of bounds, in block 0,0,0 thread 0,0,0",
    ),
    "before the start of an array": (
        "int i = threadIdx.x;\nif (i == 9)\ny[i - 4000] = 1;",
        r"test\.cu:4: out of bounds",
    ),
    "a null pointer": ("float* p = nullptr;\np[threadIdx.x] = 1;", r"test\.cu:3: (out of bounds|undefined)"),
    "past the end of a shared array": (
        "__shared__ float s[8];\ns[threadIdx.x] = 1;\ny[0] = s[0];",
        r"test\.cu:3: undefined behaviour .*thread 8,0,0",
    ),
    "past the end of dynamic shared memory": (
        "extern __shared__ float s[];\ns[threadIdx.x + 1000] = 1;",
        r"test\.cu:3: out of bounds",
    ),
    "a vector at an address that is no multiple of its size": (
        "float4* p = (float4*)(y + 1);\np->x = p->y;",
        r"test\.cu:3: undefined behaviour",
    ),
    "overflow of an integer": ("int i = threadIdx.x;\ny[0] = i + 2147483647;", r"test\.cu:3: undefined behaviour"),
    "a remainder by zero": ("int d = n - 32;\ny[0] = 7 % d;", r"test\.cu:3: (undefined|division)"),
    "a barrier for some threads": (
        "if (threadIdx.x < 8)\n__syncthreads();\nelse\n__syncthreads();",
        r"test\.cu:5: threads wait at different barriers \(block 0,0,0 thread 8,0,0",
    ),
    "a barrier beside a warp operation": (
        "if (threadIdx.x < 32)\n__syncthreads();\nelse if (threadIdx.x < 60)\n__syncwarp();",
        r"test\.cu:5: deadlock in a warp operation",
    ),
    "a shuffle for some lanes": (
        "if (threadIdx.x < 16)\ny[0] = __shfl_xor_sync(~0u, 1.0f, 1);",
        r"test\.cu:3: deadlock in a warp operation",
    ),
    "a shuffle without its own lane": (
        "y[0] = __shfl_xor_sync(0xffffu, 1.0f, 1);",
        r"test\.cu:2: a lane takes part in a warp operation whose mask leaves it out",
    ),
    "a shuffle from a lane that is not there": (
        "if (threadIdx.x < 16)\ny[0] = __shfl_xor_sync(0xffffu, 1.0f, 16);",
        r"test\.cu:3: a shuffle reads from a lane that takes no part in it",
    ),
    "two different shuffles": (
        "if (threadIdx.x < 16)\ny[0] = __shfl_sync(~0u, 1.0f, 1);\nelse\ny[1] = __shfl_sync(~0u, 2.0f, 1);",
        r"test\.cu:\d: lanes of one warp meet in different operations",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_told_with_its_line(what):
    launch, number = compiled([body for body, _ in FAULTS.values()]), list(FAULTS).index(what)
    with pytest.raises(Fault, match=f"kernel{number}: {FAULTS[what][1]}"):
        launch(number, values(32), 32, block=BLOCK, shared_mem=64)
    for order in ORDERS[1:]:  # another thread, and another line, may be the first
        with pytest.raises(Fault):
            launch(number, values(32), 32, block=BLOCK, shared_mem=64, order=order)


def test_a_write_a_few_bytes_too_far_is_found():
    """30 floats end 8 bytes before the page that must not be touched: arrays on a device are aligned."""
    with pytest.raises(Fault, match="wrote beyond the end of an array"):
        run("y[n] = 1;", values(30), 30)


LAUNCHES = {
    "too few arguments": ((values(32),), {}, "takes 2 arguments, not 1"),
    "an array of another dtype": ((np.zeros(3), 3), {}, r"argument 1 is ndarray f8, the parameter is f4\*"),
    "a number of another size": ((values(32), np.int32(3)), {}, "argument 2 is int32 i4, the parameter is i8"),
    "a number for an array": ((values(32), values(1)), {}, "argument 2 is ndarray f4, the parameter is i8"),
    "an array in pieces": ((values(32)[::2], 3), {}, r"argument 1 is not contiguous: shape \(16,\), strides \(8,\)"),
    "too many threads": ((values(32), 3), {"block": (1025,)}, "1025 threads in a block; .* compiled for 1 to 1024"),
    "no block": ((values(32), 3), {"grid": (0,)}, r"the grid \(0,\) is not within"),
    "too much shared memory": ((values(32), 3), {"shared_mem": 2**18}, "262144 bytes of shared memory; a block has"),
}


@pytest.mark.parametrize("what", LAUNCHES)
def test_a_launch_that_cuda_would_not_check_is_checked(what):
    args, launch, message = LAUNCHES[what]
    with pytest.raises(Fault, match=message):
        run("y[0] = n;", *args, **launch)


def test_a_kernel_may_not_be_launched_with_more_threads_than_it_is_compiled_for():
    code = 'extern "C" __global__ void __launch_bounds__(64) kernel(float* y) { y[0] = 1; }'
    with pytest.raises(Fault, match="128 threads in a block; the kernel is compiled for 1 to 64"):
        RawModule(code).get_function("kernel")((1,), (128,), (values(1),))


def test_a_source_that_does_not_compile_and_a_kernel_that_is_not_there():
    with pytest.raises(Fault, match=r"(?s)do not compile:.*test\.cu:2"):
        run("y[0] = undeclared;", values(1), 1)
    with pytest.raises(Fault, match="there is no kernel 'other'; there are kernel"):
        RawModule('extern "C" __global__ void kernel(float* y) {}').get_function("other")
