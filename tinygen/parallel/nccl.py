"""Sums between GPUs by NCCL, on CuPy's current stream: they can be captured in a CUDA graph.

Each rank takes one GPU of its machine, and NCCL refuses two ranks on one. MPI makes the introduction and carries all
else that ranks say to each other.
Held by tests/parallel/test_nccl.py, with a stand-in for `cupy.cuda.nccl` where there is no GPU.
"""

import platform
from typing import Any

from tinygen.device import Device
from tinygen.parallel.launch import NotTogether


class GPUSums:
    """NCCL's communicator of this rank, on the device that is current.

    Args:
        unique_id: what `cupy.cuda.nccl.get_unique_id` gave the first rank, the same on all.
    """

    def __init__(self, rank: int, size: int, unique_id: tuple[int, ...]) -> None:
        from cupy.cuda import nccl

        self._types = {"f": nccl.NCCL_FLOAT32, "d": nccl.NCCL_FLOAT64, "l": nccl.NCCL_INT64}
        self._sum = nccl.NCCL_SUM
        self._ranks = nccl.NcclCommunicator(size, unique_id, rank)

    def all_reduce(self, array: Any) -> None:
        """The sum over all ranks in place of a contiguous CuPy array, of float32, float64 or int64."""
        place, kind = array.data.ptr, self._types[array.dtype.char]
        self._ranks.allReduce(place, place, array.size, kind, self._sum, _stream())

    def broadcast(self, array: Any) -> None:
        """The first rank's in place of a contiguous CuPy array."""
        place, kind = array.data.ptr, self._types[array.dtype.char]
        self._ranks.broadcast(place, place, array.size, kind, 0, _stream())


def take_gpu(world: Any) -> Device:
    """Makes a GPU that no other rank has the current one, and joins the ranks' GPUs.

    Args:
        world: the `Processes`; its sums of CuPy arrays go through NCCL from now on.

    Raises:
        NotTogether: ranks would share a GPU, or NCCL does not load.
    """
    import cupy
    from cupy.cuda import nccl, runtime

    count = runtime.getDeviceCount()
    place, _ = world.neighbours(None)
    index = place % count
    taken = world.everybody((platform.node(), runtime.deviceGetPCIBusId(index)))
    if len(set(taken)) < len(taken):
        machine = max(taken, key=taken.count)[0]
        ranks = sum(host == machine for host, _ in taken)
        gpus = len({bus for host, bus in taken if host == machine})
        raise NotTogether(f"{ranks} ranks on {machine} would share {gpus} GPU(s): start no more ranks than GPUs there")
    if not getattr(nccl, "available", True):
        raise NotTogether("ranks on GPUs add up by NCCL, and CuPy finds none: pip install nvidia-nccl-cu13 (or -cu12)")
    cupy.cuda.Device(index).use()
    world.gpus = GPUSums(world.rank, world.size, world.tell(nccl.get_unique_id() if world.first else None))
    return Device("cuda", index)


def _stream() -> int:
    import cupy

    return cupy.cuda.get_current_stream().ptr
