"""What a person sees while a model trains: a live display on a terminal, plain lines anywhere else.

Both show the loss (smoothed), the rate, the time left and where the newest picture lies, and print notes.
"""

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, TextIO

SMOOTHING = 0.98
"""Share of the smoothed loss that one step keeps, once it has run in."""


class Meter:
    """Smoothed loss and rate.

    The mean over the first steps, then an exponential one, so that it starts unbiased.
    """

    def __init__(self, step: int, steps: int) -> None:
        self.step = step
        self.steps = steps
        self.loss = float("nan")
        self.rate = 0.0
        self._count = 0
        self._started = 0.0

    def update(self, step: int, loss: float) -> None:
        """Count one step."""
        self.step = step
        self._count += 1
        keep = min(SMOOTHING, 1 - 1 / self._count)
        self.loss = loss if self._count == 1 else keep * self.loss + (1 - keep) * loss
        now = time.monotonic()
        if self._count == 1:  # the first step compiles what is not cached: it is not counted
            self._started = now
        else:
            self.rate = (self._count - 1) / max(now - self._started, 1e-9)

    def exclude(self, seconds: float) -> None:
        """Leave `seconds` spent on something other than steps out of the rate."""
        self._started += seconds

    @property
    def seconds_left(self) -> float:
        """Time for the steps that are left, at the rate so far."""
        return (self.steps - self.step) / self.rate if self.rate else float("nan")

    @property
    def pace(self) -> str:
        """Rate and time left in words, once they are known."""
        left = f"{duration(self.seconds_left)} left" if self.step < self.steps else "done"
        return f"{self.rate:.1f} steps/s  {left}" if self.rate else "first step"


class Progress(Protocol):
    """What the loop tells."""

    def __enter__(self) -> "Progress": ...
    def __exit__(self, *_: Any) -> None: ...
    def step(self, meter: Meter, figures: Mapping[str, float]) -> None:
        """After every step."""
        ...

    def drawing(self) -> None:
        """Samples are being drawn, which may take a while."""
        ...

    def picture(self, path: str) -> None:
        """A new picture has been drawn."""
        ...

    def note(self, text: str) -> None:
        """One line to be read."""
        ...


class PlainProgress:
    """Lines for a file or a pipe: one every few seconds and one at the end."""

    def __init__(self, out: TextIO | None = None, every: float = 5.0) -> None:
        self._out = out or sys.stdout
        self._every = every
        self._last = float("-inf")

    def __enter__(self) -> "PlainProgress":
        return self

    def __exit__(self, *_: Any) -> None:
        self._out.flush()

    def step(self, meter: Meter, figures: Mapping[str, float]) -> None:
        """A line, if the last one is some seconds old or this is the last step."""
        now = time.monotonic()
        if now - self._last >= self._every or meter.step == meter.steps:
            self._last = now
            self.note(f"step {meter.step}/{meter.steps}  loss {meter.loss:.4f}  {meter.pace}")

    def drawing(self) -> None:
        """Nothing: the line comes with the picture."""

    def picture(self, path: str) -> None:
        """A line with the path."""
        self.note(f"samples: {path}")

    def note(self, text: str) -> None:
        """A line."""
        print(text, file=self._out, flush=True)


class LiveProgress:
    """A bar and a table of figures that stay in place on a terminal, with notes scrolling above."""

    def __init__(self, title: str, console: Any = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._title = title
        self._console = console or Console()
        self._meter: Meter | None = None
        self._figures: Mapping[str, float] = {}
        self._picture = ""
        self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self._render)

    def __enter__(self) -> "LiveProgress":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def step(self, meter: Meter, figures: Mapping[str, float]) -> None:
        """Show the newest figures at the next refresh."""
        self._meter = meter
        self._figures = figures

    def drawing(self) -> None:
        """Say so in place of the path."""
        self._picture = "are being drawn"

    def picture(self, path: str) -> None:
        """Show where the newest picture lies."""
        self._picture = path

    def note(self, text: str) -> None:
        """A line above the display."""
        self._console.print(text, highlight=False, markup=False)

    def _render(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        meter = self._meter
        if meter is None:
            return Text(f"{self._title}: preparing", style="dim")
        head = Table.grid(padding=(0, 2))
        head.add_row(
            Text(self._title, style="bold"),
            ProgressBar(total=meter.steps, completed=meter.step, width=32),
            Text(f"{meter.step:,} / {meter.steps:,}"),
            Text(meter.pace, style="cyan"),
        )
        line = Text("loss ", style="dim")
        line.append(f"{meter.loss:.4f}", style="bold")
        for name, value in self._figures.items():
            if name != "loss":
                line.append(f"   {name} {value:.3g}", style="dim")
        lines: list[Any] = [head, line]
        if self._picture:
            lines.append(Text(f"samples {self._picture}", style="dim", overflow="fold"))
        return Group(*lines)


def choose(title: str) -> Progress:
    """A live display when the standard output is a terminal that can show one, else plain lines."""
    from rich.console import Console

    console = Console()
    return LiveProgress(title, console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress()


def duration(seconds: float) -> str:
    """Seconds as people say them: 4.2 s, 42 s, 3 min 05 s, 2 h 10 min."""
    if seconds != seconds:
        return "?"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
