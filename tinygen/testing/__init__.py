"""Checks a user can apply to code of their own: gradients, adjoints, and Hypothesis strategies to draw cases from.

The strategies need Hypothesis (`pip install tinygen[test]`), which is imported when one of them is first used.
"""

from typing import TYPE_CHECKING, Any

from tinygen.testing.adjoint import check_adjoint
from tinygen.testing.gradients import gradcheck

if TYPE_CHECKING:
    from tinygen.testing.strategies import arrays, broadcastable, conv_cases, shapes

__all__ = ["arrays", "broadcastable", "check_adjoint", "conv_cases", "gradcheck", "shapes"]


def __getattr__(name: str) -> Any:
    if name not in ("arrays", "broadcastable", "conv_cases", "shapes"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tinygen.testing import strategies

    return getattr(strategies, name)
