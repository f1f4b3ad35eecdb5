"""`Module`: a tree of parameters, buffers and other modules, which are its plain attributes.

Nothing is intercepted when an attribute is set: a `Parameter` or `Module` that is an attribute is one of the
module's own, a tensor becomes a buffer through `register_buffer`. Names are the paths of attributes, as PyTorch's
(`encoder.0.weight`), so weights move both ways. Held by tests/nn/test_module.py and tests/pytorch/.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from tinygen.autodiff import guard
from tinygen.nn.parameter import Parameter
from tinygen.ops.manipulation import to as moved
from tinygen.random import Generator
from tinygen.tensor import Tensor, asarray

T = TypeVar("T")


class Mismatch(NamedTuple):
    """What `load_state_dict(strict=False)` left out."""

    missing: list[str]
    unexpected: list[str]


class Module:
    """Base of layers and models: subclasses set attributes in `__init__` and define `forward`."""

    training: bool = True

    forward: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Attributes that are computed when asked for, such as a weight under `spectral_norm`."""
        computed = vars(self).get("_computed", {})
        if name in computed:
            return computed[name](self)
        if name == "forward":
            raise AttributeError(f"{type(self).__name__} cannot be called: it defines no forward")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    # -- the tree --------------------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules that are attributes of this one, with the attributes' names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator["Module"]:
        """The modules that are attributes of this one."""
        for _, module in self.named_children():
            yield module

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, parents first, each once, with their paths."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            stack.extend([(_join(path, name), child) for name, child in module.named_children()][::-1])

    def modules(self) -> Iterator["Module"]:
        """This module and all below it, parents first, each once."""
        for _, module in self.named_modules():
            yield module

    def _named(self, own: Callable[["Module"], Iterator[tuple[str, T]]], once: bool) -> Iterator[tuple[str, T]]:
        """What `own` lists of each module, with paths; what has several is listed at the first if `once`."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            path, module = stack.pop()
            for name, value in own(module):
                if not once or id(value) not in seen:
                    seen.add(id(value))
                    yield path + name, value
            stack.extend([(f"{path}{name}.", child) for name, child in module.named_children()][::-1])

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their paths; a shared one is listed once."""
        return self._named(Module._own_parameters, once=True)

    def parameters(self) -> Iterator[Parameter]:
        """The parameters; a shared one is listed once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their paths; a shared one is listed once."""
        return self._named(Module._own_buffers, once=True)

    def buffers(self) -> Iterator[Tensor]:
        """The buffers; a shared one is listed once."""
        for _, buffer in self.named_buffers():
            yield buffer

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield name, value

    def _own_buffers(self) -> Iterator[tuple[str, Tensor]]:
        for name in vars(self).get("_buffers", {}):
            value = vars(self).get(name)
            if isinstance(value, Tensor):
                yield name, value

    def named_state(self) -> Iterator[tuple[str, Tensor]]:
        """The live parameters and persistent buffers with their paths; a shared one under each of them."""
        return self._named(Module._own_state, once=False)

    def _own_state(self) -> Iterator[tuple[str, Tensor]]:
        yield from self._own_parameters()
        for name, value in self._own_buffers():
            if vars(self)["_buffers"][name]:
                yield name, value

    def register_buffer(self, name: str, value: Tensor | None, persistent: bool = True) -> None:
        """Makes `value` the attribute `name`: part of the module's state, but not trained.

        Args:
            persistent: whether it is in `state_dict`.

        Raises:
            TypeError: a value that is no tensor, or a parameter.
        """
        if value is not None and (not isinstance(value, Tensor) or isinstance(value, Parameter)):
            raise TypeError(f"buffer {name!r} is a tensor that is no Parameter, not {type(value).__name__}")
        vars(self).setdefault("_buffers", {})[name] = persistent
        setattr(self, name, value)

    def apply(self, fn: Callable[["Module"], Any]) -> Self:
        """Calls `fn` on every module below this one, children first, and on this one last."""
        for module in list(self.modules())[::-1]:
            fn(module)
        return self

    # -- state -----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Path -> tensor, of the parameters and the persistent buffers, without gradient.

        The tensors share the module's memory: `copy.deepcopy` makes a snapshot, `tg.save` writes one.
        """
        return {name: value.detach() for name, value in self.named_state()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Mismatch:
        """Copies a state into this module's own parameters and buffers; nothing is written unless all of it fits.

        Args:
            state: path -> tensor or array, as `state_dict` gives it. Floating dtypes are converted.
            strict: refuse missing and unexpected names; else they are left out and returned.

        Raises:
            ValueError: missing or unexpected names (if strict), or shapes that differ; names all of them.
        """
        own = dict(self.named_state())
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        given = {name: asarray(state[name]) for name in own if name in state}
        wrong = [
            f"{name} is {array.shape}, should be {own[name].shape}"
            for name, array in given.items()
            if array.shape != own[name].shape
        ]
        faults = [("wrong shape", wrong)]
        if strict:
            faults = [("missing", missing), ("unexpected", unexpected), *faults]
        if any(names for _, names in faults):
            text = "; ".join(f"{what}: {_listed(names)}" for what, names in faults if names)
            raise ValueError(f"the state does not fit {type(self).__name__}: {text}")
        for name, array in given.items():
            own[name]._assign(asarray(moved(Tensor(array), own[name].device)))
        return Mismatch(missing, unexpected)

    def named_generators(self) -> Iterator[tuple[str, Generator]]:
        """The random generators that are attributes (those of dropout layers), with their paths.

        Their positions are not in `state_dict`, which holds what PyTorch's does; a run that is to be resumed
        exactly keeps `{name: g.state}` of these too.
        """

        def own(module: Module) -> Iterator[tuple[str, Generator]]:
            return ((name, value) for name, value in vars(module).items() if isinstance(value, Generator))

        return self._named(own, once=True)

    # -- switches --------------------------------------------------------------------------------------------

    def train(self, on: bool = True) -> Self:
        """Training mode for this module and all below it: dropout drops, batch norm uses the batch's statistics."""
        for module in self.modules():
            module.training = on
        return self

    def eval(self) -> Self:
        """Evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, on: bool = True) -> Self:
        """Whether the parameters are trained."""
        for parameter in self.parameters():
            parameter.requires_grad = on
        return self

    def zero_grad(self) -> None:
        """Forgets the gradients of the parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, target: Any) -> Self:
        """Moves parameters and buffers to a device, or their floating ones to a dtype; in place.

        The parameters stay the same objects, so an optimiser keeps them; graphs recorded before are stale and
        gradients are forgotten.
        """
        for tensor in [*self.parameters(), *self.buffers()]:
            array = moved(tensor.detach(), target)._data
            if array is tensor._data or (array.dtype != tensor.dtype and tensor.dtype.kind != "f"):
                continue
            guard.written(tensor._data)
            guard.written(array)
            trained = tensor.requires_grad
            if tensor._node is not None:
                tensor._node.leaf = None
            tensor.requires_grad = False
            tensor._data, tensor.grad = array, None
            guard.written(array)  # a node that retained this tensor finds the new array in it
            tensor.requires_grad = trained
        return self

    # -- print -----------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses; layers override it."""
        return ""

    def __repr__(self) -> str:
        lines = []
        for name, child in self.named_children():
            lines.append(f"({name}): " + repr(child).replace("\n", "\n  "))
        head = f"{type(self).__name__}({self.extra_repr()}"
        return head + "".join(f"\n  {line}" for line in lines) + ("\n)" if lines else ")")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _listed(names: list[str], most: int = 8) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def options(**values: Any) -> str:
    """`a=1, b=2`, for `extra_repr`."""
    return ", ".join(f"{name}={np.dtype(v).name if isinstance(v, np.dtype) else v!r}" for name, v in values.items())
