"""Functions under test: of Values, in plain NumPy with a gradient written by hand, of PyTorch tensors, of JAX arrays.

A `Subject` is a function from numbers to numbers.  `leaves` are the arrays to differentiate by, `evaluate` gives
all outputs as one flat array, and `vjp` gives cotangentsᵀ·J, the derivative under test.
"""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import calculus
from ..backprop import backprop
from ..node import describe, location, operands, reachable
from ..trees import tree_leaves, tree_map, tree_paths
from ..value import Value

Array = np.ndarray[Any, Any]


class KinkNode(NamedTuple):
    """A node of the graph whose primitive has a kink, and how far from it each of its elements lies."""

    name: str
    where: str
    place: str  # file:line
    distance: Array
    near: Array  # on the kink, up to rounding


class Subject:
    """A function, its arguments and the derivative under test: what all libraries have in common.

    Attributes:
        leaves: the numbers to differentiate by, each an array of its own dtype.
        names: a name for each.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], argnums: Any = None, names: Sequence[str] | None = None):
        self.f, self.args = f, args
        if argnums is None:
            self.chosen = [n for n, arg in enumerate(args) if any(map(self.is_number, tree_leaves(arg)))]
        else:
            self.chosen = [int(n) % len(args) for n in ([argnums] if isinstance(argnums, (int, np.integer)) else argnums)]
        given = list(names) if names is not None else parameters(f, args)
        self.leaves: list[Array] = []
        self.names: list[str] = []
        self.originals: list[Any] = []
        for n in self.chosen:
            for path, leaf in paths(args[n]):
                if self.is_number(leaf):
                    self.originals.append(leaf)
                    self.leaves.append(np.array(self.numbers(leaf)))
                    label = getattr(leaf, "label", "") if names is None else ""
                    self.names.append(label or given[n] + path)
        if not self.leaves:
            raise TypeError("check: no argument is a float, an array of floats or a Value that requires a gradient; nothing to check")

    def at(self, leaves: Sequence[Array]) -> Subject:
        """The same function at other numbers."""
        other = copy.copy(self)
        other.leaves = list(leaves)
        return other

    def arguments_with(self, leaves: Sequence[Any]) -> list[Any]:
        """The arguments of f, with these objects in place of the leaves."""
        objects = iter(leaves)
        args = list(self.args)
        for n in self.chosen:
            args[n] = tree_map(lambda leaf: next(objects) if self.is_number(leaf) else leaf, self.args[n])
        return args

    def call(self, leaves: Sequence[Any]) -> list[tuple[str, Any]]:
        """f's outputs and the path to each, with these objects in place of the leaves."""
        return list(paths(self.f(*self.arguments_with(leaves))))

    def wrapped(self, leaves: Sequence[Array]) -> list[Any]:
        """The leaves in the form in which f takes them: Values, tensors, arrays."""
        return [self.wrap(leaf, like) for leaf, like in zip(leaves, self.originals, strict=True)]

    def outputs(self, leaves: Sequence[Array]) -> list[tuple[str, Any]]:
        """f's outputs and the path to each."""
        return self.call(self.wrapped(leaves))

    def evaluate(self, leaves: Sequence[Array]) -> Array:
        """All outputs as one flat array."""
        return flatten([self.numbers(output) for _, output in self.outputs(leaves)])

    def labels(self) -> list[str]:
        """A name for each number of the output, "" if there is only one."""
        found = []
        for path, output in self.outputs(self.leaves):
            for index in np.ndindex(np.shape(self.numbers(output))):
                found.append(path + subscript(index))
        return found

    # ── what differs between the libraries ────────────────────────────────────

    def is_number(self, leaf: Any) -> bool:
        """Whether f is differentiated by this leaf of its arguments."""
        if isinstance(leaf, Value):
            return leaf.requires_grad
        return isinstance(leaf, (float, np.floating)) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f")

    def numbers(self, leaf: Any) -> Any:
        """The plain numbers of an argument or a result."""
        return leaf._data if isinstance(leaf, Value) else leaf

    def wrap(self, array: Array, like: Any) -> Any:
        """Numbers in the form in which f takes the argument `like`; a copy, so that f may write to it."""
        return array.copy() if array.ndim else float(array) if array.dtype == np.float64 else array[()]

    def vjp(self, cotangents: Array) -> tuple[list[Array], list[bool]]:
        """For each leaf cotangentsᵀ·J, of shape (cotangents, leaf.size), and whether the graph has a path from it to an output."""
        raise NotImplementedError

    def complex_evaluate(self, leaves: Sequence[Array]) -> Array | None:
        """All outputs at complex numbers, or None if f does not take them."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return flatten([output for _, output in self.call([leaf.copy() if leaf.ndim else leaf[()] for leaf in leaves])])
        except Exception:  # f need not accept complex numbers, and may raise anything if it does not
            return None

    def kinks(self, leaves: Sequence[Array]) -> list[KinkNode]:
        """The nodes that have kinks, in the order of computation, where a graph is recorded."""
        return []

    def rounding(self, cotangents: Array) -> Array:
        """For each cotangent Σ |∂output/∂node · node|, so that eps times it is the rounding of the output to first order."""
        return np.zeros(len(cotangents))


class ValueFunction(Subject):
    """A function of Values, differentiated by the engine."""

    def wrap(self, array: Array, like: Any) -> Any:
        return Value(array, requires_grad=False)

    def inputs(self) -> list[Value]:
        """Fresh leaves for a backward pass."""
        return [Value(leaf, label=name) for leaf, name in zip(self.leaves, self.names, strict=True)]

    def vjp(self, cotangents: Array) -> tuple[list[Array], list[bool]]:
        inputs = self.inputs()
        rows = [np.zeros((len(cotangents), leaf.size), leaf.dtype) for leaf in self.leaves]
        outputs = [output for _, output in self.call(inputs)]
        for k, output, seed in self._seeds(outputs, cotangents):
            found = backprop(output, seed, inputs=inputs)
            for gradient, leaf in zip(rows, inputs, strict=True):
                if leaf in found:
                    gradient[k] += np.ravel(found[leaf])
        reached = set(reachable([output for output in outputs if isinstance(output, Value)]))
        return rows, [leaf in reached for leaf in inputs]

    def _seeds(self, outputs: Sequence[Any], cotangents: Array) -> Iterator[tuple[int, Value, Any]]:
        """The backward passes that make cotangentsᵀ·J: (row, output, its part of the cotangent)."""
        start = 0
        for output in outputs:
            end = start + int(np.size(self.numbers(output)))
            if isinstance(output, Value) and output.requires_grad:
                for k, u in enumerate(cotangents[:, start:end]):
                    if u.any():
                        yield k, output, float(u[0]) if type(output._data) is float else u.astype(output.dtype).reshape(output.shape)[()]
            start = end

    def kinks(self, leaves: Sequence[Array]) -> list[KinkNode]:
        outputs = [output for _, output in self.outputs(leaves) if isinstance(output, Value)]
        found = []
        for node in reachable(outputs):
            for kink in node._primitive.kinks if node._primitive is not None else ():
                args = [self.numbers(operand) for operand in operands(node)]
                distance = np.asarray(kink.distance(*args, **(node._params or {})))
                size = max(float(np.max(np.abs(arg), initial=0.0, where=np.isfinite(arg))) for arg in args)
                near = np.abs(distance) <= 8 * np.finfo(np.float64).eps * size
                found.append(KinkNode(node._primitive.name, kink.where, location(node), distance, near))
        return found

    def rounding(self, cotangents: Array) -> Array:
        total = np.zeros(len(cotangents))
        inputs = self.inputs()
        outputs = [output for _, output in self.call(inputs)]
        for k, output, seed in self._seeds(outputs, cotangents):
            backprop(output, seed, inputs=inputs)
            for node in reachable([output]):
                if node._primitive is not None and node.has_grad and node._id > inputs[0]._id:
                    total[k] += float(np.sum(np.abs(node._grad * node._data)))
        return total


class HandWritten(Subject):
    """A function in plain NumPy and a gradient written by hand: a function of the same arguments, or its result."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], argnums: Any, names: Sequence[str] | None, grad: Any):
        super().__init__(f, args, argnums, names)
        self.grad = grad

    def vjp(self, cotangents: Array) -> tuple[list[Array], list[bool]]:
        result = self.grad
        if callable(result):
            result = result(*self.arguments_with(self.wrapped(self.leaves)))
        alone = len(self.leaves) == 1 and not isinstance(result, (tuple, dict))
        parts = [result] if alone else tree_leaves(result)
        if len(parts) != len(self.leaves):
            raise ValueError(f"check: grad gave {len(parts)} array(s) for {len(self.leaves)} inputs ({', '.join(self.names)})")
        rows, count = [], cotangents.shape[1]
        for part, leaf, name in zip(parts, self.leaves, self.names, strict=True):
            part = np.asarray(self.numbers(part))
            if part.size != count * leaf.size or part.shape[part.ndim - leaf.ndim :] != leaf.shape:
                raise ValueError(
                    f"check: the gradient by {name} has shape {part.shape}, but {name} has {leaf.shape}"
                    + (f" and f has {count} outputs, so grad gives the Jacobian, in f(x).shape + x.shape" if count != 1 else "")
                )
            rows.append(cotangents @ part.reshape(count, leaf.size))
        return rows, [True] * len(rows)


