"""Autoregressive models: closed forms."""
