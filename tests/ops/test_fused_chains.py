"""A fused chain is the function that it was made of: values, gradients of orders 1 to 3, conventions, errors."""

import random
import tracemalloc

import numpy as np
import offline
import pytest
from operation_cases import BINARY, UNARY, operation_named
from simulator import everywhere, needs_compiler

import tinygen as tg
from tinygen import kernels
from tinygen.autodiff import fusion
from tinygen.autodiff.fusion import Fused, fused
from tinygen.autodiff.primitive import REGISTRY
from tinygen.kernels.cuda import fusion as cuda
from tinygen.kernels.cuda import launch
from tinygen.ops.elementwise import where
from tinygen.tensor import Tensor
from tinygen.testing import gradcheck

FUSIBLE = [name for name in (*UNARY, *BINARY) if isinstance(REGISTRY.get(name), Fused) or REGISTRY[name].scalar]
STEPS = [
    lambda a, b: a + b,
    lambda a, b: a - 0.5 * b,
    lambda a, b: a * b,
    lambda a, b: a / (1.0 + b * b),
    lambda a, b: tg.maximum(a, b),
    lambda a, b: tg.minimum(a, 0.25),
    lambda a, b: where(a < b, tg.tanh(a), b),
    lambda a, b: where((a == b) | (b > 1), 0.5, a * b),
    lambda a, b: tg.clip(a, -1.0, 1.0) * b,
    lambda a, b: tg.exp(-tg.square(b)) * a,
    lambda a, b: tg.log1p(a * a) - b,
    lambda a, b: tg.sqrt(1.0 + a**2),
    lambda a, b: tg.sigmoid(a) * tg.softplus(b),
    lambda a, b: tg.abs(a) + tg.relu(b),
    lambda a, b: tg.elu(a) + tg.leaky_relu(b, 0.1),
    lambda a, b: tg.silu(a) - tg.gelu(b),
    lambda a, b: (1.0 + a**2) ** -0.5 + tg.expm1(0.1 * b),
]


def program(seed: int):
    """A random chain of eight steps, from three arguments to their combination; argument i has a share of its own."""
    rng = random.Random(seed)
    steps = [(rng.choice(STEPS), rng.randrange(3 + i), rng.randrange(3 + i)) for i in range(8)]

    def run(x, y, z):
        values = [x, y, z]
        for step, i, j in steps:
            values.append(tg.tanh(step(values[i], values[j])))
        return values[-1] + 0.5 * values[-2] * values[-3] + 0.25 * x - 0.5 * y + 0.75 * z

    run.__name__ = f"program_{seed}"
    return run


def quarters(seed: int, *shapes, dtype="float64"):
    """Tensors of numbers from -2 to 2 in steps of 1/4: ties and zeros are met."""
    rng = np.random.default_rng(seed)
    return [tg.tensor(np.asarray(rng.integers(-8, 9, s) / 4), dtype, requires_grad=True) for s in shapes]


def derivatives(fn, tensors, order):
    """The value, and the gradients of orders 1 to `order` of a sum with different weights for the entries."""
    y = fn(*tensors)
    found = [y]
    for k in range(order):
        weights = np.random.default_rng(k).normal(size=y.shape).astype(y.dtype)
        gradients = tg.grad((y * weights).sum(), tensors, create_graph=k + 1 < order, allow_unused=True)
        found += [g for g in gradients if g is not None]
        if not any(g is not None and g.requires_grad for g in gradients):
            break
        y = sum(((i + 1.0) * g).sum() for i, g in enumerate(gradients) if g is not None)
    return found


def same(fn, plain, tensors, order=1, rtol=1e-9):
    ours, exact = derivatives(fn, tensors, order), derivatives(plain, tensors, order)
    assert len(ours) == len(exact)
    for a, b in zip(ours, exact):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        scale = max(1.0, float(np.abs(b.numpy()).max(initial=0)))
        np.testing.assert_allclose(a.numpy() / scale, b.numpy() / scale, rtol=rtol, atol=rtol)


# ---- the operation table


@pytest.mark.parametrize("name", FUSIBLE)
def test_each_operation_alone_is_what_its_formula_says(name):
    op = operation_named(name)
    intervals = [UNARY[name]] if name in UNARY else BINARY[name]
    names = "ab"[: len(intervals)]
    if name == "power":
        for exponent in (0, 1, 2, 3, -1, 0.5, -1.5):
            chain = fused(_power(exponent))
            same(chain, chain.function, [tg.tensor(np.linspace(0.5, 2, 9), requires_grad=True)], 3)
        return
    chain = fused(eval(f"lambda {', '.join(names)}: op({', '.join(names)})", {"op": op}))
    rng = np.random.default_rng(0)
    tensors = [tg.tensor(rng.uniform(low, high, (3, 5)), requires_grad=True) for low, high in intervals]
    same(chain, op, tensors, 3)
    same(chain, op, [tg.tensor(t.numpy(), "float32", requires_grad=True) for t in tensors], 1, rtol=2e-5)


