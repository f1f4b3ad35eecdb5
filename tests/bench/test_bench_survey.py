"""The survey leaves no operation out, computes the same in both libraries, and gives each operation a line."""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygen import ops
from tinygen.autodiff.backward import grad
from tinygen.autodiff.primitive import REGISTRY
from tinygen.autodiff.tape import reachable
from tinygen.bench.backends import with_tinygen
from tinygen.bench.interleave import ROUNDING, difference
from tinygen.bench.operations import OPERATIONS
from tinygen.bench.result import MICROSECONDS, Row, Runs, Samples
from tinygen.bench.survey import SURVEY
from tinygen.bench.survey.entry import FORMS, Entry
from tinygen.bench.survey.report import of_survey
from tinygen.cli import main
from tinygen.nn import functional
from tinygen.ops import linalg
from tinygen.tensor import tensor

REASONS = {
    "it is the gradient of a gradient": "pick_chosen",
    "it is another name of one that has a row": "cumsum pow",
    "it is called with arguments that stand in its row": "dropout pad",
    "it makes an array of nothing, or of another's shape": (
        "arange asarray empty empty_like eye full full_like linspace ones ones_like zeros zeros_like"
    ),
    "it is of integers": (
        "bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift bitwise_right_shift invert left_shift "
        "right_shift"
    ),
    "it asks about dtypes": "can_cast finfo iinfo isdtype result_type",
    "the shape of its result depends on the values, and it has no gradient": (
        "nonzero unique_all unique_counts unique_inverse unique_values"
    ),
    "it has no gradient, and is used on what lies sorted": "searchsorted",
    "it does nothing to the values on one device": "_to_device",
    "the mean of it has a row": (
        "squared_difference squared_distance absolute_difference absolute_distance huber huber_in_all "
        "logistic_loss_in_all"
    ),
    "it is what one that has a row does with large arrays": "inner",
    "it is no operation, but what others ask, or give": "floating same_dtype SignAndLog",
}
WITHOUT_A_ROW = {name: reason for reason, names in REASONS.items() for name in names.split()}

tiny = pytest.mark.parametrize("entry", SURVEY, ids=lambda entry: entry.name)


class Noted:
    """The functions of a library, and which of them were asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(with_tinygen.F, name)


def at_last(entry: Entry) -> Any:
    """The last of an entry's rows: tiny arrays, with gradients where there are any."""
    return list(entry.operations().values())[-1]


def used(entry: Entry) -> set[str]:
    """The functions that an entry calls, and the operations that it and its gradients are made of."""
    noted, run = Noted(), with_tinygen.operation(at_last(entry))
    y, g = at_last(entry).call(noted, run.inputs), tensor(run.cotangent, requires_grad=True)
    made = [y, *grad(y, run.wanted, g, create_graph=True)] if run.wanted else [y]
    nodes = [node for tensor in made if tensor._node is not None for node in reachable(tensor._node)]
    return noted.names | {node.op.name for node in nodes if node.op is not None}


def public() -> set[str]:
    """The operations of the engine, and the public functions on arrays."""
    for module in pkgutil.iter_modules(ops.__path__):
        importlib.import_module(f"tinygen.ops.{module.name}")
    own = {n for n, f in vars(linalg).items() if getattr(f, "__module__", "") == linalg.__name__ and n[0] != "_"}
    listed = {(room, name) for room in (ops, functional) for name in room.__all__}
    functions = {n for room, n in listed if callable(getattr(room, n)) and not isinstance(getattr(room, n), type)}
    return REGISTRY.keys() | functions | own


def test_no_operation_is_without_a_row_or_a_reason() -> None:
    there = set().union(*map(used, SURVEY))
    assert public() - there - WITHOUT_A_ROW.keys() == set(), "add a row to tinygen/bench/survey, or a reason here"
    assert WITHOUT_A_ROW.keys() & there == set()
    assert WITHOUT_A_ROW.keys() - public() == set()


