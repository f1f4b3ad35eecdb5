"""FLOP and bytes are those that are counted by hand, and by loops that count; no operation is forgotten."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import kernels
from tinygen.autodiff.fusion import Fused, fused
from tinygen.autodiff.primitive import REGISTRY
from tinygen.kernels.cpu.cook_toom import matrices
from tinygen.profiling.cost import FLOP, PER_ENTRY, Cost, cost, cost_of_arithmetic, cost_of_chain, tiled
from tinygen.profiling.watch import ELEMENTWISE


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


# ---- by hand


def test_a_convolution() -> None:
    """(2, 4, 8, 8) outputs, each the sum of 3 x 3 x 3 products, and a bias."""
    x, w, bias, y = zeros(2, 3, 8, 8), zeros(4, 3, 3, 3), zeros(4), zeros(2, 4, 8, 8)
    found = cost("conv2d", False, y, (x, w, bias, (1, 1), (1, 1), (1, 1), 1))
    assert found == Cost(512 * 27 * 2 + 512, 4 * (384 + 108 + 4 + 512))


def test_a_matrix_product() -> None:
    """5 pairs of (2, 3) and (3, 7): 5 x 2 x 7 sums of 3 products."""
    found = cost("matmul", False, zeros(5, 2, 7), (zeros(5, 2, 3), zeros(5, 3, 7)))
    assert found == Cost(5 * 2 * 7 * 3 * 2, 4 * (30 + 105 + 70))


@pytest.mark.parametrize(("is_causal", "pairs"), [(False, 4 * 6), (True, 1 + 2 + 3 + 4)])
def test_attention(is_causal: bool, pairs: int) -> None:
    """Each pair of a query and a key takes a product of 5 numbers, one of 3, and 4 for the softmax."""
    q, k, v, y, lse = zeros(2, 4, 5), zeros(2, 6, 5), zeros(2, 6, 3), zeros(2, 4, 3), zeros(2, 4)
    forward = cost("attention", False, (y, lse), (q, k, v, None, is_causal, 0.3))
    assert forward == Cost(2 * pairs * (2 * 5 + 2 * 3 + 4), 4 * (40 + 60 + 36 + 24 + 8))
    backward = cost("attention_backward", False, (q + 0, k + 0, v + 0), (y, q, k, v, y + 0, lse, None, is_causal, 0.3))
    assert backward == Cost(2 * pairs * (6 * 5 + 4 * 3 + 4), 4 * (2 * (40 + 60 + 36) + 24 + 24 + 8))


def test_what_is_elementwise_counts_one_for_each_entry_made() -> None:
    assert cost("add", True, zeros(3, 4), (zeros(3, 1), zeros(4))) == Cost(12, 4 * (3 + 4 + 12))


@pytest.mark.parametrize(("total", "made", "flop"), [(None, (3, 4), 3), ("all", (), 4), ("examples", (3,), 4)])
def test_a_chain_counts_all_its_functions_and_reads_and_writes_once(total: Any, made: Any, flop: int) -> None:
    """exp(a b) + a, in one pass: a product, an exponential, a sum; and where the entries are added up one more."""
    op = fused(lambda a, b: tg.exp(a * b) + a, total=total, name="chain")
    found = cost_of_chain(op.chain, zeros(*made), (zeros(3, 4), zeros(4)))
    assert found == Cost(12 * flop, 4 * (12 + 4 + math.prod(made)))


def test_what_is_written_over_what_was_read_moves_twice() -> None:
    p, g, m, v = (zeros(10) for _ in range(4))
    assert cost("adam_update", False, None, (p, g, m, v)) == Cost(14 * 10, 4 * 10 * (4 + 3))
    lists = ([p, zeros(5)], [g, zeros(5)], [m, zeros(5)], [v, zeros(5)])
    assert cost("adam_update_all", False, None, lists) == Cost(14 * 15, 4 * 15 * (4 + 3))


def test_a_view_moves_nothing_and_what_is_repeated_is_there_once() -> None:
    x = zeros(3, 4)
    assert cost("permute_dims", False, x.T, (x, (1, 0))) == Cost(0, 0)
    assert cost("permute_dims", False, x.T.copy(), (x, (1, 0))) == Cost(0, 4 * 24)
    assert cost("add", True, zeros(3, 4), (np.broadcast_to(zeros(4), (3, 4)), 1.0)) == Cost(12, 4 * (4 + 12))
    assert cost("astype", True, zeros(3, 4), (x, np.float32)) == Cost(12, 4 * 24)
    assert cost("multiply", True, zeros(12), (x.ravel(), x.ravel())).bytes == 4 * 36
    assert cost("multiply", True, zeros(3, 4), (x, x)).bytes == 4 * 24  # one array, twice an argument


def test_a_gradient_that_is_arithmetic_counts_one_for_each_argument_after_the_first() -> None:
    g, a, b = zeros(6), zeros(6), zeros(6) + 1
    assert cost_of_arithmetic(g, (g,)) == Cost(0, 0)
    assert cost_of_arithmetic(g * a, (g, a)) == Cost(6, 4 * 18)
    assert cost_of_arithmetic(g * a / b, (g, a, b)) == Cost(12, 4 * 24)


# ---- what tiles save


def test_a_tile_of_16_outputs_takes_36_products_and_its_transforms() -> None:
    """F(4x4, 3x3) of one channel: 36 products; B^T d B of 6 x 6, A^T m A of 4 x 6, by the entries that are not 0."""
    a, _, b = matrices(3)
    transforms = 12 * np.count_nonzero(b) + 10 * np.count_nonzero(a)
    assert tiled((4, 4), 1, 1, 3) == 2 * (36 + transforms)
    assert tiled((3, 4), 1, 1, 3) == 2 * (30 + transforms)
    many = tiled((28, 4), 1000, 1000, 3)
    assert 0.25 < many / (2 * 7 * 16 * 9 * 1000**2) < 0.28  # 36 instead of 144, and little for the transforms


@pytest.mark.parametrize(
    ("kernel", "stride", "side", "products"),
    [(3, 1, 8, 4 * 36), (3, 1, 7, 11 * 11), (4, 2, 16, 4 * 4 * 25)],
    ids=["whole tiles", "tiles of one less", "four components of 2x2"],
)
def test_the_three_convolutions_save_the_same(kernel: int, stride: int, side: int, products: int) -> None:
    """2 images of `side` squared, 64 channels to 128; `products` for each image and pair of channels."""
    x, w = zeros(2, 64, side, side), zeros(128, 64, kernel, kernel)
    y = zeros(2, 128, side // stride, side // stride)
    options = ((stride, stride), (1, 1), (1, 1), 1)
    forward = cost("conv2d", False, y, (x, w, None, *options))
    inward = cost("conv2d_input_grad", False, x, (y, w, None, x.shape[2:], *options))
    weight = cost("conv2d_weight_grad", False, w, (x, y, w.shape[2:], *options))
    for found in (forward, inward, weight):
        assert found.flop == 2 * y.size * 64 * kernel**2
        assert 2 * 2 * 64 * 128 * products < found.least < 1.25 * 2 * 2 * 64 * 128 * products
    assert forward.least == weight.least


def test_nothing_is_saved_where_there_is_no_such_form() -> None:
    """Other strides, groups, one channel, other dtypes: the formula's FLOP are those that are done."""
    x, y = zeros(2, 64, 8, 8), zeros(2, 64, 8, 8)
    plain = (None, (1, 1), (1, 1), (1, 1))
    assert cost("conv2d", False, y, (x, zeros(64, 64, 3, 3), *plain, 1)).saved > 0
    assert cost("conv2d", False, y, (x, zeros(64, 8, 3, 3), *plain, 8)).saved == 0
    assert cost("conv2d", False, y, (x[:, :1], zeros(64, 1, 3, 3), *plain, 1)).saved == 0
    assert cost("conv2d", False, y.astype(float), (x, zeros(64, 64, 3, 3), *plain, 1)).saved == 0
    assert cost("matmul", False, zeros(64, 64), (zeros(64, 64), zeros(64, 64))).saved == 0
    assert Cost(5, 3, 2) + Cost(7, 1, 4) == Cost(12, 4, 6)
    assert Cost(5, 3, 2).least == 3


