"""tinygen: generative models from scratch, every one held to its closed forms.

>>> import tinygen as tg
>>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

import typing as _typing
from importlib import import_module as _import_module

from tinygen import nn, optim, random
from tinygen import ops as _ops
from tinygen.autodiff.anomaly import AnomalyError, detect_anomaly
from tinygen.autodiff.backward import MutationError, grad
from tinygen.autodiff.checkpoint import checkpoint
from tinygen.autodiff.draw import draw_graph
from tinygen.autodiff.fusion import fused
from tinygen.autodiff.mixed_precision import mixed_precision
from tinygen.autodiff.primitive import joint, primitive
from tinygen.autodiff.tape import no_grad
from tinygen.autodiff.transforms import hessian, hvp, jacobian, jvp, stop_gradient, vjp
from tinygen.capture import CaptureError, capture, captured_steps
from tinygen.device import Device, cuda_status, device
from tinygen.ops import *
from tinygen.ops import linalg
from tinygen.state import load, save
from tinygen.tensor import Tensor, from_dlpack, tensor

__version__ = "0.1.0"

_ROOMS = ("data", "diffusion", "distributions", "divergence", "flow", "nets", "testing", "training", "truth")

if _typing.TYPE_CHECKING:  # to a type checker a room is there once it is imported
    from tinygen.profiling import profile

    bfloat16: _typing.Any
else:

    def __getattr__(name: str) -> _typing.Any:
        """What is imported when first asked for: rooms (`tg.testing.gradcheck`), `profile`, the dtype `bfloat16`."""
        if name == "bfloat16":
            from tinygen.kernels.array_module import bfloat16

            return bfloat16()
        if name == "profile":
            return _import_module("tinygen.profiling").profile
        if name not in _ROOMS:
            raise AttributeError(f"module 'tinygen' has no attribute {name!r}")
        return _import_module(f"tinygen.{name}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_ROOMS, "bfloat16", "profile"})
