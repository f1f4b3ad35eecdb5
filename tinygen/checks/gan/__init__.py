"""Adversarial models: closed forms."""

from tinygen.checks.gan import games, optima, restraints, sampling
