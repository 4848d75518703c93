"""Every primitive of the rule table through `assert_rule`, by enumeration; random programs made of them; the mutation score."""

import importlib
import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings

import engine
from engine import Value, assert_rule, strategies as some
from engine.primitives import TABLE
from tests import mutation


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_rule_is_proved(name):
    assert_rule(TABLE[name])


# ── programs ──────────────────────────────────────────────────────────────────


@settings(max_examples=60, derandomize=True, database=None)
@given(some.programs())
def test_programs_have_the_numerical_derivative(program):
    report = engine.check(program.total, *program.inputs)
    assert report, f"{report}\n{program}"


@settings(max_examples=25, derandomize=True, database=None)
@given(some.programs(max_steps=6))
def test_programs_have_the_numerical_second_derivative(program):
    report = engine.check(program.total, *program.inputs, mode="projections", directions=2, order=2)
    assert report, f"{report}\n{program}"


@settings(max_examples=60, derandomize=True, database=None)
@given(some.programs())
def test_programs_run_forward_and_in_reverse_alike(program):
    """⟨u, J v⟩ = ⟨Jᵀ u, v⟩ for every program, with u and v of no particular form."""
    inputs = program.inputs
    tangents = [np.sin(np.arange(1.0, 1.0 + np.size(x)).reshape(np.shape(x)) + k)[()] for k, x in enumerate(inputs)]
    _, pushed = engine.jvp(program.total, inputs, tangents)
    _, pull = engine.vjp(program.total, *inputs)
    pulled = pull(1.0)
    pulled = pulled if isinstance(pulled, tuple) else (pulled,)
    reverse = sum(float(np.sum(np.asarray(p) * t)) for p, t in zip(pulled, tangents, strict=True))
    np.testing.assert_allclose(pushed, reverse, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, derandomize=True, database=None)
@given(some.programs())
def test_programs_accumulate_over_repeated_passes(program):
    leaves = [Value(x) for x in program.inputs]
    total = program.total(*leaves)
    if total.requires_grad:
        total.backward()
        once = [np.array(leaf.grad) for leaf in leaves]
        total.backward()
        for leaf, grad in zip(leaves, once, strict=True):
            np.testing.assert_allclose(leaf.grad, 2.0 * grad, rtol=1e-12)


# ── programs against other libraries, where they are installed ────────────────

# fmt: off
SHARED = [  # what all three libraries have
    "add", "subtract", "multiply", "divide", "power", "negative", "positive", "maximum", "minimum", "square", "sqrt",
    "reciprocal", "hypot", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "sin", "cos", "tan", "arcsin",
    "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "sinc", "sign", "floor", "ceil",
    "trunc", "absolute", "matmul", "einsum", "sum", "mean", "prod", "cumsum", "logsumexp", "softmax", "log_softmax", "transpose",
    "reshape", "broadcast_to", "concatenate", "stack", "tril", "triu", "relu", "sigmoid", "softplus", "silu", "elu", "selu",
    "leaky_relu", "hardtanh", "gelu", "softsign", "erf", "erfc",
]
# fmt: on


REDUCTIONS = ("sum", "mean", "prod", "logsumexp", "cumsum")


def spelled_out(name, args, params):
    """Operands and parameters of a step without what NumPy alone allows: an axis of a scalar, a vector for a square matrix."""
    params = dict(params)
    if name in ("concatenate", "stack") and params.setdefault("axis", 0) is None:
        args, params["axis"] = [arg.reshape(-1) for arg in args], 0
    if name in ("softmax", "log_softmax"):
        params.setdefault("axis", -1)
    if name in (*REDUCTIONS, "softmax", "log_softmax") and args[0].ndim == 0:
        if name in REDUCTIONS:
            params = {}
        else:
            args, params["axis"] = [args[0].reshape(1)], 0
    if name in ("tril", "triu") and args[0].ndim == 1:
        args = [args[0][None, :] + 0.0 * args[0][:, None]]
    if name == "cumsum" and params.get("axis") is None:
        args, params["axis"] = [args[0].reshape(-1)], 0
    return args, params


