"""Checks a user can apply to code of their own: gradients, adjoints, flows, densities, masks; strategies to draw from.

The strategies need Hypothesis (`pip install tinygen[test]`), which is imported when one of them is first used.
"""

from typing import TYPE_CHECKING, Any

from tinygen.testing.adjoint import check_adjoint
from tinygen.testing.causality import check_causal
from tinygen.testing.flows import check_inverse, check_log_det
from tinygen.testing.gradients import gradcheck
from tinygen.testing.normalisation import all_states, check_normalised
from tinygen.testing.score import check_score

if TYPE_CHECKING:
    from tinygen.testing.strategies import arrays, broadcastable, conv_cases, shapes

__all__ = [
    "all_states",
    "arrays",
    "broadcastable",
    "check_adjoint",
    "check_causal",
    "check_inverse",
    "check_log_det",
    "check_normalised",
    "check_score",
    "conv_cases",
    "gradcheck",
    "shapes",
]


def __getattr__(name: str) -> Any:
    if name not in ("arrays", "broadcastable", "conv_cases", "shapes"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tinygen.testing import strategies

    return getattr(strategies, name)
