"""Write `pytorch.json`: values, gradients and Hessian-vector products by PyTorch at fixed points.

    python tests/reference/make.py

For each case, with f the function, u a cotangent and v a direction for each operand, all in float64:
f(x), the gradient of Σ u·f with respect to each operand, and the gradient of that gradient along v.
Run it again after adding a case; the numbers of the others stay, as each case has a seed of its own.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
REAL, POSITIVE, UNIT = (-2.5, 2.5), (0.2, 3.0), (-0.95, 0.95)

Case = tuple[str, Callable[..., torch.Tensor], list[tuple[tuple[int, ...], tuple[float, float]]], dict[str, Any]]


def unary(name: str, f: Callable[..., torch.Tensor], domain: tuple[float, float] = REAL, **params: Any) -> Case:
    """A function of one operand at 7 points."""
    return name, f, [((7,), domain)], params


def binary(name: str, f: Callable[..., torch.Tensor], x: tuple[float, float] = REAL, y: tuple[float, float] = REAL) -> Case:
    """A function of two operands that broadcast."""
    return name, f, [((3, 1), x), ((4,), y)], {}


def arrays(name: str, f: Callable[..., torch.Tensor], *shapes: tuple[int, ...], **params: Any) -> Case:
    """A function of arrays of some shapes."""
    return name, f, [(shape, REAL) for shape in shapes], params


def axes(axis: Any) -> Any:
    """PyTorch's dim: lists from JSON and tuples alike."""
    return tuple(axis) if isinstance(axis, list) else axis


