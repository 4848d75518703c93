"""`Module.draw`: the graph of one call, each module in it a labelled box that can be folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import engine
from engine import Parameter, Value

from .module import Module

__all__ = ["draw_module"]


def draw_module(module: Module, args: Sequence[Any], collapse: str | Iterable[str] | bool, options: dict[str, Any]) -> Any:
    """The picture of module(*args): see `Module.draw`."""
    names = {name: inner for name, inner in module.named_modules() if name}
    paths = _paths(names)
    output, spans = _watch(module, names, _labelled(args))
    graph = engine.Graph(output)
    groups: dict[str, list[Value]] = {}
    for name, inner in names.items():
        members: list[Value] = [thing for _, thing in inner._members() if isinstance(thing, Parameter)]
        members += [
            node.value
            for node in graph.nodes
            if node.value is not None and node.op and any(start < node.value._id < end for start, end in spans[name])
        ]
        if members:
            groups[paths[name]] = members
    if not isinstance(collapse, bool):
        collapse = [paths.get(name, name) for name in ([collapse] if isinstance(collapse, str) else collapse)]
    return engine.draw(output, dict(module.named_parameters()), collapse=collapse, groups=groups, **options)


def _paths(names: dict[str, Module]) -> dict[str, str]:
    """Name -> the title of its box after the titles of those around it: "2: Sequential.0: Linear(2, 16)"."""
    paths: dict[str, str] = {}
    for name, module in names.items():
        parent = max((outer for outer in paths if name.startswith(f"{outer}.")), key=len, default="")
        title = f"{name[len(parent) + 1 :] if parent else name}: {module._title.removesuffix('()')}"
        paths[name] = f"{paths[parent]}.{title}" if parent else title
    return paths


def _labelled(args: Sequence[Any]) -> list[Any]:
    """The arguments, with arrays as Values that the picture can show: x, or x0, x1, ..."""
    arrays = [i for i, arg in enumerate(args) if isinstance(arg, np.ndarray) and arg.dtype.kind == "f"]
    labels = {i: f"x{n}" if len(arrays) > 1 else "x" for n, i in enumerate(arrays)}
    return [Value(arg, label=labels[i], requires_grad=False) if i in labels else arg for i, arg in enumerate(args)]


def _watch(module: Module, names: dict[str, Module], args: Sequence[Any]) -> tuple[Any, dict[str, list[tuple[int, int]]]]:
    """The output of a call; and for each module the spans of creation times in which it ran."""
    spans: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
    started: list[int] = []
    removers = []

    def now() -> int:
        return Value(0.0)._id

    for name, inner in names.items():
        removers.append(inner.register_forward_pre_hook(lambda *_: started.append(now())))
        removers.append(inner.register_forward_hook(lambda *_, name=name: spans[name].append((started.pop(), now()))))
    try:
        return module(*args), spans
    finally:
        for remove in removers:
            remove()
