"""A training step in JAX, as one function to compile: losses, gradients, Adam, and what follows it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from tinygen.bench.jax_models.layers import Arrays


class Turn(NamedTuple):
    """One loss that is descended in a step: its name in the model's module, and the weights that it moves."""

    loss: str
    weights: list[str]


class State(NamedTuple):
    """Weights, buffers, and Adam's two moments and count for each turn."""

    weights: Arrays
    buffers: Arrays
    moments: list[tuple[Arrays, Arrays, Array]]


def start(weights: Arrays, buffers: Arrays, turns: list[Turn]) -> State:
    """Before the first step."""

    def zeros(turn: Turn) -> Arrays:
        return {name: jnp.zeros_like(weights[name]) for name in turn.weights}

    return State(weights, buffers, [(zeros(turn), zeros(turn), jnp.float32(0)) for turn in turns])


def gradients(model: Any, turn: Turn, weights: Arrays, buffers: Arrays, batch: Arrays, noise: Arrays) -> Any:
    """((the loss, what it keeps), its gradients by name)."""
    loss = getattr(model, turn.loss)
    mine = {name: weights[name] for name in turn.weights}
    return jax.value_and_grad(lambda mine: loss(weights | buffers | mine, batch, noise), has_aux=True)(mine)


def adam(p: Arrays, g: Arrays, moments: Any, lr: float) -> tuple[Arrays, Any]:
    """Kingma and Ba 2015, with the constants that PyTorch starts from."""
    m, v, t = moments
    t = t + 1
    m = {n: 0.9 * m[n] + 0.1 * g[n] for n in p}
    v = {n: 0.999 * v[n] + 0.001 * jnp.square(g[n]) for n in p}
    scale = jnp.sqrt(1 - 0.999**t)
    p = {n: p[n] - lr / (1 - 0.9**t) * m[n] / (jnp.sqrt(v[n]) / scale + 1e-8) for n in p}
    return p, (m, v, t)


def step(model: Any, turns: list[Turn], lr: float, state: State, batch: Arrays, noise: Arrays) -> tuple[State, Any]:
    """One training step: the next state, and the loss of each turn."""
    weights, buffers, moments, losses, kept = *state[:2], [], [], None
    for turn, before in zip(turns, state.moments):
        (loss, kept), found = gradients(model, turn, weights, buffers, batch, noise)
        mine, after = adam({name: weights[name] for name in turn.weights}, found, before, lr)
        weights = weights | mine
        losses.append(loss)
        moments.append(after)
    if hasattr(model, "after_step"):
        buffers = buffers | model.after_step(weights | buffers, kept)
    return State(weights, buffers, moments), losses