def _power(exponent):
    return lambda a: a**exponent


@needs_compiler
def test_operations_and_their_gradients_on_a_device():
    """All of them in one chain, so that one compilation serves."""
    names = [name for name in FUSIBLE if name in UNARY]

    def each(*tensors):
        return sum(operation_named(name)(x) for name, x in zip(names, tensors))

    arguments = ", ".join(f"x{i}" for i in range(len(names)))
    chain = fused(eval(f"lambda {arguments}: each({arguments})", {"each": each}))
    rng = np.random.default_rng(1)
    for dtype, rtol in (("float64", 1e-12), ("float32", 2e-5)):
        tensors = [tg.tensor(rng.uniform(*UNARY[name], (2, 9)), dtype, requires_grad=True) for name in names]
        exact = derivatives(chain.function, tensors, 1)
        with everywhere() as ran:
            found = derivatives(chain, tensors, 1)
        assert {chain.chain.identifier, f"{chain.chain.identifier}_backward"} <= ran
        for a, b in zip(found, exact, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=rtol, atol=rtol)


# ---- random chains


@pytest.mark.parametrize("seed", range(12))
def test_random_chains_to_third_order(seed):
    run = program(seed)
    chain = fused(run)
    same(chain, run, quarters(seed, (4, 3), (4, 3), (4, 3)), 3)
    same(chain, run, quarters(seed, (2, 3), (3,), (2, 1)), 2)


@pytest.mark.parametrize("seed", range(3))
def test_random_chains_in_float32(seed):
    run = program(seed)
    same(fused(run), run, quarters(seed, (3, 50), (50,), (3, 1), dtype="float32"), 1, rtol=1e-4)


@needs_compiler
@pytest.mark.parametrize("total", [None, "all", "mean", "examples"])
def test_a_random_chain_on_a_device(total):
    run, tensors = program(5), quarters(5, (3, 50), (50,), (3, 1))
    exact = derivatives(summed(run, total), tensors, 1)
    with everywhere():
        found = derivatives(fused(run, total=total), tensors, 1)
    for a, b in zip(found, exact, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-11)


def summed(run, total):
    if total is None:
        return run
    if total == "mean":
        return lambda *args: run(*args).mean()
    return lambda *args: (y := run(*args)).sum(axis=None if total == "all" else tuple(range(1, y.ndim)))


@pytest.mark.parametrize("total", ["all", "mean", "examples"])
@pytest.mark.parametrize(
    "shapes", [((4, 3), (4, 3), (4, 3)), ((2, 3, 2), (3, 1), ()), ((3,), (3,), (3,)), ((0, 2), (2,), ())]
)
def test_chains_that_end_in_sums(total, shapes):
    run = program(3)
    if total == "mean" and 0 in shapes[0]:  # of nothing: what is made of NaN is no derivative
        assert np.isnan(fused(run, total=total)(*quarters(1, *shapes)).item())
    else:
        same(fused(run, total=total), summed(run, total), quarters(1, *shapes), 3)


def test_gradients_that_trade_places_are_found(monkeypatch):
    """What these tests are for: the same check, with the outputs of the backward kernel in another order."""
    run = program(0)
    honest = fusion.Derivative.in_one_pass
    monkeypatch.setattr(fusion.Derivative, "in_one_pass", lambda *args: honest(*args)[::-1])
    with pytest.raises(AssertionError):
        same(fused(run), run, quarters(0, (4, 3), (4, 3), (4, 3)))


# ---- memory, shapes, what is kept


def test_memory_layout_changes_nothing():
    run = program(1)
    chain, tensors = fused(run), quarters(2, (4, 6, 5), (4, 6, 5), (6, 1))
    x, y, z = (t.detach() for t in tensors)
    for change in (lambda a: a.permute(2, 1, 0), lambda a: a[::-1], lambda a: a[:, ::2]):
        np.testing.assert_array_equal(
            chain(change(x), change(y), z[0]).numpy(), run(change(x), change(y), z[0]).numpy()
        )
    for shape in ((0, 3), (1,), ()):
        same(chain, run, quarters(3, shape, shape, shape))


@fused
def weighed(x, scale, shift):
    return x * scale + shift


def test_only_what_gradients_read_is_kept():
    x, scale, shift = quarters(0, (2, 3), (3,), (3,))
    saved = weighed(x, scale, shift)._node.retained["values"]
    assert saved[0] is x
    assert saved[1] is scale
    assert saved[2] is None
    saved = weighed(x.detach(), scale.detach(), shift)._node.retained["values"]
    assert saved == (None, None, None)
    assert weighed(x.detach(), scale.detach(), shift.detach())._node is None
    with tg.no_grad():
        assert weighed(x, scale, shift)._node is None


