"""Distances between distributions, and transport: closed forms."""
