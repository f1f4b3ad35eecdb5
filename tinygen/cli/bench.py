"""`tinygen bench [MEASURE] [CASE ...]`: this engine beside other libraries, on this machine, in one run.

The measure is time (what is measured when none is named), survey, memory, startup or growth. With --device cuda it is
the time of every CUDA kernel beside its floor, and of the families' training steps.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tinygen.cli.options import parse
from tinygen.training.contract import RunError, UsageError

if TYPE_CHECKING:
    from tinygen.bench.backends import Backend
    from tinygen.bench.kept import Kept
    from tinygen.bench.report import Report


@dataclass(frozen=True)
class BenchOptions:
    """Measure operations and training steps beside other libraries."""

    what: tyro.conf.Positional[tuple[str, ...]] = ()
    """First time, survey, memory, startup or growth (time when none is named); then cases, by a part of their names."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where it is measured."""
    precision: Literal["float32", "tf32", "bfloat16"] = "tf32"
    """On a CUDA device, of products on both sides; bfloat16 is mixed precision, of steps and products alone."""
    against: tuple[str, ...] | None = None
    """Libraries to compare with, where they are installed; --list names all."""
    rounds: int | None = None
    """Samples of each; 9 of times, 5 on a CUDA device, 3 of memory and of start-up."""
    seconds: float | None = None
    """Length of a sample of times; 0.1 s, of the survey 0.01, on a CUDA device 0.05."""
    repeat: int = 1
    """How often all is measured, by new processes; the table then shows how far the ratios went."""
    threads: int = os.cpu_count() or 1
    """Threads of every library."""
    resume: bool = False
    """Go on from the rows that an interrupted measurement has left in DIR."""
    list: bool = False
    """Name the measures, the cases and the libraries, and stop."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("runs/bench")
    """Folder for the table in Markdown, JSON and the picture."""
    name: str | None = None
    """Name of these three; that of the measure."""


AGAINST = {
    "time": ("torch", "torch, malloc tuned"),
    "survey": ("torch", "torch, malloc tuned"),
    "memory": ("torch", "torch, malloc tuned"),
    "startup": ("torch",),
    "growth": ("torch, malloc tuned",),
    "cuda": ("tinygen, eager", "torch", "torch, channels last", "torch, CUDA graphs"),
}
"""What each measure compares with unless it is said."""
TITLE = "Median time, the least that it could be, and time over the other's"


@dataclass(frozen=True)
class Plan:
    """What is to be measured: the options with all that they left open."""

    cases: list[str]
    backends: "list[Backend]"
    options: BenchOptions
    about: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [backend.name for backend in self.backends]

    def rows(self, measure: str) -> int | None:
        """How many it is told when they are finished; None where that is not known."""
        from tinygen.bench.cuda.cases import CEILINGS
        from tinygen.bench.survey import SURVEY

        if measure == "growth":
            return None
        entries = [entry for entry in SURVEY if entry.name in self.cases] if measure == "survey" else []
        whole = sum(len(entry.operations()) for entry in entries) or len(self.cases)
        return self.options.repeat * (whole + len(CEILINGS) * (self.options.device == "cuda"))

    def rounds(self, default: int) -> int:
        return default if self.options.rounds is None else self.options.rounds

    def seconds(self, default: float) -> float:
        return default if self.options.seconds is None else self.options.seconds

    def told(self, about: dict[str, str]) -> None:
        """Takes in what a library says of itself."""
        self.about.update(about)


def time(plan: Plan, kept: "Kept") -> "Report":
    """Operations and training steps; on a CUDA device kernels beside their floors, and training steps."""
    if plan.options.device == "cuda":
        return time_on_cuda(plan, kept)
    from tinygen.bench import floors, goals
    from tinygen.bench.interleave import measure
    from tinygen.bench.report import of_ratios
    from tinygen.bench.result import MILLISECONDS, Runs

    options, ours = plan.options, plan.backends[0]
    works, before = floors.count(plan.cases, ours, options.threads)
    sizes = (options.threads, plan.rounds(9), plan.seconds(0.1))
    runs = Runs(
        [measure(plan.cases, plan.backends, *sizes, seed=i, keep=kept.of(i)) for i in range(options.repeat)],
        plan.names,
        MILLISECONDS,
    )
    ceilings = floors.best(before, floors.count([], ours, options.threads)[1])
    lowest = {case: floors.of_work(ceilings, work) for case, work in works.items()}
    report = of_ratios(runs, TITLE, floors.columns(runs, lowest, ceilings))
    return replace(report, below=goals.short(runs, goals.of_time, lowest))


def time_on_cuda(plan: Plan, kept: "Kept") -> "Report":
    """Every CUDA kernel beside its floor, and the families' training steps."""
    from tinygen.bench import floors
    from tinygen.bench.cuda.cases import CEILINGS, KERNELS
    from tinygen.bench.interleave import KINKS, measure
    from tinygen.bench.report import of_ratios
    from tinygen.bench.result import MILLISECONDS, Runs

    options, precision = plan.options, plan.options.precision
    backends = [backend.on_cuda(precision) for backend in plan.backends]
    sizes = (options.threads, plan.rounds(5), plan.seconds(0.05))
    cases = [*CEILINGS, *plan.cases]
    measured = [
        measure(cases, backends, *sizes, tolerance=KINKS, seed=i, keep=kept.of(i), started=plan.told, quiet=False)
        for i in range(options.repeat)
    ]
    runs, kernels = Runs(measured, plan.names, MILLISECONDS), CEILINGS | KERNELS
    ceilings = floors.on_cuda(runs, kernels, precision)
    found = {case: floors.of_kernel(ceilings, kernels[case], precision) for case in runs.cases if case in kernels}
    lowest = {case: floor for case, floor in found.items() if floor is not None}
    return of_ratios(runs, TITLE, floors.columns(runs, lowest, ceilings))


