"""What holds within a shared step, asked of real ranks: each knows the whole batch and compares its part.

`mpirun -n R python on_ranks.py` prints a line for each function of `CASES`: its name, and "holds" or what failed.
"""

import json
import traceback

import numpy as np
import pytest

import tinygen as tg
from tinygen import parallel
from tinygen.nn import functional as F
from tinygen.parallel import step
from tinygen.tensor import Tensor

ROWS = 3


def whole_and_own(ranks, *shape):
    """The same array (size ROWS, *shape) on every rank, and this rank's rows of it."""
    whole = np.random.default_rng(len(shape)).normal(size=(ranks.size * ROWS, *shape))
    return whole, whole[ranks.rank * ROWS : (ranks.rank + 1) * ROWS]


def of_batch_norm(x, w, b):
    """A loss behind a batch normalisation, its gradients, those of the square of the one in x; the statistics."""
    x, w, b = (Tensor(a, requires_grad=True) for a in (x, w, b))
    mean, var = Tensor(np.zeros(4)), Tensor(np.ones(4))
    y = F.batch_norm(x, mean, var, w, b, training=True, momentum=0.3)
    loss = (tg.sin(y) * y).mean()  # a mean over examples, as every loss is
    first = tg.grad(loss, [x, w, b], create_graph=True)
    second = tg.grad((first[0] ** 2).sum(), [x, w])
    return [np.asarray(value.detach()) for value in (loss, *first, *second, mean, var)]


def batch_normalisation_is_that_of_the_whole_batch(ranks):
    """To second order, counted as the ranks count: losses are averaged, so a row's own gradient is `size` times."""
    n, (whole, own) = ranks.size, whole_and_own(ranks, 4, 2)
    w, b = np.linspace(1, 2, 4), np.linspace(0, 1, 4)
    loss, gx, gw, gb, ggx, ggw, *statistics = of_batch_norm(whole, w, b)
    with parallel.shared_step(ranks, ROWS):
        own_loss, own_gx, own_gw, own_gb, own_ggx, own_ggw, *own_statistics = of_batch_norm(own, w, b)
        pairs = [
            (parallel.average(own_loss), loss),
            (parallel.gathered(own_gx) / n, gx),
            (parallel.average(own_gw), gw),
            (parallel.average(own_gb), gb),
            (parallel.gathered(own_ggx) / n**2, ggx),
            (parallel.average(own_ggw) / n, ggw),
            *zip(own_statistics, statistics),
        ]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def bfloat16_stays_bfloat16_and_is_counted_in_float32(ranks):
    whole, own = (tg.tensor(a).astype(tg.bfloat16) for a in whole_and_own(ranks, 4, 2))
    with parallel.shared_step(ranks, ROWS):
        y = F.batch_norm(own, None, None, training=True)
        together, gathered = parallel.gathered(y), parallel.gathered(own)
    assert together.dtype == y.dtype == whole.dtype
    np.testing.assert_array_equal(np.asarray(gathered), np.asarray(whole))
    expected = np.asarray(F.batch_norm(whole, None, None, training=True)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(together).astype(np.float32), expected, rtol=2**-7)


def the_mean_over_ranks_is_its_own_adjoint(ranks):
    """<mean x, y> = <x, mean y> with the inner product over all ranks, and it is linear at any order."""
    rng = np.random.default_rng(ranks.rank)
    with parallel.shared_step(ranks, ROWS):
        x, y = Tensor(rng.normal(size=5), requires_grad=True), Tensor(rng.normal(size=5), requires_grad=True)
        both = (parallel.mean_over_ranks(x) * y).sum()
        (gx,) = tg.grad(both, [x], create_graph=True)
        np.testing.assert_array_equal(np.asarray(gx), np.asarray(parallel.mean_over_ranks(y)))
        (gy,) = tg.grad((gx * gx).sum(), [y])
        np.testing.assert_array_equal(np.asarray(gy), np.asarray(parallel.mean_over_ranks(2 * gx)))


