"""What holds within a step that ranks share; the statements are in on_ranks.py, which several ranks run."""

import json
import sys

import on_ranks
import pytest
from mpi_runs import HERE, needs_mpi, run

pytestmark = needs_mpi


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_statement_holds_on_ranks(ranks):
    done = run(ranks, [sys.executable, str(HERE / "on_ranks.py")])
    assert done.returncode == 0, done.stderr
    said = dict(json.loads(line) for line in done.stdout.splitlines())
    assert said.keys() == {case.__name__ for case in on_ranks.CASES}
    failed = {case: reasons for case, reasons in said.items() if reasons}
    assert failed == {}, "\n".join(reason for reasons in failed.values() for reason in reasons)
