"""Layers. Names, parameter layouts and default initialisation are PyTorch's, so that weights move both ways.

>>> rng = tg.random.Generator(0)
>>> net = nn.Sequential(nn.Linear(2, 16, rng=rng), nn.SiLU(), nn.Linear(16, 1, rng=rng))
>>> optimiser = optim.Adam(net.parameters(), lr=1e-3)
>>> F.mse_loss(net(x), y).backward()
>>> optimiser.step()
>>> tg.save("net.safetensors", net.state_dict())

Every constructor takes its random numbers from `rng`; without one, from the operating system: there is no global seed.
"""

from tinygen.nn import functional, init
from tinygen.nn.activation import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from tinygen.nn.attention import MultiheadAttention
from tinygen.nn.containers import ModuleList, Sequential
from tinygen.nn.convolution import Conv2d, ConvTranspose2d
from tinygen.nn.dropout import Dropout
from tinygen.nn.embedding import Embedding
from tinygen.nn.linear import Identity, Linear
from tinygen.nn.module import Module
from tinygen.nn.normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm, RMSNorm
from tinygen.nn.parameter import Parameter
from tinygen.nn.shape import AvgPool2d, Flatten, MaxPool2d, Upsample
from tinygen.nn.spectral_norm import spectral_norm