def survey(plan: Plan, kept: "Kept") -> "Report":
    """Every operation, forward and with gradients, at an ordinary size and a tiny one."""
    from tinygen.bench import floors, goals
    from tinygen.bench.interleave import measure
    from tinygen.bench.result import MICROSECONDS, Runs
    from tinygen.bench.survey import SURVEY
    from tinygen.bench.survey.report import of_survey

    options = plan.options
    entries = [entry for entry in SURVEY if entry.name in plan.cases]
    sizes = (options.threads, plan.rounds(9), plan.seconds(0.01))
    cases = [operation.name for entry in entries for operation in entry.operations().values()]
    measured = [  # not one by one in quiet: they are thousands of samples
        measure(cases, plan.backends, *sizes, seed=i, keep=kept.of(i), quiet=False) for i in range(options.repeat)
    ]
    runs = Runs(measured, plan.names, MICROSECONDS)
    misses = list(dict.fromkeys(miss.case for miss in goals.missed(runs, goals.of_time)))
    works, ceilings = floors.count(misses, plan.backends[0], options.threads)
    lowest = {case: floors.of_work(ceilings, work) for case, work in works.items()}
    return replace(of_survey(entries, runs), below=goals.short(runs, goals.of_time, lowest))


def memory(plan: Plan, kept: "Kept") -> "Report":
    """Peak memory of training steps."""
    from tinygen.bench import goals
    from tinygen.bench.memory import measure_memory
    from tinygen.bench.report import of_ratios
    from tinygen.bench.result import MEBIBYTES, Runs

    options = plan.options
    sizes = (options.threads, plan.rounds(3))
    measured = [
        measure_memory(plan.cases, plan.backends, *sizes, seed=i, keep=kept.of(i)) for i in range(options.repeat)
    ]
    runs = Runs(measured, plan.names, MEBIBYTES)
    title = "Peak memory of a training step beyond the model and the batch, and of the process; over the other's"
    return replace(of_ratios(runs, title), below=goals.short(runs, goals.of_memory))


