"""Fused chains: formulas are read as Python reads them, and every version computes them, whatever shapes and memory."""

import random

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import ORDERS, order
from simulator import version as simulated

from tinygen.kernels import expression as expressions
from tinygen.kernels import loops
from tinygen.kernels.array_module import bfloat16
from tinygen.kernels.cpu import fusion as cpu
from tinygen.kernels.definitions import elementwise
from tinygen.kernels.definitions import fusion as definition
from tinygen.kernels.expression import Chain, argument, expression, parse, written

pytestmark = pytest.mark.usefixtures("entries")

KERNELS = [pytest.param(cpu, id="cpu"), simulated("fusion")]
VERSIONS = [pytest.param(definition, id="definition"), *KERNELS]
NAMES = {"x": argument(0), "y": argument(1), "z": argument(2)}


def drawn(rng: random.Random, depth: int) -> str:
    """A random formula of x, y and z from -2 to 2 that magnifies no rounding; only arguments are compared."""

    def some() -> str:
        return drawn(rng, depth - 1)

    if depth == 0:
        return rng.choice(["x", "y", "z", "0.5", "-1.25", "0.0", "-0.0", "2"])
    match rng.randrange(6):
        case 0:
            test = rng.choice(["<", "<=", "==", ">", ">=", "!="])
            return f"where({rng.choice('xyz')} {test} {rng.choice('xyz')}, {some()}, {some()})"
        case 1:
            return f"{rng.choice(['tanh', 'sigmoid', 'softplus', 'abs', 'normal_cdf'])}({some()})"
        case 2:
            return f"exp(-softplus({some()}))"
        case 3:
            return f"({some()} / (1 + softplus({some()})))"
    return f"({some()} {rng.choice('+-*')} {some()})"


def chain_of(*formulas: str) -> Chain:
    return Chain(f"chain {formulas[0]}", tuple(parse(formula, NAMES) for formula in formulas))


def formulas_of(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"{drawn(rng, 4)} + 0.5 * {'xyz'[i % 3]}" for i in range(6)]


def entries(seed: int, *shapes: tuple[int, ...], dtype: type = np.float32) -> list[np.ndarray]:
    """Numbers from -2 to 2 in steps of 1/4: ties are met."""
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.integers(-8, 9, shape) / 4, dtype) for shape in shapes]


