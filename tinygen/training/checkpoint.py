"""Checkpoints: one safetensors file holds everything a run needs to go on as if it had never stopped.

The tensors are the arrays of the state (weights under `model.`, averaged weights under `ema.`, the
optimiser's); the metadata holds the rest as JSON (counters, generators, data order), whose checkpoint it
is, and the SHA-256 of all of it. A file is written atomically (`tinygen/files.py`) and its hash is compared on
every load; of a run's checkpoints the newest good one is used, and the caller is told of each that was not
good.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.files import TEMPORARY, write_atomically
from tinygen.training import tree
from tinygen.training.contract import NonFinite, RunError

KEEP = 3
DAMAGED = ".damaged"
_NAME = re.compile(r"step-(\d{8})\.safetensors")


class DamagedCheckpoint(ValueError):
    """The file is cut short, altered, or no checkpoint at all."""


@dataclass(frozen=True)
class Checkpoint:
    """A state of a run after `step` steps."""

    step: int
    owner: dict[str, Any]
    """What the weights belong to: the model's name and its options."""
    state: dict[str, Any]
    path: Path | None = None


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies in `folder`."""
    return Path(folder) / f"step-{step:08d}.safetensors"


def save(folder: Path, checkpoint: Checkpoint, keep: int = KEEP) -> Path:
    """Write the checkpoint atomically, then remove all but the newest `keep`.

    Raises OSError, and NonFinite for an array with a NaN or an infinity: no run can go on from such a state.
    """
    from safetensors.numpy import save as serialise

    arrays, rest = tree.split(checkpoint.state)
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NonFinite(name, float(array[~np.isfinite(array)].flat[0]))
    metadata = {"step": str(checkpoint.step), "owner": _json(checkpoint.owner), "state": _json(rest)}
    metadata["sha256"] = content_hash(arrays, metadata)
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    path = path_of(folder, checkpoint.step)
    write_atomically(path, serialise(arrays, metadata=metadata))
    for old in [*saved(folder)[keep:], *folder.glob(f"*{TEMPORARY}")]:
        old.unlink(missing_ok=True)
    return path


def saved(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, newest first, good or not."""
    found = [path for path in Path(folder).glob("step-*.safetensors") if _NAME.fullmatch(path.name)]
    return sorted(found, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """The step in the name of a checkpoint."""
    match = _NAME.fullmatch(Path(path).name)
    if match is None:
        raise ValueError(f"a checkpoint is named step-XXXXXXXX.safetensors, not {Path(path).name}")
    return int(match[1])


def load(path: Path) -> Checkpoint:
    """Read and verify one file. Raises DamagedCheckpoint, saying what is wrong, or OSError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as deserialise

    content = Path(path).read_bytes()
    try:
        arrays = deserialise(content)
    except SafetensorError as error:
        raise DamagedCheckpoint(f"{path} is cut short or is not safetensors ({error})") from None
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header.get("__metadata__", {})
    if not {"step", "owner", "state", "sha256"} <= metadata.keys():
        raise DamagedCheckpoint(f"{path} is safetensors but no checkpoint of a run (it has no record of one)")
    expected, found = metadata["sha256"], content_hash(arrays, metadata)
    if found != expected:
        raise DamagedCheckpoint(f"{path} has SHA-256 {found[:12]}…, its record says {expected[:12]}…")
    owner, rest = json.loads(metadata["owner"]), json.loads(metadata["state"])
    return Checkpoint(int(metadata["step"]), owner, tree.join(arrays, rest), Path(path))


def load_newest(folder: Path, damaged: Callable[[Path, str], None]) -> Checkpoint | None:
    """The newest good checkpoint of `folder`; `damaged(path, why)` is called for each newer one that is not.

    None if there is no checkpoint at all. Raises RunError when there are some and none is good.
    """
    paths = saved(folder)
    for path in paths:
        try:
            return load(path)
        except DamagedCheckpoint as error:
            damaged(path, str(error))
    if paths:
        raise RunError(f"none of the {len(paths)} checkpoints in {folder} is good; the run cannot go on")
    return None


def set_aside(path: Path) -> Path:
    """Rename a damaged checkpoint so that it is no longer tried, and not destroyed either."""
    return Path(path).rename(path.with_name(path.name + DAMAGED))


def content_hash(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """SHA-256 over the metadata (but its own entry) and every array: name, dtype, shape, bytes."""
    record = sorted((key, value) for key, value in metadata.items() if key != "sha256")
    digest = hashlib.sha256(_json(record).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
