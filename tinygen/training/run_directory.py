"""A run directory: what lies where, and the two ways in: create a new one, open one that is there.

    config.json                        what was asked, resolved: enough to start the run again
    metrics.jsonl                      one line per log step
    checkpoints/step-XXXXXXXX.safetensors
    samples/step-XXXXXXXX.png
    drawings/N-WHAT.png                what the model shows of itself, when it has finished
    evaluation.json                    what `tinygen eval` measured
    loss.png, report.html

Nothing that another run or another program left is ever overwritten; two processes never train in one
directory.
"""

import fcntl
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tinygen.files import TEMPORARY, write_atomically
from tinygen.parallel import restart_command
from tinygen.training.contract import Recipe, UsageError
from tinygen.training.precision import Precision

FORMAT = 1


@dataclass(frozen=True)
class RunConfig:
    """All that determines a run, as `config.json` holds it."""

    model: str
    """Name in `registry.MODELS`."""
    options: dict[str, Any]
    """The fields of the model's configuration."""
    data: str
    seed: int
    device: str
    recipe: Recipe
    image_size: int | None = None
    """Side in pixels that the images of a folder are resized to; None takes them as they are."""
    precision: Precision = "float32"
    capture: bool | None = None
    """Whether a step on CUDA is one graph; None: where it can be."""
    save_every: int = 200
    log_every: int = 10
    provenance: dict[str, Any] = field(default_factory=dict)
    """Command, versions, machine, time of the start: for the report, without effect on the run."""

    @property
    def owner(self) -> dict[str, Any]:
        """What a checkpoint must belong to in order to be of this run's model."""
        return json.loads(json.dumps({"model": self.model, "options": self.options}))

    def to_json(self) -> str:
        """The text of config.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "RunConfig":
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError for anything else."""
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ValueError("it is not a configuration of this version")
        options = {name: _tuples(value) for name, value in content.pop("options").items()}
        return cls(options=options, recipe=Recipe(**content.pop("recipe")), **content)


@dataclass(frozen=True)
class RunDirectory:
    """The paths of one run."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def drawings(self) -> Path:
        return self.path / "drawings"

    @property
    def evaluation_file(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def loss_picture(self) -> Path:
        return self.path / "loss.png"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def sample_picture(self, step: int) -> Path:
        """Where the picture drawn after `step` steps lies."""
        return self.samples / f"step-{step:08d}.png"

    def pictures(self) -> list[Path]:
        """The pictures drawn while training, oldest first."""
        return sorted(self.samples.glob("step-*.png"))

    def drawing_files(self) -> list[Path]:
        """What the model drew of itself, in its order."""
        return sorted(self.drawings.glob("[0-9]*-*.png"), key=lambda path: int(path.name.partition("-")[0]))

    @classmethod
    def create(cls, path: Path, config: RunConfig) -> "RunDirectory":
        """A new run at `path`, which may not exist yet or be empty.

        Raises UsageError otherwise, or OSError.
        """
        directory = cls(Path(path))
        check_free(directory.path)
        directory.path.mkdir(parents=True, exist_ok=True)
        directory.write_config(config)
        return directory

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """The run at `path`. Raises UsageError when there is none."""
        directory = cls(Path(path))
        if not directory.path.is_dir():
            raise UsageError(f"{path} is no directory; the directory of a run is wanted, such as runs/ddpm-digits")
        if not directory.config_file.exists():
            raise UsageError(f"{path} holds no run (it has no config.json); start one with tinygen train MODEL")
        return directory

    def read_config(self) -> RunConfig:
        """The configuration of the run. Raises UsageError when config.json cannot be used."""
        try:
            return RunConfig.from_json(self.config_file.read_text())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            what = f"missing {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
            raise UsageError(
                f"{self.config_file} is not the configuration of a run of tinygen {version()}: {what}"
            ) from None

    def write_config(self, config: RunConfig) -> None:
        """Write config.json atomically."""
        write_atomically(self.config_file, config.to_json())

    def write_evaluation(self, step: int, figures: Mapping[str, tuple[float, str]]) -> None:
        """Keep what was measured of the weights of that step: name -> (value, unit). Raises OSError."""
        write_atomically(self.evaluation_file, json.dumps({"step": step, "figures": figures}, indent=2) + "\n")

    def sweep(self) -> None:
        """Remove the unfinished files of a writer that was killed."""
        for leftover in self.path.rglob(f"*{TEMPORARY}"):
            leftover.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training here within the block. The lock dies with its process."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UsageError(f"another process is training in {self.path}; wait for it or stop it") from None
        try:
            yield
        finally:
            os.close(descriptor)


def check_free(path: Path) -> None:
    """Raise UsageError unless a new run may be put at `path`."""
    if path.is_dir():
        if (path / "config.json").exists():
            raise UsageError(
                f"{path} holds another run; go on with it by tinygen train --resume {path}, "
                "or give a directory of its own with --out"
            )
        if any(not entry.name.endswith(TEMPORARY) for entry in path.iterdir()):
            raise UsageError(f"{path} is not empty and holds no run; give a new or empty directory with --out")
    elif path.exists():
        raise UsageError(f"{path} is a file; give a new or empty directory with --out")


def step_of(path: Path) -> int:
    """The step in a name such as step-00000200.png."""
    return int(path.stem.removeprefix("step-"))


def default_path(model: str, data: str) -> Path:
    """runs/<model>-<data>-<date>-<time>, with a number where that is taken."""
    stem = f"{model}-{Path(data).name}-{datetime.now():%Y%m%d-%H%M%S}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(path for name in names if not (path := Path("runs") / name).exists())


def provenance(command: str) -> dict[str, Any]:
    """Where and with what a run was started."""
    packages = ("numpy", "numba", "safetensors")
    return {
        "command": command,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {"tinygen": version(), "python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def version() -> str:
    """The version of tinygen."""
    from tinygen import __version__

    return __version__


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def resume_command(path: Path) -> str:
    """What to type to go on with the run at `path`, on as many ranks."""
    import shlex

    program = "tinygen" if Path(sys.argv[0]).stem == "tinygen" else "python -m tinygen"
    return f"{restart_command()}{program} train --resume {shlex.quote(str(path))}"