def by_python(formulas: list[str], arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What Python makes of the formulas, with NumPy's functions and in float64."""
    names = {name: np.asarray(a, np.float64) for name, a in zip("xyz", arrays)}
    names |= {name: getattr(np, name) for name in ("exp", "tanh", "abs", "where")}
    for f in (elementwise.sigmoid, elementwise.softplus, elementwise.normal_cdf):
        names[f.__name__] = lambda x, f=f: f(np.asarray(x, np.float64))
    return [eval(formula, {}, names) * 1.0 for formula in formulas]


def agree(found, exact, dtype):
    assert found.dtype == dtype
    bound = 3e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(found, np.broadcast_to(exact, found.shape), rtol=10 * bound, atol=10 * bound)


# ---- expressions


@pytest.mark.parametrize("seed", range(20))
def test_formulas_are_read_as_python_reads_them(seed):
    formulas, arrays = formulas_of(seed), entries(seed, (50,), (50,), (50,), dtype=np.float64)
    found = definition.fused(chain_of(*formulas), tuple(arrays), (50,))
    for y, exact in zip(found, by_python(formulas, arrays), strict=True):
        agree(y, exact, np.float64)


def test_what_an_expression_says_of_itself_reads_as_itself():
    for seed in range(20):
        for e in chain_of(*formulas_of(seed)).outputs:
            assert parse(written(e), {f"x{i}": argument(i) for i in range(3)}) is e


def test_what_is_equal_is_one_object_and_what_is_not_is_not():
    assert parse("exp(x) * y", NAMES) is parse("exp(x) * y", NAMES)
    assert parse("x - y", NAMES) is not parse("y - x", NAMES)
    assert parse("x + 0.0", NAMES) is not expression("add", argument(0), -0.0)
    assert expression("add", argument(0), 1.0) is not expression("multiply", argument(0), 1.0)
    shared = chain_of("sigmoid(x) * (1 - sigmoid(x))")
    assert [e.name for e in shared.steps] == ["argument", "sigmoid", "subtract", "multiply"]


@pytest.mark.parametrize("formula", ["x ** 2", "asinh(x)", "x and y", "exp(x, y)", "x < y < x", "w", "x.y", "'x'"])
def test_what_kernels_do_not_know_is_refused(formula):
    with pytest.raises(ValueError, match="nothing that kernels know"):
        parse(formula, {"x": argument(0), "y": argument(1)})


# ---- kernels


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("seed", range(4))
def test_random_chains(kernels, seed):
    formulas, arrays = formulas_of(seed), entries(seed, (3, 41), (3, 41), (3, 41))
    found = kernels.fused(chain_of(*formulas), tuple(arrays), (3, 41))
    for y, exact in zip(found, by_python(formulas, arrays), strict=True):
        agree(y, exact, np.float32)


@pytest.mark.parametrize("kernels", [simulated("fusion")])
def test_on_a_device_float64_is_computed_as_such_in_every_thread_order(kernels):
    formulas, arrays = formulas_of(9), entries(9, (2, 300), (300,), (2, 1), dtype=np.float64)
    for name in ORDERS:
        with order(name):
            found = kernels.fused(chain_of(*formulas), tuple(arrays), (2, 300))
        for y, exact in zip(found, by_python(formulas, arrays), strict=True):
            agree(y, exact, np.float64)


FORMULAS = ["where(x < y, x * y, z) - sigmoid(y)", "x + y * 0.5 - z"]
MIXED = chain_of(*FORMULAS)
SHAPES = {
    "rows": [(4, 3, 40), (4, 1, 1), (40,)],
    "numbers": [(4, 70), (), (1, 1)],
    "none whole": [(5, 1), (1, 30), ()],
    "a channel each": [(4, 20, 3, 3), (20, 1, 1), (4, 20, 1, 1)],
    "short rows": [(40, 3), (3,), (40, 1)],
    "four loops": [(3, 1, 4, 1, 9), (1, 2, 1, 3, 1), (3, 2, 4, 3, 9)],
    "one entry": [(1,), (), (1, 1)],
    "nothing": [(4, 0), (4, 1), ()],
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SHAPES)
def test_arguments_broadcast(version, name):
    arrays = entries(1, *SHAPES[name])
    shape = np.broadcast_shapes(*SHAPES[name])
    for found, exact in zip(version.fused(MIXED, tuple(arrays), shape), by_python(FORMULAS, arrays), strict=True):
        assert found.shape == shape
        agree(found, exact, np.float32)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_argument_may_be_a_number(version):
    x, y = entries(5, (6, 20), (20,))
    for values in ((x, y, 0.25), (x, 0.25, y), (-1.0, x, 2), (np.float32(0.5), x, np.float64(-0.5))):
        arrays = [np.asarray(v, np.float32) for v in values]
        for found, exact in zip(version.fused(MIXED, values, (6, 20)), by_python(FORMULAS, arrays), strict=True):
            agree(found, exact, np.float32)


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_memory_is_read_where_it_lies_and_written_as_the_first_whole_argument_does(version, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    arrays = []
    for seed in range(3):
        axes = data.draw(st.permutations(range(len(shape))))
        steps = [data.draw(st.sampled_from([1, 1, 2, -1])) for _ in shape]
        held = entries(seed, tuple(shape[i] * abs(steps[i]) for i in axes))[0].transpose(np.argsort(axes))
        view = held[tuple(slice(None, None, step) for step in steps)]
        if data.draw(st.booleans()):
            repeated = data.draw(st.integers(0, len(shape) - 1))
            view = np.broadcast_to(view.take([0], repeated), shape)
        arrays.append(view)
    kept = [a.copy() for a in arrays]
    for found, exact in zip(version.fused(MIXED, tuple(arrays), shape), by_python(FORMULAS, arrays), strict=True):
        agree(found, exact, np.float32)
        if 0 not in arrays[0].strides:
            as_first = np.empty_like(arrays[0]).strides
            assert [s for s, n in zip(found.strides, shape) if n > 1] == [s for s, n in zip(as_first, shape) if n > 1]
    for a, before in zip(arrays, kept):
        assert np.array_equal(a, before)


@pytest.mark.parametrize("version", VERSIONS)
def test_rows_are_read_backwards(version):
    x, y, z = entries(6, (5, 67), (5, 67), (67,))
    for arrays in ([x[:, ::-1], y, z], [x[::-1, ::-1], y[:, ::-1], z], [x, y, z[::-1]]):
        for found, exact in zip(version.fused(MIXED, tuple(arrays), (5, 67)), by_python(FORMULAS, arrays), strict=True):
            agree(found, exact, np.float32)


@pytest.mark.parametrize("version", VERSIONS)
def test_steps_in_memory_need_not_be_whole_entries(version):
    records = np.zeros(7, [("x", np.float32, (30,)), ("a byte", np.uint8)])
    records["x"] = entries(3, (7, 30))[0]
    x, y, z = records["x"], *entries(4, (7, 30), (30,))
    for found, exact in zip(version.fused(MIXED, (x, y, z), (7, 30)), by_python(FORMULAS, [x, y, z]), strict=True):
        agree(found, exact, np.float32)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_number_can_stand_in_a_formula(version):
    x = np.array([-1, 2], np.float32)
    for number in (np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-40, -2.5):
        value = expression("where", parse("x < 0", NAMES), number, argument(0))
        (found,) = version.fused(Chain("a number", (value,)), (x,), x.shape)
        np.testing.assert_array_equal(found, np.array([number, 2], np.float32))
        assert np.signbit(found[0]) == np.signbit(number)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "shapes", [((5, 3, 400), (5, 1, 1)), ((5,), ()), ((2, 9000), (9000,)), ((0, 3), (3,))], ids=str
)
def test_sums(version, shapes):
    x, y = entries(2, *shapes)
    if x.ndim == 3:
        x = np.ascontiguousarray(x.transpose(2, 1, 0)).transpose(2, 1, 0)  # examples are not outermost in memory
    value = parse("softplus(x) - y * x", NAMES)
    (exact,) = by_python(["softplus(x) - y * x"], [x, y])
    for total, axes in (("all", None), ("examples", tuple(range(1, x.ndim)))):
        (found,) = version.fused(Chain(f"sum_{total}", (value,), total), (x, y), x.shape)
        expected = exact.sum(axis=axes)
        assert found.shape == np.shape(expected)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("version", VERSIONS)
def test_nan_and_infinities_come_through(version):
    x = np.tile(np.float32([np.nan, np.inf, -np.inf, 1.0, 0.0, -0.0]), 7)
    y = np.ones_like(x)
    formulas = {
        "x * y": lambda x: x,
        "where(x > 0, x, 0 - x)": np.abs,
        "sigmoid(x)": lambda x: elementwise.sigmoid(x),
        "y / x": lambda x: 1 / x,
        "x - x": lambda x: x - x,
        "x != x": lambda x: np.isnan(x).astype(np.float32),
        "abs(x) == inf": lambda x: np.isinf(x).astype(np.float32),
    }
    chain = chain_of(*formulas)
    with np.errstate(all="ignore"):
        for found, exact in zip(version.fused(chain, (x, y), x.shape), formulas.values(), strict=True):
            np.testing.assert_array_equal(found, exact(x))


@pytest.mark.parametrize("version", VERSIONS)
def test_bfloat16_is_computed_wider_and_rounded_once(version):
    x, y = (a.astype(bfloat16()) for a in entries(6, (3, 50), (50,)))
    chain = chain_of("x * sigmoid(x) * y + 0.1")
    for arrays in ((x, y), (x, 0.3)):
        (found,) = version.fused(chain, arrays, (3, 50))
        (exact,) = by_python(["x * sigmoid(x) * y + 0.1"], [np.asarray(a, np.float64) for a in arrays])
        assert found.dtype == bfloat16()
        np.testing.assert_allclose(found.astype(np.float64), exact, rtol=2.0**-8)
    (total,) = version.fused(Chain("squares", (parse("x * x", NAMES),), "examples"), (x,), (3, 50))
    np.testing.assert_allclose(total.astype(np.float64), (x.astype(np.float64) ** 2).sum(1), rtol=2.0**-8)


# ---- what a mistake would look like


def test_a_key_that_forgets_an_operand_is_found(monkeypatch):
    monkeypatch.setattr(expressions, "_known", _Forgetful())
    with pytest.raises(AssertionError):
        test_formulas_are_read_as_python_reads_them(0)


class _Forgetful(dict):
    """Takes two expressions for equal that differ in their last number or operand."""

    def get(self, key, default=None):
        return super().get(key[:-1] if len(key) > 2 else key, default)

    def __setitem__(self, key, value):
        super().__setitem__(key[:-1] if len(key) > 2 else key, value)


def test_a_step_that_is_not_0_where_an_argument_repeats_is_found(monkeypatch):
    def never_still(axes, shape, own, steps):
        lacking = len(shape) - len(own)
        return tuple([steps[i - lacking] if i >= lacking else 0 for i in axes])

    monkeypatch.setattr(loops, "_along", never_still)
    loops.planned.cache_clear()
    cpu._planned.cache_clear()
    try:
        with pytest.raises(AssertionError):
            test_arguments_broadcast(cpu, "rows")
    finally:
        loops.planned.cache_clear()
        cpu._planned.cache_clear()


def test_what_is_written_is_kept_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", "")
    cpu.folder.cache_clear()
    try:
        chain = Chain("kept <lambda>", (parse("x * 0.125 + y", NAMES),))
        x, y = entries(0, (40,), (40,))
        for _ in range(2):
            (found,) = cpu.fused(chain, (x, y), (40,))
            np.testing.assert_array_equal(found, x * 0.125 + y)
            cpu.compiled.cache_clear()
            cpu._planned.cache_clear()
        (file,) = (tmp_path / "fused").glob("*.py")
        assert "y0 = ((x0 * 0.125) + x1)" in file.read_text()
        assert len(list((tmp_path / "fused").rglob("*.nbc"))) == 1  # machine code, once
    finally:
        cpu.folder.cache_clear()
