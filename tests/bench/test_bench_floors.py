"""A floor is what copies and products of the same run would take; the table says which of them, and what is reached."""

import numpy as np
import pytest

from tinygen.bench import floors
from tinygen.bench.backends import BACKENDS
from tinygen.bench.backends.with_tinygen import OperationRun
from tinygen.bench.cuda.ceilings import COPY, PRODUCT, ceilings
from tinygen.bench.cuda.kernel import Kernel, named
from tinygen.bench.floors import Floor, Work
from tinygen.bench.operations import OPERATIONS, Operation
from tinygen.bench.report import of_ratios
from tinygen.bench.result import MILLISECONDS, Row, Runs, Samples
from tinygen.profiling.ceilings import Ceilings, Tape
from tinygen.profiling.cost import NOTHING, Cost

CARD = named(ceilings(1000, 100))  # 8,000 bytes; 2,000,000 operations


def kernel(name: str, moved: int, operations: int = 0, kind: str = "relu") -> Kernel:
    return Kernel(name, kind, {}, lambda K, a: None, None, moved, operations)


def row(case: str, **seconds: float) -> Row:
    samples = {name: Samples() for name in seconds}
    for name, value in seconds.items():
        samples[name].add(value)
    return Row(case, samples, {})


def runs(*rows: Row) -> Runs:
    return Runs([rows], ["tinygen", "torch"], MILLISECONDS)


# ---- on the CPU


def test_the_floor_of_a_step_is_the_sum_over_what_it_calls_and_the_tape() -> None:
    machine = Ceilings(((1, 1000.0),), 100.0, "float32", Tape(call=0.125, record=0.25, pull=0.5))
    found = floors.of_work(machine, Work([Cost(0, 500), Cost(100, 500, saved=20), Cost(10, 500)], 2, 3, 1))
    assert found.parts == {"memory": 1.0, "arithmetic": 0.8, "tape": 1.5}
    assert found.seconds == pytest.approx(3.3)
    assert found.cost == Cost(110, 1500, 20)
    assert found.made_of == "tape 45%, memory 30%, arithmetic 24%"


def test_parts_that_hardly_count_are_not_named() -> None:
    assert Floor({"memory": 0.95, "tape": 0.05, "arithmetic": 0.0}, NOTHING).made_of == "memory 95%"
    assert Floor({"memory": 0.5, "tape": 0.0}, NOTHING).made_of == "memory"


def test_what_a_step_does_is_counted_while_it_runs() -> None:
    """Two products of matrices and a sum, forward; two gradients of each product, and those of the sum."""
    import tinygen as tg

    w = tg.tensor(np.ones((64, 64), np.float32), requires_grad=True)
    x = tg.tensor(np.ones((32, 64), np.float32))

    def step() -> None:
        tg.grad(tg.sum((x @ w) @ w), [w])
        with tg.no_grad():
            x @ w

    step()
    found = floors.counted(step)
    assert (found.called, found.recorded, found.pulled) == (1, 3, 3)
    assert sum(cost.flop >= 2 * 32 * 64 * 64 for cost in found.costs) == 3 + 3


@pytest.mark.parametrize(
    "operation", [o for o in OPERATIONS if o.engine and o.name.startswith("ten ")], ids=lambda o: o.name
)
def test_what_shows_the_engine_itself_is_ten_operations(operation: Operation) -> None:
    """Recorded; pulled only where the gradients are timed; of arrays that cost next to nothing."""
    run = OperationRun(operation)
    run()
    found = floors.counted(run)
    assert (found.recorded, found.pulled) == (10, 10 if operation.backward else 0)
    assert operation.backward != operation.name.endswith("forward alone")
    assert max(cost.bytes for cost in found.costs) <= 2 * 4 * 1024


def test_the_process_that_counts_gives_the_same_and_what_the_machine_can_do() -> None:
    case = "a + b, one number"
    works, machine = floors.count([case, "no such case"], BACKENDS["tinygen"], threads=1)
    assert works.keys() == {case}
    assert (works[case].recorded, works[case].pulled) == (1, 1)
    assert sum(works[case].costs, NOTHING).bytes >= 12
    assert machine.bandwidth > 1e8
    assert 0 < machine.tape.call < machine.tape.record
    assert floors.of_work(machine, works[case]).made_of.startswith("tape")


