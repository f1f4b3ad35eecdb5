"""The registry of closed forms: what is claimed, who says so, and how it is measured.

A check is a generator of measurements under `@check(...)`, in the room's file of its family:

    @check(1, "vae", "KL of two Gaussians", formula=r"\\frac{1}{2}[\\ldots]", statement="...", source="...")
    def gaussian_kl() -> Iterator[Measurement]:
        yield equal("random full covariances, D = 4", measured, exact)

`number` is its line in the list of closed forms that the project was planned with; several checks may share one.
The formula is what Matplotlib's mathtext can set. `picture`, where there is one, shows the statement.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tinygen.checks.measurement import Measurement
from tinygen.drawing import Drawing

FAMILIES = {
    "engine": "tensors, layers, optimisers",
    "divergence": "distances between distributions, transport",
    "density": "classical densities and samplers",
    "vae": "latent variables",
    "vq": "quantisation",
    "autoregressive": "one pixel after another",
    "flow": "change of variables",
    "diffusion": "diffusion and score",
    "gan": "adversarial models",
}
"""Family -> what it is about; the checks of a family are in the module of its name."""


@dataclass(frozen=True)
class Check:
    """One statement that is held to its exact value."""

    name: str
    number: int
    family: str
    title: str
    formula: str
    statement: str
    source: str
    measure: Callable[[], Iterator[Measurement]]
    picture: Callable[[], Drawing] | None = None


_CHECKS: dict[str, Check] = {}

Body = Callable[[], Iterator[Measurement]]


def check(
    number: int,
    family: str,
    title: str,
    *,
    formula: str,
    statement: str,
    source: str,
    picture: Callable[[], Drawing] | None = None,
) -> Callable[[Body], Body]:
    """Registers a generator of measurements as the check `family.function_name`.

    Raises ValueError for an unknown family or a name that is taken.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}: there is {', '.join(FAMILIES)}")

    def register(measure: Body) -> Body:
        name = f"{family}.{measure.__name__}"
        if name in _CHECKS:
            raise ValueError(f"the check {name} is registered twice")
        _CHECKS[name] = Check(name, number, family, title, formula, statement, source, measure, picture)
        return measure

    return register


def checks(family: str | None = None) -> list[Check]:
    """The checks of one family, or all, in the order of `FAMILIES` and of their numbers."""
    for name in FAMILIES if family is None else [family]:
        importlib.import_module(f"tinygen.checks.{name}")
    order = list(FAMILIES)
    chosen = [c for c in _CHECKS.values() if family in (None, c.family)]
    return sorted(chosen, key=lambda c: (order.index(c.family), c.number, c.name))
