"""Neural networks on the engine: layers, losses and training, each the shortest honest statement of its definition.

    from nn import Linear, ReLU, Sequential, cross_entropy

    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    loss = cross_entropy(model(x), labels)
    loss.backward()

The files, in order of increasing complexity: `micrograd` (scalar neurons), `module`, `linear`,
`activations`, `init`, `losses`.
"""

from . import init
from .activations import (
    ELU,
    GELU,
    SELU,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from .init import manual_seed
from .linear import Flatten, Linear
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    huber_loss,
    l1_loss,
    l1_penalty,
    l2_penalty,
    mse_loss,
    nll_loss,
)
from .micrograd import MLP, Layer, Neuron
from .module import Module, Sequential

__all__ = [
    "ELU",
    "GELU",
    "MLP",
    "SELU",
    "Flatten",
    "Hardtanh",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Module",
    "Neuron",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge_loss",
    "huber_loss",
    "init",
    "l1_loss",
    "l1_penalty",
    "l2_penalty",
    "manual_seed",
    "mse_loss",
    "nll_loss",
]
