"""The training loop: steps, log, pictures, checkpoints; and going on after anything that stopped it.

A run that was killed at any moment ends with the same bits as one that was not: the checkpoint holds the
learner (weights, optimiser, averages), the generator of the steps' noise, the loader's place in the data,
and the counters; the log is cut back to it. `tests/training/test_run_killed.py` kills runs at random moments and
compares.

Of ranks that train together (`tinygen.parallel`) each runs this loop with its part of the batches. The first keeps the
records, lock, checkpoints, log and pictures; the others are `follower.Follower`.
"""

import errno
import re
import textwrap
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen import parallel
from tinygen.capture import CaptureError, captured_steps
from tinygen.kernels.cpu.openblas import one_blas_thread
from tinygen.training import checkpoint as checkpoints
from tinygen.training.assemble import Parts, assemble, fresh
from tinygen.training.checkpoint import Checkpoint
from tinygen.training.contract import NonFinite, RunError, UsageError
from tinygen.training.gallery import make_drawings
from tinygen.training.memory import give_back, keep_memory
from tinygen.training.metrics_log import MetricsLog, Window
from tinygen.training.pictures import can_draw, save_samples
from tinygen.training.precision import computing_in
from tinygen.training.progress import Meter, Progress
from tinygen.training.report import write_report
from tinygen.training.run_directory import RunConfig, RunDirectory, resume_command, step_of
from tinygen.training.stop import Stop
from tinygen.training.tree import as_numpy


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    step: int
    finished: bool
    seconds: float


def train(directory: RunDirectory, config: RunConfig, progress: Progress, parts: Parts | None = None) -> Outcome:
    """Train from the newest good checkpoint of `directory`, or from the start, to the end or to a Ctrl-C.

    Raises UsageError (another process is there, a checkpoint of another model) and RunError (NaN, full disk).
    """
    keep_memory()
    try:
        return _train(directory, config, progress, parts)
    finally:
        give_back()


def _train(directory: RunDirectory, config: RunConfig, progress: Progress, parts: Parts | None) -> Outcome:
    from tinygen.training.follower import Follower

    ranks = parallel.world()
    with directory.locked() if ranks.first else nullcontext():
        run = (Run if ranks.first else Follower)(directory, config, progress, parts or assemble(config), ranks)
        try:
            run.restore()
            graphs = captured_steps(config.capture, progress.note)
            quiet = np.errstate(all="ignore")  # what is not finite is found and named
            with Stop().listening() as stop, quiet, graphs, one_blas_thread():
                return run.loop(stop)
        except OSError as error:
            raise RunError(f"{run.at()}: {_said(error)}; {run.way_on()}") from error
        except (NonFinite, FloatingPointError) as found:
            raise RunError(f"{run.at()}: {found}{run.culprit()}; {run.way_on()}") from found
        except CaptureError as error:
            raise RunError(f"{run.at()}: {error}; {run.way_on()}") from error
        except MemoryError as error:
            raise RunError(f"{run.at()}: out of memory; {run.way_on()}") from error
        except KeyboardInterrupt as error:
            raise RunError(f"{run.at()}: stopped at once; {run.way_on()}") from error


