"""What a kernel must move and multiply, counted by hand; every kernel has a case; both libraries compute the same."""

import numpy as np
import pytest

from tinygen import kernels
from tinygen.bench.cuda.cases import CEILINGS, KERNELS
from tinygen.bench.cuda.ceilings import ceilings
from tinygen.bench.cuda.kernel import PERIOD, Kernel, named, thinned
from tinygen.bench.cuda.passes import passes, updates
from tinygen.bench.cuda.products import attention, convolution, product, products
from tinygen.bench.cuda.statistics import statistics

IMAGE, ROWS = (2, 8, 3, 3), (10, 4)  # 144 and 40 numbers
SMALL = named([*ceilings(100, 8), *products(8), *statistics(IMAGE, ROWS, 4), *passes(IMAGE, ROWS, 50)])


def test_a_convolution_reads_image_and_weight_and_writes_its_output() -> None:
    forward, in_image, in_weight = convolution(2, 3, 4, 5, 3)
    x, w, y = 2 * 3 * 5 * 5, 4 * 3 * 3 * 3, 2 * 4 * 5 * 5
    assert {case.moved for case in (forward, in_image, in_weight)} == {4 * (x + w + y)} == {1832}
    assert {case.operations for case in (forward, in_image, in_weight)} == {2 * y * 3 * 9} == {10800}


def test_a_convolution_of_stride_2_halves_the_side() -> None:
    forward, *_ = convolution(1, 2, 3, 6, 4, stride=2)
    assert forward.operations == 2 * (3 * 3 * 3) * (2 * 4 * 4)
    assert forward.moved == 4 * (2 * 36 + 3 * 2 * 16 + 3 * 9)


def test_a_product_of_matrices() -> None:
    assert (product(2, 3, 4).operations, product(2, 3, 4).moved) == (48, 4 * (6 + 12 + 8))
    assert (product(2, 3, 4, (5,)).operations, product(2, 3, 4, (5,)).moved) == (240, 520)


