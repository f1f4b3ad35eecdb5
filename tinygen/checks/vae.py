"""Latent variables: closed forms."""
