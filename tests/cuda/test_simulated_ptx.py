"""The simulated instructions of ptx.cuh do what NVIDIA says of the real ones; with a GPU, so do the real ones.

Fragments: PTX ISA, "Matrix Fragments for mma.m16n8k8" and "... for mma.m16n8k16". Copies: PTX ISA, "cp.async".
"""

import re

import numpy as np
import pytest
from simulator import ORDERS, Fault, RawModule, needs_compiler
from simulator.module import HERE

from tinygen.device import cuda_status
from tinygen.kernels.array_module import bfloat16
from tinygen.kernels.cuda import launch

WORKS, REASON = cuda_status()
DEVICES = [
    *(pytest.param(order, marks=needs_compiler) for order in ORDERS),
    pytest.param("gpu", marks=[pytest.mark.gpu, pytest.mark.skipif(not WORKS, reason=REASON)]),
]
HEADER = launch._flat("ptx.cuh", set())


def run(kernel, *arrays, device="forward", block=32, shared=0):
    """Launches `kernel`, whose first line is line 1 of test.cu, on one block."""
    source = f'{HEADER}\n#line 1 "test.cu"\nextern "C" __global__ void kernel{kernel}'
    if device != "gpu":
        module = RawModule(source, next_order=lambda name: device)
        return module.get_function("kernel")((1,), (block,), arrays, shared_mem=shared)
    import cupy

    there = [cupy.asarray(a) for a in arrays]
    cupy.RawModule(code=source, options=("--std=c++17",)).get_function("kernel")(
        (1,), (block,), tuple(there), shared_mem=shared
    )
    for a, b in zip(arrays, there):
        a[...] = b.get()
    return None


def test_every_instruction_has_a_counterpart():
    names = re.compile(r"^(?:__device__ __forceinline__|inline\b.*?)\s+(?:void|unsigned) (\w+)\(", re.M)
    real = set(names.findall((launch.HERE / "ptx.cuh").read_text()))
    assert real - {"shared_address"} == set(names.findall((HERE / "ptx.h").read_text()))
    assert {"mma_tf32", "mma_bf16", "load_matrices", "copy_async"} < real


# ---- products

LANES = np.arange(32)
GROUP, MEMBER = LANES // 4, LANES % 4
PRODUCT = """(const unsigned* a, const unsigned* b, float* d) {
  int l = threadIdx.x;
  unsigned left[4] = {a[4 * l], a[4 * l + 1], a[4 * l + 2], a[4 * l + 3]}, right[2] = {b[2 * l], b[2 * l + 1]};
  float sum[4] = {d[4 * l], d[4 * l + 1], d[4 * l + 2], d[4 * l + 3]};
  mma_KIND(sum, left, right);
  for (int i = 0; i < 4; i++) d[4 * l + i] = sum[i];
}"""


def tf32_fragments(a, b):
    """Elements a0 ... a3 and b0, b1 of each lane, as the PTX ISA numbers them."""
    rows = [GROUP + 8 * (i in (1, 3)) for i in range(4)]
    columns = [MEMBER + 4 * (i in (2, 3)) for i in range(4)]
    left = np.stack([a[r, c] for r, c in zip(rows, columns)], axis=1)
    right = np.stack([b[MEMBER + 4 * i, GROUP] for i in range(2)], axis=1)
    return left.astype(np.float32).view(np.uint32), right.astype(np.float32).view(np.uint32)


def bf16_fragments(a, b):
    """Elements a0 ... a7 and b0 ... b3 of each lane, two to a register, the one of lower number in the lower half."""
    rows = [GROUP + 8 * (i in (2, 3, 6, 7)) for i in range(8)]
    columns = [2 * MEMBER + i % 2 + 8 * (i >= 4) for i in range(8)]
    left = np.stack([a[r, c] for r, c in zip(rows, columns)], axis=1)
    right = np.stack([b[2 * MEMBER + i % 2 + 8 * (i >= 2), GROUP] for i in range(4)], axis=1)
    return left.astype(bfloat16()).view(np.uint32), right.astype(bfloat16()).view(np.uint32)


def sums(d):
    """D (16, 8) of c0 ... c3 of each lane."""
    whole = np.zeros((16, 8), np.float32)
    for i in range(4):
        whole[GROUP + 8 * (i >= 2), 2 * MEMBER + i % 2] = d[:, i]
    return whole


