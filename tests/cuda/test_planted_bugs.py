"""Typical mistakes of CUDA (planted/), planted one at a time in the project's own kernels: each is found without a GPU.

Found means that in at least one thread order the module's exercise (exercises/) faults or gives other numbers.
"""

import re
from collections.abc import Iterator

import pytest
from exercises import EXERCISES, agrees
from planted import BUGS
from simulator import ORDERS, Fault, needs_compiler, order, simulated

from tinygen.kernels.cuda import launch


def symptoms(module: str) -> Iterator[str]:
    """What the exercise says, in each thread order."""
    for name in ORDERS:
        with order(name):
            try:
                for what, ours, exact in EXERCISES[module](simulated(module)):
                    if not agrees(module, ours, exact):
                        yield f"{what} differs"
            except Fault as fault:
                yield str(fault)


@needs_compiler
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.mistake)
def test_the_mistake_is_found(bug, monkeypatch, tmp_path):
    bug.plant(launch.HERE, tmp_path)
    monkeypatch.setattr(launch, "HERE", tmp_path)
    launch._function.cache_clear()
    try:
        found = []
        for symptom in symptoms(bug.module):
            found.append(symptom)
            if re.search(bug.sign, symptom):
                return
        raise AssertionError(f"found {found or 'nothing'}, not {bug.sign!r}")
    finally:
        launch._function.cache_clear()


@needs_compiler
def test_rows_that_no_block_takes_are_found(monkeypatch):
    """The host rounds the number of blocks down: what nobody wrote is NaN."""
    from tinygen.kernels.cuda import softmax

    monkeypatch.setattr(softmax, "ceil_div", lambda a, b: a // b)
    assert "softmax differs" in symptoms("softmax")
