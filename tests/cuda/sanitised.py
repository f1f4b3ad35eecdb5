"""The exercises of the CUDA kernels under g++'s address and undefined-behaviour sanitisers, in one thread order.

    python tests/cuda/sanitised.py [softmax attention ...] [--sources FOLDER-OF-CU-FILES]

They know what guard pages do not: the bytes between an array's end and its page, what lies between two arrays of shared
memory, an array of the thread's own. The first error ends the run with the sanitiser's report: what, file and line.
The sanitiser must be loaded before Python itself, so this starts itself again. Held by test_sanitisers.py.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def library() -> str | None:
    """Where g++ keeps the address sanitiser, or None."""
    if shutil.which("g++") is None:
        return None
    run = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True)
    path = Path(run.stdout.strip())
    return str(path) if path.is_absolute() else None  # g++ gives back the bare name of what it does not have


def start(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """This file as a program, under the sanitisers."""
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library()),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0",  # Python frees late; threads are fibers
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
        "TINYGEN_SANITISERS": "1",
    }
    return subprocess.run([sys.executable, __file__, *arguments], env=environment, text=True, **options)  # type: ignore


def run(modules: list[str], sources: str | None) -> None:
    from exercises import EXERCISES, agrees
    from simulator import ORDERS, Fault, order, simulated

    from tinygen.kernels.cuda import launch

    if sources:
        launch.HERE = Path(sources)
    for module in modules or EXERCISES:
        try:
            with order(ORDERS[0]):
                results = list(EXERCISES[module](simulated(module)))
        except Fault as fault:  # the simulator's own: barriers, pages that must not be touched
            sys.exit(f"{module}: {fault}")
        wrong = [what for what, found, exact in results if not agrees(module, found, exact)]
        if wrong:
            sys.exit(f"{module}: {wrong[0]} differs from its definition")
        print(f"{module}: clean", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--sources")
    asked = parser.parse_args()
    if "TINYGEN_SANITISERS" in os.environ:
        run(asked.modules, asked.sources)
    elif library() is None:
        sys.exit("g++ with its libasan is needed")
    else:
        sys.exit(start(*sys.argv[1:]).returncode)