CASES: list[Case] = [
    # arithmetic
    binary("add", torch.add),
    binary("subtract", torch.subtract),
    binary("multiply", torch.multiply),
    binary("divide", torch.divide, y=POSITIVE),
    binary("power", torch.pow, x=POSITIVE),
    unary("negative", torch.negative),
    unary("absolute", torch.abs),
    binary("maximum", torch.maximum),
    binary("minimum", torch.minimum),
    binary("fmax", torch.fmax),
    binary("fmin", torch.fmin),
    unary("square", torch.square),
    unary("sqrt", torch.sqrt, POSITIVE),
    unary("reciprocal", torch.reciprocal, POSITIVE),
    binary("hypot", torch.hypot),
    unary("sign", torch.sign),
    unary("floor", torch.floor),
    unary("ceil", torch.ceil),
    unary("trunc", torch.trunc),
    unary("round", torch.round),
    # exponentials, trigonometry
    unary("exp", torch.exp),
    unary("exp2", torch.exp2),
    unary("expm1", torch.expm1),
    unary("log", torch.log, POSITIVE),
    unary("log2", torch.log2, POSITIVE),
    unary("log10", torch.log10, POSITIVE),
    unary("log1p", torch.log1p, (-0.8, 3.0)),
    binary("logaddexp", torch.logaddexp),
    unary("sin", torch.sin),
    unary("cos", torch.cos),
    unary("tan", torch.tan, (-1.2, 1.2)),
    unary("arcsin", torch.arcsin, UNIT),
    unary("arccos", torch.arccos, UNIT),
    unary("arctan", torch.arctan),
    binary("arctan2", torch.arctan2),
    unary("sinh", torch.sinh),
    unary("cosh", torch.cosh),
    unary("tanh", torch.tanh),
    unary("arcsinh", torch.arcsinh),
    unary("arccosh", torch.arccosh, (1.1, 4.0)),
    unary("arctanh", torch.arctanh, UNIT),
    unary("sinc", torch.sinc),
    # activations
    unary("relu", torch.relu),
    unary("sigmoid", torch.sigmoid),
    unary("sigmoid", torch.sigmoid, (-40.0, 40.0)),
    unary("leaky_relu", lambda x, negative_slope: F.leaky_relu(x, negative_slope), negative_slope=0.2),
    unary("elu", lambda x, alpha: F.elu(x, alpha), alpha=0.7),
    unary("selu", F.selu),
    unary("erf", torch.erf),
    unary("erfc", torch.erfc),
    unary("gelu", lambda x, approximate: F.gelu(x, approximate=approximate), approximate="none"),
    unary("gelu", lambda x, approximate: F.gelu(x, approximate=approximate), approximate="tanh"),
    unary("silu", F.silu),
    unary("softplus", F.softplus),
    unary("softsign", F.softsign),
    unary("hardtanh", F.hardtanh),
    arrays("softmax", lambda x, axis: torch.softmax(x, axis), (3, 4), axis=1),
    arrays("softmax", lambda x, axis: torch.softmax(x, axis), (3, 4), axis=0),
    arrays("log_softmax", lambda x, axis: torch.log_softmax(x, axis), (3, 4), axis=-1),
    arrays("standardize", lambda x, axis, eps: F.layer_norm(x, x.shape[axis:], eps=eps), (3, 4), axis=-1, eps=0.1),
    arrays("rms_normalize", lambda x, axis, eps: F.rms_norm(x, x.shape[axis:], eps=eps), (3, 4), axis=-1, eps=0.1),
    # reductions
    arrays("sum", lambda x, axis, keepdims: torch.sum(x, axes(axis), keepdims), (2, 3, 2), axis=[0, -1], keepdims=False),
    arrays("mean", lambda x, axis, keepdims: torch.mean(x, axes(axis), keepdims), (2, 3, 2), axis=1, keepdims=True),
    arrays("prod", lambda x, axis, keepdims: torch.prod(x, axis, keepdims), (3, 4), axis=1, keepdims=False),
    arrays("max", lambda x, axis, keepdims: torch.amax(x, axis, keepdims), (3, 4), axis=1, keepdims=False),
    arrays("min", lambda x, axis, keepdims: torch.amin(x, axis, keepdims), (3, 4), axis=0, keepdims=True),
    arrays("var", lambda x, axis, ddof: torch.var(x, axis, correction=ddof), (3, 4), axis=1, ddof=1),
    arrays("std", lambda x, axis, ddof: torch.std(x, axis, correction=ddof), (3, 4), axis=0, ddof=0),
    arrays("cumsum", lambda x, axis: torch.cumsum(x, axis), (3, 4), axis=1),
    arrays("cumprod", lambda x, axis: torch.cumprod(x, axis), (3, 4), axis=0),
    arrays("norm", lambda x: torch.linalg.norm(x), (3, 4)),
    arrays("norm", lambda x, ord, axis: torch.linalg.vector_norm(x, ord, axis), (3, 4), ord=1, axis=1),
    arrays("norm", lambda x, ord, axis: torch.linalg.vector_norm(x, ord, axis), (3, 4), ord=3.5, axis=0),
    arrays("logsumexp", lambda x, axis, keepdims: torch.logsumexp(x, axis, keepdims), (3, 4), axis=1, keepdims=False),
    arrays("trace", torch.trace, (3, 4)),
    # contractions
    arrays("matmul", torch.matmul, (3,), (3,)),
    arrays("matmul", torch.matmul, (2, 3), (3, 2)),
    arrays("matmul", torch.matmul, (2, 1, 2, 3), (3, 3, 2)),
    arrays("matmul", torch.matmul, (3,), (2, 3, 2)),
    arrays("inner", torch.inner, (2, 3), (2, 3)),
    arrays("outer", torch.outer, (2,), (3,)),
    arrays("vdot", torch.vdot, (4,), (4,)),
    arrays("tensordot", lambda x, y, axes: torch.tensordot(x, y, axes), (2, 3, 2), (3, 2, 2), axes=2),
    arrays("einsum", lambda x, y, subscripts: torch.einsum(subscripts, x, y), (2, 3, 4), (4, 2), subscripts="bij,jb->ib"),
    arrays("einsum", lambda x, subscripts: torch.einsum(subscripts, x), (3, 3), subscripts="ii->i"),
    arrays("einsum", lambda x, y, z, subscripts: torch.einsum(subscripts, x, y, z), (2, 3), (3, 2), (2,), subscripts="ij,jk,k->i"),
    arrays("einsum", lambda x, y, subscripts: torch.einsum(subscripts, x, y), (2, 2, 3), (3, 2), subscripts="...ij,jk->...ik"),
    # shape moves
    arrays("reshape", lambda x, shape: x.reshape(tuple(shape)), (2, 6), shape=[3, -1]),
    arrays("transpose", lambda x, axes: x.permute(axes), (2, 3, 2), axes=[2, 0, 1]),
    arrays("concatenate", lambda x, y, axis: torch.cat([x, y], axis), (2, 3), (2, 2), axis=1),
    arrays("stack", lambda x, y, axis: torch.stack([x, y], axis), (2, 3), (2, 3), axis=1),
    arrays("flip", lambda x, axis: torch.flip(x, axes(axis)), (2, 3), axis=[0, 1]),
    arrays("roll", lambda x, shift, axis: torch.roll(x, shift, axis), (2, 3), shift=2, axis=1),
    arrays("tile", lambda x, reps: torch.tile(x, tuple(reps)), (2, 3), reps=[2, 1, 2]),
    arrays("repeat", lambda x, repeats, axis: torch.repeat_interleave(x, repeats, axis), (2, 3), repeats=2, axis=1),
    arrays("take_along_axis", lambda x, indices, axis: torch.take_along_dim(x, torch.tensor(indices), axis), (2, 3),
           indices=[[2, 0, 2], [1, 1, 0]], axis=1),
    arrays("sort", lambda x, axis: torch.sort(x, axis).values, (3, 4), axis=0),
    arrays("tril", lambda x, k: torch.tril(x, k), (3, 4), k=-1),
    arrays("triu", lambda x, k: torch.triu(x, k), (3, 4), k=1),
    arrays("diagonal", lambda x, offset: torch.diagonal(x, offset), (3, 4), offset=1),
]  # fmt: skip


