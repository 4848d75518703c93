"""Calculus over functions: derivatives of f rather than gradients of a Value.

    slope = grad(np.tanh)                    # a function again
    grad(grad(np.tanh))(0.5)                 # so it nests
    value_and_grad(loss)(params, x, y)       # params: an array, or a list, tuple or dict of them
    hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))

f takes floats, arrays or Values and is written with NumPy.  Derivatives come back in the structure and
the shapes of the argument: plain floats and arrays, unless the result depends on Values of the caller
that require a gradient.  Then it is a Value, and stays in their graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .backprop import backprop
from .modes import enable_grad, is_grad_enabled
from .node import describe, reachable
from .primitives.arithmetic import positive
from .trees import tree_leaves, tree_map
from .value import Value

Argnums = int | Sequence[int]


# ── arguments ─────────────────────────────────────────────────────────────────


class _Inputs:
    """The arguments under differentiation, as fresh leaves for f to work on.

    Each is a leaf during the pass.  Afterwards those made from a Value of the caller are tied to it,
    so that a recorded result goes on into the caller's graph: that is what makes nesting work.  The others
    require no gradient any more: to an outer derivative they are constants.
    """

    def __init__(self, args: Sequence[Any], argnums: Argnums, name: str):
        self.single = isinstance(argnums, (int, np.integer))
        chosen: tuple[int, ...] = (argnums,) if self.single else tuple(argnums)  # type: ignore
        for n in chosen:
            if not -len(args) <= n < len(args):
                raise TypeError(f"{name}: argnums={n}, but only {len(args)} positional argument(s) were given")
        self.places = [int(n) % len(args) for n in chosen]
        if len(set(self.places)) < len(chosen):
            raise ValueError(f"{name}: argnums={argnums} names an argument twice, and its derivative would be shared out between them")
        self.ties: list[tuple[Value, Value]] = []
        self.leaves: list[Value] = []
        self.trees = [tree_map(self._leaf, args[n]) for n in self.places]
        self.args = list(args)
        for n, tree in zip(self.places, self.trees, strict=True):
            self.args[n] = tree

    def _leaf(self, arg: Any) -> Value:
        leaf = Value(arg._data, label=arg.label) if isinstance(arg, Value) else Value(arg)
        if isinstance(arg, Value) and arg.requires_grad:
            self.ties.append((leaf, arg))
        self.leaves.append(leaf)
        return leaf

    def tie(self) -> None:
        for leaf in self.leaves:
            leaf._requires_grad = False
        for leaf, outer in self.ties:
            leaf._primitive, leaf._x, leaf._requires_grad = positive, outer, True

    def untie(self) -> None:
        for leaf in self.leaves:
            leaf._primitive, leaf._x, leaf._requires_grad = None, None, True

    def like(self, results: Any) -> Any:
        """One result per leaf, in the structure of the arguments."""
        results = iter(results)
        trees = [tree_map(lambda _: next(results), tree) for tree in self.trees]
        return trees[0] if self.single else tuple(trees)


def _recorded(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, recorded also where the caller is inside `no_grad`: a derivative needs its graph."""

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if is_grad_enabled():
            return f(*args, **kwargs)
        with enable_grad():
            return f(*args, **kwargs)

    return call


def _must_stay_recorded(output: Any, inputs: _Inputs) -> bool:
    """Whether a derivative of the output must stay in the caller's graph."""
    if not is_grad_enabled():
        return False
    own = set(inputs.leaves)
    return bool(inputs.ties) or any(node.is_leaf and node.requires_grad and node not in own for node in reachable([output]))


def _pull(output: Value, seed: Any, inputs: _Inputs, record: bool) -> list[Any]:
    """The gradient of every input leaf; zeros where the output does not depend on it."""
    if record and not isinstance(seed, Value):
        seed = Value(seed, requires_grad=False)
    found = backprop(output, seed, inputs=inputs.leaves, create_graph=record) if output.requires_grad else {}
    return [found[leaf] if leaf in found else _zeros(leaf) for leaf in inputs.leaves]