def test_the_faster_of_two_measurements_is_a_ceiling() -> None:
    one = Ceilings(((1, 5.0), (2, 3.0)), 10.0, "float32", Tape(2.0, 3.0, 0.5))
    two = Ceilings(((1, 4.0), (2, 4.0)), 11.0, "float32", Tape(1.0, 4.0, 0.7))
    assert floors.best(one, two) == Ceilings(((1, 5.0), (2, 4.0)), 11.0, "float32", Tape(1.0, 3.0, 0.5))


# ---- on a CUDA device


def test_a_kernel_is_held_to_its_bytes_or_its_operations() -> None:
    card = Ceilings(((1, 1000.0),), 100.0, "tf32")
    assert floors.of_kernel(card, kernel("", 500, 40), "tf32") == Floor({"memory": 0.5}, Cost(40, 500))
    assert floors.of_kernel(card, kernel("", 500, 80), "tf32") == Floor({"arithmetic": 0.8}, Cost(80, 500))
    assert floors.of_kernel(Ceilings(((1, 1000.0),), None, "tf32"), kernel("", 500, 80), "tf32") is None


def test_products_in_bfloat16_move_half() -> None:
    card = Ceilings(((1, 1000.0),), 100.0, "bfloat16")
    assert floors.of_kernel(card, kernel("", 500, 1, "matmul"), "bfloat16") == Floor({"memory": 0.25}, Cost(1, 250))


def test_ceilings_are_those_of_the_fastest_library() -> None:
    rows = [row(COPY, tinygen=4.0, torch=2.0), row(PRODUCT, torch=1.0)]
    found = floors.on_cuda(runs(*rows), CARD, "tf32")
    assert found == Ceilings(((8000, 8000 / 2.0),), 2_000_000 / 1.0, "tf32")
    assert floors.on_cuda(runs(*rows[:1]), CARD, "tf32").flop_rate is None


def test_without_a_copy_there_is_no_floor() -> None:
    with pytest.raises(ValueError, match="no floor without a bandwidth"):
        floors.on_cuda(runs(row(PRODUCT, tinygen=1.0)), CARD, "tf32")


# ---- in the table


def test_the_table_says_what_share_of_the_floor_is_reached(tmp_path) -> None:
    machine = Ceilings(((1, 4e6),), 2e9, "float32", Tape(1e-5, 1e-4, 1e-4))
    lowest = {
        "relu": Floor({"memory": 1e-3}, Cost(0, 4000)),
        "product": Floor({"arithmetic": 0.5e-3}, Cost(1_000_000, 1)),
        "failed": Floor({"memory": 1e-3}, Cost(0, 4000)),
    }
    found = runs(
        row("relu", tinygen=2e-3, torch=4e-3),
        row("product", tinygen=0.5e-3, torch=0.4e-3),
        row("DDPM", tinygen=1.0, torch=2.0),
        row("failed", torch=1.0),
    )
    report = of_ratios(found, "Title", floors.columns(found, lowest, machine))
    assert report.header == ["", "tinygen, ms", "floor, ms", "made of", "of it", "over torch"]
    assert report.cells == [
        ["relu", "2", "1", "memory", "50%", "0.50 (0.50 to 0.50)"],
        ["product", "0.5", "0.5", "arithmetic", "100%", "1.25 (1.25 to 1.25)"],
        ["DDPM", "1e+03", "", "", "", "0.50 (0.50 to 0.50)"],
        ["failed", "", "1", "memory", "", ""],
    ]
    assert [report.colours(0, 4), report.colours(1, 4), report.colours(1, 5)] == ["red", "green", "red"]
    assert [report.colours(0, 1), report.colours(0, 3), report.colours(2, 4)] == [None, None, None]
    assert report.title.startswith(f"Ceilings: {machine}. Title, with quartiles")
    assert report.content["ceilings"]["bytes_per_second"] == 4e6
    assert report.content["floors"]["relu"] == {
        "bytes": 4000,
        "operations": 0,
        "floor_ms": 1.0,
        "parts_ms": {"memory": 1.0},
        "share": 0.5,
    }
    assert report.content["floors"]["failed"]["share"] is None
    assert [path.name for path in report.save(tmp_path, "bench", {})] == ["bench.md", "bench.json", "bench.png"]
