"""Kernels in machine code refuse shapes that do not fit: no index is checked there, and memory beyond would be read."""

import numpy as np
import pytest

from tinygen.kernels.cpu import attention, gate, normalisation, softmax


def ones(*shape):
    return np.ones(shape, np.float32)


X, LOGITS, TARGET = ones(2, 4, 3, 3), ones(3, 5), np.zeros(3, np.int64)
Q, K, V = ones(2, 3, 8), ones(2, 4, 8), ones(2, 4, 6)
Y, LSE = ones(2, 3, 6), ones(2, 3)

CALLS = {
    "gate_backward, g": lambda: gate.gate_backward(ones(2, 1, 3, 3), X),
    "group_norm_backward, mean": lambda: normalisation.group_norm_backward(X, X, 2, None, None, ones(2, 1), ones(2, 2)),
    "group_norm_backward, rstd": lambda: normalisation.group_norm_backward(X, X, 2, None, None, ones(2, 2), ones(2, 1)),
    "layer_norm_backward, mean": lambda: normalisation.layer_norm_backward(X, X, 1, None, ones(2), ones(2, 4, 3)),
    "layer_norm_backward, rstd": lambda: normalisation.layer_norm_backward(X, X, 1, None, ones(2, 4, 3), ones(2)),
    "rms_norm_backward, rstd": lambda: normalisation.rms_norm_backward(X, X, 1, None, ones(2)),
    "cross_entropy_backward, g": lambda: softmax.cross_entropy_backward(ones(2), LOGITS, TARGET, ones(3)),
    "cross_entropy_backward, lse": lambda: softmax.cross_entropy_backward(ones(3), LOGITS, TARGET, ones(2)),
    "attention, k": lambda: attention.attention(Q, K[:1], V, None, False, 1.0),
    "attention, v": lambda: attention.attention(Q, K, V[:, :2], None, False, 1.0),
    "attention_backward, g": lambda: attention.attention_backward(Y[:, :2], Q, K, V, Y, LSE, None, False, 1.0),
    "attention_backward, y": lambda: attention.attention_backward(Y, Q, K, V, Y[:1], LSE, None, False, 1.0),
    "attention_backward, lse": lambda: attention.attention_backward(Y, Q, K, V, Y, LSE[:1], None, False, 1.0),
}


@pytest.mark.parametrize("which", CALLS)
def test_a_shape_that_does_not_fit_is_an_error_and_no_reading_beyond(which):
    kernel, name = which.split(", ")
    with pytest.raises(ValueError, match=rf"{kernel}: (mean|{name}) must have shape .*, found"):
        CALLS[which]()
