"""A nested state split into its arrays, by name, and the rest as JSON; and put together again, exactly.

The state of a learner is dicts and lists with arrays among plain values. Arrays belong in safetensors,
under names such as `model.conv.weight` that other programs can read; keys that are not strings, tuples and
where each array goes belong in JSON beside them. `join(*split(state))` gives `state` back, bit by bit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


def split(tree: Any) -> tuple[dict[str, np.ndarray], Any]:
    """(arrays by dotted path, JSON value with {"~array": path} in their places).

    Tensors and device arrays become NumPy arrays; every array is a contiguous copy. Raises TypeError for a
    value that is none of: dict, list, tuple, array, tensor, number, string, bool, None.
    """
    arrays: dict[str, np.ndarray] = {}

    def walk(node: Any, path: str) -> Any:
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if isinstance(node, Mapping):
            if all(isinstance(key, str) and not key.startswith("~") for key in node):
                return {key: walk(value, f"{path}.{key}" if path else key) for key, value in node.items()}
            return {"~items": [[walk(k, path), walk(v, f"{path}.{k}")] for k, v in node.items()]}
        if isinstance(node, (list, tuple)):
            items = [walk(value, f"{path}.{index}") for index, value in enumerate(node)]
            return items if isinstance(node, list) else {"~tuple": items}
        array = np.array(as_numpy(node), order="C")
        if array.dtype == object:
            raise TypeError(f"{path or 'state'} is a {type(node).__name__}, which a checkpoint cannot hold")
        if path in arrays:
            raise ValueError(f"two arrays of the state have the name {path}")
        arrays[path] = array
        return {"~array": path}

    rest = walk(tree, "")
    return arrays, rest


def join(arrays: Mapping[str, np.ndarray], rest: Any) -> Any:
    """The inverse of `split`. Raises KeyError when an array that `rest` names is missing."""
    if isinstance(rest, list):
        return [join(arrays, value) for value in rest]
    if not isinstance(rest, dict):
        return rest
    match rest:
        case {"~array": name}:
            return arrays[name]
        case {"~tuple": items}:
            return tuple(join(arrays, value) for value in items)
        case {"~items": items}:
            return {join(arrays, key): join(arrays, value) for key, value in items}
    return {key: join(arrays, value) for key, value in rest.items()}


def as_numpy(value: Any) -> np.ndarray:
    """The NumPy array of a tensor, of a device array, or of anything NumPy takes; not to be written into."""
    if hasattr(value, "get") and hasattr(value, "device"):  # a CuPy array, which refuses to convert by itself
        return value.get()
    return np.asarray(value)
