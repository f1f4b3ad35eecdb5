"""`tinygen bench`: this engine beside others, on this machine, in one run.

operations.py     what is timed: every operation once, for both libraries, with its sizes
survey/           every operation there is, at an ordinary size and on tiny arrays
steps.py          training steps of the families, and sampling, with their sizes
growth.py         small networks whose sizes are varied one at a time, and power laws through what is measured
torch_models/     the families' models in PyTorch; jax_models/ in JAX
backends/         the same work in each library
worker.py         one process a library, which measures what it is asked for
interleave.py     times: requests in random order; disturbed samples are discarded for all alike
kept.py           rows as they are finished: an interrupted measurement goes on from them
memory.py         peak memory of a step, each sample a process
startup.py        from the start of a process to its first training step, with caches that are empty or not
cuda/             kernels of a CUDA device
floors.py         the least that a case could take on this machine, what that is made of, and the share that is reached
goals.py          what the project aims at, and the rows that fall short of it
tried.py          for each of these the paragraph of docs/bench.md that says why, and what was tried
weights.py        this engine's weights for other libraries' processes
machine.py        what the figures were measured on, and whether anything else ran
result.py         medians, quartiles, ratios round by round, and how they agree from run to run
report.py         a table, Markdown, JSON, a picture; growth_report.py has columns of its own

Ratios are made within a round, of samples that lie seconds apart, and their median is what is quoted: on a shared
machine only they can be compared. Before anything is timed, values and gradients of the libraries are compared.
What a step takes in counts (bytes, kernels, copies, nodes) is held by tests/bench/test_step_counts.py.
"""
