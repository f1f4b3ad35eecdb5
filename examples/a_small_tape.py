# %% [markdown]
# # What a recorded operation takes, and the least that it could
#
# On arrays so small that the arithmetic is nothing, an engine is what it does around the arithmetic: it wraps the
# result, records where it came from, and walks back. Here is the smallest tape that Python allows: no argument is
# looked at, nothing is broadcast, no error explained, no gradient differentiated again. What it takes is a floor under
# any tape in Python, this project's included (tinygen/autodiff/call.py and pull.py say how that keeps near to it).

# %%
import time
from itertools import count
from operator import attrgetter

import numpy as np

import tinygen as tg

tick = count().__next__
add_up = np.add.reduce


class Node:
    """Where a value came from: its gradient rule, the nodes of its arguments, what the rule needs, and when."""

    __slots__ = ("parents", "rule", "saved", "time")

    def __init__(self, rule, parents, saved):
        self.rule, self.parents, self.saved, self.time = rule, parents, saved, tick()


class Value:
    """An array and its node."""

    __slots__ = ("array", "node")

    def __init__(self, array, node):
        self.array, self.node = array, node

    def __mul__(self, other):
        made = np.asarray(self.array * other.array)
        return Value(made, Node(of_product, (self.node, other.node), (self.array, other.array)))

    def __matmul__(self, other):
        made = self.array.dot(other.array)
        return Value(made, Node(of_matmul, (self.node, other.node), (self.array, other.array)))

    def tanh(self):
        made = np.asarray(np.tanh(self.array))
        return Value(made, Node(of_tanh, (self.node,), made))

    def sum(self, axis):
        return Value(add_up(self.array, axis), Node(of_sum, (self.node,), self.array.shape))


def of_product(g, saved):
    a, b = saved
    return g * b[()], g * a[()]  # as scalars, with which NumPy computes five times as fast


def of_matmul(g, saved):
    a, b = saved
    return g.dot(b.T), a.T.dot(g)


def of_tanh(g, y):
    y = y[()]
    return (g * (1.0 - y * y),)


def of_sum(g, shape):
    made = np.empty(shape, np.float32)
    made[...] = g  # over the first axis only
    return (made,)


def gradients(y, leaves, g):
    """Of <g, y> at each of the leaves."""
    order, seen = [y.node], {y.node}
    for node in order:
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                order.append(parent)
    order.sort(key=attrgetter("time"), reverse=True)
    table = {y.node: g}
    for node in order:
        if node.parents:
            for parent, made in zip(node.parents, node.rule(table.pop(node), node.saved)):
                table[parent] = table[parent] + made if parent in table else made
    return [np.asarray(table[leaf.node]) for leaf in leaves]


# %% [markdown]
# Ten operations in a row, as `tinygen bench` has them: NumPy's calls alone; then forward, recorded; then forward and
# backward. Processor time, the least of several.

# %%
LENGTH = 10
CASES = {
    "products of a number": ([(), ()], lambda z, rest: z * rest[0]),
    "tanh of a number": ([()], lambda z, rest: np.tanh(z) if isinstance(z, np.ndarray | np.generic) else z.tanh()),
    "products of 4x4 matrices": ([(4, 4), (4, 4)], lambda z, rest: z @ rest[0]),
    "sums, 1024 numbers to one": ([(2,) * 10], lambda z, rest: z.sum(0)),
}


def chain(step, values):
    z = values[0]
    for _ in range(LENGTH):
        z = step(z, values[1:])
    return z


def microseconds(work, calls=200, repeats=15):
    least = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(calls):
            work()
        least = min(least, time.process_time() - start)
    return least / calls * 1e6


def row(name, shapes, step):
    rng = np.random.default_rng(0)
    arrays = [np.asarray(0.5 * rng.normal(size=shape), np.float32) for shape in shapes]
    values = [Value(array, Node(None, (), ())) for array in arrays]
    tensors = [tg.tensor(array, requires_grad=True) for array in arrays]
    one = np.ones(chain(step, tensors).shape, np.float32)
    g, cotangent = one if one.ndim else one[()], tg.tensor(one)

    def least():
        return gradients(chain(step, values), values, g)

    def ours():
        return tg.grad(chain(step, tensors), tensors, cotangent)

    for a, b in zip(least(), ours()):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    forward = [microseconds(lambda given=given: chain(step, given)) for given in (arrays, values, tensors)]
    both = [microseconds(least), microseconds(ours)]
    print(f"{name:28}{forward[0]:8.1f}{forward[1]:7.1f}{forward[2]:9.1f}{both[0]:12.1f}{both[1]:9.1f}")


print(f"{'microseconds for ten':28}{'forward':>22}{'with gradients':>24}")
print(f"{'':28}{'NumPy':>8}{'least':>7}{'tinygen':>9}{'least':>12}{'tinygen':>9}")
for name, (shapes, step) in CASES.items():
    row(name, shapes, step)

# %% [markdown]
# `tinygen bench ten` puts PyTorch beside it.
