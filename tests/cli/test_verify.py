"""`tinygen verify`: what it prints, the page it writes, and exit code 1 when a statement does not hold."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tinygen.checks import registry
from tinygen.checks.measurement import Measurement, at_least, at_most, equal, estimate
from tinygen.checks.page import formula_svg
from tinygen.checks.registry import FAMILIES, Check
from tinygen.cli import main
from tinygen.drawing import Curves


def true() -> Iterator[Measurement]:
    yield equal("one", 1.0, 1.0)
    yield equal("two", 2.0 + 1e-12, 2.0)


def false() -> Iterator[Measurement]:
    yield equal("two", 2.5, 2.0)


def stops() -> Iterator[Measurement]:
    yield equal("one", 1.0, 1.0)
    raise ZeroDivisionError("a / b\nwith b = 0")


def nothing() -> Iterator[Measurement]:
    return iter(())


def made(measure: Callable[[], Iterator[Measurement]]) -> Check:
    line = Curves("A line & its caption", np.arange(3.0), {"y": np.arange(3.0)})
    return Check(
        f"flow.{measure.__name__}", 1, "flow", f"Title of {measure.__name__}", r"\frac{x}{2} = \log|\det J|",
        "Half is half.", "Nobody 2020, eq. 1", measure, lambda: line,
    )  # fmt: skip


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put these measures in the place of the registry."""

    def put(*measures: Callable[[], Iterator[Measurement]]) -> None:
        monkeypatch.setattr(registry, "checks", lambda family=None: [made(measure) for measure in measures])

    return put


def test_what_holds_is_printed_and_written(
    of: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of(true)
    page = tmp_path / "deep" / "page.html"
    assert main(["verify", "--out", str(page)]) == 0
    printed = capsys.readouterr().out
    for part in ("holds", "Title of true", "flow.true", "Half is half.", "Nobody 2020, eq. 1", "1.0e-09", str(page)):
        assert part in printed
    text = page.read_text()
    for part in ("<svg", "A line &amp; its caption", "data:image/png;base64,", "all 1 hold", "Half is half."):
        assert part in text
    assert "http" not in text.replace("http://www.w3.org", ""), "the page needs nothing from elsewhere"


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        (false, "two: 2.5 for 2, error 0.25"),
        (stops, "ZeroDivisionError: a / b with b = 0"),
        (nothing, "it measured nothing"),
    ],
    ids=["off", "stops", "nothing"],
)
def test_one_failure_fails_the_command_and_hides_no_other_check(
    of: Callable[..., None],
    measure: Callable[[], Iterator[Measurement]],
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    of(measure, true)
    assert main(["verify", "--out", str(tmp_path / "page.html")]) == 1
    printed = capsys.readouterr().out
    assert reason in printed
    assert "1 of 2 checks fail" in printed
    assert "Title of true" in printed
    assert reason.split(":")[0] in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("flwo", "unknown family 'flwo': did you mean flow?"),
        ("--out page.txt", "--out is a page that ends in .html, not page.txt"),
    ],
)
def test_wrong_usage_is_one_line(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *arguments.split()]) == 2
    assert said in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_one_line(
    of: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of(true)
    (tmp_path / "file").touch()
    assert main(["verify", "--out", str(tmp_path / "file" / "page.html")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        equal("sign", -1.0, 1.0),
        equal("nan", np.nan, 1.0),
        equal("one entry", [1.0, 2.0, 3.1], [1.0, 2.0, 3.0]),
        equal("signed differences cancel", [1.1, 0.9], [1.0, 1.0]),
        estimate("mean", 1.0 + np.tile([-0.1, 0.1], 50), 0.9),
        at_most("bound", 1.1, 1.0),
        at_most("bound", np.nan, 1.0),
        at_least("bound", 0.9, 1.0),
        at_least("bound", np.nan, 1.0),
    ],
    ids=lambda m: m.what,
)
def test_a_measurement_that_is_off_does_not_hold(wrong: Measurement) -> None:
    assert not wrong.holds


def test_a_comparison_is_never_broadcast_and_never_empty() -> None:
    with pytest.raises(ValueError, match=r"measured has shape \(3,\), exact has \(\)"):
        equal("mean", np.ones(3), 1.0)
    with pytest.raises(ValueError, match="nothing to compare"):
        equal("mean", np.ones(0), np.ones(0))


def test_the_worst_measurement_stands_for_the_check() -> None:
    from tinygen.checks.outcome import run

    worst = run(made(true)).worst
    assert worst is not None
    assert worst.what == "two"


def test_the_families_of_the_registry_are_those_with_checks() -> None:
    assert {check.family for check in registry.checks()} <= set(FAMILIES)


@pytest.mark.parametrize("check", registry.checks(), ids=lambda check: check.name)
def test_every_formula_can_be_set(check: Check) -> None:
    assert "<path" in formula_svg(check.formula)
    assert check.title
    assert check.statement.endswith(".")
    assert check.source
