"""PyTorch's numbers for every layer and loss, in float64: `python tests/reference/nn_make.py` writes nn.npz beside it.

A layer's entry holds its state before the call, its inputs, one cotangent for each output, the outputs, the
gradients of parameters ("grad") and inputs ("slope"), and its buffers after the call, under keys such as
"linear/grad/weight".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FILE = Path(__file__).with_name("nn.npz")

Inputs = tuple[Any, ...]


def _layers() -> dict[str, tuple[nn.Module, Callable[[np.random.Generator], Inputs]]]:
    """name -> (the layer, what draws its inputs)"""

    def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], Inputs]:
        return lambda rng: tuple(rng.normal(size=shape) for shape in shapes)

    words = lambda rng: (rng.integers(5, size=(2, 4)),)  # noqa: E731
    frozen = nn.BatchNorm2d(3)
    frozen.running_mean, frozen.running_var = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([0.25, 1.0, 9.0])
    causal = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    return {
        "linear": (nn.Linear(3, 4), normal((5, 3))),
        "linear, no bias, three axes": (nn.Linear(3, 4, bias=False), normal((2, 5, 3))),
        "embedding": (nn.Embedding(5, 3), words),
        "flatten": (nn.Flatten(), normal((2, 3, 4))),
        "layer norm": (nn.LayerNorm(4), normal((3, 4))),
        "layer norm, two axes": (nn.LayerNorm((3, 4), eps=0.1), normal((2, 3, 4))),
        "rms norm": (nn.RMSNorm(4), normal((2, 3, 4))),
        "batch norm 1d": (nn.BatchNorm1d(3), normal((6, 3))),
        "batch norm 1d, sequence": (nn.BatchNorm1d(3, momentum=0.3), normal((2, 3, 5))),
        "batch norm 2d": (nn.BatchNorm2d(3), normal((2, 3, 4, 5))),
        "batch norm 2d, eval": (frozen.eval(), normal((2, 3, 4, 5))),
        "conv 1d": (nn.Conv1d(2, 3, 3), normal((2, 2, 7))),
        "conv 1d, all options": (nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), normal((2, 4, 9))),
        "conv 2d": (nn.Conv2d(2, 3, 3), normal((2, 2, 6, 5))),
        "conv 2d, all options": (
            nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2, bias=False),
            normal((2, 4, 7, 6)),
        ),
        "conv 2d, depthwise": (nn.Conv2d(3, 3, 3, padding=1, groups=3), normal((1, 3, 5, 5))),
        "max pool 1d": (nn.MaxPool1d(2), normal((2, 3, 7))),
        "max pool 2d": (nn.MaxPool2d(2), normal((2, 3, 6, 5))),
        "max pool 2d, overlapping": (nn.MaxPool2d(3, stride=(1, 2), padding=1), normal((2, 3, 6, 7))),
        "avg pool 1d": (nn.AvgPool1d(3, stride=2), normal((2, 3, 8))),
        "avg pool 2d": (nn.AvgPool2d(2), normal((2, 3, 6, 5))),
        "avg pool 2d, padded": (nn.AvgPool2d(3, stride=2, padding=1), normal((2, 3, 6, 7))),
        "rnn cell": (nn.RNNCell(3, 4), normal((2, 3), (2, 4))),
        "lstm cell": (_Pair(nn.LSTMCell(3, 4)), normal((2, 3), (2, 4), (2, 4))),
        "gru cell": (nn.GRUCell(3, 4), normal((2, 3), (2, 4))),
        "rnn": (nn.RNN(3, 4), normal((5, 2, 3))),
        "rnn, relu, two layers": (nn.RNN(3, 4, num_layers=2, nonlinearity="relu"), normal((5, 2, 3), (2, 2, 4))),
        "lstm": (nn.LSTM(3, 4), normal((5, 2, 3))),
        "lstm, two layers, batch first": (_Pair(nn.LSTM(3, 4, num_layers=2, batch_first=True)), normal((2, 5, 3), (2, 2, 4), (2, 2, 4))),
        "lstm, no bias": (nn.LSTM(3, 4, bias=False), normal((5, 2, 3))),
        "gru": (nn.GRU(3, 4), normal((5, 2, 3))),
        "gru, two layers": (nn.GRU(3, 4, num_layers=2), normal((5, 2, 3), (2, 2, 4))),
        "gru, no bias, one sample": (nn.GRU(3, 4, bias=False), normal((5, 3))),
        "attention": (_Attention(nn.MultiheadAttention(6, 2, batch_first=True)), normal((2, 5, 6))),
        "attention, causal": (_Attention(nn.MultiheadAttention(6, 3, batch_first=True), causal), normal((2, 5, 6))),
        "attention, memory": (_Attention(nn.MultiheadAttention(6, 2, batch_first=True, bias=False)), normal((2, 5, 6), (2, 4, 6))),
        "transformer block": (
            _Masked(nn.TransformerEncoderLayer(6, 2, 10, dropout=0.0, batch_first=True, norm_first=True), causal),
            normal((2, 5, 6)),
        ),
        **{
            name: (layer, normal((3, 4)))
            for name, layer in {
                "relu": nn.ReLU(),
                "sigmoid": nn.Sigmoid(),
                "tanh": nn.Tanh(),
                "leaky relu": nn.LeakyReLU(0.2),
                "elu": nn.ELU(0.7),
                "selu": nn.SELU(),
                "gelu": nn.GELU(),
                "gelu, tanh": nn.GELU(approximate="tanh"),
                "silu": nn.SiLU(),
                "softplus": nn.Softplus(),
                "softsign": nn.Softsign(),
                "hardtanh": nn.Hardtanh(-0.5, 0.25),
                "softmax": nn.Softmax(dim=0),
                "log softmax": nn.LogSoftmax(dim=-1),
            }.items()
        },
    }


class _Wrapped(nn.Module):
    """A layer whose state keeps its names."""

    def __init__(self, layer: nn.Module, mask: Any = None):
        super().__init__()
        self.layer, self.mask = layer, mask


class _Pair(_Wrapped):
    def forward(self, x: Any, h: Any, c: Any) -> Any:
        return self.layer(x, (h, c))


class _Attention(_Wrapped):
    def forward(self, x: Any, memory: Any = None) -> Any:
        memory = x if memory is None else memory
        return self.layer(x, memory, memory, attn_mask=self.mask, need_weights=False)[0]


class _Masked(_Wrapped):
    def forward(self, x: Any) -> Any:
        return self.layer(x, src_mask=self.mask)


def _losses() -> dict[str, tuple[Callable[..., Any], Callable[[np.random.Generator], Inputs]]]:
    """name -> (a function of outputs, targets and reduction; what draws outputs and targets)"""

    def pair(rng: np.random.Generator) -> Inputs:
        return rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def bits(rng: np.random.Generator) -> Inputs:
        return rng.normal(size=(4, 3)), rng.integers(2, size=(4, 3)).astype(float)

    def chances(rng: np.random.Generator) -> Inputs:
        return rng.uniform(0.01, 0.99, size=(4, 3)), rng.uniform(size=(4, 3))

    def classes(rng: np.random.Generator) -> Inputs:
        return rng.normal(size=(5, 3)), rng.integers(3, size=5)

    return {
        "mse_loss": (F.mse_loss, pair),
        "l1_loss": (F.l1_loss, pair),
        "huber_loss": (lambda *a, **k: F.huber_loss(*a, delta=0.7, **k), pair),
        "binary_cross_entropy": (F.binary_cross_entropy, chances),
        "binary_cross_entropy_with_logits": (F.binary_cross_entropy_with_logits, bits),
        "cross_entropy": (F.cross_entropy, classes),
        "cross_entropy, smooth": (lambda *a, **k: F.cross_entropy(*a, label_smoothing=0.2, **k), classes),
        "cross_entropy, places": (F.cross_entropy, lambda rng: (rng.normal(size=(2, 3, 4)), rng.integers(3, size=(2, 4)))),
        "cross_entropy, one sample": (F.cross_entropy, lambda rng: (rng.normal(size=3), np.array(2))),
        "nll_loss": (F.nll_loss, classes),
    }


def references(seed: int = 0) -> dict[str, np.ndarray]:
    """Everything, drawn from a seed."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for name, (wrapped, draw) in _layers().items():
        wrapped.double()
        layer = wrapped.layer if isinstance(wrapped, _Wrapped) else wrapped
        for parameter in layer.parameters():  # none at its neutral start
            parameter.data += 0.1 * torch.randn_like(parameter)
        inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in draw(rng)]
        _keep(found, f"{name}/state", layer.state_dict())
        outputs = _flat(wrapped(*inputs))
        cotangents = [torch.tensor(rng.normal(size=tuple(out.shape))) for out in outputs]
        sum((out * u).sum() for out, u in zip(outputs, cotangents, strict=True)).backward()
        _keep(found, f"{name}/input", enumerate(inputs))
        _keep(found, f"{name}/cotangent", enumerate(cotangents))
        _keep(found, f"{name}/output", enumerate(outputs))
        _keep(found, f"{name}/grad", ((key, parameter.grad) for key, parameter in layer.named_parameters()))
        _keep(found, f"{name}/slope", ((i, x.grad) for i, x in enumerate(inputs) if x.requires_grad))
        _keep(found, f"{name}/after", layer.named_buffers())
    for name, (loss, draw) in _losses().items():
        outputs, targets = (torch.tensor(a) for a in draw(rng))
        outputs.requires_grad_()
        _keep(found, f"loss {name}", {"input": outputs, "target": targets}.items())
        for reduction in ("mean", "sum", "none"):
            outputs.grad = None
            value = loss(outputs, targets, reduction=reduction)
            value.sum().backward()
            _keep(found, f"loss {name}", {reduction: value, f"{reduction} slope": outputs.grad}.items())
    return found


def _flat(output: Any) -> list[Any]:
    return [part for item in output for part in _flat(item)] if isinstance(output, tuple) else [output]


def _keep(found: dict[str, np.ndarray], prefix: str, tensors: Any) -> None:
    for key, tensor in tensors.items() if hasattr(tensors, "items") else tensors:
        found[f"{prefix}/{key}"] = tensor.detach().numpy().copy()


if __name__ == "__main__":
    numbers = references()
    np.savez_compressed(FILE, **numbers)
    print(f"{FILE}: {len(numbers)} arrays, PyTorch {torch.__version__}")
