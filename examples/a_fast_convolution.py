# %% [markdown]
# # How a 3x3 convolution runs, and why it is fast
#
# `F.conv2d` is an operation (tinygen/ops/convolution.py): a forward and two gradients, all three of them kernels. On
# the CPU, `kernels.conv2d` is kernels/cpu/convolution.py, which chooses an algorithm by the shapes. This lesson walks
# from the definition to what is chosen for a 3x3 kernel at stride 1, and measures each step on the way. One
# floating-point operation (FLOP) is an addition or a multiplication; a convolution of N images to H W pixels costs 2 N
# H W K C 9.

# %%
import time

import numpy as np
from numba import njit

from tinygen.kernels.cpu import convolution_direct as direct
from tinygen.kernels.cpu import convolution_winograd as winograd
from tinygen.kernels.cpu.convolution_layout import forward_axis
from tinygen.kernels.cpu.cook_toom import TILE, matrices
from tinygen.kernels.cpu.gemm import ROWS, WIDEST
from tinygen.kernels.cpu.product import matmul
from tinygen.kernels.cpu.simd import FASTMATH, LANES, REGISTERS, vfma, vload, vsum, vzero
from tinygen.kernels.cpu.threads import thread_count
from tinygen.kernels.definitions import convolution as definition

rng = np.random.default_rng(0)
N, C, K, SIDE = 16, 64, 64, 28
FLOP = 2 * N * SIDE * SIDE * K * C * 9
x = rng.normal(size=(N, SIDE, SIDE, C)).astype(np.float32)  # NHWC: the channels of a pixel lie side by side
w = (rng.normal(size=(K, C, 3, 3)) / np.sqrt(9 * C)).astype(np.float32)


