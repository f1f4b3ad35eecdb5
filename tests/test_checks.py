"""The closed forms: every check of the registry holds. `tinygen verify` prints the same."""

import pytest

from tinygen.checks.registry import Check, checks


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_holds(check: Check) -> None:
    measurements = list(check.measure())
    assert measurements, f"{check.name} measures nothing"
    failed = [m for m in measurements if not m.holds]
    assert not failed, "\n".join([check.statement, *map(str, failed)])
