"""The simulated CuPy refuses what CuPy refuses, counts what the host waits for, finds graphs that use lost memory."""

import numpy as np
import pytest
from simulator import Fault
from simulator.cupy import as_cupy


@pytest.fixture
def cupy():
    with as_cupy():
        import cupy

        yield cupy


def recorded(cupy, step, pool=None):
    """The graph of `step`, its result, and the pool it took memory from."""
    pool, stream = pool or cupy.cuda.MemoryPool(), cupy.cuda.Stream(non_blocking=True)
    with stream, cupy.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        result = step()
        return stream.end_capture(), result, pool


def test_arrays_of_host_and_device_do_not_mix(cupy):
    x, host = cupy.ones(3), np.ones(3)
    for refused in (lambda: x + host, lambda: host * x, lambda: cupy.where(x > 0, x, host), lambda: np.asarray(x)):
        with pytest.raises(TypeError, match=r"Unsupported type|Implicit conversion"):
            refused()
    with pytest.raises(TypeError, match="Unsupported type"):
        x[...] = host
    assert (x + np.float32(2) * cupy.arange(3)).get().tolist() == [1, 3, 5]


def test_views_share_memory_and_what_the_host_looks_at_is_counted(cupy):
    from simulator.cupy import SESSION

    x = cupy.asarray(np.arange(6.0)).reshape(2, 3)
    x.T[0] = 7.0
    assert (SESSION.reads, SESSION.uploads) == (0, 1)
    assert x.get().tolist() == [[7, 1, 2], [7, 4, 5]]
    assert float(x.sum()) == 26
    assert bool((x > 0).all())
    assert x[x > 4].shape == (3,)
    assert SESSION.reads == 4


def test_a_recording_runs_nothing_until_it_is_launched_and_then_anew_each_time(cupy):
    x, y = cupy.zeros(2), cupy.zeros(2)

    def step():
        x[...] = x + 1
        return 2 * x + y

    graph, result, pool = recorded(cupy, step)
    assert x.get().tolist() == [0, 0]
    assert np.isnan(result.get()).all()
    for count in (1, 2, 3):
        y[...] = count
        graph.launch()
        assert x.get().tolist() == [count] * 2
        assert result.get().tolist() == [3 * count] * 2
    assert pool is not None


def test_what_cannot_be_recorded_raises(cupy):
    x = cupy.ones((2, 2))
    for step in (lambda: float(x.sum()), lambda: x[x > 0], lambda: cupy.unique(x), lambda: bool(x.any())):
        with pytest.raises(RuntimeError, match="StreamCaptureUnsupported"):
            recorded(cupy, step)
    with pytest.raises(NotImplementedError, match="cuBLAS"):
        recorded(cupy, lambda: x @ x)
    with pytest.raises(Fault, match="memory of the host"):
        recorded(cupy, lambda: cupy.asarray(np.ones(2)))


def test_memory_of_the_shared_pool_is_found(cupy):
    x, stream = cupy.ones(2), cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(Fault, match="shared pool"):
            x + 1
        stream.end_capture()


def test_a_graph_without_its_pool_gives_nan(cupy):
    x = cupy.ones(2)
    graph, (y, z), pool = recorded(cupy, lambda: (y := x + 1, y + 1))
    graph.launch()
    assert z.get().tolist() == [3, 3]
    del pool
    assert np.isnan(y.get()).all()


def test_a_graph_that_uses_memory_freed_since_is_found(cupy):
    holder = [cupy.ones(2)]
    graph, _, pool = recorded(cupy, lambda: holder[0] + 1)
    graph.launch()
    holder.clear()
    with pytest.raises(Fault, match="freed"):
        graph.launch()
    assert pool is not None
