"""Autoregressive models: one pixel after another, with an exact likelihood."""
