"""Every operation there is, forward alone and with gradients, at an ordinary size and on tiny arrays.

    entry.py     one definition of an operation, and the four rows that it gives
    arrays.py    elementwise operations, reductions, and what moves entries
    layers.py    products, linear algebra, layers and losses
    report.py    a line for each operation, and a picture of all

operations.py has what the families' models use, at their sizes. This is all else too, so that nothing is slow without
anybody knowing. That neither an operation of the engine nor a public function is missing is held by
tests/bench/test_bench_survey.py.
"""

from tinygen.bench.survey.arrays import ARRAYS
from tinygen.bench.survey.layers import LAYERS

SURVEY = [*ARRAYS, *LAYERS]
OPERATIONS = [operation for entry in SURVEY for operation in entry.operations().values()]
"""Those that are timed: a few for each entry."""
