"""`import tinygen` loads NumPy and the project, and nothing heavy before it is needed."""

import json
import subprocess
import sys

HEAVY = {
    *("numba", "llvmlite", "cupy", "matplotlib", "sklearn", "scipy", "PIL", "safetensors", "ml_dtypes"),
    *("rich", "tyro", "hypothesis", "pytest", "torch"),
}


def loaded(program: str) -> set[str]:
    """The top-level modules a fresh interpreter has after running `program`."""
    code = f"{program}\nimport json, sys\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    assert loaded("import tinygen") & HEAVY == set()


def test_the_engine_works_without_numba():
    program = """
import tinygen as tg
x = tg.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
tg.linalg.slogdet(tg.exp(x) * x)[1].backward()
"""
    assert loaded(program) & HEAVY == set()


def test_checks_without_strategies_do_without_hypothesis():
    program = "from tinygen.testing import gradcheck\nimport numpy, tinygen\ngradcheck(tinygen.exp, numpy.ones(2))"
    assert loaded(program) & HEAVY == set()
    assert "hypothesis" in loaded("from tinygen.testing import shapes")


def test_rooms_are_imported_when_first_asked_for():
    assert "hypothesis" not in loaded("import tinygen as tg\ntg.testing.gradcheck, tg.diffusion, tg.data")