def seconds(work, repeats=5):
    """The least of several times: what nothing else disturbed. The first call compiles."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def report(name, flop, work):
    t = seconds(work)
    print(f"{name:44} {1e3 * t:8.2f} ms {flop / t / 1e9:8.1f} GFLOP/s")


print(f"vectors of {LANES} floats, {REGISTERS} of them in registers, {thread_count()} threads")

# %% [markdown]
# ## The definition
#
# One product of matrices for each of the 9 taps, added up in NumPy. It is to be read, and to be equalled.

# %%
images = x.transpose(0, 3, 1, 2)
exact = definition.conv2d(images.astype(np.float64), w.astype(np.float64), None, padding=(1, 1))
report("the definition, in NumPy", FLOP, lambda: definition.conv2d(images, w, None, padding=(1, 1)))

# %% [markdown]
# ## A vector is a value
#
# A processor adds and multiplies 4, 8 or 16 floats in one instruction. Numba leaves it to the compiler to find that
# out; kernels/cpu/simd.py makes it explicit: a vector is a value that functions take and return, and `vfma(a, b, c)` is
# a b + c in each lane. The code below is compiled to one load and one fused multiply-add for each `LANES` entries.


# %%
@njit(fastmath=FASTMATH)
def dot(a, b):
    total = vzero()
    for i in range(0, a.size, LANES):
        total = vfma(vload(a, i), vload(b, i), total)
    return vsum(total)


a, b = x.reshape(-1)[: 64 * LANES], x.reshape(-1)[-64 * LANES :]
assert abs(dot(a, b) - a @ b) < 1e-3 * np.sqrt(a.size)

# %% [markdown]
# ## Registers are the first cache
#
# That loop does one multiply-add for two loads, and each waits for the one before. A product of matrices can do better:
# keep a tile of R rows and V vectors of the result in registers. For each step along the inner dimension load V vectors
# of B and R numbers of A, and do R V multiply-adds, none of which waits for another. kernels/cpu/gemm.py builds this
# microkernel for each V from a Python loop.

# %%
for vectors, rows in ROWS.items():
    if vectors <= WIDEST:
        held = rows * vectors + vectors + 1
        print(f"tile {rows:2} x {vectors}: {held:2} registers, {rows * vectors / (rows + vectors):.1f} FMA a load")
square = rng.normal(size=(1024, 1024)).astype(np.float32)
report("a product of matrices of 1024", 2 * 1024**3, lambda: matmul(square, square))

# %% [markdown]
# This is about what the multiplying units can do: the ceiling for everything that multiplies one by one.
#
# ## Implicit products
#
# A convolution is a product: a row for each pixel of the result, holding the 9 C inputs it sees, times the weights. To
# write these rows out ("im2col") would write each input 9 times. But the microkernel only ever asks where a row begins
# and how the inner dimension goes on from there: two tables of offsets say so, and nothing is copied except a border of
# zeros around a few rows at a time (convolution_direct.py). Any stride, dilation and kernel is another table; and the
# gradient with respect to the input is the same routine with other tables.

# %%
axis = forward_axis(3, 1, 1, 1, SIDE)
plan = direct.plan(x.shape, (N, SIDE, SIDE, K), (3, 3), 1, axis, axis, negative_slope=1.0, adjoint=False)
bias = np.zeros(K, np.float32)
y = plan.run(x, w, bias)
error = {"implicit product": np.abs(y.transpose(0, 3, 1, 2) - exact).max() / np.abs(exact).max()}
report("implicit product", FLOP, lambda: plan.run(x, w, bias))

# %% [markdown]
# ## Fewer multiplications
#
# Two outputs of a filter with three taps need 6 multiplications, done plainly. Winograd (1980) does it with 4:
#
#     y = A^T [(G g) * (B^T d)]
#
# where g are the taps, d the 4 inputs, and * is entry by entry. It is multiplication of polynomials by their values at
# points: choose points, evaluate both factors there, multiply, interpolate. `matrices` finds A, G and B for 4 outputs
# from the points 0, 1, -1, 1/2, -2 and infinity.

# %%
at, g, bt = matrices(3)
taps, inputs = rng.normal(size=3), rng.normal(size=TILE + 2)
plain = np.array([inputs[i : i + 3] @ taps for i in range(TILE)])
assert np.allclose(at @ ((g @ taps) * (bt @ inputs)), plain, atol=1e-12)
points = len(g)
print(f"{TILE} outputs of 3 taps: {points} products for {3 * TILE}; in two dimensions {points**2} for {9 * TILE**2}")

# %% [markdown]
# In two dimensions the matrices stand on both sides, and 36 products take the place of 144. With many channels those
# products are 36 products of matrices (tiles x C) (C x K), which the same microkernel does; the transforms are
# additions of vectors of channels. convolution_winograd.py takes 49 tiles at a time, so that what is transformed never
# leaves the second-level cache; convolution_tiles.py cuts them. B^T goes down the columns of an image as it is read,
# then along its rows, and what the next row of tiles needs is fetched from memory meanwhile. The rate below counts the
# FLOP of the definition: it may exceed the ceiling, for not all are done. Results are rectified as they are written: a
# slope of 1 leaves them.

# %%
plan = winograd.plan(x.shape, (N, SIDE, SIDE, K), (3, 3), axis, axis, negative_slope=1.0, adjoint=False, of_each=False)
y = plan.run(x, w, bias)
error["Winograd"] = np.abs(y.transpose(0, 3, 1, 2) - exact).max() / np.abs(exact).max()
report("Winograd", FLOP, lambda: plan.run(x, w, bias))

# %% [markdown]
# ## What it costs
#
# Rounding: the transforms add numbers of different size, so float32 loses a digit. float64 goes to the definition.

# %%
for name, value in error.items():
    print(f"{name}: the largest error is {value:.1e} of the largest output")
assert error["implicit product"] < 2e-6
assert error["Winograd"] < 1e-5

# %% [markdown]
# ## Where to go on
#
# kernels/cpu/__init__.py lists the files in the order to read them. launch.py runs a compiled function on every thread;
# openblas.py says why OpenBLAS gets one. `tinygen bench` measures all of it beside PyTorch, and `tinygen profile ddpm`
# shows how much of a training step each operation takes, and how near it comes to the ceilings.
