"""`Parameter`: a tensor that a module owns and an optimiser moves."""

from typing import Any

from tinygen.tensor import Tensor, asarray


class Parameter(Tensor):
    """A tensor that carries a gradient and that a `Module` lists among its parameters once it is an attribute of it.

    Args:
        data: a floating tensor, whose memory is shared, or an array or numbers, which are copied.
        requires_grad: whether it is trained.

    Raises:
        TypeError: data of an integer or boolean dtype.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data._data if isinstance(data, Tensor) else asarray(data).copy(order="K"), requires_grad)
