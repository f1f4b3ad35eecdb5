"""Tables of functions of two distributions, looked up by their types."""

from collections.abc import Callable
from typing import Any

from tinygen.distributions.distribution import Distribution, NoClosedForm
from tinygen.tensor import Tensor

Rule = Callable[[Any, Any], Tensor]


class PairTable:
    """Rules for a quantity of two distributions, and what to say when there is none.

    Args:
        quantity: its name, for the message.
        instead: what to do without a closed form.
    """

    def __init__(self, quantity: str, instead: str):
        self.quantity, self.instead = quantity, instead
        self.rules: dict[tuple[type, type], Rule] = {}

    def register(self, p: type | tuple[type, ...], q: type | tuple[type, ...]) -> Callable[[Rule], Rule]:
        """A decorator that enters a rule for (p, q), or for every combination of several types.

        Raises:
            TypeError: a pair that has a rule already.
        """

        def enter(rule: Rule) -> Rule:
            for a in p if isinstance(p, tuple) else (p,):
                for b in q if isinstance(q, tuple) else (q,):
                    if (a, b) in self.rules:
                        raise TypeError(f"{self.quantity} of {a.__name__} and {b.__name__} has a rule already")
                    self.rules[a, b] = rule
            return rule

        return enter

    def find(self, p: Distribution, q: Distribution) -> Rule:
        """The rule for the types of p and q, or for the nearest of their base classes.

        Raises:
            NoClosedForm: there is none; names the pair.
        """
        for a in type(p).__mro__:
            for b in type(q).__mro__:
                if (a, b) in self.rules:
                    return self.rules[a, b]
        raise NoClosedForm(f"{self.quantity} of {p.name} and {q.name} has no closed form here: {self.instead}")
