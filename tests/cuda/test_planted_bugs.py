"""Typical mistakes of CUDA (planted/), planted one at a time in the project's own kernels: each is found without a GPU.

Found means that in at least one thread order the module's exercise (exercises/) faults or gives other numbers.
"""

import re

import pytest
from exercises import EXERCISES, agrees
from planted import BUGS
from simulator import ORDERS, Fault, needs_compiler, order, simulated

from tinygen.kernels.cuda import launch


def symptoms(module: str) -> list[str]:
    """What the exercise says, in each thread order."""
    found = []
    for name in ORDERS:
        with order(name):
            try:
                results = EXERCISES[module](simulated(module))
                found += [f"{what} differs" for what, ours, exact in results if not agrees(module, ours, exact)]
            except Fault as fault:
                found.append(str(fault))
    return found


@needs_compiler
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.mistake)
def test_the_mistake_is_found(bug, monkeypatch, tmp_path):
    bug.plant(launch.HERE, tmp_path)
    monkeypatch.setattr(launch, "HERE", tmp_path)
    launch._function.cache_clear()
    try:
        found = symptoms(bug.module)
    finally:
        launch._function.cache_clear()
    assert any(re.search(bug.sign, symptom) for symptom in found), found


@needs_compiler
def test_rows_that_no_block_takes_are_found(monkeypatch):
    """The host rounds the number of blocks down: what nobody wrote is NaN."""
    from tinygen.kernels.cuda import softmax

    monkeypatch.setattr(softmax, "ceil_div", lambda a, b: a // b)
    assert "softmax differs" in symptoms("softmax")