# ---- by loops


@given(
    n=st.integers(1, 2), groups=st.integers(1, 2), c=st.integers(1, 2), k=st.integers(1, 2),
    size=st.integers(3, 6), kernel=st.integers(1, 3), stride=st.integers(1, 2),
)  # fmt: skip
def test_the_three_convolutions_cost_what_loops_count(
    n: int, groups: int, c: int, k: int, size: int, kernel: int, stride: int
) -> None:
    """Without a border: each is a product and a sum for every triple of an output, an input and a weight that meet."""
    x, w = zeros(n, groups * c, size, size), zeros(groups * k, c, kernel, kernel)
    options = ((stride, stride), (0, 0), (1, 1), groups)
    y = kernels.load("conv2d", "definition")(x, w, None, *options)
    places = itertools.product(range(0, size - kernel + 1, stride), repeat=2)
    met = sum(n * groups * k * c * kernel * kernel for _ in places)
    assert cost("conv2d", False, y, (x, w, None, *options)).flop == 2 * met
    assert cost("conv_transpose2d", False, x, (y, w, None, (size, size), *options)).flop == 2 * met
    assert cost("conv2d_weight", False, w, (x, y, (kernel, kernel), *options)).flop == 2 * met


@given(sizes=st.tuples(*[st.integers(1, 4)] * 4))
def test_a_sum_of_einstein_costs_a_product_and_a_sum_for_every_value_of_the_indices(sizes: tuple[int, ...]) -> None:
    b, i, j, k = sizes
    found = cost("einsum", False, zeros(b, i, k), ([zeros(b, i, j), zeros(j, k)], "bij,jk->bik"))
    assert found.flop == cost("matmul", False, zeros(b, i, k), (zeros(b, i, j), zeros(j, k))).flop == 2 * b * i * j * k


# ---- none is forgotten

COMPUTE_NOTHING = {
    *("argsort", "searchsorted"),  # they compare
    *("join", "split", "in_order"),  # they copy
    *("philox_bits", "philox_uniform", "philox_normal"),  # integers, except for a quantile
    *("checkpoint", "rectified"),  # they are there for their gradients
}


def test_every_operation_and_every_kernel_is_counted() -> None:
    by_kind = {name for name, op in REGISTRY.items() if op.elementwise or op.moves or isinstance(op, Fused)}
    known = by_kind | FLOP.keys() | PER_ENTRY.keys() | COMPUTE_NOTHING
    assert REGISTRY.keys() - known == set()
    for name, module in kernels.NAMES.items():
        assert module in ELEMENTWISE or name in known, name


def test_what_is_counted_exists() -> None:
    assert (FLOP.keys() | PER_ENTRY.keys()) - REGISTRY.keys() - kernels.NAMES.keys() == set()