def test_an_argument_that_changes_before_the_backward_pass_is_found():
    x, scale, shift = quarters(0, (2, 3), (3,), (3,))
    y = weighed(x, scale, shift)
    scale._assign(np.zeros(3))
    with pytest.raises(tg.MutationError, match="weighed"):
        y.sum().backward()


def test_nothing_is_made_on_the_way_but_results():
    """Forward: one array, the value. Backward: one for each gradient."""
    chain = fused(program(2))
    x, y, z = quarters(0, (256, 1024), (256, 1024), (1024,), dtype="float32")
    size, z = 4 * x.size, z.detach()
    seed = tg.Tensor(np.ones((256, 1024), np.float32))
    tg.grad(chain(x, y, z), [x, y], seed)  # compiles
    tracemalloc.start()
    try:
        value = chain(x, y, z)
        forward = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        gradients = tg.grad(value, [x, y], seed)
        backward = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(gradients) == 2
    assert size <= forward < 1.02 * size
    assert 3 * size <= backward < 3.05 * size  # the value is still there


def test_numbers_change_without_a_new_kernel():
    (x,) = quarters(0, (40,), dtype="float32")
    kernels = weighed.chain
    for scale in (0.5, -2, np.float32(3)):
        np.testing.assert_array_equal(weighed(x, scale, 1.0).numpy(), x.numpy() * np.float32(scale) + 1)
    assert weighed.chain is kernels
    np.testing.assert_array_equal(weighed(x=x, scale=2.0, shift=0.0).numpy(), 2 * x.numpy())


def test_other_dtypes_run_the_function_itself():
    (x,) = quarters(0, (3,))
    (single,) = quarters(1, (3,), dtype="float32")
    same(weighed, weighed.function, [x, single, single])
    counts = weighed(tg.tensor([1, 2, 3]), 2, 1)
    assert counts.dtype == np.int64
    assert counts.tolist() == [3, 5, 7]
    chosen = fused(lambda mask, a, b: where(mask, a, b))
    same(
        lambda a, b: chosen(tg.tensor([True, False, True]), a, b),
        lambda a, b: where([True, False, True], a, b),
        [x, x * 2],
    )


def test_an_argument_may_be_all_there_is_or_of_no_use():
    x, y = quarters(0, (4,), (3, 1))
    same(fused(lambda x: x), lambda x: x * 1.0, [x], 2)
    same(fused(lambda x, y: 2.0 * x), lambda x, y: 2.0 * x, [x, y], 2)
    same(fused(lambda x, y: 2.0 * x, total="all"), lambda x, y: (2.0 * x).sum(), [x, y], 2)
    same(fused(lambda x, y: x - x + y), lambda x, y: x - x + y, [x, y], 2)


def test_a_chain_within_a_chain_is_part_of_it():
    both = fused(lambda x, y: weighed(x, y, 1.0) + tg.silu(y))
    assert both.chain.reads == (0, 1)
    same(both, both.function, quarters(4, (5,), (5,)), 3)


# ---- conventions


def test_what_where_does_not_take_has_gradient_0_inside_a_chain_and_beyond_it():
    """Poles lie under the branch that is not taken: within the chain, and in what it was made from."""

    def safe_log(x):
        return where(x > 0, tg.log(x), 0.0)

    def below(x, y):
        return where(x > 0, y, 0.5 * x)

    x = tg.tensor([2.0, 0.0, -1.0], "float64", requires_grad=True)
    for total in (None, "all", "examples", "mean"):
        same(fused(safe_log, total=total), summed(safe_log, total), [x], 3)
        chain = fused(below, total=total)
        same(lambda x: chain(x, tg.log(x)), lambda x: summed(below, total)(x, tg.log(x)), [x], 3)  # noqa: B023
        (g,) = tg.grad(chain(x, tg.log(x)).sum(), x)
        np.testing.assert_array_equal(g.numpy(), np.full(3, 0.5 / 3 if total == "mean" else 0.5))
    outer = fused(lambda x: tg.log(x))
    (g,) = tg.grad(where(x > 0, outer(x), 0.0).sum(), x)
    np.testing.assert_array_equal(g.numpy(), [0.5, 0.0, 0.0])
    total = fused(lambda x: tg.log(x), total="examples")
    (g,) = tg.grad(where(x > 0, total(x.reshape(3, 1)), 0.0).sum(), x)
    np.testing.assert_array_equal(g.numpy(), [0.5, 0.0, 0.0])


def test_nan_is_not_hidden():
    x = tg.tensor([np.nan, np.inf, 1.0], requires_grad=True)
    y = weighed(x, 0.0, 1.0)
    assert np.isnan(y.numpy()[:2]).all()
    assert y.numpy()[2] == 1
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError, match="weighed"):
        weighed(x, 0.0, 1.0)