def test_attention_is_two_products_and_its_gradients_five() -> None:
    one = 2 * 2 * 3 * 4 * 4 * 5  # multiply-adds of (4 x 5) by (5 x 4), for 2 examples and 3 heads
    forward, backward = attention(2, 3, 4, 5)
    assert (forward.operations, backward.operations) == (2 * one, 5 * one)
    assert forward.moved == 4 * (4 * 120 + 24)
    assert backward.moved == 4 * (8 * 120 + 24)
    assert [case.operations for case in attention(2, 3, 4, 5, causal=True)] == [one, 5 * one // 2]


COUNTED = {
    "a copy of 512 MiB": 4 * (100 + 100),
    "batch normalisation": 4 * (2 * 144 + 144 + 2 * 8 + 2 * 8),  # x twice, y; weight, bias; mean, rstd
    "batch normalisation, gradients": 4 * (4 * 144 + 144 + 3 * 8 + 2 * 8),  # x and g twice, dx; w, dw, db; statistics
    "group normalisation": 4 * (144 + 144 + 2 * 8 + 2 * 2 * 4),
    "group normalisation, gradients": 4 * (2 * 144 + 144 + 3 * 8 + 2 * 2 * 4),
    "group normalisation and SiLU, gradients": 4 * (2 * 144 + 144 + 4 * 8 + 2 * 2 * 4),  # the bias too
    "layer normalisation": 4 * (40 + 40 + 2 * 4 + 2 * 10),
    "layer normalisation, gradients": 4 * (80 + 40 + 3 * 4 + 2 * 10),
    "RMS normalisation": 4 * (40 + 40 + 4 + 10),
    "RMS normalisation, gradients": 4 * (80 + 40 + 2 * 4 + 10),
    "softmax": 4 * (40 + 40),
    "softmax, gradient": 4 * (40 + 40 + 40),
    "cross-entropy": 4 * (40 + 10 + 10) + 8 * 10,
    "cross-entropy, gradient": 4 * (40 + 10 + 10 + 40) + 8 * 10,
    "ReLU": 4 * 2 * 144,
    "ReLU, gradient": 4 * 3 * 144,
    "chain: coupling x exp(s) + t": 4 * 4 * 144,
    "gate": 4 * (144 + 72),
    "gate, gradient": 4 * (144 + 72 + 144),
    "a choice between two arrays": 144 * (4 + 4 + 4 + 1),
    "sum of squares of all": 4 * (144 + 1),
    "sum over pixels": 4 * (144 + 16),
    "sum over examples": 4 * (144 + 72),
    "rows added up by index": 4 * (40 * 1 + 512 * 1) + 8 * 40,
    "random normals": 4 * 32 * 50,
}


@pytest.mark.parametrize("name", COUNTED)
def test_bytes_are_those_counted_by_hand(name: str) -> None:
    assert SMALL[name].moved == COUNTED[name]


def test_updates_go_over_all_parameters_once() -> None:
    each = 4 * (3 + 20)
    moved = {case.kernel: case.moved for case in updates([(3,), (4, 5)])}
    assert moved == {
        "adam_update_all": 7 * each,  # p, g, m, v read; p, m, v written
        "ema_update_all": 3 * each,
        "gradient_norm": each,
        "scale_all": 2 * each,
    }


def test_arrays_of_bfloat16_are_half_as_large() -> None:
    assert product(2, 3, 4).bytes("bfloat16") == 2 * 26
    assert product(2, 3, 4).bytes("tf32") == 4 * 26
    assert SMALL["softmax"].bytes("bfloat16") == SMALL["softmax"].moved


def test_memory_bound_cases_are_larger_than_the_cache() -> None:
    """50 MB on an H200, so that what is read comes from memory."""
    for name, case in KERNELS.items():
        if not case.operations:
            assert case.moved > 100e6, name


NOT_ALONE = {  # kernel -> what stands for it
    "adam_update": "adam_update_all",
    "ema_update": "ema_update_all",
    "euclidean_norm": "sum_of_squares",
}


def test_every_kernel_in_cuda_has_a_case() -> None:
    in_cuda = {name for name in kernels.NAMES if ".cuda." in kernels.load(name, "cuda").__module__}
    cased = {case.kernel for case in KERNELS.values()}
    assert in_cuda - cased - NOT_ALONE.keys() == set()
    assert set(NOT_ALONE.values()) <= cased
    assert cased <= set(kernels.NAMES)


def test_names_are_told_apart() -> None:
    assert not CEILINGS.keys() & KERNELS.keys()
    with pytest.raises(ValueError, match="two cases are called 'softmax'"):
        named([SMALL["softmax"], SMALL["softmax"]])


def test_inputs_are_the_same_each_time_and_differ_from_one_another() -> None:
    case = Kernel("", "", {"x": (3, PERIOD), "y": (5,)}, lambda K, a: None, None, 0, integers={"i": ((50,), 3)})
    one, two = case.arrays(), case.arrays()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert one["x"].shape == (3, PERIOD)
    assert abs(one["x"].std() - 1) < 0.01
    assert not np.array_equal(one["x"][0, :5], one["y"])
    assert set(one["i"]) == {0, 1, 2}


def test_images_have_their_channels_last() -> None:
    case = convolution(2, 3, 4, 5, 3)[1]
    arrays = case.arrays()
    assert arrays["x"].transpose(0, 2, 3, 1).flags.c_contiguous
    assert arrays["g"].transpose(0, 2, 3, 1).flags.c_contiguous
    assert arrays["w"].flags.c_contiguous


def test_few_entries_of_a_large_result_are_compared() -> None:
    assert thinned(np.zeros((5, 7))).shape == (35,)
    assert PERIOD <= thinned(np.zeros((4, PERIOD))).size <= 2 * PERIOD


@pytest.mark.parametrize("name", SMALL)
def test_both_libraries_compute_the_same(name: str) -> None:
    pytest.importorskip("torch")
    from tinygen.bench.backends import Absent, with_tinygen, with_torch

    case = SMALL[name]
    ours = with_tinygen.kernel(case)
    ours()
    found = ours.results()
    if case.theirs is None:
        with pytest.raises(Absent, match="PyTorch has no such thing"):
            with_torch.kernel(case)
        return
    run = with_torch.kernel(case)
    run()
    theirs = run.results()
    assert found.keys() == theirs.keys()
    assert bool(found) == case.compared
    for key, expected in theirs.items():
        assert np.abs(found[key] - expected).max() <= 2e-5 * max(np.abs(expected).max(), 1e-3), key
