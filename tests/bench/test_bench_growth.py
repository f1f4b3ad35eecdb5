"""Growth: the power law that the points were made of comes back, and the points are of the sizes that are named."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.bench.backends.with_tinygen import OperationRun
from tinygen.bench.growth import SERIES, Fit, attention, convolutions, fit, linears
from tinygen.bench.growth_report import of_growth, said
from tinygen.bench.result import MILLISECONDS, Row, Samples


@given(st.floats(0.2, 3), st.floats(1e-6, 1e3))
def test_a_power_law_is_found(exponent: float, constant: float) -> None:
    sizes = [2, 4, 8, 64]
    found = fit(sizes, [constant * n**exponent for n in sizes])
    assert found.exponent == pytest.approx(exponent)
    assert found.constant == pytest.approx(constant)
    assert found.residual == pytest.approx(0, abs=1e-9)
    assert found(64) == pytest.approx(constant * 64**exponent)


def test_what_is_no_power_law_leaves_something() -> None:
    assert fit([1, 10, 100], [1.0, 1.0, 100.0]).residual > 0.5


@pytest.mark.parametrize("values", [[1.0], [0.0, 1.0]])
def test_a_law_needs_two_points_above_0(values: list[float]) -> None:
    with pytest.raises(ValueError, match="two points or more"):
        fit(range(1, 1 + len(values)), values)


@pytest.mark.parametrize(
    "operation", [convolutions(2, 3, 6, 2), linears(4, 5, 3), attention(2, 7, 4)], ids=lambda o: o.name
)
def test_a_network_of_any_size_gives_its_gradients(operation) -> None:
    found = OperationRun(operation).results()
    assert found.keys() == {"value", *operation.inputs}
    assert all(np.isfinite(array).all() and array.any() for array in found.values())


@pytest.mark.parametrize("series", SERIES, ids=lambda s: s.name)
def test_one_size_is_varied_and_it_doubles(series) -> None:
    assert [size / series.sizes[0] for size in series.sizes] == [1, 2, 4, 8]
    assert [f"{series.varied} {size}" in point.name for size, point in zip(series.sizes, series.points)] == [True] * 4
    rest = {point.name.replace(f"{series.varied} {size}", "") for size, point in zip(series.sizes, series.points)}
    assert len(rest) == 1


def test_the_report_has_a_law_for_each_series_quantity_and_library(tmp_path) -> None:
    series = [one for one in SERIES if one.name == "attention, length"]

    def row(name: str, size: int, exponent: float, scale: float) -> Row:
        ours, theirs = Samples(), Samples()
        ours.add(scale * size**exponent)
        theirs.add(2 * scale * size**exponent)
        return Row(name, {"tinygen": ours, "torch": theirs}, {})

    named = {point.name: size for one in series for size, point in zip(one.sizes, one.points)}
    rows = {
        "time": [row(name, size, 2.0, 1e-3) for name, size in named.items()],
        "memory": [row(name, size, 1.0, 2.0**20) for name, size in named.items()],
    }
    report = of_growth(series, rows, ["tinygen", "torch"])
    assert report.cells[1] == [
        "attention, length, 128 to 1024: memory",
        "n^1.00, 1.02e+03 MiB",
        "n^1.00, 2.05e+03 MiB",
        "0.50",
    ]
    first = report.content["series"][0]
    assert (first["varied"], first["quantity"], first["unit"]) == ("length", "time", "ms")
    assert first["libraries"]["torch"]["fit"]["exponent"] == pytest.approx(2.0)
    assert first["libraries"]["torch"]["sizes"] == [128, 256, 512, 1024]
    assert [path.exists() for path in report.save(tmp_path, "growth", {})] == [True] * 3
    without = of_growth(series, rows | {"time": []}, ["tinygen", "torch"])
    assert without.cells[0] == ["attention, length, 128 to 1024: time", "", "", ""]


def test_a_law_that_its_points_do_not_follow_says_so() -> None:
    assert said(Fit(2.0, 3.0, 0.05), MILLISECONDS, 10) == "n^2.00, 300 ms"
    assert said(Fit(2.0, 3.0, 0.25), MILLISECONDS, 10) == "n^2.00, 300 ms (off by 25%)"
