"""Data parallel: one model on several processes, each with its own part of every batch.

communicator.py  what ranks say to each other, and the one that is alone
launch.py        how a process knows that it is one of several; threads and GPUs for each
mpi.py           ranks as processes, by mpi4py
nccl.py          sums between GPUs, by CuPy's NCCL; the rest by MPI
step.py          the step that is shared: gradients, figures, rows of all ranks
generator.py     noise: a rank draws its own rows of what one process would draw
batch_norm.py    statistics over the batch of all ranks
last_words.py    what is said when a rank was killed

n ranks at a batch of N take the step that one process takes at N, to rounding: the loss is a mean over examples, so
its gradient is the mean of the ranks'; noise and data are the same by row; and what looks at the batch as a whole
(batch statistics, k-means, moments of codes) looks at that of all ranks. Without `mpirun` none of this is imported
but the names below, and each of them is then nothing but a test for None.
Held by tests/parallel/.
"""

from tinygen.parallel.batch_norm import batch_norm_of_all
from tinygen.parallel.communicator import Alone, Communicator, Echo, PeerFailed
from tinygen.parallel.generator import along, common, own_rows
from tinygen.parallel.launch import NotTogether, join, own_device, restart_command, world
from tinygen.parallel.step import (
    average,
    average_gradients,
    gathered,
    mean_over_ranks,
    share,
    shared_step,
)