def measure(case: Case) -> dict[str, Any]:
    """One case with its numbers."""
    name, f, drawn, params = case
    rng = np.random.default_rng(zlib.crc32(f"{name} {json.dumps(params)} {drawn}".encode()))
    operands = [torch.tensor(rng.uniform(*domain, shape), requires_grad=True) for shape, domain in drawn]
    directions = [torch.tensor(rng.uniform(-1, 1, shape)) for shape, _ in drawn]
    value = f(*operands, **params)
    cotangent = torch.tensor(rng.uniform(-1, 1, tuple(value.shape)))
    gradients = torch.autograd.grad((cotangent * value).sum(), operands, create_graph=True)
    slope = sum((g * v).sum() for g, v in zip(gradients, directions, strict=True))
    curved: Any = [torch.zeros_like(x) for x in operands]
    if slope.requires_grad:
        found = torch.autograd.grad(slope, operands, allow_unused=True)
        curved = [zero if c is None else c + zero for c, zero in zip(found, curved, strict=True)]
    return {
        "name": name,
        "params": params,
        "operands": [x.tolist() for x in operands],
        "cotangent": cotangent.tolist(),
        "directions": [v.tolist() for v in directions],
        "value": value.tolist(),
        "gradients": [g.tolist() for g in gradients],
        "hvp": [c.tolist() for c in curved],
    }


if __name__ == "__main__":
    target = HERE / "pytorch.json"
    lines = ",\n".join(json.dumps(measure(case)) for case in CASES)
    target.write_text(f'{{"made_with": "PyTorch {torch.__version__}", "cases": [\n{lines}\n]}}\n')
    print(f"{len(CASES)} cases, {target.stat().st_size // 1024} KB, in {target.name}")
