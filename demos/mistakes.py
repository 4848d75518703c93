"""Which gradients do the classic mistakes in writing backprop give, and on how small a graph?

Four wrong backward passes.  Each differs from the right one in one line, and is shown on the smallest graph
with a wrong result.  The local derivatives come from the engine and are right; the mistake is in their use.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from demos._common import BLUE, INK, RIGHT, WRONG
from engine import Value
from engine.backprop import contributions
from engine.node import reachable


def named(name: str, value: Value) -> Value:
    """The value, with the name as its label."""
    value.label = name
    return value


def overwrite(root: Value) -> None:
    """If a value is used several times, only the use that is visited last counts."""
    root.grad = 1.0
    for node in reversed(reachable([root])):
        if not node.is_leaf:
            for operand, contribution in contributions(node, node.grad):
                operand.grad = contribution  # right: operand.grad + contribution


def disorder(root: Value) -> None:
    """A node passes its gradient on when it is first reached, before all contributions to it have arrived."""
    root.grad = 1.0
    queue, reached = deque([root]), {root}
    while queue:
        node = queue.popleft()  # right: the youngest node in the queue, whose gradient is complete
        for operand, contribution in contributions(node, node.grad):
            operand.grad = operand.grad + contribution
            if operand not in reached and not operand.is_leaf:
                reached.add(operand)
                queue.append(operand)


def leftovers(root: Value) -> None:
    """Two backward passes without setting the gradients to zero between them: the second adds to the first."""
    root.backward()
    root.backward()  # right: a.grad = 0.0 before it


def stretched(root: Value) -> None:
    """The scalar a was broadcast to the shape of x; its gradient g · x is not summed, and has the wrong shape."""
    root.backward()
    product = root.operands[0]
    x, a = product.operands
    a._grad = product.grad * x.data  # right: a.grad = np.sum(product.grad * x.data); `a.grad` refuses this shape


def two_paths(a: Value) -> Value:
    """A graph in which the node b is used twice: by the node 3b, and by the node b + 3b."""
    b = named("b", 2 * a)
    return named("b + 3b", b + named("3b", 3 * b))


def broadcast(a: Value) -> Value:
    """A graph in which a scalar is multiplied by an array."""
    x = Value([1.0, 2.0, 4.0], label="x", requires_grad=False)
    return named("sum", named("x · a", x * a).sum())


MISTAKES = {
    "= instead of +=": (overwrite, lambda a: named("a + a", a + a), "a + a"),
    "no topological order": (disorder, two_paths, "b + 3b,  where b = 2a"),
    "gradients not zeroed": (leftovers, lambda a: named("2a", 2 * a), "2a,  passed twice"),
    "broadcasting not undone": (stretched, broadcast, "sum(x · a),  where x = [1 2 4]"),
}


def show(gradient) -> str:
    """A gradient as short text: 2, or [1 2 4]."""
    return np.array2string(np.asarray(gradient), formatter={"float": lambda x: f"{x:g}"})


def draw(axes, title: str, right: Value, wrong: Value) -> None:
    """The graph in one row, oldest value first, with an arc for every use; below each value its right and wrong gradients."""
    axes.set(xlim=(-0.75, 3.5), ylim=(-1.15, 1.0))
    axes.set_title(title)
    axes.axis("off")
    nodes, twins = reachable([right]), reachable([wrong])
    step = 3 / (len(nodes) - 1)
    at = {node: i * step for i, node in enumerate(nodes)}
    for node in nodes:
        uses = [operand for operand in node.operands if isinstance(operand, Value)]
        for i, operand in enumerate(uses):
            twice = len(set(uses)) < len(uses)
            bend = (-0.3, 0.3)[i] if twice else 0.0 if at[node] - at[operand] < 1.5 * step else -0.5
            arrow = {"arrowstyle": "-|>", "shrinkA": 20, "shrinkB": 20, "color": INK, "lw": 1.3, "connectionstyle": f"arc3,rad={bend}"}
            axes.annotate("", (at[node], 0), (at[operand], 0), arrowprops=arrow)
    for node, twin in zip(nodes, twins, strict=True):
        axes.plot(at[node], 0, "o", ms=34, color=BLUE if node.is_leaf else INK)
        axes.text(at[node], 0, node.label, ha="center", va="center", color="white", weight="bold", size=8)
        if node.requires_grad:
            axes.text(at[node], -0.62, show(node.grad), ha="center", color=RIGHT)
            if show(twin.grad) != show(node.grad):
                axes.text(at[node], -0.92, show(twin.grad), ha="center", color=WRONG, weight="bold")
    axes.text(-0.75, -0.62, "right", color=RIGHT)
    axes.text(-0.75, -0.92, "wrong", color=WRONG)


def run(demo) -> str:
    figure, panels = demo.figure(2, 2, size=(9.5, 5.2))
    rows, told = [], []
    for axes, (mistake, (wrong_pass, build, formula)) in zip(panels.flat, MISTAKES.items(), strict=True):
        a, twin = Value(3.0, label="a"), Value(3.0, label="a")
        right, wrong = build(a), build(twin)
        right.backward()
        wrong_pass(wrong)
        rows.append([mistake, formula.partition(",")[0], show(a.grad), show(twin.grad)])
        told.append(f"{mistake}: {show(twin.grad)} where {show(a.grad)} is right")
        draw(axes, f"{mistake}:  {formula}", right, wrong)
    for mistake, (wrong_pass, _, _) in MISTAKES.items():
        print(f"{mistake}\n    {wrong_pass.__doc__}")
    demo.table(["mistake", "the smallest graph", "right", "wrong"], rows)
    demo.save(figure)
    return "The gradient of a, on graphs of two to four values:\n  " + "\n  ".join(told)
