"""The house: which room imports which, that nothing runs in a circle, that the plan and the folders agree."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# One floor a line, from the ground up. A module imports from lower floors and from its own room; rooms joined by "+"
# belong together. The front is `import tinygen as tg` itself, which shows what lies below it.
FLOORS = """
kernels
device + files
tensor + autodiff + ops
random
capture
parallel
nn
nets + optim + distributions + divergence + truth + testing + state + recipe + drawing
profiling
front
learner
density, autoregressive
gan, vae, vq, flow, diffusion
checks, data
metrics
training
bench
cli + __main__
"""

FLOOR: dict[str, int] = {}
HOUSEHOLD: dict[str, str] = {}  # rooms that may import each other
for _level, _line in enumerate(FLOORS.split("\n")):
    for _group in _line.split(","):
        for _room in _group.split("+"):
            FLOOR[_room.strip()] = _level
            HOUSEHOLD[_room.strip()] = _group.strip()


def modules() -> dict[str, Path]:
    """Every module of the package by its imported name."""
    found = {}
    for folder, name in ((ROOT / "tinygen", "tinygen"), (ROOT / "kernels", "tinygen.kernels")):
        for path in sorted(folder.rglob("*.py")):
            parts = (name, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def room(module: str) -> str:
    """`tinygen.ops.linalg` -> `ops`."""
    return [*module.split("."), "front"][1]


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(node: ast.AST, lazy: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports below `node`, without those for type checkers; those inside functions only if `lazy`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not is_for_types_only(child) and (lazy or not isinstance(child, ast.FunctionDef)):
            yield from statements(child, lazy)


def imports(module: str, lazy: bool = True) -> set[str]:
    """The project's modules that `module` imports."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for statement in statements(ast.parse(path.read_text(encoding="utf-8")), lazy):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        else:
            base = package[: len(package) - statement.level + 1] if statement.level else []
            origin = ".".join([*base, *([statement.module] if statement.module else [])])
            names = [f"{origin}.{alias.name}" for alias in statement.names]
            names = [name if name in MODULES else origin for name in names]
        found |= {name for name in names if name in MODULES}
    return found - {module}


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES} <= set(FLOOR)


def test_imports_go_down():
    looking_up = []
    for module in MODULES:
        for target in imports(module):
            here, there = room(module), room(target)
            if (
                there == ""
                or FLOOR[there] > FLOOR[here]
                or (FLOOR[there] == FLOOR[here] and not neighbours(here, there))
            ):
                looking_up.append(f"{module} imports {target}")
    assert looking_up == []


def neighbours(here: str, there: str) -> bool:
    return HOUSEHOLD[here] == HOUSEHOLD[there]


def test_kernels_import_nothing_of_the_house():
    for module in MODULES:
        if room(module) == "kernels":
            assert {room(target) for target in imports(module)} <= {"kernels"}, module


def test_nothing_runs_in_a_circle():
    """A module's own package counts as imported with it only where it is named."""
    state: dict[str, int] = {}
    circles = []

    def visit(module: str, path: tuple[str, ...]) -> None:
        state[module] = 1
        for target in sorted(imports(module, lazy=False)):
            if state.get(target) == 1:
                circles.append(" -> ".join([*path[path.index(target) :], target]) if target in path else target)
            elif target not in state:
                visit(target, (*path, target))
        state[module] = 2

    for module in MODULES:
        if module not in state:
            visit(module, (module,))
    assert circles == []


def test_the_list_of_packages_is_that_of_the_folders():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    assert set(project["tool"]["setuptools"]["packages"]) == folders


def test_what_is_written_names_no_machine():
    """No path of somebody's own disk in what is committed."""
    own = re.compile(r"(?<![\w.])/(?:work|root|home|tmp|Users)/\w")
    named = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.suffix not in (".md", ".py", ".toml", ".cfg", ".yml") or any(p.startswith(".") for p in parts):
            continue
        if "site-packages" in parts or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if own.search(line) and path != Path(__file__):
                named.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert named == []


def test_every_test_file_has_a_name_of_its_own():
    """pytest imports them by name alone, without their folder."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_files_are_short():
    long = {module: count for module, path in MODULES.items() if (count := path.read_text().count("\n")) > 500}
    assert long == {}


def test_what_is_said_to_hold_a_module_is_there():
    """Where a docstring says "held by tests/... (CHECKS 12)", the file exists and the registry has that number."""
    from tinygen.checks.registry import checks

    numbers = {check.number for check in checks()}
    missing = []
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"\b(?:tests|tinygen|examples)/[\w/]+(?:\.py)?", text)
        missing += [f"{module}: {name}" for name in named if not (ROOT / name).exists()]
        cited = re.findall(r"\(CHECKS ([\d, ]+(?:(?:to|and) \d+)?)\)", text)
        missing += [f"{module}: CHECKS {n}" for c in cited for n in re.findall(r"\d+", c) if int(n) not in numbers]
    assert missing == []