def gradients_are_averaged_in_buckets_of_any_layout(ranks):
    step.BUCKET, before = 1000, step.BUCKET
    try:
        rng = np.random.default_rng(7)
        shapes = [(10, 7), (), (300,), (40, 10), (3,), (2, 2)]
        every = [[rng.normal(size=s).astype("f8" if i == 3 else "f4") for i, s in enumerate(shapes)] for _ in range(9)]
        tensors = [Tensor(np.zeros_like(a), requires_grad=True) for a in every[0]]
        for tensor, value in zip(tensors, every[ranks.rank]):
            tensor.grad = Tensor(np.array(value, order="F"))
        without = Tensor(np.zeros(3), requires_grad=True)
        with parallel.shared_step(ranks, ROWS):
            parallel.average_gradients([*tensors, without])
        assert without.grad is None
        for i, tensor in enumerate(tensors):
            mean = sum(every[rank][i] for rank in range(ranks.size)) / ranks.size
            np.testing.assert_allclose(np.asarray(tensor.grad), mean, rtol=1e-5, atol=1e-6)
            assert tensor.grad.dtype == every[0][i].dtype
    finally:
        step.BUCKET = before


def rows_are_gathered_in_the_order_of_the_batch(ranks):
    whole, own = whole_and_own(ranks, 2)
    indices = np.arange(ranks.size * ROWS)
    with parallel.shared_step(ranks, ROWS):
        np.testing.assert_array_equal(parallel.gathered(own), whole)
        np.testing.assert_array_equal(np.asarray(parallel.gathered(Tensor(own))), whole)
        own_indices = indices[ranks.rank * ROWS : (ranks.rank + 1) * ROWS]
        np.testing.assert_array_equal(parallel.gathered(own_indices), indices)
        assert parallel.gathered(own_indices).dtype == indices.dtype


def generators_of_layers_draw_own_rows_and_are_given_back(ranks):
    layer, x = tg.nn.Dropout(0.5, rng=tg.random.Generator(2)), tg.tensor(np.ones((ROWS, 50)))
    alone = tg.nn.Dropout(0.5, rng=tg.random.Generator(2))
    rng = layer.rng
    with parallel.shared_step(ranks, ROWS, layer):
        kept = np.asarray(layer(x))
    expected = np.asarray(alone(tg.tensor(np.ones((ranks.size * ROWS, 50)))))
    np.testing.assert_array_equal(kept, expected[ranks.rank * ROWS : (ranks.rank + 1) * ROWS])
    assert layer.rng is rng
    assert layer.rng.state == alone.rng.state


def what_one_rank_knows_all_know(ranks):
    assert ranks.any(ranks.rank == ranks.size - 1)
    assert not ranks.any(False)
    assert ranks.led(lambda: {"rank": ranks.rank}) == {"rank": 0}
    done = []
    ranks.in_turn(lambda: done.append(ranks.rank))
    assert done == [ranks.rank]
    array = np.full(3, float(ranks.rank))
    ranks.broadcast(array)
    np.testing.assert_array_equal(array, 0.0)


def what_the_first_rank_raises_all_raise(ranks):
    def refuse():
        raise ValueError(f"refused by {ranks.rank}")

    with pytest.raises(ValueError, match="refused by 0"):
        ranks.led(refuse)


CASES = [
    batch_normalisation_is_that_of_the_whole_batch,
    bfloat16_stays_bfloat16_and_is_counted_in_float32,
    the_mean_over_ranks_is_its_own_adjoint,
    gradients_are_averaged_in_buckets_of_any_layout,
    rows_are_gathered_in_the_order_of_the_batch,
    generators_of_layers_draw_own_rows_and_are_given_back,
    what_one_rank_knows_all_know,
    what_the_first_rank_raises_all_raise,
]


def main():
    ranks = parallel.join()
    for case in CASES:
        try:
            case(ranks)
            failed = ""
        except AssertionError:
            failed = f"rank {ranks.rank}: {traceback.format_exc()}"
        said = [text for text in ranks.everybody(failed) if text]
        print(json.dumps([case.__name__, said]))
    ranks.leave()


if __name__ == "__main__":
    main()
