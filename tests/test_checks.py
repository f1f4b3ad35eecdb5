"""The closed forms: every check of the registry holds. `tinygen verify` prints the same."""

import pytest

from tinygen.checks.outcome import run
from tinygen.checks.registry import Check, checks


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_holds(check: Check) -> None:
    outcome = run(check)
    assert outcome.holds, "\n".join([check.statement, *outcome.failures])
