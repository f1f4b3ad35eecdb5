"""OpenBLAS has one thread wherever it takes turns with the kernels, and its own number again after that."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tinygen import kernels
from tinygen.kernels.cpu import openblas, product


@pytest.fixture
def threads() -> Iterator[Callable[[], int]]:
    """How many OpenBLAS has now; 2 outside, whatever the environment says."""
    functions = openblas.thread_functions()
    if functions is None:
        pytest.skip("NumPy's BLAS here is not OpenBLAS")
    get, put = functions
    before = get()
    put(2)
    yield get
    put(before)


def test_one_within_the_block_and_the_former_number_after_it(threads):
    with openblas.one_blas_thread():
        assert threads() == 1
    assert threads() == 2
    with pytest.raises(ZeroDivisionError), openblas.one_blas_thread():
        raise ZeroDivisionError
    assert threads() == 2


class Watched(np.ndarray):
    """An array that notes how many threads OpenBLAS has when it is multiplied."""

    seen: list[int]

    def __array_ufunc__(self, function, method, *inputs, **options):
        self.seen.append(openblas.thread_functions()[0]())
        return getattr(function, method)(*(np.asarray(x) for x in inputs), **options)


@pytest.mark.parametrize("shape", [(300, 300), (3, 70, 70)], ids=["matrix", "stack"])
def test_one_in_the_products_that_are_left_to_it(threads, shape):
    """float64, and stacks of matrices, of any size that OpenBLAS would take several threads to."""
    a = np.ones(shape).view(Watched)
    a.seen = []
    assert a.size * shape[-1] > product.QUIET
    found = kernels.load("matmul", "cpu")(a, np.ones(shape))
    assert (found == shape[-1]).all()
    assert a.seen == [1]
    assert threads() == 2
