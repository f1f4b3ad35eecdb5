"""Normalising flows: invertible maps whose Jacobian determinants are cheap, one idea a file, and the models of them.

A flow maps data x to z = f(x), so that log p(x) = log p(z) + log|det dz/dx| is exact. Every flow has
`forward(x) -> (y, log_det)` and `inverse(y) -> (x, log_det)`, x of shape (N, ...), log_det (N,) in nats.
Every class of this room that is a flow is held to the Jacobian by tinygen.checks.flow (33).
"""