def _zeros(like: Value, shape: tuple[int, ...] = ()) -> Any:
    """A derivative of zero, of shape + like.shape, in the dtype of `like`."""
    return _to_python_float(np.zeros(shape + like.shape, like.dtype)[()])


def _to_python_float(gradient: Any) -> Any:
    return float(gradient) if type(gradient) is np.float64 else gradient


def _number(output: Any, name: str) -> Any:
    """What f returned, if it is numbers; a forgotten `return` must not read as a derivative of zero."""
    if not isinstance(output, (Value, int, float, np.ndarray, np.generic)):
        raise TypeError(
            f"{name}: the function returned {type(output).__name__}, not a Value, a number or an array; join several with np.stack"
        )
    return output


def _tangents(primals: Any, tangents: Any, name: str) -> list[Any]:
    """The tangent of every primal, in the primals' order: a dict's are found by their keys."""
    if len(primals) != len(tangents):
        raise TypeError(f"{name}: {len(primals)} primals but {len(tangents)} tangents")
    pairs: list[tuple[Any, Any]] = []
    try:
        tree_map(lambda *pair: pairs.append(pair), tuple(primals), tuple(tangents))
    except (KeyError, TypeError, ValueError) as error:
        raise TypeError(f"{name}: the tangents are not in the structure of the primals ({error!r})") from error
    for primal, tangent in pairs:
        if np.shape(primal) != np.shape(tangent):
            raise ValueError(f"{name}: a tangent has the shape of its primal; got {np.shape(tangent)} for {np.shape(primal)}")
    return [tangent for _, tangent in pairs]


def _scalar(output: Any, name: str) -> Value | float:
    if np.shape(output) != ():
        raise ValueError(
            f"{name} needs a function with a scalar result, and this one returned {describe(output)}; sum it, or use jacobian or vjp"
        )
    return output


# ── reverse mode ──────────────────────────────────────────────────────────────


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], Any]]:
    """f(*args), and the function that maps a cotangent u of its result to uᵀ·J, one result per argument.

    u has the shape of f's result; each part of uᵀ·J has the shape of its argument (for one argument
    it stands alone, for several in a tuple).
    """
    inputs = _Inputs(args, 0 if len(args) == 1 else range(len(args)), "vjp")
    output = _number(_recorded(f)(*inputs.args), "vjp")
    stays = isinstance(output, Value) and _must_stay_recorded(output, inputs)

    def pull(u: Any) -> Any:
        if np.shape(u) != np.shape(output):
            raise ValueError(f"vjp: the cotangent has shape {np.shape(u)}, the function's result {np.shape(output)}")
        if not isinstance(output, Value):
            return inputs.like(map(_zeros, inputs.leaves))
        record = stays or (isinstance(u, Value) and u.requires_grad)
        seed = u if record and isinstance(u, Value) else Value(_plain(u), dtype=output.dtype)._data
        inputs.untie()
        try:
            return inputs.like(map(_to_python_float, _pull(output, seed, inputs, record)))
        finally:
            inputs.tie()

    inputs.tie()
    return output if stays else _plain(output), pull


def _plain(output: Any) -> Any:
    """The number or a fresh array."""
    return output.numpy() if isinstance(output, Value) and output.ndim else getattr(output, "_data", output)


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., tuple[Any, Any]]:
    """The function that returns f's value and its gradient with respect to the chosen arguments.

    f returns a scalar.  The gradient has the structure of the argument: an array or a float, or a list,
    tuple or dict of them; for several `argnums` a tuple of such.
    """

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        inputs = _Inputs(args, argnums, "grad")
        output = _scalar(_number(_recorded(f)(*inputs.args, **kwargs), "grad"), "grad")
        if not isinstance(output, Value):
            return output, inputs.like(map(_zeros, inputs.leaves))
        record = _must_stay_recorded(output, inputs)
        seed = 1.0 if type(output._data) is float else output.dtype.type(1)
        gradients = inputs.like(map(_to_python_float, _pull(output, seed, inputs, record)))
        inputs.tie()
        return (output if record else output._data), gradients

    return differentiated


def grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The gradient of f, which returns a scalar, with respect to the chosen arguments: see `value_and_grad`."""
    both = value_and_grad(f, argnums)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def jacobian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The Jacobian of f: ∂f/∂x in the shape f(x).shape + x.shape, one backward pass per element of f(x).

    Where f returns a list, a tuple or a dict there is one for each of its parts, in that structure.
    """

    @wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        inputs = _Inputs(args, argnums, "jacobian")
        output = _recorded(f)(*inputs.args, **kwargs)
        matrices = tree_map(lambda part: _matrices(_number(part, "jacobian"), inputs), output)
        inputs.tie()
        return matrices

    return differentiated


def _matrices(output: Any, inputs: _Inputs) -> Any:
    """The Jacobians of one output, in the structure of the inputs."""
    shape = np.shape(output)
    if not isinstance(output, Value) or not output.size:
        return inputs.like(_zeros(leaf, shape) for leaf in inputs.leaves)
    record = _must_stay_recorded(output, inputs)
    rows = []
    for i in range(output.size):
        seed = np.zeros(output.size, output.dtype)
        seed[i] = 1
        rows.append(
            _pull(
                output,
                seed.reshape(shape) if shape else output.dtype.type(1).item() if type(output._data) is float else seed[0],
                inputs,
                record,
            )
        )
    columns = ([row[k] for row in rows] for k in range(len(inputs.leaves)))
    stack = (np.reshape(np.stack(column), shape + leaf.shape) for column, leaf in zip(columns, inputs.leaves, strict=True))
    return inputs.like(_to_python_float(matrix if isinstance(matrix, Value) else matrix[()]) for matrix in stack)


# ── forward mode and second order, from the same rules ────────────────────────


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """f(*primals), and J·tangents, the directional derivative.

    A vjp is linear in its cotangent u, so differentiating ⟨uᵀ·J, t⟩ with respect to u gives J·t: forward
    mode from reverse mode twice, and no second set of rules
    (https://j-towns.github.io/2017/06/12/A-new-trick.html).
    """
    slopes = _tangents(primals, tangents, "jvp")
    inputs = _Inputs(primals, range(len(primals)), "jvp")
    output = _number(_recorded(f)(*inputs.args), "jvp")
    if not isinstance(output, Value):
        return output, np.zeros(np.shape(output))[()]
    record = _must_stay_recorded(output, inputs) or (is_grad_enabled() and any(isinstance(t, Value) and t.requires_grad for t in slopes))
    u = Value(np.zeros(output.shape), dtype=output.dtype)

    @_recorded
    def along() -> Any:
        total: Any = 0.0
        for gradient, slope in zip(_pull(output, u, inputs, record=True), slopes, strict=True):
            total = total + np.sum(gradient * slope)
        return total

    total = along()
    inputs.tie()
    if not isinstance(total, Value) or not total.requires_grad:
        pushed = _zeros(output)
    else:
        seed = Value(1.0, requires_grad=False) if record else 1.0 if type(total._data) is float else total.dtype.type(1)
        pushed = backprop(total, seed, inputs=[u], create_graph=record).get(u, _zeros(output))
    return (output if record else _plain(output)), _to_python_float(pushed)


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The second derivatives of f, which returns a scalar, in the shape x.shape + x.shape.

    For a list, tuple or dict of parameters (or several `argnums`) in blocks: for p = {"a": a, "b": b}
    the block ∂²f/∂a∂b is hessian(f)(p)["a"]["b"].
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """H·t, the Hessian of f times the tangents, without the matrix; one result per primal.

    The gradient of ⟨∇f, t⟩, so it costs two backward passes.
    """
    slopes, argnums = _tangents(primals, tangents, "hvp"), tuple(range(len(primals)))

    def slope(*args: Any) -> Any:
        gradients = tree_leaves(grad(f, argnums)(*args))
        total: Any = 0.0
        for gradient, tangent in zip(gradients, slopes, strict=True):
            total = total + np.sum(gradient * tangent)
        return total

    result = grad(slope, argnums)(*primals)
    return result[0] if len(primals) == 1 else result
