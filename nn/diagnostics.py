"""Diagnostics of a network: the outputs and gradients of each layer, dead units, and the gradients of the weights.

with watch(model) as seen:
    loss = cross_entropy(model(x), y)
    loss.backward()
print(seen)                                # a table with one row per layer
plot_gradient_flow(model)                  # the gradient of each weight, as a matplotlib Figure
dead_units(model, Batches(x, y))           # the units that are 0 for every example
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

FLAT = 0.02  # an element is saturated if its |local derivative| is below this: tanh beyond ±2.65, sigmoid beyond ±3.9


@dataclass(frozen=True)
class LayerStatistics:
    """One layer: statistics of its outputs, and of the gradient of the loss with respect to them.

    Attributes:
        name: the dotted name of the Module.
        kind: its class.
        shape: the shape of the output of the first call.
        mean, std: of all outputs.
        zeros: the fraction of outputs that are exactly 0.
        saturated: the fraction of outputs with a |local derivative| below `FLAT`; None if the layer is not elementwise.
        grad_mean, grad_std, grad_zeros: the same of the gradient; None before a backward pass.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    std: float
    zeros: float
    saturated: float | None
    grad_mean: float | None
    grad_std: float | None
    grad_zeros: float | None


class Watch:
    """A context manager that records the output of every Module of a model: see `watch`."""

    def __init__(self, model: Module):
        self.model = model
        self._outputs: dict[Value, tuple[str, Module, Any]] = {}
        self._removers: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        for name, module in self.model.named_modules():
            self._removers.append(module.register_forward_hook(self._recorder(name)))
        return self

    def __exit__(self, *_: Any) -> None:
        while self._removers:
            self._removers.pop()()

    def _recorder(self, name: str) -> Callable[[Module, tuple[Any, ...], Any], None]:
        """The hook of one Module, which enters its output."""

        def record(module: Module, args: tuple[Any, ...], output: Any) -> None:
            # A container returns the output of its last Module, and Dropout in evaluation its input: neither is an output of its own.
            if isinstance(output, Value) and output not in self._outputs and not any(output is arg for arg in args):
                self._outputs[output] = (name, module, _slope(output))

        return record

    @property
    def layers(self) -> list[LayerStatistics]:
        """One row for each Module with an output, in the order of the first calls; several calls of a Module share a row."""
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
            table.add_column(header, justify="left" if i < 3 else "right")
        for row in self.layers:
            percents = [_percent(row.zeros), _percent(row.saturated)]
            gradient = [_number(row.grad_mean), _number(row.grad_std), _percent(row.grad_zeros)]
            table.add_row(row.name or "(model)", row.kind, str(row.shape), _number(row.mean), _number(row.std), *percents, *gradient)
        text = StringIO()
        Console(file=text, width=Console(width=1000).measure(table).maximum, markup=False).print(table)
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def watch(model: Module) -> Watch:
    """Record the forward passes inside `with watch(model) as seen:`; read `seen.layers` or `print(seen)` afterwards.

    The gradients are those of the last backward pass.  Call `backward()` without `retain_graph=False`, which frees
    them.  `seen` keeps the graphs of the recorded passes alive.
    """
    return Watch(model)


def dead_units(model: Module, batches: Iterable[Any], axis: int = 1) -> dict[str, list[int]]:
    """The dead units of every elementwise layer: their indices, by the name of the layer.

    A unit is dead if its output is exactly 0 for every example of the batches.  A dead ReLU unit gets no gradient, so
    training does not change it any more.

    Args:
        batches: batches (x, y) as for `fit`; the targets are not used.
        axis: the axis of the units: 1 for outputs (examples, units) and for the channels of a convolution,
            -1 for sequences (examples, time, units).
    """
    alive: dict[str, Any] = {}  # by the name of the layer: for each unit, whether any output was not 0
    with model.modes_kept():
        model.eval()
        for *inputs, _ in batches:
            with watch(model) as seen:
                model(*inputs)
            for output, (name, _, slope) in seen._outputs.items():
                if slope is not None and output.ndim > 1:
                    others = tuple(i for i in range(output.ndim) if i != axis % output.ndim)
                    alive[name] = alive.get(name, False) | (output.data != 0).any(others)
    return {name: np.flatnonzero(~units).tolist() for name, units in alive.items()}


def plot_gradient_flow(model: Module) -> Figure:
    """A matplotlib Figure: the size of the gradient of every weight after a backward pass, from the first layer to the last.

    A weight is a parameter with at least two axes, so biases are left out.  A dot is the root mean square of the
    elements of its gradient, and the mark above is the largest |element|.  The scale is logarithmic, so a gradient
    that vanishes towards the first layers appears as a slope.

    Raises:
        ValueError: no weight has a gradient yet.
        ModuleNotFoundError: matplotlib is missing.
    """
    gradients = {name: np.abs(p.grad) for name, p in model.named_parameters() if p.has_grad and p.ndim > 1}
    if not gradients:
        raise ValueError("no weight (a parameter with at least two axes) has a gradient yet; call loss.backward() first")
    figure: Figure = require("matplotlib.figure", "demos").Figure(figsize=(max(4.0, 0.5 * len(gradients) + 2), 3.8), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(gradients))
    middles = [np.sqrt(np.mean(g * g)) for g in gradients.values()]
    axes.plot(places, middles, "o-", label="root mean square")
    axes.plot(places, [g.max() for g in gradients.values()], "_", markersize=14, color="tab:red", label="largest")
    axes.set_yscale("log")
    axes.margins(x=0.1, y=0.3)
    axes.set_xticks(places, list(gradients), rotation=40, ha="right", rotation_mode="anchor")
    axes.set(ylabel="|gradient|")
    axes.legend(frameon=False)
    return figure


def _slope(output: Value) -> Any:
    """The local derivative of an elementwise operation of one operand, at every element; None for any other operation."""
    operation = output.primitive
    if operation is None or not operation.elementwise or len(output.operands) != 1 or not output.requires_grad:
        return None
    return next((slope for _, slope in contributions(output, np.ones_like(output.data))), None)


def _statistics(name: str, outputs: list[Value], modules: list[Module], slopes: list[Any]) -> LayerStatistics:
    """The row of one Module, from the outputs of all its calls."""
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
