"""`tinygen train MODEL [options]` and `tinygen train --resume DIR`."""

import dataclasses
import inspect
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from tinygen import parallel
from tinygen.cli.options import parse
from tinygen.training import checkpoint as checkpoints
from tinygen.training.contract import Recipe, RunError, UsageError
from tinygen.training.precision import Precision
from tinygen.training.registry import MODELS, config_class
from tinygen.training.run_directory import (
    RunConfig,
    RunDirectory,
    check_free,
    default_path,
    provenance,
    resume_command,
)

USAGE = """\
usage: tinygen train MODEL [options]                      trains one of {models}
       tinygen train --resume DIR [--steps N] [--lr X]    goes on with a run that was stopped or killed

  tinygen train ddpm --help                               the options of a model; tinygen list says what each is"""


_RECIPE = "(default: the model's recipe for the data)"
Count = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint=_RECIPE)]
Number = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint=_RECIPE)]
_UNCHANGED = "(default: as it was)"


@dataclass(frozen=True)
class TrainOptions:
    """How to train; what is left out follows the model's recipe for the data set."""

    data: str = "digits"
    """Data set by name (tinygen data lists them), or a folder of PNG or JPEG images."""
    image_size: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: as they are)")] = None
    """Side in pixels that the images of a folder are cropped and resized to."""
    steps: Count = None
    """Optimiser steps."""
    batch_size: Count = None
    """Examples per step."""
    lr: Number = None
    """Learning rate."""
    ema_decay: Number = None
    """Decay of the averaged weights that samples are drawn from."""
    grad_clip: Number = None
    """Greatest norm of the gradient over all parameters; 0 leaves it alone."""
    warmup: Count = None
    """Steps over which the learning rate rises from 0."""
    seed: int = 0
    """Determines everything that is random: the same seed gives the same bits."""
    device: str = "auto"
    """cpu, cuda, cuda:1, or auto: CUDA where it works, else the CPU."""
    capture: tyro.conf.FlagCreatePairsOff[bool] = False
    """On CUDA: each step as one graph, and say why where it cannot be one. By default it is one where it can be."""
    no_capture: tyro.conf.FlagCreatePairsOff[bool] = False
    """On CUDA: no graphs; each operation is launched by itself."""
    precision: Precision = "float32"
    """What steps compute with: tf32 rounds the factors of products on a GPU; bf16 keeps activations in 16 bits too."""
    out: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/MODEL-DATA-DATE-TIME)")
    ] = None
    """Directory of the run, new or empty."""
    save_every: int = 200
    """Steps between checkpoints."""
    sample_every: Count = None
    """Steps between pictures of samples."""
    pictures: Count = None
    """Samples in each picture."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl; each is the mean over the steps since the last."""


@dataclass(frozen=True)
class ResumeOptions:
    """Go on with a run."""

    resume: Path
    """Directory of the run."""
    steps: Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint=_UNCHANGED)] = None
    """Train to this many steps in all, instead of what the run was started with."""
    lr: Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint=_UNCHANGED)] = None
    """Learning rate from here on."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code. Of several ranks that mpirun has started all run it together."""
    try:
        ranks = parallel.join()
    except parallel.NotTogether as error:
        raise UsageError(str(error)) from None
    code = _run(args)
    ranks.leave()
    return code


def _run(args: Sequence[str]) -> int:
    if not args or args[0] in ("-h", "--help"):
        if args:
            print(USAGE.format(models=", ".join(MODELS)))
            return 0
        raise UsageError(f"train takes a model: {', '.join(MODELS)} (tinygen list says what each is)")
    if any(arg == "--resume" or arg.startswith("--resume=") for arg in args):
        if not args[0].startswith("-"):
            raise UsageError(f"--resume takes no model, the run knows its own; leave {args[0]} out")
        return resume(parse(ResumeOptions, args, "tinygen train", "Go on with a run."), command(args))
    if args[0].startswith("-"):
        raise UsageError(f"train takes the model first, then options: tinygen train ddpm {args[0]}")
    name = args[0]
    return start(name, *parse_for(name, args[1:], f"tinygen train {name}"), command(args))


def parse_for(name: str, args: Sequence[str], program: str) -> tuple[TrainOptions, Any]:
    """How to train, and the options of the model `name`."""
    model_config = config_class(name)
    flat = tyro.conf.arg(name="")
    both = dataclasses.make_dataclass(
        "Options",
        [("train", Annotated[TrainOptions, flat]), ("model", Annotated[model_config, flat])],
        frozen=True,
    )
    options: Any = parse(both, args, program, described(model_config))
    return options.train, options.model


def command(args: Sequence[str]) -> str:
    """The command line, to repeat it."""
    return shlex.join(["tinygen", "train", *args])


def described(model_config: type) -> str:
    """What a model is, and its recipe for the default data as options."""
    recipe = dataclasses.asdict(model_config().recipe(TrainOptions.data))
    said = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in recipe.items())
    return f"{inspect.getdoc(model_config)}\n\nRecipe for {TrainOptions.data}: {said}"


