"""What every flow must do, for every class of flow that exists; a class without a case fails.

That log-determinants are those of the Jacobians is held by tinygen.checks.flow, over the same cases.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.checks.flow.cases import CASES, Case, built, every_flow, examples
from tinygen.flow.contract import Composed, Flow
from tinygen.testing import check_inverse

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind.__name__}{list(case.shape)}")


def test_no_flow_is_missing_from_the_table():
    assert every_flow() == {case.kind for case in CASES}, "flows without a case: see tinygen/checks/flow/cases.py"


@by_case
def test_forward_undoes_inverse(case: Case):
    flow = built(case).eval()
    y, _ = flow(tg.tensor(examples(case, n=4)))
    again, _ = flow.forward(flow.inverse(y)[0])
    np.testing.assert_allclose(np.asarray(again), np.asarray(y), rtol=1e-9, atol=1e-9)


@by_case
def test_the_shape_of_an_image_is_as_said(case: Case):
    flow = built(case)
    assert flow(tg.tensor(examples(case)))[0].shape == (3, *flow.output_shape(case.shape))


@by_case
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_gradients_reach_every_parameter(case: Case, direction: str):
    flow = built(case)
    x = tg.tensor(examples(case))
    if direction == "inverse":
        x = flow(x)[0].detach()
    y, log_det = getattr(flow, direction)(x)
    weights = np.random.default_rng(3).normal(size=y.shape)
    names, parameters = zip(*flow.named_parameters()) if list(flow.parameters()) else ((), ())
    if not parameters:
        return
    gradients = tg.grad(
        (y * weights).sum() + (log_det * np.array([1.0, 2.0, 3.0])).sum(), parameters, allow_unused=True
    )
    for name, gradient in zip(names, gradients):
        assert gradient is not None, name
        assert np.abs(np.asarray(gradient)).max() > 1e-9, name


@by_case
def test_single_precision_in_gives_single_precision_out(case: Case):
    flow = built(case).to("float32")
    y, log_det = flow(tg.tensor(examples(case).astype(np.float32)))
    back, other = flow.inverse(y)
    assert {t.dtype for t in (y, log_det, back, other)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(np.asarray(back), examples(case), atol=1e-3)


@given(st.lists(st.sampled_from([case for case in CASES if case.shape == (4,)]), max_size=4), st.integers(0, 9))
def test_any_composition_adds_its_log_determinants(cases: list[Case], seed: int):
    flows: list[Flow] = [built(case, seed + i) for i, case in enumerate(cases)]
    x = tg.tensor(np.random.default_rng(seed).normal(size=(2, 4)))
    y, log_det = Composed(*flows)(x)
    total = np.zeros(2)
    for flow in flows:
        x, part = flow(x)
        total += np.asarray(part)
    np.testing.assert_array_equal(np.asarray(y), np.asarray(x))
    np.testing.assert_allclose(np.asarray(log_det), total, atol=1e-12)
    assert check_inverse(Composed(*flows), np.random.default_rng(seed).normal(size=(2, 4)))
