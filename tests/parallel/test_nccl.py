"""What is asked of NCCL: places, counts, types, streams; and which GPU a rank takes. On a GPU, that it is done."""

import sys
import types
from typing import Any

import numpy as np
import pytest

from tinygen.device import Device
from tinygen.parallel import nccl as ours
from tinygen.parallel.launch import NotTogether, own_device

CALLS: list[tuple[Any, ...]] = []


class Communicator:
    """Keeps what it is asked."""

    def __init__(self, size: int, unique_id: tuple[int, ...], rank: int) -> None:
        CALLS.append(("join", size, unique_id, rank))

    def allReduce(self, *asked: Any) -> None:
        CALLS.append(("allReduce", *asked))

    def broadcast(self, *asked: Any) -> None:
        CALLS.append(("broadcast", *asked))


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A machine with 2 GPUs, as far as this needs one."""
    CALLS.clear()
    nccl = types.SimpleNamespace(
        **{"NCCL_FLOAT32": 7, "NCCL_FLOAT64": 8, "NCCL_INT64": 4, "NCCL_SUM": 0, "available": True},
        **{"NcclCommunicator": Communicator, "get_unique_id": lambda: (1, 2, 3)},
    )
    runtime = types.SimpleNamespace(getDeviceCount=lambda: 2, deviceGetPCIBusId=lambda i: f"0000:0{i}:00.0")
    device = lambda i: types.SimpleNamespace(use=lambda: CALLS.append(("use", i)))
    module = types.ModuleType("cupy")
    module.cuda = types.ModuleType("cupy.cuda")  # type: ignore[attr-defined]
    vars(module.cuda).update(
        nccl=nccl, runtime=runtime, Device=device, get_current_stream=lambda: types.SimpleNamespace(ptr=99)
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupy.cuda", module.cuda)
    return module


class Array:
    """What NCCL needs to know of a CuPy array."""

    def __init__(self, place: int, size: int, dtype: str) -> None:
        self.data, self.size, self.dtype = types.SimpleNamespace(ptr=place), size, np.dtype(dtype)


@pytest.mark.parametrize(("dtype", "kind"), [("float32", 7), ("float64", 8), ("int64", 4)])
def test_sums_are_in_place_on_the_current_stream(cupy, dtype, kind):
    sums = ours.GPUSums(rank=1, size=4, unique_id=(5, 6))
    sums.all_reduce(Array(1000, 12, dtype))
    sums.broadcast(Array(2000, 3, dtype))
    assert [
        ("join", 4, (5, 6), 1),
        ("allReduce", 1000, 1000, 12, kind, 0, 99),
        ("broadcast", 2000, 2000, 3, kind, 0, 99),
    ] == CALLS


class World:
    """Ranks of a machine, of which this is one."""

    size, gpus = 2, None

    def __init__(self, rank: int, here: int, taken: list[str]) -> None:
        self.rank, self.first, self._here, self._taken = rank, rank == 0, here, taken

    def neighbours(self, value: Any) -> tuple[int, list[Any]]:
        return self._here, [value]

    def everybody(self, value: Any) -> list[Any]:
        found = [(value[0], f"0000:0{gpu}:00.0") for gpu in self._taken]
        assert found[self.rank] == value
        return found

    def tell(self, value: Any) -> Any:
        return value or (1, 2, 3)  # what the first rank told


def test_each_rank_of_a_machine_takes_a_gpu_of_its_own(cupy):
    world = World(rank=1, here=1, taken=["0", "1"])
    assert ours.take_gpu(world) == "cuda:1"
    assert isinstance(world.gpus, ours.GPUSums)
    assert CALLS == [("use", 1), ("join", 2, (1, 2, 3), 1)]


def test_a_process_alone_works_on_the_gpu_that_it_is_told(cupy):
    assert own_device(Device("cuda", 1)) == "cuda:1"
    assert CALLS == [("use", 1)]


def test_ranks_that_would_share_a_gpu_are_told_so(cupy):
    world = World(rank=2, here=2, taken=["0", "1", "0"])
    with pytest.raises(NotTogether, match=r"3 ranks on .* would share 2 GPU\(s\): start no more ranks than GPUs"):
        ours.take_gpu(world)


def test_without_nccl_it_says_how_to_get_it(cupy):
    cupy.cuda.nccl.available = False
    with pytest.raises(NotTogether, match="pip install nvidia-nccl"):
        ours.take_gpu(World(rank=0, here=0, taken=["0", "1"]))


@pytest.mark.gpu
def test_a_sum_over_one_rank_can_be_captured():
    """NCCL takes one GPU for each rank, so on one GPU there is one rank, whose sum is what it has."""
    cupy = pytest.importorskip("cupy")
    from cupy.cuda import nccl

    sums = ours.GPUSums(0, 1, nccl.get_unique_id())
    array = cupy.arange(5, dtype=cupy.float32)
    sums.all_reduce(array)
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        array *= 2
        sums.all_reduce(array)
        graph = stream.end_capture()
        for _ in range(3):
            graph.launch(stream)
    stream.synchronize()
    np.testing.assert_array_equal(cupy.asnumpy(array), np.arange(5) * 8)
