"""Arrays joined, and cut into pieces, are NumPy's, bit by bit, whatever the layout; a piece has no gaps in memory."""

import numpy as np
import pytest

from tinygen.kernels.cpu import joining as cpu
from tinygen.kernels.definitions import joining as definition

SHAPES = [(6, 40, 30, 29), (2, 3, 4, 5), (1, 60, 61, 62)]
ORDERS = [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)]


def laid_out(shape, order, seed):
    memory = np.random.default_rng(seed).normal(size=[shape[i] for i in order]).astype(np.float32)
    return memory.transpose(np.argsort(order))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", SHAPES)
def test_joined(shape, axis, order):
    sizes = [list(shape) for _ in range(3)]
    sizes[1][axis] += 2
    sizes[2][axis] = 0
    arrays = [laid_out(size, order, i) for i, size in enumerate(sizes)]
    found, expected = cpu.join(arrays, axis), definition.join(arrays, axis)
    assert np.array_equal(found, expected)
    assert found.strides == expected.strides
    mixed = [arrays[0], np.ascontiguousarray(arrays[1])]
    assert np.array_equal(cpu.join(mixed, axis), np.concatenate(mixed, axis))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("version", [cpu, definition])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("view", [np.s_[:], np.s_[:, :, ::2], np.s_[..., ::-1], np.s_[:, 4:]])
def test_cut_into_pieces(version, axis, order, view):
    x = laid_out((8, 64, 32, 30), order, 0)[view]
    sizes = [3, 0, x.shape[axis] - 5, 2]
    found = version.split(x, sizes, axis)
    for piece, exact in zip(found, np.split(x, np.cumsum(sizes)[:-1], axis), strict=True):
        assert np.array_equal(piece, exact)
        assert definition.without_gaps(piece)
        assert not piece.size or np.argsort(piece.strides).tolist() == np.argsort(np.abs(exact.strides)).tolist()


@pytest.mark.parametrize("version", [cpu, definition])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
@pytest.mark.parametrize("rows", [6, 60_000])
def test_a_piece_without_gaps_is_a_view(version, dtype, rows):
    x = np.zeros((rows, 4), dtype)
    for sizes, axis, shared in (([1, rows - 1], 0, True), ([4], 1, True), ([1, 3], 1, False)):
        assert [np.shares_memory(x, piece) for piece in version.split(x, sizes, axis)] == [shared] * len(sizes)


def test_joined_pieces_of_something_larger():
    whole = laid_out((8, 64, 32, 30), (0, 2, 3, 1), 0)
    pieces = [whole[:, 40:], whole[:, :40]]
    assert np.array_equal(cpu.join(pieces, 1), np.concatenate(pieces, 1))


@pytest.mark.parametrize("cut", [np.s_[:], np.s_[1:, 3:27], np.s_[:, :, 2:9], np.s_[..., ::2], np.s_[..., ::-1]])
@pytest.mark.parametrize("order", [*ORDERS, (1, 0, 2, 3), (0, 2, 1, 3), (1, 3, 0, 2)])
@pytest.mark.parametrize("shape", [(8, 64, 32, 30), (40, 5, 60, 50)])
def test_in_c_order(shape, order, cut):
    x = laid_out(shape, order, 0)[cut]
    found = cpu.in_order(x)
    assert found.flags.c_contiguous
    assert np.array_equal(found, x)
    assert (found is x) == x.flags.c_contiguous


def test_in_c_order_what_is_not_one_image():
    matrix = laid_out((700, 500), (1, 0), 0)
    repeated = np.broadcast_to(laid_out((64, 1, 7, 7), (0, 1, 2, 3), 1), (64, 128, 7, 7))
    deep = laid_out((6, 7, 8, 9, 10, 11), (5, 4, 3, 2, 1, 0), 2)
    other_dtype = matrix.astype(np.float64).T
    for x in (matrix, repeated, deep, other_dtype, matrix[::-1], matrix[:0]):
        found = cpu.in_order(x)
        assert found.flags.c_contiguous
        assert np.array_equal(found, x)
        assert found.dtype == x.dtype


@pytest.mark.parametrize("version", [cpu, definition])
def test_what_cannot_be_joined(version):
    x = np.zeros((2, 3), np.float32)
    for arrays, axis, error, text in (
        ([x, x.T], 0, ValueError, "do not fit together"),
        ([x, x[0]], 0, ValueError, "do not fit together"),
        ([x, x], 2, ValueError, "out of range"),
        ([x, x], 1.0, TypeError, "float"),
    ):
        version.join([x, x], 1)  # what is looked up by 1 is not found by 1.0
        with pytest.raises(error, match=text):
            version.join(arrays, axis)
