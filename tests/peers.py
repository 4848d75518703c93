"""The gradient checkers of PyTorch, JAX and autograd, on the mutants of `tests.mutation` and the same operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.primitives import TABLE
from engine.prove import points
from engine.prove.points import Call

if TYPE_CHECKING:
    from tests.mutation import Mutant


def pulled(mutant: Mutant, g: Any, out: Any, args: list[Any], params: dict[str, Any]) -> list[Any]:
    """The mutant's gradients, broadcasting undone by hand as a peer's user would."""
    found = []
    for k, arg in enumerate(args):
        contribution = np.asarray(mutant.primitive.vjp(k)(g, out, *args, **params))
        if not (mutant.keep_broadcast and k == mutant.operand) and contribution.shape != arg.shape:
            lead = contribution.ndim - arg.ndim
            contribution = contribution.sum(tuple(range(lead)))
            contribution = contribution.sum(tuple(i for i, n in enumerate(arg.shape) if n == 1), keepdims=True)
            contribution = np.broadcast_to(contribution, arg.shape)
        found.append(np.array(contribution))
    return found


def torch_objects(mutant: Mutant, call: Call) -> bool:
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.args = [t.detach().numpy() for t in tensors]
            ctx.out = np.asarray(mutant.primitive.forward(*ctx.args, **call.params))
            return torch.from_numpy(ctx.out.copy())

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return tuple(torch.from_numpy(p) for p in pulled(mutant, g.numpy(), ctx.out, ctx.args, call.params))

    tensors = [torch.tensor(np.array(arg), dtype=torch.float64, requires_grad=True) for arg in call.args]
    try:
        return not torch.autograd.gradcheck(Function.apply, tensors)
    except Exception:
        return True


def jax_objects(mutant: Mutant, call: Call) -> bool:
    import jax

    jax.config.update("jax_enable_x64", True)
    from jax.test_util import check_vjp  # what check_grads(..., modes=["rev"]) calls

    def function(*args: Any) -> Any:
        return np.asarray(mutant.primitive.forward(*map(np.asarray, args), **call.params))

    def vjp(*args: Any) -> Any:
        plain = [np.asarray(arg) for arg in args]
        out = function(*plain)
        return out, lambda g: tuple(pulled(mutant, np.asarray(g), out, plain, call.params))

    try:
        check_vjp(function, vjp, tuple(map(np.asarray, call.args)))
    except Exception:
        return True
    return False


def autograd_objects(mutant: Mutant, call: Call) -> bool:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    function = primitive(lambda *args: np.asarray(mutant.primitive.forward(*args, **call.params))[()])

    def rule(k: int) -> Any:
        return lambda out, *args: lambda g: pulled(mutant, g, out, [np.asarray(a) for a in args], call.params)[k]

    defvjp(function, *(rule(k) for k in range(len(call.args))))
    np.random.seed(0)  # noqa: NPY002  its checker draws from the global generator
    try:
        check_grads(function, tuple(range(len(call.args))), modes=["rev"], order=1)(*call.args)
    except Exception:
        return True
    return False


PEERS = {"torch": torch_objects, "jax": jax_objects, "autograd": autograd_objects}


def peer_catches(objects: Callable[[Mutant, Call], bool], mutant: Mutant) -> bool:
    """Whether a peer's checker, at its defaults, objects at one of the operands that the proof draws."""
    rng = np.random.default_rng(0)
    right = TABLE.get(mutant.primitive.name, mutant.primitive)
    with np.errstate(all="ignore"):
        return any(objects(mutant, call) for call in points.ordinary_calls(right, rng))
