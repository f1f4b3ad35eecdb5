"""The Kullback-Leibler divergence of any two laws, estimated."""

import math

from tinygen import ops
from tinygen.autodiff.transforms import stop_gradient
from tinygen.distributions.distribution import Distribution
from tinygen.random import Generator
from tinygen.tensor import Tensor


def monte_carlo_kl(p: Distribution, q: Distribution, n: int, rng: Generator) -> tuple[Tensor, Tensor]:
    """KL(p || q) in nats by n draws from p: the mean of log p(x) - log q(x), and its standard error.

    The estimate's gradient is unbiased too: along the path of the draws where p is reparameterised, otherwise with the
    score-function term (log p - log q) grad log p (Williams 1992).

    Args:
        p, q: laws with one event shape and batches that broadcast.
        n: the number of draws, two at least.
        rng: where they come from.

    Returns:
        (estimate, standard error), each of the broadcast batch shape; the standard error carries no gradient.

    Raises:
        ValueError: n below 2, or events of different shapes.
    """
    if n < 2:
        raise ValueError(f"monte_carlo_kl needs n of 2 at least for a standard error, found {n}")
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"monte_carlo_kl of {p.name} and {q.name}: the events must have one shape, "
            f"found {p.event_shape} and {q.event_shape}"
        )
    lead = (n,) + (1,) * max(0, len(q.batch_shape) - len(p.batch_shape))
    x = p.rsample(rng, lead) if p.reparameterised else p.sample(rng, lead)
    log_p = p.log_prob(x)
    terms = log_p - q.log_prob(x)
    error = ops.std(stop_gradient(terms), 0, correction=1) / math.sqrt(n)
    if not p.reparameterised:
        terms = terms + stop_gradient(terms) * (log_p - stop_gradient(log_p))
    return ops.mean(terms, 0), error
