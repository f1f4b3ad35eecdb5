"""Functions of tensors that layers are made of: `import tinygen.nn.functional as F`."""

from tinygen.nn.functional.dense import dropout, embedding, linear, one_hot
from tinygen.nn.functional.losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
)
from tinygen.nn.functional.normalisation import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from tinygen.nn.functional.resize import interpolate
from tinygen.ops.attention import scaled_dot_product_attention
from tinygen.ops.convolution import conv2d, conv_transpose2d
from tinygen.ops.doubling import conv2d_doubled
from tinygen.ops.elementwise import elu, gelu, leaky_relu, relu, sigmoid, silu, softplus, tanh
from tinygen.ops.pooling import avg_pool2d, max_pool2d
from tinygen.ops.softmax import log_softmax, softmax

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv2d_doubled",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "group_norm",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "one_hot",
    "relu",
    "rms_norm",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
