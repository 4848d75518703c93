"""What does a gradient promise each number inside a neuron, and is the promise kept?

The first demo of micrograd: relu(w1·x1 + w2·x2 + b) with random weights, drawn with every value, local
derivative and gradient; once for the inputs x, and once for -x.  For one of the two, the output is 0.
A gradient promises: if this number increases a little, the output increases by the gradient times that.
Here each number is increased, and the output is measured.  `--seed 1337 --inputs 1 -2` are those of micrograd.
"""

from __future__ import annotations

import numpy as np

from demos._common import BLUE, GREEN, INK, ORANGE
from engine import Value, draw, no_grad
from nn import Neuron

NUDGE = 0.01


def add_arguments(parser) -> None:
    parser.add_argument("--inputs", type=float, nargs=2, default=[2.0, -1.0], metavar=("X1", "X2"), help="default 2 -1")


def output_with(neuron: Neuron, x: list[Value], number: Value, data: float) -> float:
    """The output of the neuron with another value for one of its numbers."""
    before, number.data = number.data, data
    with no_grad():
        out = neuron(x).data
    number.data = before
    return out


def draw_promise(axes, neuron: Neuron, x: list[Value], number: Value, out: float) -> None:
    """The output as a function of one of the numbers, and the straight line that the gradient promises."""
    around = np.linspace(number.data - 3.0, number.data + 3.0, 121)
    axes.plot(around, [output_with(neuron, x, number, data) for data in around.tolist()], color=BLUE, label="output")
    axes.plot(around, out + number.grad * (around - number.data), "--", color=ORANGE, lw=1.4, label="promised")
    axes.plot(number.data, out, "o", ms=7, color=GREEN if number.grad else INK, mec="white", zorder=3)
    axes.set(xlim=(around[0], around[-1]), ylim=(-2.2, 6.5), title=f"∂out/∂{number.label} = {number.grad + 0.0:.3g}")


def run(demo) -> str:
    neuron = Neuron(2)
    for name, weight in zip(("w1", "w2", "b"), (*neuron.w, neuron.b), strict=True):
        weight.label = name
    figure, panels = demo.figure(2, 5, size=(12, 4.8), sharey=True)
    rows, gaps, gradients, outputs = [], [], [], []
    for row, sign in enumerate((1.0, -1.0)):
        x = [Value(sign * number, label=f"x{i + 1}") for i, number in enumerate(demo.inputs)]
        numbers = [*x, *neuron.w, neuron.b]
        neuron.zero_grad()
        out = neuron(x)
        out.label = "out"
        out.backward()
        side = "x" if sign > 0 else "-x"
        picture = draw(out)
        for kind in ("png", "svg"):
            print("wrote", picture.render(outfile=demo.out / f"neuron_{'on' if out.data > 0 else 'off'}.{kind}", cleanup=True))
        for axes, number in zip(panels[row], numbers, strict=True):
            rise = output_with(neuron, x, number, number.data + NUDGE) - out.data
            rows.append([side, number.label, number.data, number.grad + 0.0, number.grad * NUDGE + 0.0, rise])
            gaps.append(abs(rise - number.grad * NUDGE))
            draw_promise(axes, neuron, x, number, out.data)
            if row:
                axes.set_xlabel(number.label)
        panels[row, 4].legend(loc="upper left")
        panels[row, 0].set_ylabel(f"output, for {side}")
        outputs.append(out.data)
        gradients.append([number.grad for number in numbers])
    if not any(outputs):
        raise SystemExit("the sum is at the kink of the relu, where there is no derivative; take other --inputs")
    demo.table(["inputs", "number", "value", "gradient", f"promised for +{NUDGE:g}", "measured"], rows)
    demo.save(figure)
    on, off = np.argmax(outputs), np.argmin(outputs)
    return (
        f"For {'x' if on == 0 else '-x'} the output is {outputs[on]:.4g}, and the gradients of w1 and w2 are the inputs, "
        f"{gradients[on][2]:g} and {gradients[on][3]:g}.\n"
        f"Each of the {len(rows)} numbers, increased by {NUDGE:g}, changes the output as promised, to within {max(gaps):.0e}.\n"
        f"For {'x' if off == 0 else '-x'} the relu is inactive: the output is {outputs[off]:g} and all gradients are "
        f"{np.abs(gradients[off]).max():g}, so the neuron learns nothing."
    )