def test_every_row_has_a_name_of_its_own() -> None:
    rows = [operation.name for entry in SURVEY for operation in entry.operations().values()]
    assert len({*rows, *(operation.name for operation in OPERATIONS)}) == len(rows) + len(OPERATIONS)


@tiny
def test_values_and_gradients_are_those_of_pytorch(entry: Entry) -> None:
    pytest.importorskip("torch")
    from tinygen.bench.backends import with_torch

    ours, theirs = with_tinygen.operation(at_last(entry)).results(), with_torch.operation(at_last(entry)).results()
    assert ours.keys() == theirs.keys()
    assert {name: array.shape for name, array in ours.items()} == {name: array.shape for name, array in theirs.items()}
    assert all(difference(theirs[name], array) < ROUNDING for name, array in ours.items())
    assert entry.compared == bool(ours)


@tiny
def test_the_four_rows_of_an_entry_are_one_operation(entry: Entry) -> None:
    """Ordinary and tiny arrays of as many axes; gradients where there are any; the ordinary ones are larger."""
    rows = entry.operations()
    assert list(rows) == list(FORMS) or (list(rows) == list(FORMS[::2]) and not at_last(entry).wanted)
    assert [operation.backward for operation in rows.values()] == [form.endswith("gradients") for form in rows]
    ordinary, small = rows[FORMS[0]].arrays(), rows[FORMS[2]].arrays()
    assert {name: array.ndim for name, array in ordinary.items()} == {n: array.ndim for n, array in small.items()}
    assert sum(array.size for array in small.values()) * 8 <= sum(array.size for array in ordinary.values())


def row(case: str, ours: float, theirs: float | None = 1.0) -> Row:
    samples = {"tinygen": Samples(), "torch": Samples()}
    samples["tinygen"].add(ours)
    if theirs is None:
        return Row(case, {"tinygen": samples["tinygen"]}, {"torch": "value differs"})
    samples["torch"].add(theirs)
    return Row(case, samples, {})


def test_an_operation_is_a_line_and_what_it_has_not_is_left_empty(tmp_path: Path) -> None:
    entries = [entry for entry in SURVEY if entry.name in ("exp", "argmax, axis 1")]
    rows = [row(f"exp: {form}", ratio) for form, ratio in zip(FORMS, (0.5, 2.0, 1.05, 0.1))]
    rows += [row("argmax, axis 1: forward alone", 1.0), row("argmax, axis 1: tiny, forward alone", 1.0, None)]
    report = of_survey(entries, Runs([rows], ["tinygen", "torch"], MICROSECONDS))
    assert report.header == ["", *FORMS]
    assert report.cells == [
        ["exp", "0.50", "2.00", "1.05", "0.10"],
        ["argmax, axis 1", "1.00", "", "value differs", ""],
    ]
    colours = [[report.colours(i, j) for j in range(5)] for i in range(2)]
    assert colours == [[None, "green", "red", "yellow", "green"], [None, "green", None, None, None]]
    assert report.failed
    paths = report.save(tmp_path, "survey", {})
    assert paths[2].read_bytes().startswith(b"\x89PNG")


def test_the_command_names_what_is_above_its_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--rounds", "1", "--seconds", "0", "--threads", "1", "--against", "--out", str(tmp_path)]
    assert main(["bench", "survey", "exp", "x[3]", *options]) == 0
    assert "x[3]" in capsys.readouterr().out
    written = json.loads((tmp_path / "survey.json").read_text())
    cases = [row["case"] for row in written["runs"][0]]
    assert cases == [f"{name}: {form}" for name in ("exp", "x[3]") for form in FORMS]


def test_arrays_are_the_same_in_every_process() -> None:
    for entry in SURVEY:
        for one, two in zip(at_last(entry).arrays().values(), at_last(entry).arrays().values()):
            np.testing.assert_array_equal(one, two)
