"""Adversarial models: losses, penalties, networks, and how two players are trained."""
