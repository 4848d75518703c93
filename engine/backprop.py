"""The chain rule.

For a node out = f(x, y, ...) and the cotangent g = ∂root/∂out, each operand receives the contribution

    g · ∂out/∂operand,

which is the primitive's vjp; what reaches an operand along all of its uses is added up.  A node passes
its cotangent on only when it is complete, that is after every node that uses it: youngest first.  An
operand is always older than what uses it, so sorting by age (`_id`, a creation counter) is a
topological order, and an operand *younger* than its user is one whose data was overwritten since.

A node's operands are Values, or Python floats where a number was written in the formula.  One or two of
them stand in the slots `_x` and `_y`, more in a tuple in `_x`: a tuple for every node would double the
work of Python's garbage collector, which on scalar graphs is most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import modes
from .primitives import Primitive

if TYPE_CHECKING:
    from .value import Value

age = attrgetter("_id")


class MutationError(RuntimeError):
    """Data that the backward pass needs was changed after the forward pass."""


class AnomalyError(FloatingPointError):
    """A NaN or an inf came up inside `detect_anomaly`."""


# ── reading the graph ─────────────────────────────────────────────────────────


def operands(node: Value) -> tuple[Value | float, ...]:
    """The operands of a node in their order, one entry for each use; () for a leaf."""
    x = node._x
    if type(x) is tuple:
        return x
    if node._y is not None:
        return (x, node._y)
    return () if x is None else (x,)


def reachable(roots: Iterable[Value]) -> list[Value]:
    """Every Value that the roots depend on, and they themselves, oldest first."""
    order = list(dict.fromkeys(roots))
    seen = set(order)
    for node in order:  # the list grows while it is read
        for operand in operands(node):
            if type(operand) is not float and operand not in seen:
                seen.add(operand)
                order.append(operand)
    order.sort(key=age)
    return order


def location(node: Value) -> str:
    """The file:line that created a node."""
    code: CodeType | None = node._code
    if code is None:
        return "an unknown place"
    lines = (line for start, end, line in code.co_lines() if start <= node._lasti < end and line)
    return f"{code.co_filename}:{next(lines, code.co_firstlineno)}"


def describe(value: Any) -> str:
    """A value in an error message: its label, if it has one, and its shape."""
    label = getattr(value, "label", "")
    shape = np.shape(getattr(value, "_data", value))
    kind = f"array of shape {shape}" if shape else "scalar"
    return f"{label!r} ({kind})" if label else f"an unlabelled {kind}" if hasattr(value, "label") else f"a constant {kind}"


# ── the chain rule for one node ───────────────────────────────────────────────


def fit(contribution: Any, operand: Value, primitive: Primitive) -> Any:
    """The contribution in its operand's shape and dtype: summed over the axes that were broadcast.

    This is the one place where broadcasting is undone.
    """
    like = operand._data
    have, want = np.shape(contribution), np.shape(like)
    if have != want:
        lead = len(have) - len(want)
        if lead < 0 or any(n not in (1, m) for n, m in zip(want, have[lead:], strict=True)):
            raise ValueError(
                f"the vjp of {primitive.name} returned shape {have} for {describe(operand)}; "
                "a vjp returns the operand's shape, or one that broadcasting made from it"
            )
        stretched = tuple(i for i, m in enumerate(have) if i < lead or (want[i - lead] == 1 and m != 1))
        contribution = np.reshape(np.sum(contribution, axis=stretched), want)
    if type(like) is float and type(contribution) is float:
        return contribution
    dtype = np.float64 if type(like) is float else like.dtype
    if hasattr(contribution, "_data"):  # recorded
        return contribution if contribution.dtype == dtype else contribution.astype(dtype)
    if type(like) is float:
        return float(contribution)
    return np.asarray(contribution, dtype) if want else dtype.type(contribution)


def contributions(node: Value, g: Any, *, record: bool = False, oldest: float = -1) -> Iterator[tuple[Value, Any]]:
    """Each operand that takes part in differentiation, once per use, with g · ∂node/∂operand.

    With `record` the vjps run on the Values themselves (g must be one), so that the result can be
    differentiated again; otherwise on their plain data.  Operands older than `oldest` are passed over.
    """
    primitive, params = node._primitive, node._params or {}
    inputs = operands(node)
    check_unchanged(node, inputs)
    if primitive.pull is not None:  # a node made by hand, with a closure of its own
        yield from primitive.pull(node, g)
        return
    if record:
        out, args = node, inputs
    else:
        out, args = node._data, tuple(o if type(o) is float else o._data for o in inputs)
    for argnum, operand in enumerate(inputs):
        if type(operand) is float or not operand.requires_grad or operand._id < oldest:
            continue
        rule = primitive.vjp(argnum)
        if rule is None:
            raise TypeError(f"{primitive.name} has no derivative with respect to operand {argnum}, {describe(operand)}; detach() it")
        contribution = fit(rule(g, out, *args, **params), operand, primitive)
        if modes.active and modes.is_anomaly_enabled():
            check_finite(contribution, f"backward of {primitive.name} at {location(node)}, the gradient of {describe(operand)}")
        yield operand, contribution


def check_unchanged(node: Value, inputs: Iterable[Value | float]) -> None:
    """Raise MutationError where an operand's data is not what the forward pass saw."""
    for operand in inputs:
        if type(operand) is not float and (operand._id > node._id or (operand._primitive is None and operand.was_written())):
            raise MutationError(
                f"{node._primitive.name} used {describe(operand)} at {location(node)}, and its data was changed since, "
                "so the backward pass would mix two sets of numbers; run the forward pass again before backward()"
            )


