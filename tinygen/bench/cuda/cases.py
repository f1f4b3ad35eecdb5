"""The cases of the CUDA bench by name: ceilings, kernels, training steps."""

from tinygen.bench.cuda.ceilings import ceilings
from tinygen.bench.cuda.kernel import Kernel, named
from tinygen.bench.cuda.passes import passes
from tinygen.bench.cuda.products import products
from tinygen.bench.cuda.statistics import statistics

CEILINGS = named(ceilings())
KERNELS: dict[str, Kernel] = named([*products(), *statistics(), *passes()])
