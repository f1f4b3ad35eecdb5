"""Every check fails under the mistakes of its kind, planted one at a time; and the planting itself is held to that."""

import dataclasses
from itertools import chain

import of_kernels
import pytest
from lists import lists
from mutant import ROOT, Mutant
from planting import survives, trial
from table import DOCUMENT, keys

from tinygen.checks.registry import checks

MUTANTS = list(chain(*lists().values()))
MEASUREMENT = "tinygen/checks/measurement.py"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.mistake)
def test_the_named_checks_fail(mutant: Mutant) -> None:
    findings = trial(mutant)
    assert findings, "no check is named"
    assert not survives(mutant, findings)


def test_every_check_is_killed_by_a_mutant() -> None:
    named = set(chain(*(mutant.checks for mutant in MUTANTS)))
    assert {check.name for check in checks()} <= named


def test_mistakes_have_names_of_their_own() -> None:
    assert len({mutant.mistake for mutant in MUTANTS}) == len(MUTANTS)


def test_the_document_lists_the_mutants_that_there_are() -> None:
    """Which mistakes, where, and which checks fail; the figures are of the day it was written."""
    lines = [line.split(" | ") for line in DOCUMENT.read_text(encoding="utf-8").splitlines()]
    rows = [(cells[0].removeprefix("| "), *cells[1:3]) for cells in lines if cells[2:] and cells[2].startswith("`")]
    assert rows == [key for mutant in MUTANTS for key in keys(mutant)], "run `python tests/mutants/table.py`"


# -- the planting itself -------------------------------------------------------------------------------------

CHECK = "engine.of_a_test"
PLACE = "\ndef checks("
BODY = """
@check(0, "engine", "", formula="", statement="", source="")
def of_a_test() -> Iterator[Measurement]:
    from tinygen.checks.measurement import equal

    yield equal("nothing", 0.0, 0.0)
    {}

"""


def planted(line: str, **changes: str) -> Mutant:
    """A mutant that adds a check to the registry, with a last line of ours, and must be killed by it."""
    fields = {"file": "tinygen/checks/registry.py", "old": PLACE, "new": BODY.format(line) + PLACE, "killed_by": CHECK}
    return Mutant(mistake="of this test", **(fields | changes))


def test_a_measurement_that_does_not_hold_kills() -> None:
    mutant = planted('yield equal("one", 2.0, 1.0)')
    before = (ROOT / mutant.file).read_bytes()
    (finding,) = findings = trial(mutant)
    assert not survives(mutant, findings)
    assert (finding.what, finding.measured, finding.exact) == ("one", "2", "1")
    assert (ROOT / mutant.file).read_bytes() == before


@pytest.mark.parametrize("error", ["AssertionError", "ValueError", "np.linalg.LinAlgError"])
def test_a_guard_that_raises_kills(error: str) -> None:
    mutant = planted(f'import numpy as np; raise {error}("wrong")')
    assert not survives(mutant, trial(mutant))


@pytest.mark.parametrize(
    ("mutant", "why"),
    [
        (planted('yield equal("one", 1.0, 1.0)'), "holds (2 measurements)"),
        (planted('yield equal("one", one, 1.0)'), "does not run: NameError: name 'one' is not defined"),
        (planted("yield equal('one', "), "SyntaxError: '(' was never closed"),
        (planted("while True: pass"), "no answer in 3 s of a core"),
        (planted("import os; os._exit(3)"), "the process ended with code 3"),
        (planted("", killed_by="engine.unheard_of"), "there is no such check"),
        (
            planted("", file=MEASUREMENT, old="EXACT = 1e-9", new='raise ValueError("early")'),
            "ValueError: early",
        ),
        (
            planted("", file="tinygen/cli/listing.py", old="def ", new="def  ", killed_by="engine.unheard_of"),
            "tinygen/cli/listing.py was not loaded",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_count_as_killed(mutant: Mutant, why: str) -> None:
    (line,) = survives(mutant, trial(mutant, seconds=3))
    assert line.startswith(f"{mutant.killed_by}: {why}")


def test_a_kernel_is_compiled_from_the_changed_text_for_its_mutant_alone() -> None:
    mutant = of_kernels.MUTANTS[0]
    assert not survives(mutant, trial(mutant))
    unchanged = dataclasses.replace(mutant, new=mutant.old)
    assert survives(unchanged, trial(unchanged))[0].startswith(f"{mutant.killed_by}: holds")


def test_every_named_check_must_fail() -> None:
    mutant = planted('yield equal("one", 2.0, 1.0)', killed_by=f"{CHECK} engine.unheard_of")
    assert survives(mutant, trial(mutant)) == ["engine.unheard_of: there is no such check"]


def test_the_text_to_change_occurs_once() -> None:
    with pytest.raises(ValueError, match=r"'EXACT' occurs \d+ times in tinygen/checks/measurement.py, not 1"):
        trial(planted("", file=MEASUREMENT, old="EXACT"))