def startup(plan: Plan, kept: "Kept") -> "Report":
    """From the start of a process to the end of its first training step."""
    from tinygen.bench import goals
    from tinygen.bench.report import of_ratios
    from tinygen.bench.result import SECONDS, Runs
    from tinygen.bench.startup import least, measure_startup

    options, ours = plan.options, plan.backends[0]
    sizes = (options.threads, plan.rounds(3))
    found = [measure_startup(plan.cases, plan.backends, *sizes, seed=i, keep=kept.of(i)) for i in range(options.repeat)]
    runs = Runs(found, plan.names, SECONDS)
    title = "Seconds to the end of the first training step, with caches that are empty or not; over the other's"
    return replace(of_ratios(runs, title), below=goals.late(runs, least(plan.cases, ours, options.threads)))


def growth(plan: Plan, kept: "Kept") -> "Report":
    """How time and memory grow."""
    from tinygen.bench.growth import SERIES
    from tinygen.bench.growth_report import of_growth
    from tinygen.bench.interleave import measure
    from tinygen.bench.memory import measure_memory

    options = plan.options
    series = [one for one in SERIES if one.name in plan.cases]
    points = list(dict.fromkeys(point.name for one in series for point in one.points))
    least = {point.name: one.points[0].name for one in reversed(series) for point in one.points}
    timed = (options.threads, plan.rounds(9), plan.seconds(0.1))
    weighed = (options.threads, plan.rounds(1))
    rows = {
        "time": measure(points, plan.backends, *timed, keep=kept.of("time")),
        "memory": measure_memory(points, plan.backends, *weighed, keep=kept.of("memory"), after=least.__getitem__),
    }
    return of_growth(series, rows, plan.names)


MEASURES: dict[str, Callable[[Plan, "Kept"], "Report"]] = {
    "time": time,
    "survey": survey,
    "memory": memory,
    "startup": startup,
    "growth": growth,
}


