"""Numba's compiler, less what kernels have no use for.

Held by tests/kernels/test_compiled.py.
"""

from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import AnnotateTypes, InlineOverloads, NopythonRewrites
from numba.core.untyped_passes import (
    FindLiterallyCalls,
    InlineClosureLikes,
    LiteralUnroll,
    MakeFunctionToJitFunction,
    WithLifting,
)

# Kernels have no closures, no `with`, nothing `literally`, no expressions of whole arrays; and nobody reads the notes
# that Numba makes about types and keeps with the machine code.
_LEFT_OUT = {
    WithLifting,
    InlineClosureLikes,
    MakeFunctionToJitFunction,
    FindLiterallyCalls,
    LiteralUnroll,
    InlineOverloads,
    NopythonRewrites,
    AnnotateTypes,
}


class Pipeline(CompilerBase):
    """From a Python function to machine code: a Numba function's `pipeline_class`."""

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("kernel")
        of_numba = DefaultPassBuilder.define_nopython_pipeline(self.state).passes
        manager.passes = [given for given in of_numba if given[0] not in _LEFT_OUT]
        manager.finalize()
        return [manager]
