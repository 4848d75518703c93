"""Neural networks on the engine: layers, losses and training.

    from nn import Linear, ReLU, Sequential, cross_entropy

    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    loss = cross_entropy(model(x), labels)
    loss.backward()

To read the package, begin with `module` (what a Module is) and `micrograd` (scalar neurons).  Then come the
layers, `linear`, `activations`, `norm`, `conv`, `recurrent` and `attention`, with `init` and `losses`; and
training, `optim`, `data`, `training`, `checkpoint` and `diagnostics`.
"""

from . import checkpoint as checkpoint, init as init, optim as optim
from .activations import (
    ELU as ELU,
    GELU as GELU,
    SELU as SELU,
    Hardtanh as Hardtanh,
    LeakyReLU as LeakyReLU,
    LogSoftmax as LogSoftmax,
    ReLU as ReLU,
    Sigmoid as Sigmoid,
    SiLU as SiLU,
    Softmax as Softmax,
    Softplus as Softplus,
    Softsign as Softsign,
    Tanh as Tanh,
)
from .attention import (
    MultiHeadAttention as MultiHeadAttention,
    TransformerBlock as TransformerBlock,
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from .conv import (
    AvgPool1d as AvgPool1d,
    AvgPool2d as AvgPool2d,
    Conv1d as Conv1d,
    Conv2d as Conv2d,
    MaxPool1d as MaxPool1d,
    MaxPool2d as MaxPool2d,
)
from .data import Batches as Batches, Scaling as Scaling, normalise as normalise, standardise as standardise
from .diagnostics import dead_units as dead_units, plot_gradient_flow as plot_gradient_flow, watch as watch
from .init import manual_seed as manual_seed
from .linear import Dropout as Dropout, Embedding as Embedding, Flatten as Flatten, Linear as Linear
from .losses import (
    binary_cross_entropy as binary_cross_entropy,
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    cross_entropy as cross_entropy,
    hinge_loss as hinge_loss,
    huber_loss as huber_loss,
    l1_loss as l1_loss,
    l1_penalty as l1_penalty,
    l2_penalty as l2_penalty,
    mse_loss as mse_loss,
    nll_loss as nll_loss,
)
from .micrograd import MLP as MLP, Layer as Layer, Neuron as Neuron
from .module import Module as Module, Sequential as Sequential
from .norm import BatchNorm1d as BatchNorm1d, BatchNorm2d as BatchNorm2d, LayerNorm as LayerNorm, RMSNorm as RMSNorm
from .recurrent import (
    GRU as GRU,
    LSTM as LSTM,
    RNN as RNN,
    GRUCell as GRUCell,
    LSTMCell as LSTMCell,
    RNNCell as RNNCell,
)
from .training import History as History, accuracy as accuracy, evaluate as evaluate, fit as fit

# What `from nn import *` brings: everything imported above, without the submodules that hold it.
__all__ = sorted(
    {"checkpoint", "init", "optim"} | {name for name, thing in globals().items() if getattr(thing, "__module__", "").startswith("nn.")}
)
