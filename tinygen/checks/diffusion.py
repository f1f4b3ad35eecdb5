"""Diffusion and score: closed forms."""
