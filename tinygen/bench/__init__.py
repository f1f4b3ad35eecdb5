"""`tinygen bench`: this engine beside others, on this machine, in one run.

operations.py     what is timed: every operation once, for both libraries, with its sizes
steps.py          training steps of the families, with their sizes
backends/         the same steps in each library
worker.py         one process a backend, which times what it is asked for
interleave.py     the requests, in random order; disturbed samples are discarded for all alike
machine.py        what the figures were measured on, and whether anything else ran
result.py         medians, quartiles, ratios round by round; a table, JSON, a picture

Ratios are made within a round, of samples that lie seconds apart, and their median is what is quoted: on a shared
machine only they can be compared. Before anything is timed, values and gradients of the libraries are compared.
"""