class TorchFunction(Subject):
    """A function of PyTorch tensors, differentiated by its autograd (so also torch.autograd.Function)."""

    def is_number(self, leaf: Any) -> bool:
        return isinstance(leaf, sys.modules["torch"].Tensor) and leaf.is_floating_point()

    def numbers(self, leaf: Any) -> Any:
        return leaf.detach().cpu().numpy() if hasattr(leaf, "detach") else leaf

    def wrap(self, array: Array, like: Any) -> Any:
        return sys.modules["torch"].tensor(array, device=like.device)

    def vjp(self, cotangents: Array) -> tuple[list[Array], list[bool]]:
        torch = sys.modules["torch"]
        inputs = [tensor.requires_grad_() for tensor in self.wrapped(self.leaves)]
        flat = torch.cat([output.reshape(-1) for _, output in self.call(inputs)])
        rows = [np.zeros((len(cotangents), leaf.size), leaf.dtype) for leaf in self.leaves]
        connected = [False] * len(inputs)
        for k, u in enumerate(cotangents if flat.requires_grad else ()):
            seed = torch.tensor(u, dtype=flat.dtype, device=flat.device)
            for i, found in enumerate(torch.autograd.grad(flat, inputs, seed, retain_graph=True, allow_unused=True)):
                if found is not None:
                    connected[i] = True
                    rows[i][k] = self.numbers(found).reshape(-1)
        return rows, connected


