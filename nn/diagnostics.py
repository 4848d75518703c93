"""Is the network learning?  What each layer puts out, what flows back through it, which units are dead.

with watch(model) as seen:
    loss = cross_entropy(model(x), y)
    loss.backward()
print(seen)                                # a row per layer
plot_gradient_flow(model)                  # gradients by parameter, as a matplotlib Figure
dead_units(model, Batches(x, y))           # units that are 0 for every example
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from engine import Value
from engine.backprop import contributions

from ._extras import require
from .module import Module

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LayerStatistics", "Watch", "dead_units", "plot_gradient_flow", "watch"]

FLAT = 0.02  # a local derivative below this passes next to nothing back: tanh beyond ±2.65, sigmoid beyond ±3.9


@dataclass(frozen=True)
class LayerStatistics:
    """One layer: its outputs, and the gradient of the loss with respect to them."""

    name: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    std: float
    zeros: float  # the fraction that is exactly 0
    saturated: float | None  # the fraction whose local derivative is below FLAT; None where it isn't elementwise
    grad_mean: float | None  # None before a backward pass
    grad_std: float | None
    grad_zeros: float | None


class Watch:
    """Records what every module of a model puts out while it is open: see `watch`."""

    def __init__(self, model: Module):
        self.model = model
        self._outputs: dict[Value, tuple[str, Module, Any]] = {}
        self._removes: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        for name, module in self.model.named_modules():
            self._removes.append(module.register_forward_hook(self._recorder(name)))
        return self

    def __exit__(self, *_: Any) -> None:
        while self._removes:
            self._removes.pop()()

    def _recorder(self, name: str) -> Callable[[Module, tuple[Any, ...], Any], None]:
        def record(module: Module, args: tuple[Any, ...], output: Any) -> None:
            # A container passes on what its last module put out, and Dropout in evaluation what came in.
            if isinstance(output, Value) and output not in self._outputs and not any(output is arg for arg in args):
                self._outputs[output] = (name, module, _slope(output))

        return record

    @property
    def layers(self) -> list[LayerStatistics]:
        """A row for every module that put something out, in the order of their first call; repeated calls together."""
        calls: dict[str, list[tuple[Value, Module, Any]]] = {}
        for output, (name, module, slope) in self._outputs.items():
            calls.setdefault(name, []).append((output, module, slope))
        return [_statistics(name, *map(list, zip(*rows, strict=True))) for name, rows in calls.items()]

    def __str__(self) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        headers = ("layer", "", "shape", "mean", "std", "zeros", "saturated", "grad mean", "grad std", "grad zeros")
        for i, header in enumerate(headers):
            table.add_column(header, justify="left" if i < 3 else "right", no_wrap=True)
        for row in self.layers:
            percents = [_percent(row.zeros), _percent(row.saturated)]
            gradient = [_number(row.grad_mean), _number(row.grad_std), _percent(row.grad_zeros)]
            table.add_row(row.name or "(model)", row.kind, str(row.shape), _number(row.mean), _number(row.std), *percents, *gradient)
        text = StringIO()
        Console(file=text, width=Console(width=1000).measure(table).maximum, markup=False, highlight=False).print(table)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def watch(model: Module) -> Watch:
    """`with watch(model) as seen:` records the forward passes inside; afterwards `seen.layers` and `print(seen)`.

    Gradients are those of the last backward pass; call it with its defaults, which keep them
    (`retain_graph=False`, as in `fit`, does not).  The recorded passes live as long as `seen`.
    """
    return Watch(model)


def dead_units(model: Module, batches: Iterable[Any], axis: int = 1) -> dict[str, list[int]]:
    """For every elementwise layer, the units that are exactly 0 for every example of the batches.

    A ReLU unit that is 0 for all of the training data gets no gradient, and never comes back.

    Args:
        batches: (x, y) as for `fit`; the targets are not looked at.
        axis: where the units are: 1 for outputs (examples, units) and for the channels of a convolution,
            -1 for sequences (examples, time, units).
    """
    alive: dict[str, Any] = {}
    mode = model.training
    model.eval()
    try:
        for *inputs, _ in batches:
            with watch(model) as seen:
                model(*inputs)
            for output, (name, _, slope) in seen._outputs.items():
                if slope is not None and output.ndim > 1:
                    others = tuple(i for i in range(output.ndim) if i != axis % output.ndim)
                    alive[name] = alive.get(name, False) | (output.data != 0).any(others)
    finally:
        model.train(mode)
    return {name: np.flatnonzero(~units).tolist() for name, units in alive.items()}


def plot_gradient_flow(model: Module) -> Figure:
    """The gradient of every parameter of a model after a backward pass, first layer first: a matplotlib Figure.

    A dot is the root mean square of its elements, the mark above it the largest; on the logarithmic scale a
    gradient that vanishes towards the first layers is a slope.  Biases are left out.

    Raises:
        ValueError: no weight, a parameter of two axes or more, has a gradient yet.
    """
    gradients = {name: np.abs(p.grad) for name, p in model.named_parameters() if p.has_grad and p.ndim > 1}
    if not gradients:
        raise ValueError("no weight has a gradient yet (of two axes or more); run a forward pass and loss.backward() first")
    figure: Figure = require("matplotlib.figure", "demos").Figure(figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(gradients))
    middles = [np.sqrt(np.mean(g * g)) for g in gradients.values()]
    axes.plot(places, middles, "o-", label="root mean square")
    axes.plot(places, [g.max() for g in gradients.values()], "_", markersize=14, color="tab:red", label="largest")
    axes.set_yscale("log", nonpositive="clip")
    axes.margins(x=0.1, y=0.3)
    axes.set_xticks(places, list(gradients), rotation=40, ha="right", rotation_mode="anchor")
    axes.set(ylabel="|gradient|")
    axes.legend(frameon=False)
    return figure


def _slope(output: Value) -> Any:
    """The local derivative of an elementwise operation of one operand, at every element; None for any other."""
    operation = output._primitive
    if operation is None or not operation.elementwise or len(output.operands) != 1 or not output.requires_grad:
        return None
    one = np.ones_like(output.data) if output.ndim else 1.0
    return next((slope for _, slope in contributions(output, one)), None)


def _statistics(name: str, outputs: list[Value], modules: list[Module], slopes: list[Any]) -> LayerStatistics:
    data = np.concatenate([np.ravel(output.data) for output in outputs])
    grads = [np.ravel(output.grad) for output in outputs if output.has_grad]
    grad = np.concatenate(grads) if grads else None
    flat = None if slopes[0] is None else np.concatenate([np.ravel(np.abs(slope)) < FLAT for slope in slopes])
    return LayerStatistics(
        name=name,
        kind=type(modules[0]).__name__,
        shape=outputs[0].shape,
        mean=float(data.mean()),
        std=float(data.std()),
        zeros=float(np.mean(data == 0)),
        saturated=None if flat is None else float(flat.mean()),
        grad_mean=None if grad is None else float(grad.mean()),
        grad_std=None if grad is None else float(grad.std()),
        grad_zeros=None if grad is None else float(np.mean(grad == 0)),
    )


def _number(x: float | None) -> str:
    return "—" if x is None else f"{x:.3g}"


def _percent(x: float | None) -> str:
    return "—" if x is None else f"{x:.1%}"
