"""`tg.save` and `tg.load`: named arrays in a safetensors file, which PyTorch, JAX and others read and write.

A file is written atomically (`files.py`), so a reader never meets half of one.
Held by tests/test_state.py, with files that PyTorch writes.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.device import Device, device, transfer
from tinygen.files import write_atomically
from tinygen.tensor import Tensor, asarray, named


def save(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Writes name -> tensor, as `Module.state_dict()` gives it, to one safetensors file; atomic.

    Args:
        path: the file; one that is there is replaced.
        state: tensors, arrays or numbers by name. Two names may share one tensor; both are written.

    Raises:
        TypeError: a name that is no string, or a value that is no array.
        OSError: the file cannot be written (no such folder, full disk); what was there before stays.
    """
    from safetensors.numpy import save as serialised

    if not isinstance(state, Mapping):
        raise TypeError(
            f"save: a mapping name -> tensor is wanted, such as state_dict() gives, not {type(state).__name__}"
        )
    arrays = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise TypeError(f"save: names are strings, not {name!r}")
        if isinstance(value, Mapping):
            raise TypeError(f"save: {name!r} is a mapping; give name -> tensor, joined as in {name + '.weight'!r}")
        arrays[name] = np.ascontiguousarray(transfer(asarray(value), device("cpu"))).reshape(np.shape(value))
    write_atomically(Path(path), serialised(arrays))


def load(path: str | os.PathLike[str], where: "str | Device | None" = None) -> dict[str, Tensor]:
    """Reads a safetensors file: name -> tensor, without gradient, in the dtypes of the file.

    Args:
        where: the device the tensors go to; the CPU by default.

    Raises:
        ValueError: the file is cut short, or is not safetensors, or holds a dtype NumPy does not have.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError, deserialize

    content = Path(path).read_bytes()
    try:
        entries = deserialize(content)
    except SafetensorError as error:
        raise ValueError(f"{path} is cut short or is not a safetensors file ({error})") from None
    target = device(where or "cpu")
    return {name: Tensor(transfer(_array(str(path), name, entry), target)) for name, entry in entries}


DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "bfloat16",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}


def _array(path: str, name: str, entry: Mapping[str, Any]) -> np.ndarray:
    kind = entry["dtype"]
    if kind not in DTYPES:
        raise ValueError(f"{path}: {name!r} has dtype {kind}; {', '.join(DTYPES)} can be read")
    return np.frombuffer(entry["data"], named(DTYPES[kind])).reshape(entry["shape"]).copy()
