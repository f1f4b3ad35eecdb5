"""The command line: `tinygen COMMAND ...`, also `python -m tinygen COMMAND ...`.

Exit codes: 0 done (an orderly stop by Ctrl-C included: it was asked for, and says that the run is not
finished), 1 failed while running, 2 wrong usage. What a user can cause is told in one line: what is wrong,
what was found, what would be right. Each command is a module, imported when it is called, so that `tinygen
list` starts at once.
"""

import importlib
import sys
import traceback
from collections.abc import Sequence

from tinygen import parallel

# command -> (module with `run(args)`, what it does)
COMMANDS = {
    "train": ("tinygen.cli.train", "train a model, or go on with a run"),
    "sample": ("tinygen.cli.sample", "draw samples from a trained run"),
    "eval": ("tinygen.cli.evaluate", "measure a trained run"),
    "verify": ("tinygen.cli.verify", "measure every closed form that the project is held to"),
    "bench": ("tinygen.cli.bench", "time operations and training steps beside other libraries"),
    "profile": ("tinygen.cli.profile", "show where the time of a training step goes"),
    "list": ("tinygen.cli.listing", "the models there are"),
    "data": ("tinygen.cli.data", "the data sets there are, and where they lie"),
}

OVERVIEW = """\
tinygen: generative models from scratch

{commands}

  tinygen COMMAND --help      what a command takes
  tinygen train ddpm          start here: trains on real digits within minutes, needs nothing else"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help", "help"):
        rows = [f"  tinygen {name:<8}  {what}" for name, (_, what) in COMMANDS.items()]
        print(OVERVIEW.format(commands="\n".join(rows)))
        return 0
    if args[0] == "--version":
        from tinygen import __version__

        print(f"tinygen {__version__}")
        return 0
    from tinygen.training.contract import RunError, UsageError

    try:
        return _run(args)
    except UsageError as error:
        return _complain(str(error), 2)
    except RunError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("stopped", 1)
    except BrokenPipeError:  # the reader of a pipe, such as head, has had enough
        if parallel.world().size > 1:
            parallel.world().fail("", 0)
        sys.stderr.close()
        return 0
    except OSError as error:
        return _complain(f"{error.filename or args[0]}: {error.strerror or error}", 1)
    except parallel.PeerFailed as error:
        parallel.world().fail(str(error), error.code)
    except Exception:
        ranks = parallel.world()
        if ranks.size == 1:
            raise
        ranks.fail(f"tinygen: rank {ranks.rank} failed:\n{traceback.format_exc()}", 1)


def _run(args: list[str]) -> int:
    name, rest = args[0], args[1:]
    if name not in COMMANDS:
        from tinygen.training.contract import UsageError
        from tinygen.training.registry import unknown

        raise UsageError(unknown("command", name, COMMANDS, "tinygen --help"))
    module, _ = COMMANDS[name]
    return importlib.import_module(module).run(rest)


def _complain(text: str, code: int) -> int:
    """Prints what is wrong; of ranks that work together, one does, and all end."""
    message = f"tinygen: {' '.join(text.split())}"
    if parallel.world().size > 1:
        parallel.world().fail(message, code)
    print(message, file=sys.stderr)
    return code
