"""What operations compute at one entry, where no line of text says it: see `operation` and kernels/expression.py.

Held by tests/ops/test_fused_chains.py.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

from tinygen.kernels.expression import Expression, expression, parse


def product(
    factors: list[Any], inverted: bool, times: Callable[[Any, Any], Any], one_over: Callable[[Any], Any]
) -> Any:
    """A power by its factors, one at least: of expressions, or of arrays."""
    whole = functools.reduce(times, factors)
    return one_over(whole) if inverted else whole


def power(a: Any, b: Any) -> Any:
    """a to a fixed power: products and roots.

    Raises:
        TypeError: an exponent that is no number, or no multiple of 1/2 from -8 to 8.
    """
    if isinstance(b, Expression) or b is None or not float(2 * b).is_integer() or math.fabs(b) > 8:
        raise TypeError("power can be fused with a fixed exponent that is a multiple of 1/2, from -8 to 8")
    whole = int(math.fabs(b))
    factors = [a] * whole + [expression("sqrt", a)] * (math.fabs(b) != whole)
    if not factors:
        return expression("where", 0.0, a, 1.0)
    times, one_over = (functools.partial(expression, *name) for name in (("multiply",), ("divide", 1.0)))
    return product(factors, b < 0, times, one_over)


def clip(x: Any, min: Any, max: Any) -> Any:
    """x within its bounds, of which None is none; where they cross, max wins; NaN in any of them gives NaN."""
    above = x if min is None else parse("where(x > min, x, where(x == x, min, x))", {"x": x, "min": min})
    return above if max is None else parse("where(x < max, x, where(x == x, max, x))", {"x": above, "max": max})