def test_float32_activations_at_the_ends_of_the_line():
    x = tg.tensor([-1e4, -100.0, -0.0, 0.0, 100.0, 1e4], requires_grad=True)
    for f in (tg.silu, tg.gelu):
        (g,) = tg.grad(f(x).sum(), x)
        np.testing.assert_allclose(f(x).numpy(), [0, 0, 0, 0, 100, 1e4], atol=1e-40)
        np.testing.assert_allclose(g.numpy(), [0, 0, 0.5, 0.5, 1, 1], atol=1e-40)


def test_gradcheck_takes_a_chain():
    assert gradcheck(
        weighed, *(np.random.default_rng(i).normal(size=s) for i, s in enumerate([(2, 3), (3,), ()])), order=3
    )


# ---- errors


def test_what_cannot_be_fused_says_so():
    x = tg.tensor([1.0, 2.0])
    outside = tg.tensor([3.0, 4.0])
    for function, message in (
        (lambda x: tg.sum(x), "sum cannot be fused"),
        (lambda x: tg.asinh(x), "asinh cannot be fused: it has no formula"),
        (lambda x: x.reshape(1, 2), "reshape cannot be fused"),
        (lambda x: x * x.shape[0], "only elementwise"),
        (lambda x: tg.exp(0.5), "made of its arguments"),
        (lambda x: x * outside, "make it an argument"),
        (lambda x: x > 0, "one tensor of numbers"),
        (lambda x: 3.0, "one tensor of numbers"),
        (lambda x: x**2.25, "multiple of 1/2"),
    ):
        with pytest.raises(TypeError, match=message):
            fused(function)(x)
    with pytest.raises(TypeError, match="plain ones are needed"):
        fused(lambda *xs: xs[0])
    with pytest.raises(ValueError, match='"all", "mean" or "examples"'):
        fused(lambda x: x, total="sum")
    with pytest.raises(ValueError, match="examples"):
        fused(lambda x: x * x, total="examples")(tg.tensor(1.0))
    with pytest.raises(ValueError, match=r"weighed: shapes \(2,\) and \(3,\)"):
        weighed(x, tg.tensor([1.0, 2.0, 3.0]), 0.0)


@pytest.mark.parametrize("arity", [1, 2])
def test_a_chain_of_few_entries_is_a_kernel_call_like_any_other(arity, monkeypatch):
    """Which step counts and profiles see; and where definitions are asked for it is none of few entries."""
    chain = fused([lambda x: x * tg.exp(-x * x), lambda x, y: x * tg.exp(-y * y)][arity - 1])
    x = [tg.tensor(np.float32([[0.5, -1.0], [2.0, 0.0]]), requires_grad=True) for _ in range(arity)]
    tg.grad(chain(*x), x, np.ones((2, 2), np.float32))  # what is found once
    load, asked = kernels.load, []

    def counting(name, version, of=None):
        asked.append((name, version, of))
        return load(name, version, of)

    monkeypatch.setattr(kernels, "load", counting)
    y = chain(*x)
    dx = tg.grad(y, x, np.ones((2, 2), np.float32))
    wanted = (True,) * arity
    assert asked == [("fused", "cpu", chain.chain), ("fused", "cpu", chain.derivative(wanted).chain)]
    asked.clear()
    with kernels.implementation("definition"):
        z = chain(*x)
        dz = tg.grad(z, x, np.ones((2, 2), np.float32))
    assert asked == [("fused", "definition", None)] * 2
    for found, expected in zip((y, *dx), (z, *dz)):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6, atol=1e-7)


def test_a_symbol_does_not_get_out():
    """After a function that could not be traced, operations compute again."""
    with pytest.raises(TypeError):
        fused(lambda x: tg.asinh(x))(tg.tensor([1.0]))
    assert float(Tensor(np.ones(1)) + 1) == 2


@pytest.mark.skipif(offline.compiler() is None, reason="neither NVRTC (pip install nvidia-cuda-nvrtc) nor nvcc is here")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_project_s_own_chains_compile_for_a_card(dtype, monkeypatch):
    """Forward and backward, for arrays of one shape and for those that broadcast, within 64 registers a thread."""
    texts = []
    for op in REGISTRY.values():
        if isinstance(op, Fused):
            backward = op.derivative((True,) * op.arity).chain
            texts += [cuda.source(op.chain, ("whole",) * len(op.chain.reads))]
            texts += [cuda.source(backward, ("whole", *["steps"] * (len(backward.reads) - 1)))]
    monkeypatch.setitem(launch.GENERATED, "chains.cu", "\n".join(texts))
    used = offline.usage(launch.source("chains"), launch.options("chains", dtype), 90)
    assert len(used) == len(texts)
    for name, usage in used.items():
        assert usage.registers <= 64, name
        assert usage.local == 0, name
