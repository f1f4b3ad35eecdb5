"""The loader: an epoch is a permutation, and a restored loader goes on as if it had never stopped."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.data import Dataset, Loader
from tinygen.random import Generator

SIZES = st.integers(1, 40)


def numbered(n: int, labelled: bool = True, name: str = "numbered", start: int = 0) -> Dataset:
    """Points whose value is their index, counted from `start`."""
    x = np.arange(start, start + n, dtype=np.float32)[:, None]
    return Dataset(name, "train", "points", x, np.arange(n) if labelled else None)


def take(loader: Loader, n: int) -> list[list[int]]:
    return [next(loader)["x"][:, 0].astype(int).tolist() for _ in range(n)]


@given(n=SIZES, data=st.data(), seed=st.integers(0, 2**64 - 1))
def test_every_epoch_is_a_permutation(n, data, seed):
    loader = Loader(numbered(n), data.draw(st.integers(1, n + 3)), Generator(seed), drop_last=False)
    for epoch in range(3):
        assert loader.epoch == epoch
        seen = [i for batch in take(loader, loader.batches_per_epoch) for i in batch]
        assert sorted(seen) == list(range(n))


@given(n=SIZES, data=st.data(), seed=st.integers(0, 2**64 - 1))
def test_dropping_the_last_batch_leaves_full_batches_without_repetition(n, data, seed):
    size = data.draw(st.integers(1, n))
    loader = Loader(numbered(n), size, Generator(seed))
    batches = take(loader, loader.batches_per_epoch)
    assert [len(batch) for batch in batches] == [size] * (n // size)
    seen = [i for batch in batches for i in batch]
    assert len(set(seen)) == len(seen)


@given(n=SIZES, data=st.data(), seed=st.integers(0, 2**64 - 1), drop_last=st.booleans(), shuffle=st.booleans())
def test_from_every_position_a_restored_loader_goes_on_identically(n, data, seed, drop_last, shuffle):
    size = data.draw(st.integers(1, n))

    def loader(seed: int) -> Loader:
        return Loader(numbered(n), size, Generator(seed), drop_last, shuffle)

    original = loader(seed)
    restored = loader(seed // 2 + 1)
    taken = data.draw(st.integers(0, 3 * original.batches_per_epoch))
    take(original, taken)
    take(restored, data.draw(st.integers(0, 5)))
    state = json.loads(json.dumps(original.state_dict()))
    restored.load_state_dict(state)
    assert restored.state_dict() == state
    assert restored.epoch == original.epoch == taken // original.batches_per_epoch
    more = 2 * original.batches_per_epoch + 1
    assert take(restored, more) == take(original, more)
    assert restored.state_dict() == original.state_dict()


def test_the_order_is_a_function_of_the_key_and_the_epoch_alone():
    """Epoch e can be had without the epochs before it: its words of the stream begin at e n."""
    n, epochs = 50, 4
    generator = Generator(7)
    loader = Loader(numbered(n), n, generator)
    generator.normal(3)  # what the giver draws afterwards does not matter
    orders = take(loader, epochs)
    (stream,) = Generator(7).split(1)
    for epoch, order in enumerate(orders):
        stream.state = {**stream.state, "counter": epoch * n}
        assert stream.permutation(n).numpy().tolist() == order
    assert len({tuple(order) for order in orders}) == epochs


def test_other_seeds_give_other_orders():
    orders = {tuple(take(Loader(numbered(20), 20, Generator(seed)), 1)[0]) for seed in range(50)}
    assert len(orders) == 50


def test_each_example_falls_on_each_place_equally_often():
    """Chi-squared over 6 places of one example in 6000 epochs: 5 degrees of freedom, 99.99 % below 25.8."""
    loader = Loader(numbered(6), 6, Generator(1))
    places = [order.index(0) for order in take(loader, 6000)]
    counts = np.bincount(places, minlength=6)
    assert ((counts - 1000) ** 2 / 1000).sum() < 25.8


def test_without_shuffling_the_order_is_the_data_sets():
    loader = Loader(numbered(5), 2, Generator(0), drop_last=False, shuffle=False)
    assert take(loader, 4) == [[0, 1], [2, 3], [4], [0, 1]]


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_the_rest_of_an_epoch_ends_where_the_epoch_does(taken):
    loader = Loader(numbered(7), 2, Generator(0))
    take(loader, taken)
    assert len(list(loader.rest_of_epoch())) == 3 - taken % 3
    assert loader.epoch == 1 + taken // 3


def test_labels_stay_with_their_examples():
    for batch in Loader(numbered(30), 4, Generator(2)).rest_of_epoch():
        np.testing.assert_array_equal(batch["x"][:, 0], batch["y"])
        assert batch["x"].dtype == np.float32
        assert batch["y"].dtype == np.int64


def test_without_labels_there_is_no_y():
    assert set(next(Loader(numbered(3, labelled=False), 1, Generator(0)))) == {"x"}


def test_a_batch_is_the_callers_own():
    """Writing into a batch changes neither the data set nor a later batch."""
    loader = Loader(numbered(4), 4, Generator(0))
    batch = next(loader)
    batch["x"][:] = -1
    batch["y"][:] = -1
    assert sorted(take(loader, 1)[0]) == [0, 1, 2, 3]


@given(parts=st.integers(1, 4), rows=st.integers(1, 3), spare=st.integers(0, 9), seed=st.integers(0, 2**64 - 1))
def test_parts_of_a_batch_are_together_the_batch_and_go_on_as_one(parts, rows, spare, seed):
    """What ranks that share a run rely on: any of their states is that of the whole loader."""
    n, size = 2 * parts * rows + spare, parts * rows
    whole = Loader(numbered(n), size, Generator(seed))
    own = [Loader(numbered(n), size, Generator(seed), part=(rank, parts)) for rank in range(parts)]
    for _ in range(3):
        batches = [take(loader, 1)[0] for loader in own]
        assert {len(batch) for batch in batches} == {rows}
        assert [i for batch in batches for i in batch] == take(whole, 1)[0]
    assert all(loader.state_dict() == whole.state_dict() for loader in own)


def test_a_part_is_one_of_equal_ones():
    for size, part in [(4, (0, 3)), (4, (2, 2)), (4, (-1, 2))]:
        with pytest.raises(ValueError, match=f"a batch of {size} has no equal part {part[0]} of {part[1]}"):
            Loader(numbered(8), size, Generator(0), part=part)
    with pytest.raises(ValueError, match="in every batch"):
        Loader(numbered(9), 4, Generator(0), drop_last=False, part=(0, 2))


def test_batches_of_a_wrong_size_are_refused():
    with pytest.raises(ValueError, match="batch_size=0: a batch has at least 1 example"):
        Loader(numbered(3), 0, Generator(0))
    with pytest.raises(ValueError, match="fills no batch with its 3 examples; take at most 3"):
        Loader(numbered(3), 4, Generator(0))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (Loader(numbered(9), 2, Generator(0)), "examples=9, this loader has 8"),
        (Loader(numbered(8), 3, Generator(0)), "batch_size=3, this loader has 2"),
        (Loader(numbered(8, name="other"), 2, Generator(0)), "dataset='other', this loader has 'numbered'"),
        (Loader(numbered(8), 2, Generator(0), shuffle=False), "shuffle=False, this loader has True"),
        (Loader(numbered(8, labelled=False), 2, Generator(0)), "saved with checksum"),
        (Loader(numbered(8, start=1), 2, Generator(0)), "saved with checksum"),
    ],
    ids=["examples", "batch size", "data set", "order", "labels", "content"],
)
def test_the_state_of_another_loader_is_refused(other, reason):
    with pytest.raises(ValueError, match=reason):
        Loader(numbered(8), 2, Generator(0)).load_state_dict(other.state_dict())


@pytest.mark.parametrize("change", [{"position": 4}, {"position": -1}, {"epoch": -1}, {"epoch": "1"}, {"generator": 3}])
def test_a_damaged_state_is_refused_and_changes_nothing(change):
    loader = Loader(numbered(8), 2, Generator(0))
    take(loader, 1)
    before = loader.state_dict()
    with pytest.raises(ValueError, match="state"):
        loader.load_state_dict({**before, **change})
    assert loader.state_dict() == before
    with pytest.raises(ValueError, match="it lacks 'epoch'"):
        loader.load_state_dict({"position": 0})
