"""How the gradients of a node are computed: one function for each operation, written from a template.

The gradient of a small array takes less time than to ask, rule by rule, what a vjp wants to be given. So for bare
arrays that are not large the loop over the rules (`_pull` in backward.py, which does it for all others) is written out,
as the call is (call.py). For the product a b, both of whose vjps are nothing but arithmetic:

    def pull(node, g, add, needed):
        parent0, parent1, = node.parents
        saved = node.saved
        one = type(g) is not ndarray               # a NumPy scalar, beside which others are scalars too
        if parent0 in needed:
            v1 = saved[1]
            if isinstance(v1, Tensor): v1 = v1._data
            if one and type(v1) is ndarray: v1 = v1[()]
            add(parent0, vjp0(g, v1), name)
        ...

(one that has a form for arrays, see `either`, is given no scalars); and for one that is given tensors:

            made = vjp0(Tensor(asarray(g) if one else g), saved[1])
            add(parent0, made._data if isinstance(made, Tensor) else unwrapped(node, made, False), name)
            del made                               # what is added to next in place, the table alone may hold

Held by tests/ops/test_call.py: the same gradients as by the loop.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autodiff.primitive import Primitive, Rule
from tinygen.autodiff.written import function
from tinygen.tensor import Tensor


def text(op: Primitive) -> str:
    """The function that adds what the vjps of `op` make of `g`, the gradient at `node`."""
    lines = f"""
def pull(node, g, add, needed):
    {"".join(f"parent{k}, " for k in range(len(op.rules)))} = node.parents
    saved = node.saved
    one = type(g) is not ndarray
{"".join(_of_rule(op, k, rule) for k, rule in enumerate(op.rules))}
"""
    return "\n".join(line for line in lines.splitlines() if line.strip()) + "\n"


def _of_rule(op: Primitive, k: int, rule: Rule) -> str:
    if not rule.single and rule.of_arrays is not None:
        return _of_arrays_together(op, k, rule)
    if not rule.single:
        return f"""
    if parent{k} is not None:
        together(node, rule{k}, parent{k}, g, add, needed)
"""
    together = f"elif type(parent{k}) is tuple: together(node, rule{k}, parent{k}, g, add, needed)"
    if rule.of_arrays is not None:
        values = "".join(f", v{slot}" for slot in rule.reads)
        return f"""
    if parent{k} in needed:
{"".join(_bare(op, slot, rule.arithmetic) for slot in rule.reads)}
        add(parent{k}, vjp{k}({"g" if rule.arithmetic else "asarray(g) if one else g"}{values}), name)
    {"" if op.elementwise else together}
"""
    y = f"y = Tensor(saved[{op.output}]); y._node = node" if op.output in rule.reads else ""
    values = "".join(", y" if slot == op.output else f", saved[{slot}]" for slot in rule.reads)
    return f"""
    if parent{k} in needed:
        {y}
        made = vjp{k}(Tensor(asarray(g) if one else g){values})
        add(parent{k}, made._data if isinstance(made, Tensor) else unwrapped(node, made, False), name)
        del made
    {"" if op.elementwise else together}
"""


def _of_arrays_together(op: Primitive, k: int, rule: Rule) -> str:
    """A vjp of arrays that serves several arguments."""
    each = range(len(rule.arguments))
    values = "".join(f", v{slot}" for slot in rule.reads)
    added = """
        if p{0} in needed: add(p{0}, m{0}, name)
        m{0} = None"""
    return f"""
    if parent{k} is not None and not needed.isdisjoint(parent{k}):
        {"".join(f"p{i}, " for i in each)} = parent{k}
{"".join(_bare(op, slot, False) for slot in rule.reads)}
        {"".join(f"m{i}, " for i in each)} = vjp{k}(asarray(g) if one else g{values})
{"".join(map(added.format, each))}
"""


def _bare(op: Primitive, slot: int, arithmetic: bool) -> str:
    return f"""
        v{slot} = saved[{slot}]
        {f"if isinstance(v{slot}, Tensor): v{slot} = v{slot}._data" if slot < op.arity else ""}
        {f"if one and type(v{slot}) is ndarray: v{slot} = v{slot}[()]" if arithmetic else ""}
"""


def pull(op: Primitive, **scope: Any) -> Callable[..., None]:
    """The function of `text`, with the names in `scope`."""
    rules = {f"rule{k}": rule for k, rule in enumerate(op.rules)}
    vjps = {f"vjp{k}": rule.of_arrays or rule.vjp for k, rule in enumerate(op.rules)}
    known: dict[str, Any] = {"Tensor": Tensor, "ndarray": np.ndarray, "asarray": np.asarray, "name": op.name}
    return function(text(op), __file__, f"pull_{op.name}", {**known, **rules, **vjps, **scope})
