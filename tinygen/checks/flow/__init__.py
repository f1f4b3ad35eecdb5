"""Change of variables: closed forms."""

from tinygen.checks.flow import continuous, density, jacobian, levels
