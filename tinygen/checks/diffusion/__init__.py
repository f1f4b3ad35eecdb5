"""Diffusion and score: closed forms."""

from tinygen.checks.diffusion import bound, gaussian, likelihood, process, samplers, schedules, score
