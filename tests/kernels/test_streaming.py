"""Stores past the caches store what others do, where others would, and nowhere else."""

import numpy as np
import pytest

from tinygen.kernels.cpu import few, fusion, normalisation, rectifier, streaming
from tinygen.kernels.cpu.launch import floats, integer, launch, task
from tinygen.kernels.cpu.packing import load_vector
from tinygen.kernels.cpu.simd import LANES
from tinygen.kernels.expression import Chain, argument, expression

BOTH = Chain("both", tuple(expression("multiply", argument(0), argument(i)) for i in (1, 2)))
SHAPES = [(37,), (5, 64), (5, 67), (3, 4, 48), (2, 7, 5, 16), (1, 1)]


def far(monkeypatch, on):
    """Every result goes past the caches, or none does."""
    asked = []

    def answer(arrays, results):
        asked.append(on and streaming.past_caches(arrays, results))
        return asked[-1]

    for kernels in (fusion, normalisation, rectifier):
        monkeypatch.setattr(kernels, "past_caches", answer)
    monkeypatch.setattr(few, "one_goes_through", lambda a: False)  # these are not asked about
    monkeypatch.setattr(streaming, "cached", lambda: 0 if on else 1 << 60)
    forget()
    return asked


def forget():
    """What is planned knows how large the caches are."""
    fusion._planned.cache_clear()
    normalisation._layout.cache_clear()


@pytest.fixture(autouse=True)
def plans_for_this_machine():
    yield
    forget()


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_results_are_the_same_bit_by_bit(monkeypatch, shape, parts):
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    z = rng.standard_normal((shape[0], *(1 for _ in shape[1:]))).astype(np.float32)
    monkeypatch.setattr(fusion, "thread_count", lambda *work: parts)
    far(monkeypatch, False)
    near = fusion.fused(BOTH, (x, y, z), shape)
    far(monkeypatch, True)
    for found, exact in zip(fusion.fused(BOTH, (x, y, z), shape), near, strict=True):
        assert np.array_equal(found, exact)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_so_are_rectifiers(monkeypatch, parts, order):
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((3, 7, 11)).astype(np.float32).transpose(order) for _ in range(2))
    monkeypatch.setattr(rectifier, "thread_count", lambda *work: parts)

    def made():
        kinds = (rectifier.relu, rectifier.relu_backward), (rectifier.leaky_relu, rectifier.leaky_relu_backward)
        for numbers, (forward, backward) in zip(((), (0.2,)), kinds):
            yield forward(x, *numbers)
            yield backward(g, x, *numbers)
            over = g.copy(order="K")
            assert backward(over, x, *numbers, room=over) is over
            yield over
        yield rectifier.elu(x, 0.7)
        yield rectifier.elu_backward(g, x, 0.7)

    far(monkeypatch, False)
    near = list(made())
    far(monkeypatch, True)
    for found, exact in zip(made(), near, strict=True):
        assert np.array_equal(found, exact)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 64, 9, 17), (3, 128, 5), (4, 192)], ids=str)
def test_so_are_normalisations(monkeypatch, parts, shape):
    rng = np.random.default_rng(0)
    memory = (shape[0], *shape[2:], shape[1])
    x, g = (np.moveaxis(rng.standard_normal(memory).astype(np.float32), -1, 1) for _ in range(2))
    weight, bias = rng.standard_normal((2, shape[1])).astype(np.float32)
    monkeypatch.setattr(normalisation, "thread_count", lambda *work: parts)

    def made():
        for slope in (1.0, 0.2):
            y, *moments = normalisation.batch_norm(x, weight, bias, 1e-5, slope)
            yield from (y, *normalisation.batch_norm_backward(g, x, weight, *moments, y, slope))
        for silu in (False, True):
            y, *moments = normalisation.group_norm(x, 4, weight, bias, 1e-5, silu)
            yield from (y, *normalisation.group_norm_backward(g, x, 4, weight, bias, *moments, silu))

    far(monkeypatch, False)
    near = list(made())
    asked = far(monkeypatch, True)
    for found, exact in zip(made(), near, strict=True):
        assert np.array_equal(found, exact)
    assert asked == [True] * 5  # not with a SiLU, nor what overwrites one of the arrays that it is made from


def test_it_is_done_where_rows_are_whole_vectors_or_one_piece(monkeypatch):
    asked = far(monkeypatch, True)
    x = np.ones((4, 67), np.float32)
    fusion.fused(BOTH, (x, x, x), x.shape)
    assert asked == [True]
    fusion.fused(BOTH, (x, x, x[:, :1]), x.shape)  # a loop of 67 in each of 4
    assert asked == [True]


def test_small_arrays_and_odd_addresses_stay_in_the_caches():
    limit = streaming.cached()
    assert limit >= 1 << 15
    whole = np.empty(limit // 4 + 64, np.float32)
    third, other, result = whole[(-whole.ctypes.data) % 64 // 4 :][: limit // 192 * 48].reshape(3, -1)
    assert not streaming.past_caches([third], [third])
    assert streaming.past_caches([third, other], [result])
    assert not streaming.past_caches([third, third], [result])
    assert not streaming.past_caches([third, other], [result[1:]])


@task
def _put(block, part, parts):
    """Arguments: x, y; where y begins, past."""
    x, y, start, past = floats(block, 0), floats(block, 1), integer(block, 2), integer(block, 3)
    for k in range(0, x.size, LANES):
        left = x.size - k
        streaming.put_vector(y, start + k, left, load_vector(x, k, left, 0), past)
    streaming.end(past)


@pytest.mark.parametrize("past", [0, 1])
def test_nothing_else_is_stored_to(past):
    for size in range(1, 3 * LANES):
        whole = np.zeros(8 * LANES, np.float32)
        y = whole[(-whole.ctypes.data) % 64 // 4 :]
        x = np.arange(1, size + 1, dtype=np.float32)
        launch(_put, 1, x, y, 4, past)
        expected = np.zeros_like(y)
        expected[4 : 4 + size] = x
        assert np.array_equal(y, expected), (size, past)
