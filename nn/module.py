"""`Module`: a function with parameters, made of other Modules.

    class Net(Module):
        def __init__(self):
            self.hidden = [Linear(2, 16), Linear(16, 16)]
            self.score = Linear(16, 1)

        def forward(self, x):
            for layer in self.hidden:
                x = np.tanh(layer(x))
            return self.score(x)

A Module is a plain object.  Its parameters are found in its attributes: every `engine.Parameter` and every
Module there counts, also inside lists, tuples and dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import numpy as np

from engine import Parameter, Value
from engine.trees import tree_paths

from .picture import Box, as_inputs, draw_boxes

__all__ = ["Module", "Sequential"]

M = TypeVar("M")


class Module:
    """The base of every layer and network: write `forward`, and call the module."""

    training: bool = True
    _buffer_names: tuple[str, ...] = ()
    _hooks_before: tuple[list[Callable[..., Any]], ...] = ()  # each hook in a list of its own: see `_register`
    _hooks_after: tuple[list[Callable[..., Any]], ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every kind of Module defines its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(); define what it computes")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (self._hooks_before or self._hooks_after):
            return self.forward(*args, **kwargs)
        for (hook,) in self._hooks_before:
            hook(self, args)
        output = self.forward(*args, **kwargs)
        for (hook,) in self._hooks_after:
            hook(self, args, output)
        return output

    # ── the Modules and Parameters in it ──────────────────────────────────────

    def _members(self, kind: type[M]) -> Iterator[tuple[str, M]]:
        """The Parameters or the Modules in its own attributes with their names, in the order of assignment."""
        for path, thing in tree_paths(vars(self)):
            if isinstance(thing, kind):
                yield ".".join(map(str, path)), thing

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The Modules in its own attributes with their names: ("hidden.0", Linear(...))."""
        return self._members(Module)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This Module and every Module in it, depth first, with dotted names.

        A Module that is found in two places is given once, under the first of its names.
        """
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [(prefix, self)]
        while waiting:
            name, module = waiting.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            children = [(_join(name, child), thing) for child, thing in module.named_children()]
            waiting.extend(reversed(children))

    def modules(self) -> list[Module]:
        """This Module and every Module in it."""
        return [module for _, module in self.named_modules()]

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every Parameter in it with its dotted name; a shared Parameter is given once, under its first name."""
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for name, thing in module._members(Parameter):
                if id(thing) not in seen:
                    seen.add(id(thing))
                    yield _join(prefix, name), thing

    def parameters(self) -> list[Any]:
        """Every Parameter in it."""
        return [parameter for _, parameter in self.named_parameters()]

    # ── buffers: arrays that are saved with the model, but not learned ────────

    def register_buffer(self, name: str, data: Any) -> None:
        """Keep an array as the attribute `name`, and save it with the parameters: for example a running mean."""
        self._buffer_names = (*self._buffer_names, name)
        setattr(self, name, np.asarray(data))

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """Every buffer in it with its dotted name."""
        for prefix, module in self.named_modules():
            for name in module._buffer_names:
                yield _join(prefix, name), getattr(module, name)

    def _places(self) -> Iterator[tuple[str, Module]]:
        """This Module and every Module in it, under each name that leads to it; `named_modules` gives the first one only."""
        waiting: list[tuple[str, Module, tuple[Module, ...]]] = [("", self, ())]
        while waiting:
            name, module, above = waiting.pop()
            yield name, module
            children = [(_join(name, key), child, (*above, module)) for key, child in module.named_children()]
            waiting.extend(entry for entry in reversed(children) if not any(entry[1] is other for other in entry[2]))

    # ── saving and loading ────────────────────────────────────────────────────

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of all its parameters and buffers, as arrays by dotted name; a shared one under each of its names, as in PyTorch."""
        parameters, buffers = self._stored()
        return {name: parameter.numpy() for name, parameter in parameters.items()} | {name: np.array(b) for name, b in buffers.items()}

    def _stored(self) -> tuple[dict[str, Parameter], dict[str, np.ndarray[Any, Any]]]:
        """What a state holds: the Parameters and the buffers, by each of their dotted names."""
        places = list(self._places())
        parameters = {_join(prefix, name): parameter for prefix, module in places for name, parameter in module._members(Parameter)}
        return parameters, {_join(prefix, name): getattr(module, name) for prefix, module in places for name in module._buffer_names}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> tuple[list[str], list[str]]:
        """Set the parameters and buffers to copies of the arrays in `state`; return the names (missing, unexpected).

        The Parameters stay the same objects, so an optimiser that holds them goes on working.

        Args:
            state: arrays by dotted name, as from `state_dict`.
            strict: whether a missing or an unexpected name is an error.

        Raises:
            ValueError: a shape differs, or the names of a shared parameter have different arrays; or, if `strict`, a
                name is missing or unexpected.  The message lists every problem, and nothing was loaded.
        """
        parameters, buffers = self._stored()
        own: dict[str, Any] = parameters | buffers
        arrays = {name: np.asarray(entry.data if isinstance(entry, Value) else entry) for name, entry in state.items()}
        shared: dict[int, list[str]] = {}  # the given names of each parameter
        for name, parameter in parameters.items():
            if name in arrays:
                shared.setdefault(id(parameter), []).append(name)
        missing = [name for name, thing in own.items() if name not in arrays and not (name in parameters and id(thing) in shared)]
        unexpected = [name for name in arrays if name not in own]
        wrong = [
            f"{name} has shape {arrays[name].shape}, here it is {np.shape(own[name])}"
            for name in own
            if name in arrays and arrays[name].shape != np.shape(own[name])
        ]
        differing = [
            f"{' and '.join(names)} are one parameter here, and differ in the state"
            for names in shared.values()
            if not wrong and not all(np.array_equal(arrays[name], arrays[names[0]], equal_nan=True) for name in names)
        ]
        problems = [*wrong, *differing]
        if strict and missing:
            problems.append("missing: " + ", ".join(missing))
        if strict and unexpected:
            problems.append("unexpected: " + ", ".join(unexpected))
        if problems:
            raise ValueError(f"load_state_dict of {type(self).__name__}: " + "; ".join(problems))
        for name, parameter in parameters.items():
            if name in arrays:
                parameter.data = arrays[name].astype(parameter.dtype)
        for prefix, module in self._places():
            for name in module._buffer_names:
                if (full := _join(prefix, name)) in arrays:
                    setattr(module, name, arrays[full].astype(buffers[full].dtype))
        return missing, unexpected

    # ── modes and gradients ───────────────────────────────────────────────────

    def train(self, mode: bool = True) -> Self:
        """Put this Module and every Module in it into training mode: Dropout drops, BatchNorm uses the batch's statistics."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Put this Module and every Module in it into evaluation mode."""
        return self.train(False)

    @contextmanager
    def modes_kept(self) -> Iterator[None]:
        """Inside, the modes may change; at the end every Module in it has its own again."""
        modes = [(module, module.training) for module in self.modules()]
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode

    def zero_grad(self) -> None:
        """Remove the gradients of its parameters; backward() adds to the gradient that is there."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # ── hooks, repr and picture ───────────────────────────────────────────────

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> Callable[[], None]:
        """Call hook(module, args) before each forward pass; returns the function that removes the hook."""
        return self._register("_hooks_before", hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> Callable[[], None]:
        """Call hook(module, args, output) after each forward pass; returns the function that removes the hook."""
        return self._register("_hooks_after", hook)

    def _register(self, hooks: str, hook: Callable[..., Any]) -> Callable[[], None]:
        """Add a hook to one of the two tuples; returns the function that removes this one entry."""
        entry = [hook]  # the list tells two registrations of the same function apart
        setattr(self, hooks, (*getattr(self, hooks), entry))

        def remove() -> None:
            setattr(self, hooks, tuple(other for other in getattr(self, hooks) if other is not entry))

        return remove

    def extra_repr(self) -> str:
        """The options between the parentheses of its repr."""
        return ""

    def draw(self, *args: Any, collapse: str | Iterable[str] | bool = (), **options: Any) -> Any:
        """Call the Module and draw the graph of its output, as `engine.draw` does, with a labelled box for each Module in it.

        Args:
            args: the arguments of the call; arrays are shown as inputs x, or x0, x1, ... if there are several.
            collapse: the names of Modules to draw as one box each ("0", "layers.1"); True does so for every outermost one.
            options: those of `engine.draw`: format, rankdir, max_nodes, ...
        """
        boxes, removers = {}, []
        for name, module in self.named_modules():
            if module is not self:
                own = [parameter for _, parameter in module._members(Parameter)]
                boxes[name] = box = Box(module._title.removesuffix("()"), own)
                removers += [module.register_forward_pre_hook(box.enter), module.register_forward_hook(box.leave)]
        try:
            output = self(*as_inputs(args))
        finally:
            for remove in removers:
                remove()
        return draw_boxes(output, boxes, dict(self.named_parameters()), collapse, options)

    @property
    def _title(self) -> str:
        """Its kind and options, for reprs and error messages: Linear(2, 16)."""
        return f"{type(self).__name__}({self.extra_repr()})"

    def __repr__(self) -> str:
        return "\n".join(_tree(self, "", " parameters"))


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _tree(module: Module, name: str, unit: str = "") -> Iterator[str]:
    """The lines of a repr: the Module with its number of parameters, and its children below it."""
    count = sum(parameter.size for parameter in module.parameters())
    children = list(module.named_children())
    title = f"{name} {module._title.removesuffix('()') if children else module._title}".strip()
    yield f"{title} · {count:,}{unit}" if count else title
    for i, (child_name, child) in enumerate(children):
        last = i == len(children) - 1
        lines = _tree(child, child_name)
        yield ("└─ " if last else "├─ ") + next(lines)
        for line in lines:
            yield ("   " if last else "│  ") + line


class Sequential(Module):
    """Modules applied one after another: Sequential(Linear(2, 16), ReLU(), Linear(16, 1)).

    Their names are "0", "1", ..., or the keys of a dict.  `model[0]` is the first Module; `model[:2]` is a
    Sequential of the first two, with the same parameters.

    Raises:
        TypeError: an argument is not a Module.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        named: dict[str, Any] = (
            dict(modules[0])
            if len(modules) == 1 and isinstance(modules[0], Mapping)
            else {str(i): module for i, module in enumerate(modules)}
        )
        for name, module in named.items():
            if not isinstance(module, Module):
                raise TypeError(f"Sequential takes Modules, and {name!r} is {module!r}; wrap a function in a Module of your own")
        self._names = tuple(named)
        vars(self).update(named)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return (vars(self)[name] for name in self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self)[index]
        return Sequential(*modules) if isinstance(modules, list) else modules