def torch_step(name, *args, **params):
    import torch

    scalar = np.ndim(args[0]) == 0
    args, params = spelled_out(name, [torch.as_tensor(arg, dtype=torch.float64) for arg in args], params)
    axis, functional = params.get("axis"), torch.nn.functional
    match name:
        case "concatenate" | "stack":
            return (torch.cat if name == "concatenate" else torch.stack)(args, dim=axis)
        case "einsum":
            return torch.einsum(params["subscripts"], *args)
        case "sum" | "mean" | "logsumexp":
            axes = tuple(range(args[0].ndim)) if axis is None else axis
            return getattr(torch, name)(args[0], dim=axes, keepdim=params.get("keepdims", False)) if args[0].ndim else args[0] * 1.0
        case "prod":
            axes = range(args[0].ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
            for a in sorted((a % args[0].ndim for a in axes), reverse=True):
                args = [torch.prod(args[0], dim=a, keepdim=params.get("keepdims", False))]
            return args[0] * 1.0
        case "cumsum":
            return torch.cumsum(args[0], dim=axis)
        case "softmax" | "log_softmax":
            result = getattr(torch, name)(args[0], dim=axis)
            return result.reshape(()) if scalar else result
        case "transpose":
            axes = params.get("axes")
            return args[0].permute(tuple(reversed(range(args[0].ndim))) if axes is None else axes)
        case "reshape":
            return args[0].reshape(params["shape"])
        case "broadcast_to":
            return torch.broadcast_to(args[0], params["shape"])
        case "tril" | "triu":
            return getattr(torch, name)(args[0], params.get("k", 0))
        case "power":
            return torch.pow(*args)
        case "gelu" | "silu" | "softplus" | "elu" | "leaky_relu" | "hardtanh" | "softsign":
            return getattr(functional, name)(args[0], **params)
        case _:
            return getattr(torch, name)(*args)


def jax_step(name, *args, **params):
    import jax
    import jax.numpy as jnp

    scalar = np.ndim(args[0]) == 0
    args, params = spelled_out(name, [jnp.asarray(arg, dtype=jnp.float64) for arg in args], params)
    match name:
        case "concatenate" | "stack":
            return getattr(jnp, name)(args, **params)
        case "einsum":
            return jnp.einsum(params["subscripts"], *args)
        case "gelu":
            return jax.nn.gelu(args[0], approximate=params.get("approximate") == "tanh")
        case "erf" | "erfc":
            return getattr(jax.scipy.special, name)(*args)
        case "softsign":
            return jax.nn.soft_sign(*args)
        case "hardtanh":
            return jnp.clip(args[0], params.get("min_val", -1.0), params.get("max_val", 1.0))
        case "softmax" | "log_softmax":
            result = getattr(jax.nn, name)(*args, **params)
            return result.reshape(()) if scalar else result
        case "logsumexp" | "relu" | "sigmoid" | "softplus" | "silu" | "elu" | "selu" | "leaky_relu":
            return getattr(jax.nn, name)(*args, **params)
        case _:
            return getattr(jnp, name)(*args, **params)


def weighted(library, results):
    """`Program.total` in another library."""
    total = 0.0
    for k, result in enumerate(results if isinstance(results, tuple) else (results,)):
        weights = np.cos(np.arange(1.0, 1.0 + np.prod(result.shape)) + k).reshape(result.shape)
        total = total + library.sum(result * library.asarray(weights))
    return total


def torch_gradients(program):
    import torch

    leaves = [torch.tensor(np.array(x), dtype=torch.float64, requires_grad=True) for x in program.inputs]
    total = weighted(torch, program.run(torch_step, leaves))
    found = torch.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else [None] * len(leaves)
    return total.item(), [np.zeros(leaf.shape) if g is None else g.numpy() for g, leaf in zip(found, leaves, strict=True)]


def jax_gradients(program):
    import jax

    jax.config.update("jax_enable_x64", True)
    total, found = jax.value_and_grad(
        lambda *xs: weighted(jax.numpy, program.run(jax_step, xs)), argnums=tuple(range(len(program.inputs)))
    )(*[jax.numpy.asarray(x, dtype=jax.numpy.float64) for x in program.inputs])
    return float(total), [np.asarray(g) for g in found]


@pytest.mark.parametrize(("library", "gradients", "examples"), [("torch", torch_gradients, 300), ("jax", jax_gradients, 8)])
def test_programs_agree_with_another_library(library, gradients, examples):
    if not importlib.util.find_spec(library):
        pytest.skip(f"{library} is not installed")

    @settings(max_examples=examples, derandomize=True, database=None, deadline=None)
    @given(some.programs(SHARED))
    def agree(program):
        total, found = gradients(program)
        ours = engine.value_and_grad(program.total, tuple(range(len(program.inputs))))(*program.inputs)
        np.testing.assert_allclose(ours[0], total, rtol=1e-9, atol=1e-9)
        for one, two in zip(ours[1], found, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-8)

    agree()


# ── the mutation score ────────────────────────────────────────────────────────


def test_broken_rules_are_caught():
    """One mutant in fifteen; `python -m tests.mutation` runs them all."""
    score = mutation.score(list(TABLE), every=15)
    assert not score.missed, str(score)
    assert sum(score.total.values()) > 40