KINDS = {"tf32": (8, tf32_fragments), "bf16": (16, bf16_fragments)}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_warp_multiplies_and_adds(kind, device):
    depth, fragments = KINDS[kind]
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 10, (16, depth)), rng.integers(-9, 10, (depth, 8))  # whole numbers: nothing is rounded
    d = np.ones((32, 4), np.float32)
    run(PRODUCT.replace("KIND", kind), *fragments(a, b), d, device=device)
    np.testing.assert_array_equal(sums(d), a @ b + 1)


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_beyond_tf32_is_ignored_and_sums_are_cut_off(device):
    a, b = np.zeros((16, 8)), np.zeros((8, 8))
    a[:, 0], b[0] = 1 + 2.0**-10 + 2.0**-11, 1  # half a unit too many: it is not rounded up
    d = np.ones((32, 4), np.float32)
    run(PRODUCT.replace("KIND", "tf32"), *tf32_fragments(a, b), d, device=device)
    np.testing.assert_array_equal(d, np.float32(2 + 2.0**-10))
    a[:, 0], b[0] = 1, 2.0**-24 + 2.0**-25  # 1 + that is nearer to the next number
    d = np.ones((32, 4), np.float32)
    run(PRODUCT.replace("KIND", "tf32"), *tf32_fragments(a, b), d, device=device)
    np.testing.assert_array_equal(d, np.float32(1))


@needs_compiler
def test_all_lanes_must_come():
    kernel = """(float* d) {
      unsigned a[4] = {}, b[2] = {};
      float sum[4] = {};
      if (threadIdx.x < 31)
        mma_tf32(sum, a, b);
    }"""
    with pytest.raises(Fault, match=r"test\.cu:5: deadlock in a warp operation"):
        run(kernel, np.zeros(1, np.float32))


# ---- matrices

MATRICES = """(const unsigned short* x, unsigned* y) {
  extern __shared__ __align__(16) short s[];
  for (int i = threadIdx.x; i < 8 * 8 * COUNT; i += 32) s[i] = x[i];
  __syncthreads();
  unsigned r[COUNT];
  load_matrices<TRANSPOSED>(r, s + 8 * (threadIdx.x % (8 * COUNT)));
  for (int q = 0; q < COUNT; q++) y[COUNT * threadIdx.x + q] = r[q];
}"""


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("transposed", ["false", "true"])
def test_matrices_are_loaded_as_fragments(transposed, count, device):
    """PTX ISA, "Matrix fragment of ldmatrix": lane l has elements 2 (l % 4) and the next of row l / 4."""
    x = np.arange(64 * count, dtype=np.uint16).reshape(count, 8, 8)
    y = np.zeros((32, count), np.uint32)
    run(
        MATRICES.replace("COUNT", str(count)).replace("TRANSPOSED", transposed), x, y, device=device, shared=128 * count
    )
    expected = x.swapaxes(1, 2) if transposed == "true" else x
    for half in range(2):
        np.testing.assert_array_equal(y >> 16 * half & 0xFFFF, expected[:, GROUP, 2 * MEMBER + half].T)


@needs_compiler
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("s + 8 * l + 1", "a row of a matrix at no multiple of 16"),
        ("(short*)y", "a row of a matrix that is not in shared"),
    ],
)
def test_rows_of_matrices_that_cannot_be_loaded(row, message):
    kernel = f"""(float* y) {{
      extern __shared__ __align__(16) short s[];
      int l = threadIdx.x % 8;
      unsigned r[4];
      load_matrices<false>(r, {row});
    }}"""
    with pytest.raises(Fault, match=rf"test\.cu:5: {message}"):
        run(kernel, np.zeros(32, np.float32), shared=256)


# ---- rounding


@pytest.mark.parametrize("device", DEVICES)
def test_rounding(device):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**32, 6000, np.uint32).view(np.float32)
    ties = (np.arange(2000, dtype=np.uint32) * 0x80000 + 0x1000).view(np.float32)
    x = np.concatenate([x, ties, np.float32([0, -0.0, np.inf, -np.inf, np.nan, 1, 3.4e38, 1e-40])]).astype(np.float32)
    tf32, halves = np.zeros(len(x), np.uint32), np.zeros(len(x), np.uint32)
    kernel = """(const float* x, unsigned* tf32, unsigned* halves, const int* n) {
      for (int i = threadIdx.x; i < *n; i += 32) {
        tf32[i] = round_to_tf32(x[i]);
        halves[i] = pack_bf16(x[i], 1);
      }
    }"""
    run(kernel, x, tf32, halves, np.array([len(x)], np.int32), device=device)
    finite = np.isfinite(x)
    bits = x.view(np.uint32)[finite]
    away = (bits & 0x7FFFE000) + (0x2000 * (bits >> 12 & 1)) | bits & 0x80000000
    np.testing.assert_array_equal(tf32[finite] & ~np.uint32(0x1FFF), away)
    others = (tf32 & ~np.uint32(0x1FFF)).view(np.float32)[~finite]
    np.testing.assert_array_equal(others, x[~finite])
    assert (halves >> 16 == 0x3F80).all()
    rounded = (halves & 0xFFFF).astype(np.uint16).view(bfloat16()).astype(np.float32)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(rounded, x.astype(bfloat16()).astype(np.float32))


