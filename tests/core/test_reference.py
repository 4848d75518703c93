"""The engine against PyTorch: stored numbers always, live ones where PyTorch or JAX is installed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import engine
from engine import Value
from tests import ROOT
from tests.core.entries import BY_NAME

STORED = json.loads((ROOT / "tests" / "reference" / "pytorch.json").read_text())["cases"]


def params_of(case: dict[str, Any]) -> dict[str, Any]:
    """The parameters, JSON's lists as tuples; indices stay arrays."""
    return {
        name: np.array(value) if name == "indices" else tuple(value) if isinstance(value, list) else value
        for name, value in case["params"].items()
    }


def agree(found: Any, expected: Any, scale: float) -> None:
    """Equal to 12 digits of the largest number involved."""
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * max(1.0, scale))


@pytest.mark.parametrize("case", STORED, ids=[f"{case['name']}-{i}" for i, case in enumerate(STORED)])
def test_value_gradient_and_curvature_are_pytorchs(case: dict[str, Any]) -> None:
    """To 1e-12: f(x), the gradient of Σ u·f, and the Hessian of Σ u·f times a direction."""
    f, params = BY_NAME[case["name"]].forms["engine"], params_of(case)
    operands = [np.array(operand) for operand in case["operands"]]
    directions = [np.array(direction) for direction in case["directions"]]
    cotangent = np.array(case["cotangent"])

    leaves = [Value(operand) for operand in operands]
    out = f(*leaves, **params)
    agree(out.data, case["value"], 1.0)
    np.sum(out * cotangent).backward()
    size = max(float(np.max(np.abs(gradient))) for gradient in case["gradients"])
    for leaf, expected in zip(leaves, case["gradients"], strict=True):
        agree(leaf.grad, expected, size)

    curved = engine.hvp(lambda *xs: np.sum(f(*xs, **params) * cotangent), operands, directions)
    size = max(float(np.max(np.abs(bend))) for bend in case["hvp"])
    for found, expected in zip(curved if len(operands) > 1 else [curved], case["hvp"], strict=True):
        agree(found, expected, size)


def test_what_is_stored_covers_the_table() -> None:
    """Every primitive that PyTorch has is among the stored cases."""
    absent = {"positive", "cbrt", "clip", "where", "getitem", "scatter", "scatter_each", "broadcast_to", "astype", "windows", "overlap_add"}
    assert set(engine.primitives.TABLE) - {case["name"] for case in STORED} == absent


# ── live ──────────────────────────────────────────────────────────────────────


def network(np_: Any, x: Any, w: Any, b: Any, v: Any) -> Any:
    """A small network in the words that NumPy and jax.numpy share."""
    h = np_.tanh(x @ w + b)
    z = np_.einsum("ij,jk->ik", h, v)
    z = z - np_.max(z, axis=1, keepdims=True)
    p = z - np_.log(np_.sum(np_.exp(z), axis=1, keepdims=True))
    return np_.mean(np_.sum(p * p, axis=1)) + 0.1 * np_.sum(np_.abs(np_.concatenate([np_.ravel(w), np_.ravel(v)])))


@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_a_network_agrees_with_jax(seed: int) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(seed)
    operands = [rng.normal(size=shape) for shape in ((5, 3), (3, 4), (4,), (4, 2))]
    every = (0, 1, 2, 3)
    found = engine.grad(lambda *xs: network(np, *xs), every)(*operands)
    expected = jax.grad(lambda *xs: network(jax.numpy, *xs), every)(*operands)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    curved = engine.hessian(lambda w: network(np, operands[0], w, *operands[2:]))(operands[1])
    theirs = jax.hessian(lambda w: network(jax.numpy, operands[0], w, *operands[2:]))(operands[1])
    np.testing.assert_allclose(curved, theirs, rtol=1e-9, atol=1e-11)


@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_a_network_agrees_with_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    operands = [rng.normal(size=shape) for shape in ((6, 3), (3, 4), (4,), (4, 3))]
    labels = rng.integers(3, size=6)
    leaves = [Value(operand) for operand in operands]
    x, w, b, v = leaves
    logits = engine.gelu(x @ w + b) @ v
    loss = -np.mean(engine.log_softmax(logits)[np.arange(6), labels]) + 0.01 * np.linalg.norm(w)
    loss.backward()
    tensors = [torch.tensor(operand, requires_grad=True) for operand in operands]
    x, w, b, v = tensors
    theirs = torch.nn.functional.cross_entropy(torch.nn.functional.gelu(x @ w + b) @ v, torch.tensor(labels)) + 0.01 * w.norm()
    theirs.backward()
    assert loss.data == pytest.approx(theirs.item(), rel=1e-13)
    for leaf, tensor in zip(leaves, tensors, strict=True):
        np.testing.assert_allclose(leaf.grad, tensor.grad.numpy(), rtol=1e-10, atol=1e-13)
