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
    factors = [a] * whole
    if math.fabs(b) != whole:  # which is of no negative number but at -inf, where it is inf, and at -0, where it is 0
        root = parse("where(a == -inf, inf, sqrt(a + 0.0))", {"a": a})
        factors = [expression("abs", a)] * whole + [root]
    if not factors:
        return expression("where", 0.0, a, 1.0)
    times, one_over = (functools.partial(expression, *name) for name in (("multiply",), ("divide", 1.0)))
    return product(factors, b < 0, times, one_over)


def clip(x: Any, min: Any, max: Any) -> Any:
    """x within its bounds, of which None is none; where they cross, max wins; NaN in any of them gives NaN: whether
    they are numbers is asked apart from x, which of single bounds is once for all entries."""
    names = {"x": x, "min": min, "max": max}
    given = [name for name in ("min", "max") if names[name] is not None]
    for bound in given:
        names["x"] = parse({"min": "where(x < min, min, x)", "max": "where(max < x, max, x)"}[bound], names)
    numbers = " * ".join(f"({bound} == {bound})" for bound in given)
    return parse(f"where({numbers}, x, {' + '.join(given)})", names) if given else x


def hypot(a: Any, b: Any) -> Any:
    """sqrt(a^2 + b^2), of arguments times a power of two by which no square that counts overflows or underflows; an
    infinity beside NaN is infinity."""
    names = {"a": expression("abs", a), "b": expression("abs", b)}
    names["most"] = parse("where(a < b, b, a)", names)
    names["s"] = parse(f"where(most > {2.0**62}, {2.0**-70}, where(most < {2.0**-62}, {2.0**80}, 1))", names)
    return parse("where(a == inf, a, where(b == inf, b, sqrt(a * s * (a * s) + b * s * (b * s)) / s))", names)
