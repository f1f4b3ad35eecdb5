"""What holds within a step that ranks share; the statements are in on_ranks.py, which several ranks run."""

import json
import sys

import on_ranks
import pytest
from mpi_runs import HERE, needs_mpi, run

pytestmark = needs_mpi


@pytest.fixture(scope="module", params=[2, 3])
def outcome(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    done = run(request.param, [sys.executable, str(HERE / "on_ranks.py")])
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("case", [case.__name__ for case in on_ranks.CASES])
def test_on_ranks(outcome, case):
    assert outcome[case] == [], "".join(outcome[case])