def check_finite(data: Any, where: str) -> None:
    """Raise AnomalyError if the data holds a NaN or an inf."""
    data = getattr(data, "_data", data)
    if not np.isfinite(data).all():
        found = "NaN" if np.isnan(data).any() else "inf"
        raise AnomalyError(f"{found} in the {where}")


# ── the chain rule for the graph ──────────────────────────────────────────────


def backprop(
    root: Value,
    seed: Any,
    *,
    inputs: Iterable[Value] | None = None,
    create_graph: bool = False,
    retain_grads: bool = True,
) -> dict[Value, Any]:
    """Push the seed back from the root; return the gradient of every leaf that it reaches.

    The pass gathers each node's cotangent in the node's own `_grad`.  A leaf's, which adds up over
    passes, is lent for that and restored at the end, also when the pass fails.

    Args:
        root: the Value to differentiate.
        seed: its cotangent, in its shape and dtype; a Value with `create_graph`.
        inputs: differentiate with respect to these leaves only.  Nothing older than the oldest of
            them depends on any, so the pass does not go there.
        create_graph: record the pass; the gradients are then Values.
        retain_grads: leave each interior node its gradient, to be read, drawn and explained.
    """
    oldest = -1 if inputs is None else min(map(age, inputs), default=0)
    if not root.requires_grad or root._id < oldest:
        return {}

    # The nodes that a gradient passes; `mark` in place of the gradient says that none has arrived yet.
    mark = object()
    order, leaves = [root], {}
    if root._primitive is None:
        leaves[root] = root._grad
    root._grad = mark
    for node in order:  # the list grows while it is read
        x = node._x
        for operand in x if type(x) is tuple else (x, node._y):
            if (
                operand is not None
                and type(operand) is not float
                and operand._grad is not mark
                and operand.requires_grad
                and operand._id >= oldest
            ):
                if operand._primitive is None:
                    leaves[operand] = operand._grad
                else:
                    order.append(operand)
                operand._grad = mark
    order.sort(key=age, reverse=True)

    found: dict[Value, Any] = {}
    try:
        root._grad = seed
        if root._primitive is not None:
            _push(order, mark, oldest, create_graph, retain_grads)
        for leaf in leaves:
            if leaf._grad is not mark:
                found[leaf] = leaf._grad
    finally:
        for leaf, before in leaves.items():
            leaf._grad = before
    return found


def _push(order: list[Value], mark: object, oldest: float, create_graph: bool, retain_grads: bool) -> None:
    """Let each node, youngest first, pass its cotangent on to its operands."""
    plain = not modes.active and not create_graph
    ours: set[Value] = set()  # the leaves whose gradient is an array that this pass made and nobody else holds
    for node in order:
        g = node._grad
        if g is mark:  # no use of this node passed anything on
            node._grad = None
            continue
        primitive, x = node._primitive, node._x
        if plain and type(g) is float and primitive.elementwise and node._params is None and type(x) is not tuple:
            # Scalars: the steps of `contributions`, without its generality.
            out, y = node._data, node._y
            if y is None:
                args = (x._data,)
                edges = ((x, primitive.float_vjps[0]),)
            else:
                args = (x if type(x) is float else x._data, y if type(y) is float else y._data)
                edges = zip((x, y), primitive.float_vjps)
            born = node._id
            for operand, rule in edges:
                if type(operand) is float:
                    continue
                if operand._id > born:
                    check_unchanged(node, (operand,))
                if operand.requires_grad and operand._id >= oldest:
                    try:
                        contribution = rule(g, out, *args)
                    except (ArithmeticError, ValueError):
                        contribution = None
                    if type(contribution) is not float:
                        full = primitive.vjps[primitive.float_vjps.index(rule)]
                        contribution = float(full(*map(np.float64, (g, out, *args))))
                    grad = operand._grad
                    operand._grad = contribution if grad is mark else grad + contribution
        else:
            for operand, contribution in contributions(node, g, record=create_graph, oldest=oldest):
                grad = operand._grad
                if grad is not mark:
                    operand._grad = np.add(grad, contribution, out=grad) if operand in ours else grad + contribution
                else:
                    operand._grad = contribution
                if operand._primitive is None and type(contribution) is np.ndarray and operand not in ours:
                    if grad is mark and (contribution.base is not None or contribution is g):
                        operand._grad = contribution.copy()
                    ours.add(operand)
        if not retain_grads:
            node._grad = None
        elif create_graph:
            node._grad = g._data  # a recorded gradient here would refer back to its own node
