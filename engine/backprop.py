"""The chain rule.

For a node out = f(x, y, ...) and the cotangent g = ∂root/∂out, each operand receives the contribution

    g · ∂out/∂operand,

which is the primitive's vjp; what reaches an operand along all of its uses is added up.  A node passes
its cotangent on only when it is complete, that is after every node that uses it: youngest first.  An
operand that is *younger* than its user is one whose data was assigned since.

The whole of backpropagation is the function `gradients` below.  What stands before it is the chain rule
for one node; what stands after it is the same pass again, as it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import RLock
from typing import Any

import numpy as np

from . import modes
from .arrays import is_view, source, was_written
from .fast import push_scalars, route
from .handmade import Handmade
from .node import Node, Pending, age, describe, frozen, location, operands, reachable, was_frozen
from .primitives import Primitive

DOUBLE = np.dtype(np.float64)


class MutationError(RuntimeError):
    """Data that the backward pass needs was changed after the forward pass."""


class AnomalyError(FloatingPointError):
    """A NaN or an inf came up inside `detect_anomaly`."""


# ── the chain rule for one node ───────────────────────────────────────────────


def fit(contribution: Any, operand: Node, primitive: Primitive) -> Any:
    """The contribution in its operand's shape and dtype: summed over the axes that were broadcast.

    This is the one place where broadcasting is undone.
    """
    like, given = operand._data, getattr(contribution, "_data", contribution)
    have = given.shape if type(given) is np.ndarray else np.shape(given)
    want = like.shape if type(like) is np.ndarray else ()
    if have != want:
        lead = len(have) - len(want)
        stretched = (0,) if lead == 1 else tuple(range(lead))
        if lead < 0 or have[lead:] != want:
            if lead < 0 or any(n not in (1, m) for n, m in zip(want, have[lead:], strict=True)):
                raise ValueError(
                    f"the vjp of {primitive.name} returned shape {have} for {describe(operand)}; "
                    "a vjp returns the operand's shape, or one that broadcasting made from it"
                )
            stretched += tuple(i for i, m in enumerate(have) if i >= lead and want[i - lead] == 1 and m != 1)
        contribution = np.add.reduce(contribution, axis=stretched)
        if len(stretched) != lead:
            contribution = np.reshape(contribution, want)
    dtype = DOUBLE if type(like) is float else like.dtype
    if want or hasattr(contribution, "_data"):  # an array, or a recorded one
        return contribution if contribution.dtype == dtype else contribution.astype(dtype)
    if type(like) is float:
        return float(contribution)
    return dtype.type(contribution)


def contributions(node: Node, g: Any, *, record: bool = False, oldest: float = -1) -> Iterator[tuple[Any, Any]]:
    """Each operand that takes part in differentiation, once per use, with g · ∂node/∂operand.

    With `record` the vjps run on the Nodes themselves (g must be one), so that the result can be
    differentiated again; otherwise on their plain data.  Operands older than `oldest` are passed over.

    Raises:
        MutationError: an operand's data is not what the forward pass saw, or the node was freed.
    """
    primitive, inputs = node._primitive, operands(node)
    if not inputs:
        raise MutationError(
            f"{describe(node)}, the result of {primitive.name} at {location(node)}, has lost its operands: its data was assigned, "
            "or backward(retain_graph=False) freed it; run the forward pass again"
        )
    args: list[Any] = []
    for operand in inputs:
        if type(operand) is float:
            args.append(operand)
            continue
        leaf = operand if operand._requires_grad or operand._primitive is None else source(operand)  # of a constant nobody else asks
        if leaf._id > node._id or (
            leaf._primitive is None and leaf._fingerprint is not None and must_be_unwritten(node) and was_written(leaf)
        ):
            raise MutationError(
                f"{primitive.name} used {describe(operand)} at {location(node)}, and its data was changed since, "
                "so the backward pass would mix two sets of numbers; run the forward pass again before backward()"
            )
        args.append(operand if record else operand._data)
    if isinstance(primitive, Handmade):
        if record:
            raise TypeError(f"{primitive.name} was made by hand, and its _backward cannot be recorded; leave out create_graph=True")
        yield from primitive.contributions(node, g)
        return
    out = node if record else node._data
    if type(out) is float and primitive.elementwise:
        g, out, *args = map(np.float64, (g, out, *args))  # for 1/0.0 and the like NumPy has an answer
    params, rules, plain = node._params, primitive.vjps, primitive.built_in and not modes.active
    together = rules[0](g, out, *args, argnums=range(len(inputs)), **params or {}) if primitive.at_once else ()
    for argnum, operand in enumerate(inputs):
        if type(operand) is float or not operand._requires_grad or operand._id < oldest:
            continue
        if frozen and was_frozen(operand, node):
            continue
        if together:
            contribution = together[argnum]
        elif primitive.variadic:
            contribution = rules[0](g, out, *args, argnum=argnum, **params or {})
        elif rules[argnum] is None:
            raise TypeError(f"{primitive.name} has no derivative with respect to operand {argnum}, {describe(operand)}; detach() it")
        else:
            contribution = rules[argnum](g, out, *args, **params) if params else rules[argnum](g, out, *args)
        given, like = getattr(contribution, "_data", None) if record else contribution, operand._data
        if type(given) is type(like) is np.ndarray:
            fits = given.shape == like.shape and given.dtype is like.dtype
        else:
            fits = type(given) is type(like) is float
        if not (plain and fits):  # most need nothing more
            contribution = _received(contribution, operand, node, record)
        yield operand, contribution


def _received(contribution: Any, operand: Node, node: Node, record: bool) -> Any:
    """What a rule returned as a gradient of the operand: fitted to it, recorded if the pass is, and finite if that is watched."""
    primitive = node._primitive
    if not primitive.built_in and type(contribution) is np.ndarray:
        contribution = contribution.view()  # perhaps the rule still holds it, so nobody may add to it in place
    contribution = fit(contribution, operand, primitive)
    if record and not hasattr(contribution, "_data"):  # a derivative that depends on nothing recorded
        constant: Any = type(node)  # a Value: what `record` makes
        contribution = constant(contribution, requires_grad=False)
    if modes.active and modes.is_anomaly_enabled():
        check_finite(contribution, f"backward of {primitive.name} at {location(node)}, the gradient of {describe(operand)}")
    return contribution


def must_be_unwritten(node: Node) -> bool:
    """Whether a backward pass through the node needs the numbers of its operands: a part that was copied needs none."""
    return not node._primitive.sum_back or is_view(node._data)


def check_finite(data: Any, where: str) -> None:
    """Raise AnomalyError if the data holds a NaN or an inf."""
    data = getattr(data, "_data", data)
    if not np.isfinite(data).all():
        found = "NaN" if np.isnan(data).any() else "inf"
        raise AnomalyError(f"{found} in the {where}")


# ── the chain rule for the graph ──────────────────────────────────────────────

one_pass = RLock()  # threads take turns, because their graphs may share nodes


def gradients(root: Node, seed: Any) -> dict[Any, Any]:
    """∂root/∂node, times the seed, for every node that the root depends on: the definition of a backward pass.

    `backprop` gives the same numbers.  It also skips what needs no gradient, records itself, frees the
    graph on its way, adds large arrays in place, and takes a faster way through graphs of single numbers.
    """
    grads = {root: seed}
    for node in reversed(reachable([root])):
        if node in grads and node._primitive is not None:
            for operand, contribution in contributions(node, grads[node]):
                grads[operand] = grads[operand] + contribution if operand in grads else contribution
    return grads


def backprop(
    root: Node,
    seed: Any,
    *,
    inputs: Iterable[Node] | None = None,
    create_graph: bool = False,
    retain_graph: bool = True,
    accumulate: bool = False,
) -> dict[Any, Any]:
    """Push the seed back from the root; return the gradient of every leaf that it reaches.

    The gradients of leaves stand in a dict of the pass, so that leaves are as before if the pass fails or is
    interrupted.  The gradient of an interior node stands in its `_grad`: first `pending`, by which the pass
    also sees that it has met the node, and then the sum of what has arrived.

    Args:
        root: the Node to differentiate.
        seed: its cotangent, in its shape and dtype; a Node with `create_graph`.
        inputs: differentiate with respect to these leaves only.  Nothing older than the oldest of
            them depends on any, so the pass does not go there.
        create_graph: record the pass; the gradients are then Nodes.
        retain_graph: keep the graph, and in each interior node its gradient, to be read, drawn and
            explained; False frees each node as soon as it has passed its cotangent on.
        accumulate: add each leaf's gradient to the one that it holds.
    """
    oldest = -1 if inputs is None else min(map(age, inputs), default=0)
    if not root._requires_grad or root._id < oldest:
        return {}
    leaves: dict[Any, Any] = {}
    pending = Pending()
    with one_pass:
        if root._primitive is None:
            leaves[root] = seed
        else:
            order, cut = (route(root, pending), False) if oldest < 0 else _route(root, pending, oldest)
            plain = not (create_graph or cut or frozen or (modes.active and modes.is_anomaly_enabled()))
            root._grad = seed
            if plain:
                push_scalars(order, leaves, pending, retain_graph)
            if order:
                _push(order, leaves, pending, oldest if cut else -1, plain, create_graph, retain_graph)
        if accumulate:
            found = iter(leaves.items())
            try:
                _accumulate(found)
            except BaseException:  # an interrupt, which comes between two leaves: the others get their gradients all the same
                _accumulate(found)
                raise
    return leaves


def _accumulate(gradients: Iterator[tuple[Node, Any]]) -> None:
    for leaf, grad in gradients:
        leaf._grad = grad if leaf._grad is None else leaf._grad + grad


def _route(root: Node, pending: Pending, oldest: float) -> tuple[list[Node], bool]:
    """The interior nodes on the way from the root to the leaves, oldest first, each with the gradient `pending`.

    The second result tells whether the pass stops at some node because that is older than `oldest`.
    """
    order, cut = [root], False
    root._grad = pending
    for node in order:  # the list grows while it is read
        for operand in operands(node):
            if type(operand) is not float and operand._requires_grad:
                if operand._id < oldest:
                    cut = True
                elif operand._primitive is not None and operand._grad is not pending:
                    operand._grad = pending
                    order.append(operand)
    order.sort(key=age)
    return order, cut


def _push(
    order: list[Node],
    leaves: dict[Any, Any],
    pending: Pending,
    oldest: float,
    plain: bool,
    create_graph: bool,
    retain_graph: bool,
) -> None:
    """Let each node, youngest first, pass its cotangent on to its operands."""
    owned: set[Node] = set()  # nodes whose gradient so far is an array that this pass made, and that nobody else holds
    unwritten: set[Node] = set()  # leaves that were asked already
    parts: dict[Node, list[tuple[Any, Node, Any]]] = {}  # what came back from parts of a node: (cotangent, the part, its parameters)

    def add(arriving: Iterable[tuple[Any, Any]], g: Any) -> None:
        for operand, contribution in arriving:
            is_leaf = operand._primitive is None
            so_far = leaves.get(operand, pending) if is_leaf else operand._grad
            if so_far is pending:
                if type(contribution) is np.ndarray:
                    if contribution.base is None and contribution is not g:
                        owned.add(operand)
                    elif is_leaf:  # the user's, so it must not be a view of another array
                        contribution = contribution.copy()
                        owned.add(operand)
            elif operand in owned:
                np.add(so_far, contribution, out=so_far)
                continue
            else:
                contribution = so_far + contribution
                if type(contribution) is np.ndarray:
                    owned.add(operand)
            if is_leaf:
                leaves[operand] = contribution
            else:
                operand._grad = contribution

    while order:
        if plain and type(order[-1]._grad) is float:
            push_scalars(order, leaves, pending, retain_graph)
            if not order:
                break
        node = order.pop()
        if parts and node in parts:
            add(_from_parts(node, parts.pop(node), create_graph), None)
        g, primitive, x = node._grad, node._primitive, node._x
        if g is pending:  # no use of this node passed anything on
            node._grad = None
        else:
            owned.discard(node)
            waits = primitive.sum_back and type(x._data) is np.ndarray and x._id < node._id
            if (
                waits
                and (x not in parts or parts[x][0][1]._primitive is primitive)
                and (x._primitive or x in unwritten or not must_be_unwritten(node) or not was_written(x))
            ):
                if must_be_unwritten(node):
                    unwritten.add(x)
                if x._requires_grad and x._id >= oldest and not (frozen and was_frozen(x, node)):
                    parts.setdefault(x, []).append((g, node, node._params))
            else:  # if x was changed since, this says so
                add(contributions(node, g, record=create_graph, oldest=oldest), g)
        if not retain_graph:
            node._grad = node._y = node._params = None
            node._x = ()
        elif create_graph and g is not pending:
            node._grad = g._data  # a recorded gradient here would refer back to its own node
    for leaf in list(parts):
        add(_from_parts(leaf, parts.pop(leaf), create_graph), None)


def _from_parts(x: Node, parts: list[tuple[Any, Node, Any]], record: bool) -> Iterator[tuple[Any, Any]]:
    """What the nodes that are parts of x pass back to it, added up at once: n parts cost n parts, not n times the whole of x."""
    (g, node, params), primitive, data = parts[-1], parts[-1][1]._primitive, x if record else x._data
    if len(parts) == 1:
        total = primitive.vjps[0](g, node if record else node._data, data, **params)
    else:
        total = primitive.sum_back([g for g, _, _ in parts], data, [params for _, _, params in parts])
    yield x, _received(total, x, node, record)