def start(name: str, options: TrainOptions, model_config: Any, command: str) -> int:
    """Begin a new run."""
    from tinygen.training.assemble import assemble, count_parameters

    config = configure(name, options, model_config, command)

    def free_path() -> Path:
        path = options.out or default_path(name, config.data)
        check_free(path)
        return path

    ranks = parallel.world()
    path = ranks.led(free_path)
    parts = assemble(config)
    record = {**config.provenance, "ranks": ranks.size, "parameters": count_parameters(parts.model)}
    config = dataclasses.replace(config, provenance=record)
    try:
        directory = ranks.led(lambda: RunDirectory.create(path, config))
    except OSError as error:
        raise RunError(f"{path} cannot be made a run directory: {error.strerror or error}") from error
    return _train(directory, config, parts)


def resume(options: ResumeOptions, command: str) -> int:
    """Go on with a run, on any number of ranks."""
    return _train(*parallel.world().led(lambda: opened(options, command)))


def opened(options: ResumeOptions, command: str) -> tuple[RunDirectory, RunConfig]:
    """The run to go on with; `command` is recorded where it changes what the run was started with."""
    directory = RunDirectory.open(options.resume)
    config = directory.read_config()
    changes = {name: value for name in ("steps", "lr") if (value := getattr(options, name)) is not None}
    if changes:
        record = {**config.provenance, "command": f"{config.provenance.get('command', '')}\n{command}"}
        config = dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, **changes), provenance=record)
        check_recipe(config)
        reached = checkpoints.saved(directory.checkpoints)
        if reached and config.recipe.steps < checkpoints.step_of(reached[0]):
            at = checkpoints.step_of(reached[0])
            raise UsageError(f"--steps counts from the start: at least {at}, where the run is, not {options.steps}")
        with directory.locked():
            directory.write_config(config)
    return directory, config


def configure(name: str, options: TrainOptions, model_config: Any, command: str) -> RunConfig:
    """The configuration of a run with everything resolved. Raises UsageError for values out of range."""
    import tinygen
    from tinygen.data import NAMES

    recipe: Recipe = model_config.recipe(options.data)
    given = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Recipe)}
    recipe = dataclasses.replace(recipe, **{key: value for key, value in given.items() if value is not None})
    try:
        device = str(tinygen.device(options.device))
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"--device: {error}") from None
    if options.capture and (options.no_capture or device == "cpu"):
        why = "--no-capture says the opposite" if options.no_capture else "a graph is CUDA's, and the run is on the cpu"
        raise UsageError(f"--capture: {why}")
    folder = Path(options.data).expanduser()
    config = RunConfig(
        model=name,
        options=dataclasses.asdict(model_config),
        data=options.data if options.data in NAMES or not folder.is_dir() else str(folder.resolve()),
        seed=options.seed,
        device=device,
        recipe=recipe,
        image_size=options.image_size,
        precision=options.precision,
        capture=options.capture or (False if options.no_capture else None),
        save_every=options.save_every,
        log_every=options.log_every,
        provenance=provenance(command),
    )
    check_recipe(config)
    return config


def check_recipe(config: RunConfig) -> None:
    """Raise UsageError for a number that no run can have."""
    recipe = config.recipe
    least = {
        "steps": recipe.steps,
        "batch-size": recipe.batch_size,
        "save-every": config.save_every,
        "sample-every": recipe.sample_every,
        "log-every": config.log_every,
        "pictures": recipe.pictures,
    }
    for name, value in least.items():
        if value < 1:
            raise UsageError(f"--{name} is at least 1, not {value}")
    if not 0 < recipe.lr < float("inf"):
        raise UsageError(f"--lr is greater than 0, not {recipe.lr}")
    if not 0 <= recipe.ema_decay < 1:
        raise UsageError(f"--ema-decay is at least 0 and less than 1, not {recipe.ema_decay}")
    if recipe.warmup < 0:
        raise UsageError(f"--warmup is at least 0, not {recipe.warmup}")
    if not recipe.grad_clip >= 0:
        raise UsageError(f"--grad-clip is at least 0, not {recipe.grad_clip}")
    if not 0 <= config.seed < 2**64:
        raise UsageError(f"--seed is an integer from 0 to 2**64 - 1, not {config.seed}")


def _train(directory: RunDirectory, config: RunConfig, parts: Any = None) -> int:
    from tinygen.training import progress
    from tinygen.training.loop import train

    with progress.choose(f"{config.model} on {config.data}") as display:
        ranks = parallel.world().size
        where = config.device if ranks == 1 else f"{ranks} ranks on {config.device}"
        display.note(f"{config.model} on {config.data}, {where}, run directory {directory.path}")
        outcome = train(directory, config, display, parts)
    if outcome.finished:
        show(directory)
        print(f"done: {outcome.step:,} steps in {progress.duration(outcome.seconds)}; {directory.report}")
    else:
        print(f"stopped at step {outcome.step:,} of {config.recipe.steps:,}, not finished; to go on:")
        print(f"  {resume_command(directory.path)}")
    sys.stdout.flush()
    return 0


def show(directory: RunDirectory) -> None:
    """Draws the newest picture of samples where a person looks on: nothing when the output is no terminal."""
    pictures = directory.pictures()
    if not pictures or not sys.stdout.isatty():
        return
    from rich.console import Console

    from tinygen.training.terminal_picture import terminal_picture

    console = Console()
    if console.color_system:
        console.print(terminal_picture(pictures[-1], console.width, min(console.height - 3, 32)), end="")