class JaxFunction(Subject):
    """A function of JAX arrays, differentiated by jax.vjp; in double precision whatever JAX is set to."""

    def is_number(self, leaf: Any) -> bool:
        return isinstance(leaf, sys.modules["jax"].Array) and np.issubdtype(leaf.dtype, np.floating)

    def numbers(self, leaf: Any) -> Any:
        return np.asarray(leaf)

    def wrap(self, array: Array, like: Any) -> Any:
        if array.dtype == np.longdouble:
            raise TypeError("JAX has no extended precision")
        return sys.modules["jax"].numpy.asarray(array)

    def outputs(self, leaves: Sequence[Array]) -> list[tuple[str, Any]]:
        with _double_precision(sys.modules["jax"]):
            return super().outputs(leaves)

    def vjp(self, cotangents: Array) -> tuple[list[Array], list[bool]]:
        jax = sys.modules["jax"]

        def flat(*leaves: Any) -> Any:
            return jax.numpy.concatenate([jax.numpy.ravel(output) for _, output in self.call(leaves)])

        with _double_precision(jax):
            inputs = self.wrapped(self.leaves)
            output, back = jax.vjp(flat, *inputs)
            pulled = [back(jax.numpy.asarray(u, output.dtype)) for u in cotangents]
        rows = [np.array([np.ravel(found[i]) for found in pulled]) for i in range(len(inputs))]
        return rows, [True] * len(rows)


def _double_precision(jax: Any) -> Any:
    """The context in which JAX keeps float64; older releases have it in another module."""
    return jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64(True)


def subject(f: Callable[..., Any], args: Sequence[Any], grad: Any, argnums: Any, names: Sequence[str] | None) -> Subject:
    """The function under test, as a `Subject` of the library that its arguments belong to."""
    if grad is not None:
        return HandWritten(f, args, argnums, names, grad)
    for library, name, kind in (("torch", "Tensor", TorchFunction), ("jax", "Array", JaxFunction)):
        found = sys.modules.get(library)
        if found is not None and any(isinstance(leaf, getattr(found, name)) for arg in args for leaf in tree_leaves(arg)):
            return kind(f, args, argnums, names)
    return ValueFunction(f, args, argnums, names)


def gradient_of(first: ValueFunction, rng: np.random.Generator) -> ValueFunction:
    """The gradient of a random combination of f's outputs, as a function to differentiate in turn."""
    outputs = [np.shape(first.numbers(output)) for _, output in first.outputs(first.leaves)]
    weights = [np.asarray(1.0) if outputs == [()] else rng.standard_normal(shape) for shape in outputs]

    def combined(leaves: Sequence[Any]) -> Any:
        total: Any = 0.0
        for weight, (path, output) in zip(weights, first.call(leaves), strict=True):
            if np.shape(first.numbers(output)) != weight.shape:
                raise ValueError(f"check: output {path} changed its shape to {describe(output)}")
            total = total + np.sum(output * weight)
        return total

    def slopes(*leaves: Any) -> Any:
        return calculus.grad(combined)(list(leaves))

    class Gradient(ValueFunction):
        def labels(self) -> list[str]:
            return [
                f"∂f/∂{name}{subscript(i)}" for name, leaf in zip(first.names, self.leaves, strict=True) for i in np.ndindex(leaf.shape)
            ]

    return Gradient(slopes, first.leaves, names=first.names)


# ── structures ────────────────────────────────────────────────────────────────


def flatten(parts: Sequence[Any]) -> Array:
    """All numbers of some arrays in one flat array."""
    return np.concatenate([np.ravel(part) for part in parts]) if parts else np.zeros(0)


def paths(tree: Any) -> list[tuple[str, Any]]:
    """Every leaf of a structure with the index expression that leads to it."""
    return [("".join(f"[{key!r}]" for key in keys), leaf) for keys, leaf in tree_paths(tree)]


def subscript(index: Sequence[Any]) -> str:
    """(1, 2) as it is written: "[1, 2]", and () as ""."""
    return f"[{', '.join(map(str, index))}]" if index else ""


def parameters(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """The names of f's arguments."""
    try:
        signature = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        signature = []
    names = [p.name for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [names[i] if i < len(names) else "x" if len(args) == 1 else f"x{i}" for i in range(len(args))]
