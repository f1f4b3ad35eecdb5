"""Functions made of operations: their gradients of orders 1 to 3, and fused operations against their formulas."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import ops
from tinygen.ops import attention, normalisation
from tinygen.testing import gradcheck

RNG = np.random.default_rng(0)


def real(*shape):
    return RNG.uniform(-2, 2, shape)


def with_zeros():
    x = real(2, 4)
    x[0, 1] = x[1, 0] = x[1, 3] = 0.0
    return x


DISTINCT = RNG.permutation(12).reshape(3, 4) * 0.2 - 1.1
INDICES = np.array([[0, 2, 2], [1, 0, 3], [3, 3, 1]])
WELL = real(3, 3) + 3 * np.eye(3)

COMPOSED = {
    "mean": (lambda x: tg.mean(x, axis=(0, 2), keepdims=True), real(2, 3, 2)),
    "prod": (lambda x: tg.prod(x, axis=1), real(2, 5)),
    "prod of everything with a zero": (tg.prod, np.array([1.5, 0.0, -2.0])),
    "prod with zeros": (lambda x: tg.prod(x, axis=-1, keepdims=True), with_zeros()),
    "cumulative_prod with zeros": (lambda x: tg.cumulative_prod(x, axis=1), with_zeros()),
    "cumulative_prod": (lambda x: tg.cumulative_prod(x, 0), real(5, 2)),
    "cumsum": (tg.cumsum, real(5)),
    "diff": (lambda x: tg.diff(x, axis=0), real(4, 2)),
    "var": (lambda x: tg.var(x, axis=1, correction=1), real(2, 4)),
    "std": (lambda x: tg.std(x, axis=0, keepdims=True), real(4, 2)),
    "std with correction": (lambda x: tg.std(x, correction=1.0), real(4)),
    "sort": (lambda x: tg.sort(x, axis=0), DISTINCT),
    "sort descending": (lambda x: tg.sort(x, descending=True), DISTINCT),
    "take": (lambda x: tg.take(x, np.array([2, 0, 2]), axis=1), real(2, 3)),
    "take_along_axis": (lambda x: tg.take_along_axis(x, INDICES, axis=1), real(3, 4)),
    "pad reflect": (lambda x: tg.pad(x, ((1, 2), (0, 3)), mode="reflect"), real(3, 4)),
    "pad edge": (lambda x: tg.pad(x, 2, mode="edge"), real(2, 2)),
    "pad wrap": (lambda x: tg.pad(x, ((3, 0), (1, 1)), mode="wrap"), real(2, 3)),
    "pad constant": (lambda x: tg.pad(x, ((0, 1), (2, 0)), constant_values=3.0), real(2, 2)),
    "tile": (lambda x: tg.tile(x, (2, 1, 3)), real(2, 2)),
    "repeat": (lambda x: tg.repeat(x, 2, axis=1), real(2, 3)),
    "repeat each": (lambda x: tg.repeat(x, [0, 3, 1], axis=1), real(2, 3)),
    "repeat flat": (lambda x: tg.repeat(x, 2), real(2, 2)),
    "stack": (lambda x, y: tg.stack([x, y, x], axis=1), real(2, 3), real(2, 3)),
    "unstack": (lambda x: tg.unstack(x, axis=1)[1] * tg.unstack(x)[0].sum(), real(2, 3)),
    "split": (lambda x: tg.split(x, [1, 3], axis=1)[1] * tg.split(x, 2, axis=1)[0].sum(), real(2, 4)),
    "moveaxis": (lambda x: tg.moveaxis(x, (0, 1), (-1, 0)), real(2, 3, 1)),
    "swapaxes": (lambda x: tg.swapaxes(x, 0, -1), real(2, 3)),
    "squeeze and expand_dims": (lambda x: tg.expand_dims(tg.squeeze(x, 1), (0, -1)), real(2, 1, 3)),
    "meshgrid": (lambda x, y: tg.meshgrid(x, y)[0] * tg.meshgrid(x, y)[1], real(2), real(3)),
    "broadcast_arrays": (lambda x, y: sum(tg.broadcast_arrays(x, y)), real(2, 1), real(3)),
    "tril and triu": (lambda x: tg.tril(x, 1) @ tg.triu(x, -1), real(3, 3)),
    "diagonal": (lambda x: tg.diagonal(x, 1) * tg.linalg.trace(x), real(3, 4)),
    "outer": (tg.outer, real(2), real(3)),
    "vecdot": (lambda x, y: tg.vecdot(x, y, axis=0), real(3, 2), real(3, 1)),
    "tensordot": (lambda x, y: tg.tensordot(x, y, axes=([0, 2], [1, 0])), real(2, 3, 2), real(2, 2, 2)),
    "tensordot of 1": (lambda x, y: tg.tensordot(x, y, axes=1), real(2, 3), real(3, 2)),
    "tensordot of 0": (lambda x, y: tg.tensordot(x, y, axes=0), real(2), real(3)),
    "matmul of vectors": (lambda x, y: x @ y, real(3), real(3)),
    "matrix times vector": (lambda x, y: x @ y, real(2, 4, 3), real(3)),
    "vector times matrices": (lambda x, y: x @ y, real(3), real(2, 3, 2)),
    "matmul broadcast": (lambda x, y: x @ y, real(2, 1, 2, 3), real(3, 3, 2)),
    "solve vector": (lambda a, b: tg.linalg.solve(a, b), WELL, real(3)),
    "solve stack": (lambda a, b: tg.linalg.solve(a, b), np.stack([WELL, WELL.T]), real(2, 3, 2)),
    "solve broadcast": (lambda a, b: tg.linalg.solve(a, b), WELL, real(2, 3, 1)),
    "slogdet": (lambda a: tg.linalg.slogdet(a)[1] * a.sum(), np.stack([WELL, -WELL])),
    "det": (lambda a: tg.linalg.det(a @ a.mT), WELL),
    "norm 2": (lambda x: tg.linalg.norm(x, axis=1), real(2, 3)),
    "norm 1": (lambda x: tg.linalg.norm(x, 1, axis=0), DISTINCT + 0.05),
    "norm inf": (lambda x: tg.linalg.norm(x, np.inf, axis=1), DISTINCT + 0.05),
    "norm 3": (lambda x: tg.linalg.norm(x, 3), DISTINCT.reshape(-1) + 0.05),
    "norm 1.5": (lambda x: tg.linalg.norm(x, 1.5, axis=-1, keepdims=True), DISTINCT + 0.05),
    "einsum outer": (lambda x, y: tg.einsum("i,j", x, y), real(2), real(3)),
    "einsum repeated letters": (lambda x, y: tg.einsum("iji,kk->j", x, y), real(2, 3, 2), real(2, 2)),
    "einsum of three": (lambda x, y, z: tg.einsum("ab,bc,ca->b", x, y, z), real(2, 3), real(3, 2), real(2, 2)),
    "einsum ellipsis": (lambda x, y: tg.einsum("...ij,...jk->...ik", x, y), real(2, 1, 2, 3), real(3, 3, 2)),
    "einsum ellipsis summed": (lambda x: tg.einsum("i...->...", x), real(3, 2, 2)),
    "einsum sums a letter alone": (lambda x, y: tg.einsum("ij,k->i", x, y), real(2, 3), real(2)),
    "einsum same operand twice": (lambda x: tg.einsum("ij,ij->", x, x), real(2, 3)),
    "roll": (lambda x: tg.roll(x, -1, axis=1) * x, real(2, 3)),
    "softmax of products": (lambda x, y: tg.softmax(x @ y, axis=0), real(2, 3), real(3, 2)),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_gradients_of_orders_1_to_3(name):
    fn, *inputs = COMPOSED[name]
    assert gradcheck(fn, *inputs, order=3)


# -- fused first gradients are those of the formula ----------------------------------------------------------


def fused_and_composed():
    x, w, b = real(3, 4, 5), real(4), real(4)
    q, k, v = real(2, 5, 3), real(2, 6, 3), real(2, 6, 2)
    mask = RNG.random((5, 6)) < 0.6
    mask[2] = False
    rows = real(6, 8)
    normalise = normalisation
    for slope in (1.0, 0.2, 0.0):
        yield (
            f"batch_norm, slope {slope}",
            lambda *a, slope=slope: normalise.batch_norm(*a, 1e-3, negative_slope=slope),
            lambda *a, slope=slope: normalise.batch_norm_composed(*a, 1e-3, slope),
            (x, w, b),
        )
    for silu in (False, True):
        yield (
            f"group_norm, silu={silu}",
            lambda *a, silu=silu: normalise.group_norm(*a, 2, 1e-3, silu),
            lambda *a, silu=silu: normalise.group_norm_composed(*a, 2, 1e-3, silu),
            (x, w, b),
        )
    yield (
        "layer_norm",
        lambda *a: normalise.layer_norm(*a, 1, 1e-3),
        lambda *a: normalise.layer_norm_composed(*a, 1, 1e-3),
        (rows, real(8), real(8)),
    )
    yield (
        "rms_norm",
        lambda *a: normalise.rms_norm(*a, 1, 1e-3),
        lambda *a: normalise.rms_norm_composed(*a, 1, 1e-3),
        (rows, real(8)),
    )
    for causal in (False, True):
        for m in (None, mask):
            yield (
                f"attention, causal={causal}, mask={m is not None}",
                lambda *a, m=m, causal=causal: attention._attention(*a, m, causal, 0.6),
                lambda *a, m=m, causal=causal: attention.attention_composed(*a, m, causal, 0.6),
                (q, k, v),
            )
    yield "softmax", lambda x: ops.softmax(x, 1), lambda x: tg.exp(x) / tg.exp(x).sum(1, keepdims=True), (x,)
    yield "log_softmax", lambda x: ops.log_softmax(x, 0), lambda x: x - tg.logsumexp(x, 0, keepdims=True), (x,)
    yield "silu", tg.silu, lambda x: x * tg.sigmoid(x), (x,)
    yield "gelu", tg.gelu, lambda x: x * 0.5 * (1.0 + tg.erf(x / np.sqrt(2.0))), (x,)


@pytest.mark.parametrize("case", list(fused_and_composed()), ids=lambda case: case[0])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_fused_gradient_is_that_of_its_formula(case, dtype):
    _, fused, composed, inputs = case
    tensors = [tg.tensor(a, dtype, requires_grad=True) for a in inputs]
    y, z = fused(*tensors), composed(*tensors)
    bound = {"rtol": 1e-9, "atol": 1e-11} if dtype == "float64" else {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(np.asarray(y), np.asarray(z), **bound)
    seed = np.random.default_rng(3).normal(size=y.shape)
    for g, h in zip(tg.grad(y, tensors, seed), tg.grad(z, tensors, seed)):
        np.testing.assert_allclose(np.asarray(g), np.asarray(h), **bound)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: tg.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((4, 5))),
            r"\(2, 3\) and \(4, 5\).*'j' has sizes 3 and 4",
        ),
        (lambda: tg.tensordot(np.ones((2, 3)), np.ones((4, 5)), 1), r"tensordot: shapes \(2, 3\) and \(4, 5\)"),
        (lambda: tg.vecdot(np.ones((2, 3)), np.ones((2, 1))), r"vecdot: shapes \(2, 3\) and \(2, 1\)"),
        (lambda: tg.repeat(np.ones((2, 3)), [1, 2, 3], axis=0), r"3 counts for axis 0 of shape \(2, 3\)"),
        (lambda: tg.linalg.norm(np.ones((2, 3)), 2), "norm of matrices"),
        (lambda: tg.linalg.norm(np.ones((4, 2, 3)), np.inf, axis=(1, 2)), "norm of matrices"),
    ],
    ids=["einsum", "tensordot", "vecdot", "repeat", "norm of a matrix", "norms of matrices"],
)
def test_what_does_not_fit_is_named_with_its_shapes(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_slogdet_names_its_parts():
    a = RNG.normal(size=(3, 3))
    found = tg.linalg.slogdet(a)
    assert found.sign.item() == np.linalg.slogdet(a).sign
    assert found.logabsdet.item() == pytest.approx(np.linalg.slogdet(a).logabsdet)


@pytest.mark.parametrize("n", [32, 33, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_a_large_cholesky_factor_is_that_of_its_log_determinant(n, dtype):
    """log det A = 2 sum log L_ii, whose gradient is the inverse of A."""
    a = real(2, n, n) / np.sqrt(n)
    a = tg.tensor((a @ a.swapaxes(-1, -2) + np.eye(n)).astype(dtype), requires_grad=True)
    (gradient,) = tg.grad(2.0 * tg.log(tg.diagonal(tg.linalg.cholesky(a))).sum(), a)
    exact = np.linalg.inv(a.numpy().astype(np.float64))
    assert gradient.numpy() == pytest.approx(exact, abs=30 * np.finfo(dtype).eps * abs(exact).max())