class Run:
    """A run in progress: the parts, the counters, and where the last good checkpoint lies."""

    def __init__(
        self,
        directory: RunDirectory,
        config: RunConfig,
        progress: Progress,
        parts: Parts,
        ranks: parallel.Communicator,
    ) -> None:
        self.directory = directory
        self.config = config
        self.progress = progress
        self.parts = parts
        self.ranks = ranks
        self.step = 0
        self.current = 0
        self.seconds = 0.0
        self.window = Window()
        self.saved: int | None = None
        self._redo: Callable[[], Any] | None = None

    # -- the loop --------------------------------------------------------------------------------------------

    def loop(self, stop: Stop) -> Outcome:
        """Steps until the last one or until a stop is asked for; drawings if it was the last; the report."""
        steps = self.config.recipe.steps
        log = self.log()
        try:
            if self.saved is None:
                self.save(log)
            meter = Meter(self.step, steps)
            self.draw(stop)  # what was due when the run was stopped
            while self.step < steps and not self.ranks.any(stop.requested):
                self.one_step(meter)
                if self.due(self.config.log_every):
                    log.append({"step": self.step, "seconds": round(self.seconds, 3), **self.window.means()})
                if self.due(self.config.save_every) or self.due(self.config.recipe.sample_every):
                    self.save(log)
                meter.exclude(self.draw(stop))
            if self.saved != self.step:  # stopped between two checkpoints
                self.save(log)
        finally:
            log.close()
        self.conclude(stop)
        return Outcome(self.step, self.step >= steps, self.seconds)

    def conclude(self, stop: Stop) -> None:
        """Drawings of a run that is at its end, and the report."""
        if self.step >= self.config.recipe.steps:
            self.progress.drawing()
            stop.optional(self._drawings)
        write_report(self.directory)

    def log(self) -> MetricsLog:
        """metrics.jsonl, to append to, with the lines of the steps up to now."""
        return MetricsLog(self.directory.metrics_file, after=self.step)

    def due(self, every: int) -> bool:
        """Whether what is done every so many steps, and after the last one, is to be done now."""
        return self.step > 0 and (self.step % every == 0 or self.step == self.config.recipe.steps)

    def one_step(self, meter: Meter) -> None:
        """Draw a batch and take one step."""
        started = time.perf_counter()
        self.current = self.step + 1
        batch = next(self.parts.loader)
        before = self.parts.rng.state
        self._redo = lambda: self._take_step(batch, parallel.Echo(self.ranks.rank, self.ranks.size), before)
        figures = self._take_step(batch, self.ranks)
        self.step += 1
        self.seconds += time.perf_counter() - started
        self.window.add(figures)
        meter.update(self.step, figures["loss"])
        self.progress.step(meter, figures)

    def _take_step(self, batch: Any, ranks: parallel.Communicator, rng_state: Any = None) -> dict[str, float]:
        if rng_state is not None:
            self.parts.rng.state = rng_state
        precision = computing_in(self.config.precision)
        with precision, parallel.shared_step(ranks, len(batch["x"]), self.parts.model):
            return self.parts.learner.step(batch, parallel.own_rows(self.parts.rng))

    def draw(self, stop: Stop) -> float:
        """Draw a picture of samples where one is due and missing, and the report with it; seconds spent.

        A stop that is asked for meanwhile leaves the picture to the resumed run.
        """
        started = time.perf_counter()
        path, dataset = self.directory.sample_picture(self.step), self.parts.dataset
        if self.due(self.config.recipe.sample_every) and can_draw(dataset.shape) and not path.exists():
            self.progress.drawing()
            samples = stop.optional(self._samples)
            if samples is not None:
                save_samples(path, samples, dataset.value_range)
                self.progress.picture(str(path))
                if self.step < self.config.recipe.steps:
                    write_report(self.directory)
        return time.perf_counter() - started

    def _samples(self) -> Any:
        with self.parts.learner.averaged() as model:
            return as_numpy(model.sample(self.config.recipe.pictures, fresh(self.parts.pictures)))

    def _drawings(self) -> None:
        with self.parts.learner.averaged() as model:
            make_drawings(self.directory, self.config, model, fresh(self.parts.pictures), self.progress.note)

    # -- checkpoints -----------------------------------------------------------------------------------------

    def save(self, log: MetricsLog) -> None:
        """Write a checkpoint of this step."""
        log.synchronise()
        state = {
            **self.parts.learner.state_dict(),
            "rng": self.parts.rng.state,
            "loader": self.parts.loader.state_dict(),
            "seconds": self.seconds,
            "window": self.window.sums,
        }
        checkpoints.save(self.directory.checkpoints, Checkpoint(self.step, self.config.owner, state))
        self.saved_now()

    def saved_now(self) -> None:
        """All ranks know that there is a checkpoint of this step."""
        self.ranks.barrier()
        self.saved = self.step
        self.ranks.in_case_of_death(f"tinygen: a rank was killed; {self.way_on()}")

    def restore(self) -> None:
        """Take over the newest good checkpoint, if there is any, and say which ones were damaged."""
        found = self.ranks.led(self.newest)
        if found is None:
            return
        take_over(self.parts, found, self.config)
        self.ranks.led(lambda: self.drop_pictures(found.step))
        state = found.state
        self.step = self.current = found.step
        self.seconds = state["seconds"]
        self.window = Window(state["window"])
        self.saved_now()
        more = "" if self.step < self.config.recipe.steps else ", where it was finished; --steps N trains on to N"
        self.progress.note(f"going on from step {self.step} ({found.path}){more}")

    def newest(self) -> Checkpoint | None:
        """The newest good checkpoint; what is half written goes, what is damaged is set aside."""
        self.directory.sweep()

        def damaged(path: Any, why: str) -> None:
            self.progress.note(f"damaged checkpoint, set aside: {why}")
            checkpoints.set_aside(path)

        return checkpoints.load_newest(self.directory.checkpoints, damaged)

    def drop_pictures(self, after: int) -> None:
        """Pictures of later steps go, as the log's later lines do: those steps are taken again."""
        for picture in self.directory.pictures():
            if step_of(picture) > after:
                picture.unlink()

    # -- what is said when it fails --------------------------------------------------------------------------

    def at(self) -> str:
        """The step that was being taken, or was taken last."""
        return f"step {self.current}"

    def way_on(self) -> str:
        """The last good checkpoint and the command that goes on from it."""
        if self.saved is None:
            return "no checkpoint was written yet"
        path = checkpoints.path_of(self.directory.checkpoints, self.saved)
        return f"the last good checkpoint is {path}; go on with {resume_command(self.directory.path)}"

    def culprit(self) -> str:
        """The operation that made it, found by taking the same step again with every operation watched."""
        from tinygen import detect_anomaly

        if self._redo is None:
            return ""
        try:
            with detect_anomaly(), np.errstate(all="ignore"):
                self._redo()
        except NonFinite:
            return ""
        except FloatingPointError as error:
            return f" ({re.split(', (?:recorded )?at ', str(error))[0]})"  # the line is one of ours
        return ""


def take_over(parts: Parts, found: Checkpoint, config: RunConfig) -> None:
    """Bring the parts to the state of a checkpoint. Raises UsageError when it is not of the model of `config`."""
    check_owner(found, config)
    try:
        parts.learner.load_state_dict(found.state)
        parts.rng.state = found.state["rng"]
        parts.loader.load_state_dict(found.state["loader"])
    except (ValueError, KeyError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else textwrap.shorten(str(error), 200)
        raise UsageError(f"{found.path} does not fit this run: {what}") from error


def check_owner(found: Checkpoint, config: RunConfig) -> None:
    """Raise UsageError unless the checkpoint is of the model of `config`, with the same options."""
    if found.owner == config.owner:
        return
    if found.owner.get("model") != config.model:
        raise UsageError(f"{found.path} is of the model {found.owner.get('model')}; this run trains {config.model}")
    theirs, ours = found.owner.get("options", {}), config.owner["options"]
    differing = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    difference = ", ".join(f"{name} {theirs.get(name)}, not {ours.get(name)}" for name in differing)
    raise UsageError(f"{found.path} is of another {config.model}: it has {difference}")


def _said(error: OSError) -> str:
    where = f" while writing {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{where}; free some space"
    return f"{error.strerror or error}{where}"
