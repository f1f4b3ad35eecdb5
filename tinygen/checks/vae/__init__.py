"""Latent variables: closed forms. The linear models stand in for all: what is exact there is exact in the code."""

from tinygen.checks.vae import autoencoders, beta, decomposition, elbo, estimators, importance
