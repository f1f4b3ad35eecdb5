"""Distances between distributions, and transport: closed forms."""

from tinygen.checks.divergence import kernels, kl, transport
