"""Adversarial models: closed forms."""
