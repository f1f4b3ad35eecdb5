"""Quantisation: closed forms."""