# ---- copies

COPY = """(float* y, const float* x) {
  extern __shared__ __align__(16) float s[];
  int i = threadIdx.x;
  COPIES
  y[i] = s[i];
}"""


def copied(copies, *, x=None, device="forward", threads=32):
    x = np.arange(2 * threads, dtype=np.float32) if x is None else x
    y = np.zeros(threads, np.float32)
    run(COPY.replace("COPIES", copies), y, x, device=device, block=threads, shared=8 * threads)
    return y


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [4, 8, 16])
def test_copies_of_each_size_and_zeros(size, device):
    n = size // 4
    copies = f"""if (i % {n} == 0) copy_async<{size}>(s + i, x + 32 + i, i < 16);
      commit_copies();
      wait_for_copies<0>();
      __syncthreads();"""
    np.testing.assert_array_equal(copied(copies, device=device), np.where(LANES < 16, LANES + 32, 0))


@pytest.mark.parametrize("device", DEVICES)
def test_the_newest_groups_are_not_waited_for_and_empty_ones_count(device):
    copies = """copy_async<4>(s + i, x + i, true);
      commit_copies();
      copy_async<4>(s + 32 + i, x + i, true);
      commit_copies();
      commit_copies();
      wait_for_copies<2>();
      __syncthreads();"""
    np.testing.assert_array_equal(copied(copies, device=device), LANES)


TOO_EARLY = {
    "no wait": "commit_copies();",
    "no group": "wait_for_copies<0>();",
    "one group too few": "commit_copies(); wait_for_copies<1>();",
}


@needs_compiler
@pytest.mark.parametrize("what", TOO_EARLY)
def test_what_is_read_before_it_is_waited_for_is_nan(what):
    assert np.isnan(copied(f"copy_async<4>(s + i, x + i, true); {TOO_EARLY[what]}")).all()


@needs_compiler
def test_a_wait_is_for_the_thread_s_own_copies():
    copies = "copy_async<4>(s + 31 - i, x + i, true); commit_copies(); wait_for_copies<0>();"
    for order in ORDERS:
        assert np.isnan(copied(copies, device=order)).any()
        assert not np.isnan(copied(f"{copies} __syncthreads();", device=order)).any()


FAULTS = {
    "a source that is no multiple of its size": ("copy_async<16>(s, x + 2, true);", "no multiple of its size"),
    "a target that is no multiple of its size": ("copy_async<8>(s + 1, x, true);", "no multiple of its size"),
    "a target that is not shared": ("copy_async<4>(y, x, true);", "a copy to what is not shared memory"),
    "a target beyond the block's": ("copy_async<4>(s + 64, x, true);", "a copy to what is not shared memory"),
    "a source out of bounds": ("copy_async<4>(s + i, x + 4000, true);", "out of bounds"),
}


@needs_compiler
@pytest.mark.parametrize("what", FAULTS)
def test_a_faulty_copy_is_told_with_its_line(what):
    copies, message = FAULTS[what]
    with pytest.raises(Fault, match=rf"test\.cu:4: .*{message}"):
        copied(copies)


@needs_compiler
def test_zeros_are_brought_without_reading():
    copies = "copy_async<4>(s + i, x + 4000000, false); commit_copies(); wait_for_copies<0>();"
    assert (copied(copies) == 0).all()


# ---- shared memory that has to be asked for


@needs_compiler
def test_more_than_48_kib_of_shared_memory_is_asked_for():
    kernel = RawModule('extern "C" __global__ void kernel(float* y) {}').get_function("kernel")
    y = np.zeros(1, np.float32)
    kernel((1,), (1,), (y,), shared_mem=48 * 1024)
    with pytest.raises(Fault, match="65536 bytes of shared memory; the kernel has not asked for more than 49152"):
        kernel((1,), (1,), (y,), shared_mem=64 * 1024)
    kernel.max_dynamic_shared_size_bytes = 64 * 1024
    kernel((1,), (1,), (y,), shared_mem=64 * 1024)
    kernel.max_dynamic_shared_size_bytes = 256 * 1024
    with pytest.raises(Fault, match="262144 bytes of shared memory; a block has 232448"):
        kernel((1,), (1,), (y,), shared_mem=64 * 1024)
