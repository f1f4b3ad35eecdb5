"""The floor of a kernel is what the card's own copy and product would take, measured in the same run."""

import pytest

from tinygen.bench.cuda.ceilings import COPY, PRODUCT, ceilings
from tinygen.bench.cuda.floors import Ceilings, measured, report
from tinygen.bench.cuda.kernel import Kernel, named
from tinygen.bench.result import MILLISECONDS, Row, Runs, Samples

CARD = named(ceilings(1000, 100))  # 8,000 bytes; 2,000,000 operations


def kernel(name: str, moved: int, operations: int = 0, kind: str = "relu") -> Kernel:
    return Kernel(name, kind, {}, lambda K, a: None, None, moved, operations)


def row(case: str, **seconds: float) -> Row:
    samples = {name: Samples() for name in seconds}
    for name, value in seconds.items():
        samples[name].add(value)
    return Row(case, samples, {})


def test_the_floor_is_the_greater_of_the_two_times() -> None:
    card = Ceilings(bandwidth=1000.0, rate=100.0, precision="tf32")
    assert card.floor(kernel("", 500)) == (0.5, "memory")
    assert card.floor(kernel("", 500, 40)) == (0.5, "memory")
    assert card.floor(kernel("", 500, 80)) == (0.8, "product")


def test_no_floor_for_products_of_unknown_rate() -> None:
    card = Ceilings(bandwidth=1000.0, rate=None, precision="tf32")
    assert card.floor(kernel("", 500, 80)) is None
    assert card.floor(kernel("", 500)) == (0.5, "memory")


def test_products_in_bfloat16_move_half() -> None:
    card = Ceilings(bandwidth=1000.0, rate=100.0, precision="bfloat16")
    assert card.floor(kernel("", 500, 1, "matmul")) == (0.25, "memory")


def test_ceilings_are_those_of_the_fastest_library() -> None:
    rows = [row(COPY, tinygen=4.0, torch=2.0), row(PRODUCT, torch=1.0)]
    found = measured(Runs([rows], ["tinygen", "torch"], MILLISECONDS), CARD, "tf32")
    assert found == Ceilings(8000 / 2.0, 2_000_000 / 1.0, "tf32")
    assert measured(Runs([rows[:1]], ["tinygen", "torch"], MILLISECONDS), CARD, "tf32").rate is None


def test_without_a_copy_there_is_no_floor() -> None:
    with pytest.raises(ValueError, match="no floor without a bandwidth"):
        measured(Runs([[row(PRODUCT, tinygen=1.0)]], ["tinygen"], MILLISECONDS), CARD, "tf32")


def test_the_report_says_what_share_of_the_floor_is_reached(tmp_path) -> None:
    kernels = CARD | {"relu": kernel("relu", 4000), "product": kernel("product", 1, 1_000_000, "matmul")}
    rows = [
        row(COPY, tinygen=2e-3, torch=2e-3),  # 4 MB/s
        row(PRODUCT, torch=1e-3),  # 2 GFLOP/s
        row("relu", tinygen=2e-3, torch=4e-3),
        row("product", tinygen=0.5e-3, torch=0.4e-3),
        row("DDPM", tinygen=1.0, torch=2.0),
    ]
    found = report(Runs([rows], ["tinygen", "torch"], MILLISECONDS), kernels, "tf32")
    assert found.header == ["", "tinygen, ms", "floor", "of it", "over torch"]
    assert found.cells[2] == ["relu", "2", "1 memory", "50%", "0.50 (0.50 to 0.50)"]
    assert found.cells[3] == ["product", "0.5", "0.5 product", "100%", "1.25 (1.25 to 1.25)"]
    assert found.cells[4] == ["DDPM", "1e+03", "", "", "0.50 (0.50 to 0.50)"]
    assert found.cells[1] == [PRODUCT, "", "30 memory", "", ""]  # so small a product moves more than it multiplies
    assert [found.colours(2, 3), found.colours(3, 3), found.colours(3, 4)] == ["red", "green", "red"]
    assert found.content["ceilings"] == {"bytes_per_second": 4e6, "operations_per_second": 2e9}
    assert found.content["floors"]["relu"] == {
        "bytes": 4000,
        "operations": 0,
        "floor_ms": 1.0,
        "bound": "memory",
        "share": 0.5,
    }
    assert "DDPM" not in found.content["floors"]
    assert [path.name for path in found.save(tmp_path, {})] == ["cuda.md", "cuda.json", "cuda.png"]
