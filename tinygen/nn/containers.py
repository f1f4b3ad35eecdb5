"""Modules that hold modules in order: `Sequential` calls them one after the other, `ModuleList` only holds them.

Held by tests/nn/test_module.py.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self, overload

from tinygen.nn.module import Module


class _Ordered(Module):
    """Children named "0", "1", ..."""

    def __init__(self, modules: Iterable[Module] = ()):
        self.extend(modules)

    def append(self, module: Module) -> Self:
        """Adds `module` at the end.

        Raises:
            TypeError: it is no module.
        """
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__} holds modules, not {type(module).__name__}")
        setattr(self, str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Adds `modules` at the end."""
        for module in modules:
            self.append(module)
        return self

    def __len__(self) -> int:
        return sum(1 for _ in self.named_children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: Any) -> Any:
        children = list(self.children())
        if isinstance(index, slice):
            part = type(self)()
            return part.extend(children[index])
        if not -len(children) <= index < len(children):
            raise IndexError(f"index {index} is out of range for {len(children)} modules")
        return children[index]

    def __setitem__(self, index: int, module: Module) -> None:
        self[index]  # raises when out of range
        setattr(self, str(index % len(self)), module)


class Sequential(_Ordered):
    """Calls its modules in order, each on the result of the one before."""

    def __init__(self, *modules: Module):
        super().__init__(modules)

    def forward(self, x: Any) -> Any:
        for module in self.children():
            x = module(x)
        return x


class ModuleList(_Ordered):
    """A list of modules whose parameters are the owner's."""
