"""`Module`: a function with parameters, made of other Modules.

    class Net(Module):
        def __init__(self):
            self.hidden = [Linear(2, 16), Linear(16, 16)]
            self.score = Linear(16, 1)

        def forward(self, x):
            for layer in self.hidden:
                x = np.tanh(layer(x))
            return self.score(x)

A Module is a plain object.  What it learns is found by looking at its attributes: every
`engine.Parameter` and every Module in them, also in lists, tuples and dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from engine import Parameter, Value
from engine.trees import tree_paths

__all__ = ["Module", "Sequential"]


class Module:
    """The base of every layer and network: write `forward`, and call the module."""

    training: bool = True
    _buffer_names: tuple[str, ...] = ()
    _hooks_before: tuple[Callable[..., Any], ...] = ()
    _hooks_after: tuple[Callable[..., Any], ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; each kind of module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(); define what it computes")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (self._hooks_before or self._hooks_after):
            return self.forward(*args, **kwargs)
        for hook in self._hooks_before:
            hook(self, args)
        output = self.forward(*args, **kwargs)
        for hook in self._hooks_after:
            hook(self, args, output)
        return output

    # ── what it is made of ────────────────────────────────────────────────────

    def _members(self) -> Iterator[tuple[str, Parameter | Module]]:
        """The Parameters and Modules in its attributes, under their names, in the order of assignment."""
        for path, thing in tree_paths(vars(self)):
            if isinstance(thing, (Parameter, Module)):
                yield ".".join(map(str, path)), thing

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Its Modules, one level deep: ("hidden.0", Linear(...))."""
        return ((name, thing) for name, thing in self._members() if isinstance(thing, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Every Module in it, itself first, depth first; one that stands in two places comes once."""
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
        """Every Module in it, itself first."""
        return [module for _, module in self.named_modules()]

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every Parameter in it with its dotted name; a shared one comes once, under its first name."""
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for name, thing in module._members():
                if isinstance(thing, Parameter) and id(thing) not in seen:
                    seen.add(id(thing))
                    yield _join(prefix, name), thing

    def parameters(self) -> list[Any]:
        """Every Parameter in it."""
        return [parameter for _, parameter in self.named_parameters()]

    # ── buffers: numbers that are kept, but not learned ───────────────────────

    def register_buffer(self, name: str, data: Any) -> None:
        """Keep an array as the attribute `name`, and save it with the parameters: a running mean, say."""
        self._buffer_names = (*self._buffer_names, name)
        setattr(self, name, np.asarray(data))

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """Every buffer in it with its dotted name."""
        for prefix, module in self.named_modules():
            for name in module._buffer_names:
                yield _join(prefix, name), getattr(module, name)

    # ── saving and loading ────────────────────────────────────────────────────

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """A copy of all its numbers, name → array: parameters and buffers."""
        state = {name: parameter.numpy() for name, parameter in self.named_parameters()}
        return state | {name: np.array(buffer) for name, buffer in self.named_buffers()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> tuple[list[str], list[str]]:
        """Take over numbers saved by `state_dict`, and return the names (missing, unexpected).

        The Parameters stay the objects that they are, so an optimiser that holds them goes on working.

        Raises:
            ValueError: an entry has another shape; or, where `strict`, one is missing or unexpected.
                The message lists them all, and nothing has been loaded.
        """
        parameters, buffers = dict(self.named_parameters()), dict(self.named_buffers())
        own: dict[str, Any] = parameters | buffers
        arrays = {name: np.asarray(entry.data if isinstance(entry, Value) else entry) for name, entry in state.items()}
        missing = [name for name in own if name not in arrays]
        unexpected = [name for name in arrays if name not in own]
        wrong = [
            f"{name} has shape {arrays[name].shape}, here it is {np.shape(own[name])}"
            for name in own
            if name in arrays and arrays[name].shape != np.shape(own[name])
        ]
        problems = [*wrong]
        if strict and missing:
            problems.append("missing: " + ", ".join(missing))
        if strict and unexpected:
            problems.append("unexpected: " + ", ".join(unexpected))
        if problems:
            raise ValueError(f"load_state_dict of {type(self).__name__}: " + "; ".join(problems))
        for name, parameter in parameters.items():
            if name in arrays:
                parameter.data = arrays[name].astype(parameter.dtype)
        for prefix, module in self.named_modules():
            for name in module._buffer_names:
                if (full := _join(prefix, name)) in arrays:
                    setattr(module, name, arrays[full].astype(buffers[full].dtype))
        return missing, unexpected

    # ── modes and gradients ───────────────────────────────────────────────────

    def train(self, mode: bool = True) -> Self:
        """Switch it and all Modules in it to training: Dropout drops, BatchNorm uses the batch's statistics."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch it and all Modules in it to evaluation."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of its parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    # ── looking in ────────────────────────────────────────────────────────────

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> Callable[[], None]:
        """Call hook(module, args) before each forward pass; returns the function that ends it."""
        self._hooks_before = (*self._hooks_before, hook)

        def remove() -> None:
            self._hooks_before = tuple(h for h in self._hooks_before if h is not hook)

        return remove

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> Callable[[], None]:
        """Call hook(module, args, output) after each forward pass; returns the function that ends it."""
        self._hooks_after = (*self._hooks_after, hook)

        def remove() -> None:
            self._hooks_after = tuple(h for h in self._hooks_after if h is not hook)

        return remove

    def extra_repr(self) -> str:
        """What stands between the parentheses of its repr."""
        return ""

    def draw(self, *args: Any, collapse: str | Iterable[str] | bool = (), **options: Any) -> Any:
        """A picture of one call, with each Module in it as a labelled box, as `engine.draw` makes it.

        Args:
            args: what to call it with; arrays are shown as inputs x, or x0, x1, ...
            collapse: the names of Modules to fold into one box each ("0", "layers.1"); True folds every outermost one.
            options: `engine.draw`'s: format, rankdir, max_nodes, ...
        """
        from .picture import draw_module

        return draw_module(self, args, collapse, options)

    @property
    def _title(self) -> str:
        """Its kind and options, as in error messages: Linear(2, 16)."""
        return f"{type(self).__name__}({self.extra_repr()})"

    def __repr__(self) -> str:
        return "\n".join(_tree(self, "", " parameters"))


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _tree(module: Module, name: str, unit: str = "") -> Iterator[str]:
    """The lines of a repr: the module with its number of parameters, its children below it."""
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

    They are named "0", "1", ...; a dict names them otherwise.  `model[0]` is the first, `model[:2]` a
    Sequential of the first two, which shares their parameters.
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
