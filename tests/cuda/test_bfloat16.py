"""The kernels on arrays of bfloat16: the definition's values to the last of their 8 bits, statistics in float32."""

import numpy as np
import pytest
from exercises import EXERCISES
from exercises.common import inputs_of
from planted.bug import Bug
from simulator import Fault, RawModule, needs_compiler, simulated
from test_on_a_gpu import REASON, WORKS, OnDevice

from tinygen.kernels.array_module import bfloat16
from tinygen.kernels.cuda import launch

LAST_BIT = 2.0**-7  # of a number of bfloat16, by its size, at most
IN_BFLOAT16 = sorted(EXERCISES.keys() - {"codebook", "philox", "product", "update"})


def differences(module, on=simulated):
    """What the exercise of `module`, with inputs of bfloat16, gives that is not as it should be."""
    with inputs_of(bfloat16()):
        for what, found, exact in EXERCISES[module](on(module)):
            if found.dtype != exact.dtype:
                yield f"{what} is {found.dtype}, not {exact.dtype}"
            elif not agrees(found, exact):
                yield f"{what} differs"


def agrees(found, exact):
    """The same but where float32 is on the edge between two numbers of bfloat16, which is rare; statistics are not
    rounded to it."""
    if found.dtype.kind not in "fV":
        return np.array_equal(found, exact)
    rounded = found.dtype == bfloat16()
    found, exact = found.astype(float), exact.astype(float)
    error, size = np.abs(found - exact), np.abs(exact)
    rounding = 2e-6 * (1 + size.max(initial=0))
    if not rounded:
        return bool((error <= rounding).all())
    return bool((error <= LAST_BIT * size + rounding).all() and (error > rounding).sum() <= 1 + 0.02 * size.size)


@needs_compiler
@pytest.mark.parametrize("module", IN_BFLOAT16)
def test_the_definition_s_values(module):
    assert not list(differences(module))


@pytest.mark.gpu
@pytest.mark.skipif(not WORKS, reason=REASON)
@pytest.mark.parametrize("module", IN_BFLOAT16)
def test_the_definition_s_values_on_a_card(module):
    assert not list(differences(module, OnDevice))


@needs_compiler
def test_a_product_is_exact_but_for_the_last_rounding():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(bfloat16()) for shape in ((3, 35, 70), (70, 33)))
    found = simulated("product").matmul(a, b)
    assert found.dtype == bfloat16()
    assert agrees(found, (a.astype(float) @ b.astype(float)).astype(bfloat16()))


ROUNDING = """
extern "C" __global__ void __launch_bounds__(256) narrow(const float* x, bfloat16* y, float* z, Index n) {
  for (EACH(i, n)) {
    y[i] = x[i];
    z[i] = y[i];
  }
}"""


def rounds_as_the_format_says():
    """To the nearest, ties to even, infinities and NaN kept: on the edges of every number, and at random."""
    edges = np.arange(0, 2**32, 2**15, dtype=np.int64)  # numbers of bfloat16, and the middles between two
    bits = np.concatenate([edges, edges + 1, edges - 1, np.random.default_rng(0).integers(0, 2**32, 10000)])
    x = (bits % 2**32).astype(np.uint32).view(np.float32)
    y, z = np.empty(x.size, bfloat16()), np.empty_like(x)
    kernel = RawModule(launch._flat("common.cuh", set()) + ROUNDING, launch.options("", bfloat16()))
    kernel.get_function("narrow")((64,), (256,), (x, y, z, x.size))
    with np.errstate(invalid="ignore"):
        exact = x.astype(bfloat16())
    same_bits = np.array_equal(y.view(np.uint16)[exact == exact], exact.view(np.uint16)[exact == exact])
    return same_bits and np.array_equal(z, exact.astype(np.float32), equal_nan=True)


@needs_compiler
def test_every_float32_is_rounded_to_the_nearest():
    assert rounds_as_the_format_says()


@needs_compiler
@pytest.mark.parametrize(
    ("old", "new"), [("(b + 0x7fff + (b >> 16 & 1)) >> 16", "b >> 16"), ("+ (b >> 16 & 1)", "+ 1"), ("x != x", "false")]
)
def test_another_rounding_is_found(old, new, monkeypatch, tmp_path):
    Bug("", "bfloat16.cuh", old, new, "", "").plant(launch.HERE, tmp_path)
    monkeypatch.setattr(launch, "HERE", tmp_path)
    assert not rounds_as_the_format_says()


BUGS = [
    Bug(
        "a number truncated", "bfloat16.cuh", "(b + 0x7fff + (b >> 16 & 1)) >> 16", "b >> 16", "elementwise", "differs"
    ),
    Bug(
        "a mean rounded to bfloat16",
        "normalisation_rows.cu",
        "    m = warp_sum(m) / columns;",
        "    m = (stored)(real)(warp_sum(m) / columns);",
        "normalisation",
        "layer_norm differs",
    ),
    Bug(
        "statistics rounded to bfloat16",
        "softmax.cu",
        "  return {m, (real)warp_sum(sum)};",
        "  return {m, (stored)warp_sum(sum)};",
        "softmax",
        "cross_entropy differs",
    ),
]


@needs_compiler
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.mistake)
def test_the_mistake_is_found(bug, monkeypatch, tmp_path):
    bug.plant(launch.HERE, tmp_path)
    monkeypatch.setattr(launch, "HERE", tmp_path)
    launch._function.cache_clear()
    try:
        found = list(differences(bug.module))
    except Fault as fault:
        found = [str(fault)]
    finally:
        launch._function.cache_clear()
    assert any(bug.sign in symptom for symptom in found), found


@needs_compiler
def test_weights_of_the_wrong_dtype_are_found(monkeypatch):
    from tinygen.kernels.cuda import normalisation

    monkeypatch.setattr(normalisation, "arithmetic", lambda dtype: dtype)
    with pytest.raises(Fault, match=r"is ndarray V2, the parameter is (const )?f4"):
        list(differences("normalisation"))
