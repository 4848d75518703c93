"""Neural networks on the engine: layers, losses and training, each the shortest honest statement of its definition.

    from nn import Linear, ReLU, Sequential, cross_entropy

    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    loss = cross_entropy(model(x), labels)
    loss.backward()

The files in order of increasing complexity: `micrograd` (scalar neurons), `module`, `linear`,
`activations`, `init`, `losses`, `norm`, `conv`, `recurrent`, `attention`, `picture`; and for training `optim`, `data`,
`training`, `checkpoint`, `diagnostics`.
"""

from . import checkpoint, init, optim
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
from .attention import (
    MultiHeadAttention,
    TransformerBlock,
    scaled_dot_product_attention,
)
from .conv import AvgPool1d, AvgPool2d, Conv1d, Conv2d, MaxPool1d, MaxPool2d
from .data import Batches, Scaling, normalise, standardise
from .diagnostics import dead_units, plot_gradient_flow, watch
from .init import manual_seed
from .linear import Dropout, Embedding, Flatten, Linear
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
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    LayerNorm,
    RMSNorm,
)
from .recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    RNNCell,
)
from .training import History, accuracy, evaluate, fit

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "SELU",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Batches",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "Hardtanh",
    "History",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "Neuron",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "Scaling",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "TransformerBlock",
    "accuracy",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "checkpoint",
    "cross_entropy",
    "dead_units",
    "evaluate",
    "fit",
    "hinge_loss",
    "huber_loss",
    "init",
    "l1_loss",
    "l1_penalty",
    "l2_penalty",
    "manual_seed",
    "mse_loss",
    "nll_loss",
    "normalise",
    "optim",
    "plot_gradient_flow",
    "scaled_dot_product_attention",
    "standardise",
    "watch",
]
