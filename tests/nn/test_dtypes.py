"""float32 stays float32, and float16 float16: through every layer in both modes, and through every loss."""

from __future__ import annotations

import numpy as np
import pytest

import nn
from engine import Value
from tests.nn.test_layers import LAYERS, STORED, call, ordered
from tests.nn.test_losses import LOSSES

SMALL = [np.float32, np.float16]


def narrowed(layer, dtype):
    for parameter in layer.parameters():
        parameter.data = parameter.data.astype(dtype)
    return layer


@pytest.mark.parametrize("dtype", SMALL)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_in_the_dtype_of_their_input(name, training, dtype):
    layer = narrowed(LAYERS[name](), dtype).train(training)
    inputs = [Value(x.astype(dtype)) if x.dtype.kind == "f" else x for x in ordered(STORED, name, "input")]
    outputs = call(name, layer, inputs)
    assert {output.dtype for output in outputs} == {np.dtype(dtype)}
    sum(np.sum(output) for output in outputs).backward()
    assert {p.grad.dtype for p in layer.parameters() if p.has_grad} <= {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", SMALL)
def test_without_a_first_state_dropout_and_masks(dtype):
    x = Value(np.ones((2, 5, 4), dtype))
    for layer in (nn.RNN(4, 3), nn.LSTM(4, 3), nn.GRU(4, 3)):
        output, _ = narrowed(layer, dtype)(x)
        assert output.dtype == dtype
    for p in (0.0, 0.3, 1.0):
        assert nn.Dropout(p)(x).dtype == dtype
    block = narrowed(nn.TransformerBlock(4, 2, dropout=0.5, is_causal=True), dtype)
    for mask in (None, np.triu(np.ones((5, 5), bool), 1), np.zeros((5, 5)), np.zeros((5, 5), np.float32)):
        result = block(x, mask)
        assert result.dtype == dtype
        assert np.isfinite(result.data).all()


@pytest.mark.parametrize("dtype", SMALL)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_compute_in_the_dtype_of_the_outputs(name, dtype):
    outputs = Value(STORED[f"loss {name}/input"].astype(dtype))
    loss = LOSSES[name](outputs, STORED[f"loss {name}/target"])  # the targets are float64, or integers
    assert loss.dtype == dtype
    loss.backward()
    assert outputs.grad.dtype == dtype
