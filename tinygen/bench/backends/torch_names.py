"""PyTorch's functions under the names that operations are written with: the array API's, and PyTorch's for layers.

Where both know a thing by other names, or arguments, PyTorch's fastest way that says the same stands here.
"""

from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional


def _extreme(over_all: Any, over_axis: Any) -> Any:
    """One function, with an axis or without."""
    return lambda x, axis=None: over_all(x) if axis is None else over_axis(x, axis)


F = SimpleNamespace(
    **{
        name: getattr(room, name)
        for room in (torch, torch.linalg, functional)
        for name in dir(room)
        if not name.startswith("_")
    }
)
F.max, F.min = _extreme(torch.max, torch.amax), _extreme(torch.min, torch.amin)
F.var, F.std = partial(torch.var, correction=0), partial(torch.std, correction=0)
F.logsumexp = lambda x, axis=(0, 1): torch.logsumexp(x, axis)
F.cumulative_sum, F.cumulative_prod = torch.cumsum, torch.cumprod
F.sort = lambda x, axis: torch.sort(x, axis)[0]
F.permute_dims, F.matrix_transpose, F.expand_dims = torch.permute, torch.adjoint, torch.unsqueeze
F.broadcast_arrays, F.unstack, F.repeat = torch.broadcast_tensors, torch.unbind, torch.repeat_interleave
F.astype, F.trace, F.vecdot = torch.Tensor.to, torch.trace, torch.linalg.vecdot
F.sigmoid, F.tanh = torch.sigmoid, torch.tanh  # those of torch.nn.functional are its old names
F.positive = torch.clone  # a copy, as here
F.power, F.equal, F.not_equal = torch.pow, torch.eq, torch.ne
F.take = lambda x, i, axis: torch.index_select(x, axis, i)
F.take_along_axis = torch.take_along_dim
F.pad_by_1 = lambda x: functional.pad(x, (1, 1, 1, 1))
F.dropout_half = functional.dropout
F.coupling = lambda x, s, t: x * torch.exp(s) + t
F.conv2d_relu = lambda x, w, b: functional.relu(functional.conv2d(x, w, b, padding=1))
F.conv2d_doubled = lambda x, w, b: functional.conv2d(functional.interpolate(x, scale_factor=2), w, b, padding=1)
F.group_norm_silu = lambda x, groups, w, b: functional.silu(functional.group_norm(x, groups, w, b))
F.normal_cdf = torch.special.ndtr
F.squared_distance_by_example = lambda x, y: torch.sum((x - y) ** 2, 1)


def _gate(x: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


F.gate = _gate
