"""A short way to train the model of NumPy alone in a directory, within the process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygen.training.contract import Recipe
from tinygen.training.loop import Outcome, train
from tinygen.training.run_directory import RunConfig, RunDirectory


class Silent:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.on_step: Callable[[int], None] = lambda step: None

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: Any) -> None: ...

    def step(self, meter: Any, figures: Any) -> None:
        self.on_step(meter.step)

    def drawing(self) -> None: ...

    def picture(self, path: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


def mean_config(steps: int = 40, data: str = "two_moons", **changes: Any) -> RunConfig:
    recipe = {"steps": steps, "batch_size": 16, "lr": 0.05, "ema_decay": 0.9, "sample_every": 1000, "pictures": 4}
    options = {"momentum": 0.9, "pause": 0.0, "nan_at": 0, "widths": (1, 2)}
    top = {"seed": 3, "save_every": 10, "log_every": 5}
    for name, value in changes.items():
        group = next((group for group in (recipe, options, top) if name in group), None)
        assert group is not None, name
        group[name] = value
    return RunConfig(
        model="mean", options=options, data=data, device="cpu", recipe=Recipe(**recipe), **top, provenance={}
    )


def start(path: Path, config: RunConfig, progress: Silent | None = None) -> Outcome:
    return train(RunDirectory.create(path, config), config, progress or Silent())


def go_on(path: Path, progress: Silent | None = None) -> Outcome:
    directory = RunDirectory.open(path)
    return train(directory, directory.read_config(), progress or Silent())
