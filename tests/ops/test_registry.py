"""Every operation in the registry: gradients of orders 1 to 3, broadcast shapes, memory layouts, float32."""

import numpy as np
import pytest
from operation_cases import BINARY, CASES, NOT_DIFFERENTIABLE, UNARY, Case, operation_named, real

import tinygen as tg
from tinygen.autodiff.primitive import REGISTRY
from tinygen.testing import gradcheck

SHAPES = [((2, 3), (2, 3)), ((3, 1), (1, 4)), ((), (2, 3)), ((2, 1, 3), (4, 1))]

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_no_operation_is_missing_from_the_table():
    tabled = {*UNARY, *BINARY, *(case.name for case in CASES)}
    differentiable = {name for name, op in REGISTRY.items() if op.rules}
    assert differentiable - tabled == set(), (
        "operations without gradient checks: add them to tests/ops/operation_cases.py"
    )
    assert tabled - differentiable == set()
    assert set(REGISTRY) - differentiable == NOT_DIFFERENTIABLE


def test_every_argument_with_a_vjp_is_differentiated_somewhere():
    def floating(value):
        return isinstance(value, np.ndarray | float) and np.asarray(value).dtype.kind == "f"

    for name, op in REGISTRY.items():
        if name in UNARY or name in BINARY or not op.rules:
            continue
        served = {argument for rule in op.rules for argument in rule.arguments}
        calls = [case for case in CASES if case.name == name and case.fn is op]
        found = {a for case in calls for a, value in zip(op.names, case.arguments) if floating(value)}
        assert not calls or served <= found, f"{name}: {served - found} never differentiated"


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(), (2, 3)], ids=str)
def test_gradients_of_unary_operations(name, shape):
    low, high = UNARY[name]
    assert gradcheck(operation_named(name), real(*shape, low=low, high=high), order=3)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_gradients_of_binary_operations_over_broadcast_shapes(name, shapes):
    a, b = (real(*shape, low=low, high=high) for shape, (low, high) in zip(shapes, BINARY[name]))
    assert gradcheck(operation_named(name), a, b, order=3)
    if name not in ("maximum", "minimum", "power", "copysign"):
        return
    assert gradcheck(lambda b, a: operation_named(name)(a, b), b, a, order=2)


@by_name
def test_gradients_of_every_other_operation(case: Case):
    assert gradcheck(case.fn, *case.arguments, order=3)


def permuted(array: np.ndarray) -> np.ndarray:
    """The same values with the memory's axes reversed and steps between the entries."""
    held = np.zeros([2 * n for n in array.shape[::-1]], array.dtype)
    view = held[(..., *(slice(None, None, 2),) * array.ndim)].transpose()
    view[...] = array
    return view


def all_cases() -> list[Case]:
    unary = [Case(n, operation_named(n), (real(3, 2, low=a, high=b),)) for n, (a, b) in UNARY.items()]
    binary = [
        Case(n, operation_named(n), (real(3, 2, low=a[0], high=a[1]), real(2, low=b[0], high=b[1])))
        for n, (a, b) in BINARY.items()
    ]
    return [*unary, *binary, *CASES]


def value_and_gradients(fn, arguments):
    tensors = [tg.Tensor(a, requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a for a in arguments]
    y = fn(*tensors)
    wanted = [t for t in tensors if isinstance(t, tg.Tensor) and t.requires_grad]
    cotangent = np.random.default_rng(7).normal(size=y.shape).astype(y.dtype)
    return y, tg.grad(y, wanted, cotangent) if wanted else ()


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_memory_layout_changes_neither_values_nor_gradients(case: Case):
    y, gradients = value_and_gradients(case.fn, case.arguments)
    strided = [permuted(a) if isinstance(a, np.ndarray) else a for a in case.arguments]
    z, others = value_and_gradients(case.fn, strided)
    for a, b in zip((y, *gradients), (z, *others), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_cotangent_without_strides_of_its_own_is_as_good_as_another(case: Case, dtype):
    """The gradient of a sum is a broadcast 1, whose entries share one place in memory; others come transposed."""
    inputs = [
        tg.tensor(a, dtype if a.dtype.kind == "f" else None, requires_grad=a.dtype.kind == "f")
        if isinstance(a, np.ndarray)
        else a
        for a in case.arguments
    ]
    wanted = [t for t in inputs if isinstance(t, tg.Tensor) and t.requires_grad]
    y = case.fn(*inputs)
    single = np.ones(y.shape, y.dtype)
    for seed in (np.broadcast_to(np.ones((), y.dtype), y.shape), permuted(single)):
        for g, h in zip(tg.grad(y, wanted, seed), tg.grad(y, wanted, single)):
            np.testing.assert_allclose(np.asarray(g), np.asarray(h), rtol=1e-4, atol=1e-5)
    for g, h in zip(tg.grad(y.sum(), wanted), tg.grad(y, wanted, single)):
        np.testing.assert_allclose(np.asarray(g), np.asarray(h), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_float32_in_gives_float32_out_and_float32_gradients(case: Case):
    if case.name == "astype":
        return  # its result has the dtype asked for
    single = [a.astype(np.float32) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in case.arguments]
    y, gradients = value_and_gradients(case.fn, single)
    z, exact = value_and_gradients(case.fn, case.arguments)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=2e-4, atol=2e-5)
    for g, h in zip(gradients, exact):
        assert g.dtype == np.float32
        np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=2e-3, atol=2e-3)