def cases_of(measure: str, options: BenchOptions) -> Sequence[str]:
    """The names of what can be measured."""
    from tinygen.bench.cuda.cases import KERNELS
    from tinygen.bench.growth import SERIES
    from tinygen.bench.operations import OPERATIONS
    from tinygen.bench.steps import SAMPLING, STEPS
    from tinygen.bench.survey import SURVEY

    if options.device == "cuda":
        halved = options.precision == "bfloat16"
        return [*STEPS, *(name for name, case in KERNELS.items() if not halved or case.in_bfloat16)]
    if measure == "growth":
        return [series.name for series in SERIES]
    if measure == "survey":
        return [entry.name for entry in SURVEY]
    return [*STEPS, *SAMPLING, *(o.name for o in OPERATIONS)] if measure == "time" else [*STEPS]


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code: 1 when a library computes something else."""
    options = parse(
        BenchOptions, args, "tinygen bench", "Measure operations and training steps beside other libraries."
    )
    from rich.console import Console

    from tinygen.bench.interleave import BenchError
    from tinygen.bench.machine import description

    if options.list:
        print("\n".join(listing(options)))
        return 0
    measure, plan = planned(options)
    machine = description(options.threads) | ({"precision": options.precision} if options.device == "cuda" else {})
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    with progress(console, plan.rows(measure)) as told:
        kept = begun(measure, plan, machine, told)
        try:
            report = MEASURES[measure](plan, kept)
        except BenchError as error:
            raise RunError(str(error)) from error
        except KeyboardInterrupt:
            raise RunError(f"stopped; {kept.path} has what is measured so far, --resume goes on from it") from None
    machine |= plan.about
    for table in report.tables():
        console.print(table)
    command = ["tinygen", "bench", *(arg for arg in args if arg != "--resume")]
    with writing(options.out):
        paths = report.save(options.out, named(measure, options), machine, shlex.join(command))
    kept.finish()
    print("  ".join(map(str, paths)))
    return int(report.failed)


def begun(measure: str, plan: Plan, machine: Mapping[str, str], told: Callable[[str], None]) -> "Kept":
    """Where rows are kept until all are there. Raises UsageError where there are none that could be resumed."""
    from tinygen.bench.kept import CannotResume, Kept
    from tinygen.bench.machine import code

    options = plan.options
    path = options.out / f"{named(measure, options)}.rows.jsonl"
    about = {key: value for key, value in machine.items() if key != "date"}
    about |= {"measure": measure, "code": code(), "libraries": ", ".join(plan.names)}
    about |= {name: str(getattr(options, name)) for name in ("rounds", "seconds")}
    try:
        with writing(options.out):
            options.out.mkdir(parents=True, exist_ok=True)
            return Kept(path, about, options.resume, told)
    except CannotResume as error:
        raise UsageError(f"{error}: leave --resume out") from error


def named(measure: str, options: BenchOptions) -> str:
    """What the table, JSON and the picture are called."""
    return options.name or ("cuda" if options.device == "cuda" else {"time": "bench"}.get(measure, measure))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Within the block an OSError is a RunError: one line."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error


def planned(options: BenchOptions) -> tuple[str, Plan]:
    """What is measured, and the plan. Raises UsageError for what is not there or out of range."""
    from tinygen.device import cuda_status
    from tinygen.training.registry import unknown

    for name, least in {"rounds": 1, "seconds": 0, "repeat": 1, "threads": 1}.items():
        value = getattr(options, name)
        if value is not None and not value >= least:
            raise UsageError(f"--{name} is at least {least}, not {value}")
    measure, parts = "time", options.what
    if parts and parts[0] in MEASURES:
        measure, parts = parts[0], parts[1:]
    if measure == "growth" and options.repeat > 1:
        raise UsageError("growth is fitted to one run: --repeat is for all others")
    if options.device == "cuda":
        if measure != "time":
            raise UsageError(f"{measure} is measured on the CPU: leave out --device cuda")
        works, reason = cuda_status()
        if not works:
            raise UsageError(f"--device cuda cannot be measured here: {reason}")
    cases, libraries = cases_of(measure, options), libraries_of(options)
    chosen = set() if parts else set(cases)
    for part in parts:
        found = {case for case in cases if part == case} or {case for case in cases if part.lower() in case.lower()}
        if not found:
            raise UsageError(unknown("case", part, cases, "tinygen bench --list"))
        chosen |= found
    backends = [libraries["tinygen"]]
    against = AGAINST["cuda" if options.device == "cuda" else measure] if options.against is None else options.against
    for name in against:
        if name == "tinygen":
            raise UsageError("tinygen is what is compared: --against names others")
        if name not in libraries:
            raise UsageError(unknown("library", name, libraries, "tinygen bench --list"))
        backends.append(libraries[name])
        if measure == "survey" and backends[-1].package != "torch":
            raise UsageError(f"the survey is beside PyTorch: for {name!r} there is only what models need")
        if measure == "startup" and not backends[-1].first_step:
            raise UsageError(f"start-up is measured of libraries as installed, not of {name!r}")
    return measure, Plan([case for case in cases if case in chosen], available(backends), options)


def available(backends: "Sequence[Backend]") -> "list[Backend]":
    """Those that can be measured here; why the others cannot goes to standard error."""
    reasons = {backend.name: backend.why_not() for backend in backends}
    for name, reason in reasons.items():
        if reason:
            print(f"not compared with {name}: {reason}", file=sys.stderr)
    return [backend for backend in backends if not reasons[backend.name]]


def libraries_of(options: BenchOptions) -> "dict[str, Backend]":
    """The forms of libraries that there are on a device."""
    from tinygen.bench.backends import BACKENDS, CUDA_BACKENDS

    return CUDA_BACKENDS if options.device == "cuda" else BACKENDS


def listing(options: BenchOptions) -> list[str]:
    """What there is to name on the command line."""
    lines = ["measures"]
    for measure, function in MEASURES.items():
        lines.append(f"  {measure:<8} {(function.__doc__ or '').strip()}")
    lines += ["cases", *(f"  {case}" for case in cases_of("time", options))]
    if options.device == "cpu":
        for measure in ("survey", "growth"):
            lines += [measure, *(f"  {case}" for case in cases_of(measure, options))]
    return [*lines, "libraries", *(f"  {name}" for name in libraries_of(options))]


@contextmanager
def progress(console: Any, total: int | None) -> Iterator[Callable[[str], None]]:
    """A bar while it is measured; gives what is told each case as it is finished."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*bar, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=total)
        yield lambda case: shown.update(task, advance=1, description=case)
