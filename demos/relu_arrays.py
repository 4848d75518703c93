"""Why does `if x > 0` fail on an array, and what does ReLU's rule do instead?

An `if` takes one branch for one condition.  An array contains many numbers, and each has its own answer to
the condition.  The rule computes with all answers at once, as a mask of zeros and ones: the value is the
maximum of x and 0, and the derivative is the mask.
"""

from __future__ import annotations

from inspect import getsource
from timeit import repeat

import numpy as np

from demos._common import INK, PURPLE, colour, label_ends
from engine import TABLE, Value


def relu_by_branch(x):
    """ReLU with a branch: one condition for one number."""
    return 1.0 * x if x > 0 else 0.0 * x


def relu_by_mask(x):
    """ReLU without a branch, for numbers, arrays and Values."""
    return np.maximum(x, 0.0)


def slope_by_mask(x):
    """The derivative of ReLU; at 0 it is 0, by convention."""
    return 1.0 * (x > 0)


def attempt(function, x) -> str:
    """The result of function(x), or its error, as text."""
    try:
        return str(function(x))
    except ValueError as error:
        return f"ValueError: {error}"


def cells(axes, rows: dict[str, tuple[np.ndarray, str]]) -> None:
    """Draw arrays as rows of cells with numbers; a cell is filled if its number is not zero."""
    from matplotlib.patches import Rectangle

    for line, (name, (numbers, paint)) in enumerate(rows.items()):
        axes.text(-0.7, -line, name, ha="right", va="center", color=paint)
        for i, number in enumerate(numbers):
            axes.add_patch(Rectangle((i - 0.45, -line - 0.38), 0.9, 0.76, fc=paint if number else "none", ec=paint))
            axes.text(i, -line, f"{number:g}", ha="center", va="center", color="white" if number else paint)
    axes.set(xlim=(-2.2, len(numbers) - 0.5), ylim=(0.5 - len(rows), 0.5))
    axes.axis("off")


def run(demo) -> str:
    x = np.array([-3.0, -1.5, -0.5, 0.0, 0.5, 1.5, 3.0])
    print(f"x = {x}\n")
    print(f"by branch, a number:       {attempt(relu_by_branch, 3.0)}")
    print(f"by branch, an array:       {attempt(relu_by_branch, x)}")
    print(f"by branch, array of one:   {attempt(relu_by_branch, x[-1:])}  (works, and so hides the mistake)")
    print(f"by mask, the array:        {attempt(relu_by_mask, x)}")
    print(f"the engine's rule for it:  {getsource(TABLE['relu'].vjps[0]).strip(' ,' + chr(10))}")

    rows = []
    array = Value(x)
    out = array.relu()
    out.backward(np.ones(len(x)))
    for i, number in enumerate(x.tolist()):
        scalar = Value(number)
        one = relu_by_branch(scalar)
        one.backward()
        rows.append([f"{number:g}", one.data + 0.0, scalar.grad, out.data[i], array.grad[i]])
    demo.table(["x", "scalar, by branch", "derivative", "array, by the rule", "derivative"], rows)
    differences = sum(row[1:3] != row[3:5] for row in rows)

    many = np.random.default_rng(demo.seed).normal(size=demo.pick(500_000, 50_000))
    numbers = many.tolist()
    branch = min(repeat(lambda: [relu_by_branch(number) for number in numbers], number=1, repeat=3))
    mask = min(repeat(lambda: relu_by_mask(many), number=1, repeat=10))
    print(f"{len(many):,} numbers: one branch each {branch * 1e3:.1f} ms, one mask for all {mask * 1e3:.2f} ms")

    figure, (left, right) = demo.figure(1, 2, size=(11, 3.4), width_ratios=[1.6, 1])
    paint = colour("relu")
    cells(left, {"x": (x, INK), "x > 0": (slope_by_mask(x), PURPLE), "relu(x)": (out.data, paint), "relu′(x)": (array.grad, PURPLE)})
    left.set_title("Every number has its own answer")
    line = np.linspace(-3.2, 3.2, 401)
    right.plot(line, relu_by_mask(line), color=paint, label="relu")
    for side in (line[line < 0], line[line > 0]):
        right.plot(side, slope_by_mask(side), color=PURPLE, ls="--", label="relu′" if side[0] > 0 else "_")
    right.plot(x, out.data, "o", color=paint, label="_")
    right.plot(x, array.grad, "o", color=PURPLE, label="_")
    right.set(xlabel="x", xlim=(-3.2, 3.2), title="The same points on the curves")
    label_ends(right)
    demo.save(figure)
    return (
        f"An `if` needs one answer, and x has {x.size}; the rule keeps all of them, as a mask.\n"
        f"The values or derivatives of scalar and array differ at {differences} of {x.size} points; on {len(many):,} numbers "
        f"the mask is {branch / mask:.0f} times\nfaster than a branch for each."
    )
